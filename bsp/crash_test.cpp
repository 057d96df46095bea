// SPDX-License-Identifier: BSD-2-Clause
#ifdef NETBSP_TEST_COMMANDS

#include "bsp/crash_test.hpp"

#include "bsp/cpu.hpp"
#include "bsp/csr.hpp"
#include "bsp/image.hpp"
#include "bsp/mmio.hpp"
#include "bsp/panic.hpp"

namespace bsp::crash {

namespace {

/// The compiler must not see that the address is null, nor that a recursion has no end.
std::uintptr_t opaque(std::uintptr_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

void jump_to_null() {
  reinterpret_cast<void (*)()>(opaque(0))();
}

[[gnu::noinline]] std::uint64_t recurse(std::uint64_t depth) {
  const std::uint64_t below = opaque(depth) != UINT64_MAX ? recurse(depth + 1) : 0;
  return opaque(below) + 1;
}

void overflow_stack() {
  (void)recurse(0);
}

void store_to_text() {
  mmio_store<std::uint32_t>(image::address_of(text_start), 0);
}

void load_from_null() {
  (void)mmio_load<std::uint64_t>(opaque(0));
}

void plain_panic() {
  PANIC("crash test");
}

/// An exception inside an interrupt handler: a software interrupt is the one that S-mode can raise by itself.
void fault_in_handler() {
  csr::set<csr::Csr::sie>(csr::sie_software);
  cpu::enable_interrupts();
  csr::set<csr::Csr::sip>(csr::sie_software);
}

/// A panic whose report faults.
void fault_in_report() {
  panic(reinterpret_cast<const char*>(opaque(8)), __FILE__, __LINE__);
}

struct Kind {
  std::string_view name;
  void (*die)();
};

constexpr Kind kinds[] = {
    {"null", jump_to_null}, {"stack", overflow_stack},    {"store-text", store_to_text}, {"load-null", load_from_null},
    {"panic", plain_panic}, {"nested", fault_in_handler}, {"report", fault_in_report},
};

} // namespace

void now(std::string_view kind) {
  for (const Kind& candidate : kinds)
    if (candidate.name == kind) candidate.die();
}

void in_interrupt_handler() {
  load_from_null();
}

} // namespace bsp::crash

#endif
