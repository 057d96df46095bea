// SPDX-License-Identifier: BSD-2-Clause
// Interrupts, called by trap.S on the trap stack. Exceptions are in panic.cpp.
#include "bsp/trap.hpp"

#include "bsp/crash_test.hpp"
#include "bsp/csr.hpp"
#include "bsp/hart.hpp"
#include "bsp/panic.hpp"

namespace bsp::trap {

namespace {

constexpr std::uint64_t interrupt_bit = 1ULL << 63;
[[maybe_unused]] constexpr std::uint64_t software_interrupt = interrupt_bit | 1;
constexpr std::uint64_t timer_interrupt = interrupt_bit | 5;
constexpr std::uint64_t external_interrupt = interrupt_bit | 9;

struct ExternalHandler {
  void (*function)(void*){nullptr};
  void* context{nullptr};
};
constinit ExternalHandler external{};

} // namespace

void set_external_handler(void (*handler)(void* context), void* context) {
  csr::clear<csr::Csr::sie>(csr::sie_external);
  external = {handler, context};
  if (handler != nullptr) csr::set<csr::Csr::sie>(csr::sie_external);
}

void handle_external_interrupt() {
  if (external.function != nullptr) external.function(external.context);
}

extern "C" void trap_interrupt(std::uint64_t cause) {
  switch (cause) {
  case external_interrupt:
    handle_external_interrupt();
    return;
  case timer_interrupt:
    csr::clear<csr::Csr::sie>(csr::sie_timer);
    this_hart().alarm = 0;
    return;
#ifdef NETBSP_TEST_COMMANDS
  case software_interrupt:
    crash::in_interrupt_handler();
    return;
#endif
  default:
    PANIC("interrupt that was never enabled");
  }
}

} // namespace bsp::trap
