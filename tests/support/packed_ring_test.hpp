// SPDX-License-Identifier: BSD-2-Clause
// What the PackedRing tests share. Include after the standard headers.
#pragma once

#include "drivers/virtio/packed_ring.hpp"
#include "tests/support/fake_packed_device.hpp"
#include "tests/support/ring_test.hpp"

namespace test {

class PackedRingTest : public RingTest<virtio::PackedRing, FakePackedDevice> {
 protected:
  using RingTest::restart;

  void create(std::uint16_t capacity, std::uint16_t indirect_entries = 0) { make_ring(capacity, indirect_entries); }
  void restart(std::uint16_t size, bool with_event_idx) {
    virtio::RingSettings settings{1, size};
    settings.event_idx = with_event_idx;
    restart(settings);
  }
  void start(std::uint16_t size, bool with_event_idx = false) {
    if (ring.capacity() < size) create(size);
    restart(size, with_event_idx);
  }
  /// Uses everything that is exposed and takes it back.
  void drain() {
    const auto chains = device.take_available();
    device.complete_batch(chains, 1);
    LONGS_EQUAL(chains.size(), take().size());
  }
  [[nodiscard]] std::uintptr_t host_slot(std::uint16_t slot) { return host(device.areas().descriptors + 16U * slot); }
};

} // namespace test
