// SPDX-License-Identifier: BSD-2-Clause
#include <memory>
#include <string>

#include "bsp/log.hpp"
#include "drivers/uart/ns16550.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_mmio.hpp"
#include "tests/support/fake_uart.hpp"

#include <CppUTest/TestHarness.h>

namespace {

constexpr std::uintptr_t base = 0x10000000;

std::string read_all(uart::CharDevice& device) {
  std::string all;
  char piece[100];
  while (const std::size_t count = device.read(piece))
    all.append(piece, count);
  return all;
}

std::string line_of(std::size_t length) {
  std::string text;
  for (std::size_t i = 0; i < length; i++)
    text.push_back(static_cast<char>(' ' + i * 7 % 95));
  return text;
}

} // namespace

TEST_GROUP(Ns16550) {
  test::FakeNs16550 hardware;
  std::unique_ptr<uart::Ns16550> device;

  void setup() override {
    test::fake_bus().reset();
    test::fake_clock().reset();
    test::fake_clock().step = 100; // 10 us a look
    test::fake_bus().log_enabled = false;
    test::fake_bus().attach(base, 0x100, hardware);
  }
  void teardown() override {
    test::fake_bus().reset();
    STRCMP_EQUAL("", hardware.error.c_str());
  }
  uart::Ns16550& start() {
    const uart::Ns16550Config config{base, hardware.shift, hardware.width, hardware.designware};
    device = std::make_unique<uart::Ns16550>(config);
    return *device;
  }
  void deliver_interrupts() {
    for (unsigned i = 0; i < 1000 && hardware.interrupt_line(); i++)
      device->handle_interrupt();
  }
};

TEST(Ns16550, StartsWithInterruptsOffAndFifosOn) {
  start();
  LONGS_EQUAL(0, hardware.ier());
  LONGS_EQUAL(0x81, hardware.fcr());
  LONGS_EQUAL(0x03, hardware.lcr);
}

TEST(Ns16550, KeepsTheLineSettingsAndClearsOnlyTheDivisorLatchBit) {
  hardware.lcr = 0x9b;
  start();
  LONGS_EQUAL(0x1b, hardware.lcr);
  device->write("x"); // would go into the divisor
  STRCMP_EQUAL("x", hardware.sent.c_str());
}

TEST(Ns16550, WritesNoLineControlWhenTheDivisorLatchBitIsClear) {
  test::fake_bus().log_enabled = true;
  start();
  LONGS_EQUAL(0, test::fake_bus().count(test::Event::Kind::store, base + 3));
}

TEST(Ns16550, ReachesRegistersByShiftAndWidth) {
  const struct { unsigned shift, width; } layouts[] = {{0, 1}, {1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 4}};
  for (const auto& layout : layouts) {
    hardware = test::FakeNs16550{};
    hardware.shift = layout.shift;
    hardware.width = layout.width;
    start().write("hello");
    hardware.type("there");
    STRCMP_EQUAL("hello", hardware.sent.c_str());
    STRCMP_EQUAL("there", read_all(*device).c_str());
    STRCMP_EQUAL("", hardware.error.c_str());
  }
}

TEST(Ns16550, SendsBurstsOfSixteenOnceTheFifoIsEmpty) {
  hardware.busy_looks = 5;
  const std::string text = line_of(1000);
  start().write(text);
  CHECK(text == hardware.sent);
  LONGS_EQUAL(16, hardware.largest_burst);
  LONGS_EQUAL(0, device->transmit_drops());
}

TEST(Ns16550, SendsOneByOneWithoutFifos) {
  hardware.has_fifos = false;
  hardware.busy_looks = 2;
  start().write("netbsp> ");
  STRCMP_EQUAL("netbsp> ", hardware.sent.c_str());
  LONGS_EQUAL(1, hardware.largest_burst);
}

TEST(Ns16550, SendsEveryByteValueAsItIs) {
  std::string text;
  for (int i = 0; i < 256; i++)
    text.push_back(static_cast<char>(i));
  start().write(text);
  CHECK(text == hardware.sent);
}

TEST(Ns16550, DropsAndCountsAtTheDeadlineWhenTheTransmitterIsStuck) {
  hardware.transmitter_stuck = true;
  start();
  const std::uint64_t before = test::fake_clock().ticks;
  device->write(line_of(4000));
  const std::uint64_t waited_us = (test::fake_clock().ticks - before) / 10;
  LONGS_EQUAL(4000, device->transmit_drops());
  CHECK_EQUAL("", hardware.sent);
  CHECK(waited_us >= 1'000'000);
  CHECK(waited_us < 1'100'000); // the deadline is waited for once, not 4000 times
}

TEST(Ns16550, SendsAgainOnceTheTransmitterMoves) {
  hardware.transmitter_stuck = true;
  start().write("lost");
  hardware.transmitter_stuck = false;
  hardware.busy_looks = 50; // and waits again
  device->write(line_of(100));
  CHECK(line_of(100) == hardware.sent);
  LONGS_EQUAL(4, device->transmit_drops());
}

TEST(Ns16550, PollsUntilTheInterruptIsEnabled) {
  start();
  CHECK_FALSE(device->has_input());
  CHECK(device->is_polled());
  hardware.type("ab");
  CHECK(device->has_input());
  STRCMP_EQUAL("ab", read_all(*device).c_str());
  CHECK_FALSE(device->has_input());
  LONGS_EQUAL(0, hardware.ier());
}

TEST(Ns16550, ReceivesWhileAPolledWriteWaits) {
  hardware.busy_looks = 100;
  start();
  hardware.queue(line_of(300));
  device->write(line_of(64));
  LONGS_EQUAL(0, hardware.waiting());
  CHECK(line_of(300) == read_all(*device));
}

TEST(Ns16550, LeavesReceptionToTheHandlerOnceTheInterruptIsEnabled) {
  start().enable_receive_interrupt();
  CHECK_FALSE(device->is_polled());
  LONGS_EQUAL(5, hardware.ier());
  hardware.type("x");
  CHECK_FALSE(device->has_input());
  LONGS_EQUAL(1, hardware.waiting());
  CHECK(hardware.interrupt_line());
  device->handle_interrupt();
  CHECK_FALSE(hardware.interrupt_line());
  CHECK(device->has_input());
  STRCMP_EQUAL("x", read_all(*device).c_str());
}

TEST(Ns16550, KeepsWhatWasTypedBeforeTheInterruptWasEnabled) {
  start();
  hardware.type("early");
  device->enable_receive_interrupt();
  deliver_interrupts();
  STRCMP_EQUAL("early", read_all(*device).c_str());
}

TEST(Ns16550, TakesAPastedLineOf8192CharactersWhole) {
  start().enable_receive_interrupt();
  const std::string line = line_of(8192);
  hardware.queue(line);
  deliver_interrupts(); // the main loop does not read meanwhile
  CHECK(line == read_all(*device));
  LONGS_EQUAL(0, device->receive_overruns());
}

TEST(Ns16550, ServesABoundedNumberOfCharactersPerInterrupt) {
  start().enable_receive_interrupt();
  hardware.queue(line_of(8192));
  device->handle_interrupt();
  LONGS_EQUAL(8192 - uart::max_receive, hardware.waiting());
  CHECK(hardware.interrupt_line()); // the level calls again
}

TEST(Ns16550, LeavesInTheFifoWhatFindsTheRingFullUntilThereIsRoom) {
  start().enable_receive_interrupt();
  const std::string text = line_of(uart::ReceiveRing::capacity + 100);
  hardware.queue(text);
  deliver_interrupts();
  CHECK_FALSE(hardware.interrupt_line()); // else the hart would never leave its trap handler
  LONGS_EQUAL(100, hardware.waiting());
  CHECK_FALSE(device->is_polled()); // nobody has to wake up for it by the clock
  CHECK(device->has_input());
  LONGS_EQUAL(100, hardware.waiting());
  char one = 0;
  LONGS_EQUAL(1, device->read({&one, 1}));
  CHECK(hardware.interrupt_line());
  deliver_interrupts();
  LONGS_EQUAL(99, hardware.waiting());
  std::string rest;
  while (rest.size() + 1 < text.size()) {
    const std::string some = read_all(*device);
    CHECK(!some.empty());
    rest += some;
    deliver_interrupts();
  }
  CHECK(one + rest == text);
  LONGS_EQUAL(0, device->receive_overruns());
  hardware.type("after");
  deliver_interrupts();
  STRCMP_EQUAL("after", read_all(*device).c_str());
}

TEST(Ns16550, CountsOverrunsThatTheHardwareReportsWhoeverReadsTheStatus) {
  start().enable_receive_interrupt();
  hardware.type(line_of(17)); // one more than the FIFO holds
  device->write("x");         // looks at the line status, which clears the report
  LONGS_EQUAL(1, device->receive_overruns());
  deliver_interrupts();
  LONGS_EQUAL(1, device->receive_overruns());
  hardware.type(line_of(17));
  deliver_interrupts();
  LONGS_EQUAL(2, device->receive_overruns());
}

TEST(Ns16550, IgnoresABreak) {
  start();
  hardware.type("a");
  hardware.send_break();
  hardware.type("b");
  STRCMP_EQUAL("ab", read_all(*device).c_str());
}

TEST(Ns16550, GivesUpAnInterruptThatNeverGoesQuietAndPollsFromThenOn) {
  std::string warning;
  bsp::log::set_sink([](void* context, bsp::log::Level,
                        std::string_view text) { *static_cast<std::string*>(context) = std::string{text}; },
                     &warning);
  start().enable_receive_interrupt();
  hardware.interrupt_stuck = true;
  device->handle_interrupt();
  LONGS_EQUAL(0, hardware.ier());
  CHECK(device->is_polled());
  hardware.type("still here");
  STRCMP_EQUAL("still here", read_all(*device).c_str());
  STRCMP_EQUAL("ns16550a: interrupt line stuck; polling from now on", warning.c_str());
  bsp::log::set_sink(nullptr, nullptr);
}

TEST(Ns16550, LeavesASharedLineAloneWhileItIsNotTheCause) {
  start().enable_receive_interrupt();
  for (int i = 0; i < 100; i++)
    device->handle_interrupt();
  CHECK_FALSE(device->is_polled());
  CHECK_FALSE(device->has_input());
}

TEST(Ns16550, SurvivesADeviceThatIsGone) {
  start();
  hardware.gone = true;
  device->enable_receive_interrupt();
  device->handle_interrupt();
  device->write("abc");
  CHECK_FALSE(device->has_input());
  LONGS_EQUAL(3, device->transmit_drops());
  LONGS_EQUAL(0, device->receive_overruns());
}

TEST(Ns16550, QuietsTheCausesThatOnlyDesignWareHas) {
  hardware.designware = true;
  hardware.shift = 2;
  hardware.width = 4;
  start().enable_receive_interrupt();
  hardware.busy_detect = true;
  device->handle_interrupt();
  CHECK_FALSE(hardware.interrupt_line());
  hardware.empty_timeout = true;
  device->handle_interrupt();
  CHECK_FALSE(hardware.interrupt_line());
  CHECK_FALSE(device->is_polled());
  CHECK_FALSE(device->has_input()); // what the empty buffer read as is no character
  hardware.type("ok");
  device->handle_interrupt();
  STRCMP_EQUAL("ok", read_all(*device).c_str());
}
