// SPDX-License-Identifier: BSD-2-Clause
// Bringing the network device up: order, features, queues, configuration (3.1, 5.1.3 to 5.1.5). Legacy devices:
// test_virtio_net_legacy.cpp.
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using bsp::Error;
using test::Bytes;
using test::fake_bus;
using virtio::Feature;
using virtio::FeatureSet;

namespace {
const FeatureSet own_features{Feature::version_1,       Feature::net_mac,       Feature::net_status,
                              Feature::net_mtu,         Feature::event_idx,     Feature::net_speed_duplex,
                              Feature::access_platform, Feature::order_platform};

struct Dependency {
  Feature feature;
  std::vector<Feature> any_of;
};
/// 5.1.3.1, and what it omits (5.1.6.5.4, 5.1.6.5.8).
const Dependency dependencies[] = {
    {Feature::net_guest_tso4, {Feature::net_guest_csum}},
    {Feature::net_guest_tso6, {Feature::net_guest_csum}},
    {Feature::net_guest_ufo, {Feature::net_guest_csum}},
    {Feature::net_guest_uso4, {Feature::net_guest_csum}},
    {Feature::net_guest_uso6, {Feature::net_guest_csum}},
    {Feature::net_guest_ecn, {Feature::net_guest_tso4, Feature::net_guest_tso6}},
    {Feature::net_host_tso4, {Feature::net_csum}},
    {Feature::net_host_tso6, {Feature::net_csum}},
    {Feature::net_host_ufo, {Feature::net_csum}},
    {Feature::net_host_uso, {Feature::net_csum}},
    {Feature::net_host_ecn, {Feature::net_host_tso4, Feature::net_host_tso6}},
    {Feature::net_ctrl_rx, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_vlan, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_rx_extra, {Feature::net_ctrl_vq}},
    {Feature::net_guest_announce, {Feature::net_ctrl_vq}},
    {Feature::net_guest_announce, {Feature::net_status}},
    {Feature::net_mq, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_mac_addr, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_guest_offloads, {Feature::net_ctrl_vq}},
    {Feature::net_rss, {Feature::net_ctrl_vq}},
    {Feature::net_notf_coal, {Feature::net_ctrl_vq}},
    {Feature::net_vq_notf_coal, {Feature::net_ctrl_vq}},
    {Feature::net_hash_report, {Feature::net_ctrl_vq}},
    {Feature::net_hash_tunnel, {Feature::net_ctrl_vq}},
    {Feature::net_hash_tunnel, {Feature::net_rss, Feature::net_hash_report}},
    {Feature::net_rsc_ext, {Feature::net_host_tso4, Feature::net_host_tso6}},
};
} // namespace

TEST_GROUP_BASE(VirtioNetInit, test::VirtioNetTest){};

// ---- order
// -----------------------------------------------------------------------------------------------------------

// proves: GEN-01, GEN-16, GEN-17, GEN-20, NET-CFG-27, MMIO-06
TEST(VirtioNetInit, FillsTheReceiveQueueBeforeDriverOkAndNotifiesAfterIt) {
  unsigned filled = 0;
  std::size_t notified_before = 1;
  device->on_driver_ok = [&] {
    filled = rings[0].avail_idx();
    notified_before = device->notifications.size();
    CHECK(device->queues[0].ready && device->queues[1].ready);
  };
  bring_up();
  LONGS_EQUAL(8, filled);
  LONGS_EQUAL(0, notified_before);
  CHECK(device->notifications == std::vector<std::uint32_t>({0}));
  CHECK(device->status_writes == std::vector<std::uint32_t>({0, 1, 3, 11, 15}));
  check_traffic();
}

// proves: GEN-11, GEN-12, NET-CFG-14
TEST(VirtioNetInit, OnlyReadsConfigurationAlsoDuringNegotiation) {
  bool read_early = false;
  device->on_config_read = [&](std::uint32_t) { read_early = read_early || (device->status() & 8) == 0; };
  bring_up(); // the device notes each write to its configuration
  CHECK(read_early);
}

// proves: GEN-07
TEST(VirtioNetInit, ComesUpOnADeviceThatFirmwareLeftRunning) {
  device->set_status(15);
  device->raise_used();
  device->script.reset_reads = 4;
  bring_up();
  LONGS_EQUAL(0, device->status_writes[0]);
  check_traffic();
}

// proves: MMIO-29
TEST(VirtioNetInit, TouchesNoRegisterThatItHasNoUseForInAWholeLife) {
  offer(Feature::event_idx);
  fake_bus().log_enabled = true;
  bring_up();
  check_traffic();
  change_config();
  static_cast<void>(net->prepare_idle(true));
  CHECK(net->reset().has_value());
  check_traffic();
  net->shut_down();
  for (const test::Event& event : fake_bus().log) {
    if (event.kind == test::Event::Kind::fence) continue;
    const std::uintptr_t offset = event.address - device->base();
    CHECK(offset < 0xac || offset > 0xbf);
  }
}

// ---- features
// --------------------------------------------------------------------------------------------------------

// proves: FEAT-04, FEAT-05, FEAT-06, FEAT-07, FEAT-10, FEAT-12, FEAT-14, FEAT-18, FEAT-20
// proves: NET-CFG-15, NET-CFG-20, NET-TX-02
TEST(VirtioNetInit, AcceptsExactlyItsOwnListIfEverythingIsOffered) {
  device->offered = ~std::uint64_t{0};
  device->script.word_beyond_63 = 0xffff'ffff;
  bring_up();
  CHECK(device->accepted() == own_features);
  CHECK(net->accepted_features() == own_features);
  check_traffic();
}

// Rows about features that this driver does not implement: the bit is never accepted.
// proves: VQ-01, VQ-02, VQ-03, VQ-04, VQ-06, VQ-07, VQ-08
// proves: SPLIT-08, SPLIT-09, SPLIT-10, SPLIT-14, SPLIT-26
// proves: NET-CFG-01, NET-CFG-02, ROB-24, ROB-25
// proves: NET-TX-13, NET-TX-14, NET-TX-20, NET-TX-21, NET-TX-22
// proves: NET-RX-01, NET-RX-03, NET-RX-04, NET-RX-06, NET-RX-14, NET-RX-15, NET-RX-21, NET-RX-22
TEST(VirtioNetInit, NeverAcceptsWhatItDoesNotImplement) {
  device->offered = ~std::uint64_t{0};
  device->queues.resize(9);
  device->set_config16(18, 0); // an empty indirection table, no hash types
  bring_up();
  const Feature absent[] = {
      Feature::ring_reset,      Feature::notification_data, Feature::in_order,       Feature::indirect_desc,
      Feature::ring_packed,     Feature::net_mrg_rxbuf,     Feature::net_mq,         Feature::net_rss,
      Feature::net_ctrl_vq,     Feature::net_csum,          Feature::net_guest_csum, Feature::net_guest_hdrlen,
      Feature::net_host_tso4,   Feature::net_host_tso6,     Feature::net_host_ecn,   Feature::net_host_ufo,
      Feature::net_host_uso,    Feature::net_guest_tso4,    Feature::net_guest_tso6, Feature::net_guest_ecn,
      Feature::net_guest_ufo,   Feature::net_guest_uso4,    Feature::net_guest_uso6, Feature::net_rsc_ext,
      Feature::net_hash_report, Feature::net_hash_tunnel,   Feature::net_standby,
  };
  for (const Feature feature : absent)
    CHECK_FALSE(device->accepted().has(feature));
  // One pair, no control queue, whatever max_virtqueue_pairs says: queues 0 and 1 only.
  for (const std::uint16_t pairs : {4, 0, 0x8001, 0xffff}) {
    device->set_config16(8, pairs);
    CHECK(net->reset().has_value());
    for (std::size_t i = 0; i < device->queues.size(); i++)
      CHECK_EQUAL(i < 2, device->queues[i].ready);
    check_traffic();
  }
}

// proves: FEAT-01, FEAT-02, FEAT-03, ROB-14
// proves: NET-CFG-03, NET-CFG-04, NET-CFG-05, NET-CFG-06, NET-CFG-07, NET-CFG-08, NET-CFG-09, NET-CFG-10
// proves: NET-CFG-11, NET-CFG-12, NET-CFG-13, NET-CFG-29
TEST(VirtioNetInit, AcceptsAClosedSubsetOfAnyOffer) {
  queue_size = 2;
  bring_up();
  std::mt19937_64 random{3};
  for (int i = 0; i < 300; i++) {
    device->offered = random() | random() | FeatureSet{Feature::version_1}.bits();
    CHECK(net->reset().has_value());
    const FeatureSet accepted = device->accepted();
    CHECK((accepted.bits() & ~device->offered) == 0);
    CHECK(accepted == (own_features & offered()));
    for (const Dependency& dependency : dependencies) {
      const bool fulfilled =
          std::ranges::any_of(dependency.any_of, [&](Feature feature) { return accepted.has(feature); });
      CHECK(!accepted.has(dependency.feature) || fulfilled);
    }
    for (const unsigned bit : {46U, 47U}) // UDP tunnel segmentation of 1.4
      CHECK((accepted.bits() >> bit & 1) == 0);
  }
}

// proves: FEAT-08, CFG-04, NET-CFG-26, NET-CFG-28
TEST(VirtioNetInit, WorksWithoutAnyOfTheOptionalFeaturesAndReadsNoFieldOfAMissingOne) {
  offer(Feature::event_idx);
  bring_up();
  const std::uint64_t full = device->offered;
  for (const Feature feature :
       {Feature::net_mac, Feature::net_status, Feature::net_mtu, Feature::net_speed_duplex, Feature::event_idx}) {
    device->offered = full;
    withhold(feature);
    CHECK(net->reset().has_value());
    CHECK(device->accepted() == offered());
    check_traffic();
  }
  device->offered = FeatureSet({Feature::version_1, Feature::net_mac}).bits();
  CHECK(net->reset().has_value());
  check_traffic();
  device->offered = FeatureSet{Feature::version_1}.bits();
  CHECK(net->reset().has_value());
  check_traffic();
}

// proves: FEAT-09, GEN-18, GEN-19, ROB-13
TEST(VirtioNetInit, FailsTheDeviceIfVersionOneIsMissing) {
  withhold(Feature::version_1);
  CHECK(create().error() == Error::device_lacks_version_1);
  CHECK_FALSE(net.has_value());
  LONGS_EQUAL(3 | 128, device->status());
  CHECK(device->notifications.empty());
}

// proves: ROB-12, GEN-15, GEN-19
TEST(VirtioNetInit, TouchesNoQueueIfTheFeaturesAreRefused) {
  device->script.refuses_features = true;
  fake_bus().log_enabled = true;
  CHECK(create().error() == Error::device_rejected_features);
  CHECK((device->status() & 128) != 0);
  LONGS_EQUAL(0, fake_bus().count(test::Event::Kind::store, device->base() + 0x30));
  LONGS_EQUAL(0, arena.used() - user.size());
}

// proves: FEAT-15, FEAT-16
TEST(VirtioNetInit, HandsTheDeviceBusAddressesOfDmaMemoryOnly) {
  for (const bool with_platform : {false, true}) {
    if (with_platform) offer(Feature::access_platform);
    if (!net) bring_up();
    CHECK(net->reset().has_value());
    for (const auto& queue : device->queues)
      for (const std::uint64_t address : queue.address)
        CHECK(address >= bus_base && address < bus_base + memory_size);
    check_traffic(); // every descriptor is translated from the same range, which no CPU pointer is in
  }
}

// ---- queues
// ----------------------------------------------------------------------------------------------------------

// proves: ROB-18, GEN-18, GEN-19
TEST(VirtioNetInit, FailsTheDeviceIfAQueueIsMissing) {
  for (const std::size_t missing : {std::size_t{0}, std::size_t{1}}) {
    device->queues[missing].size_max = 0;
    CHECK(create().error() == Error::queue_not_available);
    CHECK((device->status() & 128) != 0);
    CHECK_FALSE((device->status() & 4) != 0);
    device->queues[missing].size_max = 256;
  }
}

// proves: ROB-19, MMIO-18, SPLIT-02
TEST(VirtioNetInit, RoundsQueueSizesDownToAPowerOfTwoWithinTheDevicesLimit) {
  struct {
    std::uint32_t size_max;
    std::uint32_t used;
  } const cases[] = {{2, 2}, {3, 2}, {4, 4}, {7, 4}, {8, 8}, {1000, 8}, {65535, 8}, {0xffff'ffff, 8}};
  bring_up();
  for (const auto& [size_max, used] : cases) {
    device->queues[0].size_max = device->queues[1].size_max = size_max;
    CHECK(net->reset().has_value());
    LONGS_EQUAL(used, device->queues[0].size);
    LONGS_EQUAL(used, device->queues[1].size);
    check_traffic();
  }
}

// proves: ROB-19
TEST(VirtioNetInit, RefusesAQueueTooSmallForOnePacket) {
  device->queues[1].size_max = 1;
  CHECK(create().error() == Error::queue_too_small);
  CHECK((device->status() & 128) != 0);
}

// proves: ROB-20
TEST(VirtioNetInit, ResetsOnceMoreIfAQueueIsInUseAfterTheResetThenRefuses) {
  device->script.busy_queue = 1;
  CHECK(create().error() == Error::queue_already_in_use);
  LONGS_EQUAL(2, device->resets);
  CHECK((device->status() & 128) != 0);

  device->on_reset = [this] {
    stop_rings();
    if (device->resets == 4) device->script.busy_queue.reset(); // the second reset helps
  };
  bring_up();
  check_traffic();
}

TEST(VirtioNetInit, ReportsThatItsMemoryDoesNotFit) {
  queue_size = 1024;
  CHECK(create().error() == Error::out_of_dma_memory);
  CHECK((device->status() & 128) != 0);
}

TEST(VirtioNetInit, FailsTheDeviceIfItsInterruptCannotBeAttached) {
  irq.refuses = true;
  CHECK(create().error() == Error::interrupt_table_full);
  LONGS_EQUAL(11 | 128, device->status());
  CHECK_FALSE(device->queues[0].ready);
  CHECK_FALSE(net.has_value());
}

// proves: ROB-17
TEST(VirtioNetInit, GivesUpOnASlotThatReadsAllOnes) {
  device->script.gone = true;
  test::fake_clock().step = 1000;
  CHECK(create().error() == Error::reset_timed_out);
  std::uint32_t version = 0;
  CHECK(virtio::identify_mmio(device->base(), version).error() == Error::device_gone);
}

// ---- configuration
// ---------------------------------------------------------------------------------------------------

// proves: NET-CFG-16
TEST(VirtioNetInit, TakesItsAddressFromTheDevice) {
  bring_up();
  CHECK(net->mac() == net::MacAddress{device_mac});
}

// proves: CFG-02
TEST(VirtioNetInit, TakesAllOctetsOfItsAddressFromOneGeneration) {
  bool changed = false;
  device->on_config_read = [&](std::uint32_t offset) {
    if (offset != 3 || std::exchange(changed, true)) return;
    for (std::uint32_t i = 0; i < 6; i++)
      device->set_config8(i, 0x22);
    device->generation++;
  };
  bring_up();
  CHECK(net->mac() == (net::MacAddress{{0x22, 0x22, 0x22, 0x22, 0x22, 0x22}}));
}

// proves: NET-CFG-17
TEST(VirtioNetInit, MakesALocalUnicastAddressIfTheDeviceGivesNone) {
  withhold(Feature::net_mac);
  bring_up();
  LONGS_EQUAL(2, net->mac().octets[0] & 3);
  const net::MacAddress first = net->mac();
  CHECK(net->reset().has_value());
  CHECK(net->mac() == first); // peers have learnt it
}

// proves: ROB-22
TEST(VirtioNetInit, ReplacesAnAddressThatNoInterfaceCanHave) {
  const std::array<std::uint8_t, 6> bad[] = {
      {0, 0, 0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x01, 0x00, 0x5e, 0, 0, 1}};
  for (const auto& mac : bad) {
    net.reset();
    for (std::uint32_t i = 0; i < 6; i++)
      device->set_config8(i, mac[i]);
    bring_up();
    LONGS_EQUAL(2, net->mac().octets[0] & 3);
    CHECK(net->mac().is_valid_unicast());
    net->shut_down();
  }
}

// proves: NET-CFG-18, NET-CFG-19
TEST(VirtioNetInit, TakesTheLinkFromStatusAndForUpWithoutIt) {
  device->set_config16(6, 0xfffe);
  bring_up();
  CHECK(net->link().state == net::LinkState::down);
  device->set_config16(6, 1);
  CHECK(net->reset().has_value());
  CHECK(net->link().state == net::LinkState::up);
  withhold(Feature::net_status);
  CHECK(net->reset().has_value());
  CHECK(net->link().state == net::LinkState::assumed_up);
}

// proves: NET-CFG-24, NET-CFG-30
TEST(VirtioNetInit, TakesImpossibleSpeedAndDuplexForUnknown) {
  struct {
    std::uint32_t speed;
    std::uint8_t duplex;
    std::uint32_t shown_speed;
    net::Duplex shown_duplex;
  } const cases[] = {
      {1000, 1, 1000, net::Duplex::full},
      {0, 0, 0, net::Duplex::half},
      {0x7fff'ffff, 2, 0x7fff'ffff, net::Duplex::unknown},
      {0x8000'0000, 0xff, net::speed_unknown, net::Duplex::unknown},
      {0xffff'ffff, 1, net::speed_unknown, net::Duplex::full},
  };
  bring_up();
  for (const auto& one : cases) {
    device->set_config32(12, one.speed);
    device->set_config8(16, one.duplex);
    CHECK(net->reset().has_value());
    LONGS_EQUAL(one.shown_speed, net->link().speed_mbps);
    CHECK(net->link().duplex == one.shown_duplex);
  }
}

// proves: ROB-23, NET-CFG-21
TEST(VirtioNetInit, AcceptsAnMtuOnlyIfItsBuffersTakeSuchFrames) {
  bring_up();
  for (const std::uint16_t mtu : {0, 67, 2019, 9000, 65535}) {
    device->set_config16(10, mtu);
    CHECK(net->reset().has_value());
    CHECK_FALSE(device->accepted().has(Feature::net_mtu));
    LONGS_EQUAL(1500, net->device_mtu());
  }
  for (const std::uint16_t mtu : {68, 1400, 1500, 2018}) {
    device->set_config16(10, mtu);
    CHECK(net->reset().has_value());
    CHECK(device->accepted().has(Feature::net_mtu));
    LONGS_EQUAL(mtu, net->device_mtu());
    fetch_buffers();
    for (const auto& chain : rx_chains)
      CHECK(chain.length(true) >= mtu + 14U + 4U + 12U);
    const Bytes largest = frame(mtu + 14U);
    CHECK(deliver(largest));
    CHECK(received().at(0) == largest);
  }
}

// proves: ROB-10
TEST(VirtioNetInit, FailsTheDeviceIfItsConfigurationNeverSettles) {
  device->on_generation_read = [this] { device->generation++; };
  CHECK(create().error() == Error::config_unstable);
  CHECK((device->status() & 128) != 0);
}

TEST(VirtioNetInit, LetsTheMtuBeLoweredAndRaisedWithinTheDevicesLimit) {
  bring_up();
  CHECK(net->set_mtu(1400).has_value());
  LONGS_EQUAL(1400, net->mtu());
  CHECK(net->set_mtu(1500).has_value());
  CHECK(net->set_mtu(67).error() == Error::invalid_argument);
  CHECK(net->set_mtu(1501).error() == Error::invalid_argument);
  LONGS_EQUAL(1500, net->mtu());
}

TEST(VirtioNetInit, SharesItsInterruptSourceWithTheController) {
  bring_up();
  LONGS_EQUAL(8, irq.attached_source);
  net->shut_down();
  CHECK_FALSE(irq.attached());
  CHECK(net->reset().has_value());
  CHECK(irq.attached());
}
