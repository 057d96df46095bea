// SPDX-License-Identifier: BSD-2-Clause
// See history.hpp.
#include "shell/history.hpp"

namespace shell {

void History::add(std::string_view line) {
  if (line.empty() || line.front() == ' ' || line.size() > lines_.max_length) return;
  if (!lines_.empty() && lines_[lines_.size() - 1] == line) return;
  while (!lines_.push(line)) {
    lines_.pop();
    dropped_++;
  }
}

} // namespace shell
