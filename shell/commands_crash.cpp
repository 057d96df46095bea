// SPDX-License-Identifier: BSD-2-Clause
#ifdef NETBSP_TEST_COMMANDS

#include "shell/commands_crash.hpp"

#include "bsp/crash_test.hpp"

namespace shell {

namespace {

void run_crash(Session& session, Arguments& arguments) {
  if (arguments.positionals().size() != 1) {
    session.error("crash", "one of {}", bsp::crash::names);
    return;
  }
  bsp::crash::now(arguments.positionals()[0]);
  session.error("crash", "unknown way '{:.32}' (one of {})", arguments.positionals()[0], bsp::crash::names);
}

constexpr Command commands[] = {
    {
        .name = "crash",
        .usage = bsp::crash::names,
        .summary = "die in a chosen way (test builds only)",
        .example = "crash null",
        .run = run_crash,
    },
};

} // namespace

std::span<const Command> crash_commands() {
  return commands;
}

} // namespace shell

#endif
