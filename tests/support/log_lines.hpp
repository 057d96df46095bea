// SPDX-License-Identifier: BSD-2-Clause
// Keeps the lines of the log while it lives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "bsp/log.hpp"

namespace test {

class LogLines {
 public:
  LogLines() {
    bsp::log::set_sink([](void* context, bsp::log::Level,
                          std::string_view text) { static_cast<LogLines*>(context)->lines_.emplace_back(text); },
                       this);
  }
  ~LogLines() { bsp::log::set_sink(nullptr, nullptr); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  void clear() { lines_.clear(); }
  [[nodiscard]] std::size_t size() const { return lines_.size(); }
  /// How many hold `part`.
  [[nodiscard]] std::size_t with(std::string_view part) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines_, [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }

 private:
  std::vector<std::string> lines_;
};

} // namespace test
