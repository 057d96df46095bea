// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_sbi.hpp"

#include <algorithm>

using bsp::sbi::Extension;
using bsp::sbi::Reply;

namespace test {

FakeSbi& fake_sbi() {
  static FakeSbi sbi;
  return sbi;
}

std::size_t FakeSbi::count(Extension extension) const {
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(), [&](const Call& call) { return call.extension == extension; }));
}

Reply FakeSbi::base(const Call& call) const {
  switch (call.function) {
  case 0:
    return {0, 0x02000003};
  case 1:
    return {0, 1};
  case 2:
    return {0, 0x10006};
  case 3:
    return {0, extensions.contains(Extension{call.arguments[0]}) ? 1U : 0U};
  default:
    return {not_supported, 0};
  }
}

Reply FakeSbi::debug_console(const Call& call) {
  switch (call.function) {
  case 0: {
    const std::uint64_t size = std::min(call.arguments[0], write_limit);
    output.append(reinterpret_cast<const char*>(call.arguments[1]), size);
    return {0, size};
  }
  case 1: {
    const std::uint64_t size = std::min<std::uint64_t>(call.arguments[0], input.size());
    input.copy(reinterpret_cast<char*>(call.arguments[1]), size);
    input.erase(0, size);
    return {0, size};
  }
  case 2:
    output.push_back(static_cast<char>(call.arguments[0]));
    return {0, 0};
  default:
    return {not_supported, 0};
  }
}

Reply FakeSbi::answer(const Call& call) {
  if (call.extension == Extension::base) return base(call);
  calls.push_back(call);
  if (on_call)
    if (const auto reply = on_call(call)) return *reply;
  if (!extensions.contains(call.extension)) return {not_supported, 0};
  switch (call.extension) {
  case Extension::debug_console:
    return debug_console(call);
  case Extension::legacy_console_putchar:
    output.push_back(static_cast<char>(call.arguments[0]));
    return {0, 0};
  case Extension::legacy_console_getchar: {
    if (input.empty()) return {-1, 0};
    const auto character = static_cast<std::uint8_t>(input.front());
    input.erase(0, 1);
    return {character, 0};
  }
  default:
    return {0, 0};
  }
}

} // namespace test

bsp::sbi::Reply bsp::sbi::ecall(Extension extension, std::uint64_t function, std::uint64_t argument0,
                                std::uint64_t argument1, std::uint64_t argument2) {
  return test::fake_sbi().answer({extension, function, {argument0, argument1, argument2}});
}
