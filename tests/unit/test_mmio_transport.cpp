// SPDX-License-Identifier: BSD-2-Clause
// virtio-mmio Version 2 register by register, against a device that refuses what 4.2.2 refuses.
#include <string>

#include "bsp/clock.hpp"
#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using bsp::BusAddress;
using bsp::Error;
using test::fake_bus;
using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;
using virtio::MmioTransport;

TEST_GROUP(MmioIdentify) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  std::uint32_t version = 0;

  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
  std::string trace() {
    return test::take_bus_trace(device.base());
  }
};

// proves: MMIO-01
TEST(MmioIdentify, ReadsMagicThenVersionThenDeviceIdAndNothingElse) {
  const auto identity = virtio::identify_mmio(device.base(), version);
  CHECK(identity.has_value());
  LONGS_EQUAL(2, identity->version);
  LONGS_EQUAL(1, identity->device_id);
  STRCMP_EQUAL("r000 r004 r008", trace().c_str());
}

// proves: MMIO-02
TEST(MmioIdentify, LeavesASlotWithAnotherMagicAlone) {
  for (const std::uint32_t magic : {0x0U, 0x7472'6977U, 0x7669'7274U}) {
    device.magic = magic;
    CHECK(virtio::identify_mmio(device.base(), version).error() == Error::not_a_virtio_device);
    STRCMP_EQUAL("r000", trace().c_str());
  }
}

// proves: MMIO-03
TEST(MmioIdentify, LeavesADeviceOfAnotherVersionAlone) {
  for (const std::uint32_t other : {0U, 3U, 0xffff'ffffU}) {
    device.version_register = other;
    CHECK(virtio::identify_mmio(device.base(), version).error() == Error::unsupported_transport_version);
    LONGS_EQUAL(other, version);
    STRCMP_EQUAL("r000 r004", trace().c_str());
  }
}

// proves: MMIO-04, MMIO-05
TEST(MmioIdentify, StopsAtAnEmptySlotWithoutCallingItAnError) {
  device.device_id = 0;
  const auto identity = virtio::identify_mmio(device.base(), version);
  CHECK(identity.has_value());
  LONGS_EQUAL(0, identity->device_id);
  STRCMP_EQUAL("r000 r004 r008", trace().c_str());
}

TEST(MmioIdentify, TellsAnAbsentDeviceFromAnotherOne) {
  device.script.gone = true;
  CHECK(virtio::identify_mmio(device.base(), version).error() == Error::device_gone);
  STRCMP_EQUAL("r000", trace().c_str());
}

TEST_GROUP(MmioTransport) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  MmioTransport transport{device.base(), 8};
  virtio::QueueMemory memory{8, BusAddress{0x1'8000'1000}, BusAddress{0x1'8000'1080}, BusAddress{0x8000'2000}};

  void teardown() override {
    STRCMP_EQUAL("", device.violations().c_str());
  }
  std::string trace(test::Fences fences = test::Fences::left_out) {
    return test::take_bus_trace(device.base(), fences);
  }
  /// Up to where queues may be set up.
  void negotiate(FeatureSet wanted = {}) {
    virtio::DeviceInit init{transport};
    CHECK(init.begin().has_value());
    CHECK(init.accept(wanted).has_value());
    trace();
  }
  /// Up to DRIVER_OK, with queue 0.
  void go_live() {
    virtio::DeviceInit init{transport};
    CHECK(init.begin().has_value());
    CHECK(init.accept({}).has_value());
    CHECK(transport.max_queue_size(0).has_value());
    CHECK(transport.enable_queue(0, memory).has_value());
    CHECK(init.go_live().has_value());
    trace();
  }
};

// proves: MMIO-31, GEN-06
TEST(MmioTransport, ResetsByWritingZeroAndReadsNothingElseUntilStatusIsZero) {
  device.set_status(15);
  device.script.reset_reads = 5;
  CHECK(transport.reset().has_value());
  STRCMP_EQUAL("w070=0 r070 r070 r070 r070 r070 r070", trace().c_str());
  LONGS_EQUAL(1, device.resets);
}

// proves: ROB-11
TEST(MmioTransport, GivesUpOnAResetThatNeverEndsAndTakesALateOne) {
  device.set_status(15);
  device.script.reset_reads = FakeVirtioMmio::never;
  test::fake_clock().step = 1000;
  const std::uint64_t start = test::fake_clock().ticks;
  CHECK(transport.reset().error() == Error::reset_timed_out);
  const std::uint64_t waited_us = bsp::clock::ticks_to_us(test::fake_clock().ticks - start);
  CHECK(waited_us >= virtio::reset_timeout_ms * 1000);
  CHECK(waited_us < virtio::reset_timeout_ms * 1100);
  device.script.reset_reads = 1000;
  CHECK(transport.reset().has_value());
}

TEST(MmioTransport, TakesASlotThatReadsAllOnesForOneThatWasNotReset) {
  device.script.gone = true;
  test::fake_clock().step = 1000;
  CHECK(transport.reset().error() == Error::reset_timed_out);
}

// proves: MMIO-13
TEST(MmioTransport, SelectsEachFeatureWordBeforeReadingIt) {
  device.offered = 0x8000'0001'4000'0002;
  CHECK(transport.reset().has_value());
  transport.set_status(1);
  transport.set_status(3);
  trace();
  CHECK(transport.offered_features() == FeatureSet{0x8000'0001'4000'0002});
  STRCMP_EQUAL("w014=0 r010 w014=1 r010", trace().c_str());
}

// proves: MMIO-14
TEST(MmioTransport, SelectsAndWritesBothFeatureWordsAlsoWhenOneIsZero) {
  CHECK(transport.reset().has_value());
  transport.set_status(1);
  transport.set_status(3);
  trace();
  transport.accept_features({Feature::version_1});
  STRCMP_EQUAL("w024=0 w020=0 w024=1 w020=1", trace().c_str());
  transport.accept_features({});
  STRCMP_EQUAL("w024=0 w020=0 w024=1 w020=0", trace().c_str());
}

// proves: MMIO-16, MMIO-17
TEST(MmioTransport, SetsAQueueUpInTheOrderOfTheStandardWithBothHalvesOfEachAddress) {
  negotiate();
  LONGS_EQUAL(256, *transport.max_queue_size(1));
  STRCMP_EQUAL("w030=1 r044 r034", trace().c_str());
  CHECK(transport.enable_queue(1, memory).has_value());
  STRCMP_EQUAL("w030=1 w038=8 w080=80001000 w084=1 w090=80001080 w094=1 w0a0=80002000 w0a4=0 [full] w044=1 r044",
               trace(test::Fences::shown).c_str());
  CHECK(device.queues[1].ready);
  CHECK(device.queues[1].address[2] == 0x8000'2000); // the high half held garbage
}

// proves: MMIO-15
TEST(MmioTransport, SelectsTheQueueBeforeEachUseOfItsRegisters) {
  negotiate();
  device.scramble_selectors();
  CHECK(transport.max_queue_size(0).has_value());
  device.scramble_selectors();
  CHECK(transport.enable_queue(0, memory).has_value());
  device.scramble_selectors();
  CHECK(transport.disable_queue(0).has_value());
}

// proves: MMIO-19
TEST(MmioTransport, WritesNoSizeAndNoAddressOfAQueueThatIsInUse) {
  device.script.busy_queue = 0;
  negotiate();
  CHECK(transport.max_queue_size(0).error() == Error::queue_already_in_use);
  STRCMP_EQUAL("w030=0 r044", trace().c_str());
}

TEST(MmioTransport, TakesAQueueSizeOfZeroForAMissingQueue) {
  device.queues[1].size_max = 0;
  negotiate();
  CHECK(transport.max_queue_size(1).error() == Error::queue_not_available);
  CHECK(transport.max_queue_size(7).error() == Error::queue_not_available);
}

// proves: SPLIT-02
TEST(MmioTransport, NeverReportsAQueueLargerThanTheStandardAllows) {
  for (const std::uint32_t size_max : {32769U, 65535U, 65536U, 0x8000'0000U, 0xffff'ffffU}) {
    device.queues[0].size_max = size_max;
    negotiate();
    LONGS_EQUAL(32768, *transport.max_queue_size(0));
  }
}

// proves: MMIO-20
TEST(MmioTransport, StopsAQueueAndReadsItBack) {
  go_live();
  CHECK(transport.disable_queue(0).has_value());
  STRCMP_EQUAL("w030=0 w044=0 r044", trace().c_str());
  CHECK_FALSE(device.queues[0].ready);
}

TEST(MmioTransport, ReportsAQueueThatDoesNotStop) {
  device.script.keeps_queue = 0;
  go_live();
  CHECK(transport.disable_queue(0).error() == Error::queue_rejected);
}

TEST(MmioTransport, ReportsAQueueThatTheDeviceDoesNotTake) {
  device.script.refuses_queue = 0;
  negotiate();
  CHECK(transport.enable_queue(0, memory).error() == Error::queue_rejected);
}

// proves: VQ-05, MMIO-23
TEST(MmioTransport, NotifiesWithTheQueueIndexInOneStoreAfterABarrier) {
  go_live();
  const virtio::Doorbell doorbell{device.base() + 0x50, 4};
  doorbell.ring(0);
  STRCMP_EQUAL("[before_doorbell] w050=0", trace(test::Fences::shown).c_str());
}

// proves: MMIO-23
TEST(MmioTransport, NotifiesWithAllThirtyTwoBitsOfNotificationData) {
  device.offered |= FeatureSet{Feature::notification_data}.bits();
  negotiate({Feature::notification_data});
  const virtio::Doorbell doorbell = *transport.enable_queue(1, memory);
  transport.set_status(15);
  trace();
  unsigned notified = 99;
  device.on_notify = [&](unsigned queue) { notified = queue; };
  doorbell.ring(0x8005'0001);
  STRCMP_EQUAL("[before_doorbell] w050=80050001", trace(test::Fences::shown).c_str());
  LONGS_EQUAL(1, notified);
}

TEST(MmioTransport, GivesTheNotifyRegisterAsDoorbellOfEveryQueue) {
  negotiate();
  for (const std::uint16_t index : {std::uint16_t{0}, std::uint16_t{1}}) {
    const virtio::Doorbell doorbell = *transport.enable_queue(index, memory);
    LONGS_EQUAL(device.base() + 0x50, doorbell.address);
    LONGS_EQUAL(4, doorbell.width);
  }
}

// proves: MMIO-24, MMIO-27
TEST(MmioTransport, ReadsTheCausesAndAcknowledgesExactlyThose) {
  go_live();
  device.raise_used();
  device.raise_config();
  const virtio::InterruptCauses both = transport.acknowledge();
  CHECK(both.used_buffer && both.config_change);
  STRCMP_EQUAL("r060 w064=3", trace().c_str());
  CHECK_FALSE(device.line_raised());

  device.raise_config();
  const virtio::InterruptCauses config = transport.acknowledge();
  CHECK(!config.used_buffer && config.config_change);
  STRCMP_EQUAL("r060 w064=2", trace().c_str());
}

// proves: MMIO-27
TEST(MmioTransport, KeepsAnEventThatHappensBetweenTheLookAndTheAcknowledge) {
  go_live();
  device.raise_used();
  device.on_interrupt_ack = [this] { device.raise_config(); };
  CHECK_FALSE(transport.acknowledge().config_change);
  device.on_interrupt_ack = nullptr;
  CHECK(device.line_raised());
  CHECK(transport.acknowledge().config_change);
}

// proves: MMIO-26, MMIO-28
TEST(MmioTransport, NeitherTakesNorAcknowledgesUndefinedInterruptBits) {
  go_live();
  device.script.undefined_interrupt_bits = 0xffff'fffc;
  CHECK_FALSE(transport.acknowledge().any());
  CHECK(device.interrupt_acks.empty());

  device.script.undefined_interrupt_bits = 0x7fff'fffc;
  device.raise_used();
  const virtio::InterruptCauses causes = transport.acknowledge();
  CHECK(causes.used_buffer && !causes.config_change);
  LONGS_EQUAL(1, device.interrupt_acks.at(0));
}

// proves: ROB-33
TEST(MmioTransport, ReturnsAtOnceFromAnInterruptWithoutACause) {
  go_live();
  CHECK_FALSE(transport.acknowledge().any());
  STRCMP_EQUAL("r060", trace().c_str());
}

// proves: MMIO-10, MMIO-11, MMIO-32, CFG-07
TEST(MmioTransport, ReadsEachConfigurationFieldWithItsOwnWidthAndLittleEndian) {
  device.offered |= FeatureSet{Feature::net_status, Feature::net_mtu, Feature::net_speed_duplex}.bits();
  device.config[0] = 0x52;
  device.config[6] = 0x01; // le16 1
  device.config[7] = 0x00;
  device.config[12] = 0xe8; // le32 1000
  device.config[13] = 0x03;
  negotiate();
  LONGS_EQUAL(0x52, transport.config8(0));
  LONGS_EQUAL(1, transport.config16(6));
  LONGS_EQUAL(1000, transport.config32(12));
  device.generation = 77;
  LONGS_EQUAL(77, *transport.config_generation());
  unsigned widths[3] = {};
  for (unsigned i = 0; i < 3; i++)
    widths[i] = fake_bus().log.at(i).width;
  LONGS_EQUAL(1, widths[0]);
  LONGS_EQUAL(2, widths[1]);
  LONGS_EQUAL(4, widths[2]);
  STRCMP_EQUAL("r100 r106 r10c r0fc", trace().c_str());
}

// proves: MMIO-07, MMIO-08, MMIO-09, MMIO-29
TEST(MmioTransport, ShowsRegistersWithoutTouchingAWriteOnlyOrUndescribedOne) {
  go_live();
  virtio::RegisterValue value{};
  std::string names;
  for (std::size_t i = 0; transport.register_value(i, value); i++)
    names += std::string{value.name} + " ";
  STRCMP_EQUAL("MagicValue Version DeviceID VendorID DeviceFeatures QueueSizeMax QueueReady InterruptStatus Status "
               "ConfigGeneration ",
               names.c_str());
}

TEST(MmioTransport, NamesItselfByItsAddress) {
  STRCMP_EQUAL("virtio-mmio@10008000", std::string{transport.name()}.c_str());
  LONGS_EQUAL(2, transport.version());
  LONGS_EQUAL(8, transport.interrupt());
  CHECK_FALSE(transport.legacy());
}
