// SPDX-License-Identifier: BSD-2-Clause
// Receive buffers: how large they are, what large ones allow, and which queues are filled with them.
#include "tests/support/virtio_net_test.hpp"

using virtio::Feature;
using virtio::FeatureSet;

namespace {

constexpr FeatureSet large_receive{Feature::net_guest_tso4, Feature::net_guest_tso6, Feature::net_guest_ufo,
                                   Feature::net_guest_uso4, Feature::net_guest_uso6};
constexpr std::size_t largest_frame = 65'550;

class RxBuffersTest : public test::VirtioNetTest {
 protected:
  void setup() override {
    VirtioNetTest::setup();
    queue_size = 64;
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetRxBuffers, RxBuffersTest) {};
// clang-format on

// proves: NET-RX-03
TEST(VirtioNetRxBuffers, GivesBuffersThatHoldAHeaderAlsoInTheSmallestQueue) {
  queue_size = 2;
  over_all_rings([this] {
    offer_merging();
    offer(Feature::net_hash_report);
    have_control_queue();
    bring_up();
    LONGS_EQUAL(is_legacy() ? 12 : 20, net->header_size());
    LONGS_EQUAL(2, fetch_buffers());
    for (const auto& chain : rx_chains)
      CHECK(chain.length(true) >= net->header_size() + 14);
  });
}

// proves: NET-RX-01
TEST(VirtioNetRxBuffers, TakesSuperFramesWithoutTheFeatureOnlyIfSixteenBuffersHoldThem) {
  queue_size = 32;
  constexpr std::size_t enough = 16 * 65'600; // 65,562 bytes, or 65,570 with HASH_REPORT, in multiples of 64
  for (const std::size_t budget : {std::size_t{0}, enough - 1, enough, 17 * std::size_t{65'600}}) {
    receive_budget = budget;
    over_all_rings([this, budget] {
      for (const bool hashed : {false, true}) {
        if (hashed) start_over(is_legacy() ? Version::legacy : Version::modern, offered().has(Feature::ring_packed));
        offer(large_receive | FeatureSet{Feature::net_guest_csum});
        if (hashed) {
          offer(Feature::net_hash_report);
          have_control_queue();
        }
        bring_up();
        const bool large = budget >= enough;
        const FeatureSet taken = device->accepted() & large_receive;
        CHECK(taken == (large ? offered() & large_receive : FeatureSet{}));
        CHECK(device->accepted().has(Feature::net_guest_csum));
        const std::size_t least = large ? net->header_size() + largest_frame : 1526;
        LONGS_EQUAL(large ? budget / 65'600 : 32, fetch_buffers());
        for (const auto& chain : rx_chains)
          CHECK(chain.length(true) >= least);
        if (!large) continue;
        CHECK(deliver(frame(largest_frame), {.gso_type = 1, .gso_size = 1448}));
        CHECK(received().at(0) == frame(largest_frame));
      }
    });
  }
}

// proves: NET-RX-01
TEST(VirtioNetRxBuffers, GivesSuperFramesUpIfTheDeviceTakesTheFeatureBackAtAReset) {
  over_all_rings([this] {
    offer(Feature::net_mrg_rxbuf);
    bring_up();
    CHECK(device->accepted().has(Feature::net_mrg_rxbuf) == is_legacy());
    offer(large_receive | FeatureSet{Feature::net_guest_csum});
    CHECK(net->reset().has_value());
    CHECK((device->accepted() & large_receive) == (offered() & large_receive)); // they need no large buffers
    withhold(Feature::net_mrg_rxbuf);
    CHECK(net->reset().has_value());
    CHECK((device->accepted() & large_receive) == FeatureSet{});
    check_all_buffers_are_there();
  });
}

// proves: NET-RX-04
TEST(VirtioNetRxBuffers, FillsTheOneReceiveQueueItUsesAndSetsUpNoOther) {
  over_all_rings([this] {
    have_control_queue(8);
    offer(Feature::net_mq);
    device->set_config16(8, 4);
    std::size_t buffers = 0;
    device->on_driver_ok = [&] { buffers = fetch_buffers(); };
    bring_up();
    CHECK(device->accepted().has(Feature::net_mq));
    for (int i = 0; i < 2; i++) {
      LONGS_EQUAL(64, buffers);
      for (unsigned index = 0; index < 9; index++) {
        const auto& queue = device->queues[index];
        const bool is_used = index < 2 || index == 8;
        CHECK((is_legacy() ? queue.pfn != 0 : queue.ready) == is_used);
      }
      check_traffic();
      buffers = 0;
      CHECK(net->reset().has_value());
    }
  });
}
