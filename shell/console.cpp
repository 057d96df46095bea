// SPDX-License-Identifier: BSD-2-Clause
// See console.hpp.
#include "shell/console.hpp"

#include <utility>

namespace shell {

void Console::write(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    put(text.substr(0, end));
    if (end == std::string_view::npos) return;
    put("\r\n");
    text.remove_prefix(end + 1);
  }
}

void Console::put(std::string_view text) {
  if (text.empty()) return;
  device_.write(text);
  at_line_start_ = text.back() == '\n';
}

void Console::start_line() {
  if (!at_line_start_) put("\r\n");
}

bool Console::take(char& character) {
  if (count_ == 0) {
    head_ = 0;
    count_ = device_.read(typed_);
    if (count_ == 0) return false;
    unsearched_ = true;
  }
  character = typed_[head_];
  head_ = (head_ + 1) % capacity;
  count_--;
  return true;
}

bool Console::take_interrupt() {
  bool interrupted = unsearched_ && remove_interrupt();
  unsearched_ = false;
  char batch[64];
  while (const std::size_t count = device_.read(batch)) {
    for (std::size_t i = 0; i < count; i++) {
      if (batch[i] == ctrl_c)
        interrupted = true;
      else
        append(batch[i]);
    }
  }
  return interrupted;
}

std::size_t Console::take_lost() {
  return std::exchange(lost_, 0);
}

void Console::append(char character) {
  if (count_ == capacity) {
    lost_++;
    return;
  }
  typed_[(head_ + count_) % capacity] = character;
  count_++;
}

/// Ctrl-C may have arrived in one batch with the line that started the command.
bool Console::remove_interrupt() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count_; i++) {
    const char character = typed_[(head_ + i) % capacity];
    if (character != ctrl_c) typed_[(head_ + kept++) % capacity] = character;
  }
  return std::exchange(count_, kept) != kept;
}

} // namespace shell
