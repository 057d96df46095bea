// SPDX-License-Identifier: BSD-2-Clause
// What compiled code and the standard library's headers call when a program breaks their rules: a panic. There is no
// heap: the operator new of bsp/format.cpp panics, and scripts/check-image lets no other file refer to it.
#include "bsp/panic.hpp"

namespace std {
[[noreturn]] void __throw_out_of_range_fmt(const char* format, ...); // NOLINT: the library's name

void __throw_out_of_range_fmt(const char* format, ...) { // NOLINT: the library's name
  bsp::panic(format, "standard library", 0);
}
} // namespace std

extern "C" {
[[noreturn]] void __cxa_pure_virtual(); // NOLINT: the ABI's name
[[noreturn]] void abort();

void __cxa_pure_virtual() { // NOLINT: the ABI's name
  PANIC("pure virtual call");
}
void abort() {
  PANIC("abort");
}
}
