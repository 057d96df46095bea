// SPDX-License-Identifier: BSD-2-Clause
// Features that virtio-mmio never accepts, whatever the device offers and the driver wants, and the status bits that
// would come with them.
#include <string>

#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "drivers/virtio/spec.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

constexpr FeatureSet everything{~std::uint64_t{0}};

/// What the driver accepted of a device that offers all 64 bits, from a driver that wants them all.
FeatureSet accepted_by(virtio::Transport& transport, FakeVirtioMmio& device) {
  device.offered = everything.bits();
  virtio::DeviceInit init{transport};
  CHECK(init.begin().has_value());
  const auto result = init.accept(everything);
  CHECK(result.has_value());
  CHECK(*result == device.accepted());
  CHECK(*result == (everything & transport.allowed_features()));
  return device.accepted();
}

} // namespace

TEST_GROUP(MmioFeatures) {
  test::CleanBus clean;
  FakeVirtioMmio modern_device{FakeVirtioMmio::Version::modern};
  virtio::MmioTransport modern{modern_device.base(), 8};
  FakeVirtioMmio legacy_device{FakeVirtioMmio::Version::legacy, 0x1000'9000};
  virtio::LegacyMmioTransport legacy{legacy_device.base(), 9};

  void teardown() override {
    STRCMP_EQUAL("", modern_device.violations().c_str());
    STRCMP_EQUAL("", legacy_device.violations().c_str());
  }
};

// proves: FEAT-20, GEN-25, MMIO-30
TEST(MmioFeatures, NeverIncludeWhatBelongsToOtherTransportsOrWasNotBuilt) {
  const FeatureSet accepted = accepted_by(modern, modern_device);
  CHECK_FALSE(accepted.has(Feature::sr_iov));
  CHECK_FALSE(accepted.has(Feature::notif_config_data));
  CHECK_FALSE(accepted.has(Feature::admin_vq));
  CHECK_FALSE(accepted.has(Feature::suspend));
}

TEST(MmioFeatures, NeverIncludeAReservedBitWithoutAMeaning) {
  const FeatureSet accepted = accepted_by(modern, modern_device);
  for (unsigned bit = 24; bit < 50; bit++) {
    const bool known = bit == 28 || bit == 29 || (bit >= 32 && bit <= 36) || bit == 38 || bit == 40;
    CHECK_EQUAL(known, (accepted.bits() >> bit & 1) != 0);
  }
}

TEST(MmioFeatures, OfALegacyDeviceAreThoseOfItsOneWord) {
  const FeatureSet accepted = accepted_by(legacy, legacy_device);
  CHECK((accepted.bits() >> 24) == 0b0011'1000); // ANY_LAYOUT, INDIRECT_DESC, EVENT_IDX
}

// proves: GEN-25, GEN-26, GEN-27, GEN-28
TEST(MmioFeatures, NeverLeadToASuspendedDevice) {
  // SUSPEND is bit 16 of the status (2.1): without it nothing is ever suspended and nothing has to be resumed.
  for (virtio::Transport* const transport :
       {static_cast<virtio::Transport*>(&modern), static_cast<virtio::Transport*>(&legacy)}) {
    FakeVirtioMmio& device = transport->legacy() ? legacy_device : modern_device;
    CHECK_FALSE(accepted_by(*transport, device).has(Feature::suspend));
    virtio::DeviceInit init{*transport};
    CHECK(init.begin().has_value());
    CHECK(init.accept(everything).has_value());
    CHECK(init.go_live().has_value());
    device.set_needs_reset();
    CHECK((transport->status() & virtio::status::needs_reset) != 0);
    init.fail();
    CHECK(transport->reset().has_value());
    CHECK(device.status_writes.size() > 5);
    for (const std::uint32_t written : device.status_writes)
      CHECK((written & ~0xcfU) == 0);
  }
}
