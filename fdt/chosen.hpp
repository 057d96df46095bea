// SPDX-License-Identifier: BSD-2-Clause
// What a kernel asks a tree first: the console, memory, reserved memory, the CPU and its clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "fdt/address.hpp"
#include "fdt/tree.hpp"

namespace fdt {

struct StdoutPath {
  Node node;
  std::string_view options; ///< behind the ':', e.g. "115200n8"; empty if none
};
/// /chosen stdout-path (or the older linux,stdout-path): a path or an alias, with or without options. Errors:
/// no_such_property, no_such_node (it names nothing).
[[nodiscard]] Result<StdoutPath> stdout_path(const Tree& tree);

/// Enabled memory nodes (device_type = "memory"): regions into `out`; returns how many. Malformed nodes are skipped.
[[nodiscard]] std::size_t memory(const Tree& tree, std::span<Region> out);

/// /memreserve/ entries and the `reg` of /reserved-memory children (whatever their status says: disabled is not free).
[[nodiscard]] std::size_t reserved_memory(const Tree& tree, std::span<Region> out);

/// /cpus timebase-frequency (or the one in the cpu node), in Hz.
[[nodiscard]] Result<std::uint64_t> timebase_frequency(const Tree& tree);

/// The cpu node of a hart.
[[nodiscard]] Result<Node> cpu(const Tree& tree, std::uint64_t hart_id);

/// The hart that a CPU interrupt controller node (compatible "riscv,cpu-intc") belongs to: its parent's `reg`.
[[nodiscard]] Result<std::uint64_t> hart_of_interrupt_controller(const Node& controller);

} // namespace fdt
