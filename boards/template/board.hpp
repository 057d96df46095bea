// SPDX-License-Identifier: BSD-2-Clause
// <vendor and name of the board>: sizes, and no addresses. What the device tree says is read from it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace board {
/// Memory set aside for devices and captures, in bytes: taken from the largest free range of /memory, which may be
/// smaller. Each network interface takes about 2 KiB for each entry of its receive queue.
inline constexpr std::size_t dma_arena_cap = 24 << 20;
/// Part of it that `net dump` captures into; a slow console loses frames only once this is full.
inline constexpr std::size_t capture_bytes = 1 << 20;
/// Descriptors of each network queue, a power of two; the device may allow fewer.
inline constexpr std::uint16_t net_queue_size = 256;
} // namespace board
