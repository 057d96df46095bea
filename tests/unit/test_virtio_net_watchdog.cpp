// SPDX-License-Identifier: BSD-2-Clause
// The watchdog: what is stuck is kicked, then reset; what the device used without telling is found; and a device that
// does its work, however slowly, is left alone. Time is the fake clock's; the main loop sleeps no longer than
// next_wake() allows.
#include <string>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using net::NetEvent;
using test::Bytes;
using test::fake_clock;
using virtio::Feature;

namespace {
constexpr std::uint64_t second = 1'000'000;
constexpr std::uint64_t never = UINT64_MAX;
} // namespace

TEST_GROUP_BASE(VirtioNetWatchdog, test::VirtioNetTest) {
  std::uint64_t start{0}; ///< ticks

  static std::uint64_t now_us() {
    return bsp::clock::ticks_to_us(fake_clock().ticks);
  }
  [[nodiscard]] std::uint64_t since_us() const {
    return bsp::clock::ticks_to_us(fake_clock().ticks - start);
  }
  void start_timing() {
    start = fake_clock().ticks;
  }
  /// A main loop that has nothing else to do and is woken every 10 ms.
  template <class Until> void run(std::uint64_t longest_us, Until && until) {
    const std::uint64_t end = now_us() + longest_us;
    while (!until() && now_us() < end) {
      fake_clock().advance_us(10'000);
      net->service();
    }
  }
  void run(std::uint64_t us) {
    run(us, [] { return false; });
  }
  /// Until when the driver lets the hart sleep, in microseconds from now.
  [[nodiscard]] std::uint64_t sleep_us() const {
    const std::uint64_t wake = net->next_wake().ticks();
    if (wake == never) return never;
    CHECK(wake > fake_clock().ticks);
    return bsp::clock::ticks_to_us(wake - fake_clock().ticks);
  }
  /// Sleeps until the driver wants to be called; what would have woken the hart does not.
  void sleep() {
    fake_clock().ticks = std::max(fake_clock().ticks, net->next_wake().ticks());
    net->service();
  }
  /// The device's interrupts arrive, and the driver has seen it.
  void prove_interrupts() {
    CHECK_FALSE(net->prepare_idle(false));
    CHECK(deliver(frame(60)));
    CHECK(take_interrupts() != 0);
    LONGS_EQUAL(1, received().size());
    net->service();
  }
  std::size_t fill_transmit_queue() {
    unsigned sent = 0;
    while (send(frame(60), 0, static_cast<std::uint16_t>(header_size()), sent % 8) == 1)
      sent++;
    return sent;
  }
  [[nodiscard]] unsigned kicks(std::uint32_t queue) const {
    return static_cast<unsigned>(std::ranges::count(device->notifications, queue));
  }
};

// ---- a transmit queue that is stuck

// proves: ROB-35
TEST(VirtioNetWatchdog, KicksAStuckTransmitQueueOnceAfterASecond) {
  over_all_rings([this] {
    bring_up();
    run(3 * second);
    device->notifications.clear();
    LONGS_EQUAL(1, send(frame(60)));
    LONGS_EQUAL(1, kicks(1));
    start_timing();
    run(10 * second, [&] { return net->stats().watchdog_kicks != 0; });
    CHECK(since_us() >= second && since_us() <= 2 * second + 100'000);
    LONGS_EQUAL(2, kicks(1));
    run(2 * second);
    LONGS_EQUAL(2, kicks(1));
    LONGS_EQUAL(1, net->stats().watchdog_kicks);
    LONGS_EQUAL(1, transmitted().size()); // that was all it needed
    LONGS_EQUAL(1, reclaimed().size());
    run(20 * second);
    LONGS_EQUAL(0, net->stats().tx_timeouts);
    LONGS_EQUAL(1, net->stats().watchdog_kicks);
    check_traffic();
  });
}

// proves: ROB-36
TEST(VirtioNetWatchdog, ResetsADeviceThatTransmitsNothingForFiveSeconds) {
  over_all_rings([this] {
    bring_up();
    CHECK(deliver(frame(60)));
    LONGS_EQUAL(1, received().size());
    LONGS_EQUAL(8, fill_transmit_queue());
    transmitted(false);
    start_timing();
    run(10 * second, [&] { return net->stats().tx_timeouts != 0; });
    CHECK(since_us() >= 5 * second && since_us() <= 6 * second + 100'000);
    CHECK(events.at(0) == NetEvent::tx_timeout);
    settle();
    CHECK(events == std::vector<NetEvent>({NetEvent::tx_timeout, NetEvent::recovered}));
    LONGS_EQUAL(1, net->stats().device_resets);
    LONGS_EQUAL(0, net->stats().queue_resets);
    const auto done = reclaimed();
    LONGS_EQUAL(8, done.size());
    for (const net::TxCompletion& one : done)
      CHECK_FALSE(one.sent);
    LONGS_EQUAL(8, net->stats().tx_dropped);
    LONGS_EQUAL(0, net->stats().tx_packets);
    check_all_buffers_are_there();
    run(20 * second);
    LONGS_EQUAL(1, net->stats().tx_timeouts);
  });
}

// proves: ROB-36
TEST(VirtioNetWatchdog, ResetsTheTransmitQueueAloneWhereItCan) {
  over_modern_rings([this] {
    offer(Feature::ring_reset);
    bring_up();
    const unsigned resets = device->resets;
    for (unsigned round = 1; round <= 3; round++) {
      std::vector<unsigned> queues;
      const auto stop = device->on_queue_reset;
      device->on_queue_reset = [&](unsigned index) {
        queues.push_back(index);
        stop(index);
      };
      LONGS_EQUAL(8, fill_transmit_queue());
      transmitted(false);
      CHECK(deliver(frame(60)));
      net::RxFrame held;
      LONGS_EQUAL(1, net->receive({&held, 1})); // receiving is not touched, whoever holds what
      events.clear();
      run(10 * second, [&] { return net->stats().queue_resets == round; });
      device->on_queue_reset = stop;
      CHECK(queues == std::vector<unsigned>({1}));
      CHECK(events == std::vector<NetEvent>({NetEvent::tx_timeout}));
      CHECK(deliver(frame(80)));
      CHECK(received().at(0) == frame(80));
      net->release({&held, 1});
      LONGS_EQUAL(0, send(frame(60))); // the old ones are given back first
      const auto done = reclaimed();
      LONGS_EQUAL(8, done.size());
      for (const net::TxCompletion& one : done)
        CHECK_FALSE(one.sent);
      check_all_buffers_are_there();
      LONGS_EQUAL(round, net->stats().tx_timeouts);
      LONGS_EQUAL(8 * round, net->stats().tx_dropped);
    }
    LONGS_EQUAL(resets, device->resets);
    LONGS_EQUAL(0, net->stats().device_resets);
  });
}

// proves: ROB-21
TEST(VirtioNetWatchdog, ResetsTheDeviceIfItsTransmitQueueDoesNotReset) {
  over_modern_rings([this] {
    offer(Feature::ring_reset);
    bring_up();
    for (const bool lacks : {true, false}) {
      device->script.lacks_queue_reset = lacks;
      device->script.queue_reset_reads = lacks ? 0 : test::FakeVirtioMmio::never;
      fake_clock().step = lacks ? 10 : 1000;
      LONGS_EQUAL(8, fill_transmit_queue());
      transmitted(false);
      events.clear();
      run(10 * second, [&] { return !events.empty(); });
      CHECK(events.at(0) == NetEvent::tx_timeout);
      settle();
      CHECK(events.back() == NetEvent::recovered);
      fake_clock().step = 10;
      LONGS_EQUAL(8, reclaimed().size());
      check_all_buffers_are_there();
    }
    LONGS_EQUAL(0, net->stats().queue_resets);
    LONGS_EQUAL(2, net->stats().device_resets);
  });
}

// proves: ROB-36
TEST(VirtioNetWatchdog, HoldsTheSenderBackAndTakesNoMemoryThoughNothingIsEverSent) {
  for (const bool with_queue_reset : {false, true}) {
    over_all_rings([this, with_queue_reset] {
      if (with_queue_reset) offer(Feature::ring_reset);
      bring_up();
      const std::size_t used = arena.used();
      std::size_t taken = 0;
      std::size_t given_back = 0;
      const std::uint64_t end = now_us() + 40 * second;
      while (now_us() < end) {
        const std::size_t now = fill_transmit_queue();
        taken += now;
        CHECK(now <= 8);
        CHECK(net->tx_in_flight() <= 8);
        CHECK(taken - given_back <= 8);
        LONGS_EQUAL(0, send(frame(60)));
        run(50'000);
        for (const net::TxCompletion& one : reclaimed()) {
          CHECK_FALSE(one.sent);
          given_back++;
        }
        LONGS_EQUAL(used, arena.used());
      }
      CHECK(net->stats().tx_timeouts >= 6 && net->stats().tx_timeouts <= 8);
      CHECK(net->stats().tx_ring_full != 0);
      CHECK(net->usable());
      LONGS_EQUAL(net->stats().tx_dropped, given_back);
      LONGS_EQUAL(taken - given_back, net->tx_in_flight());
      LONGS_EQUAL(0, arena.stranded());
      transmitted();
      reclaimed();
      check_all_buffers_are_there();
    });
  }
}

// ---- notifications that were suppressed or lost

// proves: ROB-35
TEST(VirtioNetWatchdog, KeepsTransmittingThoughTheDeviceNeverAsksForANotification) {
  for (const bool with_event_idx : {false, true}) {
    over_all_rings([this, with_event_idx] {
      if (with_event_idx) offer(Feature::event_idx);
      bring_up();
      rings[1].want_notifications(false);
      for (std::uint8_t i = 0; i < 10; i++) {
        LONGS_EQUAL(1, send(frame(60, i)));
        device->notifications.clear();
        run(3 * second, [&] { return kicks(1) != 0; });
        LONGS_EQUAL(1, transmitted().size()); // it looks only when notified
        LONGS_EQUAL(1, reclaimed().size());
      }
      LONGS_EQUAL(0, net->stats().tx_timeouts);
    });
  }
}

// proves: ROB-35
TEST(VirtioNetWatchdog, TellsOnceOfReceiveBuffersThatTheDeviceWantedNoWordOf) {
  for (const bool with_event_idx : {false, true}) {
    over_all_rings([this, with_event_idx] {
      if (with_event_idx) offer(Feature::event_idx);
      bring_up();
      prove_interrupts();
      fetch_buffers();
      rings[0].want_notifications(false);
      for (int i = 0; i < 8; i++)
        CHECK(deliver(frame(60)));
      LONGS_EQUAL(8, received().size());
      device->notifications.clear();
      net->service();
      CHECK(sleep_us() <= second); // something has to be watched
      start_timing();
      run(10 * second, [&] { return kicks(0) != 0; });
      CHECK(since_us() <= 2 * second + 100'000);
      LONGS_EQUAL(1, net->stats().watchdog_kicks);
      run(60 * second);
      LONGS_EQUAL(1, kicks(0));
      LONGS_EQUAL(1, net->stats().watchdog_kicks);
      LONGS_EQUAL(8, fetch_buffers());
      CHECK(sleep_us() == never);
    });
  }
}

// ---- interrupts that are lost

// proves: ROB-35
TEST(VirtioNetWatchdog, FindsFramesThatNoInterruptTellsOf) {
  over_all_rings([this] {
    bring_up();
    std::uint64_t longest = 0;
    for (std::uint8_t i = 0; i < 20; i++) {
      CHECK_FALSE(net->prepare_idle(true));
      CHECK(deliver(frame(60, i))); // its interrupt is raised, and lost
      start_timing();
      sleep();
      CHECK(received() == std::vector<Bytes>({frame(60, i)}));
      if (i >= 3) longest = std::max(longest, since_us());
      CHECK(since_us() <= second + 100'000);
    }
    CHECK(longest <= 110'000); // after some of it the driver looks more often
    CHECK(net->stats().lost_interrupts >= 1);
    LONGS_EQUAL(0, net->stats().device_resets);
    LONGS_EQUAL(0, net->stats().watchdog_kicks);
  });
}

// proves: ROB-35
TEST(VirtioNetWatchdog, FindsCompletionsThatNoInterruptTellsOf) {
  over_all_rings([this] {
    bring_up();
    prove_interrupts();
    for (int i = 0; i < 5; i++) {
      LONGS_EQUAL(1, send(frame(60)));
      net->service();
      CHECK_FALSE(net->prepare_idle(true));
      LONGS_EQUAL(1, transmitted().size());
      start_timing();
      sleep(); // for ever, if nothing were watched
      LONGS_EQUAL(1, reclaimed().size());
      CHECK(since_us() <= second);
    }
    LONGS_EQUAL(0, net->stats().tx_timeouts);
  });
}

TEST(VirtioNetWatchdog, TrustsInterruptsAgainAsSoonAsOneComes) {
  over_all_rings([this] {
    bring_up();
    for (int i = 0; i < 5; i++) {
      CHECK_FALSE(net->prepare_idle(false));
      CHECK(deliver(frame(60)));
      net->service();
      LONGS_EQUAL(1, received().size());
      CHECK(sleep_us() <= second);
    }
    const std::uint64_t lost = net->stats().lost_interrupts;
    CHECK(lost >= 1);
    const auto rest = [this] { // until the status register may be read again
      fake_clock().advance_us(10'000);
      CHECK_FALSE(net->prepare_idle(false));
      CHECK(sleep_us() == never);
    };
    prove_interrupts();
    rest();
    for (int i = 0; i < 20; i++)
      prove_interrupts();
    LONGS_EQUAL(lost, net->stats().lost_interrupts);
    rest();
    // And one that goes missing later costs the trust again.
    CHECK_FALSE(net->prepare_idle(false));
    CHECK(deliver(frame(60)));
    net->service();
    CHECK(sleep_us() <= second);
    LONGS_EQUAL(1, received().size());
  });
}

TEST(VirtioNetWatchdog, CallsNoFrameLostThatComesWhileItPolls) {
  over_all_rings([this] {
    bring_up();
    for (int i = 0; i < 1000; i++) { // it is not idle: nobody promised it an interrupt
      if (i == 500) prove_interrupts();
      CHECK(deliver(frame(60)));
      net->service();
      LONGS_EQUAL(1, received().size());
      fake_clock().advance_us(1000);
    }
    LONGS_EQUAL(0, net->stats().lost_interrupts);
    CHECK(sleep_us() == never);
  });
}

// ---- frames that are not whole

// proves: ROB-26
TEST(VirtioNetWatchdog, ResetsADeviceThatLeavesAFrameUnfinishedForASecond) {
  over_all_rings([this] {
    offer_merging();
    bring_up();
    prove_interrupts();
    run(3 * second);
    CHECK(sleep_us() == never);
    CHECK(deliver_raw(cut(frame(3000), {}, {2048}).at(0)));
    LONGS_EQUAL(0, received().size());
    net->service();
    CHECK(sleep_us() <= second);
    start_timing();
    run(10 * second, [&] { return net->stats().rx_incomplete != 0; });
    CHECK(since_us() >= second - 100'000 && since_us() <= 2 * second + 100'000);
    settle();
    LONGS_EQUAL(1, net->stats().rx_incomplete);
    LONGS_EQUAL(1, net->stats().device_resets);
    check_all_buffers_are_there();
  });
}

TEST(VirtioNetWatchdog, BlamesTheDeviceForNoFrameThatItsReaderHasNotFetched) {
  over_all_rings([this] {
    offer_merging();
    bring_up();
    const auto parts = cut(frame(5000), {}, {2048, 2048});
    CHECK(deliver_raw(parts[0]));
    LONGS_EQUAL(0, received().size());
    CHECK(deliver_raw(parts[1]));
    CHECK(deliver_raw(parts[2]));
    run(20 * second); // the reader is away: a capture that is paused, say
    LONGS_EQUAL(0, net->stats().rx_incomplete);
    CHECK(received() == std::vector<Bytes>({frame(5000)}));
    LONGS_EQUAL(0, net->stats().device_resets);
  });
}

TEST(VirtioNetWatchdog, FinishesAFrameThoughTheReaderHoldsAllOthers) {
  queue_size = 128;
  over_all_rings([this] {
    offer_merging();
    bring_up();
    std::vector<net::RxFrame> held;
    for (std::uint8_t i = 0; i < 50; i++)
      deliver_merged(frame(2500, i));
    for (net::RxFrame one; net->receive({&one, 1}) == 1;)
      held.push_back(one);
    run(20 * second);
    LONGS_EQUAL(0, net->stats().rx_incomplete);
    LONGS_EQUAL(0, net->stats().device_resets);
    while (!held.empty()) {
      net->release({held.data(), 1});
      held.erase(held.begin());
      for (net::RxFrame one; net->receive({&one, 1}) == 1;)
        held.push_back(one);
    }
    LONGS_EQUAL(50, net->stats().rx_packets);
    LONGS_EQUAL(128, fetch_buffers());
  });
}

// ---- sleeping

TEST(VirtioNetWatchdog, LetsTheHartSleepForEverOnceInterruptsAreProvenAndNothingIsStuck) {
  over_all_rings([this] {
    bring_up();
    net->service();
    CHECK(sleep_us() <= second); // nobody knows yet whether interrupts arrive
    prove_interrupts();
    CHECK(sleep_us() == never);
    check_traffic();
    net->service();
    CHECK(sleep_us() == never);
    CHECK(net->reset().has_value()); // its interrupts may be lost now
    net->service();
    CHECK(sleep_us() <= second);
  });
  start_over(Version::modern);
  polled = true; // there is nothing to prove
  bring_up();
  net->service();
  CHECK(sleep_us() == never);
}

TEST(VirtioNetWatchdog, WantsNoCallInThePastAndAlwaysOneWhileFramesAreInFlight) {
  over_all_rings([this] {
    bring_up();
    prove_interrupts();
    unsigned in_flight = 0;
    for (unsigned i = 0; i < 2000; i++) {
      fake_clock().advance_us(i * 7919 % 90'000);
      if (i % 7 == 3 && send(frame(60), 0, static_cast<std::uint16_t>(header_size()), i % 8) == 1) in_flight++;
      if (i % 11 == 5) {
        transmitted();
        in_flight -= static_cast<unsigned>(reclaimed().size());
      }
      net->service();
      const std::uint64_t wait = sleep_us(); // checks that it is not past
      CHECK(in_flight == 0 ? wait == never : wait <= second);
    }
    LONGS_EQUAL(0, net->stats().tx_timeouts);
  });
}

// ---- no false alarms

TEST(VirtioNetWatchdog, LeavesASlowDeviceAlone) {
  over_all_rings([this] {
    bring_up();
    std::deque<test::FakeQueue::Chain> with_device;
    for (unsigned i = 0; i < 60 * 100; i++) { // a minute in steps of 10 ms
      fill_transmit_queue();
      for (auto& chain : rings[1].take_available())
        with_device.push_back(chain);
      if (i % 90 == 89) { // a frame each 0.9 s
        rings[1].complete(with_device.front(), 0);
        with_device.pop_front();
      }
      fake_clock().advance_us(10'000);
      net->service();
      for (const net::TxCompletion& one : reclaimed())
        CHECK(one.sent);
    }
    LONGS_EQUAL(66, net->stats().tx_packets);
    LONGS_EQUAL(0, net->stats().tx_timeouts);
    LONGS_EQUAL(0, net->stats().device_resets);
    LONGS_EQUAL(0, net->stats().watchdog_kicks);
  });
}

TEST(VirtioNetWatchdog, KicksAVerySlowDeviceOnceAFrameAtMostAndNeverResetsIt) {
  over_all_rings([this] {
    bring_up();
    std::deque<test::FakeQueue::Chain> with_device;
    for (unsigned i = 0; i < 60 * 100; i++) {
      fill_transmit_queue();
      for (auto& chain : rings[1].take_available())
        with_device.push_back(chain);
      if (i % 390 == 389) { // each 3.9 s
        rings[1].complete(with_device.front(), 0);
        with_device.pop_front();
      }
      fake_clock().advance_us(10'000);
      net->service();
      reclaimed();
    }
    LONGS_EQUAL(15, net->stats().tx_packets);
    LONGS_EQUAL(0, net->stats().tx_timeouts);
    LONGS_EQUAL(0, net->stats().device_resets);
    CHECK(net->stats().watchdog_kicks <= 16);
  });
}

TEST(VirtioNetWatchdog, BlamesTheDeviceForNoFrameThatItsSenderHasNotReclaimed) {
  over_all_rings([this] {
    bring_up();
    LONGS_EQUAL(8, fill_transmit_queue());
    LONGS_EQUAL(8, transmitted().size());
    run(60 * second);
    LONGS_EQUAL(0, net->stats().tx_timeouts);
    LONGS_EQUAL(0, net->stats().watchdog_kicks);
    LONGS_EQUAL(8, reclaimed().size());
    check_all_buffers_are_there();
  });
}

// Neither what was in flight before a reset nor a long silence counts for a frame sent after it.
TEST(VirtioNetWatchdog, CountsTheTimeOfEachFrameFromItsSending) {
  for (const unsigned how : {0U, 1U, 2U}) { // timeout with a device reset, with a queue reset, reset by the user
    over_all_rings([this, how] {
      if (how == 1) offer(Feature::ring_reset);
      polled = true; // the hart may sleep for ever while nothing is in flight
      bring_up();
      LONGS_EQUAL(1, send(frame(60)));
      transmitted(false);
      if (how == 2) {
        run(2 * second);
        CHECK(net->reset().has_value());
      } else {
        run(10 * second, [&] { return net->stats().tx_timeouts != 0; });
        if (net->stats().queue_resets == 0) settle();
      }
      LONGS_EQUAL(1, reclaimed().size());
      const std::uint64_t timeouts = net->stats().tx_timeouts;
      const std::uint64_t kicked = net->stats().watchdog_kicks;
      for (int i = 0; i < 3; i++) {
        fake_clock().advance_us(60 * second); // asleep
        LONGS_EQUAL(1, send(frame(60)));
        net->service();
        run(second / 2);
        LONGS_EQUAL(timeouts, net->stats().tx_timeouts);
        LONGS_EQUAL(kicked, net->stats().watchdog_kicks);
        LONGS_EQUAL(1, transmitted().size());
        CHECK(reclaimed().at(0).sent);
      }
    });
  }
  polled = false;
}

TEST(VirtioNetWatchdog, IsNotMisledByCountersThatWereCleared) {
  over_all_rings([this] {
    polled = true;
    bring_up();
    for (int i = 0; i < 3; i++) {
      LONGS_EQUAL(1, send(frame(60)));
      run(second / 2);
      LONGS_EQUAL(1, transmitted().size());
      LONGS_EQUAL(1, reclaimed().size());
    }
    LONGS_EQUAL(1, send(frame(60), 0, 0, 1));
    run(second + 100'000); // noted: three frames sent, one in flight
    net->clear_stats();
    LONGS_EQUAL(1, transmitted().size());
    LONGS_EQUAL(1, reclaimed().size());
    for (unsigned i = 0; i < 2; i++) {
      LONGS_EQUAL(1, send(frame(60), 0, 0, i));
      LONGS_EQUAL(1, transmitted().size());
      LONGS_EQUAL(1, reclaimed().size());
    }
    LONGS_EQUAL(3, net->stats().tx_packets);
    fake_clock().advance_us(60 * second); // asleep
    LONGS_EQUAL(1, send(frame(60)));
    net->service(); // three frames sent, one in flight: as it was noted
    LONGS_EQUAL(0, net->stats().tx_timeouts);
    transmitted();
    reclaimed();
  });
  polled = false;
}
