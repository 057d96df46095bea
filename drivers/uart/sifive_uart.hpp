// SPDX-License-Identifier: BSD-2-Clause
// SiFive's UART (FU540-C000 manual, chapter 13). The divisor and the stop bits stay as the firmware has set them.
#pragma once

#include <cstdint>
#include <string_view>

#include "bsp/mmio.hpp"
#include "drivers/uart/fifo_uart.hpp"

namespace uart {

class SifiveUart final : public FifoUart<SifiveUart> {
 public:
  static constexpr std::uint64_t window_size = 0x1c;

  /// Takes the device over: its interrupts off, transmitter and receiver on.
  explicit SifiveUart(std::uintptr_t base);
  [[nodiscard]] std::string_view name() const override { return "sifive,uart0"; }

 private:
  friend class FifoUart<SifiveUart>;
  bool receive_one(char& character);
  unsigned transmit_room();
  void transmit(char character);
  bool receive_interrupt_pending();
  void set_receive_interrupt(bool on);

  bsp::MmioWindow registers_;
};

} // namespace uart
