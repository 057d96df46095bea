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

/// Entry `index` of the node's `reg` as a CPU address: translated at each bus level by the entry of `ranges` that
/// covers the whole region (all entries are looked at; an empty `ranges` is the identity; none at all ends in
/// not_translatable). no_such_property without `reg`, bad_length behind its last entry.
[[nodiscard]] Result<Region> reg(const Node& node, std::size_t index = 0);

/// Number of entries of `reg`; 0 if it is absent or malformed.
[[nodiscard]] std::size_t reg_count(const Node& node);

} // namespace fdt
