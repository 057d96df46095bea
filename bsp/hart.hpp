// SPDX-License-Identifier: BSD-2-Clause
// What each hart keeps for itself. tp points at it always, sscratch while no trap is being handled. Only the owner hart
// writes to it. trap.S and start.S know the offsets that are asserted here.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bsp/trap.hpp"

namespace bsp {

struct HartContext {
  TrapFrame frame; ///< of the trap being handled
  std::uint64_t trap_stack_top;
  std::uint64_t id;
  std::uint64_t idles;
  std::uint64_t asleep; ///< by how much instret moved in wfi, since it `counts`
  std::uint64_t alarm;  ///< ticks: what the timer is set to; 0: it is not, or its interrupt came
  bool counts;          ///< instret may be read, and was
};

static_assert(offsetof(TrapFrame, sepc) == 256 && offsetof(TrapFrame, sstatus) == 264);
static_assert(offsetof(TrapFrame, scause) == 272 && offsetof(TrapFrame, stval) == 280 && sizeof(TrapFrame) == 288);
static_assert(offsetof(HartContext, frame) == 0 && offsetof(HartContext, trap_stack_top) == 288);

[[nodiscard]] inline HartContext& this_hart() {
  return *static_cast<HartContext*>(__builtin_thread_pointer());
}

} // namespace bsp
