// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/uart/ns16550.hpp"

namespace uart {

namespace {

using bsp::Access;
template <Access A> using Reg8 = bsp::Reg<std::uint8_t, A>;

// `offset` counts registers here; reg_shift makes an address of it.
constexpr Reg8<Access::ro> receiver_buffer{0};
constexpr Reg8<Access::wo> transmitter_holding{0};
constexpr Reg8<Access::rw> interrupt_enable{1};
constexpr Reg8<Access::ro> interrupt_identification{2};
constexpr Reg8<Access::wo> fifo_control{2};
constexpr Reg8<Access::rw> line_control{3};
constexpr Reg8<Access::ro> line_status_register{5};
constexpr Reg8<Access::ro> designware_status{31};

namespace interrupt_enable_bits {
constexpr std::uint8_t received_data = 1 << 0;
constexpr std::uint8_t line_status = 1 << 2;
} // namespace interrupt_enable_bits

namespace cause {
constexpr std::uint8_t mask = 0x0f;
constexpr std::uint8_t none = 0x1;
constexpr std::uint8_t designware_busy = 0x7;
constexpr std::uint8_t character_timeout = 0xc;
constexpr std::uint8_t fifos_enabled = 0xc0; // beside the cause
} // namespace cause

namespace fifo_bits {
constexpr std::uint8_t enable = 1 << 0;
constexpr std::uint8_t trigger_at_8 = 2 << 6;
} // namespace fifo_bits

constexpr std::uint8_t divisor_latch_access = 1 << 7;

namespace line {
constexpr std::uint8_t data_ready = 1 << 0;
constexpr std::uint8_t overrun = 1 << 1;
constexpr std::uint8_t break_received = 1 << 4;
constexpr std::uint8_t transmitter_empty = 1 << 5; // THRE: the whole FIFO is
constexpr std::uint8_t device_gone = 0xff;
} // namespace line

} // namespace

template <Access A>
requires(A != Access::wo) std::uint8_t Ns16550::load(bsp::Reg<std::uint8_t, A> reg)
const {
  const std::uintptr_t address = config_.base + (std::uintptr_t{reg.offset} << config_.reg_shift);
  switch (config_.reg_io_width) {
  case 2:
    return static_cast<std::uint8_t>(bsp::mmio_load<std::uint16_t>(address));
  case 4:
    return static_cast<std::uint8_t>(bsp::mmio_load<std::uint32_t>(address));
  default:
    return bsp::mmio_load<std::uint8_t>(address);
  }
}

template <Access A>
requires(A != Access::ro) void Ns16550::store(bsp::Reg<std::uint8_t, A> reg, std::uint8_t value) const {
  const std::uintptr_t address = config_.base + (std::uintptr_t{reg.offset} << config_.reg_shift);
  switch (config_.reg_io_width) {
  case 2:
    return bsp::mmio_store<std::uint16_t>(address, value);
  case 4:
    return bsp::mmio_store<std::uint32_t>(address, value);
  default:
    return bsp::mmio_store<std::uint8_t>(address, value);
  }
}

Ns16550::Ns16550(const Ns16550Config& config) : config_{config} {
  // Registers 0 and 1 are the divisor while this bit is set.
  const std::uint8_t control = load(line_control);
  if ((control & divisor_latch_access) != 0)
    store(line_control, static_cast<std::uint8_t>(control & ~divisor_latch_access));
  store(interrupt_enable, std::uint8_t{0});
  store(fifo_control, static_cast<std::uint8_t>(fifo_bits::enable | fifo_bits::trigger_at_8));
  if ((load(interrupt_identification) & cause::fifos_enabled) == cause::fifos_enabled) fifo_depth_ = 16;
}

/// Reading it clears the error bits, so they are counted here, whoever looks.
std::uint8_t Ns16550::line_status() {
  const std::uint8_t status = load(line_status_register);
  if (status == line::device_gone) return 0;
  if ((status & line::overrun) != 0) count_overrun();
  return status;
}

bool Ns16550::receive_one(char& character) {
  // A break arrives as a character of zeros that nobody typed: look for the next one, but not for ever.
  for (unsigned breaks = 0; breaks < fifo_depth_; breaks++) {
    const std::uint8_t status = line_status();
    if ((status & line::data_ready) == 0) return false;
    character = static_cast<char>(load(receiver_buffer));
    if ((status & line::break_received) == 0) return true;
  }
  return false;
}

unsigned Ns16550::transmit_room() {
  return (line_status() & line::transmitter_empty) != 0 ? fifo_depth_ : 0;
}

void Ns16550::transmit(char character) {
  store(transmitter_holding, static_cast<std::uint8_t>(character));
}

bool Ns16550::receive_interrupt_pending() {
  const std::uint8_t pending = load(interrupt_identification) & cause::mask;
  if (pending == cause::none) return false;
  if (config_.designware) {
    // Synopsys DW_apb_uart: a line control store while it was busy; reading the status register clears the cause.
    if (pending == cause::designware_busy) (void)load(designware_status);
    // It may also time out on an empty FIFO, and stays so until the buffer is read.
    if (pending == cause::character_timeout && (line_status() & line::data_ready) == 0) (void)load(receiver_buffer);
  }
  return true;
}

void Ns16550::set_receive_interrupt(bool on) {
  constexpr std::uint8_t wanted = interrupt_enable_bits::received_data | interrupt_enable_bits::line_status;
  store(interrupt_enable, on ? wanted : std::uint8_t{0});
}

} // namespace uart
