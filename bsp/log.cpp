// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/log.hpp"

#include <algorithm>
#include <array>

#include "bsp/clock.hpp"

namespace bsp::log {

namespace {

struct Line {
  std::uint64_t time_us{0};
  Level level{};
  std::uint8_t length{0};
  std::array<char, 160> text{};
};

struct State {
  std::array<Line, 64> lines{};
  std::size_t next{0};
  std::size_t count{0};
  Sink sink{nullptr};
  void* context{nullptr};
};

constinit State state{}; // all zero, so that it takes no room in the image
constinit Level limit = Level::info;

} // namespace

void set_sink(Sink sink, void* context) {
  state.sink = sink;
  state.context = context;
}

Level level() {
  return limit;
}
void set_level(Level level) {
  limit = level;
}

void write(Level level, fmt::string_view format, fmt::format_args args) {
  Line& line = state.lines[state.next];
  line.time_us = clock::uptime_us();
  line.level = level;
  line.length = static_cast<std::uint8_t>(vformat(line.text, format, args).size());
  // A line may quote what a device or a tree says; no reader of the log has to mind what a terminal would make of it.
  const auto is_unprintable = [](char character) { return character < 0x20 || character >= 0x7f; };
  std::replace_if(line.text.begin(), line.text.begin() + line.length, is_unprintable, '?');
  state.next = (state.next + 1) % state.lines.size();
  if (state.count < state.lines.size()) state.count++;
  if (state.sink != nullptr && level <= limit) state.sink(state.context, level, {line.text.data(), line.length});
}

void for_each(Visitor visit, void* context) {
  const std::size_t oldest = state.count < state.lines.size() ? 0 : state.next;
  for (std::size_t i = 0; i < state.count; i++) {
    const Line& line = state.lines[(oldest + i) % state.lines.size()];
    visit(context, line.time_us, line.level, {line.text.data(), line.length});
  }
}

} // namespace bsp::log
