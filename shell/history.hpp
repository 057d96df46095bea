// SPDX-License-Identifier: BSD-2-Clause
// The command lines typed so far: the last 32, in 4 KiB. A line longer than 4 KiB is not kept, nor is one that starts
// with a space or repeats the line before it.
#pragma once

#include <cstddef>
#include <string_view>

#include "shell/line_store.hpp"

namespace shell {

class History {
 public:
  void add(std::string_view line);
  [[nodiscard]] std::size_t size() const { return lines_.size(); }
  /// Line `index`, 0 is the oldest; valid until the next add().
  [[nodiscard]] std::string_view operator[](std::size_t index) const { return lines_[index]; }
  /// The number that `history` shows for line `index`; it stays the same while the line is kept.
  [[nodiscard]] std::size_t number(std::size_t index) const { return dropped_ + index + 1; }

 private:
  LineStore<4096, 32> lines_;
  std::size_t dropped_{0};
};

} // namespace shell
