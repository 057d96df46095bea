// SPDX-License-Identifier: BSD-2-Clause
#include <memory>
#include <string>

#include "drivers/uart/sifive_uart.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_mmio.hpp"
#include "tests/support/fake_uart.hpp"

#include <CppUTest/TestHarness.h>

namespace {

constexpr std::uintptr_t base = 0x10010000;

std::string read_all(uart::CharDevice& device) {
  std::string all;
  char piece[100];
  while (const std::size_t count = device.read(piece))
    all.append(piece, count);
  return all;
}

} // namespace

TEST_GROUP(SifiveUart) {
  test::FakeSifiveUart hardware;
  std::unique_ptr<uart::SifiveUart> device;

  void setup() override {
    test::fake_bus().reset();
    test::fake_clock().reset();
    test::fake_clock().step = 100; // 10 us a look
    test::fake_bus().log_enabled = false;
    test::fake_bus().attach(base, 0x1000, hardware);
    device = std::make_unique<uart::SifiveUart>(base);
  }
  void teardown() override {
    test::fake_bus().reset();
    STRCMP_EQUAL("", hardware.error.c_str());
  }
};

TEST(SifiveUart, TurnsBothDirectionsOnAndKeepsStopBitsAndDivisor) {
  LONGS_EQUAL(3, hardware.txctrl);
  LONGS_EQUAL(1, hardware.rxctrl()); // on, and pending from the first character on
  LONGS_EQUAL(0, hardware.ie());
  LONGS_EQUAL(0x1b2, hardware.div);
}

TEST(SifiveUart, SendsWithoutOverrunningTheFifo) {
  const std::string text(1000, 'u');
  device->write(text);
  CHECK(text == hardware.sent);
  LONGS_EQUAL(0, device->transmit_drops());
}

TEST(SifiveUart, DropsAndCountsAtTheDeadlineWhenTheFifoStaysFull) {
  hardware.transmitter_stuck = true;
  device->write("12345");
  LONGS_EQUAL(5, device->transmit_drops());
  hardware.transmitter_stuck = false;
  device->write("67");
  STRCMP_EQUAL("67", hardware.sent.c_str());
}

TEST(SifiveUart, PollsUntilTheInterruptIsEnabled) {
  hardware.type("ab\x80");
  CHECK(device->has_input());
  STRCMP_EQUAL("ab\x80", read_all(*device).c_str());
  CHECK(device->is_polled());
}

TEST(SifiveUart, TakesAPastedLineOf8192CharactersWhole) {
  device->enable_receive_interrupt();
  LONGS_EQUAL(2, hardware.ie());
  std::string line;
  for (int i = 0; i < 8192; i++)
    line.push_back(static_cast<char>('!' + i % 90));
  hardware.queue(line);
  for (unsigned i = 0; i < 1000 && hardware.interrupt_line(); i++)
    device->handle_interrupt();
  CHECK_FALSE(hardware.interrupt_line());
  CHECK(line == read_all(*device));
  LONGS_EQUAL(0, device->receive_overruns());
}

TEST(SifiveUart, IgnoresTheTransmitWatermarkOfASharedLine) {
  device->enable_receive_interrupt();
  for (int i = 0; i < 100; i++)
    device->handle_interrupt(); // the transmit watermark is pending all the time
  CHECK_FALSE(device->is_polled());
}

TEST(SifiveUart, GivesUpAnInterruptThatNeverGoesQuietAndPollsFromThenOn) {
  device->enable_receive_interrupt();
  hardware.interrupt_stuck = true;
  device->handle_interrupt();
  LONGS_EQUAL(0, hardware.ie());
  CHECK(device->is_polled());
  hardware.type("z");
  STRCMP_EQUAL("z", read_all(*device).c_str());
}

TEST(SifiveUart, SurvivesADeviceThatIsGone) {
  hardware.gone = true;
  device->write("x");
  CHECK_FALSE(device->has_input());
  LONGS_EQUAL(1, device->transmit_drops());
}
