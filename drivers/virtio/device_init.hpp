// SPDX-License-Identifier: BSD-2-Clause
// The initialization sequence of VIRTIO 1.3, 3.1.1 (3.1.2 for legacy devices), one function per stretch of steps:
//
//   1 reset · 2 ACKNOWLEDGE · 3 DRIVER · read the offered features          begin()
//   4 accept a subset · 5 FEATURES_OK · 6 read it back                      accept()
//   7 queues, buffers, configuration: the driver's own work                 (caller)
//   8 DRIVER_OK                                                             go_live()
//
// Invariant: every status write adds bits to the one before; only begin() resets. After an error the device has FAILED
// set.
#pragma once

#include <cstdint>

#include "bsp/result.hpp"
#include "drivers/virtio/features.hpp"
#include "drivers/virtio/transport.hpp"

namespace virtio {

class DeviceInit {
 public:
  explicit DeviceInit(Transport& transport) : transport_{transport} {}

  /// Steps 1 to 3; returns the offered features. Errors: reset_timed_out (no further register was touched),
  /// device_lacks_version_1 (Version 2 only).
  [[nodiscard]] bsp::Result<FeatureSet> begin();
  /// Steps 4 to 6 with `wanted` cut down to what is offered and what the transport can carry; returns the accepted set.
  /// VERSION_1 and, on legacy devices, ANY_LAYOUT are added whenever offered (6.1, 6.3).
  /// Error::device_rejected_features.
  [[nodiscard]] bsp::Result<FeatureSet> accept(FeatureSet wanted);
  /// Step 8. Error::device_needs_reset if the device gave up meanwhile.
  [[nodiscard]] bsp::Result<void> go_live();
  /// Sets FAILED: nothing more may be done with the device before the next begin() (2.1.1).
  void fail();

 private:
  void add_status(std::uint8_t bits);

  Transport& transport_;
  FeatureSet offered_{};
  std::uint8_t status_{0};
};

} // namespace virtio
