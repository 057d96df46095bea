// SPDX-License-Identifier: BSD-2-Clause
// Supervisor control and status registers (RISC-V privileged architecture 1.12, chapter 4).
#pragma once

#include <cstdint>

namespace bsp::csr {

enum class Csr : unsigned {
  sstatus = 0x100,
  sie = 0x104,
  sip = 0x144,
  satp = 0x180,
  instret = 0xc02,
};

inline constexpr std::uint64_t sstatus_sie = 1U << 1;
inline constexpr std::uint64_t sie_software = 1U << 1;
inline constexpr std::uint64_t sie_timer = 1U << 5;
inline constexpr std::uint64_t sie_external = 1U << 9;
inline constexpr std::uint64_t satp_mode_sv39 = 8ULL << 60;
inline constexpr std::uint64_t satp_mode_mask = 15ULL << 60;

template <Csr R> [[nodiscard]] inline std::uint64_t read() {
  std::uint64_t value = 0;
  asm volatile("csrr %0, %1" : "=r"(value) : "i"(static_cast<unsigned>(R)) : "memory");
  return value;
}
template <Csr R> inline void write(std::uint64_t value) {
  asm volatile("csrw %0, %1" : : "i"(static_cast<unsigned>(R)), "r"(value) : "memory");
}
template <Csr R> inline void set(std::uint64_t bits) {
  asm volatile("csrs %0, %1" : : "i"(static_cast<unsigned>(R)), "r"(bits) : "memory");
}
/// Clears the bits; returns the register's value before.
template <Csr R> inline std::uint64_t clear(std::uint64_t bits) {
  std::uint64_t before = 0;
  asm volatile("csrrc %0, %1, %2" : "=r"(before) : "i"(static_cast<unsigned>(R)), "r"(bits) : "memory");
  return before;
}

} // namespace bsp::csr
