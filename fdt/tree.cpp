// SPDX-License-Identifier: BSD-2-Clause
// Nodes and properties over libfdt's read-only functions (fdt.c and fdt_ro.c are all of libfdt that is needed).
//
// Invariant: create() has walked the whole structure block with libfdt: each name is terminated, each value ends
// inside, and the end tag is there. So the way from tag to tag is plain arithmetic afterwards. What libfdt does with
// the tree's *content* is not relied upon: it follows aliases without an end check, so paths are resolved here.
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

/// The structure block from `offset` on.
const std::byte* structure_at(const void* blob, int offset) {
  return static_cast<const std::byte*>(blob) + fdt_off_dt_struct(blob) + offset;
}

/// Every tag is less than 256: one octet tells it.
std::uint32_t tag_at(const void* blob, int offset) {
  return std::to_integer<std::uint32_t>(structure_at(blob, offset)[FDT_TAGSIZE - 1]);
}

/// From one tag to the next; all of them are aligned to their size.
int aligned(std::size_t end) {
  return static_cast<int>((end + FDT_TAGSIZE - 1) & ~std::size_t{FDT_TAGSIZE - 1});
}

/// Property at `offset`.
Property property_from(const void* blob, int offset) {
  const auto* header = reinterpret_cast<const struct fdt_property*>(structure_at(blob, offset));
  return Property{static_cast<const char*>(blob) + fdt_off_dt_strings(blob) + fdt32_to_cpu(header->nameoff),
                  {reinterpret_cast<const std::byte*>(header->data), fdt32_to_cpu(header->len)}};
}

/// Whether the name of the property at `offset` is terminated inside the strings block.
bool has_name(const void* blob, int offset) {
  const auto* header = reinterpret_cast<const struct fdt_property*>(structure_at(blob, offset));
  return fdt_get_string(blob, static_cast<int>(fdt32_to_cpu(header->nameoff)), nullptr) != nullptr;
}

/// Behind the property or the FDT_NOP at `offset`. fdt_next_tag() does the same with every check once more, which was
/// half of all instructions before the prompt.
int behind(const void* blob, int offset, std::uint32_t tag) {
  if (tag != FDT_PROP) return offset + static_cast<int>(FDT_TAGSIZE);
  const auto* header = reinterpret_cast<const struct fdt_property*>(structure_at(blob, offset));
  return aligned(static_cast<std::size_t>(offset) + property_header_size + fdt32_to_cpu(header->len));
}

/// Moves `at` behind the FDT_NOPs that stand there, and says which tag comes then.
std::uint32_t pass_nops(const void* blob, int& at) {
  std::uint32_t tag = tag_at(blob, at);
  for (; tag == FDT_NOP; tag = tag_at(blob, at))
    at = behind(blob, at, tag);
  return tag;
}

/// The next of a node's properties, from `at` on, which moves behind it; nullopt behind the last.
std::optional<Property> take_property(const void* blob, int& at) {
  if (pass_nops(blob, at) != FDT_PROP) return std::nullopt;
  const int offset = at;
  at = behind(blob, offset, FDT_PROP);
  return property_from(blob, offset);
}

/// Where the contents of the node at `offset` start.
int behind_name(const void* blob, int offset) {
  const std::size_t name = static_cast<std::size_t>(offset) + FDT_TAGSIZE;
  const auto* text = reinterpret_cast<const char*>(structure_at(blob, static_cast<int>(name)));
  return aligned(name + std::strlen(text) + 1);
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
      if (depth == 0 || !has_name(blob, offset)) return fail(Error::bad_structure);
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

Node::Node(const void* root_of) : blob_{root_of}, contents_{behind_name(root_of, 0)} {}

Node Node::ancestor(int depth) const {
  Node node = *this;
  node.depth_ = depth;
  node.contents_ = behind_name(blob_, node.offset());
  return node;
}

/// In tree order.
std::optional<Node> Node::next() const {
  Node node = *this;
  while (true) {
    const int offset = node.contents_;
    switch (const std::uint32_t tag = tag_at(blob_, offset)) {
    case FDT_BEGIN_NODE:
      if (++node.depth_ == max_depth) return std::nullopt;
      node.lineage_[node.depth_] = offset;
      node.contents_ = behind_name(blob_, offset);
      return node;
    case FDT_END_NODE:
      if (node.depth_-- == 0) return std::nullopt;
      [[fallthrough]];
    case FDT_PROP:
    case FDT_NOP:
      node.contents_ = behind(blob_, offset, tag);
      break;
    default:
      return std::nullopt;
    }
  }
}

std::string_view Node::name() const {
  return reinterpret_cast<const char*>(structure_at(blob_, offset() + static_cast<int>(FDT_TAGSIZE)));
}

std::string_view Node::path(std::span<char> out) const {
  std::size_t used = 0;
  const auto append = [&](std::string_view text) {
    const std::size_t count = std::min(text.size(), out.size() - used);
    if (count != 0) std::memcpy(out.data() + used, text.data(), count);
    used += count;
  };
  if (depth_ == 0) append("/");
  for (int depth = 1; depth <= depth_; depth++) {
    append("/");
    append(ancestor(depth).name());
  }
  return {out.data(), used};
}

Result<Property> Node::property(std::string_view name) const {
  for (int at = contents_; const auto property = take_property(blob_, at);)
    if (property->name() == name) return *property;
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
  if (depth_ == 0) return fail(Error::no_such_node);
  return ancestor(depth_ - 1);
}

std::optional<Node> Node::first_child() const {
  const auto node = next();
  return node && node->depth_ > depth_ ? node : std::nullopt;
}

std::optional<Node> Node::next_sibling() const {
  auto node = next();
  while (node && node->depth_ > depth_)
    node = node->next();
  return node && node->depth_ == depth_ ? node : std::nullopt;
}

std::optional<Node> Node::child(std::string_view name) const {
  if (name.empty()) return std::nullopt;
  const bool any_address = name.find('@') == std::string_view::npos;
  for (auto node = first_child(); node; node = node->next_sibling()) {
    const std::string_view full = node->name();
    if (full == name || (any_address && full.substr(0, full.find('@')) == name)) return node;
  }
  return std::nullopt;
}

std::optional<Property> Node::property_at(std::size_t index) const {
  int at = contents_;
  for (; index > 0; index--)
    if (!take_property(blob_, at)) return std::nullopt;
  return take_property(blob_, at);
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
  if (phandle == 0 || phandle == UINT32_MAX) return fail(Error::bad_phandle);
  for (std::optional<Node> node = root(); node; node = node->next())
    for (int at = node->contents_; const auto property = take_property(blob_, at);)
      if (property->name() == "phandle" || property->name() == "linux,phandle")
        if (property->bytes().size() == 4 && property->cell(0) == phandle) return *node;
  return fail(Error::bad_phandle);
}

std::optional<Node> Tree::next(std::optional<Node> after) const {
  return after ? after->next() : root();
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
