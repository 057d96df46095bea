// SPDX-License-Identifier: BSD-2-Clause
// The flattened device tree over libfdt: nodes and properties whose every access is bounds-checked.
//
// Depends on libfdt and nothing of ours. A Tree borrows the blob; Node and Property are values that point into it.
// Malformed content ends in an fdt::Error, never in a read outside the blob. Specification: Devicetree Specification
// 0.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>

namespace fdt {

enum class Error : std::uint8_t {
  not_a_tree, ///< magic, version or sizes are wrong
  truncated,  ///< structure or strings run past the blob
  no_such_node,
  no_such_property,
  bad_length,  ///< a property's length does not fit its meaning
  bad_cells,   ///< #address-cells, #size-cells or #interrupt-cells missing where needed, or out of range
  bad_phandle, ///< a phandle that names no node
  no_interrupt_parent,
  not_translatable, ///< a parent bus has no `ranges`, or none that covers the address
  too_deep,         ///< more levels than max_depth
};

/// A short lower-case clause; never null.
[[nodiscard]] const char* to_string(Error error);

template <class T> using Result = tl::expected<T, Error>;

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

/// A node; valid as long as its tree.
class Node {
 public:
  /// "serial@10000000"; the root's name is empty.
  [[nodiscard]] std::string_view name() const;
  /// The full path into `out`, cut off if it does not fit.
  [[nodiscard]] std::string_view path(std::span<char> out) const;
  [[nodiscard]] Result<Property> property(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return property(name).has_value(); }
  /// A property of exactly one cell, or `fallback` if it is absent.
  [[nodiscard]] Result<std::uint32_t> cell_or(std::string_view name, std::uint32_t fallback) const;
  [[nodiscard]] bool is_compatible(std::string_view compatible) const;
  /// `status` absent, "okay" or "ok".
  [[nodiscard]] bool is_enabled() const;
  [[nodiscard]] Result<Node> parent() const;
  /// Children in tree order: for (auto n = node.first_child(); n; n = n->next_sibling())
  [[nodiscard]] std::optional<Node> first_child() const;
  [[nodiscard]] std::optional<Node> next_sibling() const;
  [[nodiscard]] std::optional<Node> child(std::string_view name) const;
  /// Properties in tree order by index, until nullopt.
  [[nodiscard]] std::optional<Property> property_at(std::size_t index) const;
  [[nodiscard]] const Tree& tree() const { return *tree_; }
  [[nodiscard]] int offset() const { return offset_; }
  bool operator==(const Node& other) const { return offset_ == other.offset_ && tree_ == other.tree_; }

 private:
  friend class Tree;
  Node(const Tree* tree, int offset) : tree_{tree}, offset_{offset} {}
  const Tree* tree_;
  int offset_;
};

class Tree {
 public:
  /// Checks the header and the whole structure block (fdt_check_full) of the blob at `blob`, at most `limit` bytes of
  /// it.
  [[nodiscard]] static Result<Tree> create(const void* blob, std::size_t limit = 16u << 20);

  [[nodiscard]] Node root() const { return Node{this, 0}; }
  /// By full path ("/soc/serial@10000000"; unit addresses may be left out where unambiguous) or by alias ("serial0").
  [[nodiscard]] Result<Node> find(std::string_view path) const;
  [[nodiscard]] Result<Node> by_phandle(std::uint32_t phandle) const;
  /// The next node in tree order (depth first) after `after`, or the first; nullopt at the end.
  [[nodiscard]] std::optional<Node> next(std::optional<Node> after) const;
  /// The path an alias stands for.
  [[nodiscard]] std::optional<std::string_view> alias(std::string_view name) const;
  /// Bytes of the blob, for reserving it.
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] const void* blob() const { return blob_; }

 private:
  explicit Tree(const void* blob) : blob_{blob} {}
  const void* blob_;
};

} // namespace fdt
