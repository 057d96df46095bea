// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_clock.hpp"

#include "bsp/clock.hpp"

namespace test {

FakeClock& fake_clock() {
  static constinit FakeClock clock;
  return clock;
}

void FakeClock::advance_us(std::uint64_t microseconds) {
  ticks += bsp::clock::us_to_ticks(microseconds);
}

} // namespace test

std::uint64_t bsp::clock::now_ticks() {
  test::FakeClock& clock = test::fake_clock();
  return clock.ticks += clock.step;
}
