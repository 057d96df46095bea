// SPDX-License-Identifier: BSD-2-Clause
// A serial line as the shell sees it. Owner: the main loop; handle_interrupt() alone runs in interrupt context.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace uart {

class CharDevice {
 public:
  /// Takes what has been received, up to out.size() characters; never waits. Returns the count.
  [[nodiscard]] virtual std::size_t read(std::span<char> out) = 0;
  /// Whether read() would return something. Safe with interrupts off, for the check before going idle.
  [[nodiscard]] virtual bool has_input() = 0;
  /// Sends all of `text` as it is (no line-end conversion); waits for room, with a deadline per character after which
  /// the character is dropped and counted: a line nobody reads must not hang the machine.
  virtual void write(std::string_view text) = 0;
  /// Drains the receive FIFO into the ring and quiets the interrupt line.
  virtual void handle_interrupt() = 0;
  /// Lets the device interrupt on reception; until then read() polls the hardware.
  virtual void enable_receive_interrupt() = 0;
  /// The driver's name: "ns16550a", "sifive,uart0", "sbi".
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// Times that the hardware reported received characters as lost. What finds the ring full waits in the FIFO.
  [[nodiscard]] virtual std::uint64_t receive_overruns() const = 0;
  /// Characters that write() gave up.
  [[nodiscard]] virtual std::uint64_t transmit_drops() const { return 0; }
  /// No interrupt announces input: whoever sleeps must wake up now and then and look.
  [[nodiscard]] virtual bool is_polled() const { return false; }

 protected:
  ~CharDevice() = default; // never deleted through the interface: all devices are static
};

} // namespace uart
