// SPDX-License-Identifier: BSD-2-Clause
// Bringing the network device up: order, features, queues, configuration (3.1, 5.1.3 to 5.1.5). Legacy devices:
// test_virtio_net_legacy.cpp.
#include <string>
#include <utility>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using bsp::Error;
using test::Bytes;
using test::fake_bus;
using virtio::Feature;
using virtio::FeatureSet;

TEST_GROUP_BASE(VirtioNetInit, test::VirtioNetTest){};

// ---- order
// -----------------------------------------------------------------------------------------------------------

// proves: GEN-01, GEN-16, GEN-17, GEN-20, NET-CFG-27, MMIO-06
TEST(VirtioNetInit, FillsTheReceiveQueueBeforeDriverOkAndNotifiesAfterIt) {
  unsigned filled = 0;
  std::size_t notified_before = 1;
  device->on_driver_ok = [&] {
    filled = rings[0].split.avail_idx();
    notified_before = device->notifications.size();
    CHECK(device->queues[0].ready && device->queues[1].ready && device->queues[2].ready);
  };
  have_control_queue();
  bring_up();
  LONGS_EQUAL(8, filled);
  LONGS_EQUAL(0, notified_before);
  CHECK(device->notifications == std::vector<std::uint32_t>({0}));
  CHECK(device->status_writes == std::vector<std::uint32_t>({0, 1, 3, 11, 15}));
  check_traffic();
}

// proves: GEN-11, GEN-12, NET-CFG-14
TEST(VirtioNetInit, OnlyReadsConfigurationAlsoDuringNegotiation) {
  for (const Version version : {Version::modern, Version::legacy}) {
    start_over(version);
    bool read_early = false;
    device->on_config_read = [&](std::uint32_t) { read_early = read_early || device->status() == 3; };
    bring_up(); // the device notes each write to its configuration
    CHECK(read_early);
    device->on_config_read = nullptr;
  }
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

// ---- features (more in test_virtio_net_features.cpp)
// -------------------------------------------------------------------

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
TEST(VirtioNetInit, UsesAnyQueueSizeOnAPackedRing) {
  struct {
    std::uint32_t size_max;
    std::uint32_t used;
  } const cases[] = {{2, 2}, {3, 3}, {5, 5}, {7, 7}, {8, 8}, {1000, 8}, {65535, 8}};
  offer(Feature::ring_packed);
  bring_up();
  for (const auto& [size_max, used] : cases) {
    device->queues[0].size_max = device->queues[1].size_max = size_max;
    CHECK(net->reset().has_value());
    LONGS_EQUAL(used, device->queues[0].size);
    LONGS_EQUAL(used, device->queues[1].size);
    for (int i = 0; i < 20; i++)
      check_traffic();
  }
}

TEST(VirtioNetInit, TakesNoMoreMemoryForRingsThatItHasAlready) {
  offer(Feature::ring_packed);
  bring_up();
  withhold(Feature::ring_packed);
  // Enough for a split receive ring, not for a transmit ring beside it.
  const bsp::DmaBuffer rest = *arena.allocate(arena.capacity() - arena.used() - 512, 1);
  CHECK(net->reset().error() == Error::out_of_dma_memory);
  const std::size_t used = arena.used();
  CHECK(used > arena.capacity() - 512);
  for (int i = 0; i < 3; i++)
    CHECK(net->reset().error() == Error::out_of_dma_memory);
  CHECK_EQUAL(used, arena.used());
}

// proves: ROB-19
TEST(VirtioNetInit, RefusesAQueueTooSmallForOnePacket) {
  over_all_rings([this] {
    device->queues[1].size_max = 1;
    CHECK(create().error() == Error::queue_too_small);
    CHECK((device->status() & 128) != 0);
  });
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

// proves: CFG-02, CFG-03
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

// proves: CFG-03
TEST(VirtioNetInit, JudgesFeaturesByLimitsOfOneGeneration) {
  offer(Feature::net_hash_report);
  have_control_queue();
  device->set_config8(17, 39); // a key too short to do anything with
  bool changed = false;
  device->on_config_read = [&](std::uint32_t offset) {
    if (offset != 20 || std::exchange(changed, true)) return;
    device->set_config8(17, 40);
    device->generation++;
  };
  bring_up();
  CHECK(changed);
  CHECK(device->accepted().has(Feature::net_hash_report));
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
  for (const std::uint16_t mtu : {0, 67, 2011, 9000, 65535}) { // a header of 20 bytes might be wanted
    device->set_config16(10, mtu);
    CHECK(net->reset().has_value());
    CHECK_FALSE(device->accepted().has(Feature::net_mtu));
    LONGS_EQUAL(1500, net->device_mtu());
  }
  for (const std::uint16_t mtu : {68, 1400, 1500, 2010}) {
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
