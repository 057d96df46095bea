// SPDX-License-Identifier: BSD-2-Clause
// md and mw: look at memory and device registers, and change them, as U-Boot's commands of these names do. Each unit is
// one access of its width; an access that faults is reported and ends the command.
#include <array>

#include "bsp/cpu.hpp"
#include "shell/command.hpp"

namespace shell {

namespace {

constexpr std::uint64_t bytes_per_line = 16;
constexpr std::uint64_t default_count = 64;
constexpr std::uint64_t units_per_pump = 1024;

constexpr std::string_view suffixes[] = {".b", ".w", ".l", ".q"};

/// The part of memory that a command line names: `count` units of `width` bytes.
struct Area {
  std::uint64_t address;
  unsigned width;
  std::uint64_t count;

  [[nodiscard]] std::uint64_t max_value() const { return width == 8 ? UINT64_MAX : (1ull << (8 * width)) - 1; }
};

unsigned unit_width(std::string_view typed_name) {
  switch (typed_name.back()) {
  case 'b':
    return typed_name.ends_with(".b") ? 1 : 4;
  case 'w':
    return typed_name.ends_with(".w") ? 2 : 4;
  case 'q':
    return typed_name.ends_with(".q") ? 8 : 4;
  default:
    return 4;
  }
}

/// The address, and the count at `count_index` if it is there. Says what is wrong with them.
std::optional<Area> parse_area(Session& session, const Arguments& arguments, std::size_t count_index,
                               std::uint64_t count) {
  Area area{.address = 0, .width = unit_width(arguments.full_name()), .count = count};
  const std::optional<std::uint64_t> address = session.number_argument(arguments, 0, "ADDR", 0, UINT64_MAX);
  if (!address) return std::nullopt;
  area.address = *address;
  if (arguments.positionals().size() > count_index) {
    const auto given = session.number_argument(arguments, count_index, "COUNT", 1, UINT64_MAX / area.width);
    if (!given) return std::nullopt;
    area.count = *given;
  }
  const std::string_view name = arguments.command().name;
  if (area.address % area.width != 0) {
    session.error(name, "address {:#x} is not a multiple of {} (try '{}.b')", area.address, area.width, name);
    return std::nullopt;
  }
  if (area.count * area.width - 1 > UINT64_MAX - area.address) {
    session.error(name, "{} units from {:#x} go beyond the last address", area.count, area.address);
    return std::nullopt;
  }
  return area;
}

/// One line: address, units, characters. Holds at most bytes_per_line bytes.
class DumpLine {
 public:
  explicit DumpLine(const Area& area) : width_{area.width}, address_{area.address} {}

  void add(std::uint64_t value) {
    for (unsigned i = 0; i < width_; i++)
      characters_[size_++] = printable(static_cast<std::uint8_t>(value >> (8 * i)));
    append(bsp::Text<24>{" {:0{}x}", value, 2 * width_});
  }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == bytes_per_line; }
  void print(Session& session) const {
    const std::size_t columns = bytes_per_line / width_ * (2 * width_ + 1);
    session.print("{:08x}:{:<{}}  {}", address_, std::string_view{units_.data(), units_size_}, columns,
                  std::string_view{characters_.data(), size_});
  }

 private:
  static char printable(std::uint8_t byte) { return byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '.'; }
  void append(std::string_view text) { units_size_ += text.copy(units_.data() + units_size_, text.size()); }

  unsigned width_;
  std::uint64_t address_;
  std::array<char, bytes_per_line> characters_{};
  std::array<char, 3 * bytes_per_line> units_{};
  std::size_t size_{0};
  std::size_t units_size_{0};
};

/// Prints one line and moves on; false if an access faulted.
bool dump_line(Session& session, Area& area) {
  DumpLine line{area};
  bool faulted = false;
  while (area.count > 0 && !line.full() && !faulted) {
    std::uint64_t value = 0;
    faulted = !bsp::cpu::try_load(area.address, area.width, value);
    if (faulted) break;
    line.add(value);
    area.address += area.width;
    area.count--;
  }
  if (!line.empty()) line.print(session);
  if (faulted) session.error("md", "fault at {:#x}", area.address);
  return !faulted;
}

void run_md(Session& session, Arguments& arguments) {
  std::optional<Area> area = parse_area(session, arguments, 1, default_count);
  if (!area) return;
  const std::uint64_t count = area->count;
  while (area->count > 0) {
    if (!session.pump() || !dump_line(session, *area)) return;
  }
  session.repeat_with(bsp::Text<80>{"{} {:#x} {}", arguments.full_name(), area->address, count});
}

void run_mw(Session& session, Arguments& arguments) {
  std::optional<Area> area = parse_area(session, arguments, 2, 1);
  if (!area) return;
  const auto value = session.number_argument(arguments, 1, "VALUE", 0, area->max_value());
  if (!value) return;
  for (; area->count > 0; area->count--, area->address += area->width) {
    if (!bsp::cpu::try_store(area->address, area->width, *value)) {
      session.error("mw", "fault at {:#x}", area->address);
      return;
    }
    if (area->count % units_per_pump == 0 && !session.pump()) return;
  }
}

constexpr Command commands[] = {
    {.name = "md",
     .usage = "ADDR [COUNT]",
     .summary =
         "display memory: md.b bytes, md.w 16, md or md.l 32, md.q 64 bits; Enter goes on; plain numbers are decimal",
     .example = "md.b 0x80200000 64",
     .run = run_md,
     .min_positionals = 1,
     .max_positionals = 2,
     .suffixes = suffixes},
    {.name = "mw",
     .usage = "ADDR VALUE [COUNT]",
     .summary = "write memory: mw.b bytes, mw.w 16, mw or mw.l 32, mw.q 64 bits; plain numbers are decimal",
     .example = "mw.l 0x80400000 0xdeadbeef 16",
     .run = run_mw,
     .min_positionals = 2,
     .max_positionals = 3,
     .suffixes = suffixes},
};

} // namespace

std::span<const Command> memory_commands() {
  return commands;
}

} // namespace shell
