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

const std::byte* structure_of(const void* blob) {
  return static_cast<const std::byte*>(blob) + fdt_off_dt_struct(blob);
}

/// Every tag is less than 256: one octet tells it.
std::uint32_t tag_at(const std::byte* at) {
  return std::to_integer<std::uint32_t>(at[FDT_TAGSIZE - 1]);
}

/// From one tag to the next; all of them are aligned to their size.
constexpr std::size_t aligned(std::size_t size) {
  return (size + FDT_TAGSIZE - 1) & ~std::size_t{FDT_TAGSIZE - 1};
}

const struct fdt_property* header_at(const std::byte* at) {
  return reinterpret_cast<const struct fdt_property*>(at);
}

/// The name of the property at `at`.
const char* name_of(const void* blob, const std::byte* at) {
  return static_cast<const char*>(blob) + fdt_off_dt_strings(blob) + fdt32_to_cpu(header_at(at)->nameoff);
}

Property property_from(const void* blob, const std::byte* at) {
  return Property{name_of(blob, at),
                  {reinterpret_cast<const std::byte*>(header_at(at)->data), fdt32_to_cpu(header_at(at)->len)}};
}

/// Whether the name of the property at `at` is terminated inside the strings block.
bool has_name(const void* blob, const std::byte* at) {
  return fdt_get_string(blob, static_cast<int>(fdt32_to_cpu(header_at(at)->nameoff)), nullptr) != nullptr;
}

/// Behind the property at `at`. fdt_next_tag() does the same with every check once more, which was half of all
/// instructions before the prompt.
const std::byte* behind_property(const std::byte* at) {
  return at + aligned(property_header_size + fdt32_to_cpu(header_at(at)->len));
}

/// The contents of the node at `at`.
const std::byte* behind_name(const std::byte* at) {
  const std::byte* const name = at + FDT_TAGSIZE;
  return name + aligned(std::strlen(reinterpret_cast<const char*>(name)) + 1);
}

/// Moves `at` to the next tag that begins or ends a node, or the block.
std::uint32_t next_boundary(const std::byte*& at) {
  while (true) {
    const std::uint32_t tag = tag_at(at);
    if (tag == FDT_PROP)
      at = behind_property(at);
    else if (tag == FDT_NOP)
      at += FDT_TAGSIZE;
    else
      return tag;
  }
}

/// Moves `at` behind the FDT_NOPs that stand there; whether a property comes then.
bool at_property(const std::byte*& at) {
  while (tag_at(at) == FDT_NOP)
    at += FDT_TAGSIZE;
  return tag_at(at) == FDT_PROP;
}

/// Whether `text`, which is terminated, starts with `start`. A zero in that would end the comparison too soon.
bool starts_with(const char* text, std::string_view start) {
  return std::strncmp(text, start.data(), start.size()) == 0 && start.find('\0') == std::string_view::npos;
}

bool equals(const char* text, std::string_view other) {
  return starts_with(text, other) && text[other.size()] == '\0';
}

/// Whether what stands at `offset` of a structure block of `size` bytes is no property, or one whose value ends inside.
/// Before libfdt sees it: up to version 1.6 its sums overflow on a length over 2^31.
bool length_fits(const std::byte* structure, std::size_t offset, std::size_t size) {
  if (offset > size || size - offset < FDT_TAGSIZE) return true; // which libfdt finds out
  const struct fdt_property* const property = header_at(structure + offset);
  if (fdt32_to_cpu(property->tag) != FDT_PROP) return true;
  const std::size_t room = size - offset;
  return room >= property_header_size && fdt32_to_cpu(property->len) <= room - property_header_size;
}

/// One root node, everything inside it, nothing behind it but the end tag.
Result<void> check_structure(const void* blob) {
  const std::byte* const structure = structure_of(blob);
  const std::size_t size = fdt_size_dt_struct(blob);
  int depth = 0;
  for (int offset = 0, next = 0;; offset = next) {
    if (!length_fits(structure, static_cast<std::size_t>(offset), size)) return fail(Error::bad_structure);
    const std::uint32_t tag = fdt_next_tag(blob, offset, &next);
    if (next < 0) return fail(Error::bad_structure);
    const bool outside = depth == 0 && offset != 0; // behind the root node
    switch (tag) {
    case FDT_BEGIN_NODE:
      if (outside) return fail(Error::bad_structure);
      if (depth == max_depth) return fail(Error::too_deep);
      depth++;
      break;
    case FDT_END_NODE:
      if (depth == 0) return fail(Error::bad_structure);
      depth--;
      break;
    case FDT_PROP:
      if (depth == 0 || !has_name(blob, structure + offset)) return fail(Error::bad_structure);
      break;
    case FDT_NOP:
      if (offset == 0) return fail(Error::bad_structure);
      break;
    case FDT_END:
      if (!outside) return fail(Error::bad_structure);
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

Node::Node(const void* blob, int offset) : blob_{blob}, offset_{offset} {
  const std::byte* const base = structure_of(blob);
  contents_ = static_cast<int>(behind_name(base + offset) - base);
}

Lineage::Lineage(const Node& node) : blob_{node.blob_} {
  const std::byte* const base = structure_of(blob_);
  const std::byte* const end = base + node.offset_;
  for (const std::byte* at = base;;) {
    if (next_boundary(at) == FDT_END_NODE) {
      depth_--;
      at += FDT_TAGSIZE;
      continue;
    }
    offsets_[++depth_] = static_cast<int>(at - base);
    if (at == end) return;
    at = behind_name(at);
  }
}

/// In tree order.
std::optional<Node> Node::next() const {
  const std::byte* const base = structure_of(blob_);
  const std::byte* at = base + contents_;
  std::uint32_t tag = next_boundary(at);
  for (; tag == FDT_END_NODE; tag = next_boundary(at))
    at += FDT_TAGSIZE;
  if (tag != FDT_BEGIN_NODE) return std::nullopt;
  return Node{blob_, static_cast<int>(at - base)};
}

std::string_view Node::name() const {
  return reinterpret_cast<const char*>(structure_of(blob_) + offset_ + FDT_TAGSIZE);
}

std::string_view Node::path(std::span<char> out) const {
  std::size_t used = 0;
  const auto append = [&](std::string_view text) {
    const std::size_t count = std::min(text.size(), out.size() - used);
    if (count != 0) std::memcpy(out.data() + used, text.data(), count);
    used += count;
  };
  const Lineage line{*this};
  if (line.depth() == 0) append("/");
  for (int depth = 1; depth <= line.depth(); depth++) {
    append("/");
    append(line.at(depth).name());
  }
  return {out.data(), used};
}

Result<Property> Node::property(std::string_view name) const {
  for (const std::byte* at = structure_of(blob_) + contents_; at_property(at); at = behind_property(at))
    if (equals(name_of(blob_, at), name)) return property_from(blob_, at);
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
  const auto* entry = reinterpret_cast<const char*>(list->bytes().data());
  for (std::size_t left = list->bytes().size(); left != 0;) {
    const std::size_t length = strnlen(entry, left);
    if (length == left) return false; // not terminated
    if (equals(entry, compatible)) return true;
    entry += length + 1;
    left -= length + 1;
  }
  return false;
}

bool Node::is_enabled() const {
  const auto status = property("status");
  if (!status) return true;
  const auto text = status->string();
  return text && (*text == "okay" || *text == "ok");
}

Result<Node> Node::parent() const {
  const Lineage line{*this};
  if (line.depth() == 0) return fail(Error::no_such_node);
  return line.at(line.depth() - 1);
}

std::optional<Node> Node::first_child() const {
  const std::byte* const base = structure_of(blob_);
  const std::byte* at = base + contents_;
  if (next_boundary(at) != FDT_BEGIN_NODE) return std::nullopt;
  return Node{blob_, static_cast<int>(at - base)};
}

std::optional<Node> Node::next_sibling() const {
  const std::byte* const base = structure_of(blob_);
  const std::byte* at = base + contents_;
  for (int inside = 1;; inside--, at += FDT_TAGSIZE) {
    for (; next_boundary(at) == FDT_BEGIN_NODE; inside++, at = behind_name(at))
      if (inside == 0) return Node{blob_, static_cast<int>(at - base)};
    if (inside == 0) return std::nullopt; // the parent's end, or that of the block
  }
}

std::optional<Node> Node::child(std::string_view name) const {
  if (name.empty()) return std::nullopt;
  const bool any_address = name.find('@') == std::string_view::npos;
  for (auto node = first_child(); node; node = node->next_sibling()) {
    const char* const full = node->name().data();
    if (!starts_with(full, name)) continue;
    const char behind = full[name.size()];
    if (behind == '\0' || (any_address && behind == '@')) return node;
  }
  return std::nullopt;
}

std::optional<Property> Node::property_at(std::size_t index) const {
  const std::byte* at = structure_of(blob_) + contents_;
  for (; at_property(at); at = behind_property(at))
    if (index-- == 0) return property_from(blob_, at);
  return std::nullopt;
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
    for (const std::string_view name : {"phandle", "linux,phandle"})
      if (const auto property = node->property(name))
        if (property->bytes().size() == 4 && property->cell(0) == phandle) return *node;
  return fail(Error::bad_phandle);
}

std::optional<Node> Tree::next(std::optional<Node> after) const {
  return after ? after->next() : root();
}

std::optional<Node> Tree::next_device(std::optional<Node> after, std::string_view compatible) const {
  for (auto node = next(after); node; node = node->next())
    if (node->is_compatible(compatible) && node->is_enabled()) return node;
  return std::nullopt;
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
