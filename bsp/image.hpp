// SPDX-License-Identifier: BSD-2-Clause
// Where the image lies, as linker/netbsp.ld placed it. All boundaries between permissions are page boundaries.
#pragma once

#include <cstdint>

#include "bsp/memory_map.hpp"

extern "C" {
// The linker's symbols: only their addresses mean something.
// NOLINTBEGIN(bugprone-dynamic-static-initializers)
extern char image_start[], image_end[], text_start[], text_end[], rodata_start[], rodata_end[], data_start[];
extern char main_stack_guard[], main_stack_bottom[], main_stack_top[];
extern char trap_stack_guard[], trap_stack_bottom[], trap_stack_top[];
extern char panic_stack_guard[], panic_stack_bottom[], panic_stack_top[];
// NOLINTEND(bugprone-dynamic-static-initializers)
}

namespace bsp::image {

[[nodiscard]] inline std::uint64_t address_of(const char* symbol) {
  return reinterpret_cast<std::uintptr_t>(symbol);
}
[[nodiscard]] inline MemoryRange between(const char* begin, const char* end) {
  return {address_of(begin), address_of(end) - address_of(begin)};
}

/// Header to the end of the stacks.
[[nodiscard]] inline MemoryRange whole() {
  return between(image_start, image_end);
}

struct Stack {
  MemoryRange guard;
  MemoryRange memory;
};
inline constexpr unsigned stack_count = 3;
/// 0: main, 1: trap (interrupt handlers), 2: panic.
[[nodiscard]] inline Stack stack(unsigned index) {
  switch (index) {
  case 0:
    return {between(main_stack_guard, main_stack_bottom), between(main_stack_bottom, main_stack_top)};
  case 1:
    return {between(trap_stack_guard, trap_stack_bottom), between(trap_stack_bottom, trap_stack_top)};
  default:
    return {between(panic_stack_guard, panic_stack_bottom), between(panic_stack_bottom, panic_stack_top)};
  }
}

} // namespace bsp::image
