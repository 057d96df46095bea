// SPDX-License-Identifier: BSD-2-Clause
// Which memory the DMA arena gets: pure arithmetic on ranges, no device tree and no hardware.
#pragma once

#include <cstdint>
#include <span>

namespace bsp {

inline constexpr std::uint64_t page_size = 4096;

/// Physical addresses [address, address + size).
struct MemoryRange {
  std::uint64_t address{0};
  std::uint64_t size{0};

  /// False for every address of an empty range.
  [[nodiscard]] constexpr bool contains(std::uint64_t other) const {
    return other - address < size && other >= address;
  }
};

/// The Sv39 identity map reaches physical addresses below 256 GiB; memory above it cannot be used.
inline constexpr std::uint64_t identity_map_end = 1ULL << 38;

/// Chooses the arena: the largest free contiguous range, cut to `cap` bytes (rounded down to pages); among ranges that
/// are equally good the lowest, so that devices with short addresses reach it. Free is what lies in `memory` (adjacent
/// and overlapping ranges count as one) and in none of `reserved`. The result is made of whole pages, never holds page
/// 0 (which is not mapped) and ends below identity_map_end. That is below 16 TiB as well, so a legacy virtio device's
/// 32-bit page number can name each of its pages. Size 0: no page is free.
///
/// `reserved` must hold all that is in use: the device tree's reservations (firmware is among them), the tree itself,
/// and the image with its stacks. Ranges that wrap around the end of the address space are cut there.
[[nodiscard]] MemoryRange choose_arena(std::span<const MemoryRange> memory, std::span<const MemoryRange> reserved,
                                       std::uint64_t cap);

} // namespace bsp
