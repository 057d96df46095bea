// SPDX-License-Identifier: BSD-2-Clause
#include <array>
#include <cstring>
#include <utility>

#include "bsp/dma.hpp"

#include <CppUTest/TestHarness.h>

using bsp::BusAddress;
using bsp::DmaArena;
using bsp::DmaBuffer;

TEST_GROUP(DmaArena) {
  alignas(4096) std::array<std::byte, 16384> memory;
  DmaArena arena{memory, BusAddress{0x8000'0000}};
  void setup() override {
    std::memset(memory.data(), 0xa5, memory.size());
  }
};

TEST(DmaArena, HandsOutZeroedAlignedBlocks) {
  DmaBuffer first = *arena.allocate(10, 1);
  DmaBuffer second = *arena.allocate(100, 4096);
  LONGS_EQUAL(0, bsp::raw(second.bus()) % 4096);
  for (const std::byte byte : second.bytes())
    LONGS_EQUAL(0, static_cast<int>(byte));
  LONGS_EQUAL(0x8000'0000 + (second.data() - memory.data()), bsp::raw(second.bus()));
}

TEST(DmaArena, LeavesABlockAsFoundOnRequest) {
  DmaBuffer block = *arena.allocate(100, 64, DmaArena::Content::as_found);
  for (const std::byte byte : block.bytes())
    LONGS_EQUAL(0xa5, static_cast<int>(byte));
}

TEST(DmaArena, RefusesWhatDoesNotFitAndStaysUsable) {
  CHECK(arena.allocate(16385, 1).error() == bsp::Error::out_of_dma_memory);
  CHECK(arena.allocate(SIZE_MAX, 1).error() == bsp::Error::out_of_dma_memory);
  CHECK(arena.allocate(16384, 4096).has_value());
}

TEST(DmaArena, RefusesZeroSizeAndOddAlignment) {
  CHECK(arena.allocate(0, 1).error() == bsp::Error::invalid_argument);
  CHECK(arena.allocate(8, 3).error() == bsp::Error::invalid_argument);
}

TEST(DmaArena, TakesBlocksBackInReverseOrder) {
  {
    DmaBuffer first = *arena.allocate(64, 64);
    DmaBuffer second = *arena.allocate(64, 64);
    LONGS_EQUAL(128, arena.used());
  }
  LONGS_EQUAL(0, arena.used());
  LONGS_EQUAL(0, arena.stranded());
}

TEST(DmaArena, CountsABlockFreedInTheMiddleAsStranded) {
  DmaBuffer first = *arena.allocate(64, 64);
  DmaBuffer second = *arena.allocate(64, 64);
  first = DmaBuffer{};
  LONGS_EQUAL(64, arena.stranded());
  LONGS_EQUAL(128, arena.used());
}

TEST(DmaArena, NeverReusesQuarantinedMemory) {
  DmaBuffer buffer = *arena.allocate(64, 64);
  buffer.quarantine();
  LONGS_EQUAL(64, arena.used());
  DmaBuffer next = *arena.allocate(64, 64);
  LONGS_EQUAL(64, next.data() - memory.data());
}

TEST(DmaArena, MovingABufferMovesItsOwnership) {
  DmaBuffer first = *arena.allocate(64, 64);
  DmaBuffer second = std::move(first);
  POINTERS_EQUAL(nullptr, first.data());
  second = DmaBuffer{};
  LONGS_EQUAL(0, arena.used());
}
