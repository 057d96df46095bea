// SPDX-License-Identifier: BSD-2-Clause
// What UARTs with FIFOs have in common: the receive ring, the change from polling to interrupts, the bounded waits.
//
// `Hardware` derives from FifoUart<Hardware> and tells it how to reach the registers:
//   bool receive_one(char&)            takes one character out of the receive FIFO; false if it is empty
//   unsigned transmit_room()           how many characters may be stored right now; 0 while the transmitter is busy
//   void transmit(char)                stores one
//   bool receive_interrupt_pending()   reads the cause, and quiets those that are not about characters
//   void set_receive_interrupt(bool)
// Invariant: the ring has one producer, the handler while the mode is `interrupt`, else the main loop.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/log.hpp"
#include "drivers/uart/char_device.hpp"
#include "drivers/uart/receive_ring.hpp"

namespace uart {

/// How long write() waits for room. A 16 character FIFO takes 530 ms to drain at 300 baud, the slowest in use.
inline constexpr std::uint64_t transmit_timeout_ms = 1000;
/// Characters taken in one go; a level interrupt that is still up afterwards calls again.
inline constexpr unsigned max_receive = 256;
/// Looks at an interrupt line that stays up without any character before it is given up.
inline constexpr unsigned max_idle_passes = 16;

template <class Hardware> class FifoUart : public CharDevice {
 public:
  [[nodiscard]] std::size_t read(std::span<char> out) final {
    poll();
    const std::size_t count = ring_.pop(out);
    if (count != 0 && mode_.load(std::memory_order_relaxed) == Mode::held) enable_receive_interrupt();
    return count;
  }

  [[nodiscard]] bool has_input() final {
    if (is_polled()) poll();
    return !ring_.empty();
  }

  void write(std::string_view text) final {
    while (!text.empty()) {
      const unsigned room = wait_for_room();
      if (room == 0) {
        transmit_drops_++;
        text.remove_prefix(1);
        continue;
      }
      const std::string_view burst = text.substr(0, room);
      for (const char character : burst)
        hardware().transmit(character);
      text.remove_prefix(burst.size());
    }
  }

  void handle_interrupt() final {
    if (mode_.load(std::memory_order_relaxed) != Mode::interrupt) return;
    unsigned received = 0;
    for (unsigned idle_passes = 0; idle_passes < max_idle_passes;) {
      if (!hardware().receive_interrupt_pending()) return;
      if (ring_.full()) { // the rest waits in the FIFO, and behind it, until read() has made room
        hardware().set_receive_interrupt(false);
        mode_.store(Mode::held, std::memory_order_release);
        return;
      }
      const unsigned count = receive();
      if (count == 0) idle_passes++;
      received += count;
      if (received >= max_receive) return;
    }
    // The line stays up though nothing arrives: without this the hart would never leave its trap handler again.
    hardware().set_receive_interrupt(false);
    mode_.store(Mode::given_up, std::memory_order_release);
  }

  void enable_receive_interrupt() final {
    mode_.store(Mode::interrupt, std::memory_order_release);
    hardware().set_receive_interrupt(true);
  }

  [[nodiscard]] bool is_polled() const final {
    const Mode mode = mode_.load(std::memory_order_relaxed);
    return mode == Mode::polled || mode == Mode::given_up;
  }
  [[nodiscard]] std::uint64_t receive_overruns() const final { return overruns_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t transmit_drops() const final { return transmit_drops_; }

 protected:
  FifoUart() = default;
  ~FifoUart() = default;
  void count_overrun() { overruns_.fetch_add(1, std::memory_order_relaxed); }

 private:
  enum class Mode : std::uint8_t { polled, interrupt, held, given_up };

  Hardware& hardware() { return static_cast<Hardware&>(*this); }

  unsigned receive() {
    unsigned count = 0;
    for (char character = 0; count < max_receive && !ring_.full() && hardware().receive_one(character); count++)
      ring_.push(character);
    return count;
  }

  void poll() {
    const Mode mode = mode_.load(std::memory_order_acquire);
    if (mode == Mode::interrupt || mode == Mode::held) return;
    if (mode == Mode::given_up) {
      bsp::log::warn("{}: interrupt line stuck; polling from now on", name());
      mode_.store(Mode::polled, std::memory_order_relaxed);
    }
    receive();
  }

  /// 0 once the deadline has passed. After that nobody waits again until the transmitter is seen to move.
  unsigned wait_for_room() {
    const bsp::Deadline deadline = bsp::Deadline::in_ms(transmit_stuck_ ? 0 : transmit_timeout_ms);
    do {
      const unsigned room = hardware().transmit_room();
      transmit_stuck_ = room == 0;
      if (room != 0) return room;
      if (is_polled()) receive(); // a polled receive FIFO would overrun meanwhile
    } while (!deadline.expired());
    return 0;
  }

  ReceiveRing ring_;
  std::atomic<Mode> mode_{Mode::polled};
  std::atomic<std::uint64_t> overruns_{0};
  std::uint64_t transmit_drops_{0};
  bool transmit_stuck_{false};
};

} // namespace uart
