// SPDX-License-Identifier: BSD-2-Clause
// QEMU's `virt` machine: up to eight NICs, each with room for 22 super-frames, should each need a buffer of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace board {
inline constexpr std::size_t dma_arena_cap = 24 << 20;
inline constexpr std::size_t net_receive_budget = 1536 << 10;
inline constexpr std::size_t capture_bytes = 1 << 20;
inline constexpr std::uint16_t net_queue_size = 256;
} // namespace board
