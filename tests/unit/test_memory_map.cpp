// SPDX-License-Identifier: BSD-2-Clause
#include <initializer_list>
#include <vector>

#include "bsp/memory_map.hpp"

#include <CppUTest/TestHarness.h>

using bsp::choose_arena;
using bsp::MemoryRange;

namespace {
constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr std::uint64_t ram = 2 * gib;
} // namespace

TEST_GROUP(MemoryMap) {
  std::vector<MemoryRange> memory{{ram, 128 * mib}};
  std::vector<MemoryRange> reserved;

  void chosen(std::uint64_t address, std::uint64_t size, std::uint64_t cap = UINT64_MAX) {
    const MemoryRange range = choose_arena(memory, reserved, cap);
    UNSIGNED_LONGS_EQUAL(size, range.size);
    if (size != 0) UNSIGNED_LONGS_EQUAL(address, range.address);
  }
};

TEST(MemoryMap, RangesHoldTheirFirstAndLastByteOnly) {
  const MemoryRange range{100, 10};
  CHECK_FALSE(range.contains(99));
  CHECK(range.contains(100));
  CHECK(range.contains(109));
  CHECK_FALSE(range.contains(110));
  const MemoryRange empty{100, 0};
  CHECK_FALSE(empty.contains(100));
  const MemoryRange last{UINT64_MAX - 9, 10};
  CHECK(last.contains(UINT64_MAX));
  CHECK_FALSE(last.contains(0));
}

TEST(MemoryMap, TakesAllOfFreeMemory) {
  chosen(ram, 128 * mib);
}

TEST(MemoryMap, TakesNothingWithoutMemory) {
  memory.clear();
  chosen(0, 0);
}

TEST(MemoryMap, TakesNothingFromEmptyMemory) {
  memory = {{ram, 0}};
  chosen(0, 0);
}

TEST(MemoryMap, TakesNothingWhereAllIsReserved) {
  reserved = {{ram, 64 * mib}, {ram + 64 * mib, 64 * mib}};
  chosen(0, 0);
}

TEST(MemoryMap, KeepsToTheCapAndItsWholePages) {
  chosen(ram, 16 * mib, 16 * mib);
  chosen(ram, 16 * mib, 16 * mib + 4095);
  chosen(0, 0, 4095);
}

TEST(MemoryMap, TakesTheLargestGapOfAQemuMachine) {
  reserved = {{ram, 512 * kib},            // firmware
              {ram + 2 * mib, 160 * kib},  // image
              {ram + 126 * mib, 5 * kib}}; // device tree
  chosen(ram + 2 * mib + 160 * kib, 124 * mib - 160 * kib);
}

TEST(MemoryMap, DoesNotCareForTheOrderOfReservations) {
  reserved = {{ram + 126 * mib, 5 * kib}, {ram + 2 * mib, 160 * kib}, {ram, 512 * kib}};
  chosen(ram + 2 * mib + 160 * kib, 124 * mib - 160 * kib);
}

TEST(MemoryMap, TakesALargerGapThatComesFirst) {
  reserved = {{ram + 100 * mib, mib}};
  chosen(ram, 100 * mib);
}

TEST(MemoryMap, PrefersTheLowerOfEquallyGoodGaps) {
  memory = {{8 * gib, 64 * mib}, {ram, 64 * mib}};
  chosen(ram, 64 * mib);
  memory = {{8 * gib, 4 * gib}, {ram, 64 * mib}};
  chosen(ram, 32 * mib, 32 * mib);
  chosen(8 * gib, 65 * mib, 65 * mib);
}

TEST(MemoryMap, HandlesOverlappingAndNestedReservations) {
  reserved = {{ram, 10 * mib}, {ram + 5 * mib, 10 * mib}, {ram + 6 * mib, mib}, {ram, mib}};
  chosen(ram + 15 * mib, 113 * mib);
}

TEST(MemoryMap, IgnoresReservationsElsewhereAndEmptyOnes) {
  reserved = {{0, mib}, {ram - mib, mib}, {ram + 128 * mib, mib}, {ram + 64 * mib, 0}};
  chosen(ram, 128 * mib);
}

TEST(MemoryMap, RespectsReservationsThatStickOutOfMemory) {
  reserved = {{ram - mib, 2 * mib}, {ram + 127 * mib, 5 * mib}};
  chosen(ram + mib, 126 * mib);
}

TEST(MemoryMap, RoundsReservationsOutToPages) {
  reserved = {{ram, 1}, {ram + 64 * mib + 4095, 64 * mib}};
  chosen(ram + 4096, 64 * mib - 4096);
}

TEST(MemoryMap, TakesNoPageThatIsNotWhole) {
  memory = {{ram + 1, 8191}};
  chosen(ram + 4096, 4096);
  memory = {{ram + 1, 8190}};
  chosen(0, 0);
  memory = {{ram + 100, 200}};
  chosen(0, 0);
}

TEST(MemoryMap, NeverTakesPageZero) {
  memory = {{0, mib}};
  chosen(4096, mib - 4096);
  memory = {{0, 4096}};
  chosen(0, 0);
}

TEST(MemoryMap, JoinsAdjacentAndOverlappingMemory) {
  memory = {{ram + 64 * mib, 64 * mib}, {ram, 64 * mib}};
  chosen(ram, 128 * mib);
  memory = {{ram, 64 * mib}, {ram + 32 * mib, 64 * mib}, {ram + 8 * mib, mib}};
  chosen(ram, 96 * mib);
}

TEST(MemoryMap, KeepsAwayFromReservationsAcrossJoinedMemory) {
  memory = {{ram, 64 * mib}, {ram + 64 * mib, 64 * mib}};
  reserved = {{ram + 60 * mib, 8 * mib}};
  chosen(ram, 60 * mib);
  reserved = {{ram + 50 * mib, 8 * mib}};
  chosen(ram + 58 * mib, 70 * mib);
}

TEST(MemoryMap, DoesNotBridgeAHole) {
  memory = {{ram, 64 * mib}, {ram + 65 * mib, 32 * mib}};
  chosen(ram, 64 * mib);
}

TEST(MemoryMap, StaysInsideTheIdentityMap) {
  memory = {{bsp::identity_map_end - mib, 2 * gib}};
  chosen(bsp::identity_map_end - mib, mib);
  memory = {{bsp::identity_map_end, 2 * gib}};
  chosen(0, 0);
  memory = {{bsp::identity_map_end, 2 * gib}, {ram, mib}};
  chosen(ram, mib);
}

TEST(MemoryMap, CutsRangesThatWrapAround) {
  memory = {{ram, UINT64_MAX}};
  chosen(ram, bsp::identity_map_end - ram);
  reserved = {{ram + mib, UINT64_MAX}};
  chosen(ram, mib);
  reserved = {{UINT64_MAX, UINT64_MAX}};
  chosen(ram, bsp::identity_map_end - ram);
}

TEST(MemoryMap, NeverTouchesAReservationWhateverTheLayout) {
  // Every layout of three reservations of up to three pages in eight pages, against a page-by-page count.
  memory = {{ram, 8 * 4096}};
  for (unsigned layout = 0; layout < 8 * 8 * 8 * 27; layout++) {
    unsigned rest = layout;
    bool taken[8]{};
    reserved.clear();
    for (int i = 0; i < 3; i++) {
      const unsigned first = rest % 8;
      const unsigned size = rest / 8 % 3 + 1;
      rest /= 24;
      reserved.push_back({ram + first * 4096, size * 4096});
      for (unsigned page = first; page < first + size && page < 8; page++)
        taken[page] = true;
    }
    unsigned best = 0;
    for (unsigned page = 0, run = 0; page < 8; page++) {
      run = taken[page] ? 0 : run + 1;
      if (run > best) best = run;
    }
    const MemoryRange range = choose_arena(memory, reserved, UINT64_MAX);
    UNSIGNED_LONGS_EQUAL(best * 4096, range.size);
    for (std::uint64_t page = 0; page < range.size / 4096; page++)
      CHECK_FALSE(taken[(range.address - ram) / 4096 + page]);
  }
}
