// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_cpu.hpp"

#include <cstdio>
#include <cstdlib>

#include "bsp/cpu.hpp"
#include "bsp/panic.hpp"
#include "tests/support/fake_clock.hpp"

namespace test {

FakeCpu& fake_cpu() {
  static FakeCpu cpu;
  return cpu;
}

void FakeCpu::map(std::uintptr_t address, std::size_t size, std::uint8_t fill) {
  for (std::size_t i = 0; i < size; i++)
    memory[address + i] = fill;
}

} // namespace test

namespace bsp {

void panic(const char* message, const char* file, int line) {
  std::fprintf(stderr, "panic: %s (%s:%d)\n", message, file, line);
  std::abort(); // code under test is built without exceptions; a death is a failed test
}

namespace cpu {

bool disable_interrupts() {
  const bool were_on = test::fake_cpu().interrupts_on;
  test::fake_cpu().interrupts_on = false;
  return were_on;
}

void enable_interrupts() {
  test::fake_cpu().interrupts_on = true;
}

void wait_for_interrupt(Deadline until) {
  test::FakeCpu& cpu = test::fake_cpu();
  cpu.idles++;
  if (cpu.on_idle) {
    cpu.on_idle(until);
    return;
  }
  // Nothing will happen by itself: sleep to the deadline. Sleeping for ever would hang the test.
  if (until.ticks() == UINT64_MAX) {
    std::fprintf(stderr, "test would sleep for ever\n");
    std::abort();
  }
  if (test::fake_clock().ticks < until.ticks()) test::fake_clock().ticks = until.ticks();
}

bool external_interrupt_pending() {
  return test::fake_cpu().external_interrupt;
}

std::uint64_t idle_count() {
  return test::fake_cpu().idles;
}

std::uint64_t instructions() {
  return test::fake_cpu().instructions;
}

bool try_load(std::uintptr_t address, unsigned width, std::uint64_t& value) {
  std::uint64_t loaded = 0;
  for (unsigned i = 0; i < width; i++) {
    const auto byte = test::fake_cpu().memory.find(address + i);
    if (byte == test::fake_cpu().memory.end()) return false;
    loaded |= std::uint64_t{byte->second} << (8 * i);
  }
  value = loaded;
  return true;
}

bool try_store(std::uintptr_t address, unsigned width, std::uint64_t value) {
  auto& memory = test::fake_cpu().memory;
  for (unsigned i = 0; i < width; i++)
    if (!memory.contains(address + i)) return false;
  for (unsigned i = 0; i < width; i++)
    memory[address + i] = static_cast<std::uint8_t>(value >> (8 * i));
  return true;
}

std::uint64_t hart_id() {
  return test::fake_cpu().hart;
}

} // namespace cpu
} // namespace bsp
