// SPDX-License-Identifier: BSD-2-Clause
// A bounded first-in, first-out store of text lines: the history and the queue of announcements.
// Invariant: the lines lie one behind the other at the start of text_, oldest first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace shell {

template <std::size_t Bytes, std::size_t Lines> class LineStore {
  static_assert(Bytes <= UINT16_MAX);

 public:
  static constexpr std::size_t max_length = Bytes;

  /// Appends a copy of `line`; false if there is no room for it.
  [[nodiscard]] bool push(std::string_view line) {
    if (count_ == Lines || line.size() > Bytes - used_) return false;
    if (!line.empty()) std::memcpy(text_ + used_, line.data(), line.size());
    used_ += line.size();
    lengths_[count_++] = static_cast<std::uint16_t>(line.size());
    return true;
  }

  /// Drops the oldest line; size() must not be 0.
  void pop() {
    const std::size_t length = lengths_[0];
    used_ -= length;
    count_--;
    std::memmove(text_, text_ + length, used_);
    std::memmove(lengths_, lengths_ + 1, count_ * sizeof lengths_[0]);
  }

  /// Line `index`, 0 is the oldest; index < size(). Valid until the next push() or pop().
  [[nodiscard]] std::string_view operator[](std::size_t index) const {
    std::size_t start = 0;
    for (std::size_t i = 0; i < index; i++)
      start += lengths_[i];
    return {text_ + start, lengths_[index]};
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  char text_[Bytes]{};
  std::uint16_t lengths_[Lines]{};
  std::size_t used_{0};
  std::size_t count_{0};
};

} // namespace shell
