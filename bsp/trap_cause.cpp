// SPDX-License-Identifier: BSD-2-Clause
// Exceptions in words. Pure, so that the host tests cover it.
#include "bsp/trap.hpp"

#include <iterator>

namespace bsp::trap {

namespace {

constexpr std::uint64_t instruction_access_fault = 1;
constexpr std::uint64_t store_access_fault = 7;
constexpr std::uint64_t instruction_page_fault = 12;
constexpr std::uint64_t load_page_fault = 13;
constexpr std::uint64_t store_page_fault = 15;

constexpr std::string_view names[] = {
    "instruction address misaligned",
    "instruction access fault",
    "illegal instruction",
    "breakpoint",
    "load address misaligned",
    "load access fault",
    "store address misaligned",
    "store access fault",
    "environment call from U-mode",
    "environment call from S-mode",
    "",
    "",
    "instruction page fault",
    "load page fault",
    "",
    "store page fault",
};

bool is_fetch(std::uint64_t code) {
  return code == instruction_access_fault || code == instruction_page_fault;
}

} // namespace

std::string_view exception_name(std::uint64_t code) {
  if (code >= std::size(names) || names[code].empty()) return "unknown exception";
  return names[code];
}

std::string_view diagnose(std::uint64_t code, Place pc, Place address) {
  if (is_fetch(code)) return pc == Place::page_zero ? "jump to null" : "jump out of the text";
  if (code < 4 || code > 15 || (code > store_access_fault && code < load_page_fault)) return {};
  if (address == Place::stack_guard) return "stack overflow";
  if (address == Place::page_zero) return "null pointer";
  if (code == store_page_fault && address == Place::text) return "store to text";
  if (code == store_page_fault && address == Place::rodata) return "store to read-only data";
  return {};
}

} // namespace bsp::trap
