// SPDX-License-Identifier: BSD-2-Clause
// The bus log as text that a test can compare: "r070 w070=1 [before_doorbell] w050=0". Offsets are from `base`, in hex;
// loads show no value.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_mmio.hpp"

namespace test {

enum class Fences { left_out, shown };

inline std::string bus_trace(std::uintptr_t base, Fences fences = Fences::left_out) {
  std::string all;
  char word[64];
  for (const Event& event : fake_bus().log) {
    const auto offset = static_cast<unsigned>(event.address - base);
    if (event.kind == Event::Kind::load)
      std::snprintf(word, sizeof word, "r%03x", offset);
    else if (event.kind == Event::Kind::store)
      std::snprintf(word, sizeof word, "w%03x=%llx", offset, static_cast<unsigned long long>(event.value));
    else if (event.kind == Event::Kind::fence && fences == Fences::shown)
      std::snprintf(word, sizeof word, "[%s]", to_string(event.fence));
    else
      continue;
    all += (all.empty() ? "" : " ") + std::string{word};
  }
  return all;
}

/// The trace since the last call; the log is empty then.
inline std::string take_bus_trace(std::uintptr_t base, Fences fences = Fences::left_out) {
  std::string all = bus_trace(base, fences);
  fake_bus().log.clear();
  return all;
}

/// A clean bus and clock; the first member of a test group, so that devices attach to it afterwards.
struct CleanBus {
  CleanBus() {
    fake_bus().reset();
    fake_clock().reset();
  }
  ~CleanBus() { fake_bus().reset(); }
  CleanBus(const CleanBus&) = delete;
  CleanBus& operator=(const CleanBus&) = delete;
};

} // namespace test
