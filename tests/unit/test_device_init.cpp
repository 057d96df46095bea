// SPDX-License-Identifier: BSD-2-Clause
// The initialization sequence (3.1.1) on a device that refuses a wrong order. Legacy: test_mmio_legacy.cpp.
#include <string>
#include <vector>

#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using bsp::Error;
using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;

TEST_GROUP(DeviceInit) {
  using Writes = std::vector<std::uint32_t>;
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  virtio::MmioTransport transport{device.base(), 8};
  virtio::DeviceInit init{transport};

  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
};

// proves: GEN-01, GEN-02, GEN-08, GEN-09, GEN-13, MMIO-06
TEST(DeviceInit, SetsEachStatusBitInTurnAndKeepsThemAll) {
  CHECK(init.begin().has_value());
  CHECK(device.status_writes == Writes({0, 1, 3}));
  CHECK(init.accept({}).has_value());
  CHECK(device.status_writes == Writes({0, 1, 3, 11}));
  CHECK(init.go_live().has_value());
  CHECK(device.status_writes == Writes({0, 1, 3, 11, 15}));
}

// proves: GEN-07
TEST(DeviceInit, ResetsADeviceThatFirmwareLeftRunning) {
  device.set_status(15);
  device.script.reset_reads = 3;
  CHECK(init.begin().has_value());
  LONGS_EQUAL(1, device.resets);
  LONGS_EQUAL(0, device.status_writes[0]);
  LONGS_EQUAL(3, device.status());
}

// proves: GEN-10
TEST(DeviceInit, ReadsAndAcceptsFeaturesBetweenDriverAndFeaturesOk) {
  device.offered |= FeatureSet{Feature::net_mac}.bits();
  CHECK(init.begin().has_value());
  CHECK(init.accept({Feature::net_mac}).has_value());
  STRCMP_EQUAL("w070=0 r070 w070=1 w070=3 w014=0 r010 w014=1 r010 w024=0 w020=20 w024=1 w020=1 w070=b r070",
               test::bus_trace(device.base()).c_str());
}

// proves: GEN-14, FEAT-11
TEST(DeviceInit, WritesNoFeaturesAfterFeaturesOk) {
  device.offered |= FeatureSet{Feature::net_mac, Feature::net_status}.bits();
  CHECK(init.begin().has_value());
  CHECK(init.accept({Feature::net_mac}).has_value());
  CHECK(init.go_live().has_value());
  LONGS_EQUAL(2, device.feature_words_written.size());
  // Another set takes a reset.
  CHECK(init.begin().has_value());
  CHECK(init.accept({Feature::net_status}).has_value());
  CHECK(device.accepted() == FeatureSet({Feature::net_status, Feature::version_1}));
}

// proves: GEN-15, GEN-18, GEN-19
TEST(DeviceInit, ReadsFeaturesOkBackAndGivesUpIfItDidNotStick) {
  device.script.refuses_features = true;
  CHECK(init.begin().has_value());
  CHECK(init.accept({}).error() == Error::device_rejected_features);
  CHECK(device.status_writes == Writes({0, 1, 3, 11, 3 | 128}));
}

// proves: GEN-03
TEST(DeviceInit, StartsANewAttemptAfterFailedWithAReset) {
  device.script.refuses_features = true;
  CHECK(init.begin().has_value());
  CHECK_FALSE(init.accept({}).has_value());
  device.status_writes.clear();
  device.script.refuses_features = false;
  CHECK(init.begin().has_value());
  CHECK(init.accept({}).has_value());
  CHECK(init.go_live().has_value());
  CHECK(device.status_writes == Writes({0, 1, 3, 11, 15}));
}

// proves: GEN-06
TEST(DeviceInit, TouchesNothingMoreIfTheResetDoesNotEnd) {
  device.set_status(15);
  device.script.reset_reads = FakeVirtioMmio::never;
  test::fake_clock().step = 1000;
  CHECK(init.begin().error() == Error::reset_timed_out);
  CHECK(device.status_writes == Writes({0}));
}

// proves: FEAT-13, ROB-13
TEST(DeviceInit, RefusesAModernDeviceWithoutVersionOne) {
  device.offered = FeatureSet{Feature::net_mac, Feature::any_layout}.bits();
  CHECK(init.begin().error() == Error::device_lacks_version_1);
  CHECK(device.status_writes == Writes({0, 1, 3, 131}));
  CHECK(device.feature_words_written.empty());
}

TEST(DeviceInit, NeverTreatsADeviceThatOffersVersionOneAsLegacy) {
  CHECK(init.begin().has_value());
  CHECK(init.accept({}).has_value());
  CHECK(device.accepted().has(Feature::version_1));
  CHECK((device.status() & 8) != 0);
}

TEST(DeviceInit, ReportsADeviceThatGivesUpAtDriverOk) {
  device.script.needs_reset_at_driver_ok = true;
  CHECK(init.begin().has_value());
  CHECK(init.accept({}).has_value());
  CHECK(init.go_live().error() == Error::device_needs_reset);
}

// proves: GEN-02
TEST(DeviceInit, KeepsNeedsResetWhenItFailsTheDeviceAfterwards) {
  device.script.needs_reset_at_driver_ok = true;
  CHECK(init.begin().has_value());
  CHECK(init.accept({}).has_value());
  CHECK_FALSE(init.go_live().has_value());
  init.fail();
  CHECK(device.status_writes == Writes({0, 1, 3, 11, 15, 15 | 64 | 128}));
}

// proves: GEN-25
TEST(DeviceInit, NeverSetsSuspend) {
  device.offered = ~std::uint64_t{0};
  CHECK(init.begin().has_value());
  CHECK(init.accept(FeatureSet{~std::uint64_t{0}}).has_value());
  CHECK(init.go_live().has_value());
  init.fail();
  for (const std::uint32_t value : device.status_writes)
    LONGS_EQUAL(0, value & 16);
}
