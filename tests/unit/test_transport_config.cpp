// SPDX-License-Identifier: BSD-2-Clause
// Reading fields that belong together while the device changes them (2.5.1, 2.5.4).
#include <array>
#include <functional>

#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using bsp::Error;
using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

using Mac = std::array<std::uint8_t, 6>;

Mac read_mac(const virtio::Transport& transport) {
  Mac mac{};
  for (std::uint32_t i = 0; i < 6; i++)
    mac[i] = transport.config8(i);
  return mac;
}

void set_mac(FakeVirtioMmio& device, std::uint8_t octet) {
  for (std::uint32_t i = 0; i < 6; i++)
    device.set_config8(i, octet);
}

constexpr Mac all(std::uint8_t octet) {
  return {octet, octet, octet, octet, octet, octet};
}

} // namespace

TEST_GROUP(StableConfig) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  virtio::MmioTransport transport{device.base(), 8};
  int changes = 0;

  void setup() override {
    device.offered |= FeatureSet{Feature::net_speed_duplex, Feature::net_rss}.bits();
    set_mac(device, 0x02);
  }
  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
  /// Changes the address, `times` times, while byte 3 of it is read.
  void change_in_the_middle(int times) {
    changes = times;
    device.on_config_read = [this](std::uint32_t offset) {
      if (offset != 3 || changes == 0) return;
      changes--;
      set_mac(device, static_cast<std::uint8_t>(0x10 + changes));
      device.generation++;
    };
  }
};

// proves: CFG-03, MMIO-32
TEST(StableConfig, BracketsTheReadWithTwoLooksAtTheGeneration) {
  const auto mac = virtio::read_stable_config(transport, [this] { return read_mac(transport); });
  CHECK(*mac == all(0x02));
  STRCMP_EQUAL("r0fc r100 r101 r102 r103 r104 r105 r0fc", test::take_bus_trace(device.base()).c_str());
}

// proves: CFG-02, CFG-03
TEST(StableConfig, ReadsAgainIfTheAddressChangesBetweenTwoOfItsBytes) {
  change_in_the_middle(1);
  CHECK(*virtio::read_stable_config(transport, [this] { return read_mac(transport); }) == all(0x10));
  change_in_the_middle(5);
  CHECK(*virtio::read_stable_config(transport, [this] { return read_mac(transport); }) == all(0x10));
}

// proves: CFG-01
TEST(StableConfig, NeverMixesTheHalvesOfSomethingWiderThanARead) {
  device.set_config32(12, 0x1111'1111);
  device.set_config32(20, 0x1111'1111);
  device.on_config_read = [this](std::uint32_t offset) {
    if (offset != 20 || changes++ != 0) return;
    device.set_config32(12, 0x2222'2222);
    device.set_config32(20, 0x2222'2222);
    device.generation++;
  };
  const auto both = virtio::read_stable_config(
      transport, [this] { return std::uint64_t{transport.config32(20)} << 32 | transport.config32(12); });
  CHECK(*both == 0x2222'2222'2222'2222);
}

// proves: CFG-03
TEST(StableConfig, ComparesTheWholeGenerationAlsoWhenItWraps) {
  device.generation = 0xffff'ffff;
  change_in_the_middle(1);
  CHECK(*virtio::read_stable_config(transport, [this] { return read_mac(transport); }) == all(0x10));
  LONGS_EQUAL(0, device.generation);
  for (const unsigned bit : {1U, 7U, 8U, 15U, 16U, 31U}) { // no narrower than the register
    set_mac(device, 0x02);
    changes = 1;
    device.on_config_read = [this, bit](std::uint32_t offset) {
      if (offset != 3 || changes-- <= 0) return;
      set_mac(device, 0x10);
      device.generation ^= 1U << bit;
    };
    CHECK(*virtio::read_stable_config(transport, [this] { return read_mac(transport); }) == all(0x10));
  }
}

// proves: ROB-10
TEST(StableConfig, GivesUpIfTheGenerationNeverSettles) {
  device.on_generation_read = [this] { device.generation++; };
  const auto mac = virtio::read_stable_config(transport, [this] { return read_mac(transport); });
  CHECK(mac.error() == Error::config_unstable);
  CHECK(test::fake_bus().log.size() < 200);
}

TEST_GROUP(LegacyStableConfig) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::legacy};
  virtio::LegacyMmioTransport transport{device.base(), 8};

  void setup() override {
    set_mac(device, 0x02);
  }
  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
};

// proves: LEG-08
TEST(LegacyStableConfig, ReadsUntilTwoReadsAgree) {
  int changes = 2;
  device.on_config_read = [&](std::uint32_t offset) {
    if (offset == 4 && changes-- > 0) set_mac(device, static_cast<std::uint8_t>(0x20 + changes));
  };
  CHECK(*virtio::read_stable_config(transport, [this] { return read_mac(transport); }) == all(0x20));
}

// proves: ROB-10
TEST(LegacyStableConfig, GivesUpIfNoTwoReadsAgree) {
  std::uint8_t octet = 0;
  device.on_config_read = [&](std::uint32_t offset) {
    if (offset == 4) set_mac(device, octet++);
  };
  CHECK(virtio::read_stable_config(transport, [this] { return read_mac(transport); }).error() ==
        Error::config_unstable);
}
