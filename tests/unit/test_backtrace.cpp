// SPDX-License-Identifier: BSD-2-Clause
#include <cstring>
#include <map>
#include <vector>

#include "bsp/backtrace.hpp"

#include <CppUTest/TestHarness.h>

using bsp::Backtrace;
using bsp::MemoryRange;

namespace {

constexpr std::uint64_t text = 0x8020'0000;
constexpr std::uint64_t text_size = 0x10000;
constexpr std::uint64_t stack = 0x8030'0000;

/// Memory in 16-bit parcels; what was never written cannot be read.
std::map<std::uint64_t, std::uint16_t> memory;

bool load(std::uintptr_t address, unsigned width, std::uint64_t& value) {
  std::uint64_t all = 0;
  for (unsigned i = 0; i < width / 2; i++) {
    const auto found = memory.find(address + 2 * i);
    if (found == memory.end()) return false;
    all |= std::uint64_t{found->second} << 16 * i;
  }
  value = all;
  return true;
}

void store(std::uint64_t address, std::uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width / 2; i++)
    memory[address + 2 * i] = static_cast<std::uint16_t>(value >> 16 * i);
}

constexpr std::uint32_t jal(std::uint32_t rd, std::int64_t offset) {
  const auto o = static_cast<std::uint32_t>(offset);
  return (o >> 20 & 1) << 31 | (o >> 1 & 0x3ff) << 21 | (o >> 11 & 1) << 20 | (o >> 12 & 0xff) << 12 | rd << 7 | 0x6f;
}
constexpr std::uint32_t jalr(std::uint32_t rd, std::uint32_t rs, std::int64_t offset) {
  return static_cast<std::uint32_t>(offset) << 20 | rs << 15 | rd << 7 | 0x67;
}
constexpr std::uint32_t auipc(std::uint32_t rd, std::int64_t pages) {
  return static_cast<std::uint32_t>(pages) << 12 | rd << 7 | 0x17;
}
constexpr std::uint16_t c_jalr(unsigned rs) {
  return static_cast<std::uint16_t>(0x9002 | rs << 7);
}

/// Each plants a call whose return address is the result.
std::uint64_t call_by_jal(std::uint64_t at, std::uint64_t target) {
  store(at, jal(1, static_cast<std::int64_t>(target - at)), 4);
  return at + 4;
}
std::uint64_t call_by_auipc(std::uint64_t at, std::uint64_t target) {
  const auto offset = static_cast<std::int64_t>(target - at);
  const std::int64_t pages = (offset + 0x800) >> 12;
  store(at, auipc(1, pages), 4);
  store(at + 4, jalr(1, 1, offset - (pages << 12)), 4);
  return at + 8;
}
std::uint64_t call_by_register(std::uint64_t at) {
  store(at, c_jalr(10), 2);
  return at + 2;
}

} // namespace

TEST_GROUP(Backtrace) {
  Backtrace backtrace{MemoryRange{text, text_size}, load};
  std::vector<std::uint64_t> words;

  void setup() override {
    memory.clear();
    for (std::uint64_t at = text; at < text + text_size; at += 2)
      store(at, 0x0001, 2); // c.nop
  }
  void teardown() override {
    memory.clear();
    words = {};
  }
  void push(std::uint64_t word) {
    words.push_back(word);
  }
  std::vector<Backtrace::Caller> callers(std::uint64_t pc, std::uint64_t ra = 0) {
    for (std::size_t i = 0; i < words.size(); i++)
      store(stack + 8 * i, words[i], 8);
    std::vector<Backtrace::Caller> found;
    backtrace.start_at(pc, ra);
    backtrace.scan({stack, 8 * words.size()}, [&](const Backtrace::Caller& caller) { found.push_back(caller); });
    return found;
  }
};

TEST(Backtrace, FollowsDirectCallsOfBothForms) {
  push(0x1234);
  push(call_by_jal(text + 0x1010, text + 0x100));
  push(stack);
  push(call_by_auipc(text + 0x9020, text + 0x1000));
  push(call_by_jal(text + 0x40, text + 0x9000));
  const auto found = callers(text + 0x120);
  LONGS_EQUAL(3, found.size());
  CHECK(found[0].return_address == text + 0x1014 && found[0].certain);
  CHECK(found[1].return_address == text + 0x9028 && found[1].certain);
  CHECK(found[2].return_address == text + 0x44 && found[2].certain);
}

TEST(Backtrace, MarksACallThatLedElsewhere) {
  push(call_by_jal(text + 0x3000, text + 0x4000)); // from an earlier call
  push(call_by_jal(text + 0x1010, text + 0x100));
  push(call_by_jal(text + 0x5000, text + 0x2000)); // begins behind the caller
  const auto found = callers(text + 0x120);
  LONGS_EQUAL(3, found.size());
  CHECK_FALSE(found[0].certain);
  CHECK(found[1].certain);
  CHECK_FALSE(found[2].certain);
}

TEST(Backtrace, GoesOnBehindACallThroughARegister) {
  push(call_by_register(text + 0x1010));
  push(call_by_jal(text + 0x2010, text + 0x1000));
  const auto found = callers(text + 0x120);
  LONGS_EQUAL(2, found.size());
  CHECK(found[0].return_address == text + 0x1012 && !found[0].certain);
  CHECK(found[1].certain);
}

TEST(Backtrace, StartsAtTheReturnAddressOfAFunctionThatJumpedAstray) {
  push(call_by_jal(text + 0x2010, text + 0x1000));
  LONGS_EQUAL(1, callers(0, text + 0x1012).size());
  words.clear();
  push(text + 0x2014);
  push(0);
  push(call_by_jal(text + 0x2050, text + 0x1000));
  const auto found = callers(0, text + 0x1012);
  CHECK(found.back().certain);
}

TEST(Backtrace, TakesTheLastInstructionOfAFunctionForItsOwn) {
  // The inner call never returns, so that its return address is the first of the next function.
  push(call_by_jal(text + 0x10fc, text + 0x100));
  push(call_by_jal(text + 0x3000, text + 0x1100)); // calls that next function
  push(call_by_jal(text + 0x4000, text + 0x10f0));
  const auto found = callers(text + 0x120);
  CHECK(found[0].certain && !found[1].certain && found[2].certain);
}

TEST(Backtrace, ShowsARecursionOnce) {
  const std::uint64_t again = call_by_jal(text + 0x1010, text + 0x1000);
  for (int i = 0; i < 100; i++) {
    push(again);
    push(7);
  }
  push(call_by_jal(text + 0x2000, text + 0x1000));
  const auto found = callers(text + 0x1008);
  LONGS_EQUAL(2, found.size());
  CHECK(found[0].certain && found[1].certain);
}

TEST(Backtrace, TakesNothingElseForAReturnAddress) {
  store(text + 0x1000, jal(0, 0x100), 4);                // a jump
  store(text + 0x1010, jal(5, 0x100), 4);                // a call of a millicode routine
  store(text + 0x1020, jalr(0, 1, 0), 4);                // ret
  store(text + 0x1030, 0x9002, 2);                       // c.ebreak
  store(text + 0x1040, 0x9002 | 10U << 7 | 11U << 2, 2); // c.add
  for (const std::uint64_t place : {0x1004U, 0x1014U, 0x1024U, 0x1032U, 0x1042U, 0x1100U})
    push(text + place);
  push(call_by_jal(text + 0x2000, text) + 1);
  push(text);
  push(text + 2);
  push(text + text_size + 2);
  push(0);
  push(1);
  push(UINT64_MAX);
  push(UINT64_MAX - 1);
  LONGS_EQUAL(0, callers(text + 0x10).size());
}

TEST(Backtrace, SurvivesStacksAndCodeThatCannotBeRead) {
  push(call_by_jal(text + 0x1010, text + 0x100));
  LONGS_EQUAL(1, callers(text + 0x120).size());
  unsigned count = 0;
  const auto visit = [&](const Backtrace::Caller&) { count++; };
  backtrace.start_at(text + 0x120, 0);
  backtrace.scan({stack + 8 * words.size(), 4096}, visit); // nothing there
  backtrace.scan({stack + 1, 7}, visit);                   // less than a word
  backtrace.scan({}, visit);
  LONGS_EQUAL(0, count);
  Backtrace blind{MemoryRange{text + text_size, 4096}, load}; // code that cannot be read
  blind.scan({stack, 8 * words.size()}, visit);
  LONGS_EQUAL(0, count);
}
