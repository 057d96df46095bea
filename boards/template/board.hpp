// SPDX-License-Identifier: BSD-2-Clause
// <vendor and name of the board>: sizes, and no addresses. What the device tree says is read from it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace board {
/// Memory set aside for devices and captures, in bytes: taken from the largest free range of /memory, which may be
/// smaller. Each network interface takes net_receive_budget and a thirty-second of it at most, and about 250 bytes for
/// each entry of its queues.
inline constexpr std::size_t dma_arena_cap = 24 << 20;
/// Part of it that `net dump` captures into; a slow console loses frames only once this is full.
inline constexpr std::size_t capture_bytes = 1 << 20;
/// Descriptors of each network queue, a power of two; the device may allow fewer.
inline constexpr std::uint16_t net_queue_size = 256;
/// Bytes an interface may take for receive buffers; never less than 2 KiB an entry, which is all it takes of a device
/// that spreads big frames over several buffers. Others get big frames only if this holds 16 of them (65,600 each).
inline constexpr std::size_t net_receive_budget = 1536 << 10;
} // namespace board
