// SPDX-License-Identifier: BSD-2-Clause
// Interrupt specifiers: `interrupts` with an inherited `interrupt-parent`, and `interrupts-extended`, which wins where
// both stand (Devicetree Specification 0.4, 2.4).
//
// The controller's own #interrupt-cells (1 to 4) gives the length of a specifier. A nexus is not followed: for a device
// below one (PCI), the controller returned is the node with the `interrupt-map`.
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

/// Entry `index`. Errors: no_such_property if the node has no interrupts, no_such_entry behind the last entry,
/// bad_length if the entry is cut short, bad_phandle, bad_cells, no_interrupt_parent.
///
/// In `interrupts-extended` an entry with phandle 0 or -1, which can name no node, is an empty one of a single cell: it
/// keeps its index, so that the entries behind it keep theirs, and reading it gives empty_entry. Any other phandle
/// without a node ends the list with bad_phandle: how long its entry is cannot be known. A specifier of -1 behind a
/// good phandle (the PLIC's way to say "no context here") is returned as it stands.
[[nodiscard]] Result<Interrupt> interrupt(const Node& node, std::size_t index = 0);

/// Number of well-formed entries, empty ones included, counted up to the first malformed one.
[[nodiscard]] std::size_t interrupt_count(const Node& node);

} // namespace fdt
