// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/cpu.hpp"

#include "bsp/csr.hpp"
#include "bsp/hart.hpp"
#include "bsp/sbi.hpp"
#include "bsp/trap.hpp"

extern "C" {
bool probe_load(std::uint64_t address, unsigned width, std::uint64_t* value);
bool probe_store(std::uint64_t address, unsigned width, std::uint64_t value);
std::uint64_t probe_instret();
}

namespace bsp::cpu {

bool disable_interrupts() {
  return (csr::clear<csr::Csr::sstatus>(csr::sstatus_sie) & csr::sstatus_sie) != 0;
}

void enable_interrupts() {
  csr::set<csr::Csr::sstatus>(csr::sstatus_sie);
}

void wait_for_interrupt(Deadline until) {
  HartContext& hart = this_hart();
  // Setting the timer is a call to the firmware, and on an emulator a stir in its main loop: an alarm that is to come
  // anyway is left to wake this hart too soon, which costs less than a new one for each sleep.
  if (until.ticks() < hart.alarm - 1) { // 0, for none, is later than all but never()
    hart.alarm = until.ticks();
    sbi::set_timer(hart.alarm);
    csr::set<csr::Csr::sie>(csr::sie_timer);
  }
  hart.idles++;
  if (hart.counts) {
    const std::uint64_t before = csr::read<csr::Csr::instret>();
    asm volatile("wfi" ::: "memory");
    hart.asleep += csr::read<csr::Csr::instret>() - before;
  } else {
    asm volatile("wfi" ::: "memory");
  }
  // What woke us up is dealt with here, which spares the trap. One by the timer has nothing to do but to switch it off.
  if (external_interrupt_pending()) trap::handle_external_interrupt();
}

bool external_interrupt_pending() {
  return (csr::read<csr::Csr::sip>() & csr::sie_external) != 0; // the bits of sip lie where those of sie do
}

std::uint64_t idle_count() {
  return this_hart().idles;
}

std::uint64_t instructions() {
  const std::uint64_t retired = probe_instret();
  this_hart().counts = retired != 0;
  return retired - this_hart().asleep;
}

bool try_load(std::uintptr_t address, unsigned width, std::uint64_t& value) {
  return probe_load(address, width, &value);
}

bool try_store(std::uintptr_t address, unsigned width, std::uint64_t value) {
  return probe_store(address, width, value);
}

std::uint64_t hart_id() {
  return this_hart().id;
}

} // namespace bsp::cpu
