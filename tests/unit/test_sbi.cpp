// SPDX-License-Identifier: BSD-2-Clause
#include <optional>
#include <string>

#include "bsp/sbi.hpp"
#include "tests/support/fake_sbi.hpp"

#include <CppUTest/TestHarness.h>

using bsp::Error;
using bsp::sbi::Extension;
using bsp::sbi::Reply;
using test::FakeSbi;

namespace sbi = bsp::sbi;

TEST_GROUP(Sbi) {
  FakeSbi& firmware = test::fake_sbi();
  sbi::Console console;
  void setup() override {
    firmware.reset();
  }
  void teardown() override {
    firmware.reset();
  }
  void has(Extension extension) {
    firmware.extensions.insert(extension);
  }
};

TEST(Sbi, ReportsVersionsAndExtensions) {
  has(Extension::time);
  UNSIGNED_LONGS_EQUAL(0x02000003, sbi::spec_version());
  UNSIGNED_LONGS_EQUAL(1, sbi::implementation_id());
  UNSIGNED_LONGS_EQUAL(0x10006, sbi::implementation_version());
  CHECK(sbi::has(Extension::time));
  CHECK_FALSE(sbi::has(Extension::debug_console));
}

TEST(Sbi, SetsTheTimerThroughTheTimeExtension) {
  has(Extension::time);
  has(Extension::legacy_set_timer);
  sbi::set_timer(12345);
  UNSIGNED_LONGS_EQUAL(1, firmware.calls.size());
  CHECK(firmware.calls[0].extension == Extension::time);
  UNSIGNED_LONGS_EQUAL(12345, firmware.calls[0].arguments[0]);
}

TEST(Sbi, SetsTheTimerThroughTheLegacyCallWhereTimeIsMissing) {
  has(Extension::legacy_set_timer);
  sbi::set_timer(12345);
  CHECK(firmware.calls.back().extension == Extension::legacy_set_timer);
  UNSIGNED_LONGS_EQUAL(12345, firmware.calls.back().arguments[0]);
}

TEST(Sbi, SaysThatFirmwareWithoutResetCannotPowerOff) {
  CHECK(sbi::power_off() == Error::not_supported_by_firmware);
  CHECK(sbi::reboot() == Error::not_supported_by_firmware);
}

TEST(Sbi, TellsARefusedResetFromAMissingOne) {
  firmware.on_call = [](const FakeSbi::Call& call) -> std::optional<Reply> {
    if (call.arguments[0] == 0) return Reply{FakeSbi::not_supported, 0};
    return Reply{-1, 0};
  };
  CHECK(sbi::power_off() == Error::not_supported_by_firmware);
  CHECK(sbi::reboot() == Error::firmware_call_failed);
}

TEST(Sbi, PassesResetTypeAndReason) {
  (void)sbi::reset_system(sbi::ResetType::warm_reboot, sbi::ResetReason::system_failure);
  (void)sbi::power_off();
  (void)sbi::reboot();
  UNSIGNED_LONGS_EQUAL(3, firmware.count(Extension::system_reset));
  UNSIGNED_LONGS_EQUAL(2, firmware.calls[0].arguments[0]);
  UNSIGNED_LONGS_EQUAL(1, firmware.calls[0].arguments[1]);
  UNSIGNED_LONGS_EQUAL(0, firmware.calls[1].arguments[0]);
  UNSIGNED_LONGS_EQUAL(1, firmware.calls[2].arguments[0]);
  UNSIGNED_LONGS_EQUAL(0, firmware.calls[2].arguments[1]);
}

TEST(Sbi, ReadsHartStatesAndRefusesUnknownOnes) {
  has(Extension::hart_state);
  firmware.on_call = [](const FakeSbi::Call& call) -> std::optional<Reply> {
    if (call.arguments[0] == 3) return Reply{-3, 0};
    return Reply{0, call.arguments[0] == 2 ? 99 : call.arguments[0]};
  };
  CHECK(*sbi::hart_state(0) == sbi::HartState::started);
  CHECK(*sbi::hart_state(1) == sbi::HartState::stopped);
  CHECK(sbi::hart_state(2).error() == Error::firmware_call_failed);
  CHECK(sbi::hart_state(3).error() == Error::firmware_call_failed);
}

TEST(Sbi, StartsAHartWithAddressAndArgument) {
  CHECK(sbi::start_hart(1, 0x80200000, 7).error() == Error::not_supported_by_firmware);
  has(Extension::hart_state);
  CHECK(sbi::start_hart(1, 0x80200000, 7).has_value());
  UNSIGNED_LONGS_EQUAL(0, firmware.calls.back().function);
  UNSIGNED_LONGS_EQUAL(1, firmware.calls.back().arguments[0]);
  UNSIGNED_LONGS_EQUAL(0x80200000, firmware.calls.back().arguments[1]);
  UNSIGNED_LONGS_EQUAL(7, firmware.calls.back().arguments[2]);
}

TEST(Sbi, WritesThroughTheDebugConsoleInOneCall) {
  has(Extension::debug_console);
  has(Extension::legacy_console_putchar);
  console.write("hello");
  STRCMP_EQUAL("hello", firmware.output.c_str());
  UNSIGNED_LONGS_EQUAL(1, firmware.calls.size());
}

TEST(Sbi, WritesThroughTheLegacyConsoleWhereThereIsNoDebugConsole) {
  has(Extension::legacy_console_putchar);
  console.write("a\xff"
                "b");
  STRCMP_EQUAL("a\xff"
               "b",
               firmware.output.c_str());
  UNSIGNED_LONGS_EQUAL(0xff, firmware.calls[1].arguments[0]);
  CHECK_FALSE(console.is_debug_console());
}

TEST(Sbi, FinishesPartialWrites) {
  has(Extension::debug_console);
  firmware.write_limit = 3;
  console.write("partial writes");
  STRCMP_EQUAL("partial writes", firmware.output.c_str());
}

TEST(Sbi, WaitsByteByByteWhileTheDebugConsoleTakesNothing) {
  has(Extension::debug_console);
  firmware.write_limit = 0;
  console.write("busy");
  STRCMP_EQUAL("busy", firmware.output.c_str());
}

TEST(Sbi, GivesUpWhenTheDebugConsoleFails) {
  has(Extension::debug_console);
  firmware.on_call = [](const FakeSbi::Call&) { return std::optional<Reply>{Reply{-1, 0}}; };
  console.write("lost");
  UNSIGNED_LONGS_EQUAL(1, firmware.calls.size());
}

TEST(Sbi, GivesUpWhenTheDebugConsoleClaimsMoreThanItWasGiven) {
  has(Extension::debug_console);
  firmware.on_call = [](const FakeSbi::Call&) { return std::optional<Reply>{Reply{0, 1000}}; };
  console.write("lies");
  UNSIGNED_LONGS_EQUAL(1, firmware.calls.size());
}

TEST(Sbi, GivesUpWhenASingleByteIsRefused) {
  has(Extension::debug_console);
  firmware.write_limit = 0;
  firmware.on_call = [](const FakeSbi::Call& call) -> std::optional<Reply> {
    if (call.function == 2) return Reply{-1, 0};
    return std::nullopt;
  };
  console.write("lost");
  UNSIGNED_LONGS_EQUAL(2, firmware.calls.size());
}

TEST(Sbi, ReadsTheLegacyConsoleUntilItIsEmpty) {
  has(Extension::legacy_console_getchar);
  firmware.input = "\xe9";
  UNSIGNED_LONGS_EQUAL(0xe9, *console.read());
  CHECK_FALSE(console.read().has_value());
}

TEST(Sbi, ReadsTheDebugConsoleUntilItIsEmpty) {
  has(Extension::debug_console);
  firmware.input = "xy";
  UNSIGNED_LONGS_EQUAL('x', *console.read());
  UNSIGNED_LONGS_EQUAL('y', *console.read());
  CHECK_FALSE(console.read().has_value());
}

TEST(Sbi, ReadsNothingFromFirmwareWithoutAConsole) {
  CHECK_FALSE(console.read().has_value());
}

TEST(Sbi, ProbesTheConsoleOnce) {
  has(Extension::debug_console);
  CHECK(console.is_debug_console());
  firmware.extensions.erase(Extension::debug_console);
  CHECK(console.is_debug_console());
}
