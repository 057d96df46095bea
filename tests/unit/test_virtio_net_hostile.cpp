// SPDX-License-Identifier: BSD-2-Clause
// Devices that break their half of the contract, over each kind of ring: split and packed on Version 2, split on
// Version 1. Whatever they do ends in a counter, at most a few lines of log, and a driver that carries traffic again
// with every buffer there; or in a stable state that reset() leads out of.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "bsp/log.hpp"
#include "tests/support/counting_bridge.hpp"
#include "tests/support/virtio_net_test.hpp"

using net::NetEvent;
using net::NetStats;
using test::Bytes;
using test::CountingBridge;
using test::fake_bus;
using test::fake_clock;
using virtio::Feature;

TEST_GROUP_BASE(VirtioNetHostile, test::VirtioNetTest) {
  using Counter = std::uint64_t NetStats::*;
  std::vector<std::string> lines; ///< of the log
  std::function<void(unsigned queue)> on_notified;

  void setup() override {
    VirtioNetTest::setup();
    bsp::log::set_sink(
        [](void* context, bsp::log::Level, std::string_view text) {
          static_cast<std::vector<std::string>*>(context)->emplace_back(text);
        },
        &lines);
  }
  void teardown() override {
    bsp::log::set_sink(nullptr, nullptr);
    VirtioNetTest::teardown();
  }
  void notified(unsigned queue) override {
    if (on_notified) on_notified(queue);
  }
  [[nodiscard]] unsigned lines_with(std::string_view part) const {
    return static_cast<unsigned>(
        std::ranges::count_if(lines, [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
  [[nodiscard]] bool is_packed() const {
    return rings[0].is_packed();
  }

  /// Three times within a second, then once more after good behaviour: counted as `cause` each time, and survived.
  template <class Damage> void survives(Counter cause, Damage && damage) {
    survives([cause] { return cause; }, damage);
  }
  template <class Cause, class Damage>
  requires std::is_invocable_v<Cause>
  void survives(Cause && cause, Damage && damage) {
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
        received();
        reclaimed();
        LONGS_EQUAL(round, net->stats().*cause());
        settle();
        CHECK(events == std::vector<NetEvent>({NetEvent::recovered}));
        LONGS_EQUAL(round, net->stats().device_resets);
        LONGS_EQUAL(round < 4 ? 1 : 2, lines_with("resetting the device"));
        reclaimed();
        check_all_buffers_are_there();
        LONGS_EQUAL(round, net->stats().*cause());
      }
      LONGS_EQUAL(used, arena.used());
      LONGS_EQUAL(2, lines.size());
    });
  }
};

// ---- used entries

// proves: ROB-01
TEST(VirtioNetHostile, UsesReceiveBuffersThatDoNotExist) {
  for (const std::uint32_t id : {8U, 9U, 0x7fffU, 0xffffU})
    survives(&NetStats::used_id_out_of_range, [&] { rings[0].use(id, 100); });
}

// proves: ROB-01
TEST(VirtioNetHostile, UsesRequestsThatDoNotExist) {
  for (const std::uint32_t id : {8U, 0xffffU}) {
    survives(&NetStats::used_id_out_of_range, [&] {
      LONGS_EQUAL(1, send(frame(60)));
      transmitted(false);
      rings[1].use(id, 0);
    });
  }
}

// proves: ROB-01
TEST(VirtioNetHostile, UsesIdsWhoseLowHalfAloneWouldDo) {
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
TEST(VirtioNetHostile, UsesAReceiveBufferTwice) {
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
TEST(VirtioNetHostile, UsesARequestTwice) {
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
TEST(VirtioNetHostile, UsesARequestThatWasNeverMade) {
  survives(&NetStats::used_id_not_in_flight, [this] {
    LONGS_EQUAL(1, send(frame(60), 0, static_cast<std::uint16_t>(header_size())));
    const std::uint16_t head = rings[1].take_available().at(0).head;
    rings[1].use((head + 1U) % 8, 0);
  });
}

// proves: ROB-03
TEST(VirtioNetHostile, UsesTheMiddleOfAChain) {
  survives(&NetStats::used_id_not_in_flight, [this] {
    LONGS_EQUAL(1, send(frame(60), 20)); // a header and three pieces
    const auto chain = rings[1].take_available().at(0);
    CHECK(chain.pieces.size() >= 3);
    const std::uint64_t next = rings[1].areas().descriptors + 16U * chain.head + 14;
    rings[1].use(is_packed() ? (chain.head + 1U) % 8 : static_cast<std::uint32_t>(memory.load(next, 2)), 0);
  });
}

// proves: ROB-02, ROB-03
TEST(VirtioNetHostile, UsesTheMiddleOfAReceiveChain) {
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
TEST(VirtioNetHostile, ClaimsMoreBytesThanABufferHas) {
  for (const std::uint32_t length : {2049U, 0x1'0000U, 0x8000'0000U, 0xffff'ffffU})
    survives(&NetStats::rx_length_over_buffer,
             [this, length] { CHECK(deliver_raw(raw_header({}, header_size()), length)); });
}

// proves: ROB-04
TEST(VirtioNetHostile, ClaimsToHaveWrittenToWhatIsSent) {
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
TEST(VirtioNetHostile, ClaimsLessThanAHeader) {
  for (const unsigned missing : {1U, 2U, 9U, 0U})
    survives(&NetStats::rx_length_under_header, [this, missing] {
      CHECK(deliver_raw(raw_header({}, header_size()),
                        missing == 0 ? 0 : static_cast<std::uint32_t>(header_size() - missing)));
    });
}

// proves: ROB-06, ROB-07
TEST(VirtioNetHostile, UsesMoreThanItWasGiven) {
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
TEST(VirtioNetHostile, LetsItsUsedIndexJump) {
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
          check_all_buffers_are_there();
        }
      }
    }
  }
}

// proves: ROB-07
TEST(VirtioNetHostile, FlipsTheFlagsOfEverySlotBackAndForth) {
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
TEST(VirtioNetHostile, RewritesDescriptorsThatAreInFlight) {
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
    std::vector<std::uint64_t> at_us;
    const auto stop = device->on_reset;
    device->on_reset = [&] {
      at_us.push_back(bsp::clock::ticks_to_us(fake_clock().ticks));
      stop();
    };
    device->script.needs_reset_at_driver_ok = true;
    events.clear();
    lines.clear();
    device->set_needs_reset();
    device->raise_config();
    take_interrupts();
    for (unsigned i = 0; i < 20'000 && net->usable(); i++) {
      net->service();
      CHECK(i > 15'000 || net->next_wake().ticks() != UINT64_MAX || !net->usable());
      fake_clock().advance_us(100);
    }
    CHECK_FALSE(net->usable());
    CHECK(events == std::vector<NetEvent>({NetEvent::failed}));
    CHECK(at_us.size() >= 4 && at_us.size() <= 10);
    for (std::size_t i = 2; i + 1 < at_us.size();
         i++) // each pause twice the one before; the last reset is for giving up
      CHECK(at_us[i] - at_us[i - 1] >= (std::uint64_t{1000} << (i - 1)) - 100);
    CHECK(lines.size() <= at_us.size() + 2);

    const std::size_t resets = at_us.size();
    for (unsigned i = 0; i < 1000; i++) {
      fake_clock().advance_us(100'000);
      net->service();
      CHECK_FALSE(net->prepare_idle(true));
      LONGS_EQUAL(0, send(frame(60)));
      LONGS_EQUAL(0, received().size());
    }
    LONGS_EQUAL(resets, at_us.size());
    CHECK(net->next_wake().ticks() == UINT64_MAX);
    device->script.needs_reset_at_driver_ok = false;
    CHECK(net->reset().has_value());
    check_all_buffers_are_there();
    device->on_reset = stop;
  });
}

// proves: ROB-16
TEST(VirtioNetHostile, AsksForAResetShortlyAfterEachResetThatWentWell) {
  over_all_rings([this] {
    bring_up();
    std::vector<std::uint64_t> at_us;
    const auto stop = device->on_reset;
    device->on_reset = [&] {
      at_us.push_back(bsp::clock::ticks_to_us(fake_clock().ticks));
      stop();
    };
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
    CHECK(at_us.size() >= 5 && at_us.size() <= 10);
    for (std::size_t i = 2; i + 1 < at_us.size(); i++)
      CHECK(at_us[i] - at_us[i - 1] >= (std::uint64_t{1000} << (i - 1)) - 100);

    const std::size_t resets = at_us.size();
    for (unsigned i = 0; i < 100; i++) {
      fake_clock().advance_us(100'000);
      net->service();
    }
    LONGS_EQUAL(resets, at_us.size());
    CHECK(net->reset().has_value());
    check_all_buffers_are_there();
    device->on_reset = stop;
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
