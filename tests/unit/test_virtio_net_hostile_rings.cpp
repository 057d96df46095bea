// SPDX-License-Identifier: BSD-2-Clause
// Devices that lie in their used rings, over each kind of ring: split and packed on Version 2, split on Version 1. Each
// lie is counted, costs at most a few lines of log, and the driver carries traffic again with every buffer there.
#include <type_traits>
#include <vector>

#include "tests/support/log_lines.hpp"
#include "tests/support/virtio_net_test.hpp"

using net::NetEvent;
using net::NetStats;
using test::Bytes;
using test::fake_clock;
using virtio::Feature;

namespace {

class HostileRingsTest : public test::VirtioNetTest {
 protected:
  using Counter = std::uint64_t NetStats::*;
  test::LogLines lines;

  [[nodiscard]] bool is_packed() const { return rings[0].is_packed(); }
  /// Three times within a second, then once more after good behaviour: counted as `cause` each time, and survived.
  template <class Damage> void survives(Counter cause, Damage&& damage) {
    survives([cause] { return cause; }, damage);
  }
  template <class Cause, class Damage>
  requires std::is_invocable_v<Cause>
  void survives(Cause&& cause, Damage&& damage) {
    over_all_rings([&] {
      bring_up();
      lines.clear();
      const std::size_t used = arena.used();
      for (unsigned round = 1; round <= 4; round++) {
        if (round == 4) fake_clock().advance_us(3'000'000);
        check_traffic();
        fetch_buffers();
        events.clear();
        damage();
        const std::uint64_t packets = net->stats().rx_packets;
        LONGS_EQUAL(0, received().size());
        LONGS_EQUAL(packets, net->stats().rx_packets);
        reclaimed();
        LONGS_EQUAL(round, net->stats().*cause());
        settle();
        CHECK(events == std::vector<NetEvent>({NetEvent::recovered}));
        LONGS_EQUAL(round, net->stats().device_resets);
        LONGS_EQUAL(round < 4 ? 1 : 2, lines.with("resetting the device"));
        reclaimed();
        check_all_buffers_are_there();
        LONGS_EQUAL(round, net->stats().*cause());
      }
      LONGS_EQUAL(used, arena.used());
      LONGS_EQUAL(2, lines.size());
    });
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetHostileRings, HostileRingsTest) {};
// clang-format on

// proves: ROB-01
TEST(VirtioNetHostileRings, UsesReceiveBuffersThatDoNotExist) {
  for (const std::uint32_t id : {8U, 9U, 0x7fffU, 0xffffU})
    survives(&NetStats::used_id_out_of_range, [&] { rings[0].use(id, 100); });
}

// proves: ROB-01
TEST(VirtioNetHostileRings, UsesRequestsThatDoNotExist) {
  for (const std::uint32_t id : {8U, 0xffffU}) {
    survives(&NetStats::used_id_out_of_range, [&] {
      LONGS_EQUAL(1, send(frame(60)));
      transmitted(false);
      rings[1].use(id, 0);
    });
  }
}

// proves: ROB-01
TEST(VirtioNetHostileRings, UsesIdsWhoseLowHalfAloneWouldDo) {
  for (const bool old : {false, true}) { // a split ring has 32 bits for it
    start_over(old ? Version::legacy : Version::modern);
    bring_up();
    for (const std::uint32_t high : {0x1'0000U, 0x8000'0000U}) {
      fetch_buffers();
      events.clear();
      const std::uint64_t before = net->stats().used_id_out_of_range;
      rings[0].use(high | rx_chains.front().head, 72);
      LONGS_EQUAL(0, received().size());
      LONGS_EQUAL(before + 1, net->stats().used_id_out_of_range);
      settle();
      check_all_buffers_are_there();
    }
  }
}

// proves: ROB-02
TEST(VirtioNetHostileRings, UsesAReceiveBufferTwice) {
  survives(&NetStats::used_id_not_in_flight, [this] {
    const std::uint16_t head = rx_chains.front().head;
    CHECK(deliver(frame(60)));
    rings[0].use(head, 72);
    net::RxFrame frames[8];
    const std::size_t count = net->receive(frames);
    LONGS_EQUAL(1, count); // delivered once
    net->release({frames, count});
  });
}

// proves: ROB-02
TEST(VirtioNetHostileRings, UsesARequestTwice) {
  survives(&NetStats::used_id_not_in_flight, [this] {
    for (unsigned i = 0; i < 2; i++)
      LONGS_EQUAL(1, send(frame(60), 0, static_cast<std::uint16_t>(header_size()), i));
    const auto chains = rings[1].take_available();
    rings[1].complete(chains.at(0), 0);
    rings[1].use(chains[0].head, 0);
    auto done = reclaimed();
    LONGS_EQUAL(1, done.size()); // given back once
    CHECK(done[0].sent && done[0].cookie == net::Cookie{0x1000});
    settle();
    done = reclaimed();
    LONGS_EQUAL(1, done.size());
    CHECK(!done[0].sent && done[0].cookie == net::Cookie{0x1001});
  });
}

// proves: ROB-02
TEST(VirtioNetHostileRings, UsesARequestThatWasNeverMade) {
  survives(&NetStats::used_id_not_in_flight, [this] {
    LONGS_EQUAL(1, send(frame(60), 0, static_cast<std::uint16_t>(header_size())));
    const std::uint16_t head = rings[1].take_available().at(0).head;
    rings[1].use((head + 1U) % 8, 0);
  });
}

// proves: ROB-03
TEST(VirtioNetHostileRings, UsesTheMiddleOfAChain) {
  survives(&NetStats::used_id_not_in_flight, [this] {
    LONGS_EQUAL(1, send(frame(60), 20)); // a header and three pieces
    const auto chain = rings[1].take_available().at(0);
    CHECK(chain.pieces.size() >= 3);
    const std::uint64_t next = rings[1].areas().descriptors + 16U * chain.head + 14;
    rings[1].use(is_packed() ? (chain.head + 1U) % 8 : static_cast<std::uint32_t>(memory.load(next, 2)), 0);
  });
}

// proves: ROB-02, ROB-03
TEST(VirtioNetHostileRings, UsesTheMiddleOfAReceiveChain) {
  start_over(Version::legacy);
  withhold(Feature::any_layout); // header and frame have a descriptor each
  bring_up();
  fetch_buffers();
  const std::uint64_t next = rings[0].areas().descriptors + 16U * rx_chains.front().head + 14;
  rings[0].use(static_cast<std::uint32_t>(memory.load(next, 2)), 72);
  LONGS_EQUAL(0, received().size());
  LONGS_EQUAL(1, net->stats().used_id_not_in_flight);
  settle();
  check_traffic();
}

// proves: ROB-04
TEST(VirtioNetHostileRings, ClaimsMoreBytesThanABufferHas) {
  for (const std::uint32_t length : {2049U, 0x1'0000U, 0x8000'0000U, 0xffff'ffffU})
    survives(&NetStats::rx_length_over_buffer,
             [this, length] { CHECK(deliver_raw(raw_header({}, header_size()), length)); });
}

// proves: ROB-04
TEST(VirtioNetHostileRings, ClaimsToHaveWrittenToWhatIsSent) {
  over_all_rings([this] {
    bring_up();
    for (const std::uint32_t length : {1U, 60U, 0x1'0000U, 0xffff'ffffU}) {
      LONGS_EQUAL(1, send(frame(60)));
      LONGS_EQUAL(1, transmitted(true, length).size());
      CHECK(reclaimed().at(0).sent);
    }
    LONGS_EQUAL(4 * 60, net->stats().tx_bytes);
    LONGS_EQUAL(0, net->stats().device_resets);
    check_all_buffers_are_there();
  });
}

// proves: ROB-05
TEST(VirtioNetHostileRings, ClaimsLessThanAHeader) {
  for (const unsigned missing : {1U, 2U, 9U, 0U})
    survives(&NetStats::rx_length_under_header, [this, missing] {
      CHECK(deliver_raw(raw_header({}, header_size()),
                        missing == 0 ? 0 : static_cast<std::uint32_t>(header_size() - missing)));
    });
}

// proves: ROB-06, ROB-07
TEST(VirtioNetHostileRings, UsesMoreThanItWasGiven) {
  const auto cause = [this] { return is_packed() ? &NetStats::used_without_buffer : &NetStats::used_index_jump; };
  survives(cause, [this] { // on a transmit queue with nothing in it
    const std::uint16_t at = rings[1].packed.next_used();
    if (is_packed())
      rings[1].packed.mark_used(at & 0x7fff, (at & 0x8000) != 0);
    else
      rings[1].split.set_used_idx(static_cast<std::uint16_t>(rings[1].split.used_idx() + 1));
  });
}

// proves: ROB-06
TEST(VirtioNetHostileRings, LetsItsUsedIndexJump) {
  for (const unsigned jump : {9U, 0x7fffU, 0x8000U, 0xfff0U, 0xffffU}) { // the last ones run backwards
    for (const unsigned queue : {0U, 1U}) {
      for (const Version version : {Version::modern, Version::legacy}) {
        start_over(version);
        bring_up();
        for (unsigned round = 1; round <= 3; round++) {
          events.clear();
          auto& ring = rings[queue].split;
          ring.set_used_idx(static_cast<std::uint16_t>(ring.used_idx() + jump));
          LONGS_EQUAL(0, received().size());
          LONGS_EQUAL(0, reclaimed().size());
          LONGS_EQUAL(round, net->stats().used_index_jump);
          settle();
          LONGS_EQUAL(round, net->stats().device_resets);
          check_all_buffers_are_there();
        }
      }
    }
  }
}

// proves: ROB-07
TEST(VirtioNetHostileRings, FlipsTheFlagsOfEverySlotBackAndForth) {
  start_over(Version::modern, true);
  bring_up();
  for (unsigned round = 0; round < 3; round++) {
    events.clear();
    check_traffic();
    auto& ring = rings[1].packed;
    const bool wrap = (ring.next_used() & 0x8000) != 0;
    for (std::uint16_t slot = 0; slot < 8; slot++) { // as of another lap: not used
      ring.mark_used(slot, !wrap);
      LONGS_EQUAL(0, reclaimed().size());
    }
    LONGS_EQUAL(round, net->stats().used_without_buffer);
    for (std::uint16_t slot = 0; slot < 8; slot++)
      ring.mark_used(slot, wrap);
    LONGS_EQUAL(0, reclaimed().size());
    LONGS_EQUAL(round + 1, net->stats().used_without_buffer);
    settle();
    check_all_buffers_are_there();
  }
}

// proves: ROB-08
TEST(VirtioNetHostileRings, RewritesDescriptorsThatAreInFlight) {
  for (const std::uint8_t fill : {std::uint8_t{0}, std::uint8_t{0x5a}, std::uint8_t{0xff}}) {
    for (const bool indirect : {false, true}) {
      over_all_rings([&] {
        if (indirect) offer(Feature::indirect_desc);
        bring_up();
        LONGS_EQUAL(1, send(frame(60), 20));
        const auto request = rings[1].take_available().at(0);
        fetch_buffers();
        const auto buffers = rx_chains;
        rx_chains.clear();
        for (test::FakeQueue& ring : rings)
          ring.scribble_descriptors(fill);
        std::vector<Bytes> delivered;
        if (!is_packed() || fill == 0) { // a packed ring filled with ones is all used: a fault of its own
          for (std::uint8_t i = 0; i < 4; i++) {
            Bytes all = raw_header({}, header_size());
            const Bytes in = frame(60 + i, i);
            all.insert(all.end(), in.begin(), in.end());
            rings[0].write(buffers[i], all);
            rings[0].complete(buffers[i], static_cast<std::uint32_t>(all.size()));
            delivered.push_back(in);
          }
          rings[1].complete(request, 0);
        }
        CHECK(received() == delivered); // from the buffers that the driver gave
        const auto done = reclaimed();
        LONGS_EQUAL(delivered.empty() ? 0 : 1, done.size());
        CHECK(net->reset().has_value());
        reclaimed();
        check_all_buffers_are_there();
      });
    }
  }
}
