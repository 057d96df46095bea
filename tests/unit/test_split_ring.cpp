// SPDX-License-Identifier: BSD-2-Clause
// The split ring: layout, chains, indices, ordering. Notifications: test_split_ring_notify.cpp; bad devices:
// test_split_ring_hostile.cpp.
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/split_ring_test.hpp"

using bsp::BusAddress;
using test::Event;
using test::fake_bus;
using test::Fence;
using virtio::SplitRing;
using virtio::Token;

TEST_GROUP_BASE(SplitRing, test::SplitRingTest){};

// ---- layout
// ----------------------------------------------------------------------------------------------------------

// proves: SPLIT-01
TEST(SplitRing, AlignsItsThreeAreasForEverySize) {
  create(1024);
  CHECK(arena.allocate(1, 1).has_value());
  for (std::uint16_t size = 2; size <= 1024; size = static_cast<std::uint16_t>(size * 2)) {
    restart(size, false); // the device checks 16, 2 and 4
    LONGS_EQUAL(0, raw(ring.memory().descriptor_area) % 16);
    LONGS_EQUAL(0, raw(ring.memory().driver_area) % 2);
    LONGS_EQUAL(0, raw(ring.memory().device_area) % 4);
  }
}

// proves: SPLIT-03
TEST(SplitRing, HasRoomForEachAreaWithItsEventWord) {
  // Hand-computed: 16 q, 6 + 2 q rounded up to the alignment of the next, 6 + 8 q rounded up likewise.
  LONGS_EQUAL(128 + 24 + 72, SplitRing::memory_size(8, 4));
  LONGS_EQUAL(32 + 12 + 24, SplitRing::memory_size(2, 4));
  LONGS_EQUAL(4096 + 520 + 2056, SplitRing::memory_size(256, 4));
}

// proves: SPLIT-03
TEST(SplitRing, KeepsItsStoresInsideItsAreasAndLeavesAllOfTheUsedAreaToTheDevice) {
  start(8, true);
  const auto areas = device.areas();
  const std::uintptr_t first = host(areas.descriptors);
  const std::uintptr_t available = host(areas.available);
  fake_bus().on_shared_store = [&](const void* address, std::size_t width) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const bool in_table = at >= first && at + width <= first + 16 * 8;
    const bool in_available = at >= available && at + width <= available + 6 + 2 * 8;
    CHECK(in_table || in_available);
  };
  for (unsigned lap = 0; lap < 5; lap++) {
    give(8);
    const auto chains = device.take_available();
    // The device may write all of its area, up to the last byte of avail_event.
    for (std::uint16_t slot = 0; slot < 8; slot++)
      device.rewrite_used(slot, 0xffff'ffff, 0xffff'ffff);
    device.set_avail_event(0xffff);
    device.complete_batch(chains, 1);
    LONGS_EQUAL(8, take().size());
    LONGS_EQUAL(8, ring.free());
    CHECK_FALSE(ring.request_interrupt());
  }
  fake_bus().on_shared_store = nullptr;
}

// proves: SPLIT-04, LEG-11
TEST(SplitRing, WritesItsFieldsLittleEndian) {
  start(8, false);
  const virtio::Piece pieces[] = {piece(0x123, 0x1234), piece(0x2000, 0x56)};
  CHECK(ring.add({pieces, 1}, {pieces + 1, 1}).has_value());
  static_cast<void>(ring.publish());
  const std::uint64_t bus = raw(pieces[0].address);
  const auto low = static_cast<std::uint8_t>(bus);
  const auto second = static_cast<std::uint8_t>(bus >> 8);
  const auto third = static_cast<std::uint8_t>(bus >> 16);
  const std::uint8_t expected[] = {low, second, third, 0x80, 0, 0, 0, 0, 0x34, 0x12, 0, 0, 1, 0, 1, 0};
  MEMCMP_EQUAL(expected, memory.at(device.areas().descriptors, 16), 16);
  const std::uint8_t tail[] = {2, 0, 0, 0}; // flags WRITE, next 0
  MEMCMP_EQUAL(tail, memory.at(device.areas().descriptors + 16 + 12, 4), 4);
  const std::uint8_t available[] = {1, 0, 1, 0, 0, 0}; // flags, idx, ring[0]
  MEMCMP_EQUAL(available, memory.at(device.areas().available, 6), 6);
  LONGS_EQUAL(1, device.take_available().size());
}

// proves: LEG-15
TEST(SplitRing, TakesTheMemoryThatTheLegacyFormulaGives) {
  LONGS_EQUAL(4096 + 4096, SplitRing::memory_size(1, 4096));
  LONGS_EQUAL(4096 + 4096, SplitRing::memory_size(8, 4096));
  LONGS_EQUAL(8192 + 4096, SplitRing::memory_size(256, 4096));
  LONGS_EQUAL(20480 + 12288, SplitRing::memory_size(1024, 4096));
}

// proves: LEG-16, LEG-34
TEST(SplitRing, LiesWhereALegacyDeviceComputesItFromThePageAlone) {
  const bsp::DmaBuffer before = *arena.allocate(64, 64); // the next free byte is not at a page of its own accord
  create(256, 4096);
  for (const std::uint16_t size : {std::uint16_t{256}, std::uint16_t{64}, std::uint16_t{8}}) {
    restart(size, false);
    const std::uint64_t page = raw(ring.memory().descriptor_area);
    LONGS_EQUAL(0, page % 4096);
    device.go_live(test::FakeRingDevice::legacy_areas(page, size, 4096), false); // also checks that it is zeroed
    give(5);
    device.complete_batch(device.take_available(), 7);
    LONGS_EQUAL(5, take().size());
  }
}

// proves: SPLIT-27
TEST(SplitRing, StartsWithZeroedRingsWhateverTheMemoryHeld) {
  start(8, false); // the memory was filled with 0xa5; the device checks the rest
  LONGS_EQUAL(0, memory.load(device.areas().used, 2));
  LONGS_EQUAL(0, device.avail_idx());
}

TEST(SplitRing, RefusesACapacityThatIsNoPowerOfTwoOrTooLarge) {
  for (const std::uint16_t capacity : {std::uint16_t{0}, std::uint16_t{3}, std::uint16_t{1000}, std::uint16_t{32768}})
    CHECK(SplitRing::create(arena, capacity, 4).error() == bsp::Error::invalid_argument);
}

TEST(SplitRing, ReportsThatItsMemoryDoesNotFit) {
  CHECK(SplitRing::create(arena, 16384, 4).error() == bsp::Error::out_of_dma_memory);
  LONGS_EQUAL(0, arena.used());
}

// ---- chains
// ----------------------------------------------------------------------------------------------------------

// proves: SPLIT-05
TEST(SplitRing, PutsReadableDescriptorsBeforeWritableOnes) {
  start(8, false);
  CHECK(add_chain(2, 3).has_value());
  static_cast<void>(ring.publish());
  const auto chains = device.take_available();
  LONGS_EQUAL(1, chains.size());
  LONGS_EQUAL(5, chains[0].pieces.size());
  for (std::size_t i = 0; i < 5; i++) {
    CHECK(chains[0].pieces[i].writable == (i >= 2));
    LONGS_EQUAL(raw(data.bus(16 * i)), chains[0].pieces[i].bus);
  }
}

// proves: SPLIT-12
TEST(SplitRing, TakesAChainOnlyIfAllOfItFits) {
  start(4, false);
  CHECK_FALSE(add_chain(3, 2).has_value());
  LONGS_EQUAL(4, ring.free());
  CHECK(add_chain(2, 2).has_value());
  LONGS_EQUAL(0, ring.free());
  CHECK_FALSE(add_chain(1, 0).has_value());
  static_cast<void>(ring.publish());
  LONGS_EQUAL(1, device.take_available().size());
}

TEST(SplitRing, RefusesAnEmptyChain) {
  start(4, false);
  CHECK_FALSE(ring.add({}, {}).has_value());
  CHECK_FALSE(ring.publish().has_value());
}

// proves: SPLIT-24
TEST(SplitRing, GivesEveryDescriptorOfAChainBackWhateverTheOrder) {
  start(16, false);
  std::mt19937 random{7};
  std::vector<test::FakeRingDevice::Chain> waiting;
  std::map<Token, std::size_t> descriptors;
  std::size_t out = 0;
  for (int round = 0; round < 5000; round++) {
    const std::size_t readable = random() % 3;
    const std::size_t count = readable + random() % 4;
    if (const auto token = add_chain(readable, count - readable)) {
      descriptors[*token] = count;
      out += count;
    }
    static_cast<void>(ring.publish());
    for (auto& chain : device.take_available())
      waiting.push_back(chain);
    if (waiting.empty() || random() % 3 == 0) continue;
    const std::size_t pick = random() % waiting.size();
    device.complete(waiting[pick], waiting[pick].length(true));
    for (const virtio::Used& used : take()) {
      LONGS_EQUAL(waiting[pick].head, used.token);
      LONGS_EQUAL(waiting[pick].length(true), used.writable);
      out -= descriptors.at(used.token);
    }
    waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(pick));
    LONGS_EQUAL(16 - out, ring.free());
    LONGS_EQUAL(waiting.size(), ring.chains_in_flight());
  }
  for (const auto& chain : waiting)
    device.complete(chain, 0);
  take();
  LONGS_EQUAL(16, ring.free());
}

// proves: SPLIT-07, SPLIT-10, SPLIT-11, SPLIT-13
TEST(SplitRing, BuildsChainsThatEndWithinTheTableAndNeverUseIndirectDescriptors) {
  start(8, false);
  for (unsigned lap = 0; lap < 100; lap++) {
    for (std::size_t length = 1; length <= 8; length++) { // the device walks each and knows only NEXT and WRITE
      CHECK(add_chain(length / 2, length - length / 2).has_value());
      static_cast<void>(ring.publish());
      const auto chains = device.take_available();
      LONGS_EQUAL(length, chains.at(0).pieces.size());
      device.complete(chains[0], 0);
      LONGS_EQUAL(1, take().size());
    }
  }
}

// proves: GEN-21
TEST(SplitRing, LeavesDescriptorsInFlightAloneWhileOthersComeAndGo) {
  start(8, false);
  CHECK(add_chain(1, 2).has_value());
  static_cast<void>(ring.publish());
  const auto kept = device.take_available(); // compared byte by byte at every look and at its completion
  cycle(50);
  device.complete(kept.at(0), 32);
  LONGS_EQUAL(1, take().size());
}

TEST(SplitRing, KeepsTheTokenThatItAnnounced) {
  start(4, false);
  for (int i = 0; i < 20; i++) {
    const Token announced = ring.next_token();
    CHECK(add_chain(1, 1) == announced);
    CHECK(ring.in_flight(announced));
    static_cast<void>(ring.publish());
    device.complete(device.take_available().at(0), 0);
    LONGS_EQUAL(announced, take().at(0).token);
    CHECK_FALSE(ring.in_flight(announced));
  }
}

// ---- indices
// ---------------------------------------------------------------------------------------------------------

// proves: SPLIT-15, SPLIT-16
TEST(SplitRing, CountsItsIndexUpThroughSeventyThousandChains) {
  create(64); // used as a ring of 8
  restart(8, false);
  std::uint16_t before = device.avail_idx();
  for (unsigned sent = 0; sent < 70000;) {
    const unsigned batch = 1 + sent % 8;
    give(batch);
    sent += batch;
    const std::uint16_t now = device.avail_idx();
    LONGS_EQUAL(batch, static_cast<std::uint16_t>(now - before));
    LONGS_EQUAL(sent & 0xffff, now);
    before = now;
    const auto chains = device.take_available(); // from slot idx modulo 8
    LONGS_EQUAL(batch, chains.size());
    device.complete_batch(chains, 1);
    LONGS_EQUAL(batch, take().size());
  }
}

TEST(SplitRing, HandsOutNoMoreThanAskedForAndTheRestLater) {
  start(8, false);
  give(8);
  device.complete_batch(device.take_available(), 3);
  LONGS_EQUAL(3, take(3).size());
  CHECK(ring.used_pending());
  LONGS_EQUAL(5, take(64).size());
  CHECK_FALSE(ring.used_pending());
}

// proves: SPLIT-21
TEST(SplitRing, FindsNothingWithoutANewUsedEntry) {
  start(8, false);
  give(2);
  for (int i = 0; i < 3; i++)
    LONGS_EQUAL(0, take().size());
  device.complete(device.take_available().at(0), 1);
  LONGS_EQUAL(1, take().size());
  LONGS_EQUAL(0, take().size());
  CHECK_FALSE(ring.broken());
}

TEST(SplitRing, ReportsWhatTheDeviceWroteAndWhatItWasAllowedTo) {
  start(8, false);
  CHECK(add_chain(1, 3).has_value());
  static_cast<void>(ring.publish());
  device.complete(device.take_available().at(0), 0xffff'fff0);
  const auto used = take();
  CHECK(used.at(0).length == 0xffff'fff0);
  LONGS_EQUAL(48, used.at(0).writable);
}

// ---- order
// -----------------------------------------------------------------------------------------------------------

TEST_GROUP_BASE(SplitRingOrder,
                test::SplitRingTest){/// The log as text: s(tore) and l(oad) of the parts of the ring, fences by name.
                                     std::string story(){const auto& areas = device.areas();
std::string text;
for (const Event& event : fake_bus().log) {
  std::string word;
  const auto in = [&](std::uint64_t bus, std::size_t length) {
    return event.address >= host(bus) && event.address < host(bus) + length;
  };
  if (event.kind == Event::Kind::fence) {
    word = std::string{"["} + to_string(event.fence) + "]";
  } else {
    const char* const verb = event.kind == Event::Kind::shared_store ? "store " : "load ";
    const char* what = "?";
    if (in(areas.descriptors, 16U * areas.size)) what = "descriptor";
    if (in(areas.available, 2)) what = "avail.flags";
    if (in(areas.available + 2, 2)) what = "avail.idx";
    if (in(areas.available + 4, 2U * areas.size)) what = "avail.ring";
    if (in(areas.available + 4 + 2U * areas.size, 2)) what = "used_event";
    if (in(areas.used, 2)) what = "used.flags";
    if (in(areas.used + 2, 2)) what = "used.idx";
    if (in(areas.used + 4, 8U * areas.size)) what = "used.ring";
    if (in(areas.used + 4 + 8U * areas.size, 2)) what = "avail_event";
    word = std::string{verb} + what;
  }
  if (text.size() < word.size() || text.substr(text.size() - word.size()) != word)
    text += (text.empty() ? "" : ", ") + word;
}
fake_bus().log.clear();
return text;
}
void record() {
  fake_bus().log.clear();
  fake_bus().log_enabled = fake_bus().log_shared = true;
}
}
;

// proves: SPLIT-34, SPLIT-35
TEST(SplitRingOrder, PublishesBehindABarrierAndLooksAtTheFlagsBehindAnother) {
  start(8, false);
  record();
  static_cast<void>(add_one());
  static_cast<void>(ring.publish());
  STRCMP_EQUAL("store descriptor, store avail.ring, [before_publish], store avail.idx, [before_suppression_check], "
               "load used.flags",
               story().c_str());
}

// proves: SPLIT-34, SPLIT-35
TEST(SplitRingOrder, PublishesBehindABarrierAndLooksAtTheEventIndexBehindAnother) {
  start(8, true);
  record();
  static_cast<void>(add_one());
  static_cast<void>(ring.publish());
  STRCMP_EQUAL("store descriptor, store avail.ring, [before_publish], store avail.idx, [before_suppression_check], "
               "load avail_event",
               story().c_str());
}

// proves: SPLIT-25
TEST(SplitRingOrder, ReadsUsedEntriesBehindABarrierAfterTheirIndex) {
  start(8, false);
  give(3);
  device.complete_batch(device.take_available(), 1);
  record();
  LONGS_EQUAL(3, take().size());
  STRCMP_EQUAL("load used.idx, [after_used_index], load used.ring", story().c_str());
}

// proves: SPLIT-36
TEST(SplitRingOrder, LooksAgainBehindABarrierAfterAskingForInterrupts) {
  start(8, false);
  record();
  CHECK_FALSE(ring.request_interrupt());
  STRCMP_EQUAL("store avail.flags, [after_enabling_notifications], load used.idx", story().c_str());
  restart(8, true);
  record();
  CHECK_FALSE(ring.request_interrupt());
  STRCMP_EQUAL("store used_event, [after_enabling_notifications], load used.idx", story().c_str());
}

// proves: SPLIT-37
TEST(SplitRingOrder, ExposesABatchWithOneIndexStoreAndOneLookAtTheFlags) {
  start(8, false);
  record();
  for (int i = 0; i < 5; i++)
    CHECK(add_one().has_value());
  static_cast<void>(ring.publish());
  const std::uintptr_t index = host(device.areas().available + 2);
  LONGS_EQUAL(1, fake_bus().count(Event::Kind::shared_store, index));
  LONGS_EQUAL(1, fake_bus().count(Event::Kind::shared_load, host(device.areas().used)));
  LONGS_EQUAL(5, device.take_available().size());
}
