// SPDX-License-Identifier: BSD-2-Clause
// Device register access: exact width, exactly once, in program order with respect to other register accesses.
//
// Ordering against *memory* is not implied: it is written out with bsp/barrier.hpp where a rule asks for it.
// On the host the four loads and stores are only declared; the tests define them (tests/support/fake_mmio.hpp), so that
// a fake device sees every access with its offset, width, value and order.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace bsp {

template <class T>
concept RegisterValue = std::same_as<T, std::uint8_t> || std::same_as<T, std::uint16_t> ||
    std::same_as<T, std::uint32_t> || std::same_as<T, std::uint64_t>;

#if defined(__riscv)
template <RegisterValue T> [[nodiscard]] inline T mmio_load(std::uintptr_t address) {
  return *reinterpret_cast<const volatile T*>(address);
}
template <RegisterValue T> inline void mmio_store(std::uintptr_t address, T value) {
  *reinterpret_cast<volatile T*>(address) = value;
}
#else
namespace host {
/// Defined by the tests. `width` is 1, 2, 4 or 8 bytes.
[[nodiscard]] std::uint64_t mmio_load(std::uintptr_t address, unsigned width);
void mmio_store(std::uintptr_t address, unsigned width, std::uint64_t value);
} // namespace host

template <RegisterValue T> [[nodiscard]] inline T mmio_load(std::uintptr_t address) {
  return static_cast<T>(host::mmio_load(address, sizeof(T)));
}
template <RegisterValue T> inline void mmio_store(std::uintptr_t address, T value) {
  host::mmio_store(address, sizeof(T), value);
}
#endif

/// What a driver may do with a register; a forbidden access does not compile.
enum class Access { ro, wo, rw };

/// A register: offset in bytes from the start of its window, width by its value type.
template <RegisterValue T, Access A> struct Reg { std::uint32_t offset; };

/// A device's register window. Non-owning; the caller vouches for the address.
class MmioWindow {
 public:
  constexpr explicit MmioWindow(std::uintptr_t base) : base_{base} {}

  template <RegisterValue T, Access A>
  requires(A != Access::wo) [[nodiscard]] T read(Reg<T, A> reg) const { return mmio_load<T>(base_ + reg.offset); }
  template <RegisterValue T, Access A>
  requires(A != Access::ro) void write(Reg<T, A> reg, std::type_identity_t<T> value) const {
    mmio_store<T>(base_ + reg.offset, value);
  }
  [[nodiscard]] constexpr std::uintptr_t base() const { return base_; }

 private:
  std::uintptr_t base_;
};

} // namespace bsp
