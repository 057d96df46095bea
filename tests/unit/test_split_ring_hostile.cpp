// SPDX-License-Identifier: BSD-2-Clause
// A split ring on the other side of a device that lies: each lie ends in a broken ring that says why, never outside of
// the ring's memory, and a restart mends it. With and without indirect tables, in any order and with IN_ORDER.
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "tests/support/split_ring_test.hpp"

using test::Event;
using test::fake_bus;
using virtio::RingFault;

TEST_GROUP_BASE(HostileRing, test::SplitRingTest){void setup() override{SplitRingTest::setup();
create(8, 4, 6);
}
void in_each_mode(const std::function<void()>& body) {
  for (const bool indirect : {false, true}) {
    for (const bool in_order : {false, true}) {
      settings.indirect = indirect;
      settings.in_order = in_order;
      restart(8, false);
      body();
    }
  }
}
void expect_broken(RingFault fault) {
  CHECK(ring.broken());
  CHECK(ring.fault() == fault);
  // Sticky, and neither empty-looking nor usable.
  LONGS_EQUAL(0, take().size());
  CHECK_FALSE(add_one().has_value());
  CHECK_FALSE(ring.used_pending());
  CHECK(ring.state().broken);
  restart(8, false);
  CHECK_FALSE(ring.broken());
  LONGS_EQUAL(8, ring.free());
  cycle(3);
}
/// Exposes three chains of two descriptors.
std::vector<test::FakeRingDevice::Chain> three_chains() {
  for (int i = 0; i < 3; i++)
    CHECK(add_chain(1, 1).has_value());
  static_cast<void>(ring.publish());
  return device.take_available();
}
}
;

// proves: ROB-01
TEST(HostileRing, RejectsUsedIdBeyondQueueSize) {
  in_each_mode([&] {
    for (const std::uint32_t id : {8U, 9U, 0xffffU, 0x1'0000U, 0x8000'0000U, 0xffff'ffffU}) {
      three_chains();
      device.place_used(id, 4);
      device.publish_used();
      LONGS_EQUAL(0, take().size());
      expect_broken(RingFault::used_id_out_of_range);
    }
  });
}

// proves: ROB-02
TEST(HostileRing, RejectsAUsedIdThatWasGivenBackAlready) {
  in_each_mode([&] {
    const auto chains = three_chains();
    device.complete(chains[0], 4);
    device.place_used(chains[0].head, 4);
    device.publish_used();
    LONGS_EQUAL(1, take().size()); // the first is good
    expect_broken(RingFault::used_id_not_in_flight);
  });
}

// proves: ROB-02
TEST(HostileRing, RejectsAUsedIdThatWasNeverExposed) {
  in_each_mode([&] {
    three_chains();
    device.place_used(7, 4);
    device.publish_used();
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_id_not_in_flight);
  });
}

// proves: ROB-02, ROB-06
TEST(HostileRing, RejectsAChainThatWasAddedButNotExposed) {
  in_each_mode([&] {
    const auto chains = three_chains();
    const virtio::Token hidden = *add_one();
    for (const auto& chain : chains)
      device.place_used(chain.head, 4);
    device.place_used(hidden, 4);
    device.publish_used();
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_index_jump);
  });
}

// proves: ROB-03
TEST(HostileRing, RejectsTheMiddleOfAChain) {
  for (const bool in_order : {false, true}) { // a chain in a table has no middle that an id could name
    settings.in_order = in_order;
    restart(8, false);
    const auto chains = three_chains();
    device.place_used(chains[1].head + 1U, 4);
    device.publish_used();
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_id_not_in_flight);
  }
}

// proves: ROB-06
TEST(HostileRing, RejectsAUsedIndexThatJumpsAhead) {
  in_each_mode([&] {
    for (const std::uint16_t jump : {std::uint16_t{4}, std::uint16_t{8}, std::uint16_t{9}, std::uint16_t{0x8000}}) {
      three_chains();
      device.set_used_idx(jump);
      LONGS_EQUAL(0, take().size());
      expect_broken(RingFault::used_index_jump);
    }
  });
}

// proves: ROB-06
TEST(HostileRing, RejectsAUsedIndexThatRunsBackwards) {
  in_each_mode([&] {
    for (const std::uint16_t back : {std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{10}}) {
      cycle(10);
      three_chains();
      device.set_used_idx(static_cast<std::uint16_t>(device.used_idx() - back));
      LONGS_EQUAL(0, take().size());
      expect_broken(RingFault::used_index_jump);
    }
  });
}

// proves: ROB-06
TEST(HostileRing, RejectsAnIndexBeyondItsChainsThoughNotBeyondItsSize) {
  in_each_mode([&] {
    three_chains(); // six of eight descriptors, but only three chains
    for (int i = 0; i < 4; i++)
      device.place_used(static_cast<std::uint32_t>(i), 4);
    device.publish_used();
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_index_jump);
  });
}

// proves: ROB-08
TEST(HostileRing, IsNotMisledByRewrittenDescriptors) {
  in_each_mode([&] {
    for (const std::uint8_t fill : {std::uint8_t{0x00}, std::uint8_t{0xff}, std::uint8_t{0x01}}) {
      const auto chains = three_chains();
      device.scribble_descriptors(fill);
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
  });
}

// proves: ROB-09
TEST(HostileRing, ReadsEachWordOfAUsedEntryOnce) {
  in_each_mode([&] {
    const auto chains = three_chains();
    device.complete_batch(chains, 4);
    fake_bus().log.clear();
    fake_bus().log_enabled = fake_bus().log_shared = true;
    LONGS_EQUAL(3, take().size());
    std::map<std::uintptr_t, int> loads;
    for (const Event& event : fake_bus().log)
      if (event.kind == Event::Kind::shared_load) loads[event.address]++;
    LONGS_EQUAL(1 + 3 * 2, loads.size()); // the index, and two words an entry
    for (const auto& [address, count] : loads)
      LONGS_EQUAL(1, count);
  });
}

// proves: ROB-09
TEST(HostileRing, UsesTheValueThatItCheckedIfTheWordChangesAfterwards) {
  in_each_mode([&] {
    const auto chains = three_chains();
    device.complete(chains[0], 4);
    const std::uintptr_t id_word = host(device.areas().used + 4);
    bool seen = false;
    fake_bus().on_shared_load = [&](const void* address, std::size_t) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      if (seen) device.rewrite_used(0, 0xffff'ffff, 0xffff'ffff); // after the first look at the id
      if (at == id_word) seen = true;
    };
    const auto used = take();
    fake_bus().on_shared_load = nullptr;
    LONGS_EQUAL(1, used.size());
    LONGS_EQUAL(chains[0].head, used[0].token);
    CHECK_FALSE(ring.broken());
  });
}

// proves: ROB-06
TEST(HostileRing, EndsThoughTheUsedIndexNeverStopsMoving) {
  in_each_mode([&] {
    give(8);
    const auto chains = device.take_available();
    fake_bus().on_shared_load = [&](const void* address, std::size_t) {
      if (reinterpret_cast<std::uintptr_t>(address) != host(device.areas().used + 2)) return;
      device.place_used(0, 1);
      device.publish_used();
    };
    for (int i = 0; i < 100 && !ring.broken(); i++)
      take();
    fake_bus().on_shared_load = nullptr;
    CHECK(ring.broken());
  });
}

// proves: ROB-01, ROB-02, ROB-06
TEST(HostileRing, SurvivesRandomUsedEntries) {
  std::mt19937 random{42};
  in_each_mode([&] {
    unsigned faults[4] = {};
    for (int round = 0; round < 6000; round++) {
      if (random() % 2 == 0) add_chain(random() % 2, 1 + random() % 2);
      static_cast<void>(ring.publish());
      device.take_available();
      const bool wild = random() % 8 == 0;
      device.place_used(static_cast<std::uint32_t>(wild ? random() : random() % 9),
                        static_cast<std::uint32_t>(random()));
      device.publish_used();
      take();
      LONGS_EQUAL(ring.broken() ? 0 : 8 - ring.state().in_flight, ring.free());
      if (!ring.broken()) continue;
      faults[static_cast<unsigned>(ring.fault())]++;
      restart(8, random() % 2 == 0);
    }
    CHECK(faults[1] > 100 && faults[2] > 100 && faults[3] > 100);
    static_cast<void>(device.take_violations()); // this device loses track of its own chains
  });
  restart(8, false);
}
