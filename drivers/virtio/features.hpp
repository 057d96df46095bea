// SPDX-License-Identifier: BSD-2-Clause
// Feature bits as a type of their own: a bit *number* never mixes with a mask. Words 0 and 1 (bits 0 to 63) are all
// that this driver negotiates; bits from 64 on exist since VIRTIO 1.4 and are never read, so devices that repeat words
// do no harm.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace virtio {

/// Bit numbers (VIRTIO 1.3, 5.1.3 and 6; 1.4 where marked).
enum class Feature : std::uint8_t {
  net_csum = 0,
  net_guest_csum = 1,
  net_ctrl_guest_offloads = 2,
  net_mtu = 3,
  net_mac = 5,
  net_gso = 6, ///< legacy only (5.1.3.2)
  net_guest_tso4 = 7,
  net_guest_tso6 = 8,
  net_guest_ecn = 9,
  net_guest_ufo = 10,
  net_host_tso4 = 11,
  net_host_tso6 = 12,
  net_host_ecn = 13,
  net_host_ufo = 14,
  net_mrg_rxbuf = 15,
  net_status = 16,
  net_ctrl_vq = 17,
  net_ctrl_rx = 18,
  net_ctrl_vlan = 19,
  net_ctrl_rx_extra = 20,
  net_guest_announce = 21,
  net_mq = 22,
  net_ctrl_mac_addr = 23,
  notify_on_empty = 24, ///< legacy only (6.3)
  any_layout = 27,      ///< legacy only (6.3)
  indirect_desc = 28,
  event_idx = 29,
  legacy_unused = 30, ///< legacy only (6.3)
  version_1 = 32,
  access_platform = 33,
  ring_packed = 34,
  in_order = 35,
  order_platform = 36,
  sr_iov = 37,
  notification_data = 38,
  notif_config_data = 39,
  ring_reset = 40,
  admin_vq = 41,
  suspend = 43,          ///< 1.4
  net_device_stats = 50, ///< 1.4
  net_hash_tunnel = 51,
  net_vq_notf_coal = 52,
  net_notf_coal = 53,
  net_guest_uso4 = 54,
  net_guest_uso6 = 55,
  net_host_uso = 56,
  net_hash_report = 57,
  net_guest_hdrlen = 59,
  net_rss = 60,
  net_rsc_ext = 61,
  net_standby = 62,
  net_speed_duplex = 63,
};

class FeatureSet {
 public:
  constexpr FeatureSet() = default;
  constexpr explicit FeatureSet(std::uint64_t bits) : bits_{bits} {}
  constexpr FeatureSet(std::initializer_list<Feature> features) {
    for (const Feature feature : features)
      add(feature);
  }

  [[nodiscard]] constexpr bool has(Feature feature) const { return (bits_ >> static_cast<unsigned>(feature) & 1) != 0; }
  constexpr void add(Feature feature) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(feature); }
  constexpr void remove(Feature feature) { bits_ &= ~(std::uint64_t{1} << static_cast<unsigned>(feature)); }
  [[nodiscard]] constexpr std::uint32_t word(unsigned index) const {
    return index < 2 ? static_cast<std::uint32_t>(bits_ >> (32 * index)) : 0;
  }
  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }
  [[nodiscard]] constexpr FeatureSet operator&(FeatureSet other) const { return FeatureSet{bits_ & other.bits_}; }
  [[nodiscard]] constexpr FeatureSet operator|(FeatureSet other) const { return FeatureSet{bits_ | other.bits_}; }
  /// The features of this set that are not in `other`.
  [[nodiscard]] constexpr FeatureSet without(FeatureSet other) const { return FeatureSet{bits_ & ~other.bits_}; }
  constexpr bool operator==(const FeatureSet&) const = default;

 private:
  std::uint64_t bits_{0};
};

/// The standard's name of a bit for a network device ("MAC", "EVENT_IDX", "VERSION_1"), without VIRTIO_NET_F_ or
/// VIRTIO_F_; empty if the bit is reserved or belongs to other device types.
[[nodiscard]] std::string_view net_feature_name(unsigned bit);

} // namespace virtio
