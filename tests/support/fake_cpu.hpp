// SPDX-License-Identifier: BSD-2-Clause
// The hart under the test's control: interrupt enable, idling, and a small memory for md/mw behind try_load and
// try_store.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "bsp/clock.hpp"

namespace test {

struct FakeCpu {
  bool interrupts_on{true};
  bool external_interrupt{true}; ///< what external_interrupt_pending() says
  std::uint64_t idles{0};
  std::uint64_t hart{0};
  std::uint64_t instructions{0};
  /// Called with interrupts off in each wait_for_interrupt(); the place to let an event happen. Without it time jumps
  /// to the deadline.
  std::function<void(bsp::Deadline)> on_idle;
  /// Bytes that try_load and try_store reach; every other address faults.
  std::map<std::uintptr_t, std::uint8_t> memory;

  void map(std::uintptr_t address, std::size_t size, std::uint8_t fill = 0);
  void reset() { *this = FakeCpu{}; }
};

FakeCpu& fake_cpu();

} // namespace test
