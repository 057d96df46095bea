// SPDX-License-Identifier: BSD-2-Clause
// The shell's main loop beside an interrupt line that is stuck: it sleeps, it wakes up to switch the line on again, and
// it goes on looking at the devices.
#include <memory>
#include <vector>

#include "bsp/clock.hpp"
#include "drivers/irqchip/plic.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_plic.hpp"
#include "tests/support/shell_fixture.hpp"

#include <CppUTest/TestHarness.h>

namespace {

constexpr std::uintptr_t base = 0x0c00'0000;

void run_wait(shell::Session& session, shell::Arguments&) {
  const bsp::Deadline end = bsp::Deadline::in_us(200'000);
  while (!end.expired() && session.wait(end)) {
  }
}

constexpr shell::Command commands[] = {
    {.name = "wait", .usage = "", .summary = "sleep", .example = "wait", .run = run_wait},
};
constexpr shell::CommandTable tables[] = {commands};

} // namespace

TEST_GROUP(InterruptStorm) {
  test::FakePlic hardware{95, 1};
  std::unique_ptr<irqchip::Plic> plic;
  test::ShellFixture fixture{tables};
  unsigned calls = 0;

  void setup() override {
    test::fake_bus().reset();
    test::fake_cpu().reset();
    test::fake_clock().reset();
    test::fake_bus().log_enabled = false;
    test::fake_bus().attach(base, 0x600000, hardware);
    plic = std::make_unique<irqchip::Plic>(irqchip::PlicConfig{base, 0x600000, 95, 1});
    fixture.system.irqchip = plic.get();
    test::fake_cpu().interrupts_on = true;
  }
  void teardown() override {
    test::fake_bus().reset();
    test::fake_cpu().reset();
    STRCMP_EQUAL("", hardware.error.c_str());
  }
};

// proves: ROB-34
TEST(InterruptStorm, OfAStuckLineLeavesTheMainLoopItsTimeAndItsSleep) {
  const irqchip::Handler counting{[](void* count) { ++*static_cast<unsigned*>(count); }, &calls};
  CHECK(plic->attach(8, counting, "stuck").has_value());
  hardware.lines.insert(8);
  // The hart takes the interrupt as soon as the pin is up, asleep or not.
  test::fake_cpu().on_idle = [&](bsp::Deadline until) {
    if (!hardware.pin()) test::fake_clock().ticks = until.ticks();
  };
  fixture.background.on_poll = [&] {
    if (hardware.pin()) plic->handle_external_interrupt();
  };
  fixture.type("");
  fixture.background.polls = 0;
  fixture.run("wait");
  CHECK(plic->storm_count() >= 18 && plic->storm_count() <= 21); // 200 ms in pauses of 10 ms
  LONGS_EQUAL(plic->storm_count() * irqchip::Plic::max_claims, calls);
  CHECK(fixture.background.polls >= 18); // the devices are looked at all the same
  CHECK(test::fake_cpu().idles >= 18);   // and the hart sleeps in between
  CHECK(fixture.background.polls < 100); // instead of spinning
}
