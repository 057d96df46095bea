// SPDX-License-Identifier: BSD-2-Clause
// The end: a report on the firmware console, then a failing exit status. Never formats with {fmt}, never allocates.
// A panic runs on a stack of its own, and a panic or an exception inside a panic ends the machine at once.
#pragma once

#include <cstdint>

namespace bsp {

/// Prints `message`, where it was raised and a backtrace, then ends the machine with a failing status. For our own
/// bugs; what a device does wrong is an Error.
[[noreturn]] void panic(const char* message, const char* file, int line);

/// The register (physical address of a `sifive,test1` node) through which a panic ends the machine with a failing
/// status. Without it, or if it doesn't work, the firmware shuts the system down.
void panic_set_exit(std::uintptr_t sifive_test_address);

} // namespace bsp

#define PANIC(message) ::bsp::panic(message, __FILE__, __LINE__)
