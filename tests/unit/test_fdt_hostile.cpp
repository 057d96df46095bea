// SPDX-License-Identifier: BSD-2-Clause
// Damaged blobs through everything the headers offer: nothing crashes, nothing is found outside the blob. The memory
// has exactly the blob's size, and a page that must not be touched stands behind a second copy, for libfdt's own reads.
#include <sys/mman.h>

#include <array>
#include <functional>

#include "fdt/chosen.hpp"
#include "fdt/interrupt.hpp"
#include "tests/unit/test_fdt_blob.hpp"

using fdt::Node;
using fdt::Property;
using fdt::Region;
using fdt::Tree;
using fdt_test::Blob;
using fdt_test::path_of;

namespace {

/// A blob at the end of readable memory.
class GuardedCopy {
 public:
  explicit GuardedCopy(std::string_view bytes) : size_{bytes.size()} {
    mapped_ = (size_ + page - 1) / page * page + page;
    base_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(base_ != MAP_FAILED);
    LONGS_EQUAL(0, mprotect(base_ + mapped_ - page, page, PROT_NONE));
    blob_ = base_ + (mapped_ - page - size_) / 8 * 8;
    std::memcpy(blob_, bytes.data(), size_);
  }
  GuardedCopy(const GuardedCopy&) = delete;
  GuardedCopy& operator=(const GuardedCopy&) = delete;
  ~GuardedCopy() { munmap(base_, mapped_); }
  [[nodiscard]] char* data() const { return blob_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t page = 4096;
  std::size_t size_;
  std::size_t mapped_;
  char* base_;
  char* blob_;
};

/// Calls everything on everything; walk() returns the number of nodes seen.
class Walker {
 public:
  explicit Walker(const Tree& tree) : tree_{tree} {}

  std::size_t walk() {
    std::size_t nodes = 0;
    for (auto node = tree_.next(std::nullopt); node; node = tree_.next(node), nodes++) {
      look_at(*node);
      addresses(*node);
      interrupts(*node);
    }
    whole_tree();
    return nodes;
  }

 private:
  void inside(const void* data, std::size_t size) {
    const char* from = static_cast<const char*>(data);
    const char* blob = static_cast<const char*>(tree_.blob());
    CHECK(from >= blob && from <= blob + tree_.size() && size <= static_cast<std::size_t>(blob + tree_.size() - from));
  }
  void inside(std::string_view text) { inside(text.data(), text.size()); }

  void look_at(const Node& node) {
    inside(node.name());
    CHECK(!path_of(node).empty());
    CHECK(node.parent().has_value() == !(node == tree_.root()));
    for (auto child = node.first_child(); child; child = child->next_sibling())
      CHECK(*child->parent() == node);
    CHECK(node.is_enabled() || node.has("status"));
    CHECK(!node.is_compatible("virtio,mmio") || node.has("compatible"));
    for (std::size_t i = 0;; i++) {
      const auto property = node.property_at(i);
      if (!property) break;
      look_at(*property);
      CHECK(node.has(property->name()));
      if (const auto found = tree_.by_phandle(node.cell_or(property->name(), 0).value_or(0))) inside(found->name());
    }
  }

  void look_at(const Property& property) {
    inside(property.name());
    inside(property.bytes().data(), property.bytes().size());
    std::uint64_t sum = 0;
    for (const std::byte octet : property.bytes())
      sum += std::to_integer<unsigned>(octet);
    for (std::size_t i = 0; property.cell(i); i++)
      sum += *property.cell(i);
    CHECK(sum < UINT64_MAX);
    for (std::size_t i = 0; const auto text = property.string_at(i); i++)
      inside(*text);
  }

  void addresses(const Node& node) {
    for (std::size_t i = 0; i <= fdt::reg_count(node); i++) {
      const auto region = fdt::reg(node, i);
      CHECK(!region || region->size == 0 || region->address + (region->size - 1) >= region->address);
    }
  }

  void interrupts(const Node& node) {
    const std::size_t count = fdt::interrupt_count(node);
    for (std::size_t i = 0; i < count; i++) {
      const auto interrupt = fdt::interrupt(node, i);
      CHECK(interrupt || interrupt.error() == fdt::Error::empty_entry);
      if (!interrupt) continue;
      CHECK(interrupt->cell_count >= 1 && interrupt->cell_count <= std::size(interrupt->cells));
      (void)fdt::hart_of_interrupt_controller(interrupt->controller);
    }
    CHECK(!fdt::interrupt(node, count));
  }

  void whole_tree() {
    std::array<Region, 4> regions;
    CHECK(fdt::memory(tree_, regions).count <= regions.size());
    CHECK(fdt::reserved_memory(tree_, regions).count <= regions.size());
    (void)fdt::timebase_frequency(tree_);
    (void)fdt::cpu(tree_, 0);
    if (const auto out = fdt::stdout_path(tree_)) inside(out->options);
    if (const auto path = tree_.alias("serial0")) inside(*path);
    if (const auto slot = tree_.find("/soc/virtio_mmio")) (void)fdt::alias_index(*slot, "ethernet");
  }

  Tree tree_;
};

/// Walks the bytes as a blob, in both kinds of memory. Returns whether they were accepted.
bool survives(std::string_view bytes) {
  const Blob blob{bytes};
  const auto tree = blob.create();
  if (tree) CHECK(Walker{*tree}.walk() > 0);
  const GuardedCopy guarded{bytes};
  const auto same = Tree::create(guarded.data(), guarded.size());
  CHECK(same.has_value() == tree.has_value());
  if (same) Walker{*same}.walk();
  return tree.has_value();
}

/// Damages each byte in turn; some results must be refused and some accepted, or the loop shows nothing.
void survives_damage(const Blob& blob, const std::function<char(char)>& damage) {
  std::size_t accepted = 0;
  std::string bytes{blob.bytes()};
  for (char& octet : bytes) {
    const char before = octet;
    octet = damage(before);
    accepted += survives(bytes) ? 1 : 0;
    octet = before;
  }
  CHECK(accepted > 0);
  CHECK(accepted < bytes.size());
}

} // namespace

TEST_GROUP(FdtHostile) {
  /// A small tree in which every property has a reader.
  Blob small = Blob::fixture("fdt_small");
};

TEST(FdtHostile, EveryFixtureSurvivesTheWalk) {
  for (const auto* name :
       {"fdt_virt", "fdt_multi_hart", "fdt_ranges", "fdt_malformed", "fdt_memory", "fdt_stdout", "fdt_small"})
    CHECK_TEXT(survives(Blob::fixture(name).bytes()), name);
}

TEST(FdtHostile, SurvivesEachByteInverted) {
  survives_damage(small, [](char octet) { return static_cast<char>(~octet); });
}

TEST(FdtHostile, SurvivesEachByteCleared) {
  survives_damage(small, [](char) { return '\0'; });
}

TEST(FdtHostile, SurvivesSingleBitsOfEachByteFlipped) {
  for (const int bit : {0, 1, 7})
    survives_damage(small, [bit](char octet) { return static_cast<char>(octet ^ 1 << bit); });
}

TEST(FdtHostile, SurvivesEachTruncationThatSaysItIsWhole) {
  for (std::size_t length = 0; length < small.size(); length++) {
    const Blob cut{small.bytes().substr(0, length)};
    CHECK(!survives(cut.bytes()));
    if (length >= 8) survives(cut.with_word(4, static_cast<std::uint32_t>(length)).bytes());
  }
}

TEST(FdtHostile, SurvivesEachWordOfTheStructureMadeExtreme) {
  const auto from = static_cast<std::size_t>(fdt_off_dt_struct(small.data()));
  const auto to = from + fdt_size_dt_struct(small.data());
  for (std::size_t at = from; at + 4 <= to; at += 4)
    for (const std::uint32_t word :
         {1u, 2u, 3u, 4u, 9u, 0x7fffffffu, 0x80000000u, 0xfffffff0u, 0xfffffff4u, 0xffffffffu})
      survives(small.with_word(at, word).bytes());
}

TEST(FdtHostile, SurvivesRandomDamageInSeveralPlaces) {
  std::uint64_t state = 0x9e3779b97f4a7c15; // xorshift, the same on every run
  const auto random = [&state] {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  };
  std::size_t accepted = 0;
  for (int round = 0; round < 2000; round++) {
    std::string bytes{small.bytes()};
    for (std::uint64_t i = 0, changes = 1 + random() % 4; i < changes; i++)
      bytes[40 + random() % (bytes.size() - 40)] = static_cast<char>(random());
    accepted += survives(bytes) ? 1 : 0;
  }
  CHECK(accepted > 100);
}
