// SPDX-License-Identifier: BSD-2-Clause
// Which features of an offer the network driver accepts (VIRTIO 1.3, 2.2.1, 5.1.3, 6): pure functions, no device.
#pragma once

#include <cstdint>
#include <optional>

#include "drivers/net/net_device.hpp"
#include "drivers/virtio/features.hpp"

namespace net {

/// What the configuration says of features that depend on it; read only for features that are offered (2.5.1).
struct OfferLimits {
  std::uint16_t mtu{0};
  std::uint16_t max_queue_pairs{1};
  std::uint8_t rss_max_key_size{0};
  std::uint16_t rss_max_table_length{0};
  std::uint32_t supported_hash_types{0};
  bool operator==(const OfferLimits&) const = default;
};

/// Everything this driver can use; what is not here is never accepted.
[[nodiscard]] virtio::FeatureSet supported_features();

/// The largest subset of `features` in which every feature has what it needs (5.1.3.1 and what that list omits).
[[nodiscard]] virtio::FeatureSet close_dependencies(virtio::FeatureSet features);

/// Features of `features` that the device's own limits make useless: MQ with an impossible number of pairs, RSS and
/// HASH_REPORT below the guaranteed minimum (5.1.4.1).
[[nodiscard]] virtio::FeatureSet unusable_features(virtio::FeatureSet features, const OfferLimits& limits);

/// GUEST_TSO4/6, UFO, USO4/6: those that make frames above the MTU arrive.
[[nodiscard]] virtio::FeatureSet large_receive_features();

/// What a received gso_type (5.1.6) means; nullopt if it is undefined, none, or not among what was accepted.
[[nodiscard]] std::optional<Gso> received_gso(std::uint8_t type, virtio::FeatureSet accepted);
/// The gso_type of a frame to be segmented by the device, without the ECN bit; nullopt if that was not accepted.
[[nodiscard]] std::optional<std::uint8_t> sent_gso(Gso gso, virtio::FeatureSet accepted);

/// Hash types this driver knows of (5.1.6.4.3.1: bits 0 to 8).
inline constexpr std::uint32_t known_hash_types = 0x1ff;
/// The guaranteed minimum (5.1.4.1).
inline constexpr std::uint8_t min_rss_key_size = 40;
inline constexpr std::uint16_t min_rss_table_length = 128;

} // namespace net
