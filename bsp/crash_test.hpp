// SPDX-License-Identifier: BSD-2-Clause
// Ways to die, for the tests of the panic paths. Only in images built with TEST_COMMANDS=1.
#pragma once

#ifdef NETBSP_TEST_COMMANDS

#include <string_view>

namespace bsp::crash {

/// Dies in the way named (see `names`); returns only if there is no such way.
void now(std::string_view kind);

inline constexpr std::string_view names = "null|stack|store-text|load-null|panic|nested|report";

/// What `nested` does in the interrupt handler.
void in_interrupt_handler();

} // namespace bsp::crash

#endif
