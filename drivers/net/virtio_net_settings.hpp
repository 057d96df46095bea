// SPDX-License-Identifier: BSD-2-Clause
// What the user of an interface has set over NetControl: kept by the driver, told to the device again after every
// reset. Plain values; the device's answers are not in here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "drivers/net/net_control.hpp"
#include "drivers/virtio/features.hpp"

namespace net {

struct NetSettings {
  std::optional<MacAddress> mac; ///< in place of the device's
  std::array<bool, receive_mode_count> modes{};
  std::array<MacAddress, max_multicast_addresses> multicast{};
  std::size_t multicast_count{0};
  bool multicast_overflow{false};        ///< all multicast is let in because the table is not enough
  std::array<std::uint64_t, 64> vlans{}; ///< a bit an id
  std::uint16_t vlan_count{0};
  std::array<std::optional<Coalescing>, 2> coalescing{}; ///< by TrafficDirection
  virtio::FeatureSet offloads_off{};                     ///< negotiated receive offloads that are switched off
};

} // namespace net
