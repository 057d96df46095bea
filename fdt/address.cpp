// SPDX-License-Identifier: BSD-2-Clause
// Bus addresses and their translation. Every sum is checked before it is made.
#include "fdt/address.hpp"

#include <limits>

namespace fdt {

namespace {

tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>{error};
}

/// How the children of a bus write their addresses.
struct Cells {
  std::size_t address;
  std::size_t size;
};

Result<Cells> cells_of(const Node& bus) {
  const auto address = bus.cell_or("#address-cells", 2);
  const auto size = bus.cell_or("#size-cells", 1);
  if (!address || !size) return fail(Error::bad_length);
  if (*address < 1 || *address > 2 || *size > 2) return fail(Error::bad_cells);
  return Cells{*address, *size};
}

/// Whether address + size stays within 64 bits (the end itself may be 2^64).
bool fits(std::uint64_t address, std::uint64_t size) {
  return size == 0 || size - 1 <= std::numeric_limits<std::uint64_t>::max() - address;
}

/// The region in `parent`'s address space that `ranges` gives for a region of the bus below it.
Result<Region> translate_level(const Property& ranges, Region region, Cells child, Cells parent) {
  const std::size_t entry_cells = child.address + parent.address + child.size;
  if (ranges.bytes().size() % (entry_cells * 4) != 0) return fail(Error::bad_length);
  for (std::size_t at = 0; at < ranges.cell_count(); at += entry_cells) {
    const std::uint64_t from = *ranges.number(at, child.address);
    const std::uint64_t to = *ranges.number(at + child.address, parent.address);
    const std::uint64_t length = *ranges.number(at + child.address + parent.address, child.size);
    if (region.address < from) continue;
    const std::uint64_t offset = region.address - from;
    if (offset >= length || region.size > length - offset) continue;
    if (!fits(to, offset) || !fits(to + offset, region.size)) return fail(Error::not_translatable);
    return Region{to + offset, region.size};
  }
  return fail(Error::not_translatable);
}

/// `reg` of a node and what is needed to read it.
struct RegList {
  Property reg;
  Cells cells;
  std::size_t count;
};

Result<RegList> reg_list(const Node& node, const Lineage& line) {
  const auto reg = node.property("reg");
  if (!reg) return fail(reg.error());
  if (line.depth() == 0) return fail(Error::no_such_node);
  const auto cells = cells_of(line.at(line.depth() - 1));
  if (!cells) return fail(cells.error());
  const std::size_t entry_size = (cells->address + cells->size) * 4;
  if (reg->bytes().empty() || reg->bytes().size() % entry_size != 0) return fail(Error::bad_length);
  return RegList{*reg, *cells, reg->bytes().size() / entry_size};
}

} // namespace

Result<Region> bus_reg(const Node& node, const Lineage& line, std::size_t index) {
  const auto list = reg_list(node, line);
  if (!list) return fail(list.error());
  if (index >= list->count) return fail(Error::no_such_entry);
  const Cells cells = list->cells;
  const std::size_t at = index * (cells.address + cells.size);
  const Region region{*list->reg.number(at, cells.address), *list->reg.number(at + cells.address, cells.size)};
  if (!fits(region.address, region.size)) return fail(Error::not_translatable);
  return region;
}

Result<Region> bus_reg(const Node& node, std::size_t index) {
  return bus_reg(node, Lineage{node}, index);
}

Result<Region> reg(const Node& node, std::size_t index) {
  return reg(node, Lineage{node}, index);
}

Result<Region> reg(const Node& node, const Lineage& line, std::size_t index) {
  auto region = bus_reg(node, line, index);
  for (int depth = line.depth() - 1; region && depth > 0; depth--) {
    const Node bus = line.at(depth);
    const auto ranges = bus.property("ranges");
    if (!ranges) return fail(Error::not_translatable);
    if (ranges->bytes().empty()) continue;
    const auto child = cells_of(bus);
    const auto parent = cells_of(line.at(depth - 1));
    if (!child) return fail(child.error());
    if (!parent) return fail(parent.error());
    region = translate_level(*ranges, *region, *child, *parent);
  }
  return region;
}

std::size_t reg_count(const Node& node) {
  const auto list = reg_list(node, Lineage{node});
  return list ? list->count : 0;
}

} // namespace fdt
