// SPDX-License-Identifier: BSD-2-Clause
// virtio-mmio Version 1, against a device that knows only the legacy register table (4.2.4).
#include <string>

#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using bsp::BusAddress;
using bsp::Error;
using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;
using virtio::LegacyMmioTransport;

TEST_GROUP(LegacyMmio) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::legacy};
  LegacyMmioTransport transport{device.base(), 8};
  virtio::DeviceInit init{transport};
  virtio::QueueMemory memory{8, BusAddress{0x8000'1000}, BusAddress{0x8000'1080}, BusAddress{0x8000'2000}};

  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
  std::string trace(test::Fences fences = test::Fences::left_out) {
    return test::take_bus_trace(device.base(), fences);
  }
  void negotiate(FeatureSet wanted = {}) {
    CHECK(init.begin().has_value());
    CHECK(init.accept(wanted).has_value());
    trace();
  }
  void go_live() {
    negotiate();
    CHECK(transport.max_queue_size(0).has_value());
    CHECK(transport.enable_queue(0, memory).has_value());
    CHECK(init.go_live().has_value());
    trace();
  }
};

// proves: LEG-27
TEST(LegacyMmio, IsIdentifiedByVersionOne) {
  std::uint32_t version = 0;
  const auto identity = virtio::identify_mmio(device.base(), version);
  CHECK(identity.has_value());
  LONGS_EQUAL(1, identity->version);
  CHECK(transport.legacy());
  LONGS_EQUAL(1, transport.version());
}

// proves: LEG-03
TEST(LegacyMmio, InitializesWithoutFeaturesOk) {
  go_live();
  CHECK(device.status_writes == std::vector<std::uint32_t>({0, 1, 3, 7}));
}

// proves: LEG-04
TEST(LegacyMmio, ReadsAndWritesFeatureWordZeroOnly) {
  device.offered = 0xffff'ffff;
  device.script.word_beyond_63 = 0xffff'ffff;
  const FeatureSet offered = *init.begin();
  CHECK(offered.word(1) == 0);
  trace();
  const FeatureSet accepted = *init.accept(FeatureSet{~std::uint64_t{0}});
  CHECK(accepted.word(1) == 0);
  STRCMP_EQUAL(("w024=0 w020=" +
                [&] {
                  char hex[12];
                  std::snprintf(hex, sizeof hex, "%x", accepted.word(0));
                  return std::string{hex};
                }())
                   .c_str(),
               trace().c_str());
  CHECK(device.feature_words_written == std::vector<std::uint32_t>({0}));
}

// proves: LEG-05, LEG-06
TEST(LegacyMmio, AcceptsAnyLayoutUnaskedAndNeverTheUnusedBit) {
  device.offered = FeatureSet{Feature::any_layout, Feature::legacy_unused, Feature::notify_on_empty}.bits();
  CHECK(init.begin().has_value());
  CHECK(*init.accept(FeatureSet{~std::uint64_t{0}}) == FeatureSet{Feature::any_layout});
  CHECK(device.accepted() == FeatureSet{Feature::any_layout});
}

// proves: LEG-29
TEST(LegacyMmio, TellsThePageSizeAfterEachResetBeforeAnyQueue) {
  CHECK(transport.reset().has_value());
  STRCMP_EQUAL("w070=0 r070 w028=1000", trace().c_str());
  CHECK(transport.reset().has_value()); // which cleared it
  LONGS_EQUAL(4096, device.guest_page_size());
}

// proves: LEG-30, LEG-31
TEST(LegacyMmio, LooksThatTheQueueIsFreeBeforeItsSize) {
  negotiate();
  LONGS_EQUAL(256, *transport.max_queue_size(1));
  STRCMP_EQUAL("w030=1 r040 r034", trace().c_str());
  device.script.busy_queue = 0;
  CHECK(transport.max_queue_size(0).error() == Error::queue_already_in_use);
  STRCMP_EQUAL("w030=0 r040", trace().c_str());
}

// proves: LEG-31
TEST(LegacyMmio, TakesAQueueSizeOfZeroForAMissingQueue) {
  device.queues[0].size_max = 0;
  negotiate();
  CHECK(transport.max_queue_size(0).error() == Error::queue_not_available);
}

// proves: LEG-33, LEG-35
TEST(LegacyMmio, WritesSizeAndAlignmentAndLastThePageNumber) {
  negotiate();
  CHECK(transport.enable_queue(1, memory).has_value());
  STRCMP_EQUAL("w030=1 w038=8 w03c=1000 [full] w040=80001 r040", trace(test::Fences::shown).c_str());
  LONGS_EQUAL(transport.device_area_alignment(), device.queues[1].align);
}

// proves: LEG-35
TEST(LegacyMmio, ReachesAddressesAboveFourGigabytesButNotAPageNumberAbove32Bits) {
  negotiate();
  memory.descriptor_area = BusAddress{0xffff'ffff'000};
  CHECK(transport.enable_queue(0, memory).has_value());
  LONGS_EQUAL(0xffff'ffff, device.queues[0].pfn);
  trace();
  for (const std::uint64_t bad : {std::uint64_t{0x1000'0000'0000}, std::uint64_t{0}, std::uint64_t{0x8000'1800}}) {
    memory.descriptor_area = BusAddress{bad};
    CHECK(transport.enable_queue(1, memory).error() == Error::address_not_reachable);
    STRCMP_EQUAL("", trace().c_str());
  }
}

TEST(LegacyMmio, ReportsAQueueThatTheDeviceDoesNotTake) {
  device.script.refuses_queue = 0;
  negotiate();
  CHECK(transport.enable_queue(0, memory).error() == Error::queue_rejected);
}

// proves: LEG-36
TEST(LegacyMmio, StopsAQueueByPageNumberZeroAlsoIfTheDeviceResetsWhollyOnIt) {
  go_live();
  CHECK(transport.disable_queue(0).has_value());
  STRCMP_EQUAL("r070 w030=0 w040=0 r040", trace().c_str());
  LONGS_EQUAL(0, device.queues[0].pfn);

  go_live();
  device.script.resets_on_pfn_zero = true;
  CHECK(transport.disable_queue(0).has_value());
  CHECK(transport.disable_queue(1).has_value()); // Status says that it is stopped already
  CHECK(transport.reset().has_value());
  LONGS_EQUAL(0, device.status());
  LONGS_EQUAL(4096, device.guest_page_size());
}

// proves: LEG-37
TEST(LegacyMmio, NotifiesAndAcknowledgesAsVersionTwoDoes) {
  go_live();
  virtio::Doorbell{device.base() + 0x50, 4}.ring(0);
  device.raise_used();
  device.raise_config();
  device.script.undefined_interrupt_bits = 0x80;
  const virtio::InterruptCauses causes = transport.acknowledge();
  CHECK(causes.used_buffer && causes.config_change);
  STRCMP_EQUAL("w050=0 r060 w064=3", trace().c_str());
}

// proves: LEG-28
TEST(LegacyMmio, TouchesOnlyTheLegacyRegisterTable) {
  device.offered = FeatureSet{Feature::net_status, Feature::any_layout}.bits();
  go_live();
  CHECK_FALSE(transport.config_generation().has_value());
  LONGS_EQUAL(0, transport.config16(6));
  virtio::RegisterValue value{};
  std::string names;
  for (std::size_t i = 0; transport.register_value(i, value); i++)
    names += std::string{value.name} + " ";
  STRCMP_EQUAL("MagicValue Version DeviceID VendorID HostFeatures QueuePFN InterruptStatus Status ", names.c_str());
  CHECK(transport.disable_queue(0).has_value());
  CHECK(transport.reset().has_value());
  // The fake has no QueueReady, 64-bit addresses, QueueReset, ConfigGeneration or shared memory in this mode.
}

// proves: LEG-09, LEG-10
TEST(LegacyMmio, ReadsConfigurationInNativeByteOrder) {
  device.offered = FeatureSet{Feature::net_status}.bits();
  device.config[6] = 0x34;
  device.config[7] = 0x12;
  negotiate();
  LONGS_EQUAL(0x1234, transport.config16(6)); // little-endian harts: as it lies there
}
