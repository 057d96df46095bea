// SPDX-License-Identifier: BSD-2-Clause
// The firmware under the test's control: bsp::sbi::ecall() is answered here. By default it has no extension but
// the base, and no legacy calls.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "bsp/sbi.hpp"

namespace test {

struct FakeSbi {
  struct Call {
    bsp::sbi::Extension extension;
    std::uint64_t function;
    std::uint64_t arguments[3];
  };

  static constexpr std::int64_t not_supported = -2;

  std::set<bsp::sbi::Extension> extensions; ///< beside the base extension
  std::vector<Call> calls;                  ///< all but the calls of the base extension
  std::string output;                       ///< what reached the console, by whatever call
  std::string input;                        ///< what the console has still to give
  /// Most bytes that one console_write takes.
  std::uint64_t write_limit{UINT64_MAX};
  /// Answers instead of the fake, if it is set and returns something.
  std::function<std::optional<bsp::sbi::Reply>(const Call&)> on_call;

  void reset() { *this = FakeSbi{}; }
  [[nodiscard]] std::size_t count(bsp::sbi::Extension extension) const;
  bsp::sbi::Reply answer(const Call& call);

 private:
  bsp::sbi::Reply base(const Call& call) const;
  bsp::sbi::Reply debug_console(const Call& call);
};

FakeSbi& fake_sbi();

} // namespace test
