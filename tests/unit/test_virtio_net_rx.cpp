// SPDX-License-Identifier: BSD-2-Clause
// Receiving (5.1.6.3, 5.1.6.4): buffers, lengths, headers, and interrupts around it.
#include <string>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using test::Bytes;
using test::fake_bus;
using test::Fence;
using test::NetHeader;
using virtio::Feature;

TEST_GROUP_BASE(VirtioNetRx, test::VirtioNetTest){void setup() override{VirtioNetTest::setup();
bring_up();
device->notifications.clear();
}
/// What arrives behind this header.
net::RxFrame arrives(const NetHeader& header) {
  CHECK(deliver(frame(60), header));
  net::RxFrame one;
  LONGS_EQUAL(1, net->receive({&one, 1}));
  CHECK(bytes_of(one) == frame(60));
  net->release({&one, 1});
  return one;
}
}
;

// proves: NET-RX-02
TEST(VirtioNetRx, OffersBuffersThatHoldAnyFrameWithItsHeader) {
  LONGS_EQUAL(8, fetch_buffers());
  for (const auto& chain : rx_chains) {
    CHECK(chain.length(true) >= 1526);
    LONGS_EQUAL(0, chain.length(false));
  }
}

// proves: NET-RX-07, NET-TX-01
TEST(VirtioNetRx, DeliversTheBytesBehindTheHeader) {
  for (const std::size_t size : {14, 60, 1514, 1518}) {
    CHECK(deliver(frame(size)));
    CHECK(received().at(0) == frame(size));
  }
  LONGS_EQUAL(4, net->stats().rx_packets);
  LONGS_EQUAL(14 + 60 + 1514 + 1518, net->stats().rx_bytes);
}

// proves: SPLIT-22, SPLIT-23
TEST(VirtioNetRx, DeliversNothingBeyondTheUsedLength) {
  fetch_buffers();
  Bytes all = raw_header({}, 12);
  const Bytes poison(1000, 0xbd);
  all.insert(all.end(), poison.begin(), poison.end());
  CHECK(deliver_raw(all, 12 + 20));
  net::RxFrame one;
  LONGS_EQUAL(1, net->receive({&one, 1}));
  LONGS_EQUAL(20, one.length());
  LONGS_EQUAL(20, one.head().size());
  net->release({&one, 1});
}

// proves: NET-RX-05
TEST(VirtioNetRx, FillsItsQueueAgainAfterEachBatchAndNotifies) {
  for (int burst = 0; burst < 50; burst++) {
    for (int i = 0; i < 8; i++)
      CHECK(deliver(frame(60)));
    CHECK_FALSE(deliver(frame(60))); // the queue is empty
    const std::size_t before = device->notifications.size();
    LONGS_EQUAL(8, received().size());
    LONGS_EQUAL(8, fetch_buffers());
    CHECK(device->notifications.size() > before);
  }
}

// proves: NET-RX-05
TEST(VirtioNetRx, NeverStarvesThroughSeventyThousandFrames) {
  Bytes in = frame(60);
  for (unsigned i = 0; i < 70000; i++) {
    in[20] = static_cast<std::uint8_t>(i);
    if (!deliver(in)) FAIL("no buffer");
    const auto got = received();
    if (got.size() != 1 || got[0] != in) FAIL("frame lost or changed");
  }
  LONGS_EQUAL(70000, net->stats().rx_packets);
}

TEST(VirtioNetRx, TakesFramesBackInAnyOrder) {
  for (int round = 0; round < 10; round++) {
    for (std::uint8_t i = 0; i < 6; i++)
      CHECK(deliver(frame(60, i)));
    net::RxFrame frames[6];
    LONGS_EQUAL(6, net->receive(frames));
    LONGS_EQUAL(2, fetch_buffers());
    for (const std::size_t i : {3U, 5U, 0U, 4U, 1U, 2U}) {
      CHECK(bytes_of(frames[i]) == frame(60, static_cast<std::uint8_t>(i))); // nobody writes to it until now
      net->release({&frames[i], 1});
    }
    LONGS_EQUAL(8, fetch_buffers());
  }
}

TEST(VirtioNetRx, HandsOutNoMoreThanAskedForAndTheRestLater) {
  for (std::uint8_t i = 0; i < 5; i++)
    CHECK(deliver(frame(60, i)));
  LONGS_EQUAL(2, received(2).size());
  CHECK(net->work_pending());
  const auto rest = received();
  LONGS_EQUAL(3, rest.size());
  CHECK(rest[0] == frame(60, 2));
}

// ---- headers
// ---------------------------------------------------------------------------------------------------------

// proves: NET-RX-08
TEST(VirtioNetRx, IgnoresUnknownFlags) {
  for (const unsigned flags : {0x04U, 0x08U, 0x80U, 0xffU})
    CHECK(arrives({.flags = static_cast<std::uint8_t>(flags)}).checksum == net::Checksum::none);
}

// proves: NET-RX-12, ROB-31
TEST(VirtioNetRx, TrustsNoChecksumWithoutGuestCsum) {
  for (const std::uint8_t flags : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}})
    CHECK(arrives({.flags = flags, .csum_start = 34, .csum_offset = 16}).checksum == net::Checksum::none);
}

// proves: NET-RX-09
TEST(VirtioNetRx, PassesNoChecksumPositionOnWithoutAPartialChecksum) {
  const net::RxFrame one = arrives({.flags = 0, .csum_start = 0xffff, .csum_offset = 0xffff});
  LONGS_EQUAL(0, one.csum_start);
  LONGS_EQUAL(0, one.csum_offset);
}

// proves: NET-RX-10, NET-RX-11, ROB-30
TEST(VirtioNetRx, DoesNotDependOnTheHeaderLengthHint) {
  for (const unsigned hdr_len : {0U, 1U, 14U, 0xffffU})
    static_cast<void>(arrives({.hdr_len = static_cast<std::uint16_t>(hdr_len), .gso_size = 0}));
}

// proves: ROB-27
TEST(VirtioNetRx, IgnoresNumBuffersWithoutMergeableBuffers) {
  for (const unsigned count : {0U, 2U, 0xffffU})
    static_cast<void>(arrives({.num_buffers = static_cast<std::uint16_t>(count)}));
}

// proves: ROB-28, NET-RX-17, NET-RX-19
TEST(VirtioNetRx, DropsAndCountsSegmentedFramesThatWereNotNegotiated) {
  unsigned dropped = 0;
  for (const unsigned type : {1U, 2U, 3U, 4U, 5U, 0x80U, 0x20U, 0x21U, 0x41U, 0x61U, 0xffU}) {
    CHECK(deliver(frame(60), {.gso_type = static_cast<std::uint8_t>(type), .gso_size = 0}));
    LONGS_EQUAL(0, received().size());
    LONGS_EQUAL(++dropped, net->stats().rx_gso_invalid);
  }
  LONGS_EQUAL(dropped, net->stats().rx_errors);
  LONGS_EQUAL(8, fetch_buffers()); // recycled
  check_traffic();
}

// proves: ROB-09
TEST(VirtioNetRx, ReadsNoByteOfTheHeaderTwice) {
  for (const std::size_t size : {60, 13}) { // the second one is no frame
    CHECK(deliver(frame(size)));
    fake_bus().log.clear();
    fake_bus().log_enabled = fake_bus().log_shared = true;
    const auto areas = rings[0].areas();
    LONGS_EQUAL(size == 60, received().size());
    fake_bus().log_enabled = fake_bus().log_shared = false;
    std::vector<std::uintptr_t> seen;
    const auto ring_start = reinterpret_cast<std::uintptr_t>(memory.at(areas.descriptors, 1));
    const std::uintptr_t ring_end = reinterpret_cast<std::uintptr_t>(memory.at(areas.used, 1)) + 70;
    for (const test::Event& event : fake_bus().log) {
      if (event.kind != test::Event::Kind::shared_load) continue;
      if (event.address >= ring_start && event.address < ring_end) continue;
      CHECK(std::ranges::find(seen, event.address) == seen.end());
      seen.push_back(event.address);
    }
    LONGS_EQUAL(2, seen.size()); // flags and gso_type, both 0; and num_buffers, whatever it is: nothing else counts
  }
}

// proves: ROB-32
TEST(VirtioNetRx, DropsAndCountsFramesThatAreNoEthernetFrames) {
  for (const std::size_t size : {0, 1, 13})
    CHECK(deliver(frame(size)));
  LONGS_EQUAL(0, received().size());
  LONGS_EQUAL(3, net->stats().rx_frame_short);
  LONGS_EQUAL(3, net->stats().rx_errors);
  LONGS_EQUAL(0, net->stats().device_resets);
  LONGS_EQUAL(8, fetch_buffers());
  check_traffic();
}

// ---- interrupts
// ------------------------------------------------------------------------------------------------------

// proves: MMIO-25, MMIO-27
TEST(VirtioNetRx, TakesOneInterruptForWorkOnBothQueues) {
  LONGS_EQUAL(1, send(frame(60)));
  CHECK_FALSE(net->prepare_idle(true));
  CHECK(deliver(frame(60)));
  LONGS_EQUAL(1, transmitted().size());
  LONGS_EQUAL(1, take_interrupts()); // one for both, and the line is down
  CHECK(net->work_pending());
  LONGS_EQUAL(1, received().size());
  LONGS_EQUAL(1, reclaimed().size());
  LONGS_EQUAL(1, net->stats().interrupts);
}

// proves: MMIO-27
TEST(VirtioNetRx, LosesNoFrameThatArrivesWhileTheInterruptIsAcknowledged) {
  CHECK_FALSE(net->prepare_idle(false));
  bool once = true;
  device->on_interrupt_ack = [&] {
    if (std::exchange(once, false)) CHECK(deliver(frame(60, 2)));
  };
  CHECK(deliver(frame(60, 1)));
  take_interrupts();
  LONGS_EQUAL(2, received().size());
}

// proves: SPLIT-38, SPLIT-18
TEST(VirtioNetRx, IsNotInterruptedWhileItPolls) {
  for (int i = 0; i < 100; i++) {
    CHECK(deliver(frame(60)));
    LONGS_EQUAL(1, received().size());
  }
  LONGS_EQUAL(0, rings[0].interrupts());
  CHECK_FALSE(device->line_raised());
}

// proves: SPLIT-38, SPLIT-18
TEST(VirtioNetRx, IsInterruptedOnceAndThenLeftAloneUntilItIdlesAgain) {
  for (unsigned round = 1; round <= 5; round++) {
    LONGS_EQUAL(1, send(frame(60)));
    CHECK_FALSE(net->prepare_idle(true));
    CHECK(deliver(frame(60)));
    LONGS_EQUAL(1, take_interrupts());
    LONGS_EQUAL(round, rings[0].interrupts());
    for (int i = 0; i < 6; i++)
      CHECK(deliver(frame(60)));
    LONGS_EQUAL(1, transmitted().size());
    LONGS_EQUAL(round, rings[0].interrupts());
    LONGS_EQUAL(0, rings[1].interrupts());
    LONGS_EQUAL(7, received().size());
    LONGS_EQUAL(1, reclaimed().size());
  }
}

// proves: SPLIT-36
TEST(VirtioNetRx, DoesNotIdleOverAFrameThatArrivesInTheGap) {
  for (const bool with_event_idx : {false, true}) {
    if (with_event_idx) offer(Feature::event_idx);
    CHECK(net->reset().has_value());
    fetch_buffers();
    bool once = true;
    fake_bus().on_fence = [&](Fence fence) {
      if (fence == Fence::after_enabling_notifications && std::exchange(once, false)) CHECK(deliver(frame(60)));
    };
    CHECK(net->prepare_idle(false));
    fake_bus().on_fence = nullptr;
    LONGS_EQUAL(1, received().size());
    CHECK_FALSE(net->prepare_idle(false));
    take_interrupts();
  }
}

TEST(VirtioNetRx, GetsFramesByPollingThoughNoInterruptEverComes) {
  irq.detach(8, nullptr);
  for (int i = 0; i < 30; i++) {
    CHECK_FALSE(net->prepare_idle(true));
    CHECK(deliver(frame(60)));
    CHECK(net->work_pending());
    LONGS_EQUAL(1, received().size());
  }
}

TEST(VirtioNetRx, SendsALostNotificationBeforeIdling) {
  for (const bool with_event_idx : {false, true}) {
    if (with_event_idx) offer(Feature::event_idx);
    CHECK(net->reset().has_value());
    rings[1].want_notifications(false);
    device->notifications.clear();
    LONGS_EQUAL(1, send(frame(60)));
    CHECK(device->notifications.empty());
    const std::uint64_t before = net->stats().rekicks;
    // The device's wish was on its way while the driver looked.
    if (with_event_idx)
      rings[1].split.set_avail_event(0);
    else
      rings[1].split.set_used_flags(0);
    CHECK_FALSE(net->prepare_idle(true));
    CHECK(device->notifications == std::vector<std::uint32_t>({1}));
    LONGS_EQUAL(before + 1, net->stats().rekicks);
    LONGS_EQUAL(1, transmitted().size());
    LONGS_EQUAL(1, reclaimed().size());
    take_interrupts();
  }
}

TEST(VirtioNetRx, WakesUpForACompletionIfTheDeviceHasNoReceiveBufferLeft) {
  net::RxFrame frames[8];
  LONGS_EQUAL(1, send(frame(60)));
  for (unsigned i = 0; i < 8; i++)
    CHECK(deliver(frame(60)));
  LONGS_EQUAL(8, net->receive(frames));
  net->release({frames, 1});
  CHECK_FALSE(net->prepare_idle(false)); // a frame may come
  LONGS_EQUAL(1, transmitted().size());
  LONGS_EQUAL(0, rings[1].interrupts());
  LONGS_EQUAL(1, reclaimed().size());
  CHECK(deliver(frame(60)));
  LONGS_EQUAL(1, net->receive({frames, 1}));
  LONGS_EQUAL(1, send(frame(60)));
  CHECK_FALSE(net->prepare_idle(false));
  LONGS_EQUAL(1, transmitted().size());
  LONGS_EQUAL(1, rings[1].interrupts());
  take_interrupts();
  LONGS_EQUAL(1, reclaimed().size());
  net->release(frames);
  check_all_buffers_are_there();
}

// proves: ROB-33
TEST(VirtioNetRx, CountsAnInterruptWithoutACauseAndDoesNothing) {
  irq.handle_external_interrupt();
  LONGS_EQUAL(1, net->stats().spurious_interrupts);
  device->script.undefined_interrupt_bits = 0xf0;
  irq.handle_external_interrupt();
  LONGS_EQUAL(2, net->stats().spurious_interrupts);
  CHECK(device->interrupt_acks.empty());
  device->script.undefined_interrupt_bits = 0;
  check_traffic();
}
