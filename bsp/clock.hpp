// SPDX-License-Identifier: BSD-2-Clause
// Time: the `time` counter, its rate from the FDT's timebase-frequency, and deadlines for bounded waits.
// On the host now_ticks() is defined by the tests (tests/support/fake_clock.hpp).
#pragma once

#include <cstdint>

namespace bsp::clock {

/// The free-running `time` counter, in ticks.
#if defined(__riscv)
[[nodiscard]] inline std::uint64_t now_ticks() {
  std::uint64_t ticks = 0;
  asm volatile("rdtime %0" : "=r"(ticks));
  return ticks;
}
#else
[[nodiscard]] std::uint64_t now_ticks();
#endif

/// Ticks per second; 10 MHz until set from /cpus timebase-frequency. Never 0.
[[nodiscard]] std::uint64_t frequency();
/// A value of 0 is ignored.
void set_frequency(std::uint64_t hertz);
/// The counter's value at hand-over from firmware; uptime counts from there.
void set_start(std::uint64_t ticks);

[[nodiscard]] std::uint64_t ticks_to_us(std::uint64_t ticks);
[[nodiscard]] std::uint64_t us_to_ticks(std::uint64_t microseconds);
/// Microseconds since hand-over from firmware.
[[nodiscard]] std::uint64_t uptime_us();

} // namespace bsp::clock

namespace bsp {

/// A point in time after which a wait gives up.
class Deadline {
 public:
  [[nodiscard]] static Deadline in_us(std::uint64_t microseconds) {
    return Deadline{clock::now_ticks() + clock::us_to_ticks(microseconds)};
  }
  [[nodiscard]] static Deadline in_ms(std::uint64_t milliseconds) { return in_us(milliseconds * 1000); }
  [[nodiscard]] static constexpr Deadline at_ticks(std::uint64_t ticks) { return Deadline{ticks}; }
  /// Never expires.
  [[nodiscard]] static constexpr Deadline never() { return Deadline{UINT64_MAX}; }
  [[nodiscard]] bool expired() const { return ticks_ != UINT64_MAX && clock::now_ticks() >= ticks_; }
  [[nodiscard]] constexpr std::uint64_t ticks() const { return ticks_; }
  [[nodiscard]] constexpr Deadline earlier_of(Deadline other) const { return ticks_ < other.ticks_ ? *this : other; }

 private:
  constexpr explicit Deadline(std::uint64_t ticks) : ticks_{ticks} {}
  std::uint64_t ticks_;
};

} // namespace bsp
