// SPDX-License-Identifier: BSD-2-Clause
// Sv39 page tables of an identity map (RISC-V privileged architecture 1.12, 4.4). Pure memory: bsp/mmu.hpp turns it on.
//
// Everything below 256 GiB is mapped readable and writable by 1 GiB leaves; protect() breaks leaves into smaller ones
// only where it must, with tables from a fixed pool. Accessed and dirty bits are always set, so that no hart ever has
// to write to the tables or to trap for them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "bsp/memory_map.hpp"

namespace bsp {

enum class Permission : std::uint8_t { none, read, read_write, read_execute };

class PageTables {
 public:
  /// Enough for page 0 and an image anywhere that touches at most five 2 MiB windows: the root, three tables of 2 MiB
  /// entries (gigapage 0 and two of the image), six of pages.
  static constexpr std::size_t table_count = 10;

  constexpr PageTables() = default;
  PageTables(const PageTables&) = delete;
  PageTables& operator=(const PageTables&) = delete;

  /// Starts over: everything readable and writable.
  void map_identity();
  /// Changes whole pages; the range must be made of pages below identity_map_end. Panics when the pool is used up.
  void protect(MemoryRange range, Permission permission);

  /// Physical address of the root table (its CPU address: the map is the identity).
  [[nodiscard]] std::uint64_t root() const { return reinterpret_cast<std::uintptr_t>(tables_.data()); }
  [[nodiscard]] std::size_t tables_used() const { return used_; }

 private:
  struct alignas(page_size) Table {
    std::array<std::uint64_t, 512> entries{};
  };
  std::uint64_t& page_entry(std::uint64_t address);
  Table& table_below(std::uint64_t& entry, unsigned level);

  std::array<Table, table_count> tables_{};
  std::size_t used_{0};
};

} // namespace bsp
