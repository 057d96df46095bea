// SPDX-License-Identifier: BSD-2-Clause
// From the device tree to the interrupt controller. The only file of drivers/irqchip that knows `compatible` strings: a
// new controller is a driver, a probe function and a row of the table in irqchip_probe.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "bsp/result.hpp"
#include "drivers/irqchip/irqchip.hpp"
#include "fdt/interrupt.hpp"
#include "fdt/tree.hpp"

namespace irqchip {

/// Room for one driver of any kind, owned by the composition root; the driver in it is never destroyed.
class IrqchipStorage {
 public:
  constexpr IrqchipStorage() = default;
  IrqchipStorage(const IrqchipStorage&) = delete;
  IrqchipStorage& operator=(const IrqchipStorage&) = delete;

  template <class Driver, class... Arguments> Driver& emplace(Arguments&&... arguments) {
    static_assert(sizeof(Driver) <= size, "give IrqchipStorage more room");
    static_assert(alignof(Driver) <= alignment);
    static_assert(std::is_trivially_destructible_v<Driver>);
    return *new (bytes_) Driver(std::forward<Arguments>(arguments)...);
  }

 private:
  static constexpr std::size_t alignment = 64;
  static constexpr std::size_t size = 4096;
  alignas(alignment) std::byte bytes_[size]{};
};

struct Controller {
  Irqchip* chip; ///< never null
  fdt::Node node;
};

/// The first enabled controller of a known kind that has an S-mode context of `boot_hart`, its driver constructed in
/// `storage`. Others are skipped, with a warning that names the node where something is wrong with it. nullopt, and
/// a warning: there is none, and everything has to be polled. Needs traps set up (it probes with cpu::try_load).
[[nodiscard]] std::optional<Controller> find_controller(const fdt::Tree& tree, std::uint64_t boot_hart,
                                                        IrqchipStorage& storage);

/// Attaches a handler to the source that a device's specifier names. Error::no_interrupt_context if the specifier
/// belongs to another controller (a second PLIC that the boot hart does not see), else as Irqchip::attach().
[[nodiscard]] bsp::Result<void> attach(const Controller& controller, const fdt::Interrupt& interrupt, Handler handler,
                                       std::string_view name);

} // namespace irqchip
