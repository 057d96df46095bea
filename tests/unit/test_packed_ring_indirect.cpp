// SPDX-License-Identifier: BSD-2-Clause
// A packed ring with indirect tables (2.8.7, 2.8.19) and with in-order use (2.8.8).
#include <map>
#include <vector>

#include "tests/support/packed_ring_test.hpp"

using test::fake_bus;
using test::FakePackedDevice;
using virtio::RingFault;
using virtio::Token;

// ---- indirect tables -----------------------------------------------------------------------------------------------

// clang-format off
TEST_GROUP_BASE(PackedRingIndirect, test::PackedRingTest) {
  void start_indirect(std::uint16_t size, std::uint16_t entries, bool negotiated = true) {
    if (ring.capacity() == 0) create(size, entries);
    virtio::RingSettings settings{1, size};
    settings.indirect = negotiated;
    restart(settings);
  }
};
// clang-format on

// proves: PACKED-13, PACKED-26, PACKED-28, PACKED-29
TEST(PackedRingIndirect, PutsAListIntoATableAndTakesOneSlot) {
  start_indirect(8, 6);
  for (unsigned i = 0; i < 50; i++) { // the device walks each table and knows only WRITE in it
    const auto token = add_chain(2, 3);
    CHECK(token.has_value());
    LONGS_EQUAL(7, ring.free());
    const std::uint16_t slot = i % 8;
    static_cast<void>(ring.publish());
    const auto descriptor = device.descriptor(slot);
    LONGS_EQUAL(FakePackedDevice::indirect_flag, descriptor.flags & 7); // no NEXT, no WRITE
    LONGS_EQUAL(*token, descriptor.id);
    LONGS_EQUAL(5 * 16, descriptor.len);
    LONGS_EQUAL(0, descriptor.addr % 16);
    for (std::uint64_t entry = 0; entry < 5; entry++) {
      LONGS_EQUAL(raw(data.bus(16 * entry)), memory.load(descriptor.addr + 16 * entry, 8));
      LONGS_EQUAL(16, memory.load(descriptor.addr + 16 * entry + 8, 4));
      LONGS_EQUAL(0, memory.load(descriptor.addr + 16 * entry + 12, 2)); // the id is not used
      LONGS_EQUAL(entry < 2 ? 0 : 2, memory.load(descriptor.addr + 16 * entry + 14, 2));
    }
    const auto chains = device.take_available();
    LONGS_EQUAL(5, chains.at(0).pieces.size());
    device.complete(chains[0], 48);
    const auto used = take();
    LONGS_EQUAL(*token, used.at(0).token);
    LONGS_EQUAL(48, used[0].writable);
    LONGS_EQUAL(48, used[0].length);
    LONGS_EQUAL(8, ring.free());
  }
  LONGS_EQUAL(50, device.indirect_chains());
}

// proves: PACKED-25
TEST(PackedRingIndirect, UsesNoTableUnlessItWasNegotiated) {
  start_indirect(8, 6, false);
  CHECK(add_chain(2, 3).has_value());
  LONGS_EQUAL(3, ring.free());
  static_cast<void>(ring.publish());
  LONGS_EQUAL(1, device.take_available().size()); // the device refuses INDIRECT
  LONGS_EQUAL(0, device.indirect_chains());
}

TEST(PackedRingIndirect, UsesNoTableWithoutMemoryForOne) {
  create(8, 0);
  start_indirect(8, 0);
  CHECK(add_chain(1, 2).has_value());
  LONGS_EQUAL(5, ring.free());
  static_cast<void>(ring.publish());
  LONGS_EQUAL(1, device.take_available().size());
  LONGS_EQUAL(0, device.indirect_chains());
}

// proves: PACKED-27, PACKED-12
TEST(PackedRingIndirect, RefusesAListLongerThanTheQueueThoughATableHasRoomForIt) {
  start_indirect(4, 16);
  CHECK_FALSE(add_chain(2, 3).has_value());
  CHECK_FALSE(add_chain(16, 0).has_value());
  LONGS_EQUAL(4, ring.free());
  CHECK(add_chain(2, 2).has_value());
  static_cast<void>(ring.publish());
  device.take_available();
  LONGS_EQUAL(4, device.longest_chain());
}

// proves: PACKED-28
TEST(PackedRingIndirect, MixesTablesSinglesAndListsThatNoTableHolds) {
  start_indirect(8, 3);
  for (unsigned i = 0; i < 100; i++) {
    CHECK(add_chain(1, 2).has_value()); // a table
    CHECK(add_one().has_value());       // a slot
    CHECK(add_chain(2, 2).has_value()); // four slots
    LONGS_EQUAL(2, ring.free());
    static_cast<void>(ring.publish());
    const auto chains = device.take_available();
    LONGS_EQUAL(3, chains.size());
    LONGS_EQUAL(i + 1, device.indirect_chains());
    device.complete_batch({chains[2], chains[0], chains[1]}, 5);
    LONGS_EQUAL(3, take().size());
    LONGS_EQUAL(8, ring.free());
  }
}

TEST(PackedRingIndirect, HasATableForEverySlot) {
  start_indirect(8, 4);
  for (int i = 0; i < 8; i++)
    CHECK(add_chain(2, 2).has_value());
  CHECK_FALSE(add_chain(2, 2).has_value());
  static_cast<void>(ring.publish());
  const auto chains = device.take_available();
  LONGS_EQUAL(8, chains.size());
  for (const auto& chain : chains) // the tables do not overlap
    LONGS_EQUAL(4, chain.pieces.size());
  device.complete_batch(chains, 1);
  LONGS_EQUAL(8, take().size());
}

// proves: ROB-08
TEST(PackedRingIndirect, IsNotMisledByRewrittenTables) {
  start_indirect(8, 4);
  CHECK(add_chain(1, 3).has_value());
  static_cast<void>(ring.publish());
  const auto chains = device.take_available();
  device.scribble_descriptors(0x55);
  device.complete(chains.at(0), 7);
  const auto used = take();
  LONGS_EQUAL(48, used.at(0).writable);
  for (unsigned i = 0; i < 20; i++) {
    CHECK(add_one().has_value());
    static_cast<void>(ring.publish());
    drain();
  }
}

// ---- in order ------------------------------------------------------------------------------------------------------

// clang-format off
TEST_GROUP_BASE(PackedRingInOrder, test::PackedRingTest) {
  void start_in_order(std::uint16_t size, bool with_event_idx = false) {
    if (ring.capacity() < size) create(size);
    virtio::RingSettings settings{1, size};
    settings.in_order = true;
    settings.event_idx = with_event_idx;
    restart(settings);
  }
  /// Exposes lists of 1, 2, 3 writable descriptors.
  std::vector<FakePackedDevice::Chain> three_chains() {
    for (std::size_t length = 1; length <= 3; length++)
      CHECK(add_chain(0, length).has_value());
    static_cast<void>(ring.publish());
    return device.take_available();
  }
};
// clang-format on

TEST(PackedRingInOrder, GivesItsIdsOutInTurn) {
  start_in_order(5);
  for (unsigned i = 0; i < 40; i++) {
    LONGS_EQUAL(i % 5, ring.next_token());
    LONGS_EQUAL(i % 5, *add_one());
    static_cast<void>(ring.publish());
    drain();
  }
}

// proves: PACKED-24
TEST(PackedRingInOrder, TakesOneUsedDescriptorForAllUpToTheChainThatItNames) {
  start_in_order(8);
  for (unsigned i = 0; i < 50; i++) {
    const auto chains = three_chains();
    device.complete_as_one(chains, 5);
    const auto used = take();
    LONGS_EQUAL(3, used.size());
    for (std::size_t j = 0; j < 3; j++) {
      LONGS_EQUAL(chains[j].head, used[j].token);
      LONGS_EQUAL(16 * (j + 1), used[j].writable);
      LONGS_EQUAL(j < 2 ? used[j].writable : 5, used[j].length); // skipped ones are used in full
    }
    LONGS_EQUAL(8, ring.free());
    LONGS_EQUAL(0, ring.chains_in_flight());
    LONGS_EQUAL(0, take().size());
  }
}

// proves: PACKED-24
TEST(PackedRingInOrder, TakesBatchesAndSinglesInTurn) {
  start_in_order(8);
  for (unsigned i = 0; i < 50; i++) {
    const auto chains = three_chains();
    device.complete_as_one({chains[0], chains[1]}, 5);
    device.complete(chains[2], 6);
    const auto used = take();
    LONGS_EQUAL(3, used.size());
    LONGS_EQUAL(16, used[0].length);
    LONGS_EQUAL(5, used[1].length);
    LONGS_EQUAL(6, used[2].length);
    LONGS_EQUAL(8, ring.free());
  }
}

// proves: PACKED-24
TEST(PackedRingInOrder, HandsABatchOutPieceByPiece) {
  start_in_order(8);
  for (unsigned i = 0; i < 50; i++) {
    const auto chains = three_chains();
    device.complete_as_one(chains, 5);
    for (std::size_t j = 0; j < 3; j++) {
      CHECK(ring.used_pending());
      CHECK(ring.request_interrupt()); // there already
      const auto used = take(1);
      LONGS_EQUAL(1, used.size());
      LONGS_EQUAL(chains[j].head, used[0].token);
      LONGS_EQUAL(j < 2 ? used[0].writable : 5, used[0].length);
    }
    CHECK_FALSE(ring.used_pending());
    CHECK_FALSE(ring.request_interrupt());
    ring.suppress_interrupts();
  }
}

// proves: PACKED-21, PACKED-24
TEST(PackedRingInOrder, IgnoresTheLengthOfABatchThatWasOnlyRead) {
  start_in_order(8);
  CHECK(add_chain(0, 1).has_value());
  CHECK(add_chain(2, 0).has_value());
  static_cast<void>(ring.publish());
  device.complete_as_one(device.take_available(), 0xffff'ffff);
  const auto used = take();
  LONGS_EQUAL(2, used.size());
  LONGS_EQUAL(16, used[0].length);
  LONGS_EQUAL(0, used[1].length);
}

TEST(PackedRingInOrder, AddsWhileABatchIsHandedOut) {
  start_in_order(6);
  const auto chains = three_chains(); // the ring is full
  device.complete_as_one(chains, 5);
  LONGS_EQUAL(2, take(2).size());
  LONGS_EQUAL(3, ring.free());
  CHECK(add_chain(1, 2).has_value());
  CHECK_FALSE(add_one().has_value());
  static_cast<void>(ring.publish());
  LONGS_EQUAL(1, take().size());
  device.complete_as_one(device.take_available(), 7);
  const auto used = take();
  LONGS_EQUAL(1, used.size());
  LONGS_EQUAL(3, used[0].token);
  LONGS_EQUAL(7, used[0].length);
  LONGS_EQUAL(6, ring.free());
}

// proves: PACKED-24
TEST(PackedRingInOrder, KnowsWhetherABatchHasPassedTheSlotItWouldWaitFor) {
  for (unsigned used_before = 0; used_before <= 8; used_before++) {
    for (std::uint16_t after = 1; after <= 8; after++) {
      start_in_order(19, true);
      device.interrupts = 0;
      for (std::size_t length : {1U, 3U, 2U, 1U, 5U, 1U, 2U, 4U})
        CHECK(add_chain(0, length).has_value());
      static_cast<void>(ring.publish());
      const auto chains = device.take_available();
      const std::vector<FakePackedDevice::Chain> first(chains.begin(), chains.begin() + used_before);
      const std::vector<FakePackedDevice::Chain> second(chains.begin() + used_before, chains.end());
      device.complete_as_one(first, 1);
      const bool there = ring.request_interrupt(after);
      device.complete_as_one(second, 1);
      LONGS_EQUAL(there ? 0 : 1, device.interrupts);
      LONGS_EQUAL(8, take().size());
    }
  }
}

// proves: ROB-02, ROB-01
TEST(PackedRingInOrder, RejectsAnIdThatIsNotInFlight) {
  for (const std::uint16_t id : {0, 4, 7, 8, 9, 0xffff}) {
    start_in_order(8);
    give(1);
    drain();        // id 0 has come back
    three_chains(); // 1, 2, 3
    device.place_used(id, 4);
    device.publish_used();
    LONGS_EQUAL(0, take().size());
    CHECK(ring.fault() == (id < 8 ? RingFault::used_id_not_in_flight : RingFault::used_id_out_of_range));
    LONGS_EQUAL(0, take().size());
    CHECK_FALSE(ring.used_pending());
  }
  start_in_order(8);
}

// proves: ROB-07
TEST(PackedRingInOrder, RejectsAUsedDescriptorWithNothingInFlight) {
  start_in_order(8);
  device.mark_used(0, true);
  CHECK(ring.used_pending());
  LONGS_EQUAL(0, take().size());
  CHECK(ring.fault() == RingFault::used_without_buffer);
}

// proves: ROB-08, ROB-09
TEST(PackedRingInOrder, KeepsToABatchThoughItsDescriptorChanges) {
  start_in_order(8);
  const auto chains = three_chains();
  device.complete_as_one(chains, 5);
  LONGS_EQUAL(1, take(1).size());
  device.scribble_descriptors(0xff);
  const auto used = take(2);
  LONGS_EQUAL(2, used.size());
  LONGS_EQUAL(chains[2].head, used[1].token);
  LONGS_EQUAL(5, used[1].length);
  CHECK_FALSE(ring.broken());
}

// proves: ROB-09
TEST(PackedRingInOrder, ReadsEachWordOfTheDescriptorOfABatchOnce) {
  start_in_order(8);
  device.complete_as_one(three_chains(), 5);
  std::map<const void*, int> loads;
  fake_bus().on_shared_load = [&](const void* address, std::size_t) { loads[address]++; };
  LONGS_EQUAL(3, take(3).size());
  fake_bus().on_shared_load = nullptr;
  LONGS_EQUAL(3, loads.size()); // flags, id, length
  for (const auto& [address, count] : loads)
    LONGS_EQUAL(1, count);
}

TEST(PackedRingInOrder, ForgetsTheRestOfABatchAfterAReset) {
  start_in_order(8);
  const auto chains = three_chains();
  device.complete_as_one(chains, 5);
  LONGS_EQUAL(1, take(1).size());
  for (const auto& chain : chains)
    if (ring.in_flight(chain.head)) ring.forget(chain.head);
  LONGS_EQUAL(0, ring.chains_in_flight());
  LONGS_EQUAL(0, take().size()); // nothing is handed out twice
}
