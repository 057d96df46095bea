// SPDX-License-Identifier: BSD-2-Clause
// Chains through indirect tables (2.7.5.3). The device on the other side walks each table and checks its rules.
#include <random>
#include <vector>

#include "tests/support/split_ring_test.hpp"

using test::Event;
using test::fake_bus;
using test::Fence;
using virtio::Token;

TEST_GROUP_BASE(SplitRingIndirect, test::SplitRingTest) {
  static constexpr std::uint16_t entries = 6;

  void start_indirect(std::uint16_t size, bool in_order = false) {
    create(size, 4, entries);
    settings.indirect = true;
    settings.in_order = in_order;
    restart(size, false);
  }
  test::FakeRingDevice::Chain give_chain(std::size_t readable, std::size_t writable) {
    CHECK(add_chain(readable, writable).has_value());
    static_cast<void>(ring.publish());
    const auto chains = device.take_available();
    LONGS_EQUAL(1, chains.size());
    return chains.at(0);
  }
};

// proves: SPLIT-11, SPLIT-13
TEST(SplitRingIndirect, PutsEveryChainOfSeveralPiecesIntoATableAndTakesOneDescriptorForIt) {
  start_indirect(8);
  for (unsigned lap = 0; lap < 4; lap++) {
    std::vector<test::FakeRingDevice::Chain> chains;
    for (std::size_t i = 0; i < 8; i++) {
      const std::size_t count = 2 + (i + lap) % (entries - 1U);
      const auto chain = give_chain(count / 2, count - count / 2);
      CHECK(chain.indirect);
      LONGS_EQUAL(1, chain.descriptors);
      LONGS_EQUAL(count, chain.pieces.size());
      for (std::size_t piece = 0; piece < count; piece++) {
        LONGS_EQUAL(raw(data.bus(16 * piece)), chain.pieces[piece].bus);
        LONGS_EQUAL(16, chain.pieces[piece].length);
        CHECK(chain.pieces[piece].writable == (piece >= count / 2));
      }
      chains.push_back(chain);
    }
    LONGS_EQUAL(0, ring.free());
    LONGS_EQUAL(8, ring.state().in_flight);
    CHECK_FALSE(add_chain(1, 1).has_value());
    CHECK_FALSE(add_one().has_value());
    device.complete_batch(chains, 3);
    const auto used = take();
    LONGS_EQUAL(8, used.size());
    for (std::size_t i = 0; i < 8; i++) {
      LONGS_EQUAL(chains[i].head, used[i].token);
      LONGS_EQUAL(chains[i].length(true), used[i].writable);
    }
    LONGS_EQUAL(8, ring.free());
  }
}

TEST(SplitRingIndirect, NeedsNoTableForOnePiece) {
  start_indirect(8);
  CHECK_FALSE(give_chain(1, 0).indirect);
  CHECK_FALSE(give_chain(0, 1).indirect);
  CHECK(give_chain(1, 1).indirect);
}

// proves: SPLIT-10
TEST(SplitRingIndirect, UsesNoTableUnlessTheFeatureWasNegotiated) {
  start_indirect(8);
  settings.indirect = false; // there is memory for tables all the same
  restart(8, false);         // and the device takes the flag for a breach
  for (std::size_t count = 1; count <= 8; count++) {
    const auto chain = give_chain(count / 2, count - count / 2);
    CHECK_FALSE(chain.indirect);
    LONGS_EQUAL(count, chain.descriptors);
    device.complete(chain, 0);
    LONGS_EQUAL(1, take().size());
  }
}

TEST(SplitRingIndirect, UsesNoTableIfItHasNone) {
  create(8);
  settings.indirect = true;
  restart(8, false);
  CHECK_FALSE(give_chain(2, 2).indirect);
}

TEST(SplitRingIndirect, ChainsThroughTheRingWhatItsTableDoesNotHold) {
  start_indirect(16);
  CHECK(give_chain(3, 3).indirect);
  const auto chain = give_chain(3, 4);
  CHECK_FALSE(chain.indirect);
  LONGS_EQUAL(7, chain.descriptors);
  LONGS_EQUAL(16 - 1 - 7, ring.free());
}

// proves: SPLIT-12
TEST(SplitRingIndirect, BuildsNoChainLongerThanTheQueueThoughItsTableWouldHoldIt) {
  start_indirect(8);
  restart(4, false);
  for (std::size_t count = 5; count <= entries; count++) {
    CHECK_FALSE(add_chain(2, count - 2).has_value());
    LONGS_EQUAL(4, ring.free());
  }
  static_cast<void>(give_chain(1, 0));
  static_cast<void>(give_chain(1, 0));
  static_cast<void>(give_chain(1, 0));
  CHECK(give_chain(2, 2).indirect); // as long as the queue, with one descriptor left
  LONGS_EQUAL(4, device.longest_chain());
  LONGS_EQUAL(0, ring.free());
}

// proves: SPLIT-14
TEST(SplitRingIndirect, NumbersTheEntriesOfATableInSequence) {
  for (const bool in_order : {false, true}) {
    start_indirect(4, in_order);
    for (unsigned i = 0; i < 10; i++) { // through every slot's table; with IN_ORDER the device insists
      const auto chain = give_chain(2, 2);
      const std::uint64_t table = memory.load(device.areas().descriptors + 16U * chain.head, 8);
      LONGS_EQUAL(0, table % 16);
      for (std::uint64_t entry = 0; entry < 3; entry++)
        LONGS_EQUAL(entry + 1, memory.load(table + 16 * entry + 14, 2));
      device.complete(chain, 0);
      LONGS_EQUAL(1, take().size());
    }
  }
}

// proves: GEN-21
TEST(SplitRingIndirect, LeavesATableInFlightAloneWhileOthersComeAndGo) {
  start_indirect(4);
  const auto kept = give_chain(2, 2); // compared byte by byte at every look and at its completion
  for (unsigned i = 0; i < 40; i++) {
    device.complete(give_chain(1 + i % 3, 1), 0);
    LONGS_EQUAL(1, take().size());
  }
  device.complete(kept, 32);
  LONGS_EQUAL(1, take().size());
}

// proves: SPLIT-34
TEST(SplitRingIndirect, WritesTheTableBeforeTheBarrierThatPrecedesTheIndex) {
  start_indirect(8);
  fake_bus().on_fence = [&](Fence fence) {
    fake_bus().log_enabled = fake_bus().log_shared = fence == Fence::before_publish;
  };
  CHECK(add_chain(2, 2).has_value());
  static_cast<void>(ring.publish());
  fake_bus().on_fence = nullptr;
  std::vector<std::uintptr_t> stores;
  for (const Event& event : fake_bus().log)
    if (event.kind == Event::Kind::shared_store) stores.push_back(event.address);
  CHECK(stores == std::vector<std::uintptr_t>{host(device.areas().available + 2)}); // nothing but the index
}

// proves: SPLIT-24
TEST(SplitRingIndirect, GivesEveryDescriptorBackWhateverTheMixtureAndTheOrder) {
  start_indirect(16);
  std::mt19937 random{11};
  std::vector<test::FakeRingDevice::Chain> waiting;
  std::size_t out = 0;
  for (int round = 0; round < 3000; round++) {
    const std::size_t count = 1 + random() % 8;
    const std::size_t readable = random() % count;
    if (add_chain(readable, count - readable)) out += count > 1 && count <= entries ? 1 : count;
    static_cast<void>(ring.publish());
    for (auto& chain : device.take_available())
      waiting.push_back(chain);
    LONGS_EQUAL(16 - out, ring.free());
    if (waiting.empty() || random() % 3 == 0) continue;
    const std::size_t pick = random() % waiting.size();
    device.complete(waiting[pick], waiting[pick].length(true));
    const auto used = take();
    LONGS_EQUAL(waiting[pick].head, used.at(0).token);
    LONGS_EQUAL(waiting[pick].length(true), used[0].writable);
    out -= waiting[pick].descriptors;
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(pick));
  }
}

// proves: ROB-08
TEST(SplitRingIndirect, IsNotMisledByRewrittenTables) {
  start_indirect(8);
  for (const std::uint8_t fill : {std::uint8_t{0x00}, std::uint8_t{0xff}, std::uint8_t{0x05}}) {
    const auto first = give_chain(2, 3);
    const auto second = give_chain(0, 2);
    device.scribble_descriptors(fill); // and the tables
    device.complete_batch({second, first}, 4);
    const auto used = take();
    LONGS_EQUAL(2, used.size());
    LONGS_EQUAL(32, used[0].writable);
    LONGS_EQUAL(48, used[1].writable);
    LONGS_EQUAL(8, ring.free());
  }
  static_cast<void>(give_chain(2, 2)); // written anew
}

TEST(SplitRingIndirect, TakesMemoryForATableAHeadAndGivesItUpWithTheRing) {
  const std::size_t without = [&] {
    const auto plain = virtio::SplitRing::create(arena, 8, 4);
    return arena.used();
  }();
  auto made = virtio::SplitRing::create(arena, 8, 4, entries);
  LONGS_EQUAL(without + std::size_t{8} * entries * 16, arena.used());
  made->quarantine();
  const std::size_t stranded = arena.stranded();
  LONGS_EQUAL(virtio::SplitRing::memory_size(8, 4) + std::size_t{8} * entries * 16, stranded);
}

TEST(SplitRingIndirect, ReportsThatItsTablesDoNotFit) {
  const std::size_t before = arena.used();
  CHECK(virtio::SplitRing::create(arena, 256, 4, 64).error() == bsp::Error::out_of_dma_memory);
  LONGS_EQUAL(before, arena.used());
}
