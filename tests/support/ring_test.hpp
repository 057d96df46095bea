// SPDX-License-Identifier: BSD-2-Clause
// What the tests of both kinds of ring share: a ring and the device on its other side, over DMA memory whose bus
// addresses differ from the CPU's. Include after the standard headers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bsp/dma.hpp"
#include "drivers/virtio/ring.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/device_memory.hpp"

#include <CppUTest/TestHarness.h>

namespace test {

template <class Ring, class Device> class RingTest : public Utest {
 protected:
  static constexpr std::uint64_t bus_base = 0x8000'0000;
  static constexpr std::size_t memory_size = 0x20000;
  static constexpr std::size_t data_size = 0x4000;
  struct alignas(4096) Page {
    std::byte bytes[4096];
  };

  CleanBus clean;
  std::vector<Page> pages{std::vector<Page>(memory_size / sizeof(Page))};
  std::span<std::byte> bytes{pages.data()->bytes, memory_size};
  bsp::DmaArena arena{bytes, bsp::BusAddress{bus_base}};
  DeviceMemory memory{bytes, bus_base};
  Device device{memory};
  bsp::DmaBuffer data;
  Ring ring;
  bool event_idx{false};

  void setup() override {
    std::ranges::fill(bytes, std::byte{0xa5});
    fake_bus().log_enabled = false;
  }
  void teardown() override {
    device.check();
    STRCMP_EQUAL("", device.violations().c_str());
    STRCMP_EQUAL("", memory.breaches().c_str());
  }

  /// A ring made of `arguments`, and memory for what its chains hold.
  template <class... Arguments> void make_ring(Arguments... arguments) {
    data = *arena.allocate(data_size, 64);
    bsp::Result<Ring> made = Ring::create(arena, arguments...);
    if (!made) FAIL("no memory for the ring");
    ring = std::move(*made);
    // What the arena zeroed is dirty again, as after an earlier life of the ring.
    std::ranges::fill(bytes.first(arena.used()), std::byte{0xa5});
  }
  void restart(const virtio::RingSettings& settings) {
    event_idx = settings.event_idx;
    ring.restart(settings);
    const virtio::QueueMemory where = ring.memory();
    device.go_live({where.size, raw(where.descriptor_area), raw(where.driver_area), raw(where.device_area)},
                   {settings.event_idx, settings.indirect, settings.in_order});
  }

  [[nodiscard]] virtio::Piece piece(std::size_t offset, std::uint32_t length) const {
    return {data.bus(offset), length};
  }
  /// A chain of one writable descriptor of 64 bytes.
  std::optional<virtio::Token> add_one() {
    const virtio::Piece one = piece(0, 64);
    return ring.add({}, {&one, 1});
  }
  /// A chain of `readable` and `writable` pieces of 16 bytes.
  std::optional<virtio::Token> add_chain(std::size_t readable, std::size_t writable) {
    std::vector<virtio::Piece> pieces;
    for (std::size_t i = 0; i < readable + writable; i++)
      pieces.push_back(piece(16 * i, 16));
    const std::span<const virtio::Piece> all{pieces};
    return ring.add(all.first(readable), all.subspan(readable));
  }
  /// Adds and publishes `count` chains of one descriptor; whether a notification was due.
  bool give(unsigned count) {
    for (unsigned i = 0; i < count; i++)
      CHECK(add_one().has_value());
    return ring.publish().has_value();
  }
  std::vector<virtio::Used> take(std::size_t most = 300) {
    std::vector<virtio::Used> used(most);
    used.resize(ring.take_used(used));
    return used;
  }
  /// Sends `count` chains one by one around the whole ring and back.
  void cycle(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
      give(1);
      const auto chains = device.take_available();
      LONGS_EQUAL(1, chains.size());
      device.complete(chains[0], 10);
      LONGS_EQUAL(1, take().size());
    }
  }
  [[nodiscard]] std::uintptr_t host(std::uint64_t bus) { return reinterpret_cast<std::uintptr_t>(memory.at(bus, 1)); }
};

} // namespace test
