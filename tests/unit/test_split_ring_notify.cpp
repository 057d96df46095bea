// SPDX-License-Identifier: BSD-2-Clause
// Who tells whom in a split ring: notifications to the device (2.7.10), interrupts from it (2.7.7), both with and
// without EVENT_IDX, and the moments in between.
#include <string>
#include <vector>

#include "tests/support/split_ring_test.hpp"

using test::fake_bus;
using test::Fence;

TEST_GROUP_BASE(SplitRingNotify, test::SplitRingTest){
    /// Uses everything that is exposed and takes it back, without asking for notifications.
    void drain(){const auto chains = device.take_available();
device.complete_batch(chains, 1);
LONGS_EQUAL(chains.size(), take().size());
}
}
;

// ---- to the device, without EVENT_IDX
// --------------------------------------------------------------------------------

// proves: SPLIT-30
TEST(SplitRingNotify, NotifiesForEveryBatchWhileTheDeviceWantsIt) {
  start(8, false);
  for (int i = 0; i < 20; i++) {
    for (int j = 0; j < 3; j++)
      CHECK(add_one().has_value());
    LONGS_EQUAL(1, *ring.publish()); // the queue's index
    drain();
  }
  CHECK_FALSE(ring.publish().has_value()); // nothing new
}

// proves: SPLIT-29
TEST(SplitRingNotify, DoesNotNotifyWhileTheDeviceSaysNo) {
  start(8, false);
  device.want_notifications(false);
  for (int i = 0; i < 20; i++) {
    CHECK_FALSE(give(3));
    drain();
  }
  device.want_notifications(true);
  CHECK(give(1));
}

// proves: SPLIT-30
TEST(SplitRingNotify, NotifiesAfterExactlyAsManySilentChainsAsAnIndexCanCount) {
  start(8, false);
  CHECK(give(1));
  drain();
  device.want_notifications(false);
  for (unsigned i = 0; i < 65535; i++) {
    CHECK_FALSE(give(1));
    drain();
  }
  device.want_notifications(true);
  CHECK(give(1));
}

// proves: SPLIT-28
TEST(SplitRingNotify, IgnoresAvailEventWithoutEventIdx) {
  start(8, false);
  for (const std::uint16_t garbage :
       {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{0x8000}, std::uint16_t{0xffff}}) {
    device.set_avail_event(garbage);
    device.set_used_flags(0);
    CHECK(give(1));
    drain();
    device.set_used_flags(1);
    CHECK_FALSE(give(1));
    drain();
  }
}

// ---- to the device, with EVENT_IDX
// -----------------------------------------------------------------------------------

// proves: SPLIT-31
TEST(SplitRingNotify, IgnoresTheFlagWithEventIdx) {
  start(8, true);
  device.set_used_flags(1);
  device.set_avail_event(0);
  CHECK(give(1));
  drain();
  device.set_used_flags(0);
  device.set_avail_event(5);
  CHECK_FALSE(give(1));
}

// proves: SPLIT-32, SPLIT-33
TEST(SplitRingNotify, NotifiesExactlyIfTheWantedEntryIsInTheBatchAlsoAcrossTheWrap) {
  start(8, true);
  device.want_notifications(false); // the test writes avail_event by itself
  cycle(65536 - 300);
  unsigned notified = 0;
  unsigned cases = 0;
  for (unsigned batch = 1; batch <= 8; batch++) {
    for (int offset = -12; offset <= 12; offset++) {
      // One entry that is announced, so that "since the last notification" is just this batch.
      device.set_avail_event(device.last_avail());
      CHECK(give(1));
      drain();
      const std::uint16_t old_idx = device.avail_idx();
      const auto event = static_cast<std::uint16_t>(old_idx + offset);
      device.set_avail_event(event);
      const bool wanted = offset >= 0 && offset < static_cast<int>(batch);
      CHECK_EQUAL(wanted, give(batch));
      drain();
      notified += wanted;
      cases++;
    }
  }
  LONGS_EQUAL(36, notified);
  LONGS_EQUAL(200, cases);
  CHECK(device.avail_idx() < 2000); // the index wrapped on the way
}

// ---- catching up
// -----------------------------------------------------------------------------------------------------

TEST(SplitRingNotify, SendsLaterWhatATooEarlyLookMissed) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    device.want_notifications(false);
    CHECK_FALSE(give(2));
    CHECK_FALSE(ring.recheck_notification().has_value()); // still not wanted
    // The device went idle and asked for a notification; the driver's look had come before that.
    if (with_event_idx)
      device.set_avail_event(0);
    else
      device.set_used_flags(0);
    LONGS_EQUAL(1, *ring.recheck_notification());
    CHECK_FALSE(ring.recheck_notification().has_value()); // once
    drain();
  }
}

TEST(SplitRingNotify, HasNothingToCatchUpAfterANotification) {
  start(8, false);
  CHECK_FALSE(ring.recheck_notification().has_value());
  CHECK(give(1));
  CHECK_FALSE(ring.recheck_notification().has_value());
}

// ---- what a notification tells
// ---------------------------------------------------------------------------------------

// proves: VQ-05
TEST(SplitRingNotify, TellsTheQueueIndexAndNothingElseWithoutNotificationData) {
  create(8);
  restart(8, false, 3);
  cycle(300);
  CHECK(add_one().has_value());
  CHECK(ring.publish() == 3);
  CHECK(ring.force_notification() == 3);
}

// proves: VQ-06
TEST(SplitRingNotify, TellsTheAvailableIndexAboveTheQueueIndexWithNotificationData) {
  create(8);
  settings.notification_data = true;
  restart(8, false, 3);
  for (unsigned sent = 0; sent < 70000;) { // across 0x7fff, where next_wrap turns, and 0xffff
    const unsigned batch = 1 + sent % 3;
    for (unsigned i = 0; i < batch; i++)
      CHECK(add_one().has_value());
    sent += batch;
    const std::uint32_t value = *ring.publish();
    const std::uint32_t next_off = sent & 0x7fff;
    const std::uint32_t next_wrap = sent >> 15 & 1;
    LONGS_EQUAL(3 | next_off << 16 | next_wrap << 31, value);
    device.check_notification(value);
    drain();
  }
}

// proves: VQ-08
TEST(SplitRingNotify, RepeatsTheSameDataWhileNothingNewIsExposed) {
  create(8);
  settings.notification_data = true;
  restart(8, false, 1);
  cycle(0x8000 - 1);
  CHECK(add_one().has_value());
  const std::uint32_t value = *ring.publish();
  LONGS_EQUAL(0x8000'0001, value);
  CHECK(add_one().has_value()); // added, but not exposed
  LONGS_EQUAL(value, ring.force_notification());
  LONGS_EQUAL(value, ring.force_notification());
  device.want_notifications(false);
  CHECK_FALSE(ring.publish().has_value());
  device.want_notifications(true);
  LONGS_EQUAL(0x8001'0001, *ring.recheck_notification());
  LONGS_EQUAL(0x8001'0001, ring.force_notification());
}

// proves: SPLIT-32, SPLIT-33
TEST(SplitRingNotify, NotifiesOnceALapOfTheIndexIfTheDeviceNeverMovesItsEvent) {
  start(8, true);
  device.want_notifications(false); // the test writes avail_event by itself
  device.set_avail_event(100);
  for (unsigned i = 0; i < 200'000; i++) {
    CHECK_EQUAL(i % 65536 == 100, give(1));
    drain();
  }
}

// ---- a device that never asks
// ----------------------------------------------------------------------------------------

// proves: ROB-35
TEST(SplitRingNotify, LetsAWatchdogKickADeviceThatNeverAsksToBeNotified) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    device.want_notifications(false);                   // used.flags stuck at 1
    if (with_event_idx) device.set_avail_event(0x4000); // never reached
    CHECK_FALSE(ring.unannounced());
    CHECK(add_one().has_value());
    CHECK_FALSE(ring.unannounced()); // nobody can be told of what is not exposed
    CHECK_FALSE(ring.publish().has_value());
    CHECK(ring.unannounced());
    CHECK_FALSE(ring.recheck_notification().has_value());
    CHECK(ring.unannounced());
    LONGS_EQUAL(1, ring.force_notification());
    CHECK_FALSE(ring.unannounced());
    LONGS_EQUAL(1, ring.force_notification());         // as often as the watchdog likes
    device.complete_batch(device.take_available(), 1); // it worked all the time, without an interrupt
    CHECK(ring.used_pending());
    LONGS_EQUAL(1, take().size());
    CHECK_FALSE(give(1));
    CHECK(ring.unannounced());
  }
}

// proves: ROB-35
TEST(SplitRingNotify, AnnouncesItselfAsUsualAfterAForcedNotification) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    device.want_notifications(false);
    CHECK_FALSE(give(3));
    LONGS_EQUAL(1, ring.force_notification());
    drain();
    device.want_notifications(true);
    CHECK_FALSE(ring.recheck_notification().has_value());
    CHECK(give(1));
    CHECK_FALSE(ring.unannounced());
  }
}

// ---- from the device, without EVENT_IDX
// ------------------------------------------------------------------------------

// proves: SPLIT-17, SPLIT-18, SPLIT-38
TEST(SplitRingNotify, IsNotInterruptedUntilItAsksWithoutEventIdx) {
  start(8, false);
  fake_bus().on_fence = [this](Fence) { device.check(); }; // avail.flags is 0 or 1 at every step
  LONGS_EQUAL(1, device.avail_flags());
  cycle(20);
  LONGS_EQUAL(0, device.interrupts);
  CHECK_FALSE(ring.request_interrupt());
  LONGS_EQUAL(0, device.avail_flags());
  cycle(1);
  LONGS_EQUAL(1, device.interrupts);
  ring.suppress_interrupts();
  LONGS_EQUAL(1, device.avail_flags());
  cycle(20);
  LONGS_EQUAL(1, device.interrupts);
}

// ---- from the device, with EVENT_IDX
// ---------------------------------------------------------------------------------

// proves: SPLIT-19, SPLIT-20, SPLIT-38
TEST(SplitRingNotify, IsInterruptedOnceForEachRequestWithEventIdx) {
  start(8, true);
  fake_bus().on_fence = [this](Fence) { device.check(); }; // avail.flags stays 0
  cycle(20);
  LONGS_EQUAL(0, device.interrupts);
  for (unsigned i = 1; i <= 10; i++) {
    CHECK_FALSE(ring.request_interrupt());
    cycle(5); // the device interrupts for the first and no further one
    LONGS_EQUAL(i, device.interrupts);
  }
  ring.suppress_interrupts();
  LONGS_EQUAL(0, device.avail_flags());
}

// proves: SPLIT-20
TEST(SplitRingNotify, MakesProgressByInterruptsAloneThroughSeventyThousandChains) {
  start(8, true);
  unsigned done = 0;
  while (done < 70000) {
    CHECK_FALSE(ring.request_interrupt());
    const unsigned before = device.interrupts;
    give(3);
    device.complete_batch(device.take_available(), 1);
    LONGS_EQUAL(before + 1, device.interrupts);
    done += static_cast<unsigned>(take().size());
  }
}

TEST(SplitRingNotify, CanAskForAnInterruptAfterSeveralChains) {
  start(8, true);
  give(8);
  const auto chains = device.take_available();
  CHECK_FALSE(ring.request_interrupt(6));
  for (unsigned i = 0; i < 5; i++)
    device.complete(chains[i], 1);
  LONGS_EQUAL(0, device.interrupts);
  device.complete(chains[5], 1);
  LONGS_EQUAL(1, device.interrupts);
  CHECK(ring.request_interrupt(6)); // they are there already
  LONGS_EQUAL(6, take().size());
}

TEST(SplitRingNotify, IsNotInterruptedByAnOldRequestWhenTheUsedIndexComesAroundAgain) {
  start(8, true);
  CHECK_FALSE(ring.request_interrupt());
  cycle(1);
  LONGS_EQUAL(1, device.interrupts);
  cycle(65535 - 8);
  LONGS_EQUAL(1, device.interrupts);
}

// ---- the gap
// ---------------------------------------------------------------------------------------------------------

// proves: SPLIT-36
TEST(SplitRingNotify, SeesAChainThatIsUsedRightBeforeInterruptsAreOnAgain) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    give(2);
    const auto chains = device.take_available();
    LONGS_EQUAL(0, take().size()); // the last look
    device.complete(chains[0], 1); // in the gap: no interrupt is wanted yet
    LONGS_EQUAL(0, device.interrupts);
    CHECK(ring.request_interrupt());
    LONGS_EQUAL(1, take().size());
  }
}

// proves: SPLIT-36
TEST(SplitRingNotify, SeesAChainThatIsUsedInTheBarrierBetweenRequestAndLook) {
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
    device.interrupts = 0;
  }
}

// proves: SPLIT-35
TEST(SplitRingNotify, HearsADeviceThatGoesIdleInTheBarrierBeforeTheLook) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    device.want_notifications(false);
    // The device saw an empty ring and asks to be told just after the index was stored.
    fake_bus().on_fence = [&](Fence fence) {
      if (fence != Fence::before_suppression_check) return;
      if (with_event_idx)
        device.set_avail_event(0);
      else
        device.set_used_flags(0);
    };
    CHECK(give(1));
    fake_bus().on_fence = nullptr;
  }
}

// proves: SPLIT-34
TEST(SplitRingNotify, ShowsTheDeviceCompleteChainsAtEveryBarrier) {
  start(8, false);
  std::size_t seen = 0;
  fake_bus().on_fence = [&](Fence) { seen += device.take_available().size(); }; // a device that polls all the time
  for (std::size_t i = 0; i < 4; i++) {
    CHECK(add_chain(1, 1).has_value());
    static_cast<void>(ring.publish());
    LONGS_EQUAL(i + 1, seen);
  }
  fake_bus().on_fence = nullptr;
}
