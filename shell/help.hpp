// SPDX-License-Identifier: BSD-2-Clause
// What `help`, -h and --help print, made from the command tables.
#pragma once

#include <string_view>

#include "shell/command.hpp"

namespace shell {

/// A "name - summary" line for each command.
void print_all_help(Session& session);
/// Usage, options, subcommands and an example of one command; `full_name` with the commands above it.
void print_help(Session& session, const Command& command, std::string_view full_name);

} // namespace shell
