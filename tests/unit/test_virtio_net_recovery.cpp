// SPDX-License-Identifier: BSD-2-Clause
// Configuration changes, NEEDS_RESET, broken rings, resets and shutting down: who owns memory, what is reported, and
// that traffic goes on (2.1.1, 3.2, 3.3).
#include <vector>

#include "tests/support/fake_clock.hpp"
#include "tests/support/virtio_net_test.hpp"

using bsp::Error;
using net::NetEvent;
using test::Bytes;
using test::FakeVirtioMmio;
using virtio::Feature;

namespace {

class RecoveryTest : public test::VirtioNetTest {
 protected:
  void setup() override {
    VirtioNetTest::setup();
    bring_up();
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetRecovery, RecoveryTest) {};
// clang-format on

// ---- configuration changes
// -------------------------------------------------------------------------------------------

// proves: GEN-23, NET-CFG-19
TEST(VirtioNetRecovery, FollowsTheLinkByConfigurationInterrupt) {
  device->set_config16(6, 0);
  CHECK(net->link().state == net::LinkState::up);
  change_config();
  CHECK(net->link().state == net::LinkState::down);
  CHECK(events == std::vector<NetEvent>({NetEvent::link_changed}));
  device->set_config16(6, 1);
  change_config();
  CHECK(net->link().state == net::LinkState::up);
  LONGS_EQUAL(2, net->stats().link_changes);
  LONGS_EQUAL(2, net->stats().config_changes);
}

// proves: GEN-23, NET-CFG-25
TEST(VirtioNetRecovery, ReadsSpeedDuplexAndMtuAgainAfterAConfigurationChange) {
  device->set_config32(12, 10000);
  device->set_config8(16, 0);
  device->set_config16(10, 1400);
  change_config();
  LONGS_EQUAL(10000, net->link().speed_mbps);
  CHECK(net->link().duplex == net::Duplex::half);
  LONGS_EQUAL(1400, net->mtu());
}

TEST(VirtioNetRecovery, ReportsNothingIfAConfigurationChangeLeavesTheLinkAsItWas) {
  change_config();
  CHECK(events.empty());
  CHECK_FALSE(net->work_pending());
  net->service();
  LONGS_EQUAL(1, net->stats().config_changes); // looked at once
}

// proves: ROB-10
TEST(VirtioNetRecovery, KeepsTheOldValuesIfTheConfigurationNeverSettles) {
  device->on_generation_read = [this] { device->generation++; };
  device->set_config16(6, 0);
  change_config();
  CHECK(net->link().state == net::LinkState::up);
  device->on_generation_read = nullptr;
  check_traffic();
}

// ---- NEEDS_RESET
// -----------------------------------------------------------------------------------------------------

// proves: GEN-05, GEN-24
TEST(VirtioNetRecovery, ResetsADeviceThatAsksForItAndGoesOn) {
  device->status_writes.clear();
  device->set_needs_reset();
  device->raise_config(); // the configuration itself is unchanged
  take_interrupts();
  settle();
  CHECK(device->status_writes == std::vector<std::uint32_t>({0, 1, 3, 11, 15}));
  CHECK(events == std::vector<NetEvent>({NetEvent::recovered}));
  LONGS_EQUAL(1, net->stats().needs_reset);
  check_traffic();
}

// proves: GEN-04
TEST(VirtioNetRecovery, ReportsNoFrameInFlightAsSentAfterNeedsReset) {
  for (unsigned i = 0; i < 5; i++)
    LONGS_EQUAL(1, send(frame(60), 0, 12, i));
  transmitted(false);
  device->set_needs_reset();
  device->raise_config();
  take_interrupts();
  LONGS_EQUAL(5, net->tx_in_flight());
  settle();
  LONGS_EQUAL(0, send(frame(60), 0, 12, 7)); // the old ones are given back first
  const auto done = reclaimed();
  LONGS_EQUAL(5, done.size());
  for (const net::TxCompletion& one : done)
    CHECK_FALSE(one.sent);
  LONGS_EQUAL(0, net->stats().tx_packets);
  LONGS_EQUAL(5, net->stats().tx_dropped);
  LONGS_EQUAL(0, net->tx_in_flight());
  check_traffic();
}

// proves: GEN-24
TEST(VirtioNetRecovery, NoticesNeedsResetBeforeIdlingThoughItsInterruptIsLost) {
  device->set_needs_reset();
  CHECK(net->prepare_idle(false));
  settle();
  CHECK(events == std::vector<NetEvent>({NetEvent::recovered}));
  check_traffic();
}

TEST(VirtioNetRecovery, ReadsTheStatusBeforeIdlingAHundredTimesASecondAtMost) {
  const auto now = [] { return bsp::Deadline::at_ticks(bsp::clock::now_ticks()); };
  test::fake_bus().log.clear();
  test::fake_bus().log_enabled = true;
  for (unsigned i = 0; i < 1000; i++) {
    test::fake_clock().advance_us(1000);
    CHECK_FALSE(net->prepare_idle(false));
  }
  const std::size_t reads = test::fake_bus().count(test::Event::Kind::load, device->base() + 0x70);
  test::fake_bus().log_enabled = false;
  CHECK(reads >= 90 && reads <= 100);
  test::fake_clock().advance_us(20'000);
  CHECK_FALSE(net->prepare_idle(false));
  rings[1].split.set_used_flags(1);
  LONGS_EQUAL(1, send(frame(60)));
  device->set_needs_reset();
  CHECK_FALSE(net->prepare_idle(false)); // too soon: it sleeps, but not for long
  CHECK(net->next_wake().ticks() <= now().ticks() + bsp::clock::us_to_ticks(10'000));
  test::fake_clock().advance_us(10'000);
  CHECK(net->prepare_idle(false));
  settle();
  LONGS_EQUAL(1, reclaimed().size());
  check_traffic();
}

TEST(VirtioNetRecovery, WakesTheMainLoopForARecoveryThatWaitsItsTurn) {
  for (int i = 0; i < 2; i++) { // the second within a second of the first
    fetch_buffers();
    rings[0].place_used(8, 100);
    rings[0].publish_used();
    received();
    if (i == 0) settle();
  }
  CHECK_FALSE(net->work_pending());
  const std::uint64_t wake = net->next_wake().ticks();
  CHECK(wake > test::fake_clock().ticks);
  CHECK(wake <= test::fake_clock().ticks + bsp::clock::us_to_ticks(1000));
  test::fake_clock().ticks = wake;
  CHECK(net->work_pending());
  net->service();
  CHECK(net->next_wake().ticks() > wake); // the watchdog, as no interrupt has ever come
  check_traffic();
}

TEST(VirtioNetRecovery, CountsTheFramesBehindABrokenOneAsDropped) {
  CHECK(deliver_raw(raw_header({}, 12), 4)); // less than a header
  CHECK(deliver(frame(60)));
  CHECK(deliver(frame(60)));
  LONGS_EQUAL(0, received().size());
  LONGS_EQUAL(1, net->stats().rx_errors);
  LONGS_EQUAL(2, net->stats().rx_dropped);
}

TEST(VirtioNetRecovery, AccountsForWhatTheDeviceHadFinishedBeforeAReset) {
  LONGS_EQUAL(1, send(frame(60), 0, 0, 0));
  LONGS_EQUAL(1, transmitted().size());
  LONGS_EQUAL(1, send(frame(60), 0, 0, 1)); // this one stays with the device
  CHECK(deliver(frame(60)));
  CHECK(net->reset().has_value());
  LONGS_EQUAL(1, net->stats().tx_packets);
  LONGS_EQUAL(1, net->stats().tx_dropped);
  LONGS_EQUAL(1, net->stats().rx_dropped);
  const auto done = reclaimed();
  LONGS_EQUAL(2, done.size());
  for (const net::TxCompletion& one : done)
    CHECK_EQUAL(one.cookie == net::Cookie{0x1000}, one.sent);
  check_traffic();
}

TEST(VirtioNetRecovery, LooksAtAFlappingConfigurationAHundredTimesASecondAtMost) {
  const std::uint64_t before = net->stats().config_changes;
  for (int i = 0; i < 1000; i++) { // 100 ms
    device->raise_config();
    take_interrupts();
    net->service();
    test::fake_clock().advance_us(100);
  }
  const std::uint64_t looks = net->stats().config_changes - before;
  CHECK(looks >= 5 && looks <= 11);
}

// ---- broken rings
// ----------------------------------------------------------------------------------------------------

TEST(VirtioNetRecovery, KeepsGoodFramesOfABatchThatEndsBadly) {
  CHECK(deliver(frame(60, 1)));
  CHECK(deliver(frame(60, 2)));
  CHECK(deliver_raw({}, 0));
  CHECK(deliver(frame(60, 3)));
  net::RxFrame frames[8];
  LONGS_EQUAL(2, net->receive(frames));
  settle(); // the device is reset while the consumer holds two frames
  CHECK(bytes_of(frames[0]) == frame(60, 1));
  CHECK(bytes_of(frames[1]) == frame(60, 2));
  LONGS_EQUAL(6, fetch_buffers());
  net->release({frames, 2});
  LONGS_EQUAL(8, fetch_buffers());
  check_traffic();
}

TEST(VirtioNetRecovery, TakesFramesBackBetweenAFaultAndItsReset) {
  over_modern_rings([this] {
    bring_up();
    CHECK(deliver(frame(60, 1)));
    CHECK(deliver(frame(60, 2)));
    CHECK(deliver_raw({}, 0));
    net::RxFrame frames[8];
    LONGS_EQUAL(2, net->receive(frames));
    net->release({frames, 1});
    settle();
    CHECK(bytes_of(frames[1]) == frame(60, 2));
    LONGS_EQUAL(7, fetch_buffers());
    net->release({frames + 1, 1});
    check_all_buffers_are_there();
  });
}

TEST(VirtioNetRecovery, SendsNothingBetweenAFaultAndItsReset) {
  over_modern_rings([this] {
    bring_up();
    CHECK(deliver_raw({}, 0));
    CHECK(received().empty());
    LONGS_EQUAL(0, send(frame(60), 0, 12));
    LONGS_EQUAL(0, send(frame(60), 0, 0));
    settle();
    LONGS_EQUAL(0, transmitted().size());
    LONGS_EQUAL(0, net->tx_in_flight());
    check_traffic();
  });
}

TEST(VirtioNetRecovery, TellsFramesFromBeforeAResetFromThoseOfTheNewRing) {
  over_modern_rings([this] {
    bring_up();
    const auto take_three = [this](std::span<net::RxFrame> frames, std::uint8_t first) {
      for (std::uint8_t i = 0; i < 3; i++)
        CHECK(deliver(frame(60, static_cast<std::uint8_t>(first + i))));
      LONGS_EQUAL(3, net->receive(frames));
    };
    net::RxFrame old_ones[3];
    take_three(old_ones, 0);
    CHECK(net->reset().has_value());
    LONGS_EQUAL(5, fetch_buffers());
    net::RxFrame new_ones[3]; // of chains that are numbered alike
    take_three(new_ones, 10);
    net->release(old_ones);
    LONGS_EQUAL(5, fetch_buffers());
    for (unsigned i = 0; i < 5; i++)
      CHECK(deliver(frame(60, 20)));
    LONGS_EQUAL(5, received().size());
    for (std::uint8_t i = 0; i < 3; i++)
      CHECK(bytes_of(new_ones[i]) == frame(60, static_cast<std::uint8_t>(10 + i)));
    net->release(new_ones);
    check_all_buffers_are_there();
  });
}

// ---- resets and memory
// -----------------------------------------------------------------------------------------------

// proves: GEN-22, GEN-06
TEST(VirtioNetRecovery, ReusesNoMemoryBeforeTheResetIsConfirmed) {
  LONGS_EQUAL(1, send(frame(60)));
  device->script.reset_reads = 5;
  const Bytes before(reinterpret_cast<std::uint8_t*>(bytes.data()),
                     reinterpret_cast<std::uint8_t*>(bytes.data()) + bytes.size());
  unsigned compared = 0;
  device->on_reset = [&] {
    MEMCMP_EQUAL(before.data(), bytes.data(), bytes.size());
    compared++;
    stop_rings();
  };
  CHECK(net->reset().has_value());
  LONGS_EQUAL(1, compared);
  reclaimed();
  check_traffic();
}

TEST(VirtioNetRecovery, ResetsAHundredTimesUnderTrafficWithoutLosingMemory) {
  const std::size_t used = arena.used();
  for (unsigned i = 0; i < 100; i++) {
    LONGS_EQUAL(1, send(frame(60), 0, 12, i % 8));
    CHECK(deliver(frame(60)));
    CHECK(net->reset().has_value());
    const auto done = reclaimed();
    LONGS_EQUAL(1, done.size());
    CHECK_FALSE(done[0].sent);
    check_traffic();
  }
  LONGS_EQUAL(used, arena.used());
  LONGS_EQUAL(100, net->stats().device_resets);
  LONGS_EQUAL(100, net->stats().tx_dropped);
  LONGS_EQUAL(100, net->stats().tx_packets); // statistics survive
}

// proves: ROB-11
TEST(VirtioNetRecovery, NeverReusesMemoryOfADeviceWhoseResetDoesNotEnd) {
  LONGS_EQUAL(1, send(frame(60)));
  device->script.reset_reads = FakeVirtioMmio::never;
  test::fake_clock().step = 1000;
  CHECK(net->reset().error() == Error::reset_timed_out);
  CHECK_FALSE(net->usable());
  const std::size_t used = arena.used();
  const Bytes before(reinterpret_cast<std::uint8_t*>(bytes.data()),
                     reinterpret_cast<std::uint8_t*>(bytes.data()) + bytes.size());
  LONGS_EQUAL(0, reclaimed().size()); // the device may still read it
  LONGS_EQUAL(0, received().size());
  net->service();
  LONGS_EQUAL(used, arena.used());
  MEMCMP_EQUAL(before.data(), bytes.data(), bytes.size());

  device->script.reset_reads = 2; // late
  CHECK(net->reset().has_value());
  LONGS_EQUAL(used, arena.used());
  CHECK_FALSE(reclaimed().at(0).sent);
  check_traffic();
}

// proves: ROB-11
TEST(VirtioNetRecovery, QuarantinesMemoryIfTheDeviceDoesNotStopAtShutDown) {
  device->script.reset_reads = FakeVirtioMmio::never;
  test::fake_clock().step = 1000;
  const std::size_t used = arena.used();
  net->shut_down();
  net.reset();
  CHECK(used - arena.used() < 1024); // private tables may come back, nothing that the device knows
  CHECK(arena.stranded() > 2 * virtio::SplitRing::memory_size(8, 4));
}

// proves: ROB-11
TEST(VirtioNetRecovery, GoesOnInTheSameMemoryIfADeviceThatDidNotStopAtShutDownIsResetLater) {
  LONGS_EQUAL(1, send(frame(60)));
  const std::size_t used = arena.used();
  device->script.reset_reads = FakeVirtioMmio::never;
  test::fake_clock().step = 1000;
  net->shut_down();
  LONGS_EQUAL(0, reclaimed().size());
  device->script.reset_reads = 0;
  CHECK(net->reset().has_value());
  LONGS_EQUAL(used, arena.used());
  CHECK_FALSE(reclaimed().at(0).sent);
  check_traffic();
}

// proves: GEN-22, MMIO-20
TEST(VirtioNetRecovery, StopsItsQueuesAndTheDeviceAtShutDown) {
  LONGS_EQUAL(1, send(frame(60)));
  device->script.reset_reads = 3;
  net->shut_down();
  LONGS_EQUAL(0, device->status());
  LONGS_EQUAL(2, device->resets);
  LONGS_EQUAL(0, send(frame(60)));
  LONGS_EQUAL(0, received().size());
  CHECK_FALSE(reclaimed().at(0).sent);
}

TEST(VirtioNetRecovery, WritesNothingButAResetAtShutDownToADeviceThatItHasFailed) {
  rings[0].place_used(8, 100);
  rings[0].publish_used();
  received();
  device->script.refuses_features = true;
  net->service(); // its reset fails, and the next one waits its turn
  CHECK((device->status() & 128) != 0);
  net->shut_down();
  LONGS_EQUAL(0, device->status());
}

// proves: ROB-21
TEST(VirtioNetRecovery, FallsBackToADeviceResetIfAQueueDoesNotStop) {
  offer(Feature::ring_reset);
  device->script.lacks_queue_reset = true;
  CHECK(net->reset().has_value());
  check_traffic();
  device->script.keeps_queue = 0;
  net->shut_down();
  LONGS_EQUAL(0, device->status());
  CHECK_FALSE(device->queues[0].ready);
}

// proves: GEN-03
TEST(VirtioNetRecovery, StartsOverWithAResetAfterAFailedReset) {
  device->script.refuses_features = true;
  CHECK(net->reset().error() == Error::device_rejected_features);
  CHECK((device->status() & 128) != 0);
  device->script.refuses_features = false;
  device->status_writes.clear();
  CHECK(net->reset().has_value());
  LONGS_EQUAL(0, device->status_writes.at(0));
  CHECK(net->usable());
  check_traffic();
}
