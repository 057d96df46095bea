// SPDX-License-Identifier: BSD-2-Clause
// A serial line for tests: type() what a user types, read output() as his terminal receives it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "drivers/uart/char_device.hpp"

namespace test {

class FakeConsole final : public uart::CharDevice {
 public:
  bool polled{false};

  void type(std::string_view text) { input_ += text; }
  [[nodiscard]] const std::string& output() const { return output_; }
  /// What was written since the last call.
  std::string take_output() { return std::exchange(output_, {}); }

  std::size_t read(std::span<char> out) override {
    const std::size_t count = std::min(out.size(), input_.size() - read_);
    std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(read_), count, out.begin());
    read_ += count;
    return count;
  }
  bool has_input() override { return read_ < input_.size(); }
  void write(std::string_view text) override { output_ += text; }
  void handle_interrupt() override {}
  void enable_receive_interrupt() override {}
  std::string_view name() const override { return "fake"; }
  std::uint64_t receive_overruns() const override { return 0; }
  bool is_polled() const override { return polled; }

 private:
  std::string input_;
  std::size_t read_{0};
  std::string output_;
};

} // namespace test
