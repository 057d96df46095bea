// SPDX-License-Identifier: BSD-2-Clause
// From the device tree to the console. The only file of drivers/uart that knows `compatible` strings: a new UART is a
// driver, a probe function and a row of the table in uart_probe.cpp.
#pragma once

#include <cstddef>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "drivers/uart/char_device.hpp"
#include "drivers/uart/receive_ring.hpp"
#include "fdt/interrupt.hpp"
#include "fdt/tree.hpp"

namespace uart {

/// Room for one driver of any kind, owned by the composition root; the driver in it is never destroyed.
class UartStorage {
 public:
  constexpr UartStorage() = default;
  UartStorage(const UartStorage&) = delete;
  UartStorage& operator=(const UartStorage&) = delete;

  template <class Driver, class... Arguments> Driver& emplace(Arguments&&... arguments) {
    static_assert(sizeof(Driver) <= size, "give UartStorage more room");
    static_assert(alignof(Driver) <= alignment);
    static_assert(std::is_trivially_destructible_v<Driver>);
    return *new (bytes_) Driver(std::forward<Arguments>(arguments)...);
  }

 private:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t size = sizeof(ReceiveRing) + 256;
  alignas(alignment) std::byte bytes_[size]{};
};

struct Console {
  CharDevice* device;                        ///< never null
  std::optional<fdt::Node> node{};           ///< nullopt: the firmware's console
  std::optional<fdt::Interrupt> interrupt{}; ///< nullopt: it has to be polled
  std::string_view options{};                ///< of stdout-path ("115200n8"), to show: the line is as firmware set it
};

/// Chooses the console and constructs its driver in `storage`: what stdout-path names; else the first enabled UART of a
/// known kind, in tree order; else the firmware's console. A node that is malformed, or whose registers fault, is
/// skipped with a warning that names it. Needs traps set up (it probes with cpu::try_load).
[[nodiscard]] Console select_console(const fdt::Tree& tree, UartStorage& storage);

/// The firmware's console, for a machine without a usable tree.
[[nodiscard]] Console firmware_console(UartStorage& storage);

} // namespace uart
