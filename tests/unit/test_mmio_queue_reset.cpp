// SPDX-License-Identifier: BSD-2-Clause
// The reset of a single queue over MMIO (2.6.1, 4.2.2.2): on a device that takes its time, never ends, or offers
// RING_RESET without the register; and the queue's second life with another size.
#include <string>
#include <vector>

#include "bsp/clock.hpp"
#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "drivers/virtio/split_ring.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_ring_device.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using bsp::Error;
using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;

TEST_GROUP(MmioQueueReset) {
  struct alignas(4096) Page {
    std::byte bytes[4096];
  };
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  virtio::MmioTransport transport{device.base(), 8};
  std::vector<Page> pages{std::vector<Page>(4)};
  std::span<std::byte> bytes{pages.data()->bytes, 4 * sizeof(Page)};
  bsp::DmaArena arena{bytes, bsp::BusAddress{0x8000'0000}};
  test::DeviceMemory memory{bytes, 0x8000'0000};
  test::FakeRingDevice rings[2] = {test::FakeRingDevice{memory}, test::FakeRingDevice{memory}};
  virtio::SplitRing ring;
  virtio::SplitRing other;
  bsp::DmaBuffer data;

  void setup() override {
    device.offered |= FeatureSet{Feature::ring_reset}.bits();
    device.on_queue_ready = [this](unsigned index) {
      const FakeVirtioMmio::Queue& queue = device.queues[index];
      const auto size = static_cast<std::uint16_t>(queue.size);
      rings[index].go_live({size, queue.address[0], queue.address[1], queue.address[2]}, false);
    };
    device.on_queue_reset = [this](unsigned index) { rings[index].stop(); };
    device.on_reset = [this] {
      for (auto& one : rings)
        one.stop();
    };
    data = *arena.allocate(64, 64);
    ring = *virtio::SplitRing::create(arena, 16, 4);
    other = *virtio::SplitRing::create(arena, 16, 4);
  }
  void teardown() override {
    for (auto& one : rings) {
      one.check();
      STRCMP_EQUAL("", one.violations().c_str());
    }
    STRCMP_EQUAL("", device.violations().c_str());
    STRCMP_EQUAL("", memory.breaches().c_str());
  }
  std::string trace(test::Fences fences = test::Fences::left_out) {
    return test::take_bus_trace(device.base(), fences);
  }
  void set_up(virtio::SplitRing & one, std::uint16_t index, std::uint16_t size) {
    CHECK(transport.max_queue_size(index).has_value());
    one.restart({.index = index, .size = size});
    CHECK(transport.enable_queue(index, one.memory()).has_value());
  }
  void go_live(FeatureSet wanted = {Feature::ring_reset}) {
    virtio::DeviceInit init{transport};
    CHECK(init.begin().has_value());
    CHECK(init.accept(wanted).has_value());
    set_up(ring, 0, 16);
    set_up(other, 1, 16);
    CHECK(init.go_live().has_value());
    trace();
  }
  /// Gives the device chains that it keeps.
  void leave_in_flight(unsigned count) {
    const virtio::Piece piece{data.bus(), 64};
    for (unsigned i = 0; i < count; i++)
      CHECK(ring.add({}, {&piece, 1}).has_value());
    CHECK(ring.publish().has_value());
    LONGS_EQUAL(count, rings[0].take_available().size());
  }
  void check_traffic() {
    leave_in_flight(1);
    const virtio::Doorbell doorbell{device.base() + 0x50, 4};
    doorbell.ring(0);
  }
};

// proves: MMIO-21, VQ-02
TEST(MmioQueueReset, LastsUntilQueueResetReadsZeroAndThenLooksAtQueueReadyToo) {
  device.script.queue_reset_reads = 4;
  go_live();
  leave_in_flight(3);
  trace();
  CHECK(transport.reset_queue(0).has_value());
  STRCMP_EQUAL("w030=0 w0c0=1 r0c0 r0c0 r0c0 r0c0 r0c0 r044 [full]", trace(test::Fences::shown).c_str());
  CHECK_FALSE(device.queues[0].ready);
  CHECK(device.queues[1].ready); // only this one
  LONGS_EQUAL(15, device.status());
}

// proves: ROB-21, VQ-02
TEST(MmioQueueReset, GivesUpOnADeviceThatNeverFinishesIt) {
  device.script.queue_reset_reads = FakeVirtioMmio::never;
  go_live();
  test::fake_clock().step = 1000;
  const std::uint64_t start = test::fake_clock().ticks;
  CHECK(transport.reset_queue(0).error() == Error::queue_reset_failed);
  const std::uint64_t waited_us = bsp::clock::ticks_to_us(test::fake_clock().ticks - start);
  CHECK(waited_us >= virtio::reset_timeout_ms * 1000);
  CHECK(waited_us < virtio::reset_timeout_ms * 1100);
}

// proves: ROB-21, VQ-02
TEST(MmioQueueReset, FailsAtOnceOnADeviceThatLacksTheRegister) {
  device.script.lacks_queue_reset = true;
  go_live();
  leave_in_flight(3);
  trace();
  const std::uint64_t start = test::fake_clock().ticks;
  CHECK(transport.reset_queue(0).error() == Error::queue_reset_failed);
  CHECK(bsp::clock::ticks_to_us(test::fake_clock().ticks - start) < 1000);
  STRCMP_EQUAL("w030=0 w0c0=1 r0c0 r044", trace().c_str());
  CHECK(device.queues[0].ready);
  // The memory is still the device's, until a reset of the whole device.
  CHECK(rings[0].live());
  CHECK(transport.reset().has_value());
  CHECK_FALSE(rings[0].live());
}

// proves: ROB-21, ROB-17
TEST(MmioQueueReset, FailsOnADeviceThatIsGone) {
  go_live();
  test::fake_clock().step = 1000;
  device.script.gone = true;
  CHECK(transport.reset_queue(0).error() == Error::queue_reset_failed);
}

// proves: VQ-03, VQ-04, MMIO-22
TEST(MmioQueueReset, LeavesAQueueThatIsSetUpAgainInFullAndWithAnotherSize) {
  device.script.queue_reset_reads = 2;
  go_live();
  for (const std::uint16_t size : {std::uint16_t{4}, std::uint16_t{16}, std::uint16_t{8}}) {
    leave_in_flight(3);
    CHECK(transport.reset_queue(0).has_value());
    trace();
    set_up(ring, 0, size); // zeroes the memory: the device would notice if it still had it
    const std::string again = trace();
    const std::string wanted = "w030=0 r044 r034 w030=0 w038=" + std::to_string(size == 16 ? 10 : size) + " w080=";
    STRCMP_EQUAL(wanted.c_str(), again.substr(0, wanted.size()).c_str());
    for (const char* const half : {"w084=", "w090=", "w094=", "w0a0=", "w0a4=", "w044=1 r044"})
      CHECK(again.find(half) != std::string::npos);
    LONGS_EQUAL(size, device.queues[0].size);
    LONGS_EQUAL(0, rings[0].last_avail());
    check_traffic();
    CHECK(rings[1].live());
    LONGS_EQUAL(0, device.queues[1].resetting.has_value());
  }
  LONGS_EQUAL(1, device.resets); // never of the whole device
}

// proves: VQ-01
TEST(MmioQueueReset, LeavesTheRegisterAloneUnlessRingResetWasAccepted) {
  go_live({}); // offered, not accepted: any access is a breach
  LONGS_EQUAL(0, device.accepted().has(Feature::ring_reset));
  virtio::RegisterValue value{};
  for (std::size_t i = 0; transport.register_value(i, value); i++)
    CHECK(value.offset != 0xc0);
  CHECK(transport.disable_queue(0).has_value());
  CHECK(transport.reset().has_value());
  CHECK(trace().find("0c0") == std::string::npos);
}

// proves: VQ-01
TEST(MmioQueueReset, IsRefusedOnALegacyDeviceWithoutTouchingIt) {
  FakeVirtioMmio old{FakeVirtioMmio::Version::legacy, 0x1000'9000};
  virtio::LegacyMmioTransport legacy{old.base(), 9};
  trace();
  CHECK(legacy.reset_queue(0).error() == Error::queue_reset_failed);
  STRCMP_EQUAL("", trace().c_str());
}
