// SPDX-License-Identifier: BSD-2-Clause
// Frames in several receive buffers (MRG_RXBUF, 5.1.6.4). Every buffer comes back, whatever the device says about how
// many there are.
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using test::Bytes;
using test::fake_bus;
using test::fake_clock;
using test::NetHeader;
using virtio::Feature;

namespace {

class MergeableTest : public test::VirtioNetTest {
 protected:
  void setup() override {
    VirtioNetTest::setup();
    queue_size = 64;
  }
  /// With the feature, over each kind of ring.
  template <class Test> void over_mergeable(Test&& test) {
    over_all_rings([&] {
      offer_merging();
      bring_up();
      CHECK(device->accepted().has(Feature::net_mrg_rxbuf));
      test();
    });
  }
  /// In `count` buffers of 1000 bytes, the last but 12 of them less.
  std::vector<Bytes> parts_of(const Bytes& all, std::size_t count) const {
    return cut(all, {}, std::vector<std::size_t>(count - 1, 1000));
  }
  /// The device says that so many buffers follow one another, and uses the first.
  void start_frame(unsigned buffers) {
    const NetHeader header{.num_buffers = static_cast<std::uint16_t>(buffers)};
    CHECK(deliver(frame(1000), header));
  }
  /// One frame over two buffers, and what comes of it.
  void check_merged_traffic() {
    const Bytes in = frame(3000, static_cast<std::uint8_t>(traffic_seed += 5));
    deliver_merged(in);
    const auto got = received();
    LONGS_EQUAL(1, got.size());
    CHECK(got[0] == in);
  }
  void check_recovered(unsigned resets) {
    settle();
    LONGS_EQUAL(resets, net->stats().device_resets);
    CHECK(events.back() == net::NetEvent::recovered);
    events.clear();
    check_all_buffers_are_there();
    check_merged_traffic();
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetMergeable, MergeableTest) {};
// clang-format on

// ---- frames in several buffers

// proves: NET-RX-06, NET-RX-07
TEST(VirtioNetMergeable, DeliversAFrameOverAnyNumberOfBuffersWhereItLies) {
  over_mergeable([this] {
    for (const std::size_t count : {1U, 2U, 5U, 33U, 40U, 41U}) {
      const Bytes in = frame(count * 1000, static_cast<std::uint8_t>(count));
      fetch_buffers();
      std::vector<std::uint64_t> places;
      for (std::size_t i = 0; i < count; i++)
        places.push_back(rx_chains.at(i).pieces.at(0).bus + (i == 0 ? 12 : 0));
      deliver_parts(parts_of(in, count));
      net::RxFrame one;
      LONGS_EQUAL(1, net->receive({&one, 1}));
      CHECK(bytes_of(one) == in);
      LONGS_EQUAL(in.size(), one.length());
      LONGS_EQUAL(count - 1, one.more().size());
      for (std::size_t i = 0; i < count; i++) { // nothing was copied
        const net::Segment& segment = i == 0 ? one.first : one.more()[i - 1];
        UNSIGNED_LONGLONGS_EQUAL(places[i], raw(segment.bus));
        POINTERS_EQUAL(memory.at(places[i], segment.length), segment.data);
      }
      LONGS_EQUAL(64 - count, fetch_buffers());
      net->release({&one, 1});
      LONGS_EQUAL(64, fetch_buffers());
    }
    LONGS_EQUAL(6, net->stats().rx_packets);
    LONGS_EQUAL((1 + 2 + 5 + 33 + 40 + 41) * 1000, net->stats().rx_bytes);
    check_all_buffers_are_there();
  });
}

// proves: NET-RX-07, NET-RX-22
TEST(VirtioNetMergeable, DeliversFramesOfEverySizeUpToTheLargest) {
  over_mergeable([this] {
    for (const std::size_t size : {14U, 60U, 1514U, 2036U, 2037U, 4084U, 4085U, 9000U, 65549U, 65550U}) {
      const Bytes in = frame(size, static_cast<std::uint8_t>(size));
      deliver_merged(in);
      const auto got = received();
      LONGS_EQUAL(1, got.size());
      CHECK(got[0] == in);
    }
    LONGS_EQUAL(0, net->stats().rx_errors);
  });
}

// proves: NET-RX-06
TEST(VirtioNetMergeable, DeliversAFrameThatTakesEveryBufferThereIs) {
  for (const std::uint16_t size : {std::uint16_t{2}, std::uint16_t{8}, std::uint16_t{32}}) {
    queue_size = size;
    over_mergeable([this, size] {
      for (unsigned round = 0; round < 3; round++) {
        const Bytes in = frame(size * 1000U, static_cast<std::uint8_t>(round));
        deliver_parts(parts_of(in, size)); // nothing is in flight when the driver looks
        CHECK(received() == std::vector<Bytes>({in}));
      }
      LONGS_EQUAL(size, fetch_buffers());
    });
  }
}

// proves: NET-RX-06
TEST(VirtioNetMergeable, PutsAFrameTogetherThatComesInManySmallSteps) {
  over_mergeable([this] {
    for (unsigned round = 0; round < 20; round++) {
      const Bytes in = frame(7000, static_cast<std::uint8_t>(round));
      const auto parts = parts_of(in, 7);
      for (std::size_t i = 0; i < parts.size(); i++) {
        LONGS_EQUAL(0, received().size());
        CHECK_FALSE(net->work_pending());
        CHECK(deliver_raw(parts[i]));
      }
      const auto got = received();
      LONGS_EQUAL(1, got.size());
      CHECK(got[0] == in);
    }
    check_all_buffers_are_there();
  });
}

// proves: NET-RX-06
TEST(VirtioNetMergeable, KeepsFramesApartThoughBatchesEndInTheMiddleOfThem) {
  over_mergeable([this] {
    // 60 buffers a round: more than a batch of 32, whose end falls into a frame; and the reader wants few at a time.
    for (const std::size_t most : {1U, 2U, 3U, 64U}) {
      std::vector<Bytes> expected;
      for (std::uint8_t i = 0; i < 20; i++) {
        expected.push_back(frame(i % 3 == 0 ? 900 : 2500, i));
        deliver_parts(parts_of(expected.back(), i % 3 == 0 ? 1 : 3));
      }
      std::vector<Bytes> got;
      for (auto some = received(most); !some.empty(); some = received(most))
        got.insert(got.end(), some.begin(), some.end());
      CHECK(got == expected);
    }
    check_all_buffers_are_there();
  });
}

// proves: NET-RX-06
TEST(VirtioNetMergeable, TakesNothingInALaterBufferForAHeader) {
  over_mergeable([this] {
    Bytes in = frame(5000);
    std::fill(in.begin() + 1000 - 12, in.end(), std::uint8_t{0xff}); // would be an impossible header
    deliver_parts(parts_of(in, 6));
    CHECK(received().at(0) == in);
    LONGS_EQUAL(0, net->stats().rx_errors);
  });
}

TEST(VirtioNetMergeable, TakesAFirstBufferWithTheHeaderAloneAndLastOnesOfOneByte) {
  over_mergeable([this] {
    const Bytes in = frame(100);
    deliver_parts(cut(in, {}, {12, 98, 1}));
    CHECK(received().at(0) == in);
    check_all_buffers_are_there();
  });
}

TEST(VirtioNetMergeable, TakesMergedFramesBackInAnyOrder) {
  over_mergeable([this] {
    for (std::uint8_t i = 0; i < 6; i++)
      deliver_parts(parts_of(frame(3000, i), 3));
    net::RxFrame frames[6];
    LONGS_EQUAL(6, net->receive(frames));
    LONGS_EQUAL(64 - 18, fetch_buffers());
    unsigned back = 0;
    for (const std::size_t i : {3U, 5U, 0U, 4U, 1U, 2U}) {
      CHECK(bytes_of(frames[i]) == frame(3000, static_cast<std::uint8_t>(i))); // nobody writes to it until now
      net->release({&frames[i], 1});
      LONGS_EQUAL(64 - 18 + 3 * ++back, fetch_buffers());
    }
    check_all_buffers_are_there();
  });
}

// ---- frames that cannot be delivered

// proves: ROB-26
TEST(VirtioNetMergeable, DropsAFrameOfNoBuffersAndStaysInStep) {
  over_mergeable([this] {
    for (unsigned i = 1; i <= 100; i++) { // more than there are buffers
      start_frame(0);
      CHECK(deliver(frame(60)));
      CHECK(received() == std::vector<Bytes>({frame(60)}));
      LONGS_EQUAL(i, net->stats().rx_num_buffers_invalid);
    }
    LONGS_EQUAL(100, net->stats().rx_errors);
    LONGS_EQUAL(0, net->stats().device_resets);
    check_all_buffers_are_there();
  });
}

// proves: ROB-26
TEST(VirtioNetMergeable, ResetsADeviceThatClaimsMoreBuffersThanItHas) {
  over_mergeable([this] {
    unsigned resets = 0;
    for (const unsigned buffers : {65U, 66U, 0x8000U, 0xffffU}) {
      start_frame(buffers);
      CHECK(deliver(frame(60)));
      LONGS_EQUAL(0, received().size());
      LONGS_EQUAL(++resets, net->stats().rx_num_buffers_invalid);
      check_recovered(resets);
      fake_clock().advance_us(2'000'000);
    }
    // What the consumer holds is not the device's either.
    CHECK(deliver(frame(60)));
    net::RxFrame held;
    LONGS_EQUAL(1, net->receive({&held, 1}));
    start_frame(64);
    LONGS_EQUAL(0, received().size());
    LONGS_EQUAL(resets + 1, net->stats().rx_num_buffers_invalid);
    net->release({&held, 1});
    check_recovered(resets + 1);
  });
}

// proves: ROB-26
TEST(VirtioNetMergeable, WaitsForAsManyBuffersAsTheDeviceMayHave) {
  over_mergeable([this] {
    start_frame(64);
    LONGS_EQUAL(0, received().size());
    for (int i = 0; i < 62; i++)
      CHECK(deliver_raw(Bytes(1, 0x11)));
    LONGS_EQUAL(0, received().size());
    CHECK(deliver_raw(Bytes(1, 0x11)));
    LONGS_EQUAL(0, received().size()); // more buffers than the largest frame takes
    LONGS_EQUAL(1, net->stats().rx_frame_long);
    LONGS_EQUAL(1, net->stats().rx_errors);
    LONGS_EQUAL(0, net->stats().device_resets);
    check_all_buffers_are_there();
    check_merged_traffic();
  });
}

// proves: ROB-26
TEST(VirtioNetMergeable, DeliversNoPartOfAFrameWhoseRestNeverComes) {
  over_mergeable([this] {
    unsigned resets = 0;
    for (const std::size_t came : {1U, 2U, 4U}) {
      auto parts = parts_of(frame(5000), 5);
      parts.resize(came);
      deliver_parts(parts);
      const std::uint64_t since = fake_clock().ticks;
      while (net->stats().rx_incomplete == resets && fake_clock().ticks < since + bsp::clock::us_to_ticks(9'000'000)) {
        LONGS_EQUAL(0, received().size());
        fake_clock().advance_us(50'000);
        net->service();
      }
      LONGS_EQUAL(++resets, net->stats().rx_incomplete);
      LONGS_EQUAL(resets, net->stats().rx_errors);
      check_recovered(resets);
    }
  });
}

// proves: ROB-26
TEST(VirtioNetMergeable, LooksAtNoRingInTheInterruptPathWhileAFrameIsNotWhole) {
  over_mergeable([this] {
    const auto parts = parts_of(frame(3000), 3);
    CHECK(deliver_raw(parts[0]));
    LONGS_EQUAL(0, received().size());
    CHECK_FALSE(net->prepare_idle(false));
    CHECK(deliver_raw(parts[1]));
    unsigned looks = 0;
    fake_bus().on_shared_load = [&](const void*, std::size_t) { looks++; };
    const std::uint64_t before = fake_clock().ticks;
    LONGS_EQUAL(1, take_interrupts());
    fake_bus().on_shared_load = nullptr;
    LONGS_EQUAL(0, looks);
    CHECK(fake_clock().ticks == before); // nor at the clock: it waits for nothing
    CHECK(deliver_raw(parts[2]));
    CHECK(received().at(0) == frame(3000));
  });
}

// proves: ROB-26, ROB-09
TEST(VirtioNetMergeable, ReadsTheNumberOfBuffersOnce) {
  over_mergeable([this] {
    for (const std::uint8_t later : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{0xff}}) {
      fetch_buffers();
      const std::byte* const number = memory.at(rx_chains.at(0).pieces.at(0).bus + 10, 2);
      deliver_parts(parts_of(frame(3000, later), 3));
      unsigned looks = 0;
      fake_bus().on_shared_load = [&](const void* address, std::size_t width) {
        const auto* const at = static_cast<const std::byte*>(address);
        if (at <= number + 1 && number < at + width)
          looks++;
        else if (looks != 0)
          std::memset(const_cast<std::byte*>(number), later, 2); // as soon as it was read
      };
      const auto got = received();
      fake_bus().on_shared_load = nullptr;
      LONGS_EQUAL(1, looks);
      LONGS_EQUAL(1, got.size());
      CHECK(got[0] == frame(3000, later));
    }
    check_all_buffers_are_there();
  });
}

// proves: ROB-32
TEST(VirtioNetMergeable, DropsFramesTooShortOrTooLongWithAllTheirBuffers) {
  over_mergeable([this] {
    for (unsigned i = 1; i <= 70; i++) { // more than there are segment blocks
      deliver_parts(cut(frame(13), {}, {20}));
      LONGS_EQUAL(0, received().size());
      LONGS_EQUAL(i, net->stats().rx_frame_short);
      deliver_merged(frame(65'554)); // a jumbo of 65,535 with a tag is 65,553 bytes
      LONGS_EQUAL(0, received().size());
      LONGS_EQUAL(i, net->stats().rx_frame_long);
    }
    LONGS_EQUAL(140, net->stats().rx_errors);
    LONGS_EQUAL(0, net->stats().device_resets);
    check_all_buffers_are_there();
    check_merged_traffic();
  });
}

// proves: ROB-28
TEST(VirtioNetMergeable, PassesOverEveryBufferOfAFrameWithABadHeader) {
  over_mergeable([this] {
    for (unsigned i = 1; i <= 70; i++) {
      deliver_merged(frame(9000), {.gso_type = 0x3f});
      const Bytes good = frame(3000, static_cast<std::uint8_t>(i));
      deliver_merged(good);
      CHECK(received() == std::vector<Bytes>({good}));
      LONGS_EQUAL(i, net->stats().rx_gso_invalid);
    }
    LONGS_EQUAL(70, net->stats().rx_errors);
    check_all_buffers_are_there();
  });
}

// proves: ROB-04, ROB-05
TEST(VirtioNetMergeable, DropsAFrameWithAnImpossibleLengthInALaterBuffer) {
  over_mergeable([this] {
    for (const std::uint32_t length : {0U, 2049U, 0xffff'ffffU}) {
      const net::NetStats before = net->stats();
      const auto parts = parts_of(frame(3000), 3);
      deliver_parts({parts[0], parts[1]});
      CHECK(deliver_raw({}, length));
      LONGS_EQUAL(0, received().size());
      LONGS_EQUAL(before.rx_length_under_header + (length == 0 ? 1 : 0), net->stats().rx_length_under_header);
      LONGS_EQUAL(before.rx_length_over_buffer + (length == 0 ? 0 : 1), net->stats().rx_length_over_buffer);
      check_recovered(static_cast<unsigned>(before.device_resets) + 1);
      fake_clock().advance_us(2'000'000);
    }
  });
}

// ---- who holds what

TEST(VirtioNetMergeable, LeavesFramesWithTheDeviceWhileTheReaderHoldsAllItCanHave) {
  queue_size = 128;
  over_mergeable([this] {
    std::vector<net::RxFrame> held;
    unsigned sent = 0;
    for (; sent < 40; sent++)
      deliver_parts(parts_of(frame(2000, static_cast<std::uint8_t>(sent)), 2));
    held.resize(40);
    held.resize(net->receive(held));
    CHECK(held.size() >= 16 && held.size() < 40);
    net::RxFrame one;
    LONGS_EQUAL(0, net->receive({&one, 1}));
    CHECK_FALSE(net->work_pending()); // the hart may sleep until release()
    CHECK_FALSE(net->prepare_idle(false));
    for (std::size_t i = 0; i < held.size(); i++)
      CHECK(bytes_of(held[i]) == frame(2000, static_cast<std::uint8_t>(i)));
    const std::size_t kept = held.size();
    net->release({&held[3], 1});
    CHECK(net->work_pending());
    LONGS_EQUAL(1, net->receive({&one, 1}));
    CHECK(bytes_of(one) == frame(2000, static_cast<std::uint8_t>(kept)));
    net->release({&one, 1});
    held.erase(held.begin() + 3);
    net->release(held);
    const auto rest = received();
    LONGS_EQUAL(40 - kept - 1, rest.size());
    CHECK(rest.back() == frame(2000, 39));
    LONGS_EQUAL(0, net->stats().rx_dropped);
    LONGS_EQUAL(0, net->stats().rx_errors);
    LONGS_EQUAL(128, fetch_buffers());
  });
}

TEST(VirtioNetMergeable, IsResetWhileTheReaderHoldsAllItCanHaveAndMoreFramesWait) {
  queue_size = 128;
  over_mergeable([this] {
    for (unsigned i = 0; i < 40; i++)
      deliver_parts(parts_of(frame(2000, static_cast<std::uint8_t>(i)), 2));
    std::vector<net::RxFrame> held(40);
    held.resize(net->receive(held));
    const std::size_t waiting = 40 - held.size();
    CHECK(waiting != 0);
    CHECK(net->reset().has_value());
    LONGS_EQUAL(waiting, net->stats().rx_dropped);
    LONGS_EQUAL(held.size(), net->stats().rx_packets);
    for (std::size_t i = 0; i < held.size(); i++)
      CHECK(bytes_of(held[i]) == frame(2000, static_cast<std::uint8_t>(i)));
    LONGS_EQUAL(128 - 2 * held.size(), fetch_buffers());
    net->release(held);
    LONGS_EQUAL(128, fetch_buffers());
    check_merged_traffic();
  });
}

TEST(VirtioNetMergeable, LosesNoBufferByResetsInTheMiddleOfFrames) {
  over_mergeable([this] {
    for (unsigned i = 0; i < 70; i++) { // more than there are segment blocks
      deliver_parts(parts_of(frame(2000), 2));
      auto parts = parts_of(frame(4000), 4);
      parts.pop_back();
      deliver_parts(parts);
      if (i % 2 == 0) LONGS_EQUAL(1, received().size());
      CHECK(net->reset().has_value());
      LONGS_EQUAL(64, fetch_buffers());
    }
    LONGS_EQUAL(35, net->stats().rx_packets);
    LONGS_EQUAL(35, net->stats().rx_dropped); // none was half a frame
    check_all_buffers_are_there();
    check_merged_traffic();
  });
}
