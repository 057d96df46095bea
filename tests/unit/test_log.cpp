// SPDX-License-Identifier: BSD-2-Clause
#include <string>
#include <vector>

#include "bsp/format.hpp"
#include "bsp/log.hpp"

#include <CppUTest/TestHarness.h>

namespace logging = bsp::log;

TEST_GROUP(Format){};

TEST(Format, CutsOffWhatDoesNotFit) {
  char buffer[8];
  CHECK(bsp::format_to(buffer, "{:#x} {}", 0x12, "abcdef") == "0x12 abc");
  CHECK(bsp::format_to(buffer, "{}", 12345678) == "12345678");
  const std::string long_text(500, 'x');
  CHECK(bsp::format_to(buffer, "ab{}", long_text) == "abxxxxxx");
  CHECK(bsp::format_to(std::span<char>{}, "{}", 1).empty());
}

TEST(Format, ATextKeepsItsCharacters) {
  CHECK(bsp::Text<16>("{:08x}|{:>4}", 0xbeef, 7).view() == "0000beef|   7");
}

TEST_GROUP(Log) {
  std::vector<std::string> seen;
  void setup() override {
    logging::set_level(logging::Level::info);
    logging::set_sink(
        [](void* context, logging::Level, std::string_view text) {
          static_cast<std::vector<std::string>*>(context)->emplace_back(text);
        },
        &seen);
  }
  void teardown() override {
    logging::set_sink(nullptr, nullptr);
  }
};

TEST(Log, PassesLinesUpToItsLevelToTheSink) {
  logging::warn("net{}: {}", 0, "link is down");
  logging::debug("hidden");
  LONGS_EQUAL(1, seen.size());
  STRCMP_EQUAL("net0: link is down", seen[0].c_str());
}

TEST(Log, ShowsAndKeepsNoControlCharacters) {
  logging::warn("/soc/{}: reg: malformed", "\x1b[2Jnode\n\xff\x7f");
  STRCMP_EQUAL("/soc/?[2Jnode???: reg: malformed", seen.back().c_str());
  std::string kept;
  logging::for_each([](void* context, std::uint64_t, logging::Level,
                       std::string_view text) { *static_cast<std::string*>(context) = text; },
                    &kept);
  STRCMP_EQUAL("/soc/?[2Jnode???: reg: malformed", kept.c_str());
}

TEST(Log, KeepsTheLastLinesOfEveryLevelInOrder) {
  for (int i = 0; i < 100; i++)
    logging::debug("line {}", i);
  std::vector<std::string> kept;
  logging::for_each([](void* context, std::uint64_t, logging::Level,
                       std::string_view text) { static_cast<std::vector<std::string>*>(context)->emplace_back(text); },
                    &kept);
  LONGS_EQUAL(64, kept.size());
  STRCMP_EQUAL("line 36", kept.front().c_str());
  STRCMP_EQUAL("line 99", kept.back().c_str());
}
