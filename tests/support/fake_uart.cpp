// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_uart.hpp"

namespace test {

void FakeNs16550::refuse(const std::string& why) {
  if (error.empty()) error = why;
}

void FakeNs16550::type(const std::string& text) {
  for (const char character : text) {
    if (fifo_.size() == depth())
      overrun_ = true;
    else
      fifo_.push_back({static_cast<std::uint8_t>(character), false});
  }
}

void FakeNs16550::send_break() {
  fifo_.push_back({0, true});
}

void FakeNs16550::refill() {
  while (!waiting_.empty() && fifo_.size() < depth()) {
    fifo_.push_back({static_cast<std::uint8_t>(waiting_.front()), false});
    waiting_.erase(0, 1);
  }
}

std::uint8_t FakeNs16550::identification() const {
  const std::uint8_t fifos = has_fifos && (fcr_ & 1) != 0 ? 0xc0 : 0;
  if (busy_detect) return fifos | 0x7;
  if ((ier_ & 4) != 0 && overrun_) return fifos | 0x6;
  const std::size_t trigger = (fcr_ >> 6) == 2 ? 8 : 1;
  const bool any = !fifo_.empty() || !waiting_.empty();
  if ((ier_ & 1) != 0 && any) return fifos | (fifo_.size() >= trigger || !waiting_.empty() ? 0x4 : 0xc);
  if ((ier_ & 1) != 0 && empty_timeout) return fifos | 0xc;
  return fifos | (interrupt_stuck ? 0x4 : 0x1);
}

bool FakeNs16550::interrupt_line() const {
  return ier_ != 0 && (identification() & 0xf) != 1;
}

std::uint8_t FakeNs16550::take_line_status() {
  refill();
  std::uint8_t status = 0;
  if (!fifo_.empty()) status |= 1;
  if (!fifo_.empty() && fifo_.front().is_break) status |= 0x10;
  if (overrun_) status |= 2;
  overrun_ = false;
  if (busy_ > 0)
    busy_--;
  else if (!transmitter_stuck) {
    status |= 0x60;
    burst_ = 0;
  }
  return status;
}

std::uint8_t FakeNs16550::take_character() {
  empty_timeout = false;
  if (fifo_.empty()) return 0xee; // whatever it was
  const std::uint8_t character = fifo_.front().character;
  fifo_.pop_front();
  return character;
}

std::uint64_t FakeNs16550::load(std::uint32_t offset, unsigned access_width) {
  if (access_width != width) refuse("load of a wrong width");
  if (offset % (1u << shift) != 0) refuse("load between registers");
  if (gone) return UINT64_MAX >> (64 - 8 * access_width);
  switch (offset >> shift) {
  case 0:
    if ((lcr & 0x80) != 0) refuse("the divisor was read");
    return take_character();
  case 2:
    return identification();
  case 3:
    return lcr;
  case 5:
    return take_line_status();
  case 31:
    if (!designware) refuse("a DesignWare register of a 16550");
    busy_detect = false;
    return 0;
  default:
    refuse("load of register " + std::to_string(offset >> shift));
    return 0;
  }
}

void FakeNs16550::store(std::uint32_t offset, unsigned access_width, std::uint64_t value) {
  if (access_width != width) refuse("store of a wrong width");
  if (offset % (1u << shift) != 0) refuse("store between registers");
  switch (offset >> shift) {
  case 0:
    if ((lcr & 0x80) != 0) return refuse("the divisor was written");
    if (++burst_ > depth()) return refuse("more characters than the transmit FIFO holds");
    largest_burst = burst_ > largest_burst ? burst_ : largest_burst;
    busy_ = busy_looks;
    sent.push_back(static_cast<char>(value));
    return;
  case 1:
    if ((lcr & 0x80) != 0) return refuse("the divisor was written");
    ier_ = static_cast<std::uint8_t>(value);
    return;
  case 2:
    if (has_fifos) fcr_ = static_cast<std::uint8_t>(value);
    return;
  case 3:
    if (value != (lcr & 0x7f)) refuse("line settings changed");
    lcr = static_cast<std::uint8_t>(value);
    return;
  default:
    refuse("store to register " + std::to_string(offset >> shift));
  }
}

void FakeSifiveUart::refuse(const std::string& why) {
  if (error.empty()) error = why;
}

void FakeSifiveUart::type(const std::string& text) {
  for (const char character : text)
    if (fifo_.size() < 8) fifo_.push_back(static_cast<std::uint8_t>(character)); // the hardware doesn't tell
}

void FakeSifiveUart::refill() {
  while (!waiting_.empty() && fifo_.size() < 8) {
    fifo_.push_back(static_cast<std::uint8_t>(waiting_.front()));
    waiting_.erase(0, 1);
  }
}

std::uint32_t FakeSifiveUart::ip() const {
  const std::size_t watermark = rxctrl_ >> 16 & 7;
  const bool pending = fifo_.size() > watermark || !waiting_.empty() || interrupt_stuck;
  return 1u | (pending ? 2u : 0u); // an empty transmit FIFO is below its watermark
}

std::uint64_t FakeSifiveUart::load(std::uint32_t offset, unsigned access_width) {
  if (access_width != 4) refuse("load of a wrong width");
  if (gone) return UINT32_MAX;
  switch (offset) {
  case 0x00:
    if (full_looks_ > 0) full_looks_--;
    if (full_looks_ == 0) stored_ = 0;
    return transmitter_stuck || full_looks_ > 0 ? 1u << 31 : 0;
  case 0x04: {
    refill();
    if (fifo_.empty() || (rxctrl_ & 1) == 0) return 1u << 31;
    const std::uint8_t character = fifo_.front();
    fifo_.pop_front();
    return character;
  }
  case 0x08:
    return txctrl;
  case 0x14:
    return ip();
  default:
    refuse("load of " + std::to_string(offset));
    return 0;
  }
}

void FakeSifiveUart::store(std::uint32_t offset, unsigned access_width, std::uint64_t value) {
  if (access_width != 4) refuse("store of a wrong width");
  const auto word = static_cast<std::uint32_t>(value);
  switch (offset) {
  case 0x00:
    if ((txctrl & 1) == 0) return refuse("sent while the transmitter is off");
    if (++stored_ > 8 || full_looks_ > 0) return refuse("sent while the FIFO is full");
    if (stored_ == 8) full_looks_ = 3;
    sent.push_back(static_cast<char>(word));
    return;
  case 0x08:
    if ((word & 2) != (txctrl & 2)) refuse("stop bits changed");
    txctrl = word;
    return;
  case 0x0c:
    rxctrl_ = word;
    return;
  case 0x10:
    ie_ = word;
    return;
  default:
    refuse("store to " + std::to_string(offset));
  }
}

} // namespace test
