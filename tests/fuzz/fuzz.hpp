// SPDX-License-Identifier: BSD-2-Clause
// What the fuzzers share: the input as a stream of bytes, and the way to say that something is wrong. No test
// framework: a finding is a dead process, whether a sanitizer, a panic or require() ended it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

namespace fuzz {

/// Ends the process unless `condition` holds.
inline void require(bool condition, const char* rule) {
  if (condition) return;
  std::fprintf(stderr, "finding: this no longer holds: %s\n", rule);
  std::abort();
}

/// The fuzzer's input, taken from its front; all zero behind its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_{data, size} {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  bool flag() { return (byte() & 1) != 0; }
  std::uint16_t half() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t word() { return static_cast<std::uint32_t>(number(4)); }
  /// Little-endian, of `width` bytes.
  std::uint64_t number(unsigned width) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
      value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }
  std::span<const std::uint8_t> bytes(std::size_t count) {
    const auto taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<const std::uint8_t> rest_;
};

} // namespace fuzz
