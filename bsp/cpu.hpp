// SPDX-License-Identifier: BSD-2-Clause
// The hart: interrupt enable, idle, probing loads and stores that may fault, per-hart context.
// On the host these are defined by the tests (tests/support/fake_cpu.hpp).
#pragma once

#include <cstdint>

#include "bsp/clock.hpp"

namespace bsp::cpu {

/// Turns S-mode interrupts off (sstatus.SIE); returns whether they were on.
bool disable_interrupts();
void enable_interrupts();

/// Sleeps until an interrupt is pending or the deadline passes, or, now and then, for a shorter time. Call with
/// interrupts off and all "work pending" flags checked: wfi wakes up on a pending interrupt also then, so nothing that
/// comes after the check is slept over. Returns with interrupts off; turn them on before the next sleep, which a
/// timer's interrupt that waits would cut short.
void wait_for_interrupt(Deadline until);

/// Whether the interrupt controller has another interrupt for this hart: a question that costs no access to it.
[[nodiscard]] bool external_interrupt_pending();

/// How often wait_for_interrupt() has slept.
[[nodiscard]] std::uint64_t idle_count();

/// Instructions that this hart has retired, without those that an emulator counts while it sleeps in
/// wait_for_interrupt(). Only differences mean anything, and on QEMU only under -icount; 0 where firmware or hypervisor
/// keeps the counter to itself.
[[nodiscard]] std::uint64_t instructions();

/// One load or store of `width` (1, 2, 4, 8) bytes at any address; false if it faulted. `value` is untouched then.
[[nodiscard]] bool try_load(std::uintptr_t address, unsigned width, std::uint64_t& value);
[[nodiscard]] bool try_store(std::uintptr_t address, unsigned width, std::uint64_t value);

/// The hart that runs this code, as OpenSBI numbered it.
[[nodiscard]] std::uint64_t hart_id();

/// Interrupts off for the life of a scope.
class InterruptGuard {
 public:
  InterruptGuard() : were_on_{disable_interrupts()} {}
  ~InterruptGuard() {
    if (were_on_) enable_interrupts();
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

 private:
  bool were_on_;
};

} // namespace bsp::cpu
