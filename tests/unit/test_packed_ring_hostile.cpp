// SPDX-License-Identifier: BSD-2-Clause
// A packed ring on the other side of a device that lies: each lie ends in a broken ring that says why, never outside of
// the ring's memory, and a restart mends it.
#include <map>
#include <random>
#include <vector>

#include "tests/support/packed_ring_test.hpp"

using test::Event;
using test::fake_bus;
using test::FakePackedDevice;
using virtio::RingFault;

// clang-format off
TEST_GROUP_BASE(HostilePackedRing, test::PackedRingTest) {
  void setup() override {
    PackedRingTest::setup();
    start(8);
  }
  void expect_broken(RingFault fault) {
    CHECK(ring.broken());
    CHECK(ring.fault() == fault);
    // Sticky, and neither empty-looking nor usable.
    LONGS_EQUAL(0, take().size());
    CHECK_FALSE(add_one().has_value());
    CHECK_FALSE(ring.used_pending());
    CHECK_FALSE(ring.recheck_notification().has_value());
    CHECK(ring.state().broken);
    restart(8, false);
    CHECK_FALSE(ring.broken());
    LONGS_EQUAL(8, ring.free());
    cycle(3);
  }
  /// Exposes three chains of two descriptors.
  std::vector<FakePackedDevice::Chain> three_chains() {
    for (int i = 0; i < 3; i++)
      CHECK(add_chain(1, 1).has_value());
    static_cast<void>(ring.publish());
    return device.take_available();
  }
};
// clang-format on

// proves: ROB-01
TEST(HostilePackedRing, RejectsABufferIdBeyondTheQueueSize) {
  for (const std::uint16_t id : {8, 9, 0x7fff, 0x8000, 0xffff}) {
    three_chains();
    device.place_used(id, 4);
    device.publish_used();
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_id_out_of_range);
  }
}

// proves: ROB-01
TEST(HostilePackedRing, RejectsAnIdBelowTheCapacityButBeyondTheSizeInUse) {
  give(8); // all of them are in flight when the ring is reset
  restart(5, false);
  give(2);
  device.place_used(5, 4);
  device.publish_used();
  LONGS_EQUAL(0, take().size());
  expect_broken(RingFault::used_id_out_of_range);
}

// proves: ROB-02
TEST(HostilePackedRing, RejectsAnIdThatWasGivenBackAlready) {
  const auto chains = three_chains();
  device.complete(chains[0], 4);
  device.place_used(chains[0].head, 4);
  device.publish_used();
  LONGS_EQUAL(1, take().size()); // the first is good
  LONGS_EQUAL(2, ring.chains_in_flight());
  expect_broken(RingFault::used_id_not_in_flight);
}

// proves: ROB-02
TEST(HostilePackedRing, RejectsAnIdThatWasNeverExposed) {
  three_chains();
  device.place_used(7, 4);
  device.publish_used();
  LONGS_EQUAL(0, take().size());
  expect_broken(RingFault::used_id_not_in_flight);
}

// proves: ROB-07
TEST(HostilePackedRing, RejectsADescriptorThatTurnsUsedWithNothingInFlight) {
  for (const unsigned before : {0U, 1U, 7U, 8U, 9U, 20U}) {
    restart(8, false);
    cycle(before);
    device.mark_used(before % 8, before / 8 % 2 == 0);
    CHECK(ring.used_pending()); // whoever looks finds out
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_without_buffer);
  }
}

// proves: ROB-07
TEST(HostilePackedRing, RejectsMoreUsedDescriptorsThanChains) {
  const auto chains = three_chains();
  device.complete_batch(chains, 4);
  for (std::uint16_t slot = 6; slot < 8; slot++) {
    device.rewrite_used(slot, 7, 4);
    device.mark_used(slot, true);
  }
  LONGS_EQUAL(3, take().size());
  expect_broken(RingFault::used_without_buffer);
}

// proves: ROB-07
TEST(HostilePackedRing, WaitsWhileWrapBitsAreFlippedTwiceOrOneByOne) {
  const auto chains = three_chains();
  const std::uint16_t available = device.descriptor(0).flags;
  for (const unsigned flags : {0x0000U, 0x8000U, 0x0080U}) { // nothing of it is "used" in the first lap
    device.set_flags(0, static_cast<std::uint16_t>((available & 0x7f7f) | flags));
    CHECK_FALSE(ring.used_pending());
    LONGS_EQUAL(0, take().size());
    CHECK_FALSE(ring.broken());
  }
  device.set_flags(0, available);
  device.complete_batch(chains, 4);
  LONGS_EQUAL(3, take().size());
}

// proves: ROB-06
TEST(HostilePackedRing, EndsThoughTheNextSlotAlwaysLooksUsed) {
  give(8);
  const auto chains = device.take_available();
  unsigned looks = 0;
  fake_bus().on_shared_load = [&](const void* address, std::size_t) {
    const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(address) - host_slot(0);
    if (at >= 16 * 8 || at % 16 != 14) return;
    device.rewrite_used(static_cast<std::uint16_t>(at / 16), chains.at(looks % 8).head, 1);
    device.mark_used(static_cast<std::uint16_t>(at / 16), looks / 8 % 2 == 0);
    looks++;
  };
  LONGS_EQUAL(8, take(300).size()); // each chain once
  fake_bus().on_shared_load = nullptr;
  LONGS_EQUAL(9, looks);
  CHECK(ring.fault() == RingFault::used_without_buffer);
}

// proves: ROB-08
TEST(HostilePackedRing, IsNotMisledByRewrittenDescriptors) {
  for (const std::uint8_t fill : {0x00, 0xff, 0x01, 0x7f}) {
    restart(8, false);
    const auto chains = three_chains();
    device.scribble_descriptors(fill);
    for (std::uint16_t slot = 0; slot < 6; slot++) // everything but the two bits that are the device's to change
      device.set_flags(slot, static_cast<std::uint16_t>(((fill << 8 | fill) & 0x7f7f) | FakePackedDevice::avail_flag));
    for (std::uint16_t slot = 6; slot < 8; slot++)
      device.set_flags(slot, 0); // not exposed yet
    device.complete_batch(chains, 4);
    const auto used = take();
    LONGS_EQUAL(3, used.size());
    for (std::size_t i = 0; i < 3; i++) {
      LONGS_EQUAL(chains[i].head, used[i].token);
      LONGS_EQUAL(16, used[i].writable);
    }
    LONGS_EQUAL(8, ring.free());
    cycle(20);
  }
}

// proves: ROB-09
TEST(HostilePackedRing, ReadsEachWordOfAUsedDescriptorOnceAndNoMoreOfIt) {
  const auto chains = three_chains();
  device.complete_batch(chains, 4);
  fake_bus().log_enabled = fake_bus().log_shared = true;
  LONGS_EQUAL(3, take(3).size());
  std::map<std::uintptr_t, int> loads;
  for (const Event& event : fake_bus().log)
    if (event.kind == Event::Kind::shared_load) loads[event.address]++;
  LONGS_EQUAL(3 * 3, loads.size()); // flags, id, length
  for (const auto& [address, count] : loads)
    LONGS_EQUAL(1, count);
}

// proves: ROB-09
TEST(HostilePackedRing, UsesTheValueThatItCheckedIfTheWordChangesAfterwards) {
  const auto chains = three_chains();
  device.complete(chains[0], 4);
  const std::uintptr_t id_word = host_slot(0) + 12;
  bool seen = false;
  fake_bus().on_shared_load = [&](const void* address, std::size_t) {
    if (seen) device.rewrite_used(0, 0xffff, 0xffff'ffff); // after the first look at the id
    if (reinterpret_cast<std::uintptr_t>(address) == id_word) seen = true;
  };
  const auto used = take();
  fake_bus().on_shared_load = nullptr;
  LONGS_EQUAL(1, used.size());
  LONGS_EQUAL(chains[0].head, used[0].token);
  CHECK_FALSE(ring.broken());
}

// proves: ROB-09
TEST(HostilePackedRing, ReadsTheDeviceEventStructureOnceForADecision) {
  restart(8, true);
  unsigned loads = 0;
  fake_bus().on_shared_load = [&](const void*, std::size_t) { loads++; };
  for (const std::uint16_t flags : {0, 1, 2, 3}) {
    device.set_device_event(0x8000, flags);
    loads = 0;
    static_cast<void>(add_one());
    static_cast<void>(ring.publish());
    LONGS_EQUAL(1, loads);
  }
  fake_bus().on_shared_load = nullptr;
}

TEST(HostilePackedRing, LooksAheadOnlyAsFarAsTheDeviceIsBelievable) {
  restart(8, true);
  for (const std::uint16_t id : {0, 1, 2, 7, 8, 0xffff}) {
    restart(8, true);
    three_chains();
    for (std::uint16_t slot = 0; slot < 8; slot++) { // all of it used, by the same buffer
      device.rewrite_used(slot, id, 1);
      device.mark_used(slot, true);
    }
    CHECK(ring.request_interrupt(3)); // take_used() says what it is
    LONGS_EQUAL(id < 3 ? 1 : 0, take().size());
    CHECK(ring.broken());
  }
  restart(8, false);
}

// proves: ROB-01, ROB-02, ROB-07
TEST(HostilePackedRing, SurvivesRandomUsedDescriptors) {
  std::mt19937 random{42};
  std::map<RingFault, unsigned> faults;
  for (int round = 0; round < 20000; round++) {
    if (random() % 2 == 0) static_cast<void>(add_chain(random() % 2, 1 + random() % 2));
    static_cast<void>(ring.publish());
    const bool wild = random() % 16 == 0;
    const auto id = static_cast<std::uint16_t>(wild ? random() : random() % 9);
    if (random() % 4 == 0) {
      const virtio::QueueState state = ring.state();
      device.rewrite_used(state.last_used, id, static_cast<std::uint32_t>(random()));
      device.mark_used(state.last_used, state.used_wrap);
    } else {
      device.set_flags(random() % 8, static_cast<std::uint16_t>(random()));
    }
    static_cast<void>(ring.request_interrupt(static_cast<std::uint16_t>(1 + random() % 8)));
    take(random() % 4);
    LONGS_EQUAL(ring.broken() ? 0 : 8 - ring.state().in_flight, ring.free());
    if (!ring.broken()) continue;
    faults[ring.fault()]++;
    virtio::RingSettings settings{1, 8};
    settings.event_idx = random() % 2 == 0;
    settings.in_order = random() % 2 == 0;
    restart(settings);
  }
  CHECK(faults[RingFault::used_id_out_of_range] > 100);
  CHECK(faults[RingFault::used_id_not_in_flight] > 100);
  CHECK(faults[RingFault::used_without_buffer] > 100);
  restart(8, false);
}
