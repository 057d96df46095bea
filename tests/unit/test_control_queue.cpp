// SPDX-License-Identifier: BSD-2-Clause
// The control queue alone, over either ring format: how a command lies in its chain, what counts as an answer, and what
// happens if there is none.
#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bsp/clock.hpp"
#include "drivers/net/control_queue.hpp"
#include "drivers/net/net_control.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_net_control.hpp"
#include "tests/support/fake_packed_device.hpp"
#include "tests/support/fake_ring_device.hpp"

#include <CppUTest/TestHarness.h>

using bsp::Error;
using net::ControlQueue;
using test::Bytes;
using test::FakeNetControl;
using virtio::Feature;
using virtio::FeatureSet;
using Chain = test::FakeRingDevice::Chain;

namespace {

/// Notifies a function.
class Bell final : public test::MmioDevice {
 public:
  static constexpr std::uintptr_t base = 0x2000'0000;
  Bell() { test::fake_bus().attach(base, 4, *this); }
  ~Bell() override { test::fake_bus().detach(*this); }
  std::uint64_t load(std::uint32_t, unsigned) override { return 0; }
  void store(std::uint32_t, unsigned, std::uint64_t value) override {
    values.push_back(value);
    if (on_ring) on_ring();
  }
  std::vector<std::uint64_t> values;
  std::function<void()> on_ring;
};

struct Kind {
  bool packed;
  bool event_idx;
};
constexpr Kind kinds[] = {{false, false}, {false, true}, {true, false}, {true, true}};

/// A live control queue and the device behind it, which answers at once.
struct Bench {
  static constexpr std::uint64_t bus_base = 0x9000'0000;
  static constexpr std::uint16_t index = 2;
  struct alignas(4096) Page {
    std::byte bytes[4096];
  };

  explicit Bench(Kind kind_, std::uint16_t size = ControlQueue::ring_size) : kind{kind_} {
    std::ranges::fill(bytes, std::byte{0xa5});
    CHECK(queue.allocate(arena, {.packed = kind.packed, .capacity = size}).has_value());
    bell.on_ring = [this] { serve(); };
    constexpr FeatureSet all{Feature::net_ctrl_vq,    Feature::net_ctrl_rx,        Feature::net_ctrl_mac_addr,
                             Feature::net_ctrl_vlan,  Feature::net_ctrl_rx_extra,  Feature::net_vq_notf_coal,
                             Feature::net_notf_coal,  Feature::net_guest_announce, Feature::net_mq,
                             Feature::net_guest_csum, Feature::net_device_stats};
    control.restart(all, true);
    restart();
  }
  void check() {
    split.check();
    packed.check();
    STRCMP_EQUAL("", split.violations().c_str());
    STRCMP_EQUAL("", packed.violations().c_str());
    STRCMP_EQUAL("", control.violations().c_str());
    STRCMP_EQUAL("", memory.breaches().c_str());
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void restart() {
    virtio::Ring& ring = queue.ring();
    ring.restart({.index = index, .size = ring.capacity(), .event_idx = kind.event_idx});
    const virtio::QueueMemory where = ring.memory();
    const test::FakeRingDevice::Areas areas{where.size, raw(where.descriptor_area), raw(where.driver_area),
                                            raw(where.device_area)};
    if (kind.packed)
      packed.go_live(areas, kind.event_idx);
    else
      split.go_live(areas, kind.event_idx);
    queue.go_live(index, 64, {Bell::base, 4});
  }
  std::vector<Chain> take() { return kind.packed ? packed.take_available() : split.take_available(); }
  void complete(const Chain& chain, std::uint32_t length) {
    if (kind.packed)
      packed.complete(chain, length);
    else
      split.complete(chain, length);
  }
  void want_notifications(bool on) {
    if (kind.packed)
      packed.want_notifications(on);
    else
      split.want_notifications(on);
  }
  [[nodiscard]] unsigned interrupts() const { return kind.packed ? packed.interrupts : split.interrupts; }
  void serve() {
    for (const Chain& chain : take()) {
      chains.push_back(chain);
      const std::uint32_t length = control.handle(chain.pieces);
      complete(chain, used_length.value_or(length));
    }
  }
  bsp::Result<void> promisc(std::uint8_t on) { return queue.execute(0, 0, {std::as_bytes(std::span{&on, 1})}); }

  Kind kind;
  std::vector<Page> pages{std::vector<Page>(16)};
  std::span<std::byte> bytes{pages.data()->bytes, pages.size() * sizeof(Page)};
  bsp::DmaArena arena{bytes, bsp::BusAddress{bus_base}};
  test::DeviceMemory memory{bytes, bus_base};
  test::FakeRingDevice split{memory};
  test::FakePackedDevice packed{memory};
  FakeNetControl control{memory};
  Bell bell;
  ControlQueue queue;
  std::vector<Chain> chains;
  std::optional<std::uint32_t> used_length;
};

template <class Test> void on_every_ring(Test&& test) {
  for (const Kind kind : kinds) {
    Bench bench{kind};
    test(bench);
    bench.check();
  }
}

/// "r2 r6 w1": the chain's descriptors.
std::string shape(const Chain& chain) {
  std::string all;
  for (const auto& piece : chain.pieces)
    all += (all.empty() ? "" : " ") + std::string{piece.writable ? "w" : "r"} + std::to_string(piece.length);
  return all;
}

Error error_of(const bsp::Result<void>& result) {
  CHECK(!result.has_value());
  return result.error();
}

} // namespace

TEST_GROUP(ControlQueue) {
  test::CleanBus clean;
  void setup() override {
    test::fake_bus().log_enabled = false;
  }
};

// proves: NET-CTRL-01, LEG-21, LEG-22, LEG-23, LEG-24
TEST(ControlQueue, GivesHeaderEachSpanOfDataAndAckADescriptorOfTheirOwn) {
  on_every_ring([](Bench& bench) {
    CHECK(bench.promisc(0).has_value());
    STRCMP_EQUAL("r2 r1 w1", shape(bench.chains[0]).c_str());
    CHECK(!bench.control.modes[0]);

    constexpr std::uint8_t unicast[] = {0, 0, 0, 0};
    constexpr std::uint8_t groups[] = {2, 0, 0, 0, 1, 0, 0x5e, 1, 2, 3, 0x33, 0x33, 0, 0, 0, 1};
    CHECK(bench.queue.execute(1, 0, {std::as_bytes(std::span{unicast}), std::as_bytes(std::span{groups})}).has_value());
    STRCMP_EQUAL("r2 r4 r16 w1", shape(bench.chains[1]).c_str());
    CHECK(bench.control.multicast.at(1) == FakeNetControl::Mac({0x33, 0x33, 0, 0, 0, 1}));

    CHECK(bench.queue.execute(3, 0, {}).has_value());
    STRCMP_EQUAL("r2 w1", shape(bench.chains[2]).c_str());
    CHECK(bench.control.names() == std::vector<FakeNetControl::Name>({{0, 0}, {1, 0}, {3, 0}}));
  });
}

// proves: NET-CTRL-01, NET-CTRL-49
TEST(ControlQueue, PutsAnAnswerThatIsDataBeforeTheAckAndAResultBehindIt) {
  on_every_ring([](Bench& bench) {
    bench.control.restart({Feature::net_vq_notf_coal, Feature::net_device_stats}, false);
    bench.control.coalescing[1] = {7, 9};
    constexpr std::uint8_t question[] = {1, 0, 0, 0};
    std::uint8_t answer[8]{};
    CHECK(bench.queue
              .execute(6, 3, {std::as_bytes(std::span{question})},
                       {.before_ack = std::as_writable_bytes(std::span{answer})})
              .has_value());
    STRCMP_EQUAL("r2 r4 w8 w1", shape(bench.chains[0]).c_str());
    CHECK(Bytes(answer, answer + 8) == Bytes({7, 0, 0, 0, 9, 0, 0, 0}));

    bench.control.stats_types = 0x1'0001'0001;
    CHECK(bench.queue.execute(8, 0, {}, {.after_ack = std::as_writable_bytes(std::span{answer})}).has_value());
    STRCMP_EQUAL("r2 w1 w8", shape(bench.chains[1]).c_str());
    CHECK(Bytes(answer, answer + 8) == Bytes({1, 0, 1, 0, 1, 0, 0, 0}));
  });
}

// proves: NET-CTRL-02, ROB-37
TEST(ControlQueue, TakesOnlyAnAckOfZeroForSuccess) {
  on_every_ring([](Bench& bench) {
    for (const unsigned ack : {1U, 2U, 0x80U, 0xffU}) {
      bench.control.script.ack = static_cast<std::uint8_t>(ack);
      CHECK(error_of(bench.promisc(1)) == (ack == 1 ? Error::control_refused : Error::control_ack_invalid));
      CHECK(bench.queue.usable());
    }
    bench.control.script.ack.reset();
    CHECK(bench.promisc(1).has_value());
    // The command memory still holds the last ack, which was OK: it must not pass for a new one.
    bench.control.script.writes_no_ack = true;
    CHECK(error_of(bench.promisc(0)) == Error::control_ack_invalid);
    bench.control.script.writes_no_ack = false;
    CHECK(bench.promisc(0).has_value());
  });
}

// proves: NET-CTRL-40
TEST(ControlQueue, LeavesTheAnswerAloneUnlessTheAckIsOk) {
  on_every_ring([](Bench& bench) {
    bench.control.restart({Feature::net_vq_notf_coal}, false);
    bench.control.script.fills_answers_on_error = true;
    constexpr std::uint8_t question[] = {1, 0, 0, 0};
    for (const unsigned ack : {1U, 3U}) {
      bench.control.script.ack = static_cast<std::uint8_t>(ack);
      std::uint8_t answer[8] = {1, 2, 3, 4, 5, 6, 7, 8};
      CHECK(!bench.queue
                 .execute(6, 3, {std::as_bytes(std::span{question})},
                          {.before_ack = std::as_writable_bytes(std::span{answer})})
                 .has_value());
      CHECK(Bytes(answer, answer + 8) == Bytes({1, 2, 3, 4, 5, 6, 7, 8}));
    }
  });
}

// proves: ROB-37
TEST(ControlQueue, GivesUpAfterItsDeadlineAndLeavesTheCommandMemoryAloneUntilTheReset) {
  on_every_ring([](Bench& bench) {
    bench.bell.on_ring = nullptr;
    test::fake_clock().step = 1000; // 100 us a look
    const std::uint64_t start = test::fake_clock().ticks;
    CHECK(error_of(bench.promisc(1)) == Error::control_timed_out);
    const std::uint64_t waited_us = bsp::clock::ticks_to_us(test::fake_clock().ticks - start);
    CHECK(waited_us >= net::control_timeout_ms * 1000 && waited_us < net::control_timeout_ms * 1100);
    CHECK(!bench.queue.usable());

    const std::vector<std::byte> before(bench.bytes.begin(), bench.bytes.end());
    const std::uint64_t then = test::fake_clock().ticks;
    CHECK(error_of(bench.promisc(0)) == Error::control_timed_out); // at once
    LONGS_EQUAL(then, test::fake_clock().ticks);
    CHECK(std::ranges::equal(before, bench.bytes));
    LONGS_EQUAL(1, bench.bell.values.size());

    bench.serve(); // too late for everybody
    CHECK(error_of(bench.promisc(0)) == Error::control_timed_out);
    bench.queue.stop();
    CHECK(error_of(bench.promisc(0)) == Error::control_timed_out); // a reset was asked for, but not confirmed

    bench.queue.take_back();
    CHECK(error_of(bench.promisc(0)) == Error::queue_not_available);
    bench.restart();
    bench.bell.on_ring = [&] { bench.serve(); };
    CHECK(bench.promisc(0).has_value());
    CHECK(bench.queue.usable());
    test::fake_clock().reset();
  });
}

// proves: ROB-37
TEST(ControlQueue, IsOutOfUseAfterTheDeviceBrokeItsRing) {
  for (const bool event_idx : {false, true}) {
    Bench bench{{false, event_idx}};
    bench.bell.on_ring = [&] {
      bench.take();
      bench.split.place_used(500, 1);
      bench.split.publish_used();
    };
    CHECK(error_of(bench.promisc(1)) == Error::ring_broken);
    CHECK(!bench.queue.usable());
    CHECK(error_of(bench.promisc(1)) == Error::control_timed_out);
    bench.queue.take_back();
    bench.restart();
    bench.bell.on_ring = [&] { bench.serve(); };
    CHECK(bench.promisc(1).has_value());
    bench.check();
  }
}

// proves: LEG-18
TEST(ControlQueue, DoesNotTrustTheUsedLength) {
  on_every_ring([](Bench& bench) {
    for (const std::uint32_t length : {0U, 1U, 2U, 0x7fff'ffffU, 0xffff'ffffU}) {
      bench.used_length = length;
      CHECK(bench.promisc(length != 0).has_value());
      CHECK(bench.control.modes[0] == (length != 0));
    }
  });
}

TEST(ControlQueue, TakesAnAnswerThatCameInTimeAlsoIfItLooksLate) {
  on_every_ring([](Bench& bench) {
    test::fake_clock().step = bsp::clock::us_to_ticks(3 * net::control_timeout_ms * 1000);
    CHECK(bench.promisc(0).has_value());
    test::fake_clock().reset();
  });
}

TEST(ControlQueue, NotifiesAgainIfTheDeviceFellAsleepWhileTheCommandCame) {
  on_every_ring([](Bench& bench) {
    CHECK(bench.promisc(1).has_value());
    const std::size_t before = bench.bell.values.size();
    bench.want_notifications(false);
    unsigned looks = 0;
    test::fake_bus().on_fence = [&](test::Fence fence) {
      if (fence == test::Fence::before_suppression_check && ++looks == 5) bench.want_notifications(true);
    };
    CHECK(bench.promisc(0).has_value());
    test::fake_bus().on_fence = nullptr;
    LONGS_EQUAL(before + 1, bench.bell.values.size());
    LONGS_EQUAL(Bench::index, bench.bell.values.back());
  });
}

TEST(ControlQueue, NeverAsksForAnInterrupt) {
  on_every_ring([](Bench& bench) {
    for (unsigned i = 0; i < 1000; i++)
      CHECK(bench.promisc(i % 2).has_value());
    LONGS_EQUAL(0, bench.interrupts());
    LONGS_EQUAL(1000, bench.control.count({0, 0}));
  });
}

TEST(ControlQueue, MakesDoWithFourEntries) {
  for (const Kind kind : kinds) {
    Bench bench{kind, ControlQueue::min_ring_size};
    bench.control.restart({Feature::net_ctrl_rx, Feature::net_vq_notf_coal}, false);
    constexpr std::uint8_t table[] = {0, 0, 0, 0};
    for (unsigned i = 0; i < 10; i++) {
      CHECK(bench.queue.execute(1, 0, {std::as_bytes(std::span{table}), std::as_bytes(std::span{table})}).has_value());
      constexpr std::uint8_t question[] = {1, 0, 0, 0};
      std::uint8_t answer[8];
      CHECK(bench.queue
                .execute(6, 3, {std::as_bytes(std::span{question})},
                         {.before_ack = std::as_writable_bytes(std::span{answer})})
                .has_value());
      bench.control.log.clear();
    }
    bench.check();
  }
}

TEST(ControlQueue, NeedsMemory) {
  alignas(64) std::byte little[256];
  bsp::DmaArena arena{little, bsp::BusAddress{0x1000}};
  ControlQueue queue;
  CHECK(error_of(queue.allocate(arena, {.capacity = 32})) == Error::out_of_dma_memory); // for the ring
  CHECK_EQUAL(0, arena.used());
  CHECK(error_of(queue.allocate(arena, {.capacity = 2})) == Error::out_of_dma_memory); // for the commands
  const std::size_t used = arena.used();
  CHECK(error_of(queue.allocate(arena, {.capacity = 2})) == Error::out_of_dma_memory);
  CHECK_EQUAL(used, arena.used()); // it has its ring already
  CHECK(error_of(queue.execute(3, 0, {})) == Error::queue_not_available);
}
