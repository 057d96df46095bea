// SPDX-License-Identifier: BSD-2-Clause
// The split ring with IN_ORDER: where chains lie (2.7.5), and used elements that stand for a batch (2.7.9).
#include <random>
#include <vector>

#include "tests/support/split_ring_test.hpp"

using test::fake_bus;
using virtio::RingFault;
using virtio::Token;
using Chains = std::vector<test::FakeRingDevice::Chain>;

TEST_GROUP_BASE(SplitRingInOrder,
                test::SplitRingTest){void start_in_order(std::uint16_t size, bool indirect = false,
                                                         bool with_event_idx = false){create(size, 4, indirect ? 6 : 0);
settings.indirect = indirect;
settings.in_order = true;
restart(size, with_event_idx);
}
/// Exposes chains of these numbers of pieces, the last piece of each writable.
Chains expose(const std::vector<std::size_t>& counts) {
  for (const std::size_t count : counts)
    CHECK(add_chain(count - 1, 1).has_value());
  static_cast<void>(ring.publish());
  return device.take_available();
}
void expect_broken(RingFault fault) {
  CHECK(ring.fault() == fault);
  LONGS_EQUAL(0, take().size());
  CHECK_FALSE(add_one().has_value());
  restart(8, false);
  cycle(3);
  restart(8, false);
}
}
;

// proves: SPLIT-08
TEST(SplitRingInOrder, UsesDescriptorsInTableOrderAndAroundTheEnd) {
  for (const bool indirect : {false, true}) {
    start_in_order(8, indirect); // the device checks every chain
    std::uint16_t expected = 0;
    for (unsigned i = 0; i < 100; i++) {
      const auto chains = expose({1 + i % 4, 1 + i % 3});
      for (const auto& chain : chains) {
        LONGS_EQUAL(expected, chain.head);
        expected = static_cast<std::uint16_t>((expected + chain.descriptors) % 8);
      }
      device.complete_batch(chains, 1);
      LONGS_EQUAL(2, take().size());
    }
  }
}

// proves: SPLIT-08
TEST(SplitRingInOrder, FillsTheTableUpToTheLastDescriptorBehindTheOldestChain) {
  start_in_order(8);
  auto chains = expose({3, 3, 2});
  CHECK_FALSE(add_one().has_value());
  device.complete(chains[0], 1);
  LONGS_EQUAL(1, take().size());
  LONGS_EQUAL(3, ring.free());
  CHECK_FALSE(add_chain(2, 2).has_value());
  LONGS_EQUAL(0, expose({3}).at(0).head);
  LONGS_EQUAL(0, ring.free());
}

// proves: SPLIT-09
TEST(SplitRingInOrder, ChainsFromTheLastSlotOfTheTableToTheFirst) {
  start_in_order(8);
  device.complete_batch(expose({6}), 1);
  LONGS_EQUAL(1, take().size());
  const auto chain = expose({4}).at(0);
  LONGS_EQUAL(6, chain.head);
  const auto word = [&](unsigned slot, unsigned offset) {
    return memory.load(device.areas().descriptors + 16U * slot + offset, 2);
  };
  LONGS_EQUAL(7, word(6, 14));
  LONGS_EQUAL(1, word(7, 12) & 1);
  LONGS_EQUAL(0, word(7, 14));
  LONGS_EQUAL(1, word(0, 14));
  LONGS_EQUAL(0, word(1, 12) & 1);
}

// proves: SPLIT-26
TEST(SplitRingInOrder, TakesABatchThatOneElementStandsForWithAllButTheLastUsedInFull) {
  for (const bool indirect : {false, true}) {
    start_in_order(16, indirect);
    const auto chains = expose({1, 3, 2, 4});
    device.complete_by_one_entry(chains, 5);
    LONGS_EQUAL(4, device.used_idx());
    const auto used = take();
    LONGS_EQUAL(4, used.size());
    for (std::size_t i = 0; i < 4; i++) {
      LONGS_EQUAL(chains[i].head, used[i].token);
      LONGS_EQUAL(16, used[i].writable);
      LONGS_EQUAL(i < 3 ? 16 : 5, used[i].length);
    }
    LONGS_EQUAL(16, ring.free());
    LONGS_EQUAL(0, ring.chains_in_flight());
    CHECK_FALSE(ring.used_pending());
  }
}

// proves: SPLIT-26
TEST(SplitRingInOrder, FindsTheNextElementBehindTheSlotsThatABatchSkipped) {
  start_in_order(8);
  std::mt19937 random{3};
  unsigned done = 0;
  while (done < 70000) { // the index wraps
    const unsigned count = 1 + static_cast<unsigned>(random() % 8);
    for (unsigned i = 0; i < count; i++)
      CHECK(add_one().has_value());
    static_cast<void>(ring.publish());
    const auto chains = device.take_available();
    const auto middle = chains.begin() + static_cast<std::ptrdiff_t>(random() % (count + 1));
    device.complete_by_one_entry({chains.begin(), middle}, 10);
    device.complete_by_one_entry({middle, chains.end()}, 20);
    const auto used = take();
    LONGS_EQUAL(count, used.size());
    for (unsigned i = 0; i < count; i++) {
      const auto behind = chains.begin() + static_cast<std::ptrdiff_t>(i) + 1;
      LONGS_EQUAL(chains[i].head, used[i].token);
      LONGS_EQUAL(behind == middle ? 10 : behind == chains.end() ? 20 : 64, used[i].length);
    }
    done += count;
  }
  LONGS_EQUAL(8, ring.free());
}

// proves: SPLIT-26
TEST(SplitRingInOrder, GoesOnWithinABatchWhenItsReaderHadNoRoomForAll) {
  start_in_order(8);
  const auto chains = expose({1, 2, 1, 1});
  device.complete_by_one_entry(chains, 7);
  LONGS_EQUAL(0, take(0).size());
  const auto first = take(2);
  LONGS_EQUAL(2, first.size());
  LONGS_EQUAL(chains[1].head, first[1].token);
  CHECK(ring.used_pending());
  LONGS_EQUAL(2, ring.chains_in_flight());
  LONGS_EQUAL(8 - 2, ring.free());
  CHECK_FALSE(ring.in_flight(chains[0].head));
  CHECK(ring.in_flight(chains[2].head));
  CHECK(ring.request_interrupt()); // there is more: no interrupt will say so
  // What is free already may be given again meanwhile, and more may be used.
  const auto later = expose({3});
  device.complete(later.at(0), 9);
  const auto second = take();
  LONGS_EQUAL(3, second.size());
  LONGS_EQUAL(16, second[0].length);
  LONGS_EQUAL(7, second[1].length);
  LONGS_EQUAL(later[0].head, second[2].token);
  LONGS_EQUAL(9, second[2].length);
  CHECK_FALSE(ring.used_pending());
  LONGS_EQUAL(8, ring.free());
}

// proves: SPLIT-26
TEST(SplitRingInOrder, TakesAnElementAChainToo) {
  start_in_order(8);
  for (unsigned i = 0; i < 50; i++) {
    const auto chains = expose({2, 1, 3});
    device.complete_batch(chains, 6);
    for (const virtio::Used& used : take())
      LONGS_EQUAL(6, used.length);
    LONGS_EQUAL(8, ring.free());
  }
}

// proves: SPLIT-20
TEST(SplitRingInOrder, CountsABatchByItsChainsWhenItAsksForAnInterrupt) {
  start_in_order(8, false, true);
  const auto chains = expose({1, 1, 1, 1});
  CHECK_FALSE(ring.request_interrupt(3));
  device.complete_by_one_entry({chains.begin(), chains.begin() + 2}, 1);
  LONGS_EQUAL(0, device.interrupts);
  device.complete_by_one_entry({chains.begin() + 2, chains.end()}, 1);
  LONGS_EQUAL(1, device.interrupts);
  LONGS_EQUAL(4, take().size());
}

// ---- a device that lies
// ----------------------------------------------------------------------------------------------

// proves: ROB-01
TEST(SplitRingInOrder, RejectsABatchThatEndsAtNoDescriptor) {
  start_in_order(8);
  for (const std::uint32_t id : {8U, 0x1'0001U, 0xffff'ffffU}) {
    expose({1, 1, 1});
    device.place_used(id, 4);
    device.set_used_idx(3);
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_id_out_of_range);
  }
}

// proves: ROB-02, ROB-03
TEST(SplitRingInOrder, RejectsABatchThatEndsAtNoChainInFlight) {
  start_in_order(8);
  for (const std::uint32_t id : {1U, 6U, 7U}) { // within a chain, and twice free
    expose({2, 2, 2});
    device.place_used(id, 4);
    device.set_used_idx(3);
    LONGS_EQUAL(0, take().size());
    expect_broken(RingFault::used_id_not_in_flight);
  }
  const auto chains = expose({2, 2, 2});
  device.complete(chains[0], 4);
  device.place_used(chains[0].head, 4);
  device.publish_used();
  LONGS_EQUAL(1, take().size());
  expect_broken(RingFault::used_id_not_in_flight);
}

// proves: ROB-06, SPLIT-26
TEST(SplitRingInOrder, RejectsABatchThatGoesBeyondTheUsedIndex) {
  start_in_order(8);
  const auto chains = expose({1, 2, 1});
  device.place_used(chains[2].head, 4); // the third, but the index announces two
  device.set_used_idx(2);
  LONGS_EQUAL(0, take().size());
  LONGS_EQUAL(3, ring.chains_in_flight());
  expect_broken(RingFault::used_index_jump);
}

// proves: ROB-02, ROB-06
TEST(SplitRingInOrder, RejectsAChainThatWasAddedButNotExposed) {
  start_in_order(8);
  const auto chains = expose({1, 1});
  const Token hidden = *add_one();
  device.place_used(hidden, 4);
  device.set_used_idx(2);
  LONGS_EQUAL(0, take().size());
  expect_broken(RingFault::used_index_jump);
  expose({1, 1});
  static_cast<void>(add_one());
  device.set_used_idx(3);
  LONGS_EQUAL(0, take().size());
  expect_broken(RingFault::used_index_jump);
}

// proves: ROB-06
TEST(SplitRingInOrder, RejectsAnIndexThatRunsBackIntoABatch) {
  start_in_order(8);
  device.complete_by_one_entry(expose({1, 1, 1, 1}), 4);
  LONGS_EQUAL(1, take(1).size());
  device.set_used_idx(2); // three were announced, two of them not taken yet
  LONGS_EQUAL(0, take().size());
  expect_broken(RingFault::used_index_jump);
}

// proves: ROB-09
TEST(SplitRingInOrder, ReadsTheElementOfABatchOnce) {
  start_in_order(8);
  device.complete_by_one_entry(expose({1, 1, 1, 1}), 4);
  LONGS_EQUAL(2, take(2).size());
  device.rewrite_used(0, 0xffff'ffff, 0xffff'ffff);
  for (std::uint16_t slot = 1; slot < 8; slot++) // what was skipped is never looked at
    device.rewrite_used(slot, 0xffff'ffff, 0xffff'ffff);
  const auto used = take();
  LONGS_EQUAL(2, used.size());
  LONGS_EQUAL(4, used[1].length);
  CHECK_FALSE(ring.broken());
}

// proves: ROB-04
TEST(SplitRingInOrder, ReportsTheLengthOfTheLastChainAsTheDeviceWroteIt) {
  start_in_order(8);
  device.complete_by_one_entry(expose({1, 1}), 0xffff'fff0);
  const auto used = take();
  CHECK(used.at(1).length == 0xffff'fff0);
  LONGS_EQUAL(16, used[1].writable);
  LONGS_EQUAL(16, used[0].length);
}
