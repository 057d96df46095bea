// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/uart/sifive_uart.hpp"

namespace uart {

namespace {

using bsp::Access;
template <Access A> using Reg32 = bsp::Reg<std::uint32_t, A>;

constexpr Reg32<Access::rw> transmit_data{0x00};
constexpr Reg32<Access::ro> receive_data{0x04};
constexpr Reg32<Access::rw> transmit_control{0x08};
constexpr Reg32<Access::rw> receive_control{0x0c};
constexpr Reg32<Access::rw> interrupt_enable{0x10};
constexpr Reg32<Access::ro> interrupt_pending{0x14};

constexpr std::uint32_t transmit_full = 1u << 31;
constexpr std::uint32_t receive_empty = 1u << 31;
constexpr std::uint32_t enable = 1u << 0; // in both control registers
constexpr std::uint32_t receive_watermark = 1u << 1;

} // namespace

SifiveUart::SifiveUart(std::uintptr_t base) : registers_{base} {
  registers_.write(interrupt_enable, 0u);
  registers_.write(transmit_control, registers_.read(transmit_control) | enable);
  registers_.write(receive_control, enable); // watermark 0: pending as soon as there is one character
}

bool SifiveUart::receive_one(char& character) {
  const std::uint32_t data = registers_.read(receive_data); // takes the character along
  if ((data & receive_empty) != 0) return false;
  character = static_cast<char>(data & 0xff);
  return true;
}

unsigned SifiveUart::transmit_room() {
  return (registers_.read(transmit_data) & transmit_full) == 0 ? 1 : 0;
}

void SifiveUart::transmit(char character) {
  registers_.write(transmit_data, std::uint32_t{static_cast<std::uint8_t>(character)});
}

bool SifiveUart::receive_interrupt_pending() {
  return (registers_.read(interrupt_pending) & receive_watermark) != 0;
}

void SifiveUart::set_receive_interrupt(bool on) {
  registers_.write(interrupt_enable, on ? receive_watermark : 0u);
}

} // namespace uart
