// SPDX-License-Identifier: BSD-2-Clause
// The console's path, memory and what is reserved, CPUs, alias numbers.
#include "fdt/chosen.hpp"

#include <array>

#include "tests/unit/test_fdt_blob.hpp"

using fdt::Error;
using fdt::Node;
using fdt::Region;
using fdt::RegionList;
using fdt::Tree;
using fdt_test::Blob;
using fdt_test::check_text;
using fdt_test::fails_with;
using fdt_test::node_at;
using fdt_test::path_of;
using namespace std::string_view_literals;

TEST_GROUP(FdtStdout) {
  Blob blob = Blob::fixture("fdt_stdout");

  void names(std::string_view value, std::string_view path, std::string_view options) {
    const Blob edited = blob.with("/chosen", "stdout-path", value);
    const auto found = fdt::stdout_path(edited.tree());
    CHECK_TEXT(found.has_value(), std::string{value}.c_str());
    check_text(path, path_of(found->node));
    check_text(options, found->options);
  }
  Error error_of(std::string_view value) {
    const Blob edited = blob.with("/chosen", "stdout-path", value);
    const auto found = fdt::stdout_path(edited.tree());
    CHECK_TEXT(!found.has_value(), std::string{value}.c_str());
    return found.error();
  }
};

TEST(FdtStdout, FollowsPathsAndAliasesWithAndWithoutOptions) {
  names("/soc/serial@2000\0"sv, "/soc/serial@2000", "");
  names("/soc/serial@2000:9600\0"sv, "/soc/serial@2000", "9600");
  names("serial1\0"sv, "/soc/serial@2000", "");
  names("serial0:115200n8\0"sv, "/soc/serial@1000", "115200n8");
  names("serial0:\0"sv, "/soc/serial@1000", "");
  names("serial0:115200:x\0"sv, "/soc/serial@1000", "115200:x");
  names("bus/serial@2000:1\0"sv, "/soc/serial@2000", "1");
}

TEST(FdtStdout, SaysWhyThereIsNone) {
  CHECK(fails_with(fdt::stdout_path(blob.tree()), Error::no_such_property));
  const Blob empty = Blob::assemble({1, 0, 2, 9}, "");
  CHECK(fails_with(fdt::stdout_path(empty.tree()), Error::no_such_property));
  CHECK(error_of("/soc/serial@3000\0"sv) == Error::no_such_node);
  CHECK(error_of("serial9:115200\0"sv) == Error::no_such_node);
  CHECK(error_of("loop\0"sv) == Error::no_such_node);
  CHECK(error_of(":115200\0"sv) == Error::no_such_node);
  CHECK(error_of("\0"sv) == Error::no_such_node);
  CHECK(error_of(""sv) == Error::bad_length);
  CHECK(error_of("serial0"sv) == Error::bad_length);
}

TEST(FdtStdout, TakesTheOlderPropertyOnlyWithoutTheNewer) {
  const Blob older = blob.with("/chosen", "linux,stdout-path", "serial0\0"sv);
  check_text("/soc/serial@1000", path_of(fdt::stdout_path(older.tree())->node));
  const Blob both = older.with("/chosen", "stdout-path", "serial1\0"sv);
  check_text("/soc/serial@2000", path_of(fdt::stdout_path(both.tree())->node));
}

TEST_GROUP(FdtMemory) {
  Blob blob = Blob::fixture("fdt_memory");
  std::array<Region, 16> regions;

  void check_regions(const RegionList& list, std::initializer_list<Region> expected) {
    LONGS_EQUAL(expected.size(), list.count);
    for (std::size_t i = 0; i < list.count; i++)
      CHECK(regions[i] == expected.begin()[i]);
  }
};

TEST(FdtMemory, ListsEnabledMemoryAndNamesTheMalformedNode) {
  const RegionList list = fdt::memory(blob.tree(), regions);
  check_regions(list, {{0x8000'0000, 0x800'0000}, {0x1'0000'0000, 0x1000'0000}, {0x4'0000'0000, 0x1000}});
  CHECK(list.complete);
  check_text("/memory@200000000", path_of(*list.malformed));
}

TEST(FdtMemory, ListsReservationsOfBothKinds) {
  const RegionList list = fdt::reserved_memory(blob.tree(), regions);
  check_regions(list, {{0x8000'0000, 0x1000},
                       {0x8100'0000, 0x2000},
                       {0x8000'0000, 0x8'0000},
                       {0x8200'0000, 0x1000},
                       {0x8300'0000, 0x2000},
                       {0x8400'0000, 0x1000},
                       {0x8600'0000, 0x1000}});
  CHECK(list.complete);
  check_text("/reserved-memory/damaged@85000000", path_of(*list.malformed));
}

TEST(FdtMemory, SaysWhenThereWasNoRoom) {
  const RegionList reserved = fdt::reserved_memory(blob.tree(), std::span{regions}.first(6));
  LONGS_EQUAL(6, reserved.count);
  CHECK(!reserved.complete);
  const RegionList exact = fdt::reserved_memory(blob.tree(), std::span{regions}.first(7));
  CHECK(exact.complete);
  const RegionList none = fdt::memory(blob.tree(), {});
  LONGS_EQUAL(0, none.count);
  CHECK(!none.complete);
}

TEST(FdtMemory, FindsNothingInASoundTreeWithoutAny) {
  const Blob empty = Blob::assemble({1, 0, 2, 9}, "");
  const RegionList memory = fdt::memory(empty.tree(), regions);
  const RegionList reserved = fdt::reserved_memory(empty.tree(), regions);
  LONGS_EQUAL(0, memory.count + reserved.count);
  CHECK(memory.complete && reserved.complete && !memory.malformed && !reserved.malformed);
}

TEST(FdtMemory, KeepsTheGoodEntriesBeforeABadOne) {
  const Blob wraps = blob.with_cells("/memory@80000000", "reg",
                                     {0, 0x80000000, 0, 0x1000, 0xffffffff, 0xfffff000, 0, 0x1001, 0, 0, 0, 1});
  const RegionList list = fdt::memory(wraps.tree(), regions);
  check_regions(list, {{0x8000'0000, 0x1000}, {0x4'0000'0000, 0x1000}});
  check_text("/memory@80000000", path_of(*list.malformed));
}

TEST_GROUP(FdtCpus) {
  Blob blob = Blob::fixture("fdt_multi_hart");
  Tree tree = blob.tree();
};

TEST(FdtCpus, FindsTheNodeOfAHart) {
  check_text("/cpus/cpu@0", path_of(*fdt::cpu(tree, 0)));
  check_text("/cpus/cpu@3", path_of(*fdt::cpu(tree, 3)));
  CHECK(fails_with(fdt::cpu(tree, 2), Error::no_such_node));
  CHECK(fails_with(fdt::cpu(tree, 0x1'0000'0003), Error::no_such_node));
  const Blob wide = blob.with_cells("/cpus", "#address-cells", {2}).with_cells("/cpus/cpu@3", "reg", {1, 3});
  check_text("/cpus/cpu@3", path_of(*fdt::cpu(wide.tree(), 0x1'0000'0003)));
}

TEST(FdtCpus, TakesOnlyCpuNodesForHarts) {
  const Blob other = blob.with_cells("/cpus/cpu-map", "reg", {9});
  CHECK(fails_with(fdt::cpu(other.tree(), 9), Error::no_such_node));
}

TEST(FdtCpus, KnowsTheHartOfAnInterruptController) {
  LONGS_EQUAL(4, *fdt::hart_of_interrupt_controller(node_at(tree, "/cpus/cpu@4/interrupt-controller")));
  const Node plic = node_at(tree, "/soc/interrupt-controller@c000000");
  CHECK(fails_with(fdt::hart_of_interrupt_controller(plic), Error::no_such_node));
  const Blob bad = Blob::fixture("fdt_malformed");
  CHECK(!fdt::hart_of_interrupt_controller(node_at(bad.tree(), "/orphan-intc")).has_value());
}

TEST(FdtCpus, ReadsTheTimebaseInOneOrTwoCells) {
  LONGS_EQUAL(1000000, *fdt::timebase_frequency(tree));
  const Blob wide = blob.with_cells("/cpus", "timebase-frequency", {1, 2});
  CHECK(*fdt::timebase_frequency(wide.tree()) == 0x1'0000'0002);
}

TEST(FdtCpus, FallsBackToTheTimebaseOfACpuAndNeverGivesZero) {
  for (const auto& broken :
       {blob.with_cells("/cpus", "timebase-frequency", {0}), blob.with_cells("/cpus", "timebase-frequency", {1, 2, 3}),
        blob.with("/cpus", "timebase-frequency", "12345"), blob.with("/cpus", "timebase-frequency", "")}) {
    CHECK(fails_with(fdt::timebase_frequency(broken.tree()), Error::no_such_property));
    const Blob in_cpu = broken.with_cells("/cpus/cpu@3", "timebase-frequency", {32768});
    LONGS_EQUAL(32768, *fdt::timebase_frequency(in_cpu.tree()));
  }
  const Blob empty = Blob::assemble({1, 0, 2, 9}, "");
  CHECK(fails_with(fdt::timebase_frequency(empty.tree()), Error::no_such_property));
  CHECK(fails_with(fdt::cpu(empty.tree(), 0), Error::no_such_node));
}

TEST_GROUP(FdtAliasIndex) {
  Blob blob = Blob::fixture("fdt_virt");
  Tree tree = blob.tree();
};

TEST(FdtAliasIndex, GivesTheNumberThatNamesTheNode) {
  LONGS_EQUAL(0, *fdt::alias_index(node_at(tree, "/soc/virtio_mmio@10003000"), "ethernet"));
  LONGS_EQUAL(0, *fdt::alias_index(node_at(tree, "/soc/serial@10000000"), "serial"));
  CHECK(!fdt::alias_index(node_at(tree, "/soc/serial@10000000"), "ethernet"));
  CHECK(!fdt::alias_index(node_at(tree, "/soc/virtio_mmio@10008000"), "ethernet"));
}

TEST(FdtAliasIndex, TakesTheLowestOfSeveral) {
  LONGS_EQUAL(1, *fdt::alias_index(node_at(tree, "/soc/virtio_mmio@10001000"), "ethernet"));
  const Blob other = blob.with("/aliases", "ethernet1", "/soc/nothing\0"sv);
  LONGS_EQUAL(12, *fdt::alias_index(node_at(other.tree(), "/soc/virtio_mmio@10001000"), "ethernet"));
}

TEST(FdtAliasIndex, IgnoresNamesThatAreNoStemAndNumber) {
  // ethernet02, ethernetx, ethernet and one with twenty digits all name it
  CHECK(!fdt::alias_index(node_at(tree, "/soc/virtio_mmio@10004000"), "ethernet"));
  const Blob empty = Blob::assemble({1, 0, 2, 9}, "");
  CHECK(!fdt::alias_index(empty.tree().root(), "ethernet"));
}
