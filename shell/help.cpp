// SPDX-License-Identifier: BSD-2-Clause
// See help.hpp.
#include "shell/help.hpp"

namespace shell {

void print_all_help(Session& session) {
  for (const CommandTable table : session.tables())
    for (const Command& command : table)
      session.print("{} - {}", command.name, command.summary);
}

void print_help(Session& session, const Command& command, std::string_view full_name) {
  session.print("{} - {}", full_name, command.summary);
  const std::string_view usage = command.run == nullptr && command.usage.empty() ? "SUBCOMMAND ..." : command.usage;
  session.print("usage: {}{}{}", full_name, usage.empty() ? "" : " ", usage);
  if (!command.options.empty()) session.print("options:");
  for (const Option& option : command.options)
    session.print("  {}{}{}  {}", option.name, option.value.empty() ? "" : " ", option.value, option.help);
  if (!command.subcommands.empty()) session.print("subcommands:");
  for (const Command& subcommand : command.subcommands)
    session.print("  {} {} - {}", full_name, subcommand.name, subcommand.summary);
  if (!command.example.empty()) session.print("example: {}", command.example);
}

} // namespace shell
