// SPDX-License-Identifier: BSD-2-Clause
// The flattened device tree over libfdt: nodes and properties whose every access is bounds-checked.
//
// Depends on libfdt and nothing of ours. Tree, Node and Property are small values that point into the blob: they may be
// copied freely, and are valid as long as the blob stays where it is, unchanged. Tree::create() checks the blob's whole
// layout once; malformed content behind that ends in an fdt::Error, never in a read outside the blob.
// Specification: Devicetree Specification 0.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>

namespace fdt {

enum class Error : std::uint8_t {
  not_a_tree,    ///< magic, version or sizes are wrong
  truncated,     ///< the blob, or one of its blocks, is longer than the memory given
  bad_structure, ///< nodes do not nest, or a property or string runs past its block
  no_such_node,
  no_such_property,
  no_such_entry, ///< an index behind a property's last entry
  empty_entry,   ///< an entry that names no controller on purpose (phandle 0 or -1)
  bad_length,    ///< a property's length does not fit its meaning
  bad_cells,     ///< #address-cells, #size-cells or #interrupt-cells missing where needed, or out of range
  bad_phandle,   ///< a phandle that names no node
  no_interrupt_parent,
  not_translatable, ///< a parent bus has no `ranges`, none covers the region, or the result exceeds 64 bits
  too_deep,         ///< more levels than max_depth
};

/// A short lower-case clause; never null.
[[nodiscard]] const char* to_string(Error error);

template <class T> using Result = tl::expected<T, Error>;

/// Levels of nodes, the root included; Tree::create() refuses a deeper tree.
inline constexpr int max_depth = 32;

class Tree;

/// A property: its bytes as they stand in the blob (big-endian cells).
class Property {
 public:
  constexpr Property() = default;
  constexpr Property(std::string_view name, std::span<const std::byte> bytes) : name_{name}, bytes_{bytes} {}
  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::size_t cell_count() const { return bytes_.size() / 4; }
  /// Cell `index`; Error::bad_length if the property ends before it.
  [[nodiscard]] Result<std::uint32_t> cell(std::size_t index) const;
  /// A number of `cells` (0 to 2) cells starting at cell `index`; Error::bad_cells for more.
  [[nodiscard]] Result<std::uint64_t> number(std::size_t index, std::size_t cells) const;
  /// The first string; Error::bad_length if it is not terminated inside the property.
  [[nodiscard]] Result<std::string_view> string() const;
  /// The index-th string of a string list; nullopt behind the last, or if not terminated.
  [[nodiscard]] std::optional<std::string_view> string_at(std::size_t index) const;

 private:
  std::string_view name_{};
  std::span<const std::byte> bytes_{};
};

/// A node: where it stands in its tree; valid as long as that. Kept as small as that, for it is copied everywhere.
class Node {
 public:
  /// "serial@10000000"; the root's name is empty.
  [[nodiscard]] std::string_view name() const;
  /// The full path into `out`, not terminated, cut off if it does not fit.
  [[nodiscard]] std::string_view path(std::span<char> out) const;
  /// Error::no_such_property if the node has none of this name.
  [[nodiscard]] Result<Property> property(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return property(name).has_value(); }
  /// A property of exactly one cell, or `fallback` if it is absent; Error::bad_length if it is not one cell.
  [[nodiscard]] Result<std::uint32_t> cell_or(std::string_view name, std::uint32_t fallback) const;
  [[nodiscard]] bool is_compatible(std::string_view compatible) const;
  /// `status` absent, "okay" or "ok".
  [[nodiscard]] bool is_enabled() const;
  /// Error::no_such_node for the root. Costs a walk from the root to here, see Lineage.
  [[nodiscard]] Result<Node> parent() const;
  /// Children in tree order: for (auto n = node.first_child(); n; n = n->next_sibling())
  [[nodiscard]] std::optional<Node> first_child() const;
  [[nodiscard]] std::optional<Node> next_sibling() const;
  /// The child of this name, or, for a name without '@', the first of this name whatever its unit address.
  [[nodiscard]] std::optional<Node> child(std::string_view name) const;
  /// Properties in tree order by index, until nullopt.
  [[nodiscard]] std::optional<Property> property_at(std::size_t index) const;
  [[nodiscard]] Tree tree() const;
  /// Where the node stands in the structure block: tells nodes of one tree apart.
  [[nodiscard]] int offset() const { return offset_; }
  bool operator==(const Node& other) const { return blob_ == other.blob_ && offset_ == other.offset_; }

 private:
  friend class Lineage;
  friend class Tree;
  Node(const void* blob, int offset);
  [[nodiscard]] std::optional<Node> next() const;
  const void* blob_;
  int offset_;
  int contents_; ///< where its properties start, behind its name
};

/// The nodes from the root down to one, found by a walk through all that stands before it: nothing in a blob tells the
/// way up.
class Lineage {
 public:
  explicit Lineage(const Node& node);
  /// How deep the node lies; 0 for the root.
  [[nodiscard]] int depth() const { return depth_; }
  /// The node in it that lies at `depth`, from 0 (the root) to depth() (the node itself).
  [[nodiscard]] Node at(int depth) const { return Node{blob_, offsets_[depth]}; }

 private:
  const void* blob_;
  int depth_{-1};
  int offsets_[max_depth]; ///< the first depth_ + 1 of them
};

class Tree {
 public:
  /// Checks the header, the reservations and the whole structure block; reads at most `limit` bytes. `blob` must be
  /// aligned to 8 bytes, as the specification asks. Errors: not_a_tree, truncated, bad_structure, too_deep.
  [[nodiscard]] static Result<Tree> create(const void* blob, std::size_t limit = 16u << 20);

  [[nodiscard]] Node root() const { return Node{blob_, 0}; }
  /// By full path ("/soc/serial@10000000"; a component without unit address finds the first of that name) or by alias
  /// ("serial0", "i2c0/clock@68"). An alias must stand for a full path, not for another alias.
  [[nodiscard]] Result<Node> find(std::string_view path) const;
  /// Error::bad_phandle if no node has it; 0 and -1 are never one.
  [[nodiscard]] Result<Node> by_phandle(std::uint32_t phandle) const;
  /// The next node in tree order (depth first) after `after`, or the first; nullopt at the end.
  [[nodiscard]] std::optional<Node> next(std::optional<Node> after) const;
  /// The next enabled node after `after` (or the first) that is compatible with this.
  [[nodiscard]] std::optional<Node> next_device(std::optional<Node> after, std::string_view compatible) const;
  /// The path an alias stands for.
  [[nodiscard]] std::optional<std::string_view> alias(std::string_view name) const;
  /// Bytes of the blob, for reserving it.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const void* blob() const { return blob_; }

 private:
  friend class Node;
  constexpr explicit Tree(const void* blob) : blob_{blob} {}
  const void* blob_;
};
static_assert(std::is_trivially_copyable_v<Tree> && std::is_trivially_copyable_v<Node>);

inline Tree Node::tree() const {
  return Tree{blob_};
}

} // namespace fdt
