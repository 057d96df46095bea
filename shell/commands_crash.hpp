// SPDX-License-Identifier: BSD-2-Clause
// The `crash` command of test builds (TEST_COMMANDS=1): dies in a chosen way, for the tests of the panic paths.
#pragma once

#ifdef NETBSP_TEST_COMMANDS

#include <span>

#include "shell/command.hpp"

namespace shell {

[[nodiscard]] std::span<const Command> crash_commands();

} // namespace shell

#endif
