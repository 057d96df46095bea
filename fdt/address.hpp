// SPDX-License-Identifier: BSD-2-Clause
// `reg`, and its translation through every `ranges` level (Devicetree Specification 0.4, 2.3.6 and 2.3.8).
#pragma once

#include <cstddef>
#include <cstdint>

#include "fdt/tree.hpp"

namespace fdt {

struct Region {
  std::uint64_t address;
  std::uint64_t size;
  bool operator==(const Region&) const = default;
};

/// Entry `index` of the node's `reg` as it stands there: an address on the parent's bus. The parent's #address-cells (1
/// or 2; 2 if absent) and #size-cells (0 to 2; 1 if absent) decide; a 3-cell PCI address is refused with bad_cells.
/// no_such_property without `reg`, bad_length if it is not a whole number of entries, no_such_entry behind the last.
[[nodiscard]] Result<Region> bus_reg(const Node& node, std::size_t index = 0);

/// The same as a CPU address: translated at each bus level by the first entry of `ranges` that covers the whole region
/// (all entries are looked at; an empty `ranges` is the identity; a bus without one, or with none that covers the
/// region, ends in not_translatable, a `ranges` of broken length in bad_length). A region never wraps past 2^64.
[[nodiscard]] Result<Region> reg(const Node& node, std::size_t index = 0);

/// Both for who asks for several entries: `line` is Lineage{node}.
[[nodiscard]] Result<Region> bus_reg(const Node& node, const Lineage& line, std::size_t index);
[[nodiscard]] Result<Region> reg(const Node& node, const Lineage& line, std::size_t index);

/// Number of entries of `reg`; 0 if it is absent or malformed.
[[nodiscard]] std::size_t reg_count(const Node& node);

} // namespace fdt
