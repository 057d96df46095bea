// SPDX-License-Identifier: BSD-2-Clause
// What the floor program needs of hart, firmware and QEMU's virt machine. It shares nothing with the driver that is
// measured against it, so that no fault can hide in both; it looks up nothing and checks nothing.
#pragma once

#include <cstddef>
#include <cstdint>

namespace machine {

inline volatile std::uint32_t& word(std::uintptr_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}

inline void order_memory() {
  __asm__ volatile("fence rw, rw" ::: "memory");
}

inline void order_all() {
  __asm__ volatile("fence iorw, iorw" ::: "memory");
}

/// QEMU 7.2 drops fences where the machine has one hart. A CSR read ends its translated block, on which the host's
/// processor orders memory, so a store before it is seen before a load after it.
inline void order_store_before_load() {
  std::uint64_t ignored;
  order_memory();
  __asm__ volatile("csrr %0, sscratch" : "=r"(ignored)::"memory");
}

/// 10 MHz on the virt machine.
inline std::uint64_t ticks() {
  std::uint64_t value;
  __asm__ volatile("rdtime %0" : "=r"(value)::"memory");
  return value;
}

inline void firmware_call(std::uint64_t extension, std::uint64_t argument) {
  register std::uint64_t a0 __asm__("a0") = argument;
  register std::uint64_t a1 __asm__("a1") = 0;
  register std::uint64_t a6 __asm__("a6") = 0;
  register std::uint64_t a7 __asm__("a7") = extension;
  __asm__ volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a6), "r"(a7) : "memory");
}

inline void print(char character) {
  firmware_call(1, static_cast<unsigned char>(character)); // legacy console, which every OpenSBI has
}

inline void print(const char* text) {
  for (; *text != '\0'; ++text)
    print(*text);
}

inline void print(std::uint64_t value, unsigned least_digits = 1) {
  char digits[20];
  unsigned count = 0;
  for (; value != 0 || count < least_digits; value /= 10)
    digits[count++] = static_cast<char>('0' + value % 10);
  while (count > 0)
    print(digits[--count]);
}

inline void print_result(const char* name, std::uint64_t value) {
  print(name);
  print(' ');
  print(value);
  print("\r\n");
}

[[noreturn]] inline void power_off() {
  firmware_call(0x53525354, 0); // SRST: shutdown
  for (;;)
    __asm__ volatile("wfi");
}

/// The PLIC context of hart 0 in S-mode. Interrupts are never taken: `wfi` wakes when one is pending.
class Plic {
 public:
  void enable(std::uint32_t source) const {
    word(base + 4 * source) = 1;
    word(base + 0x2080 + 4 * (source / 32)) = 1U << (source % 32);
    word(base + 0x201000) = 0;
    __asm__ volatile("csrs sie, %0" ::"r"(external));
  }
  /// Sleeps until an interrupt is pending; its source, 0 if there was none.
  [[nodiscard]] std::uint32_t wait_and_claim() const {
    std::uint64_t pending;
    __asm__ volatile("csrr %0, sip" : "=r"(pending)::"memory");
    if ((pending & external) == 0) __asm__ volatile("wfi" ::: "memory");
    return word(base + 0x201004);
  }
  void complete(std::uint32_t source) const { word(base + 0x201004) = source; }

 private:
  static constexpr std::uintptr_t base = 0x0c000000;
  static constexpr std::uint64_t external = 1U << 9;
};

} // namespace machine
