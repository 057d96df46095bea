// SPDX-License-Identifier: BSD-2-Clause
// Memory protection: the image's text is read-execute, its constants read-only, everything else readable and writable
// but never executable, page 0 and the page below each stack not mapped.
#pragma once

#include <string_view>

namespace bsp::mmu {

/// Builds the map and turns it on. A hart without Sv39 goes on without protection. Call once, at boot.
void enable();

/// "sv39", or "bare" if the hart has no Sv39.
[[nodiscard]] std::string_view name();

} // namespace bsp::mmu
