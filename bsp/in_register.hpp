// SPDX-License-Identifier: BSD-2-Clause
// For loops where each instruction counts: GCC 12 gives a variable the width of what it was loaded from, and extends it
// again wherever it is used as a whole register, each time round.
#pragma once

#include <cstdint>

namespace bsp {

/// `value`, of which the compiler knows no more than that it fills a register.
[[gnu::always_inline]] inline std::uint64_t in_register(std::uint64_t value) {
#if defined(__riscv)
  asm("" : "+r"(value));
#endif
  return value;
}

} // namespace bsp
