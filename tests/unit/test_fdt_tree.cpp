// SPDX-License-Identifier: BSD-2-Clause
// The blob's layout, nodes, properties, paths, aliases and phandles.
#include <set>

#include "tests/unit/test_fdt_blob.hpp"

using fdt::Error;
using fdt::max_depth;
using fdt::Node;
using fdt::Property;
using fdt::Tree;
using fdt_test::Blob;
using fdt_test::check_text;
using fdt_test::fails_with;
using fdt_test::node_at;
using fdt_test::path_of;

namespace {

constexpr std::uint32_t begin_node = 1, end_node = 2, prop = 3, nop = 4, end = 9;
constexpr std::size_t totalsize_at = 4, struct_at = 8, strings_at = 12, reservations_at = 16, version_at = 20,
                      compatible_version_at = 24, strings_size_at = 32, struct_size_at = 36;

Error creation_error(const Blob& blob) {
  const auto tree = blob.create();
  CHECK(!tree.has_value());
  return tree.error();
}

Error structure_error(const std::vector<std::uint32_t>& structure, std::string_view strings = {"p\0", 2}) {
  return creation_error(Blob::assemble(structure, strings));
}

std::vector<std::uint32_t> nested(int levels) {
  std::vector<std::uint32_t> words{begin_node, 0};
  for (int i = 1; i < levels; i++)
    words.insert(words.end(), {begin_node, 0x61000000});
  words.insert(words.end(), static_cast<std::size_t>(levels), end_node);
  words.push_back(end);
  return words;
}

Property property_of(std::string_view bytes) {
  return {"p", {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}};
}

} // namespace

TEST_GROUP(FdtHeader) {
  Blob good = Blob::fixture("fdt_virt");
  std::uint32_t size = static_cast<std::uint32_t>(good.size());
};

TEST(FdtHeader, AcceptsASoundBlobOfExactlyItsSize) {
  const auto tree = Tree::create(good.data(), good.size());
  CHECK(tree.has_value());
  LONGS_EQUAL(good.size(), tree->size());
  POINTERS_EQUAL(good.data(), tree->blob());
}

TEST(FdtHeader, RejectsNullAndMisalignedBlobs) {
  CHECK(fails_with(Tree::create(nullptr), Error::not_a_tree));
  const std::string shifted = "1234" + std::string{good.bytes()};
  const Blob odd{shifted};
  CHECK(fails_with(Tree::create(odd.data() + 4, good.size()), Error::not_a_tree));
}

TEST(FdtHeader, RejectsAnythingShorterThanTheBlob) {
  for (std::size_t length = 0; length < good.size(); length++) {
    const Blob cut{good.bytes().substr(0, length)};
    CHECK(creation_error(cut) == Error::truncated);
  }
}

TEST(FdtHeader, RejectsAWrongMagicOrVersion) {
  CHECK(creation_error(good.with_word(0, 0xd00dfeee)) == Error::not_a_tree);
  CHECK(creation_error(good.with_word(0, 0xedfe0dd0)) == Error::not_a_tree);
  CHECK(creation_error(good.with_word(version_at, 16)) == Error::not_a_tree);
  CHECK(creation_error(good.with_word(compatible_version_at, 18)) == Error::not_a_tree);
  CHECK(good.with_word(version_at, 18).create().has_value()); // newer, but says that it can be read as 16
}

TEST(FdtHeader, RejectsATotalSizeOverTheLimitOrUnderTheHeader) {
  CHECK(creation_error(good.with_word(totalsize_at, size + 1)) == Error::truncated);
  CHECK(creation_error(good.with_word(totalsize_at, 0xffffffff)) == Error::truncated);
  CHECK(creation_error(good.with_word(totalsize_at, 39)) == Error::truncated);
  CHECK(creation_error(good.with_word(totalsize_at, 0)) == Error::truncated);
  CHECK(fails_with(Tree::create(good.data(), good.size() - 1), Error::truncated));
}

TEST(FdtHeader, RejectsBlocksThatRunOutOfTheBlob) {
  for (const std::size_t field : {struct_at, strings_at, reservations_at, strings_size_at, struct_size_at}) {
    CHECK(creation_error(good.with_word(field, size + 8)) == Error::truncated);
    CHECK(creation_error(good.with_word(field, 0x80000000)) == Error::truncated);
    CHECK(creation_error(good.with_word(field, 0xfffffffc)) == Error::truncated);
  }
}

TEST(FdtHeader, RejectsMisalignedBlocks) {
  const auto word = [&](std::size_t at) { return fdt32_ld(reinterpret_cast<const fdt32_t*>(good.data() + at)); };
  CHECK(creation_error(good.with_word(struct_at, word(struct_at) - 2)) == Error::not_a_tree);
  CHECK(creation_error(good.with_word(reservations_at, word(reservations_at) + 4)) == Error::not_a_tree);
}

TEST(FdtHeader, RejectsAReservationListThatRunsOffTheBlob) {
  const Blob sound = Blob::assemble({begin_node, 0, end_node, end}, std::string(64, 'x') + '\0');
  CHECK(sound.create().has_value());
  const auto among_the_strings = static_cast<std::uint32_t>(sound.size() - 40) & ~7u;
  CHECK(creation_error(sound.with_word(reservations_at, among_the_strings)) == Error::bad_structure);
}

TEST_GROUP(FdtStructure){};

TEST(FdtStructure, AcceptsTheSmallestTree) {
  const Blob blob = Blob::assemble({begin_node, 0, end_node, end}, "");
  const Tree tree = blob.tree();
  check_text("", tree.root().name());
  check_text("/", path_of(tree.root()));
  CHECK(!tree.root().first_child());
  CHECK(!tree.root().next_sibling());
  CHECK(!tree.root().property_at(0));
  CHECK(fails_with(tree.root().parent(), Error::no_such_node));
  CHECK(!tree.next(tree.root()));
}

TEST(FdtStructure, SkipsNops) {
  const Blob blob = Blob::assemble(
      {begin_node, 0, nop, prop, 4, 0, 7, nop, begin_node, 0x61000000, end_node, nop, end_node, nop, end}, {"p\0", 2});
  LONGS_EQUAL(7, *blob.tree().root().cell_or("p", 0));
  CHECK(blob.tree().find("/a").has_value());
}

TEST(FdtStructure, RejectsNodesThatDoNotNest) {
  CHECK(structure_error({end}) == Error::bad_structure);
  CHECK(structure_error({nop, begin_node, 0, end_node, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, end_node}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, end_node, end_node, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, end_node, begin_node, 0, end_node, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, end_node, prop, 0, 0, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, 5, end_node, end}) == Error::bad_structure);
}

TEST(FdtStructure, RejectsANodeNameThatRunsOffTheBlock) {
  CHECK(structure_error({begin_node, 0, begin_node, 0x61616161}) == Error::bad_structure);
  CHECK(structure_error({begin_node}) == Error::bad_structure);
}

TEST(FdtStructure, RejectsPropertyLengthsThatRunOffOrWrapAround) {
  for (const std::uint32_t length : {5u, 8u, 13u, 64u, 0x7ffffff0u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xfffffff4u,
                                     0xfffffff8u, 0xfffffffcu, 0xffffffffu})
    CHECK(structure_error({begin_node, 0, prop, length, 0, 7}) == Error::bad_structure);
  for (const std::uint32_t length : {0xffffffe8u, 0xfffffff4u, 0xfffffff8u, 0xfffffffcu, 0xffffffffu})
    CHECK(structure_error({begin_node, 0, prop, length, 0, end_node, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, prop, 0}) == Error::bad_structure);
  // The offset of its name would be the first word of the strings.
  for (const std::uint32_t length : {0u, 4u, 0xfffffff4u, 0xfffffffcu})
    CHECK(structure_error({begin_node, 0, prop, length}, {"\0\0\0\0", 4}) == Error::bad_structure);
}

TEST(FdtStructure, RejectsPropertyNamesOutsideTheStrings) {
  for (const std::uint32_t name : {2u, 3u, 0x7fffffffu, 0x80000000u, 0xffffffffu})
    CHECK(structure_error({begin_node, 0, prop, 0, name, end_node, end}) == Error::bad_structure);
  CHECK(structure_error({begin_node, 0, prop, 0, 0, end_node, end}, "p") == Error::bad_structure); // not terminated
}

TEST(FdtStructure, RejectsMoreLevelsThanMaxDepth) {
  const Blob deepest = Blob::assemble(nested(max_depth), "");
  const Tree tree = deepest.tree();
  Node node = tree.root();
  int levels = 1;
  for (auto child = node.first_child(); child; child = node.first_child(), levels++)
    node = *child;
  LONGS_EQUAL(max_depth, levels);
  LONGS_EQUAL(2 * (max_depth - 1), path_of(node).size());
  CHECK(structure_error(nested(max_depth + 1)) == Error::too_deep);
  CHECK(structure_error(nested(10000)) == Error::too_deep);
}

TEST_GROUP(FdtNode) {
  Blob blob = Blob::fixture("fdt_virt");
  Blob bad = Blob::fixture("fdt_malformed");
  Tree tree = blob.tree();
  Tree bad_tree = bad.tree();
};

TEST(FdtNode, WalksDepthFirstInTreeOrder) {
  std::vector<std::string> slots;
  std::size_t nodes = 0;
  for (auto node = tree.next(std::nullopt); node; node = tree.next(node), nodes++)
    if (node->is_compatible("virtio,mmio")) slots.emplace_back(node->name());
  LONGS_EQUAL(22, nodes);
  LONGS_EQUAL(8, slots.size());
  check_text("virtio_mmio@10008000", slots.front());
  check_text("virtio_mmio@10001000", slots.back());
}

TEST(FdtNode, ListsChildrenInOrderAndNotTheirChildren) {
  std::string names;
  for (auto node = tree.root().first_child(); node; node = node->next_sibling())
    names += std::string{node->name()} + " ";
  check_text("aliases chosen memory@80000000 cpus soc ", names);
}

TEST(FdtNode, KnowsItsParentAndPath) {
  const Node intc = node_at(tree, "/cpus/cpu@0/interrupt-controller");
  check_text("/cpus/cpu@0/interrupt-controller", path_of(intc));
  check_text("cpu@0", intc.parent()->name());
  CHECK(*intc.parent()->parent()->parent() == tree.root());
}

TEST(FdtNode, CutsAPathOffThatDoesNotFit) {
  const Node plic = node_at(tree, "/soc/plic@c000000");
  char text[10];
  check_text("/soc/plic@", plic.path(text));
  check_text("/so", plic.path({text, 3}));
  check_text("", plic.path({}));
}

TEST(FdtNode, FindsPropertiesByNameAndByIndex) {
  const Node uart = node_at(tree, "/soc/serial@10000000");
  check_text("ns16550a", *uart.property("compatible")->string());
  check_text("compatible", uart.property("compatible")->name());
  CHECK(fails_with(uart.property("compat"), Error::no_such_property));
  CHECK(fails_with(uart.property(""), Error::no_such_property));
  check_text("compatible", uart.property_at(0)->name());
  check_text("reg", uart.property_at(1)->name());
  CHECK(uart.has("clock-frequency"));
  CHECK(!uart.has("current-speed"));
  CHECK(uart.property_at(3).has_value());
  CHECK(!uart.property_at(4));
  CHECK(!uart.property_at(SIZE_MAX));
}

TEST(FdtNode, ReadsNothingBehindANameThatEndsSooner) {
  using namespace std::string_view_literals;
  const Node uart = node_at(tree, "/soc/serial@10000000");
  CHECK(fails_with(uart.property("reg\0\0\0\0\0\0\0\0"sv), Error::no_such_property));
  CHECK(!uart.is_compatible("ns16550a\0x"sv));
  CHECK(!tree.root().child("soc\0"sv));
}

TEST(FdtNode, KeepsAPropertysNameWhenTheCallersIsGone) {
  auto asked = std::make_unique<std::string>("compatible");
  const auto property = node_at(tree, "/soc").property(*asked);
  asked.reset();
  check_text("compatible", property->name());
}

TEST(FdtNode, ReadsACellOrFallsBackOnlyWhenThereIsNone) {
  const Node uart = node_at(tree, "/soc/serial@10000000");
  LONGS_EQUAL(3686400, *uart.cell_or("clock-frequency", 1));
  LONGS_EQUAL(1, *uart.cell_or("reg-shift", 1));
  CHECK(fails_with(uart.cell_or("reg", 1), Error::bad_length));
  CHECK(fails_with(node_at(tree, "/soc").cell_or("ranges", 1), Error::bad_length));
}

TEST(FdtNode, IsCompatibleWithEachEntryOfTheList) {
  const Node plic = node_at(tree, "/soc/plic@c000000");
  CHECK(plic.is_compatible("sifive,plic-1.0.0"));
  CHECK(plic.is_compatible("riscv,plic0"));
  CHECK(!plic.is_compatible("riscv,plic"));
  CHECK(!plic.is_compatible(""));
  CHECK(!tree.root().first_child()->is_compatible("test,virt"));
}

TEST(FdtNode, ComparesOnlyTerminatedStrings) {
  const Node node = node_at(bad_tree, "/compatible-unterminated");
  CHECK(node.is_compatible("first"));
  CHECK(!node.is_compatible("second"));
}

TEST(FdtNode, FindsTheEnabledNodesOfAKindInTreeOrder) {
  const Blob changed = Blob::fixture("fdt_virt").with("/soc/virtio_mmio@10007000", "status", {"disabled", 9});
  const Tree some_off = changed.tree();
  std::string names;
  for (auto node = some_off.next_device(std::nullopt, "virtio,mmio"); node;
       node = some_off.next_device(node, "virtio,mmio"))
    names += std::string{node->name().substr(16)} + " ";
  check_text("8000 6000 5000 4000 3000 2000 1000 ", names);
  CHECK(!tree.next_device(std::nullopt, "virtio"));
}

TEST(FdtNode, IsEnabledUnlessItsStatusSaysOtherwise) {
  CHECK(node_at(bad_tree, "/good@1000").is_enabled());
  CHECK(node_at(bad_tree, "/status-okay").is_enabled());
  CHECK(node_at(bad_tree, "/status-ok").is_enabled());
  CHECK(!node_at(bad_tree, "/status-disabled").is_enabled());
  CHECK(!node_at(bad_tree, "/status-empty").is_enabled());
  CHECK(!node_at(bad_tree, "/status-unterminated").is_enabled());
}

TEST(FdtNode, ValuesOutliveTheTreeObjectTheyCameFrom) {
  const auto node = [&] {
    const Tree temporary = blob.tree();
    return node_at(temporary, "/soc/serial@10000000");
  }();
  check_text("/soc", path_of(*node.parent()));
  CHECK(node == node_at(tree, "/soc/serial@10000000"));
  CHECK(!(node == node_at(tree, "/soc")));
  CHECK(!(tree.root() == bad_tree.root()));
}

TEST_GROUP(FdtFind) {
  Blob blob = Blob::fixture("fdt_stdout");
  Tree tree = blob.tree();
  bool finds_nothing(std::string_view path) {
    const auto node = tree.find(path);
    return !node && node.error() == Error::no_such_node;
  }
};

TEST(FdtFind, FindsFullPathsAndTheRoot) {
  check_text("/soc/serial@2000", path_of(node_at(tree, "/soc/serial@2000")));
  CHECK(node_at(tree, "/") == tree.root());
  CHECK(node_at(tree, "//soc/") == node_at(tree, "/soc"));
}

TEST(FdtFind, TakesTheFirstNodeWhenTheUnitAddressIsLeftOut) {
  check_text("/soc/serial@1000", path_of(node_at(tree, "/soc/serial")));
  check_text("/soc/seri@0", path_of(node_at(tree, "/soc/seri")));
}

TEST(FdtFind, FindsNothingForWrongPaths) {
  CHECK(finds_nothing(""));
  CHECK(finds_nothing("/nothing"));
  CHECK(finds_nothing("/soc/serial@"));
  CHECK(finds_nothing("/soc/serial@3000"));
  CHECK(finds_nothing("/soc/serial@1000/x"));
  CHECK(finds_nothing("soc"));
}

TEST(FdtFind, ResolvesAliasesWithAndWithoutRest) {
  check_text("/soc/serial@2000", path_of(node_at(tree, "serial1")));
  check_text("/soc/serial@1000", path_of(node_at(tree, "bus/serial@1000")));
  check_text("/soc/serial@1000", *tree.alias("serial0"));
  CHECK(!tree.alias("serial9"));
}

TEST(FdtFind, RefusesAliasesThatAreNoFullPath) {
  CHECK(finds_nothing("loop"));
  CHECK(finds_nothing("other"));
  CHECK(finds_nothing("nowhere"));
  CHECK(finds_nothing("empty"));
  CHECK(finds_nothing("unterminated"));
  CHECK(!tree.alias("unterminated"));
}

TEST(FdtFind, FindsNodesByPhandle) {
  const Blob virt = Blob::fixture("fdt_virt");
  const Node soc = node_at(virt.tree(), "/soc");
  const auto parent = soc.cell_or("interrupt-parent", 0);
  check_text("/soc/plic@c000000", path_of(*virt.tree().by_phandle(*parent)));
  for (const std::uint32_t wrong : {0u, 0x1234u, 0xffffffffu})
    CHECK(fails_with(virt.tree().by_phandle(wrong), Error::bad_phandle));
}

TEST_GROUP(FdtProperty){};

TEST(FdtProperty, ReadsBigEndianCells) {
  const Property property = property_of({"\x01\x02\x03\x04\xff\xfe\xfd\xfc", 8});
  LONGS_EQUAL(2, property.cell_count());
  LONGS_EQUAL(0x01020304, *property.cell(0));
  UNSIGNED_LONGS_EQUAL(0xfffefdfc, *property.cell(1));
  CHECK(*property.number(0, 2) == 0x01020304'fffefdfc);
  CHECK(*property.number(1, 1) == 0xfffefdfc);
  LONGS_EQUAL(0, *property.number(2, 0));
}

TEST(FdtProperty, RefusesCellsBehindItsEnd) {
  const Property property = property_of({"\x01\x02\x03\x04\x05\x06\x07", 7});
  LONGS_EQUAL(1, property.cell_count());
  CHECK(fails_with(property.cell(1), Error::bad_length));
  CHECK(fails_with(property.cell(SIZE_MAX), Error::bad_length));
  CHECK(fails_with(property.number(0, 2), Error::bad_length));
  CHECK(fails_with(property.number(SIZE_MAX, 2), Error::bad_length));
  CHECK(fails_with(property.number(2, 0), Error::bad_length));
  CHECK(fails_with(property.number(0, 3), Error::bad_cells));
  CHECK(fails_with(Property{}.cell(0), Error::bad_length));
}

TEST(FdtProperty, ReadsStringLists) {
  const Property property = property_of({"one\0\0three\0", 11});
  check_text("one", *property.string());
  check_text("", *property.string_at(1));
  check_text("three", *property.string_at(2));
  CHECK(!property.string_at(3));
  CHECK(!property.string_at(SIZE_MAX));
}

TEST(FdtProperty, RefusesStringsWithoutAnEnd) {
  CHECK(fails_with(property_of("one").string(), Error::bad_length));
  CHECK(fails_with(Property{}.string(), Error::bad_length));
  CHECK(!property_of({"one\0two", 7}).string_at(1));
}

TEST_GROUP(FdtError){};

TEST(FdtError, HasATextOfItsOwnForEachCause) {
  std::set<std::string> texts;
  const int count = static_cast<int>(Error::too_deep) + 1;
  for (int i = 0; i < count; i++)
    texts.insert(fdt::to_string(static_cast<Error>(i)));
  LONGS_EQUAL(count, texts.size());
  CHECK(!texts.contains(fdt::to_string(static_cast<Error>(count)))); // what stands for no cause
}
