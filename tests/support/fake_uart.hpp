// SPDX-License-Identifier: BSD-2-Clause
// UARTs as register files that check: what the firmware's settings are about is refused, and what a real one would
// lose is lost.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "tests/support/fake_mmio.hpp"

namespace test {

/// A 16550A (or, without FIFOs, a 16450), or a DW_apb_uart. `error` names the first access that it refused.
class FakeNs16550 : public MmioDevice {
 public:
  unsigned shift{0};
  unsigned width{1};
  bool has_fifos{true};
  bool designware{false};
  std::uint8_t lcr{0x03}; ///< set DLAB to see that it is cleared, and only that

  bool transmitter_stuck{false};
  unsigned busy_looks{0};      ///< line status loads that find the transmitter busy after each burst
  bool interrupt_stuck{false}; ///< the identification register never says "none"
  bool busy_detect{false};     ///< DesignWare: pending until the status register is read
  bool empty_timeout{false};   ///< DesignWare: times out without a character, until the buffer is read
  bool gone{false};            ///< every load returns all ones

  std::string sent;
  std::size_t largest_burst{0};
  std::string error;

  /// The line delivers characters; those that find the FIFO full are lost, and an overrun is reported.
  void type(const std::string& text);
  /// As type(), but waits for room: a sender with flow control.
  void queue(const std::string& text) { waiting_ += text; }
  void send_break();
  [[nodiscard]] bool interrupt_line() const;
  [[nodiscard]] std::uint8_t ier() const { return ier_; }
  [[nodiscard]] std::uint8_t fcr() const { return fcr_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size() + fifo_.size(); }

  std::uint64_t load(std::uint32_t offset, unsigned access_width) override;
  void store(std::uint32_t offset, unsigned access_width, std::uint64_t value) override;

 private:
  struct Received {
    std::uint8_t character;
    bool is_break;
  };
  void refuse(const std::string& why);
  void refill();
  [[nodiscard]] std::size_t depth() const { return has_fifos && (fcr_ & 1) != 0 ? 16 : 1; }
  [[nodiscard]] std::uint8_t identification() const;
  std::uint8_t take_line_status();
  std::uint8_t take_character();

  std::deque<Received> fifo_;
  std::string waiting_;
  std::uint8_t ier_{0xff}; ///< as an earlier user left it
  std::uint8_t fcr_{0};
  bool overrun_{false};
  std::size_t burst_{0};
  unsigned busy_{0};
};

/// SiFive's UART with its FIFOs of eight.
class FakeSifiveUart : public MmioDevice {
 public:
  std::uint32_t txctrl{0x00000002}; ///< two stop bits, transmitter off
  std::uint32_t div{0x1b2};
  bool transmitter_stuck{false};
  bool interrupt_stuck{false};
  bool gone{false};

  std::string sent;
  std::string error;

  void type(const std::string& text);
  void queue(const std::string& text) { waiting_ += text; }
  [[nodiscard]] bool interrupt_line() const { return (ip() & ie_) != 0; }
  [[nodiscard]] std::uint32_t ie() const { return ie_; }
  [[nodiscard]] std::uint32_t rxctrl() const { return rxctrl_; }

  std::uint64_t load(std::uint32_t offset, unsigned access_width) override;
  void store(std::uint32_t offset, unsigned access_width, std::uint64_t value) override;

 private:
  void refuse(const std::string& why);
  void refill();
  [[nodiscard]] std::uint32_t ip() const;

  std::deque<std::uint8_t> fifo_;
  std::string waiting_;
  std::uint32_t ie_{3};
  std::uint32_t rxctrl_{0x00050000}; ///< a watermark of five, receiver off
  unsigned full_looks_{0};
  unsigned stored_{0};
};

} // namespace test
