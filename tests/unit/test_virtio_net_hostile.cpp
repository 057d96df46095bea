// SPDX-License-Identifier: BSD-2-Clause
// Devices that keep the driver busy, ask for resets without end or die, over each kind of ring: split and packed on
// Version 2, split on Version 1. Whatever they do ends in a counter, at most a few lines of log, and a driver that
// carries traffic again with every buffer there; or in a stable state that reset() leads out of.
#include <functional>
#include <vector>

#include "tests/support/counting_bridge.hpp"
#include "tests/support/log_lines.hpp"
#include "tests/support/virtio_net_test.hpp"

using net::NetEvent;
using test::CountingBridge;
using test::fake_bus;
using test::fake_clock;

namespace {

class HostileTest : public test::VirtioNetTest {
 protected:
  test::LogLines lines;
  std::function<void(unsigned queue)> on_notified;
  std::vector<std::uint64_t> resets_at_us; ///< since record_resets()

  void notified(unsigned queue) override {
    if (on_notified) on_notified(queue);
  }
  void record_resets() {
    resets_at_us.clear();
    device->on_reset = [this, stop = device->on_reset] {
      resets_at_us.push_back(bsp::clock::ticks_to_us(fake_clock().ticks));
      stop();
    };
  }
  /// Each pause is twice the one before; the last reset is for giving up.
  void check_pauses_double() const {
    for (std::size_t i = 2; i + 1 < resets_at_us.size(); i++)
      CHECK(resets_at_us[i] - resets_at_us[i - 1] >= (std::uint64_t{1000} << (i - 1)) - 100);
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetHostile, HostileTest) {};
// clang-format on

// ---- work without end

// proves: ROB-34
TEST(VirtioNetHostile, UsesEveryBufferAgainAsSoonAsItIsGiven) {
  over_all_rings([this] {
    bring_up();
    on_notified = [this](unsigned queue) { // with nothing that could be delivered
      if (queue != 0) return;
      while (deliver(frame(13))) {
      }
    };
    while (deliver(frame(13))) {
    }
    for (unsigned i = 1; i <= 1000; i++) {
      LONGS_EQUAL(0, received().size()); // it comes back, each time
      CHECK(net->stats().rx_frame_short <= 8U * i);
      net->service();
    }
    CHECK(net->stats().rx_frame_short >= 1000);
    on_notified = nullptr;
    received();
    LONGS_EQUAL(0, net->stats().device_resets);
    check_all_buffers_are_there();
  });
}

// proves: ROB-34
TEST(VirtioNetHostile, InterruptsForEveryFrameThoughItWasAskedNotTo) {
  over_all_rings([this] {
    bring_up();
    for (test::FakeQueue& ring : rings)
      ring.ignore_suppression(true);
    CountingBridge bridge{*device};
    unsigned looks = 0;
    fake_bus().on_shared_load = [&](const void*, std::size_t) { looks++; };
    for (unsigned i = 0; i < 2000; i++) {
      if (!deliver(frame(60))) received();
      const unsigned accesses = bridge.accesses;
      const unsigned before = looks;
      irq.handle_external_interrupt();
      CHECK(bridge.accesses - accesses <= 2); // what it is, and that it was seen
      LONGS_EQUAL(before, looks);             // frames are the main loop's work
      CHECK_FALSE(device->line_raised());
    }
    fake_bus().on_shared_load = nullptr;
    received();
    LONGS_EQUAL(0, net->stats().device_resets);
    for (test::FakeQueue& ring : rings)
      ring.ignore_suppression(false);
    check_all_buffers_are_there();
  });
}

// proves: ROB-34
TEST(VirtioNetHostile, InterruptsForBuffersThatItDidNotUse) {
  over_all_rings([this] {
    bring_up();
    for (unsigned i = 0; i < 1000; i++) {
      device->raise_used();
      LONGS_EQUAL(1, take_interrupts());
      net->service();
      CHECK_FALSE(net->work_pending());
      LONGS_EQUAL(0, received().size());
      LONGS_EQUAL(0, reclaimed().size());
      CHECK_FALSE(net->prepare_idle(true));
    }
    LONGS_EQUAL(1000, net->stats().interrupts);
    LONGS_EQUAL(0, net->stats().device_resets);
    LONGS_EQUAL(0, net->stats().lost_interrupts);
    check_all_buffers_are_there();
    CHECK(deliver(frame(60))); // and the interrupt that means it is still heard
    take_interrupts();
    LONGS_EQUAL(1, received().size());
  });
}

// proves: ROB-34, ROB-39
TEST(VirtioNetHostile, LetsItsLinkFlapOnEveryLook) {
  over_all_rings([this] {
    bring_up();
    lines.clear();
    bool up = true;
    for (unsigned i = 0; i < 10'000; i++) { // a second
      up = !up;
      device->set_config16(6, up ? 1 : 0);
      device->generation++;
      device->raise_config();
      take_interrupts();
      net->service();
      if (i % 100 == 0) check_traffic();
      fake_clock().advance_us(100);
    }
    CHECK(net->stats().config_changes >= 50 && net->stats().config_changes <= 125);
    CHECK(net->stats().link_changes <= net->stats().config_changes);
    LONGS_EQUAL(net->stats().link_changes, events.size());
    LONGS_EQUAL(0, lines.size());
    fake_clock().advance_us(20'000);
    net->service();
    CHECK((net->link().state == net::LinkState::up) == up); // the last word counts
    CHECK_FALSE(net->work_pending());
  });
}

// proves: ROB-10
TEST(VirtioNetHostile, NeverLetsItsConfigurationSettle) {
  over_all_rings([this] {
    bring_up();
    lines.clear();
    const net::MacAddress mac = net->mac();
    for (unsigned phase = 1; phase <= 2; phase++) {
      device->on_generation_read = [this] { device->generation++; };
      device->on_config_read = [this](std::uint32_t offset) { device->config[offset]++; };
      for (unsigned i = 0; i < 100; i++) {
        CountingBridge bridge{*device};
        change_config();
        CHECK(bridge.accesses < 500);
        CHECK(net->mac() == mac);
        CHECK(net->link().state == net::LinkState::up);
      }
      CHECK(events.empty());
      check_traffic();
      LONGS_EQUAL(phase, lines.size()); // once, until it settles
      device->on_generation_read = nullptr;
      device->on_config_read = nullptr;
      for (std::uint32_t i = 0; i < 6; i++)
        device->set_config8(i, device_mac[i]);
      device->set_config16(6, 1);
      change_config();
      events.clear();
    }
    LONGS_EQUAL(0, net->stats().device_resets);
    check_all_buffers_are_there();
  });
}

// ---- NEEDS_RESET

// proves: ROB-16
TEST(VirtioNetHostile, AsksForAResetAfterEachReset) {
  over_all_rings([this] {
    bring_up();
    record_resets();
    device->script.needs_reset_at_driver_ok = true;
    events.clear();
    lines.clear();
    device->set_needs_reset();
    device->raise_config();
    take_interrupts();
    for (unsigned i = 0; i < 100; i++) // time stands nearly still
      net->service();
    CHECK(resets_at_us.size() <= 2); // no storm
    for (unsigned i = 0; i < 20'000 && net->usable(); i++) {
      net->service();
      CHECK(i > 15'000 || net->next_wake().ticks() != UINT64_MAX || !net->usable());
      fake_clock().advance_us(100);
    }
    CHECK_FALSE(net->usable());
    CHECK(events == std::vector<NetEvent>({NetEvent::failed}));
    CHECK(resets_at_us.size() >= 4 && resets_at_us.size() <= 10);
    check_pauses_double();
    CHECK(lines.size() <= resets_at_us.size() + 2);

    const std::size_t resets = resets_at_us.size();
    for (unsigned i = 0; i < 1000; i++) {
      fake_clock().advance_us(100'000);
      net->service();
      CHECK_FALSE(net->prepare_idle(true));
      LONGS_EQUAL(0, send(frame(60)));
      LONGS_EQUAL(0, received().size());
    }
    LONGS_EQUAL(resets, resets_at_us.size());
    CHECK_FALSE(net->work_pending()); // the hart may sleep
    CHECK(net->next_wake().ticks() == UINT64_MAX);
    device->script.needs_reset_at_driver_ok = false;
    CHECK(net->reset().has_value());
    check_all_buffers_are_there();
  });
}

// proves: ROB-16
TEST(VirtioNetHostile, AsksForAResetShortlyAfterEachResetThatWentWell) {
  over_all_rings([this] {
    bring_up();
    record_resets();
    events.clear();
    for (unsigned i = 0; i < 20'000 && net->usable(); i++) { // 2 seconds
      if ((device->status() & 4) != 0 && (device->status() & 64) == 0) {
        device->set_needs_reset();
        device->raise_config();
        take_interrupts();
      }
      net->service();
      fake_clock().advance_us(100);
    }
    CHECK_FALSE(net->usable());
    CHECK(events.back() == NetEvent::failed);
    CHECK(std::ranges::count(events, NetEvent::recovered) >= 4);
    CHECK(resets_at_us.size() >= 5 && resets_at_us.size() <= 10);
    check_pauses_double();

    const std::size_t resets = resets_at_us.size();
    for (unsigned i = 0; i < 100; i++) {
      fake_clock().advance_us(100'000);
      net->service();
    }
    LONGS_EQUAL(resets, resets_at_us.size());
    CHECK(net->reset().has_value());
    check_all_buffers_are_there();
  });
}

// ---- death

// proves: ROB-11, ROB-17
TEST(VirtioNetHostile, DiesWithFramesInFlight) {
  for (const bool comes_back : {true, false}) {
    over_all_rings([this, comes_back] {
      bring_up();
      for (unsigned i = 0; i < 2; i++)
        LONGS_EQUAL(1, send(frame(60), 0, 0, i));
      transmitted(false);
      CHECK(deliver(frame(60)));
      net::RxFrame held;
      LONGS_EQUAL(1, net->receive({&held, 1}));
      lines.clear();
      events.clear();
      device->script.gone = true;
      fake_clock().step = 10'000;
      const std::uint64_t start = fake_clock().ticks;
      CHECK(net->prepare_idle(false)); // here it shows
      while (net->usable() && fake_clock().ticks < start + bsp::clock::us_to_ticks(60'000'000))
        net->service();
      CHECK(events == std::vector<NetEvent>({NetEvent::failed}));
      CHECK(fake_clock().ticks < start + bsp::clock::us_to_ticks(2'500'000)); // it is not asked again and again
      LONGS_EQUAL(1, net->stats().device_resets);
      CHECK(lines.size() <= 2);
      LONGS_EQUAL(0, reclaimed().size()); // it may still read them, for all that is known
      LONGS_EQUAL(2, net->tx_in_flight());
      CHECK(bytes_of(held) == frame(60));
      net->release({&held, 1});
      device->script.gone = false;
      fake_clock().step = 10;
      if (!comes_back) {
        net.reset();
        const std::uint64_t free_from = bus_base + arena.used(); // nobody gets what it was lent
        for (const auto& chain : rx_chains)
          CHECK(chain.pieces.back().bus + chain.pieces.back().length <= free_from);
        CHECK(rx_chains.size() == 7);
        return;
      }
      CHECK(net->reset().has_value());
      const auto done = reclaimed();
      LONGS_EQUAL(2, done.size());
      CHECK(!done[0].sent && !done[1].sent);
      check_all_buffers_are_there();
    });
  }
}
