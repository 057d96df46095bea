// SPDX-License-Identifier: BSD-2-Clause
// SiFive HiFive Unleashed: no virtio, so the arena holds only what the shell itself takes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace board {
inline constexpr std::size_t dma_arena_cap = 2 << 20;
inline constexpr std::size_t capture_bytes = 1 << 20;
inline constexpr std::uint16_t net_queue_size = 256;
inline constexpr std::size_t net_receive_budget = 0;
} // namespace board
