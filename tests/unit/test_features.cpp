// SPDX-License-Identifier: BSD-2-Clause
// Feature bits: numbers against masks, names, and what each transport lets through (2.2, 6).
#include <random>
#include <string>

#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/features.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;

namespace {
constexpr FeatureSet everything{~std::uint64_t{0}};
}

TEST_GROUP(FeatureSet){};

TEST(FeatureSet, TurnsBitNumbersIntoMasks) {
  const FeatureSet set{Feature::net_csum, Feature::event_idx, Feature::version_1, Feature::net_speed_duplex};
  CHECK(set.bits() == 0x8000'0001'2000'0001);
  CHECK(set.word(0) == 0x2000'0001);
  CHECK(set.word(1) == 0x8000'0001);
  CHECK(set.word(2) == 0);
  CHECK(set.has(Feature::version_1) && !set.has(Feature::net_mac));
}

TEST(FeatureSet, AddsRemovesAndCombines) {
  FeatureSet set{Feature::net_mac};
  set.add(Feature::version_1);
  set.remove(Feature::net_mac);
  CHECK(set == FeatureSet{Feature::version_1});
  CHECK((set | FeatureSet{Feature::net_mac}).without(set) == FeatureSet{Feature::net_mac});
  CHECK((set & FeatureSet{Feature::net_mac}) == FeatureSet{});
}

TEST(FeatureSet, NamesEachBitOnceAndReservedOnesNot) {
  struct {
    unsigned bit;
    const char* name;
  } const expected[] = {
      {0, "CSUM"},
      {3, "MTU"},
      {5, "MAC"},
      {15, "MRG_RXBUF"},
      {16, "STATUS"},
      {17, "CTRL_VQ"},
      {22, "MQ"},
      {27, "ANY_LAYOUT"},
      {28, "INDIRECT_DESC"},
      {29, "EVENT_IDX"},
      {32, "VERSION_1"},
      {33, "ACCESS_PLATFORM"},
      {34, "RING_PACKED"},
      {35, "IN_ORDER"},
      {36, "ORDER_PLATFORM"},
      {37, "SR_IOV"},
      {38, "NOTIFICATION_DATA"},
      {39, "NOTIF_CONFIG_DATA"},
      {40, "RING_RESET"},
      {41, "ADMIN_VQ"},
      {51, "HASH_TUNNEL"},
      {53, "NOTF_COAL"},
      {57, "HASH_REPORT"},
      {59, "GUEST_HDRLEN"},
      {60, "RSS"},
      {61, "RSC_EXT"},
      {62, "STANDBY"},
      {63, "SPEED_DUPLEX"},
  };
  for (const auto& entry : expected)
    STRCMP_EQUAL(entry.name, std::string{virtio::net_feature_name(entry.bit)}.c_str());
  for (const unsigned reserved : {4U, 25U, 26U, 31U, 42U, 44U, 49U, 58U, 64U})
    CHECK(virtio::net_feature_name(reserved).empty());
}

TEST_GROUP(Negotiation) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  virtio::MmioTransport transport{device.base(), 8};
  virtio::DeviceInit init{transport};

  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
  FeatureSet accept(std::uint64_t offered, FeatureSet wanted) {
    device.offered = offered;
    CHECK(init.begin().has_value());
    return *init.accept(wanted);
  }
};

// proves: FEAT-01
TEST(Negotiation, AcceptsNothingThatWasNotOffered) {
  std::mt19937_64 random{1};
  for (int i = 0; i < 200; i++) {
    const std::uint64_t offered = random() | FeatureSet{Feature::version_1}.bits();
    const FeatureSet wanted{random()};
    const FeatureSet accepted = accept(offered, wanted);
    CHECK((accepted.bits() & ~offered) == 0);
    CHECK(device.accepted() == accepted);
    CHECK(accepted.without(wanted | FeatureSet{Feature::version_1}) == FeatureSet{});
  }
}

// proves: FEAT-05, FEAT-06, FEAT-20, MMIO-30
TEST(Negotiation, AcceptsNoReservedBitAndNoneOfAnotherTransportOnMmio) {
  const FeatureSet accepted = accept(~std::uint64_t{0}, everything);
  for (const Feature feature : {Feature::sr_iov, Feature::notif_config_data, Feature::admin_vq, Feature::suspend})
    CHECK_FALSE(accepted.has(feature));
  for (unsigned bit = 42; bit <= 49; bit++)
    CHECK((accepted.bits() >> bit & 1) == 0);
  for (unsigned bit = 24; bit <= 27; bit++)
    CHECK((accepted.bits() >> bit & 1) == 0);
  CHECK((accepted.bits() >> 30 & 3) == 0);
}

// proves: FEAT-12
TEST(Negotiation, AcceptsVersionOneAlsoIfTheDriverDoesNotAskForIt) {
  CHECK(accept(FeatureSet{Feature::version_1}.bits(), {}) == FeatureSet{Feature::version_1});
  LONGS_EQUAL(2, device.feature_words_written.size());
}

// proves: ROB-15
TEST(Negotiation, IsNotMovedByWordsBeyondTheFirstTwo) {
  device.script.word_beyond_63 = 0xffff'ffff;
  const FeatureSet before = accept(FeatureSet({Feature::version_1, Feature::net_mac}).bits(), everything);
  CHECK(before == FeatureSet({Feature::version_1, Feature::net_mac}));
  for (const std::uint32_t word : device.feature_words_written)
    CHECK(word < 2);
}
