// SPDX-License-Identifier: BSD-2-Clause
// Interrupt specifiers: `interrupts` with an inherited `interrupt-parent`, and `interrupts-extended`, which wins where
// both stand (Devicetree Specification 0.4, 2.4).
#pragma once

#include <cstddef>
#include <cstdint>

#include "fdt/tree.hpp"

namespace fdt {

struct Interrupt {
  Node controller;
  std::uint32_t cells[4]; ///< the specifier; for PLIC and CPU controllers cells[0] is the source number
  std::size_t cell_count; ///< 1 to 4
};

/// Entry `index`. no_such_property if the node has no interrupts, bad_length behind the last entry or if the last is
/// cut short.
[[nodiscard]] Result<Interrupt> interrupt(const Node& node, std::size_t index = 0);

/// Number of well-formed entries, counted up to the first malformed one.
[[nodiscard]] std::size_t interrupt_count(const Node& node);

} // namespace fdt
