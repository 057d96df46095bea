// SPDX-License-Identifier: BSD-2-Clause
// The network device over virtio-mmio Version 1: header, framing, and the legacy rules throughout (2.2.3, 5.1.6.1,
// 5.1.6.6).
#include <string>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using bsp::Error;
using test::Bytes;
using virtio::Feature;
using virtio::FeatureSet;

TEST_GROUP_BASE(VirtioNetLegacy, test::VirtioNetTest){void setup() override{VirtioNetTest::setup();
make_device(Version::legacy);
}
}
;

// proves: LEG-02, LEG-03, GEN-20
TEST(VirtioNetLegacy, ComesUpByTheLegacySequenceAndCarriesTraffic) {
  bring_up();
  CHECK(device->status_writes == std::vector<std::uint32_t>({0, 1, 3, 7}));
  check_traffic();
  CHECK(net->reset().has_value());
  check_traffic();
}

// proves: LEG-04, LEG-05, LEG-06, LEG-07, LEG-26
TEST(VirtioNetLegacy, AcceptsExactlyItsOwnListIfEverythingIsOffered) {
  device->offered = 0xffff'ffff;
  device->script.word_beyond_63 = 0xffff'ffff;
  have_control_queue();
  bring_up();
  // Bits 0 to 23, 27 to 29 less those that the standard leaves undefined, GSO, and CTRL_VLAN without a VLAN id.
  CHECK(device->accepted().bits() == (0x38ff'ffff & ~std::uint64_t{1 << 4 | 1 << 6 | 1 << 19}));
  check_traffic();
}

// proves: LEG-19
TEST(VirtioNetLegacy, UsesATenByteHeaderBothWays) {
  bring_up();
  LONGS_EQUAL(10, net->header_size());
  const Bytes out = frame(60);
  for (const std::uint16_t headroom : {0, 9, 10}) {
    LONGS_EQUAL(1, send(out, 0, headroom));
    Bytes expected(10);
    expected.insert(expected.end(), out.begin(), out.end());
    CHECK(transmitted().at(0) == expected);
    LONGS_EQUAL(1, reclaimed().size());
  }
  for (const std::size_t size : {14, 60, 1514, 1518}) {
    CHECK(deliver(frame(size)));
    CHECK(received().at(0) == frame(size));
  }
}

// proves: LEG-20
TEST(VirtioNetLegacy, GivesTheHeaderADescriptorOfItsOwnWithoutAnyLayout) {
  withhold(Feature::any_layout);
  bring_up();
  fetch_buffers();
  for (const auto& chain : rx_chains) {
    LONGS_EQUAL(2, chain.pieces.size());
    LONGS_EQUAL(10, chain.pieces[0].length);
    CHECK(chain.length(true) >= 1514 + 10);
  }
  for (const std::uint16_t headroom : {0, 10, 32}) {
    LONGS_EQUAL(1, send(frame(60), 30, headroom));
    const auto chains = rings[1].take_available();
    LONGS_EQUAL(3, chains.at(0).pieces.size());
    LONGS_EQUAL(10, chains[0].pieces[0].length);
    rings[1].complete(chains[0], 0);
    LONGS_EQUAL(1, reclaimed().size());
  }
  check_traffic();
}

// proves: LEG-14, LEG-32, LEG-15
TEST(VirtioNetLegacy, TakesTheQueueSizeFromTheDevice) {
  have_control_queue();
  bring_up();
  for (const std::uint32_t size_max : {2U, 4U, 8U, 6U, 1024U}) {
    for (auto& queue : device->queues)
      queue.size_max = size_max;
    CHECK(net->reset().has_value());
    LONGS_EQUAL(size_max == 6 ? 4 : size_max > 8 ? 8 : size_max, device->queues[0].size);
    LONGS_EQUAL(device->queues[0].size, device->queues[1].size);
    if (size_max >= 4) LONGS_EQUAL(size_max == 6 ? 4 : size_max > 16 ? 16 : size_max, device->queues[2].size);
    check_traffic(); // the device finds the used ring by the formula
  }
}

// proves: LEG-17, LEG-18
TEST(VirtioNetLegacy, IgnoresTheUsedLengthOfTransmittedFrames) {
  bring_up();
  for (const std::uint32_t length : {0U, 70U, 0xffff'ffffU}) {
    LONGS_EQUAL(1, send(frame(60)));
    LONGS_EQUAL(1, transmitted(true, length).size());
    CHECK(reclaimed().at(0).sent);
  }
  LONGS_EQUAL(0, net->stats().device_resets);
}

// proves: LEG-29
TEST(VirtioNetLegacy, TellsThePageSizeAgainAfterEachReset) {
  bring_up();
  CHECK(net->reset().has_value()); // the device forgot it and checks it at QueuePFN
  LONGS_EQUAL(4096, device->guest_page_size());
}

// proves: LEG-30
TEST(VirtioNetLegacy, RefusesADeviceWhoseQueueStaysInUse) {
  device->script.busy_queue = 0;
  CHECK(create().error() == Error::queue_already_in_use);
  LONGS_EQUAL(2, device->resets);
  CHECK((device->status() & 128) != 0);
}

// proves: ROB-40, LEG-34
TEST(VirtioNetLegacy, UsesFourKilobytePagesAndRefusesAPageNumberThatDoesNotReadBack) {
  bring_up();
  LONGS_EQUAL(4096, device->guest_page_size());
  for (const auto& queue : device->queues) {
    LONGS_EQUAL(4096, queue.align);
    CHECK(std::uint64_t{queue.pfn} * 4096 >= bus_base);
  }
  device->script.refuses_queue = 1;
  CHECK(net->reset().error() == Error::queue_rejected);
  CHECK((device->status() & 128) != 0);
}

// proves: LEG-36
TEST(VirtioNetLegacy, ShutsDownADeviceThatResetsWhollyWhenAQueueIsStopped) {
  device->script.resets_on_pfn_zero = true;
  bring_up();
  LONGS_EQUAL(1, send(frame(60)));
  net->shut_down();
  LONGS_EQUAL(0, device->status());
  CHECK_FALSE(reclaimed().at(0).sent);
}

// proves: LEG-08
TEST(VirtioNetLegacy, ReadsItsAddressUntilTwoReadsAgree) {
  int changes = 1;
  device->on_config_read = [&](std::uint32_t offset) {
    if (offset != 3 || changes-- <= 0) return;
    for (std::uint32_t i = 0; i < 6; i++)
      device->set_config8(i, 0x22);
  };
  bring_up();
  CHECK(net->mac() == (net::MacAddress{{0x22, 0x22, 0x22, 0x22, 0x22, 0x22}}));
}

// proves: LEG-37
TEST(VirtioNetLegacy, FollowsTheLinkAndRecoversAsOnVersionTwo) {
  bring_up();
  device->set_config16(6, 0);
  change_config();
  CHECK(net->link().state == net::LinkState::down);
  device->set_needs_reset();
  change_config();
  test::fake_clock().advance_us(1000);
  net->service();
  CHECK(events.back() == net::NetEvent::recovered);
  check_traffic();
}

// proves: ROB-05
TEST(VirtioNetLegacy, RecoversFromALengthUnderItsHeaderOfTen) {
  bring_up();
  CHECK(deliver_raw({}, 9));
  LONGS_EQUAL(0, received().size());
  LONGS_EQUAL(1, net->stats().rx_length_under_header);
  test::fake_clock().advance_us(1000);
  net->service();
  check_traffic();
}
