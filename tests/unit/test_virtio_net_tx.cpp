// SPDX-License-Identifier: BSD-2-Clause
// Transmission (5.1.6.2): headers, sizes, segments, back-pressure, reclaiming.
#include <string>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using bsp::Error;
using test::Bytes;
using test::fake_bus;

namespace {

class TxTest : public test::VirtioNetTest {
 protected:
  void setup() override {
    VirtioNetTest::setup();
    bring_up();
    device->notifications.clear();
  }
  Error refusal(const Bytes& frame, std::size_t piece = 0) {
    std::vector<net::Segment> segments;
    const auto result = net->check_request(make_request(segments, frame, piece));
    CHECK_FALSE(result.has_value());
    return result.error();
  }
  Bytes with_header(const Bytes& frame) const {
    Bytes all(header_size());
    all.insert(all.end(), frame.begin(), frame.end());
    return all;
  }
  /// Sent to the byte, and given back.
  void check_sent(const Bytes& frame, std::uint16_t headroom) {
    LONGS_EQUAL(1, send(frame, 0, headroom));
    const auto out = transmitted();
    LONGS_EQUAL(1, out.size());
    CHECK(out[0] == with_header(frame));
    LONGS_EQUAL(1, reclaimed().size());
  }
  /// Refused, and counted.
  void check_refused(const Bytes& frame, std::uint16_t headroom) {
    const std::uint64_t errors = net->stats().tx_errors;
    LONGS_EQUAL(0, send(frame, 0, headroom));
    LONGS_EQUAL(errors + 1, net->stats().tx_errors);
    LONGS_EQUAL(0, transmitted().size());
  }
};

/// None, just enough for the header, and more than that: the ways to send differ.
constexpr std::uint16_t headrooms[] = {0, 12, 32};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetTx, TxTest) {};
// clang-format on

// proves: NET-TX-01, NET-TX-04, NET-TX-05, NET-TX-11, NET-TX-23, NET-TX-25, NET-TX-27, NET-TX-29, NET-TX-33
TEST(VirtioNetTx, PutsTwelveZeroBytesBeforeEveryFrameWhateverTheMemoryHeld) {
  for (const std::uint16_t headroom : {0, 10, 12, 32}) { // the headroom is poisoned with 0xee
    const Bytes out = frame(60, static_cast<std::uint8_t>(headroom));
    LONGS_EQUAL(1, send(out, 0, headroom));
    CHECK(transmitted().at(0) == with_header(out));
    LONGS_EQUAL(1, reclaimed().size());
  }
}

TEST(VirtioNetTx, LeavesMemoryBeforeAFrameWithoutHeadroomAlone) {
  LONGS_EQUAL(1, send(frame(60), 0, 0));
  for (std::size_t i = 0; i < 64; i++)
    LONGS_EQUAL(0xee, std::to_integer<int>(user.data()[i]));
  LONGS_EQUAL(1, send(frame(60), 0, 12));
  for (std::size_t i = 0; i < 64 - 12; i++)
    LONGS_EQUAL(0xee, std::to_integer<int>(user.data()[i]));
}

// proves: SPLIT-05, SPLIT-06
TEST(VirtioNetTx, SendsAFrameInPiecesAsOneChainOfReadableDescriptors) {
  const Bytes out = frame(100);
  for (const std::uint16_t headroom : {0, 12}) {
    LONGS_EQUAL(1, send(out, 25, headroom));
    const auto chains = rings[1].take_available();
    LONGS_EQUAL(1, chains.size());
    CHECK(rings[1].read(chains[0]) == with_header(out));
    LONGS_EQUAL(headroom == 0 ? 5 : 4, chains[0].pieces.size());
    LONGS_EQUAL(0, chains[0].length(true));
    rings[1].complete(chains[0], 0);
    LONGS_EQUAL(1, reclaimed().size());
  }
}

// proves: NET-CFG-22, NET-CFG-21
TEST(VirtioNetTx, TakesFramesUpToTheMtuAndTheLinkHeader) {
  CHECK(refusal(frame(1515)) == Error::frame_too_long);
  CHECK(refusal(frame(13)) == Error::frame_too_short);
  for (const std::uint16_t headroom : headrooms) {
    for (const std::size_t size : {14, 15, 60, 61, 1513, 1514})
      check_sent(frame(size), headroom);
    check_refused(frame(1515), headroom);
    check_refused(frame(13), headroom);
  }
}

// proves: NET-CFG-22
TEST(VirtioNetTx, FollowsTheMtuOfTheDeviceAndOneThatWasLowered) {
  device->set_config16(10, 1400);
  CHECK(net->reset().has_value());
  for (const std::uint16_t headroom : headrooms) {
    for (const std::uint16_t mtu : {1400, 1000, 1400}) {
      CHECK(net->set_mtu(mtu).has_value());
      check_sent(frame(mtu + 14U), headroom);
      check_refused(frame(mtu + 15U), headroom);
      check_refused(frame(13), headroom);
    }
  }
}

TEST(VirtioNetTx, AllowsFourBytesMoreForATaggedFrame) {
  for (const std::uint16_t headroom : headrooms) {
    Bytes tagged = frame(1518);
    tagged[12] = 0x81, tagged[13] = 0x00;
    check_sent(tagged, headroom);
    tagged[12] = 0x88, tagged[13] = 0xa8;
    check_sent(tagged, headroom);
    check_refused(frame(1518), headroom);
    tagged.push_back(0);
    check_refused(tagged, headroom);
    check_refused(frame(13), headroom);
  }
}

TEST(VirtioNetTx, KeepsTheOrderOfABatchWhateverItsHeaders) {
  over_modern_rings([this] {
    bring_up();
    for (unsigned round = 0; round < 20; round++) { // five chains of seven descriptors in rings of eight
      std::vector<std::vector<net::Segment>> segments(5);
      std::vector<net::TxRequest> requests;
      const auto add = [&](std::size_t piece, std::uint16_t headroom) {
        const auto slot = static_cast<unsigned>(requests.size());
        const Bytes out = frame(60, static_cast<std::uint8_t>(5 * round + slot));
        requests.push_back(make_request(segments[slot], out, piece, headroom, slot));
      };
      add(0, 12);
      add(0, 0);
      add(30, 12);
      add(0, 12);
      net::Segment& odd = segments[3][0]; // its header would lie 2 bytes off a multiple of 4
      std::memmove(odd.data + 2, odd.data, odd.length);
      odd.data += 2;
      odd.bus = bsp::BusAddress{raw(odd.bus) + 2};
      add(0, 12);
      device->notifications.clear();
      LONGS_EQUAL(5, net->send(requests));
      CHECK(device->notifications == std::vector<std::uint32_t>({1}));
      const auto out = transmitted();
      LONGS_EQUAL(5, out.size());
      const auto done = reclaimed();
      LONGS_EQUAL(5, done.size());
      for (unsigned i = 0; i < 5; i++) {
        CHECK(out[i] == with_header(frame(60, static_cast<std::uint8_t>(5 * round + i))));
        CHECK(done[i].cookie == net::Cookie{0x1000 + i} && done[i].sent);
      }
    }
  });
}

// proves: SPLIT-07
TEST(VirtioNetTx, RefusesSegmentsThatAddUpToMoreThanAFrameWithoutOverflow) {
  const net::Segment segments[] = {{user.data(), user.bus(), 0xffff'ffff}, {user.data(), user.bus(), 0x100}};
  net::TxRequest request;
  request.segments = segments;
  CHECK(net->check_request(request).error() == Error::frame_too_long);
  LONGS_EQUAL(0, net->send({&request, 1}));
}

TEST(VirtioNetTx, RefusesChainsThatAreEmptyTooLongOrHaveEmptySegments) {
  CHECK(refusal({}) == Error::chain_empty);
  CHECK(refusal(frame(1020), 60) == Error::chain_too_long); // 17 segments
  CHECK(refusal(frame(160), 20) == Error::chain_too_long);  // 8 and a header in a queue of 8
  const net::Segment segments[] = {{user.data(), user.bus(), 60}, {user.data(), user.bus(), 0}};
  net::TxRequest request;
  request.segments = segments;
  CHECK(net->check_request(request).error() == Error::chain_empty);
}

TEST(VirtioNetTx, MeasuresAChainByTheQueueThatTheDeviceGave) {
  net.reset();
  device->queues[1].size_max = 4;
  bring_up();
  CHECK(refusal(frame(80), 20) == Error::chain_too_long); // 4 and a header
  LONGS_EQUAL(1, send(frame(60), 20));
}

// proves: SPLIT-37
TEST(VirtioNetTx, SendsABatchWithOneNotification) {
  std::vector<std::vector<net::Segment>> segments(4);
  std::vector<net::TxRequest> requests;
  for (unsigned i = 0; i < 4; i++)
    requests.push_back(make_request(segments[i], frame(60, static_cast<std::uint8_t>(i)), 0, 12, i));
  LONGS_EQUAL(4, net->send(requests));
  CHECK(device->notifications == std::vector<std::uint32_t>({1}));
  const auto out = transmitted();
  LONGS_EQUAL(4, out.size());
  for (unsigned i = 0; i < 4; i++)
    CHECK(out[i] == with_header(frame(60, static_cast<std::uint8_t>(i))));
  const auto done = reclaimed();
  LONGS_EQUAL(4, done.size());
  for (unsigned i = 0; i < 4; i++)
    CHECK(done[i].cookie == net::Cookie{0x1000 + i} && done[i].sent);
}

TEST(VirtioNetTx, PushesBackWhileTheRingIsFullAndGoesOnAfterwards) {
  unsigned taken = 0;
  while (send(frame(60), 0, 12, taken) == 1)
    taken++;
  LONGS_EQUAL(8, taken);
  LONGS_EQUAL(8, net->tx_in_flight());
  LONGS_EQUAL(1, net->stats().tx_ring_full);
  LONGS_EQUAL(0, net->stats().tx_errors);
  LONGS_EQUAL(8, transmitted().size());
  LONGS_EQUAL(0, send(frame(60))); // used, but not reclaimed yet
  LONGS_EQUAL(8, reclaimed().size());
  LONGS_EQUAL(1, send(frame(60)));
}

TEST(VirtioNetTx, TakesTheFirstRequestsOfABatchUpToOneThatIsInvalid) {
  std::vector<net::Segment> first;
  std::vector<net::Segment> second;
  std::vector<net::Segment> third;
  const net::TxRequest requests[] = {make_request(first, frame(60)), make_request(second, frame(13), 0, 0, 1),
                                     make_request(third, frame(60), 0, 0, 2)};
  LONGS_EQUAL(1, net->send(requests));
  LONGS_EQUAL(1, transmitted().size());
}

// proves: NET-TX-24
TEST(VirtioNetTx, GetsEveryBufferBackWithoutATransmitInterrupt) {
  for (unsigned i = 0; i < 500; i++) {
    LONGS_EQUAL(1, send(frame(60), 0, 12, i % 8));
    LONGS_EQUAL(1, transmitted().size());
    LONGS_EQUAL(1, reclaimed().size());
  }
  LONGS_EQUAL(0, rings[1].interrupts());
  LONGS_EQUAL(500, net->stats().tx_packets);
  LONGS_EQUAL(500 * 60, net->stats().tx_bytes);
  LONGS_EQUAL(0, net->tx_in_flight());
}

// proves: NET-TX-24
TEST(VirtioNetTx, CompletesOutOfOrder) {
  for (unsigned i = 0; i < 4; i++)
    LONGS_EQUAL(1, send(frame(60), 0, 12, i));
  const auto chains = rings[1].take_available();
  for (const std::size_t i : {2U, 0U, 3U, 1U})
    rings[1].complete(chains[i], 0);
  const auto done = reclaimed();
  LONGS_EQUAL(4, done.size());
  CHECK(done[0].cookie == net::Cookie{0x1002});
  CHECK(done[3].cookie == net::Cookie{0x1001});
}

TEST(VirtioNetTx, MakesNoUseOfTheUsedLength) {
  for (const std::uint32_t length : {0U, 72U, 0xffff'ffffU}) {
    LONGS_EQUAL(1, send(frame(60)));
    LONGS_EQUAL(1, transmitted(true, length).size());
    CHECK(reclaimed().at(0).sent);
  }
  LONGS_EQUAL(180, net->stats().tx_bytes);
  LONGS_EQUAL(0, net->stats().device_resets);
}

// proves: GEN-21
TEST(VirtioNetTx, LeavesWhatTheDeviceHoldsAloneWhileSendingOn) {
  LONGS_EQUAL(1, send(frame(60), 20, 0, 0)); // four descriptors
  const auto held = rings[1].take_available();
  const Bytes before = rings[1].read(held.at(0));
  for (unsigned i = 0; i < 100; i++) {
    LONGS_EQUAL(1, send(frame(60), 0, 0, 1));
    LONGS_EQUAL(1, transmitted().size());
    LONGS_EQUAL(1, reclaimed().size());
  }
  CHECK(rings[1].read(held[0]) == before); // its header too
  rings[1].complete(held[0], 0);
  LONGS_EQUAL(1, reclaimed().size());
}
