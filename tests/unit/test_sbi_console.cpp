// SPDX-License-Identifier: BSD-2-Clause
#include <string>

#include "drivers/uart/sbi_console.hpp"
#include "tests/support/fake_sbi.hpp"

#include <CppUTest/TestHarness.h>

using bsp::sbi::Extension;

TEST_GROUP(SbiConsole) {
  bsp::sbi::Console firmware;
  uart::SbiConsole device{firmware};

  void setup() override {
    test::fake_sbi().reset();
  }
  void teardown() override {
    test::fake_sbi().reset();
  }
  std::string read(std::size_t most) {
    char text[64];
    return {text, device.read({text, most})};
  }
};

TEST(SbiConsole, WritesAndReadsThroughTheDebugConsole) {
  test::fake_sbi().extensions = {Extension::debug_console};
  device.write("netbsp> ");
  STRCMP_EQUAL("netbsp> ", test::fake_sbi().output.c_str());
  test::fake_sbi().input = "help\r";
  STRCMP_EQUAL("help\r", read(64).c_str());
}

TEST(SbiConsole, WritesAndReadsThroughTheLegacyCalls) {
  test::fake_sbi().extensions = {Extension::legacy_console_putchar, Extension::legacy_console_getchar};
  device.write("netbsp> ");
  STRCMP_EQUAL("netbsp> ", test::fake_sbi().output.c_str());
  test::fake_sbi().input = "help\r";
  STRCMP_EQUAL("help\r", read(64).c_str());
}

TEST(SbiConsole, LooksWithoutLosingWhatItFinds) {
  test::fake_sbi().extensions = {Extension::debug_console};
  CHECK_FALSE(device.has_input());
  test::fake_sbi().input = "abc";
  CHECK(device.has_input());
  CHECK(device.has_input());
  LONGS_EQUAL(2, test::fake_sbi().input.size()); // one was taken to look at, and no more
  STRCMP_EQUAL("ab", read(2).c_str());
  CHECK(device.has_input());
  STRCMP_EQUAL("c", read(64).c_str());
  CHECK_FALSE(device.has_input());
  STRCMP_EQUAL("", read(64).c_str());
}

TEST(SbiConsole, ReadsEveryByteValueAsACharacter) {
  test::fake_sbi().extensions = {Extension::legacy_console_getchar};
  test::fake_sbi().input = std::string{"\0\xff\x80", 3};
  CHECK(read(64) == std::string("\0\xff\x80", 3));
}

TEST(SbiConsole, StaysQuietOnFirmwareWithoutAConsole) {
  device.write("lost");
  CHECK_FALSE(device.has_input());
  STRCMP_EQUAL("", read(64).c_str());
}

TEST(SbiConsole, IsPolledWhateverIsAskedOfIt) {
  device.enable_receive_interrupt();
  CHECK(device.is_polled());
}
