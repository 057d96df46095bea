// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/page_tables.hpp"

#include "bsp/panic.hpp"

namespace bsp {

namespace {

constexpr std::uint64_t valid = 1U << 0;
constexpr std::uint64_t read = 1U << 1;
constexpr std::uint64_t write = 1U << 2;
constexpr std::uint64_t execute = 1U << 3;
constexpr std::uint64_t global = 1U << 5;
constexpr std::uint64_t accessed = 1U << 6;
constexpr std::uint64_t dirty = 1U << 7;
constexpr std::uint64_t flag_mask = 0x3ff;
constexpr unsigned root_level = 2;

/// log2 of what an entry of a table at `level` maps: 4 KiB, 2 MiB, 1 GiB.
constexpr unsigned shift(unsigned level) {
  return 12 + 9 * level;
}

constexpr std::uint64_t entry_for(std::uint64_t address, std::uint64_t flags) {
  return address >> 12 << 10 | flags;
}

constexpr std::uint64_t leaf_flags(Permission permission) {
  constexpr std::uint64_t leaf = valid | global | accessed | dirty;
  switch (permission) {
  case Permission::read:
    return leaf | read;
  case Permission::read_write:
    return leaf | read | write;
  case Permission::read_execute:
    return leaf | read | execute;
  case Permission::none:
    break;
  }
  return 0;
}

} // namespace

void PageTables::map_identity() {
  used_ = 1;
  Table& root = tables_[0];
  for (std::uint64_t i = 0; i < root.entries.size(); i++) {
    const std::uint64_t address = i << shift(root_level);
    // The upper half of the entries are negative addresses, which the identity map has not.
    root.entries[i] = address < identity_map_end ? entry_for(address, leaf_flags(Permission::read_write)) : 0;
  }
}

/// The table that `entry`, one of a table at `level`, points at; a leaf is broken into 512 of the same flags first.
PageTables::Table& PageTables::table_below(std::uint64_t& entry, unsigned level) {
  if ((entry & (read | execute)) == 0) return *reinterpret_cast<Table*>(entry >> 10 << 12);
  if (used_ == tables_.size()) PANIC("page tables used up");
  Table& table = tables_[used_++];
  for (std::uint64_t i = 0; i < table.entries.size(); i++)
    table.entries[i] = entry_for((entry >> 10 << 12) + (i << shift(level - 1)), entry & flag_mask);
  entry = entry_for(reinterpret_cast<std::uintptr_t>(&table), valid);
  return table;
}

std::uint64_t& PageTables::page_entry(std::uint64_t address) {
  Table* table = tables_.data();
  for (unsigned level = root_level; level > 0; level--)
    table = &table_below(table->entries[address >> shift(level) & 511], level);
  return table->entries[address >> shift(0) & 511];
}

void PageTables::protect(MemoryRange range, Permission permission) {
  if ((range.address | range.size) % page_size != 0) PANIC("protecting a part of a page");
  if (range.address > identity_map_end || range.size > identity_map_end - range.address)
    PANIC("protecting memory outside of the map");
  for (std::uint64_t offset = 0; offset < range.size; offset += page_size)
    page_entry(range.address + offset) = entry_for(range.address + offset, leaf_flags(permission));
}

} // namespace bsp
