// SPDX-License-Identifier: BSD-2-Clause
// Commands about the machine and the shell itself: help version board uptime log history reboot poweroff.
#include <algorithm>

#include "bsp/log.hpp"
#include "shell/command.hpp"
#include "shell/help.hpp"
#include "shell/history.hpp"
#include "shell/parser.hpp"

namespace shell {

namespace {

#ifdef NETBSP_VERSION
constexpr std::string_view build_version = NETBSP_VERSION;
#else
constexpr std::string_view build_version = "unversioned";
#endif

void run_help(Session& session, Arguments& arguments) {
  const Command* command = nullptr;
  char name[64];
  std::string_view full_name;
  for (const std::string_view word : arguments.positionals()) {
    const Command* const next =
        command == nullptr ? find_command(session.tables(), word) : find_command(command->subcommands, word);
    if (next == nullptr) {
      if (command == nullptr)
        session.error("help", "no command '{:.64}' (try 'help')", word);
      else
        session.error("help", "'{}' has no subcommand '{:.64}' (try 'help {}')", full_name, word, full_name);
      return;
    }
    char parent[sizeof name];
    const std::string_view above{parent, full_name.copy(parent, sizeof parent)};
    full_name = bsp::format_to(name, "{}{}{}", above, above.empty() ? "" : " ", next->name);
    command = next;
  }
  if (command == nullptr)
    print_all_help(session);
  else
    print_help(session, *command, full_name);
}

void run_version(Session& session, Arguments&) {
  session.print("netbsp {}", build_version);
#if defined(__clang__)
  session.print("compiler {}", __VERSION__);
#else
  session.print("compiler g++ {}", __VERSION__);
#endif
}

void print_range(Session& session, std::string_view name, const bsp::MemoryRange& range) {
  if (range.size == 0) return;
  session.print("{} {:#x} to {:#x} ({} KiB)", name, range.address, range.address + (range.size - 1), range.size / 1024);
}

void print_firmware(Session& session, const BoardInfo& board) {
  constexpr std::uint64_t opensbi = 1;
  session.print("sbi {}.{}", board.sbi_version >> 24, board.sbi_version & 0xffffff);
  if (board.sbi_impl_id == opensbi)
    session.print("firmware OpenSBI {}.{}", board.sbi_impl_version >> 16, board.sbi_impl_version & 0xffff);
  else
    session.print("firmware SBI implementation {} version {:#x}", board.sbi_impl_id, board.sbi_impl_version);
}

void run_board(Session& session, Arguments&) {
  const BoardSource& source = session.system().board;
  if (source.describe == nullptr) {
    session.error("board", "nothing is known");
    return;
  }
  const BoardInfo board = source.describe(source.context);
  const auto or_unknown = [](std::string_view text) { return text.empty() ? std::string_view{"unknown"} : text; };
  session.print("board {}", or_unknown(board.board));
  session.print("model {}", or_unknown(board.model));
  session.print("hart {}", board.hart);
  session.print("harts {}", board.hart_count);
  session.print("isa {}", or_unknown(board.isa));
  session.print("mmu {}", or_unknown(board.mmu));
  session.print("timebase {} Hz", board.timebase_hz);
  for (const bsp::MemoryRange& range : board.memory)
    print_range(session, "memory", range);
  print_range(session, "image", board.image);
  print_range(session, "devicetree", board.device_tree);
  if (const bsp::DmaArena* const arena = session.system().arena; arena != nullptr)
    session.print("dma {} of {} KiB used, {} KiB stranded", arena->used() / 1024, arena->capacity() / 1024,
                  arena->stranded() / 1024);
  session.print("console {}", or_unknown(board.console));
  print_firmware(session, board);
  session.print("boot {} us", board.boot_us);
}

void run_uptime(Session& session, Arguments&) {
  const std::uint64_t now = bsp::clock::uptime_us();
  session.print("{}.{:06} s", now / 1'000'000, now % 1'000'000);
}

void print_log_line(void* context, std::uint64_t time_us, bsp::log::Level level, std::string_view text) {
  Session& session = *static_cast<Session*>(context);
  if (!session.pump()) return;
  session.print("{}.{:06} {} {}", time_us / 1'000'000, time_us % 1'000'000,
                bsp::log::level_names[static_cast<std::size_t>(level)], text);
}

void run_log(Session& session, Arguments& arguments) {
  if (arguments.positionals().empty()) {
    bsp::log::for_each(print_log_line, &session);
    return;
  }
  const std::string_view name = arguments.positionals()[0];
  const auto* const found = std::ranges::find(bsp::log::level_names, name);
  if (found == std::end(bsp::log::level_names)) {
    session.error("log", "no level '{:.64}': error, warn, info or debug", name);
    return;
  }
  bsp::log::set_level(static_cast<bsp::log::Level>(found - std::begin(bsp::log::level_names)));
}

void run_history(Session& session, Arguments&) {
  const History* const history = session.history();
  for (std::size_t i = 0; history != nullptr && i < history->size(); i++) {
    if (!session.pump()) return;
    const std::string_view line = (*history)[i];
    session.write(bsp::Text<24>{"{:4}  ", history->number(i)});
    for (std::size_t start = 0; start < line.size(); start += 512)
      session.write(line.substr(start, 512));
    session.write("\n");
  }
}

/// Devices are quiet before firmware takes over; if it does not, they are started again.
void end_machine(Session& session, std::string_view name, bsp::Error (*end)()) {
  if (end == nullptr) {
    session.error(name, "{}", to_string(bsp::Error::not_supported_by_firmware));
    return;
  }
  const auto interfaces = session.system().interfaces;
  for (net::NetDevice* const device : interfaces)
    device->shut_down();
  session.error(name, "{}", to_string(end()));
  for (net::NetDevice* const device : interfaces)
    if (const bsp::Result<void> started = device->reset(); !started)
      session.error(device->name(), "does not start again: {}", to_string(started.error()));
}

void run_reboot(Session& session, Arguments&) {
  end_machine(session, "reboot", session.system().power.reboot);
}

void run_poweroff(Session& session, Arguments&) {
  end_machine(session, "poweroff", session.system().power.power_off);
}

constexpr Command commands[] = {
    {.name = "help",
     .usage = "[COMMAND [SUBCOMMAND]]",
     .summary = "list the commands, or explain one",
     .example = "help net tx",
     .run = run_help,
     .positional = Completion::command},
    {.name = "version",
     .usage = "",
     .summary = "print what was built, and with which compiler",
     .example = "version",
     .run = run_version},
    {.name = "board",
     .usage = "",
     .summary = "print board, hart, ISA, memory, console and firmware",
     .example = "board",
     .run = run_board},
    {.name = "uptime",
     .usage = "",
     .summary = "print the time since hand-over from firmware",
     .example = "uptime",
     .run = run_uptime},
    {.name = "log",
     .usage = "[LEVEL]",
     .summary = "print the kept log lines, or choose what is shown as it comes (error, warn, info, debug)",
     .example = "log debug",
     .run = run_log,
     .positional = Completion::log_level,
     .max_positionals = 1},
    {.name = "history",
     .usage = "",
     .summary = "print the lines typed so far",
     .example = "history",
     .run = run_history},
    {.name = "reboot",
     .usage = "",
     .summary = "stop the devices and restart the machine",
     .example = "reboot",
     .run = run_reboot},
    {.name = "poweroff",
     .usage = "",
     .summary = "stop the devices and turn the machine off",
     .example = "poweroff",
     .run = run_poweroff},
};

} // namespace

std::span<const Command> base_commands() {
  return commands;
}

} // namespace shell
