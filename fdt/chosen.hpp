// SPDX-License-Identifier: BSD-2-Clause
// What a kernel asks a tree first: the console, memory, reserved memory, the CPU and its clock, the order of devices.
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
/// /chosen stdout-path (or, without one, the older linux,stdout-path): a path or an alias, with or without options.
/// Errors: no_such_property (also without /chosen), no_such_node (it names nothing), bad_length (not a string). Whether
/// the node is enabled and usable is the caller's business.
[[nodiscard]] Result<StdoutPath> stdout_path(const Tree& tree);

/// What memory() and reserved_memory() found.
struct RegionList {
  std::size_t count{0};            ///< regions written; those of size 0 are left out
  bool complete{true};             ///< false: `out` had no room for all of them
  std::optional<Node> malformed{}; ///< the first node that was skipped, from its first bad entry on
};

/// Enabled memory nodes (device_type = "memory", below the root). Malformed nodes are skipped; the rest go on.
[[nodiscard]] RegionList memory(const Tree& tree, std::span<Region> out);

/// /memreserve/ entries and the `reg` of /reserved-memory children (whatever their status says: disabled is not free).
/// Their addresses are CPU addresses by definition (Devicetree Specification 0.4, 3.5.3: `ranges` is empty). A child
/// without `reg` asks for memory to be chosen for it: it reserves nothing yet.
[[nodiscard]] RegionList reserved_memory(const Tree& tree, std::span<Region> out);

/// /cpus timebase-frequency (or the first one in a cpu node), one or two cells, in Hz; never 0.
[[nodiscard]] Result<std::uint64_t> timebase_frequency(const Tree& tree);

/// The cpu node of a hart; Error::no_such_node.
[[nodiscard]] Result<Node> cpu(const Tree& tree, std::uint64_t hart_id);

/// The hart that a CPU interrupt controller node belongs to: its parent's `reg`. Error::no_such_node unless the node is
/// compatible with "riscv,cpu-intc".
[[nodiscard]] Result<std::uint64_t> hart_of_interrupt_controller(const Node& controller);

/// The N of the alias "<stem>N" that names the node (the lowest, if several do): "ethernet" gives 0 for what
/// /aliases ethernet0 names.
[[nodiscard]] std::optional<unsigned> alias_index(const Node& node, std::string_view stem);

} // namespace fdt
