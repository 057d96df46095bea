// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/clock.hpp"

namespace bsp::clock {

namespace {
struct State {
  std::uint64_t hertz{10'000'000};
  std::uint64_t start{0};
};
constinit State state{};
} // namespace

std::uint64_t frequency() {
  return state.hertz;
}

void set_frequency(std::uint64_t hertz) {
  if (hertz != 0) state.hertz = hertz;
}

void set_start(std::uint64_t ticks) {
  state.start = ticks;
}

// Whole seconds apart, so that neither product overflows for any counter value.
std::uint64_t ticks_to_us(std::uint64_t ticks) {
  return ticks / state.hertz * 1'000'000 + ticks % state.hertz * 1'000'000 / state.hertz;
}

std::uint64_t us_to_ticks(std::uint64_t microseconds) {
  return microseconds / 1'000'000 * state.hertz + microseconds % 1'000'000 * state.hertz / 1'000'000;
}

std::uint64_t uptime_us() {
  return ticks_to_us(now_ticks() - state.start);
}

} // namespace bsp::clock
