// SPDX-License-Identifier: BSD-2-Clause
// The log: levelled lines kept in a ring, and passed to one sink (the early console first, the shell later).
// Not for interrupt context: a handler counts and flags, the main loop says it.
#pragma once

#include <cstdint>
#include <string_view>

#include "bsp/format.hpp"

namespace bsp::log {

enum class Level : std::uint8_t { error, warn, info, debug };
inline constexpr std::string_view level_names[] = {"error", "warn", "info", "debug"};

/// Gets each line whose level is at most level(), without line ending; what is not printable ASCII in it is a '?'.
/// `text` is valid only during the call.
using Sink = void (*)(void* context, Level level, std::string_view text);
void set_sink(Sink sink, void* context);

[[nodiscard]] Level level();
void set_level(Level level);

void write(Level level, fmt::string_view format, fmt::format_args args);

template <class... Args> void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, format, fmt::make_format_args(args...));
}
template <class... Args> void warn(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warn, format, fmt::make_format_args(args...));
}
template <class... Args> void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, format, fmt::make_format_args(args...));
}
template <class... Args> void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, format, fmt::make_format_args(args...));
}

/// Calls `visit` for each kept line, oldest first: microseconds since boot, level, text. Lines of every level are kept.
using Visitor = void (*)(void* context, std::uint64_t time_us, Level level, std::string_view text);
void for_each(Visitor visit, void* context);

} // namespace bsp::log
