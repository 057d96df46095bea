// SPDX-License-Identifier: BSD-2-Clause
// Traps: external interrupts go to one handler, the timer only wakes a sleeping hart, and an exception is the end (a
// panic): accesses that may fault go through cpu::try_load and cpu::try_store.
#pragma once

#include <cstdint>
#include <string_view>

namespace bsp {

/// Registers at a trap. An interrupt fills in only those that a call may clobber, sp, tp, sepc and sstatus.
struct TrapFrame {
  std::uint64_t x[32]; ///< by register number; x[0] is unused
  std::uint64_t sepc;
  std::uint64_t sstatus;
  std::uint64_t scause;
  std::uint64_t stval;
};

namespace trap {

/// Who claims supervisor external interrupts; enables them in sie (not in sstatus). Called in interrupt context, on the
/// trap stack or on that of handle_external_interrupt()'s caller, with interrupts off.
void set_external_handler(void (*handler)(void* context), void* context);
/// What the trap for a pending external interrupt does, without the trap. Call with interrupts off.
void handle_external_interrupt();

/// The name of an exception code (privileged architecture 1.12, table 4.2), or "unknown exception".
[[nodiscard]] std::string_view exception_name(std::uint64_t code);

/// Where an exception struck, as far as its diagnosis needs it.
enum class Place : std::uint8_t { elsewhere, page_zero, stack_guard, text, rodata, writable };

/// What the exception probably means, or empty. `pc` and `address` say where sepc and stval point.
[[nodiscard]] std::string_view diagnose(std::uint64_t code, Place pc, Place address);

} // namespace trap
} // namespace bsp
