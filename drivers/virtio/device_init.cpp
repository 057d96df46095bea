// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/virtio/device_init.hpp"

#include "drivers/virtio/spec.hpp"

namespace virtio {

using bsp::Error;
using bsp::Result;

void DeviceInit::add_status(std::uint8_t bits) {
  status_ |= bits;
  transport_.set_status(status_);
}

// On top of what the device shows now: NEEDS_RESET stays, a FEATURES_OK that it refused does not come back (2.1.1).
void DeviceInit::fail() {
  transport_.set_status(transport_.status() | status::failed);
}

Result<FeatureSet> DeviceInit::begin() {
  status_ = 0;
  TRY(transport_.reset());         // 1. a device may come to us live, from firmware
  add_status(status::acknowledge); // 2.
  add_status(status::driver);      // 3.
  offered_ = transport_.offered_features();
  if (!transport_.legacy() && !offered_.has(Feature::version_1)) {
    fail(); // legacy rules do not go with modern registers
    return bsp::fail(Error::device_lacks_version_1);
  }
  return offered_;
}

Result<FeatureSet> DeviceInit::accept(FeatureSet wanted) {
  // 4. Allow-lists only: an unknown or reserved bit is never accepted, and offering one is no reason to fail (2.2.1).
  wanted.add(transport_.legacy() ? Feature::any_layout : Feature::version_1);
  const FeatureSet accepted = offered_ & wanted & transport_.allowed_features();
  transport_.accept_features(accepted);
  if (transport_.legacy()) return accepted; // 3.1.2: no FEATURES_OK

  add_status(status::features_ok);                 // 5.
  const std::uint8_t answer = transport_.status(); // 6.
  if ((answer & status::needs_reset) != 0) { // DRIVER_OK would take the bit away, and the driver clears none (2.1.1)
    fail();
    return bsp::fail(Error::device_needs_reset);
  }
  if ((answer & status::features_ok) == 0) {
    fail();
    return bsp::fail(Error::device_rejected_features);
  }
  return accepted;
}

Result<void> DeviceInit::go_live() {
  add_status(status::driver_ok); // 8.
  if ((transport_.status() & status::needs_reset) != 0) return bsp::fail(Error::device_needs_reset);
  return {};
}

} // namespace virtio
