// SPDX-License-Identifier: BSD-2-Clause
// Everything a packed ring can do, at random, against a device that checks each step: lists of any length, sizes that
// are no power of two, every mix of EVENT_IDX, INDIRECT_DESC and IN_ORDER, completions in any order that is allowed.
#include <map>
#include <random>
#include <vector>

#include "tests/support/packed_ring_test.hpp"

using test::FakePackedDevice;
using virtio::Token;

// clang-format off
TEST_GROUP_BASE(PackedRingRandom, test::PackedRingTest) {
  struct Expected {
    std::size_t slots;
    std::uint32_t writable;
  };
  std::mt19937 random{2024};
  virtio::RingSettings settings{};
  std::vector<FakePackedDevice::Chain> waiting; ///< at the device, in the order of the ring
  std::map<Token, Expected> out;
  std::size_t slots_out{0};
  unsigned chains_back{0};
  unsigned notifications{0};

  void add_some() {
    for (std::size_t batch = random() % 4; batch > 0; batch--) {
      const std::size_t readable = random() % 4;
      const std::size_t count = std::max<std::size_t>(1, readable + random() % 4);
      const Token announced = ring.next_token();
      const auto token = add_chain(readable, count - readable);
      const std::size_t slots = settings.indirect && count > 1 && count <= std::min<std::size_t>(4, settings.size) ? 1 : count;
      CHECK_EQUAL(slots <= settings.size - slots_out && count <= settings.size, token.has_value());
      if (!token) continue;
      LONGS_EQUAL(announced, *token);
      CHECK_FALSE(out.contains(*token));
      out[*token] = {slots, static_cast<std::uint32_t>(16 * (count - readable))};
      slots_out += slots;
    }
    if (ring.publish()) notifications++;
  }
  /// Completes some of what waits; with IN_ORDER the oldest, perhaps with one descriptor for all of them.
  void complete_some() {
    for (const auto& chain : device.take_available())
      waiting.push_back(chain);
    const std::size_t count = std::min<std::size_t>(waiting.size(), random() % 5);
    std::vector<FakePackedDevice::Chain> done;
    for (std::size_t i = 0; i < count; i++) {
      const std::size_t pick = settings.in_order ? 0 : random() % waiting.size();
      done.push_back(waiting[pick]);
      waiting.erase(waiting.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    if (settings.in_order && random() % 2 == 0)
      device.complete_as_one(done, 3);
    else
      device.complete_batch(done, 3);
  }
  void take_back(std::size_t most) {
    for (const virtio::Used& used : take(most)) {
      const auto record = out.find(used.token);
      CHECK(record != out.end());
      LONGS_EQUAL(record->second.writable, used.writable);
      CHECK(used.length == used.writable || used.length == (used.writable != 0 ? 3U : 0U));
      slots_out -= record->second.slots;
      out.erase(record);
      chains_back++;
    }
    CHECK_FALSE(ring.broken());
    LONGS_EQUAL(settings.size - slots_out, ring.free());
    LONGS_EQUAL(out.size(), ring.chains_in_flight());
  }
  void run(const virtio::RingSettings& with, unsigned chains) {
    settings = with;
    waiting.clear();
    out.clear();
    slots_out = 0;
    restart(settings);
    unsigned rounds = 0;
    for (const unsigned end = chains_back + chains; chains_back < end;) {
      CHECK(rounds++ < 20 * chains); // it goes on
      add_some();
      complete_some();
      take_back(random() % 8);
    }
    for (int i = 0; i < 2000 && !out.empty(); i++) {
      complete_some();
      take_back(8);
    }
    CHECK(out.empty());
    LONGS_EQUAL(settings.size, ring.free());
    CHECK_FALSE(ring.used_pending());
  }
};
// clang-format on

// proves: PACKED-02, PACKED-06, PACKED-17, PACKED-18, PACKED-19, PACKED-22, PACKED-24, PACKED-29
TEST(PackedRingRandom, LosesNothingWhateverTheSizeAndTheFeatures) {
  create(256, 4);
  for (const std::uint16_t size : {1, 3, 7, 100, 256}) {
    for (unsigned features = 0; features < 8; features++) {
      virtio::RingSettings with{1, size};
      with.event_idx = (features & 1) != 0;
      with.indirect = (features & 2) != 0;
      with.in_order = (features & 4) != 0;
      run(with, 500);
    }
  }
  CHECK(device.indirect_chains() > 2000);
}

// proves: PACKED-02, PACKED-19
TEST(PackedRingRandom, GoesAroundARingOfSevenThroughSeventyThousandChains) {
  create(7, 4);
  virtio::RingSettings with{1, 7};
  with.event_idx = true;
  run(with, 71000);
  CHECK(notifications > 10000);
}

// proves: PACKED-35, PACKED-31
TEST(PackedRingRandom, MakesProgressByNotificationsAndInterruptsAlone) {
  create(100, 4);
  for (unsigned features = 0; features < 8; features++) {
    settings = {1, static_cast<std::uint16_t>(features % 2 == 0 ? 7 : 100)};
    settings.event_idx = (features & 1) != 0;
    settings.indirect = (features & 2) != 0;
    settings.in_order = (features & 4) != 0;
    waiting.clear();
    out.clear();
    slots_out = 0;
    restart(settings);
    for (int round = 0; round < 1000; round++) {
      const unsigned told = notifications;
      add_some();
      // A device that sleeps until it is told, and has seen all there was before it went to sleep.
      const bool nothing_new =
          ring.state().avail_idx == (device.next_available() & 0x7fff) && device.chains_in_flight() == 0;
      CHECK(notifications != told || nothing_new || ring.chains_in_flight() == 0);
      for (const auto& chain : device.take_available())
        waiting.push_back(chain);
      while (!out.empty()) {
        // The driver sleeps until it is interrupted; meanwhile the device completes all that it has.
        const auto after = static_cast<std::uint16_t>(1 + random() % 8);
        const bool there = ring.request_interrupt(after);
        const unsigned before = device.interrupts;
        if (!there) device.complete_batch(waiting, 3);
        if (!there) waiting.clear();
        CHECK(there || device.interrupts == before + 1);
        take_back(1 + random() % 5);
        ring.suppress_interrupts();
      }
    }
  }
}
