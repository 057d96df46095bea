// SPDX-License-Identifier: BSD-2-Clause
// Access to memory that a device reads or writes at the same time.
//
// Rule: a value that the device may write is loaded once into a local with load_once(), checked, then used; a value
// that the device may read is written with store_once(). Nothing else touches ring memory. On the host each access is
// announced to the tests first, so that a hostile device can change the word between two looks.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace bsp {

#if !defined(__riscv)
namespace host {
/// Defined by the tests; called before each access to shared memory.
void on_shared_load(const void* address, std::size_t width);
void on_shared_store(const void* address, std::size_t width);
} // namespace host
#endif

/// One load of exactly sizeof(T) bytes.
template <std::unsigned_integral T> [[nodiscard]] inline T load_once(const T& word) {
#if !defined(__riscv)
  host::on_shared_load(&word, sizeof(T));
#endif
  return static_cast<const volatile T&>(word);
}

/// The same for a loop where each instruction counts: GCC 12 extends what it loaded from a volatile word with two more
/// instructions; into a whole register it needs none.
template <std::unsigned_integral T>
requires(sizeof(T) == 2 || sizeof(T) == 4) [[nodiscard]] inline std::uint64_t load_once_wide(const T& word) {
#if defined(__riscv)
  std::uint64_t value = 0;
  if constexpr (sizeof(T) == 2)
    asm volatile("lhu %0, %1" : "=r"(value) : "m"(word));
  else
    asm volatile("lwu %0, %1" : "=r"(value) : "m"(word));
  return value;
#else
  return load_once(word);
#endif
}

/// One store of exactly sizeof(T) bytes.
template <std::unsigned_integral T> inline void store_once(T& word, T value) {
#if !defined(__riscv)
  host::on_shared_store(&word, sizeof(T));
#endif
  static_cast<volatile T&>(word) = value;
}

/// The low 16 bits of `value`, likewise without an instruction that cuts them out.
inline void store_once_low(std::uint16_t& word, std::uint64_t value) {
#if defined(__riscv)
  asm volatile("sh %1, %0" : "=m"(word) : "r"(value));
#else
  store_once(word, static_cast<std::uint16_t>(value));
#endif
}

} // namespace bsp
