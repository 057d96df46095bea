// SPDX-License-Identifier: BSD-2-Clause
// Who tells whom in a packed ring: notifications to the device and interrupts from it (2.8.10), with and without
// EVENT_IDX, and the moments in between.
#include <vector>

#include "tests/support/packed_ring_test.hpp"

using test::fake_bus;
using test::Fence;
using test::PackedRingTest;

namespace {
/// The slot `offset` after (or before) another, with its lap in bit 15.
std::uint16_t slot_after(std::uint16_t off_wrap, int offset, int size) {
  const int laps = 2 * size;
  int at = (off_wrap & 0x7fff) + ((off_wrap & 0x8000) != 0 ? 0 : size) + offset;
  at = ((at % laps) + laps) % laps;
  return static_cast<std::uint16_t>(at < size ? at | 0x8000 : at - size);
}
} // namespace

// clang-format off
TEST_GROUP_BASE(PackedRingNotify, PackedRingTest) {
  void start_with_data(std::uint16_t size, std::uint16_t index) {
    create(size);
    virtio::RingSettings settings{index, size};
    settings.notification_data = true;
    restart(settings);
  }
};
// clang-format on

// ---- to the device: the value --------------------------------------------------------------------------------------

// proves: VQ-05
TEST(PackedRingNotify, CarriesJustTheIndexWithoutNotificationData) {
  create(3);
  restart({5, 3});
  for (int i = 0; i < 20; i++) { // also after the ring wrapped
    CHECK(add_one().has_value());
    LONGS_EQUAL(5, *ring.publish());
    LONGS_EQUAL(5, ring.force_notification());
    drain();
  }
}

// proves: VQ-07, PACKED-09
TEST(PackedRingNotify, NamesTheNextSlotToBeMadeAvailableWithNotificationData) {
  start_with_data(7, 3);
  std::uint16_t expected = 0x8000;
  for (unsigned i = 0; i < 60; i++) { // right behind the ring's end too
    const unsigned count = 1 + i % 4;
    for (unsigned j = 0; j < count; j++)
      CHECK(add_one().has_value());
    expected = slot_after(expected, static_cast<int>(count), 7);
    CHECK(*ring.publish() == (3U | std::uint32_t{expected} << 16));
    drain();
    LONGS_EQUAL(expected, device.next_available());
  }
}

// proves: VQ-08, PACKED-10
TEST(PackedRingNotify, RepeatsTheSameValueWhileNothingNewIsExposed) {
  start_with_data(3, 1);
  for (unsigned i = 0; i < 20; i++) {
    CHECK(add_one().has_value());
    const std::uint32_t first = *ring.publish();
    CHECK(ring.force_notification() == first);
    CHECK(add_one().has_value()); // not exposed yet
    CHECK(ring.force_notification() == first);
    CHECK(*ring.publish() != first);
    CHECK_FALSE(ring.publish().has_value()); // nothing new
    drain();
  }
}

// ---- to the device: whether ----------------------------------------------------------------------------------------

// proves: PACKED-31
TEST(PackedRingNotify, NotifiesForEveryBatchUnlessTheDeviceSaysNo) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    for (int i = 0; i < 20; i++) {
      device.set_device_event(0x1234, 0);
      CHECK(give(3));
      drain();
      device.want_notifications(false);
      CHECK_FALSE(give(3));
      drain();
      CHECK(ring.unannounced());
    }
    device.set_device_event(0, 0);
    CHECK(give(1));
    CHECK_FALSE(ring.unannounced());
    drain();
  }
}

// proves: ROB-35, PACKED-31
TEST(PackedRingNotify, TakesTheReservedValueAndAnUnnegotiatedOneForEnabled) {
  start(8, true);
  device.want_notifications(false);
  for (const std::uint16_t off_wrap : {0x0000, 0x8000, 0x0005, 0xffff}) {
    device.set_device_event(off_wrap, 3);
    CHECK(give(1));
    drain();
    device.set_device_event(off_wrap, 0xffff); // reserved bits as well
    CHECK(give(1));
    drain();
  }
  restart(8, false);
  device.want_notifications(false);
  device.set_device_event(0x0005, 2); // only meaningful with EVENT_IDX
  CHECK(give(1));
}

// proves: PACKED-31
TEST(PackedRingNotify, NotifiesExactlyIfTheNamedSlotIsInTheBatchInEitherLap) {
  for (const int size : {1, 3, 8}) {
    start(static_cast<std::uint16_t>(size), true);
    device.want_notifications(false); // the test writes the event by itself
    unsigned notified = 0;
    unsigned wanted_in_all = 0;
    for (int start_at = 0; start_at < 2 * size; start_at++) {
      for (int batch = 1; batch <= size; batch++) {
        for (int offset = -size; offset < size; offset++) { // every slot of both laps
          device.set_device_event(0, 0);
          CHECK(give(1)); // announced, so that "since the last notification" is just this batch
          drain();
          device.set_device_event(slot_after(device.next_available(), offset, size), 2);
          const bool wanted = offset >= 0 && offset < batch;
          const bool due = give(static_cast<unsigned>(batch));
          CHECK_EQUAL(wanted, due);
          notified += due;
          wanted_in_all += wanted;
          drain();
        }
      }
      cycle(1);
    }
    LONGS_EQUAL(wanted_in_all, notified);
    LONGS_EQUAL(2 * size * size * (size + 1) / 2, notified);
  }
}

// proves: PACKED-31
TEST(PackedRingNotify, NotifiesForAnySlotOfAList) {
  start(8, true);
  for (unsigned i = 0; i < 50; i++) {
    device.take_available(); // asks for the next slot
    for (int in_list = 0; in_list < 3; in_list++) {
      const std::uint16_t next = device.next_available();
      device.set_device_event(slot_after(next, in_list, 8), 2);
      CHECK(add_chain(1, 2).has_value());
      CHECK(ring.publish().has_value());
      drain();
    }
  }
}

TEST(PackedRingNotify, NotifiesOnceALateWishIsReachedThoughEarlierBatchesWereSilent) {
  start(200, true);
  device.want_notifications(false);
  device.set_device_event(0x8000 | 150, 2);
  unsigned notifications = 0;
  for (unsigned i = 0; i < 400; i++) { // two laps: the slot comes twice, the lap once
    const bool notified = give(1);
    CHECK_EQUAL(i == 150, notified);
    notifications += notified;
    drain();
  }
  LONGS_EQUAL(1, notifications);
}

// proves: PACKED-31
TEST(PackedRingNotify, TakesNoSlotAheadForAnOldOneHoweverManyChainsWereSilent) {
  start(8, true);
  for (const unsigned silent : {1U, 8U, 9U, 16U, 17U, 100U}) {
    device.set_device_event(0, 1);
    for (unsigned i = 0; i < silent; i++) {
      CHECK_FALSE(give(1));
      drain();
      device.set_device_event(0, 1);
    }
    for (int ahead = 1; ahead < 8; ahead++) {
      device.set_device_event(slot_after(device.next_available(), ahead, 8), 2);
      CHECK_FALSE(give(1));
      drain();
    }
    device.set_device_event(device.next_available(), 2);
    CHECK(give(1));
    drain();
  }
}

TEST(PackedRingNotify, NotifiesAfterAnyNumberOfSilentChains) {
  start(8);
  for (const unsigned silent : {1U, 7U, 8U, 16U, 1000U}) {
    device.want_notifications(true);
    CHECK(give(1));
    drain();
    device.want_notifications(false);
    for (unsigned i = 0; i < silent; i++) {
      CHECK_FALSE(give(1));
      drain();
    }
    CHECK(ring.unannounced());
    device.want_notifications(true);
    CHECK(give(1));
    drain();
  }
}

// proves: ROB-35
TEST(PackedRingNotify, SurvivesAnEventBeyondTheRing) {
  start(8, true);
  device.want_notifications(false);
  for (const std::uint16_t slot : {8, 100, 0x7fff, 0x8008, 0xffff}) {
    device.set_device_event(slot, 2);
    give(3); // whatever it decides, the watchdog can still notify
    LONGS_EQUAL(1, ring.force_notification());
    CHECK_FALSE(ring.unannounced());
    drain();
  }
}

// ---- catching up ---------------------------------------------------------------------------------------------------

TEST(PackedRingNotify, SendsLaterWhatATooEarlyLookMissed) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    cycle(5);
    device.want_notifications(false);
    const std::uint16_t next = device.next_available();
    CHECK_FALSE(give(2));
    CHECK_FALSE(ring.recheck_notification().has_value()); // still not wanted
    // The device went idle and asked for a notification; the driver's look had come before that.
    device.set_device_event(next, with_event_idx ? 2 : 0);
    LONGS_EQUAL(1, *ring.recheck_notification());
    CHECK_FALSE(ring.recheck_notification().has_value()); // once
    CHECK_FALSE(ring.unannounced());
    drain();
  }
}

// As QEMU does when it sends on after its network was congested: the slot that it named before is used since.
TEST(PackedRingNotify, NotifiesBeforeIdlingADeviceThatStillNamesASlotThatItHasUsed) {
  start(8, true);
  device.want_notifications(false);
  for (unsigned i = 0; i < 40; i++) {
    for (int back = 1; back <= 6; back++) {
      device.set_device_event(slot_after(device.next_available(), -back, 8), 2);
      CHECK_FALSE(give(2)); // no wish, to the letter
      LONGS_EQUAL(1, *ring.recheck_notification());
      CHECK_FALSE(ring.recheck_notification().has_value());
      drain();
    }
    cycle(1);
    LONGS_EQUAL(1, ring.force_notification()); // all announced
  }
}

TEST(PackedRingNotify, NotifiesBeforeIdlingOnceWhicheverSlotADeviceWaitsFor) {
  start(8, true);
  device.want_notifications(false);
  for (unsigned i = 0; i < 40; i++) {
    for (int offset = -3; offset <= 7; offset++) {
      const std::uint16_t named = slot_after(device.next_available(), offset + 3, 8);
      device.set_device_event(0, 0);
      CHECK(give(3)); // it knows of these
      device.set_device_event(named, 2);
      const bool told = give(1);
      CHECK_EQUAL(offset == 0, told);
      CHECK_EQUAL(!told, ring.recheck_notification().has_value());
      CHECK_FALSE(ring.recheck_notification().has_value());
      drain();
      CHECK_FALSE(ring.recheck_notification().has_value()); // nothing in flight
    }
  }
}

// proves: ROB-35
TEST(PackedRingNotify, CanBeForcedThoughTheDeviceNeverWantsToBeNotified) {
  start(8);
  device.want_notifications(false);
  CHECK_FALSE(give(2));
  CHECK(ring.unannounced());
  LONGS_EQUAL(1, ring.force_notification());
  CHECK_FALSE(ring.unannounced());
  CHECK_FALSE(ring.recheck_notification().has_value());
}

// proves: PACKED-33
TEST(PackedRingNotify, HearsADeviceThatGoesIdleInTheBarrierBeforeTheLook) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    device.want_notifications(false);
    // The device saw an empty ring and asks to be told just after the flags were stored.
    fake_bus().on_fence = [&](Fence fence) {
      if (fence == Fence::before_suppression_check) device.set_device_event(0x8000, with_event_idx ? 2 : 0);
    };
    CHECK(give(1));
    fake_bus().on_fence = nullptr;
  }
}

// ---- from the device -----------------------------------------------------------------------------------------------

// proves: PACKED-30, PACKED-37
TEST(PackedRingNotify, IsNotInterruptedUntilItAsks) {
  for (const bool with_event_idx : {false, true}) {
    start(7, with_event_idx);
    device.interrupts = 0;
    // Legal at every step, also between the halves of the structure if it had any.
    fake_bus().on_fence = [this](Fence) { device.check(); };
    fake_bus().on_shared_store = [this](const void*, std::size_t) { device.check(); };
    LONGS_EQUAL(1, device.driver_flags());
    cycle(20);
    LONGS_EQUAL(0, device.interrupts);
    CHECK_FALSE(ring.request_interrupt());
    LONGS_EQUAL(with_event_idx ? 2 : 0, device.driver_flags());
    cycle(1);
    LONGS_EQUAL(1, device.interrupts);
    ring.suppress_interrupts();
    LONGS_EQUAL(1, device.driver_flags());
    give(7);
    const auto chains = device.take_available();
    for (const auto& chain : chains)
      device.complete(chain, 1);
    LONGS_EQUAL(7, take().size()); // drained with events off
    LONGS_EQUAL(1, device.interrupts);
    fake_bus().on_fence = nullptr;
    fake_bus().on_shared_store = nullptr;
  }
}

// proves: PACKED-30
TEST(PackedRingNotify, NeverNamesASlotWithoutEventIdxNorAReservedValue) {
  create(3);
  for (const bool with_event_idx : {false, true}) {
    restart(3, with_event_idx);
    for (std::uint16_t after = 1; after < 20; after++) {
      CHECK_FALSE(ring.request_interrupt(after));
      LONGS_EQUAL(with_event_idx ? 2 : 0, device.driver_flags());
      if (with_event_idx) CHECK((device.driver_off_wrap() & 0x7fff) < 3);
      cycle(1);
    }
  }
}

TEST(PackedRingNotify, SuppressesInterruptsWithASingleStore) {
  start(8, true);
  unsigned stores = 0;
  fake_bus().on_shared_store = [&](const void*, std::size_t) { stores++; };
  ring.suppress_interrupts();
  fake_bus().on_shared_store = nullptr;
  LONGS_EQUAL(1, stores);
}

// proves: PACKED-30
TEST(PackedRingNotify, IsInterruptedOnceForEachRequestWithEventIdx) {
  start(7, true);
  for (unsigned i = 1; i <= 100; i++) {
    CHECK_FALSE(ring.request_interrupt());
    LONGS_EQUAL(device.next_used(), device.driver_off_wrap());
    cycle(5); // the device interrupts for the first and no further one
    LONGS_EQUAL(i, device.interrupts);
  }
}

TEST(PackedRingNotify, MakesProgressByInterruptsAloneThroughThousandsOfChains) {
  start(7, true);
  unsigned done = 0;
  while (done < 7000) {
    CHECK_FALSE(ring.request_interrupt());
    const unsigned before = device.interrupts;
    give(3);
    device.complete_batch(device.take_available(), 1);
    LONGS_EQUAL(before + 1, device.interrupts);
    done += static_cast<unsigned>(take().size());
  }
}

TEST(PackedRingNotify, CanAskForAnInterruptAfterSeveralChains) {
  for (const std::size_t length : {1U, 2U, 3U}) {
    start(24, true);
    cycle(20);
    device.interrupts = 0;
    for (int i = 0; i < 8; i++)
      CHECK(add_chain(0, length).has_value());
    static_cast<void>(ring.publish());
    const auto chains = device.take_available();
    CHECK_FALSE(ring.request_interrupt(6));
    for (unsigned i = 0; i < 5; i++) {
      device.complete(chains[i], 1);
      LONGS_EQUAL(0, device.interrupts);
    }
    device.complete(chains[5], 1);
    LONGS_EQUAL(1, device.interrupts);
    CHECK(ring.request_interrupt(6)); // they are there already
    LONGS_EQUAL(6, take().size());
    CHECK_FALSE(ring.request_interrupt(6)); // only two are left: no later than with the last of them
    device.complete(chains[7], 1);
    device.complete(chains[6], 1);
    LONGS_EQUAL(2, device.interrupts);
    LONGS_EQUAL(2, take().size());
  }
}

TEST(PackedRingNotify, WithoutEventIdxAsksForTheNextChainWhateverTheCount) {
  start(8);
  give(4);
  const auto chains = device.take_available();
  CHECK_FALSE(ring.request_interrupt(4));
  device.complete(chains[0], 1);
  LONGS_EQUAL(1, device.interrupts);
  CHECK(ring.request_interrupt(4)); // no interrupt may come for it
  LONGS_EQUAL(1, take().size());
}

// ---- the gap -------------------------------------------------------------------------------------------------------

// proves: PACKED-35
TEST(PackedRingNotify, SeesAChainThatIsUsedRightBeforeInterruptsAreOnAgain) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    device.interrupts = 0;
    give(2);
    const auto chains = device.take_available();
    LONGS_EQUAL(0, take().size()); // the last look
    device.complete(chains[0], 1); // in the gap: no interrupt is wanted yet
    LONGS_EQUAL(0, device.interrupts);
    CHECK(ring.request_interrupt());
    LONGS_EQUAL(1, take().size());
  }
}

// proves: PACKED-35
TEST(PackedRingNotify, SeesAChainThatIsUsedInTheBarrierBetweenRequestAndLook) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    give(1);
    const auto chains = device.take_available();
    fake_bus().on_fence = [&](Fence fence) {
      if (fence == Fence::after_enabling_notifications && device.chains_in_flight() != 0) device.complete(chains[0], 1);
    };
    CHECK(ring.request_interrupt());
    fake_bus().on_fence = nullptr;
    LONGS_EQUAL(1, take().size());
  }
}

// proves: PACKED-35
TEST(PackedRingNotify, NeverWaitsForASlotThatTheDeviceHasPassedAlready) {
  // Lists of many lengths, completed in a mixed order: wherever the event slot is put, either an interrupt comes for it
  // or the look right after the request says that the device is there already.
  for (const unsigned used_before : {0U, 1U, 2U, 3U, 4U, 5U, 6U}) {
    for (std::uint16_t after = 1; after <= 8; after++) {
      start(24, true);
      cycle(17 + used_before);
      device.interrupts = 0;
      for (const std::size_t length : {5U, 1U, 1U, 7U, 1U, 3U, 2U})
        CHECK(add_chain(0, length).has_value());
      static_cast<void>(ring.publish());
      const auto chains = device.take_available();
      const unsigned order[] = {3, 0, 6, 2, 5, 1, 4};
      for (unsigned i = 0; i < used_before; i++)
        device.complete(chains[order[i]], 1);
      const bool there = ring.request_interrupt(after);
      if (there) CHECK(used_before != 0);
      for (unsigned i = used_before; i < 7; i++)
        device.complete(chains[order[i]], 1);
      LONGS_EQUAL(there ? 0 : 1, device.interrupts);
      LONGS_EQUAL(7, take().size());
    }
  }
}
