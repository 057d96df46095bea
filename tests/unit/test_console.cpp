// SPDX-License-Identifier: BSD-2-Clause
// The shell's end of the serial line: line ends on the way out, type-ahead on the way in.
#include <memory>
#include <string>

#include "shell/console.hpp"
#include "tests/support/fake_console.hpp"

#include <CppUTest/TestHarness.h>

namespace {

struct Line {
  std::string taken() {
    std::string text;
    for (char character; console->take(character);)
      text += character;
    return text;
  }

  test::FakeConsole device{};
  std::unique_ptr<shell::Console> console = std::make_unique<shell::Console>(device);
};

} // namespace

TEST_GROUP(Console){};

TEST(Console, SendsEachLineFeedAsCrLf) {
  Line line;
  line.console->write("one\ntwo\n\nthree");
  STRCMP_EQUAL("one\r\ntwo\r\n\r\nthree", line.device.output().c_str());
}

TEST(Console, KnowsWhetherItStandsAtTheStartOfALine) {
  Line line;
  CHECK_TRUE(line.console->at_line_start());
  line.console->write("half");
  CHECK_FALSE(line.console->at_line_start());
  line.console->write("");
  CHECK_FALSE(line.console->at_line_start());
  line.console->start_line();
  line.console->start_line();
  CHECK_TRUE(line.console->at_line_start());
  STRCMP_EQUAL("half\r\n", line.device.output().c_str());
}

TEST(Console, HandsCharactersOutInOrder) {
  Line line;
  line.device.type("abc");
  STRCMP_EQUAL("abc", line.taken().c_str());
  line.device.type("de");
  CHECK_FALSE(line.console->take_interrupt());
  line.device.type("f");
  STRCMP_EQUAL("def", line.taken().c_str());
}

TEST(Console, TakesOnlyTheCtrlCOutOfTheTypeAhead) {
  Line line;
  line.device.type("ab\x03"
                   "cd");
  CHECK_TRUE(line.console->take_interrupt());
  CHECK_FALSE(line.console->take_interrupt());
  STRCMP_EQUAL("abcd", line.taken().c_str());
}

TEST(Console, FindsACtrlCThatCameInOneBatchWithTheLineBefore) {
  Line line;
  line.device.type("run\rnext\x03line");
  char character = 0;
  while (line.console->take(character) && character != '\r') {
  }
  CHECK_TRUE(line.console->take_interrupt());
  STRCMP_EQUAL("nextline", line.taken().c_str());
}

TEST(Console, KeepsAWholeLineAndItsEndTypedAheadAndCountsTheRest) {
  Line line;
  const std::string longest = std::string(shell::max_line, 'x') + "\r";
  line.device.type(longest);
  CHECK_FALSE(line.console->take_interrupt());
  LONGS_EQUAL(0, line.console->take_lost());
  line.device.type(std::string(1000, 'y') + "\x03");
  CHECK_TRUE(line.console->take_interrupt());
  const std::size_t lost = line.console->take_lost();
  CHECK(lost > 0 && lost < 1000);
  LONGS_EQUAL(0, line.console->take_lost());
  STRCMP_EQUAL((longest + std::string(1000 - lost, 'y')).c_str(), line.taken().c_str());
}
