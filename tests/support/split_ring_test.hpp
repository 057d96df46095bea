// SPDX-License-Identifier: BSD-2-Clause
// What the SplitRing tests share. Include after the standard headers.
#pragma once

#include "drivers/virtio/split_ring.hpp"
#include "tests/support/fake_ring_device.hpp"
#include "tests/support/ring_test.hpp"

namespace test {

class SplitRingTest : public RingTest<virtio::SplitRing, FakeRingDevice> {
 protected:
  virtio::RingSettings settings{}; ///< of the next restart(), which adds index, size and EVENT_IDX

  void create(std::uint16_t capacity, std::uint32_t alignment = 4, std::uint16_t indirect_entries = 0) {
    make_ring(capacity, alignment, indirect_entries);
  }
  void restart(std::uint16_t size, bool with_event_idx, std::uint16_t index = 1) {
    settings.index = index;
    settings.size = size;
    settings.event_idx = with_event_idx;
    RingTest::restart(settings);
  }
  void start(std::uint16_t size, bool with_event_idx) {
    create(size);
    restart(size, with_event_idx);
  }
};

} // namespace test
