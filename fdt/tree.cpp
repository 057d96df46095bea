// SPDX-License-Identifier: BSD-2-Clause
// Nodes and properties over libfdt's read-only functions (fdt.c and fdt_ro.c are all of libfdt that is needed).
//
// Invariant: create() has walked the whole structure block, so every later call of libfdt gets an offset that it gave
// out itself, in a block that is known to be sound. What libfdt does with the tree's *content* is not relied upon: it
// follows aliases without an end check, so paths are resolved here.
#include "fdt/tree.hpp"

#include <algorithm>
#include <cstring>
#include <libfdt.h>

namespace fdt {

namespace {

constexpr std::size_t header_size = sizeof(struct fdt_header);            // of version 17
constexpr std::size_t property_header_size = sizeof(struct fdt_property); // a function has the same name

tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>{error};
}

/// The chain of nodes from the root down to the one at `target`.
struct Lineage {
  int offsets[max_depth];
  int depth{0}; ///< of the target; 0 for the root
};

/// False if `target` is no node of the tree.
bool find_lineage(const void* blob, int target, Lineage& out) {
  int depth = 0;
  for (int offset = 0; offset >= 0; offset = fdt_next_node(blob, offset, &depth)) {
    if (depth < 0 || depth >= max_depth) return false;
    out.offsets[depth] = offset;
    if (offset == target) {
      out.depth = depth;
      return true;
    }
  }
  return false;
}

/// Property at `offset`, which must be a property tag. libfdt before 1.7 lets a length over 2^31 wrap around, and
/// reports it as a negative one.
std::optional<Property> property_from(const void* blob, int offset) {
  const char* name = nullptr;
  int length = 0;
  const void* value = fdt_getprop_by_offset(blob, offset, &name, &length);
  if (value == nullptr) return std::nullopt;
  return Property{name, {static_cast<const std::byte*>(value), static_cast<std::size_t>(length)}};
}

/// Whether what stands at `offset` is no property, or one whose value ends inside the block. Before libfdt sees it: up
/// to version 1.6 its sums overflow on a length over 2^31.
bool length_fits(const Property& block, std::size_t offset) {
  const auto tag = block.cell(offset / 4);
  if (!tag || *tag != FDT_PROP) return true;
  const auto length = block.cell(offset / 4 + 1);
  const std::size_t room = block.bytes().size() - offset;
  return length && room >= property_header_size && *length <= room - property_header_size;
}

/// One root node, everything inside it, nothing behind it but the end tag.
Result<void> check_structure(const void* blob) {
  const auto* base = static_cast<const std::byte*>(blob) + fdt_off_dt_struct(blob);
  const Property block{"", {base, fdt_size_dt_struct(blob)}};
  int depth = 0;
  int next = 0;
  bool root_closed = false;
  for (int offset = 0;; offset = next) {
    if (!length_fits(block, static_cast<std::size_t>(offset))) return fail(Error::bad_structure);
    const std::uint32_t tag = fdt_next_tag(blob, offset, &next);
    if (next < 0) return fail(Error::bad_structure);
    if (offset == 0 && tag != FDT_BEGIN_NODE) return fail(Error::bad_structure);
    switch (tag) {
    case FDT_BEGIN_NODE:
      if (root_closed) return fail(Error::bad_structure);
      if (depth == max_depth) return fail(Error::too_deep);
      depth++;
      break;
    case FDT_END_NODE:
      if (depth == 0) return fail(Error::bad_structure);
      depth--;
      root_closed = depth == 0;
      break;
    case FDT_PROP:
      if (depth == 0 || !property_from(blob, offset)) return fail(Error::bad_structure);
      break;
    case FDT_NOP:
      break;
    case FDT_END:
      if (!root_closed) return fail(Error::bad_structure);
      return {};
    default:
      return fail(Error::bad_structure);
    }
  }
}

Result<void> check_header(const void* blob, std::size_t limit) {
  if (blob == nullptr || reinterpret_cast<std::uintptr_t>(blob) % 8 != 0) return fail(Error::not_a_tree);
  if (limit < header_size) return fail(Error::truncated);
  if (fdt_magic(blob) != FDT_MAGIC) return fail(Error::not_a_tree);
  // Version 17 (2007) is the first whose header tells the structure block's size.
  if (fdt_version(blob) < 17 || fdt_last_comp_version(blob) > 17) return fail(Error::not_a_tree);
  if (fdt_totalsize(blob) > limit) return fail(Error::truncated);
  if (fdt_check_header(blob) != 0) return fail(Error::truncated);
  if (fdt_off_dt_struct(blob) % 4 != 0 || fdt_off_mem_rsvmap(blob) % 8 != 0) return fail(Error::not_a_tree);
  if (fdt_num_mem_rsv(blob) < 0) return fail(Error::bad_structure);
  return {};
}

} // namespace

const char* to_string(Error error) {
  switch (error) {
  case Error::not_a_tree:
    return "not a device tree";
  case Error::truncated:
    return "device tree is cut short";
  case Error::bad_structure:
    return "structure is damaged";
  case Error::no_such_node:
    return "no such node";
  case Error::no_such_property:
    return "no such property";
  case Error::no_such_entry:
    return "no such entry";
  case Error::empty_entry:
    return "entry is empty";
  case Error::bad_length:
    return "property has a bad length";
  case Error::bad_cells:
    return "cell count is missing or not supported";
  case Error::bad_phandle:
    return "phandle names no node";
  case Error::no_interrupt_parent:
    return "no interrupt parent";
  case Error::not_translatable:
    return "address is not reachable through ranges";
  case Error::too_deep:
    return "nodes are nested too deep";
  }
  return "unknown device tree error";
}

Result<std::uint32_t> Property::cell(std::size_t index) const {
  if (index >= cell_count()) return fail(Error::bad_length);
  const auto word = bytes_.subspan(index * 4, 4);
  std::uint32_t value = 0;
  for (const std::byte octet : word)
    value = value << 8 | std::to_integer<std::uint32_t>(octet);
  return value;
}

Result<std::uint64_t> Property::number(std::size_t index, std::size_t cells) const {
  if (cells > 2) return fail(Error::bad_cells);
  if (index > cell_count() || cells > cell_count() - index) return fail(Error::bad_length);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < cells; i++)
    value = value << 32 | *cell(index + i);
  return value;
}

Result<std::string_view> Property::string() const {
  const auto first = string_at(0);
  if (!first) return fail(Error::bad_length);
  return *first;
}

std::optional<std::string_view> Property::string_at(std::size_t index) const {
  std::string_view rest{reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  for (;; index--) {
    const std::size_t end = rest.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    if (index == 0) return rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
}

std::string_view Node::name() const {
  int length = 0;
  const char* name = fdt_get_name(blob_, offset_, &length);
  if (name == nullptr) return {};
  return {name, static_cast<std::size_t>(length)};
}

std::string_view Node::path(std::span<char> out) const {
  std::size_t used = 0;
  const auto append = [&](std::string_view text) {
    const std::size_t count = std::min(text.size(), out.size() - used);
    if (count != 0) std::memcpy(out.data() + used, text.data(), count);
    used += count;
  };
  Lineage line;
  if (!find_lineage(blob_, offset_, line)) return {};
  if (line.depth == 0) append("/");
  for (int level = 1; level <= line.depth; level++) {
    append("/");
    append(Node{blob_, line.offsets[level]}.name());
  }
  return {out.data(), used};
}

Result<Property> Node::property(std::string_view name) const {
  // Not fdt_getprop(): the name in the result must live in the blob, not with the caller.
  for (int at = fdt_first_property_offset(blob_, offset_); at >= 0; at = fdt_next_property_offset(blob_, at)) {
    const auto property = property_from(blob_, at);
    if (property && property->name() == name) return *property;
  }
  return fail(Error::no_such_property);
}

Result<std::uint32_t> Node::cell_or(std::string_view name, std::uint32_t fallback) const {
  const auto value = property(name);
  if (!value) return fallback;
  if (value->bytes().size() != 4) return fail(Error::bad_length);
  return value->cell(0);
}

bool Node::is_compatible(std::string_view compatible) const {
  const auto list = property("compatible");
  if (!list) return false;
  for (std::size_t i = 0;; i++) {
    const auto entry = list->string_at(i);
    if (!entry) return false;
    if (*entry == compatible) return true;
  }
}

bool Node::is_enabled() const {
  const auto status = property("status");
  if (!status) return true;
  const auto text = status->string();
  return text && (*text == "okay" || *text == "ok");
}

Result<Node> Node::parent() const {
  Lineage line;
  if (!find_lineage(blob_, offset_, line) || line.depth == 0) return fail(Error::no_such_node);
  return Node{blob_, line.offsets[line.depth - 1]};
}

std::optional<Node> Node::first_child() const {
  const int child = fdt_first_subnode(blob_, offset_);
  if (child < 0) return std::nullopt;
  return Node{blob_, child};
}

std::optional<Node> Node::next_sibling() const {
  const int sibling = fdt_next_subnode(blob_, offset_);
  if (sibling < 0) return std::nullopt;
  return Node{blob_, sibling};
}

std::optional<Node> Node::child(std::string_view name) const {
  if (name.empty()) return std::nullopt;
  const int child = fdt_subnode_offset_namelen(blob_, offset_, name.data(), static_cast<int>(name.size()));
  if (child < 0) return std::nullopt;
  return Node{blob_, child};
}

std::optional<Property> Node::property_at(std::size_t index) const {
  int at = fdt_first_property_offset(blob_, offset_);
  for (; at >= 0 && index > 0; index--)
    at = fdt_next_property_offset(blob_, at);
  return at < 0 ? std::nullopt : property_from(blob_, at);
}

Result<Tree> Tree::create(const void* blob, std::size_t limit) {
  if (const auto header = check_header(blob, limit); !header) return fail(header.error());
  if (const auto structure = check_structure(blob); !structure) return fail(structure.error());
  return Tree{blob};
}

Result<Node> Tree::find(std::string_view path) const {
  std::string_view rest = path;
  Node node = root();
  if (!rest.starts_with('/')) {
    const std::string_view first = rest.substr(0, rest.find('/'));
    const auto target = alias(first);
    if (!target || !target->starts_with('/')) return fail(Error::no_such_node); // an alias of an alias could go round
    const auto named = find(*target);
    if (!named) return named;
    node = *named;
    rest.remove_prefix(first.size());
  }
  while (!rest.empty()) {
    if (rest.front() == '/') {
      rest.remove_prefix(1);
      continue;
    }
    const std::string_view component = rest.substr(0, rest.find('/'));
    const auto child = node.child(component);
    if (!child) return fail(Error::no_such_node);
    node = *child;
    rest.remove_prefix(component.size());
  }
  return node;
}

Result<Node> Tree::by_phandle(std::uint32_t phandle) const {
  const int offset = fdt_node_offset_by_phandle(blob_, phandle);
  if (offset < 0) return fail(Error::bad_phandle);
  return Node{blob_, offset};
}

std::optional<Node> Tree::next(std::optional<Node> after) const {
  if (!after) return root();
  const int offset = fdt_next_node(blob_, after->offset_, nullptr);
  if (offset < 0) return std::nullopt;
  return Node{blob_, offset};
}

std::optional<std::string_view> Tree::alias(std::string_view name) const {
  const auto aliases = root().child("aliases");
  if (!aliases) return std::nullopt;
  const auto value = aliases->property(name);
  if (!value) return std::nullopt;
  return value->string_at(0);
}

std::size_t Tree::size() const {
  return fdt_totalsize(blob_);
}

} // namespace fdt
