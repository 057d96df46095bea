// SPDX-License-Identifier: BSD-2-Clause
// {fmt} into fixed buffers. {fmt} itself is compiled once, in format.cpp; format strings are checked at compile time.
#pragma once

#include <cstddef>
#include <fmt/core.h>
#include <span>
#include <string_view>

namespace bsp {

/// Formats into `out` without a terminating zero; what does not fit is cut off. Returns the part of `out` that was
/// written.
std::string_view vformat(std::span<char> out, fmt::string_view format, fmt::format_args args);

template <class... Args>
std::string_view format_to(std::span<char> out, fmt::format_string<Args...> format, Args&&... args) {
  return vformat(out, format, fmt::make_format_args(args...));
}

/// A line of text with its storage.
template <std::size_t N = 160> class Text {
 public:
  template <class... Args>
  explicit Text(fmt::format_string<Args...> format, Args&&... args)
      : size_{vformat(buffer_, format, fmt::make_format_args(args...)).size()} {}
  [[nodiscard]] std::string_view view() const { return {buffer_, size_}; }
  operator std::string_view() const { return view(); } // NOLINT(google-explicit-constructor): a Text is a string

 private:
  char buffer_[N];
  std::size_t size_;
};

} // namespace bsp
