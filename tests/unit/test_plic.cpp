// SPDX-License-Identifier: BSD-2-Clause
#include <memory>
#include <vector>

#include "bsp/clock.hpp"
#include "drivers/irqchip/plic.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_mmio.hpp"
#include "tests/support/fake_plic.hpp"

#include <CppUTest/TestHarness.h>

namespace {

constexpr std::uintptr_t base = 0x0c000000;
constexpr std::uint32_t sources = 95;
constexpr std::uint32_t context = 3;

/// A device on a line: its handler counts, and lowers the line unless it is told not to.
struct Device {
  test::FakePlic* plic{nullptr};
  std::uint32_t source{0};
  bool quiet{true};
  unsigned calls{0};

  irqchip::Handler handler() {
    return {[](void* self) { static_cast<Device*>(self)->interrupt(); }, this};
  }
  void interrupt() {
    calls++;
    if (quiet) plic->lines.erase(source);
  }
};

} // namespace

TEST_GROUP(Plic) {
  test::FakePlic hardware{sources, context};
  std::unique_ptr<irqchip::Plic> plic;
  Device uart{&hardware, 10};
  Device net{&hardware, 40};

  void setup() override {
    test::fake_bus().reset();
    test::fake_cpu().reset();
    test::fake_clock().reset();
    test::fake_bus().log_enabled = false;
    test::fake_bus().attach(base, 0x600000, hardware);
    plic = std::make_unique<irqchip::Plic>(irqchip::PlicConfig{base, 0x600000, sources, context});
  }
  void teardown() override {
    test::fake_bus().reset();
    test::fake_cpu().reset();
    STRCMP_EQUAL("", hardware.error.c_str());
  }
  void attach(Device & device, const char* name = "device") {
    CHECK(plic->attach(device.source, device.handler(), name).has_value());
  }
  std::uint64_t count_of(std::size_t index) {
    irqchip::SourceInfo info{};
    CHECK(plic->source_info(index, info));
    return info.count;
  }
};

TEST(Plic, StartsWithEverySourceOfItsContextOff) {
  for (std::uint32_t source = 1; source <= sources; source++) {
    CHECK_FALSE(hardware.enabled(source));
    LONGS_EQUAL(0, hardware.priority(source));
  }
}

TEST(Plic, TouchesNoEnableWordThatQemuLacks) {
  test::FakePlic virt{96, context}; // 96 is what QEMU's tree says of the sources 0 to 95
  test::fake_bus().reset();
  test::fake_bus().attach(base, 0x600000, virt);
  const irqchip::Plic started{{base, 0x600000, 96, context}};
  STRCMP_EQUAL("", virt.error.c_str());
}

TEST(Plic, CallsTheHandlerOfAClaimedSourceAndCompletesIt) {
  attach(uart);
  hardware.lines.insert(10);
  CHECK(hardware.pin());
  plic->handle_external_interrupt();
  LONGS_EQUAL(1, uart.calls);
  CHECK(hardware.completed == std::vector<std::uint32_t>{10});
  CHECK_FALSE(hardware.pin());
  LONGS_EQUAL(0, plic->spurious_count());
  LONGS_EQUAL(1, count_of(0));
}

TEST(Plic, ServesAllThatIsPendingInOneCall) {
  attach(uart);
  attach(net);
  hardware.lines = {10, 40};
  plic->handle_external_interrupt();
  CHECK((hardware.claimed == std::vector<std::uint32_t>{10, 40}));
  LONGS_EQUAL(1, uart.calls);
  LONGS_EQUAL(1, net.calls);
}

TEST(Plic, ClaimsNoMoreOnceNothingInterruptsTheHart) {
  attach(uart);
  hardware.lines = {10, 40};
  test::fake_cpu().external_interrupt = false;
  plic->handle_external_interrupt();
  test::fake_cpu().external_interrupt = true;
  CHECK((hardware.claimed == std::vector<std::uint32_t>{10}));
  LONGS_EQUAL(1, uart.calls);
}

TEST(Plic, CallsEveryHandlerOfASharedLine) {
  Device first{&hardware, 8, false};
  Device second{&hardware, 8, true};
  attach(first);
  attach(second);
  hardware.lines.insert(8);
  plic->handle_external_interrupt();
  LONGS_EQUAL(1, first.calls);
  LONGS_EQUAL(1, second.calls);
  LONGS_EQUAL(1, hardware.completed.size());
}

TEST(Plic, KeepsASharedLineUntilItsLastHandlerIsDetached) {
  Device first{&hardware, 8};
  Device second{&hardware, 8};
  attach(first);
  attach(second);
  plic->detach(8, &first);
  CHECK(hardware.enabled(8));
  hardware.lines.insert(8);
  plic->handle_external_interrupt();
  LONGS_EQUAL(0, first.calls);
  LONGS_EQUAL(1, second.calls);
  plic->detach(8, &second);
  CHECK_FALSE(hardware.enabled(8));
  LONGS_EQUAL(0, hardware.priority(8));
}

TEST(Plic, DetachLeavesOtherSourcesOfTheSameContextAlone) {
  attach(uart);
  CHECK(plic->attach(11, uart.handler(), "second").has_value());
  plic->detach(11, &uart);
  plic->detach(12, &uart); // was never attached
  CHECK(hardware.enabled(10));
  CHECK_FALSE(hardware.enabled(11));
  irqchip::SourceInfo info{};
  CHECK(plic->source_info(0, info));
  LONGS_EQUAL(10, info.source);
  CHECK_FALSE(plic->source_info(1, info));
}

TEST(Plic, CountsAClaimOfZeroAsSpurious) {
  plic->handle_external_interrupt();
  LONGS_EQUAL(1, plic->spurious_count());
  CHECK(hardware.completed.empty());
}

TEST(Plic, CountsAnUnhandledSourceCompletesItAndSwitchesItOff) {
  hardware.bogus_claims = {33};
  hardware.lines.insert(33);
  plic->handle_external_interrupt();
  LONGS_EQUAL(1, plic->unhandled_count());
  CHECK(hardware.completed == std::vector<std::uint32_t>{33}); // not ignored, so it was completed while enabled
  CHECK_FALSE(hardware.in_service(33));
  CHECK_FALSE(hardware.enabled(33));
  LONGS_EQUAL(0, plic->spurious_count());
}

TEST(Plic, CompletesASourceThatDoesNotExistAndTouchesNoEnableBit) {
  hardware.bogus_claims = {700};
  plic->handle_external_interrupt();
  LONGS_EQUAL(1, plic->unhandled_count());
  CHECK(hardware.completed == std::vector<std::uint32_t>{700});
}

// proves: ROB-34
TEST(Plic, SwitchesAStormOffSoThatTheMainLoopRunsAndOnAgainAfterAWhile) {
  net.quiet = false;
  attach(net);
  attach(uart);
  CHECK(plic->next_wake().ticks() == UINT64_MAX);
  hardware.lines.insert(40);
  const std::uint64_t start = test::fake_clock().ticks;
  plic->handle_external_interrupt();
  LONGS_EQUAL(irqchip::Plic::max_claims, net.calls);
  CHECK_FALSE(hardware.pin());
  LONGS_EQUAL(1, plic->storm_count());
  const std::uint64_t pause_us = bsp::clock::ticks_to_us(plic->next_wake().ticks() - start);
  CHECK(pause_us >= irqchip::Plic::storm_pause_us && pause_us < irqchip::Plic::storm_pause_us + 100);

  plic->service(); // in every round of the main loop
  CHECK_FALSE(hardware.enabled(40));
  hardware.lines.insert(10); // others are not held up
  plic->handle_external_interrupt();
  LONGS_EQUAL(1, uart.calls);

  net.quiet = true;
  test::fake_clock().advance_us(irqchip::Plic::storm_pause_us);
  plic->service();
  CHECK(plic->next_wake().ticks() == UINT64_MAX);
  CHECK(hardware.pin());
  plic->handle_external_interrupt();
  LONGS_EQUAL(irqchip::Plic::max_claims + 1, net.calls);
  CHECK_FALSE(hardware.pin());
}

// proves: ROB-34
TEST(Plic, GivesALineThatIsStuckForEverAFewCallsEachTime) {
  net.quiet = false;
  attach(net);
  hardware.lines.insert(40);
  const std::uint64_t end = test::fake_clock().ticks + bsp::clock::us_to_ticks(1'000'000);
  while (test::fake_clock().ticks < end) { // a main loop that never sleeps, for a second
    plic->service();
    if (hardware.pin()) plic->handle_external_interrupt();
    test::fake_clock().advance_us(50);
  }
  CHECK(plic->storm_count() >= 90 && plic->storm_count() <= 100);
  LONGS_EQUAL(plic->storm_count() * irqchip::Plic::max_claims, net.calls);
}

TEST(Plic, EndsEachPauseInItsOwnTime) {
  net.quiet = uart.quiet = false;
  attach(net);
  attach(uart);
  hardware.lines.insert(40);
  plic->handle_external_interrupt();
  const std::uint64_t first = plic->next_wake().ticks();
  test::fake_clock().advance_us(5000);
  hardware.lines.insert(10);
  plic->handle_external_interrupt();
  CHECK(plic->next_wake().ticks() == first);
  test::fake_clock().ticks = first;
  plic->service();
  CHECK(hardware.enabled(40));
  CHECK_FALSE(hardware.enabled(10));
  CHECK(plic->next_wake().ticks() > first);
}

TEST(Plic, ServiceDoesNotSwitchOnWhatWasDetached) {
  net.quiet = false;
  attach(net);
  hardware.lines.insert(40);
  plic->handle_external_interrupt();
  plic->detach(40, &net);
  test::fake_clock().advance_us(irqchip::Plic::storm_pause_us);
  plic->service();
  CHECK_FALSE(hardware.enabled(40));
  CHECK(plic->next_wake().ticks() == UINT64_MAX);
}

TEST(Plic, RefusesSourcesThatDoNotExist) {
  const auto error_of = [&](std::uint32_t source) { return plic->attach(source, uart.handler(), "x").error(); };
  CHECK(error_of(0) == bsp::Error::interrupt_out_of_range);
  CHECK(error_of(sources + 1) == bsp::Error::interrupt_out_of_range);
  CHECK(plic->attach(sources, uart.handler(), "last").has_value());
  CHECK(hardware.enabled(sources));
}

TEST(Plic, RefusesAHandlerWithoutFunction) {
  CHECK(plic->attach(10, {}, "x").error() == bsp::Error::invalid_argument);
  CHECK_FALSE(hardware.enabled(10));
}

TEST(Plic, RefusesMoreHandlersThanItsTableHolds) {
  for (std::size_t i = 0; i < irqchip::Plic::max_handlers; i++)
    CHECK(plic->attach(5, uart.handler(), "many").has_value());
  CHECK(plic->attach(6, uart.handler(), "one more").error() == bsp::Error::interrupt_table_full);
  CHECK_FALSE(hardware.enabled(6));
  plic->detach(5, &uart);
  CHECK(plic->attach(6, uart.handler(), "now").has_value());
}

TEST(Plic, ListsHandlersInTheOrderOfAttachment) {
  attach(net, "net0");
  attach(uart, "console");
  irqchip::SourceInfo info{};
  CHECK(plic->source_info(0, info));
  CHECK(info.name == "net0" && info.source == 40 && info.count == 0);
  CHECK(plic->source_info(1, info));
  CHECK(info.name == "console" && info.source == 10);
  CHECK_FALSE(plic->source_info(2, info));
}

TEST(Plic, ChangesItsTableWithInterruptsOffAndRestoresThem) {
  test::fake_cpu().interrupts_on = true;
  attach(uart);
  CHECK(test::fake_cpu().interrupts_on);
  test::fake_cpu().interrupts_on = false;
  plic->detach(10, &uart);
  CHECK_FALSE(test::fake_cpu().interrupts_on);
}

TEST(Plic, ChecksItsDescription) {
  using irqchip::Plic;
  CHECK(Plic::check({base, 0x204000, 95, 3}).has_value());
  CHECK(Plic::check({base, 0x600000, 1023, 1023}).has_value());
  CHECK(Plic::check({base, 0x600000, 0, 1}).error() == bsp::Error::interrupt_out_of_range);
  CHECK(Plic::check({base, 0x600000, 1024, 1}).error() == bsp::Error::interrupt_out_of_range);
  CHECK(Plic::check({base, 0x203007, 95, 3}).error() == bsp::Error::no_interrupt_context);
  CHECK(Plic::check({base, UINT64_MAX, 95, 15872}).error() == bsp::Error::no_interrupt_context);
  CHECK(Plic::check({base, UINT64_MAX, 95, 0xffffffff}).error() == bsp::Error::no_interrupt_context);
}
