// SPDX-License-Identifier: BSD-2-Clause
// The packed ring: layout, lists, laps, completion. Notifications: test_packed_ring_notify.cpp; indirect tables and
// in-order use: test_packed_ring_indirect.cpp; bad devices: test_packed_ring_hostile.cpp; order of accesses:
// test_packed_ring_order.cpp; everything at random: test_packed_ring_random.cpp.
#include <random>
#include <vector>

#include "tests/support/packed_ring_test.hpp"

using test::fake_bus;
using test::FakePackedDevice;
using virtio::PackedRing;
using virtio::Token;

namespace {
constexpr std::uint16_t avail_used = FakePackedDevice::avail_flag | FakePackedDevice::used_flag;
} // namespace

TEST_GROUP_BASE(PackedRing, test::PackedRingTest){/// Publishes, and the one chain there is, of `pieces`, comes back.
                                                  void drain_one(std::size_t pieces){static_cast<void>(ring.publish());
const auto chains = device.take_available();
LONGS_EQUAL(1, chains.size());
LONGS_EQUAL(pieces, chains[0].pieces.size());
device.complete(chains[0], 0);
LONGS_EQUAL(1, take().size());
}
}
;

// ---- layout --------------------------------------------------------------------------------------------------------

// proves: PACKED-01, PACKED-06
TEST(PackedRing, AlignsItsPartsForEverySizeThoughNoPowerOfTwo) {
  const bsp::DmaBuffer odd = *arena.allocate(1, 1); // what comes next in the arena is not aligned by itself
  PackedRing own = *PackedRing::create(arena, 300);
  for (std::uint16_t size = 1; size <= 300; size++) {
    own.restart({1, size});
    LONGS_EQUAL(size, own.memory().size);
    LONGS_EQUAL(0, raw(own.memory().descriptor_area) % 16);
    LONGS_EQUAL(0, raw(own.memory().driver_area) % 4);
    LONGS_EQUAL(0, raw(own.memory().device_area) % 4);
  }
}

// proves: PACKED-06, PACKED-19
TEST(PackedRing, GoesAroundWithAnySize) {
  create(256);
  for (const std::uint16_t size : {1, 3, 7, 100, 255, 256}) {
    restart(size, false);
    for (unsigned i = 0; i < 3U * size; i++) { // mixed lengths, in every place of the ring
      const std::size_t length = 1 + i % std::min<std::size_t>(size, 5);
      CHECK(add_chain(length / 2, length - length / 2).has_value());
      drain_one(length);
    }
    LONGS_EQUAL(size, ring.free());
  }
}

// proves: PACKED-39
TEST(PackedRing, KeepsItsStoresInsideItsPartsAndLeavesTheDeviceItsOwn) {
  start(7, true);
  const auto areas = device.areas();
  const std::uintptr_t first = host(areas.descriptors);
  const std::uintptr_t driver = host(areas.available);
  fake_bus().on_shared_store = [&](const void* address, std::size_t width) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    CHECK((at >= first && at + width <= first + 16 * 7) || (at >= driver && at + width <= driver + 4));
  };
  for (unsigned lap = 0; lap < 5; lap++) {
    give(7);
    const auto chains = device.take_available();
    device.set_device_event(0xffff, 0xffff); // the device may write all four bytes
    device.complete_batch(chains, 1);
    LONGS_EQUAL(7, take().size());
    LONGS_EQUAL(7, ring.free());
    CHECK_FALSE(ring.request_interrupt());
  }
  fake_bus().on_shared_store = nullptr;
}

// proves: PACKED-39
TEST(PackedRing, HasRoomForAllOfEachPartInItsOwnMemory) {
  for (const std::uint16_t capacity : {1, 3, 256}) {
    const std::size_t before = arena.used();
    PackedRing own = *PackedRing::create(arena, capacity);
    own.restart({1, capacity});
    const std::uint64_t begin = raw(arena.bus()) + before;
    const std::uint64_t end = raw(arena.bus()) + arena.used();
    const virtio::QueueMemory where = own.memory();
    const std::uint64_t ring_end = raw(where.descriptor_area) + 16U * capacity;
    CHECK(raw(where.descriptor_area) >= begin && ring_end <= end);
    CHECK(raw(where.driver_area) >= ring_end && raw(where.driver_area) + 4 <= end);
    CHECK(raw(where.device_area) >= raw(where.driver_area) + 4 && raw(where.device_area) + 4 <= end);
  }
}

// proves: PACKED-38
TEST(PackedRing, WritesItsFieldsLittleEndian) {
  start(300, true);
  for (int i = 0; i < 0x102; i++) // an id of two bytes
    CHECK(add_one().has_value());
  static_cast<void>(ring.publish());
  const virtio::Piece one = piece(0x123, 0x1234);
  const auto token = ring.add({}, {&one, 1});
  CHECK(token.has_value());
  LONGS_EQUAL(0x102, *token);
  static_cast<void>(ring.publish());
  const auto bus = raw(one.address);
  const auto byte = [bus](unsigned i) { return static_cast<std::uint8_t>(bus >> (8 * i)); };
  const std::uint8_t expected[] = {byte(0), byte(1), byte(2), 0x80, 0, 0, 0, 0, 0x34, 0x12, 0, 0, 2, 1, 0x82, 0};
  MEMCMP_EQUAL(expected, memory.at(device.areas().descriptors + 16 * 0x102, 16), 16);
  device.complete_batch(device.take_available(), 1);
  take();
  CHECK_FALSE(ring.request_interrupt());
  const std::uint8_t event[] = {3, 0x81, 2, 0}; // slot 0x103, wrap counter 1; flags: one descriptor
  MEMCMP_EQUAL(event, memory.at(device.areas().available, 4), 4);
}

// proves: PACKED-05, PACKED-04
TEST(PackedRing, StartsWithAZeroedRingThatDoesNotLookUsed) {
  start(8); // the memory was filled with 0xa5; the device checks that all is zero
  CHECK_FALSE(ring.used_pending());
  LONGS_EQUAL(0, take().size());
  give(1);
  CHECK_FALSE(ring.used_pending());
  LONGS_EQUAL(0, take().size());
  CHECK_FALSE(ring.broken());
}

TEST(PackedRing, IsAsNewAfterARestartInTheMiddleOfALap) {
  start(7);
  for (unsigned i = 0; i < 20; i++) {
    cycle(i);
    give(3);
    device.take_available();
    restart(static_cast<std::uint16_t>(1 + i % 7), i % 2 == 0);
    LONGS_EQUAL(0, ring.chains_in_flight());
    LONGS_EQUAL(ring.size(), ring.free());
    LONGS_EQUAL(0x8000, device.next_available());
    cycle(3);
    restart(7, false);
  }
}

TEST(PackedRing, RefusesACapacityOfZeroOrTooLarge) {
  for (const std::uint16_t capacity : {0, 16385, 32768})
    CHECK(PackedRing::create(arena, capacity).error() == bsp::Error::invalid_argument);
}

TEST(PackedRing, ReportsThatItsMemoryDoesNotFitAndKeepsNone) {
  CHECK(PackedRing::create(arena, 16384).error() == bsp::Error::out_of_dma_memory);
  CHECK(PackedRing::create(arena, 256, 1000).error() == bsp::Error::out_of_dma_memory);
  LONGS_EQUAL(0, arena.used());
}

TEST(PackedRing, NeverGivesMemoryBackThatTheDeviceMayStillWrite) {
  {
    PackedRing own = *PackedRing::create(arena, 8, 4);
    own.restart({0, 8});
    own.quarantine();
  }
  CHECK(arena.used() >= 16 * 8 + 8 + 16 * 8 * 4);
}

// ---- lists ---------------------------------------------------------------------------------------------------------

// proves: PACKED-13, PACKED-17, PACKED-18
TEST(PackedRing, PutsReadableDescriptorsBeforeWritableOnesAndItsIdIntoTheLast) {
  start(8);
  cycle(6); // the list crosses the end of the ring
  const auto token = add_chain(2, 3);
  static_cast<void>(ring.publish());
  const std::uint16_t slots[] = {6, 7, 0, 1, 2};
  const std::uint16_t flags[] = {0x0081, 0x0081, 0x8003, 0x8003, 0x8002}; // another lap from slot 0 on
  for (std::size_t i = 0; i < 5; i++) {
    const auto descriptor = device.descriptor(slots[i]);
    LONGS_EQUAL(flags[i], descriptor.flags);
    LONGS_EQUAL(raw(data.bus(16 * i)), descriptor.addr);
    LONGS_EQUAL(16, descriptor.len);
  }
  LONGS_EQUAL(*token, device.descriptor(2).id);
  const auto chains = device.take_available();
  LONGS_EQUAL(1, chains.size());
  LONGS_EQUAL(5, chains[0].pieces.size());
  for (std::size_t i = 0; i < 5; i++)
    CHECK(chains[0].pieces[i].writable == (i >= 2));
}

// proves: PACKED-14, PACKED-15, PACKED-12, PACKED-11
TEST(PackedRing, TakesAListOnlyIfAllOfItFits) {
  start(4);
  device.want_notifications(true);
  CHECK_FALSE(add_chain(3, 2).has_value()); // longer than the queue
  CHECK_FALSE(add_chain(200, 0).has_value());
  LONGS_EQUAL(4, ring.free());
  CHECK(add_chain(1, 1).has_value());
  CHECK_FALSE(add_chain(1, 2).has_value()); // one slot too few
  LONGS_EQUAL(2, ring.free());
  static_cast<void>(ring.publish());
  LONGS_EQUAL(1, device.take_available().size()); // nothing of the others
  CHECK(add_chain(2, 0).has_value());
  LONGS_EQUAL(0, ring.free());
  CHECK_FALSE(add_chain(1, 0).has_value());
  static_cast<void>(ring.publish());
  LONGS_EQUAL(1, device.take_available().size());
}

// proves: PACKED-15
TEST(PackedRing, TouchesNothingForAListThatDoesNotFit) {
  start(4);
  give(3);
  unsigned stores = 0;
  fake_bus().on_shared_store = [&](const void*, std::size_t) { stores++; };
  const Token announced = ring.next_token();
  CHECK_FALSE(add_chain(1, 1).has_value());
  CHECK_FALSE(ring.add({}, {}).has_value());
  CHECK_FALSE(ring.publish().has_value());
  fake_bus().on_shared_store = nullptr;
  LONGS_EQUAL(0, stores);
  LONGS_EQUAL(announced, ring.next_token());
  LONGS_EQUAL(3, ring.chains_in_flight());
}

// proves: PACKED-19, PACKED-22
TEST(PackedRing, MatchesCompletionsByIdAndSkipsTheLengthOfEachList) {
  start(8);
  std::vector<Token> tokens;
  for (std::size_t length = 1; length <= 3; length++)
    tokens.push_back(*add_chain(0, length));
  static_cast<void>(ring.publish());
  const auto chains = device.take_available();
  device.complete(chains[2], 48); // writes slot 0
  device.complete(chains[0], 16); // slot 3
  auto used = take();
  LONGS_EQUAL(2, used.size());
  LONGS_EQUAL(tokens[2], used[0].token);
  LONGS_EQUAL(48, used[0].writable);
  LONGS_EQUAL(48, used[0].length);
  LONGS_EQUAL(tokens[0], used[1].token);
  LONGS_EQUAL(16, used[1].writable);
  LONGS_EQUAL(6, ring.free());
  LONGS_EQUAL(4, ring.state().last_used);
  CHECK(ring.in_flight(tokens[1]));
  device.complete(chains[1], 32);
  LONGS_EQUAL(tokens[1], take().at(0).token);
  LONGS_EQUAL(8, ring.free());
}

TEST(PackedRing, KeepsTheTokenThatItAnnounced) {
  start(5);
  std::mt19937 random{3};
  std::vector<FakePackedDevice::Chain> waiting;
  for (int i = 0; i < 500; i++) {
    const Token announced = ring.next_token();
    if (ring.free() != 0) {
      CHECK(add_one() == announced);
      CHECK(ring.in_flight(announced));
    }
    static_cast<void>(ring.publish());
    for (const auto& chain : device.take_available())
      waiting.push_back(chain);
    const std::size_t pick = random() % waiting.size();
    device.complete(waiting[pick], 0);
    LONGS_EQUAL(waiting[pick].head, take().at(0).token);
    CHECK_FALSE(ring.in_flight(waiting[pick].head));
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(pick));
    if (random() % 3 != 0 && ring.free() != 0) give(1);
    for (const auto& chain : device.take_available())
      waiting.push_back(chain);
    if (waiting.empty()) continue;
    LONGS_EQUAL(waiting.size(), ring.chains_in_flight());
  }
}

TEST(PackedRing, ForgetsAChainAfterAReset) {
  start(4);
  const Token token = *add_one();
  static_cast<void>(ring.publish());
  device.stop();
  ring.forget(token);
  CHECK_FALSE(ring.in_flight(token));
  LONGS_EQUAL(0, ring.chains_in_flight());
}

// ---- laps ----------------------------------------------------------------------------------------------------------

// proves: PACKED-02, PACKED-03
TEST(PackedRing, FlipsItsWrapCountersAtEachEndOfTheRing) {
  start(3);
  for (unsigned i = 0; i < 60; i++) {
    const bool wrap = i / 3 % 2 == 0; // the first lap: 1
    CHECK_EQUAL(wrap, ring.state().avail_wrap);
    CHECK_EQUAL(wrap, ring.state().used_wrap);
    LONGS_EQUAL(i % 3, ring.state().avail_idx);
    LONGS_EQUAL(i % 3, ring.state().last_used);
    give(1);
    const std::uint16_t expected = wrap ? FakePackedDevice::avail_flag : FakePackedDevice::used_flag;
    LONGS_EQUAL(expected, device.descriptor(i % 3).flags & avail_used);
    const auto chains = device.take_available();
    device.complete(chains.at(0), 1);
    LONGS_EQUAL(wrap ? avail_used : 0, device.descriptor(i % 3).flags & avail_used);
    LONGS_EQUAL(1, take().size());
  }
}

// proves: PACKED-04
TEST(PackedRing, TakesEqualFlagsForUsedOnlyIfTheyAreThoseOfThisLap) {
  start(3);
  for (unsigned lap = 0; lap < 4; lap++) {
    const bool wrap = lap % 2 == 0;
    for (std::uint16_t slot = 0; slot < 3; slot++) {
      give(1);
      const auto chains = device.take_available();
      const std::uint16_t before = device.descriptor(slot).flags;
      device.mark_used(slot, !wrap); // equal bits, but the other lap's
      CHECK_FALSE(ring.used_pending());
      LONGS_EQUAL(0, take().size());
      CHECK_FALSE(ring.request_interrupt());
      device.set_flags(slot, before);
      device.complete(chains.at(0), 1);
      CHECK(ring.used_pending());
      LONGS_EQUAL(1, take().size());
    }
  }
}

// proves: PACKED-23
TEST(PackedRing, LooksOnlyAtTheNextUsedSlotInRingOrder) {
  start(8);
  give(3);
  const auto chains = device.take_available();
  device.rewrite_used(1, chains[1].head, 5);
  device.mark_used(1, true); // written early; slot 0 is not used yet
  device.mark_used(2, true);
  unsigned loads = 0;
  fake_bus().on_shared_load = [&](const void* address, std::size_t) {
    loads++;
    CHECK(reinterpret_cast<std::uintptr_t>(address) - host_slot(0) < 16);
  };
  CHECK_FALSE(ring.used_pending());
  LONGS_EQUAL(0, take().size());
  fake_bus().on_shared_load = nullptr;
  LONGS_EQUAL(2, loads);
  device.rewrite_used(2, chains[2].head, 6);
  device.rewrite_used(0, chains[0].head, 4);
  device.mark_used(0, true);
  const auto used = take();
  LONGS_EQUAL(3, used.size());
  for (std::size_t i = 0; i < 3; i++)
    LONGS_EQUAL(chains[i].head, used[i].token);
}

// proves: PACKED-07, PACKED-08, GEN-21
TEST(PackedRing, LeavesTheSlotsAloneThatTheDeviceOwns) {
  start(5);
  std::vector<bool> owned(5);
  fake_bus().on_shared_store = [&](const void* address, std::size_t) {
    const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(address) - host_slot(0);
    if (at < 16 * 5) CHECK_FALSE(owned[at / 16]);
  };
  for (unsigned i = 0; i < 200; i++) {
    const std::size_t count = 1 + i % 3;
    const std::uint16_t first = ring.state().avail_idx;
    CHECK(add_chain(0, count).has_value());
    static_cast<void>(ring.publish());
    for (std::size_t j = 0; j < count; j++)
      owned[(first + j) % 5] = true; // from the store of its flags on
    if (ring.free() != 0) {
      CHECK(add_one().has_value()); // another batch while the first is in flight
      static_cast<void>(ring.publish());
      owned[(first + count) % 5] = true;
    }
    drain();
    owned.assign(5, false); // its USED bits were seen
  }
  fake_bus().on_shared_store = nullptr;
}

// ---- what a used descriptor says -----------------------------------------------------------------------------------

// proves: PACKED-20
TEST(PackedRing, IgnoresNextAndEveryUnknownFlagOfUsedDescriptors) {
  start(7);
  std::mt19937 random{11};
  for (unsigned i = 0; i < 300; i++) {
    device.extra_used_flags = static_cast<std::uint16_t>(random()) & static_cast<std::uint16_t>(~avail_used);
    CHECK(add_chain(1, 1 + i % 3).has_value());
    static_cast<void>(ring.publish());
    const auto chains = device.take_available();
    device.complete(chains.at(0), 9);
    const auto used = take();
    LONGS_EQUAL(chains[0].head, used.at(0).token);
    LONGS_EQUAL(9, used[0].length);
    LONGS_EQUAL(7, ring.free());
  }
}

// proves: PACKED-21
TEST(PackedRing, IgnoresTheLengthIfTheDeviceCannotHaveWritten) {
  start(8);
  for (const std::uint32_t garbage : {1U, 64U, 0xffff'ffffU}) {
    CHECK(add_chain(2, 0).has_value());
    static_cast<void>(ring.publish());
    device.complete(device.take_available().at(0), garbage); // without WRITE
    const auto used = take();
    LONGS_EQUAL(0, used.at(0).length);
    LONGS_EQUAL(0, used[0].writable);
  }
}

TEST(PackedRing, BelievesADeviceThatNeverSetsWrite) {
  start(8);
  device.sets_write_flag = false; // QEMU
  CHECK(add_chain(1, 2).has_value());
  static_cast<void>(ring.publish());
  device.complete(device.take_available().at(0), 30);
  LONGS_EQUAL(30, take().at(0).length);
}

// proves: ROB-04
TEST(PackedRing, ReportsWhatTheDeviceWroteAndWhatItWasAllowedTo) {
  start(8);
  CHECK(add_chain(1, 3).has_value());
  static_cast<void>(ring.publish());
  device.complete(device.take_available().at(0), 0xffff'fff0);
  const auto used = take();
  CHECK(used.at(0).length == 0xffff'fff0);
  LONGS_EQUAL(48, used[0].writable);
}

TEST(PackedRing, HandsOutNoMoreThanAskedForAndTheRestLater) {
  start(8);
  give(8);
  device.complete_batch(device.take_available(), 3);
  LONGS_EQUAL(3, take(3).size());
  CHECK(ring.used_pending());
  LONGS_EQUAL(0, take(0).size());
  LONGS_EQUAL(5, take(64).size());
  CHECK_FALSE(ring.used_pending());
}

// ---- diagnostics ---------------------------------------------------------------------------------------------------

TEST(PackedRing, ShowsItsState) {
  start(7, true);
  cycle(9);
  CHECK(add_chain(1, 2).has_value());
  static_cast<void>(ring.publish());
  CHECK_FALSE(ring.request_interrupt());
  device.set_device_event(0x8003, 1);
  const virtio::QueueState state = ring.state();
  CHECK(state.packed && state.format == "packed" && state.event_idx && !state.broken);
  LONGS_EQUAL(1, state.index);
  LONGS_EQUAL(7, state.size);
  LONGS_EQUAL(4, state.free);
  LONGS_EQUAL(3, state.in_flight);
  LONGS_EQUAL(5, state.avail_idx);
  CHECK_FALSE(state.avail_wrap);
  LONGS_EQUAL(2, state.last_used);
  CHECK_FALSE(state.used_wrap);
  LONGS_EQUAL(2, state.driver_event); // slot 2, wrap counter 0
  LONGS_EQUAL(2, state.driver_flags);
  LONGS_EQUAL(0x8003, state.device_event);
  LONGS_EQUAL(1, state.device_flags);
  LONGS_EQUAL(0, PackedRing{}.state().size);
}
