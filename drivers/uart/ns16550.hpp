// SPDX-License-Identifier: BSD-2-Clause
// The 16550A UART and its many descendants (National Semiconductor PC16550D data sheet).
//
// The divisor, the line settings and the modem lines stay as the firmware has set them: the baud rate is the one at
// which its own messages could be read. Only the divisor latch access bit is cleared if the firmware left it set.
#pragma once

#include <cstdint>
#include <string_view>

#include "bsp/mmio.hpp"
#include "drivers/uart/fifo_uart.hpp"

namespace uart {

struct Ns16550Config {
  std::uintptr_t base;
  unsigned reg_shift{0};    ///< registers are 1 << reg_shift bytes apart: 0 to 2
  unsigned reg_io_width{1}; ///< bytes of one access: 1, 2 or 4, at most 1 << reg_shift
  bool designware{false};   ///< has the busy-detect interrupt and the status register behind it

  /// Bytes of register window that the driver uses.
  [[nodiscard]] std::uint64_t window_size() const {
    return (std::uint64_t{designware ? 31u : 5u} << reg_shift) + reg_io_width;
  }
};

class Ns16550 final : public FifoUart<Ns16550> {
 public:
  /// Takes the device over: its interrupts off, its FIFOs on.
  explicit Ns16550(const Ns16550Config& config);
  [[nodiscard]] std::string_view name() const override { return config_.designware ? "dw-apb-uart" : "ns16550a"; }

 private:
  friend class FifoUart<Ns16550>;
  bool receive_one(char& character);
  unsigned transmit_room();
  void transmit(char character);
  bool receive_interrupt_pending();
  void set_receive_interrupt(bool on);

  std::uint8_t line_status();
  template <bsp::Access A>
  requires(A != bsp::Access::wo) [[nodiscard]] std::uint8_t load(bsp::Reg<std::uint8_t, A> reg) const;
  template <bsp::Access A>
  requires(A != bsp::Access::ro) void store(bsp::Reg<std::uint8_t, A> reg, std::uint8_t value) const;

  Ns16550Config config_;
  unsigned fifo_depth_{1};
};

} // namespace uart
