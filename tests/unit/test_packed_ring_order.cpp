// SPDX-License-Identifier: BSD-2-Clause
// In which order a packed ring touches what it shares with the device, and where its barriers stand (2.8.21, 2.8.22).
#include <string>
#include <vector>

#include "tests/support/packed_ring_test.hpp"

using test::Event;
using test::fake_bus;
using test::Fence;

// clang-format off
TEST_GROUP_BASE(PackedRingOrder, test::PackedRingTest) {
  /// The log as text: "w2.flags" stores the flags of slot 2, "r" loads, fences stand in brackets.
  std::string story() {
    const auto& areas = device.areas();
    std::string text;
    for (const Event& event : fake_bus().log) {
      std::string word;
      const std::uint64_t at = event.address - host(areas.descriptors);
      if (event.kind == Event::Kind::fence) {
        word = std::string{"["} + to_string(event.fence) + "]";
      } else {
        word = event.kind == Event::Kind::shared_store ? "w" : "r";
        if (at < 16U * areas.size)
          word += std::to_string(at / 16) + (at % 16 < 8 ? ".addr" : event.width == 8 ? ".rest" : at % 16 < 12 ? ".len" : at % 16 < 14 ? ".id" : ".flags");
        else if (event.address - host(areas.available) < 4)
          word += ".driver/" + std::to_string(event.width);
        else if (event.address - host(areas.used) < 4)
          word += ".device/" + std::to_string(event.width);
        else
          word += "?";
      }
      text += (text.empty() ? "" : " ") + word;
    }
    fake_bus().log.clear();
    return text;
  }
  void record() {
    fake_bus().log.clear();
    fake_bus().log_enabled = fake_bus().log_shared = true;
  }
};
// clang-format on

// proves: PACKED-16, PACKED-32, PACKED-33
TEST(PackedRingOrder, ExposesAListByItsFirstFlagsBehindABarrierAndLooksBehindAnother) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    record();
    static_cast<void>(add_chain(1, 2));
    STRCMP_EQUAL("w0.addr w1.addr w1.rest w2.addr w2.rest", story().c_str());
    static_cast<void>(ring.publish());
    STRCMP_EQUAL("[before_publish] w0.rest [before_suppression_check] r.device/4", story().c_str());
  }
}

// proves: PACKED-36
TEST(PackedRingOrder, ExposesABatchWithOneBarrierAndTheFirstFlagsLast) {
  start(8);
  cycle(6);
  record();
  for (int i = 0; i < 4; i++)
    CHECK(add_one().has_value());
  static_cast<void>(ring.publish());
  STRCMP_EQUAL("w6.addr w7.addr w7.rest w0.addr w0.rest w1.addr w1.rest [before_publish] w6.rest "
               "[before_suppression_check] r.device/4",
               story().c_str());
  LONGS_EQUAL(4, device.take_available().size());
}

// proves: PACKED-16, PACKED-36
TEST(PackedRingOrder, ShowsTheDeviceAllOfABatchOrNothing) {
  start(7);
  std::vector<test::FakePackedDevice::Chain> seen;
  const auto look = [&] {
    for (const auto& chain : device.take_available())
      seen.push_back(chain);
  };
  // A device that looks before every single store and at every barrier.
  fake_bus().on_shared_store = [&](const void*, std::size_t) { look(); };
  fake_bus().on_fence = [&](Fence) { look(); };
  for (int i = 0; i < 60; i++) {
    seen.clear();
    CHECK(add_chain(1, 1).has_value());
    CHECK(add_chain(0, 3).has_value());
    look();
    LONGS_EQUAL(0, seen.size());
    static_cast<void>(ring.publish());
    LONGS_EQUAL(2, seen.size());
    CHECK(add_one().has_value());
    look();
    LONGS_EQUAL(2, seen.size());
    static_cast<void>(ring.publish());
    LONGS_EQUAL(3, seen.size());
    device.complete_batch({seen[1], seen[0], seen[2]}, 1);
    LONGS_EQUAL(3, take().size());
  }
  fake_bus().on_shared_store = nullptr;
  fake_bus().on_fence = nullptr;
}

// proves: PACKED-34
TEST(PackedRingOrder, ReadsAUsedDescriptorBehindABarrierAfterItsFlags) {
  create(8);
  for (const bool in_order : {false, true}) {
    virtio::RingSettings settings{1, 8};
    settings.in_order = in_order;
    restart(settings);
    give(2);
    device.complete_batch(device.take_available(), 1);
    record();
    LONGS_EQUAL(2, take().size());
    STRCMP_EQUAL("r0.flags [after_used_index] r0.id r0.len r1.flags [after_used_index] r1.id r1.len r2.flags",
                 story().c_str());
    fake_bus().log_enabled = fake_bus().log_shared = false;
  }
}

// proves: PACKED-35
TEST(PackedRingOrder, LooksAgainBehindABarrierAfterAskingForInterrupts) {
  for (const bool with_event_idx : {false, true}) {
    start(8, with_event_idx);
    cycle(3);
    record();
    CHECK_FALSE(ring.request_interrupt());
    // Slot and flags of the event in one store: the device never sees one without the other.
    STRCMP_EQUAL("w.driver/4 [after_enabling_notifications] r3.flags", story().c_str());
    fake_bus().log_enabled = fake_bus().log_shared = false;
  }
}

TEST(PackedRingOrder, ReadsNothingBackFromItsDescriptors) {
  start(8);
  cycle(3);
  record();
  CHECK(add_chain(2, 2).has_value());
  CHECK(add_one().has_value());
  static_cast<void>(ring.publish());
  for (const Event& event : fake_bus().log)
    if (event.kind == Event::Kind::shared_load) LONGS_EQUAL(host(device.areas().used), event.address);
}
