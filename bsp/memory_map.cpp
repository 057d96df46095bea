// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/memory_map.hpp"

#include <algorithm>

namespace bsp {

namespace {

constexpr std::uint64_t page_mask = page_size - 1;

std::uint64_t end_of(const MemoryRange& range) {
  return range.size > UINT64_MAX - range.address ? UINT64_MAX : range.address + range.size;
}

/// The end of the memory that goes on without a gap from `address`.
std::uint64_t end_of_memory(std::span<const MemoryRange> memory, std::uint64_t address) {
  std::uint64_t end = address;
  for (bool grown = true; grown;) {
    grown = false;
    for (const MemoryRange& range : memory) {
      if (range.address > end || end_of(range) <= end) continue;
      end = end_of(range);
      grown = true;
    }
  }
  return std::min(end, identity_map_end);
}

/// The first address at or above `address` that no reservation covers.
std::uint64_t skip_reserved(std::span<const MemoryRange> reserved, std::uint64_t address) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const MemoryRange& range : reserved) {
      if (range.address > address || end_of(range) <= address) continue;
      address = end_of(range);
      moved = true;
    }
  }
  return address;
}

/// The start of the first reservation above `address`, but at most `end`.
std::uint64_t next_reserved(std::span<const MemoryRange> reserved, std::uint64_t address, std::uint64_t end) {
  for (const MemoryRange& range : reserved)
    if (range.size != 0 && range.address > address) end = std::min(end, range.address);
  return end;
}

/// The whole pages of [begin, end), at most `cap` bytes.
MemoryRange whole_pages(std::uint64_t begin, std::uint64_t end, std::uint64_t cap) {
  begin = (std::max(begin, page_size) + page_mask) & ~page_mask;
  end &= ~page_mask;
  return begin < end ? MemoryRange{begin, std::min(end - begin, cap & ~page_mask)} : MemoryRange{};
}

} // namespace

MemoryRange choose_arena(std::span<const MemoryRange> memory, std::span<const MemoryRange> reserved,
                         std::uint64_t cap) {
  MemoryRange best{};
  for (const MemoryRange& region : memory) {
    const std::uint64_t end = end_of_memory(memory, region.address);
    for (std::uint64_t at = skip_reserved(reserved, region.address); at < end;) {
      const std::uint64_t gap_end = next_reserved(reserved, at, end);
      const MemoryRange pages = whole_pages(at, gap_end, cap);
      if (pages.size > best.size || (pages.size == best.size && pages.address < best.address)) best = pages;
      at = skip_reserved(reserved, gap_end);
    }
  }
  return best;
}

} // namespace bsp
