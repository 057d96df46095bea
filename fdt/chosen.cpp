// SPDX-License-Identifier: BSD-2-Clause
// The console, memory, CPUs and aliases, as the well-known nodes below the root name them.
#include "fdt/chosen.hpp"

#include <libfdt.h>

namespace fdt {

namespace {

tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>{error};
}

bool has_device_type(const Node& node, std::string_view type) {
  const auto property = node.property("device_type");
  if (!property) return false;
  const auto text = property->string();
  return text && *text == type;
}

void append(RegionList& list, std::span<Region> out, Region region) {
  if (region.size == 0) return;
  if (list.count == out.size()) {
    list.complete = false;
    return;
  }
  out[list.count++] = region;
}

/// Every entry of a node's `reg`, by one of the two readers of it.
void append_node(RegionList& list, std::span<Region> out, const Node& node,
                 Result<Region> (*read)(const Node&, const Lineage&, std::size_t)) {
  const Lineage line{node};
  for (std::size_t index = 0;; index++) {
    const auto region = read(node, line, index);
    if (region) {
      append(list, out, *region);
      continue;
    }
    if (region.error() != Error::no_such_entry && !list.malformed) list.malformed = node;
    return;
  }
}

/// timebase-frequency of one or two cells; 0 if there is none that can be used.
std::uint64_t timebase_of(const Node& node) {
  const auto property = node.property("timebase-frequency");
  if (!property || property->bytes().size() % 4 != 0) return 0;
  return property->number(0, property->cell_count()).value_or(0);
}

/// The number that `text` is, in decimal without leading zeros.
std::optional<unsigned> to_index(std::string_view text) {
  constexpr std::size_t most_digits = 9; // always fits
  if (text.empty() || text.size() > most_digits || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(digit - '0');
  }
  return value;
}

} // namespace

Result<StdoutPath> stdout_path(const Tree& tree) {
  const auto chosen = tree.root().child("chosen");
  if (!chosen) return fail(Error::no_such_property);
  auto property = chosen->property("stdout-path");
  if (!property) property = chosen->property("linux,stdout-path");
  if (!property) return fail(property.error());
  const auto text = property->string();
  if (!text) return fail(text.error());
  const std::string_view path = text->substr(0, text->find(':'));
  const auto node = tree.find(path);
  if (!node) return fail(node.error());
  std::string_view options = *text;
  options.remove_prefix(path.size() == text->size() ? path.size() : path.size() + 1);
  return StdoutPath{*node, options};
}

RegionList memory(const Tree& tree, std::span<Region> out) {
  RegionList list;
  for (auto node = tree.root().first_child(); node; node = node->next_sibling())
    if (node->is_enabled() && has_device_type(*node, "memory")) append_node(list, out, *node, reg);
  return list;
}

RegionList reserved_memory(const Tree& tree, std::span<Region> out) {
  RegionList list;
  const int entries = fdt_num_mem_rsv(tree.blob());
  for (int i = 0; i < entries; i++) {
    Region region{};
    if (fdt_get_mem_rsv(tree.blob(), i, &region.address, &region.size) == 0) append(list, out, region);
  }
  const auto parent = tree.root().child("reserved-memory");
  if (!parent) return list;
  for (auto node = parent->first_child(); node; node = node->next_sibling())
    if (node->has("reg")) append_node(list, out, *node, bus_reg);
  return list;
}

Result<std::uint64_t> timebase_frequency(const Tree& tree) {
  const auto cpus = tree.root().child("cpus");
  if (!cpus) return fail(Error::no_such_property);
  if (const auto frequency = timebase_of(*cpus)) return frequency;
  for (auto node = cpus->first_child(); node; node = node->next_sibling())
    if (const auto frequency = timebase_of(*node)) return frequency;
  return fail(Error::no_such_property);
}

Result<Node> cpu(const Tree& tree, std::uint64_t hart_id) {
  const auto cpus = tree.root().child("cpus");
  if (!cpus) return fail(Error::no_such_node);
  for (auto node = cpus->first_child(); node; node = node->next_sibling()) {
    const auto id = bus_reg(*node);
    if (has_device_type(*node, "cpu") && id && id->address == hart_id) return *node;
  }
  return fail(Error::no_such_node);
}

Result<std::uint64_t> hart_of_interrupt_controller(const Node& controller) {
  if (!controller.is_compatible("riscv,cpu-intc")) return fail(Error::no_such_node);
  const auto hart = controller.parent();
  if (!hart) return fail(hart.error());
  const auto id = bus_reg(*hart);
  if (!id) return fail(id.error());
  return id->address;
}

std::optional<unsigned> alias_index(const Node& node, std::string_view stem) {
  const Tree tree = node.tree();
  const auto aliases = tree.root().child("aliases");
  if (!aliases) return std::nullopt;
  std::optional<unsigned> lowest;
  for (std::size_t i = 0;; i++) {
    const auto alias = aliases->property_at(i);
    if (!alias) return lowest;
    std::string_view number = alias->name();
    if (!number.starts_with(stem)) continue;
    number.remove_prefix(stem.size());
    const auto index = to_index(number);
    const auto path = alias->string();
    if (!index || !path || !path->starts_with('/')) continue;
    const auto named = tree.find(*path);
    if (named && *named == node && (!lowest || *index < *lowest)) lowest = index;
  }
}

} // namespace fdt
