// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/uart/sbi_console.hpp"

#include <utility>

namespace uart {

bool SbiConsole::has_input() {
  if (!next_) next_ = console_.read();
  return next_.has_value();
}

std::size_t SbiConsole::read(std::span<char> out) {
  std::size_t count = 0;
  while (count < out.size() && has_input())
    out[count++] = static_cast<char>(*std::exchange(next_, std::nullopt));
  return count;
}

} // namespace uart
