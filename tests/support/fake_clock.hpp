// SPDX-License-Identifier: BSD-2-Clause
// Time under the test's control: bsp::clock::now_ticks() returns it and advances it by `step`, so that every bounded
// wait ends.
#pragma once

#include <cstdint>

namespace test {

struct FakeClock {
  std::uint64_t ticks{1'000'000};
  std::uint64_t step{10}; ///< ticks per look (1 us at the default 10 MHz)

  void advance_us(std::uint64_t microseconds);
  void reset() { *this = FakeClock{}; }
};

FakeClock& fake_clock();

} // namespace test
