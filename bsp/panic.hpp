// SPDX-License-Identifier: BSD-2-Clause
// The end: a report on the firmware console, then a failing exit status. Never formats with {fmt}, never allocates.
#pragma once

#include <cstdint>

namespace bsp {

/// Prints `message`, where it was raised and a backtrace, then ends the machine with a failing status. For our own
/// bugs; what a device does wrong is an Error.
[[noreturn]] void panic(const char* message, const char* file, int line);

} // namespace bsp

#define PANIC(message) ::bsp::panic(message, __FILE__, __LINE__)
