// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/net/virtio_net_features.hpp"

#include "drivers/net/virtio_net_spec.hpp"

namespace net {

using virtio::Feature;
using virtio::FeatureSet;

namespace {

/// NOTIF_CONFIG_DATA, SR_IOV, ADMIN_VQ, SUSPEND, HASH_TUNNEL and STANDBY are left out: see docs/conformance.md.
constexpr FeatureSet supported{
    Feature::net_csum,
    Feature::net_guest_csum,
    Feature::net_ctrl_guest_offloads,
    Feature::net_mtu,
    Feature::net_mac,
    Feature::net_guest_tso4,
    Feature::net_guest_tso6,
    Feature::net_guest_ecn,
    Feature::net_guest_ufo,
    Feature::net_host_tso4,
    Feature::net_host_tso6,
    Feature::net_host_ecn,
    Feature::net_host_ufo,
    Feature::net_mrg_rxbuf,
    Feature::net_status,
    Feature::net_ctrl_vq,
    Feature::net_ctrl_rx,
    Feature::net_ctrl_vlan,
    Feature::net_ctrl_rx_extra,
    Feature::net_guest_announce,
    Feature::net_mq,
    Feature::net_ctrl_mac_addr,
    Feature::any_layout,
    Feature::indirect_desc,
    Feature::event_idx,
    Feature::access_platform,
    Feature::ring_packed,
    Feature::in_order,
    Feature::order_platform,
    Feature::notification_data,
    Feature::ring_reset,
    Feature::net_device_stats,
    Feature::net_vq_notf_coal,
    Feature::net_notf_coal,
    Feature::net_guest_uso4,
    Feature::net_guest_uso6,
    Feature::net_host_uso,
    Feature::net_hash_report,
    Feature::net_guest_hdrlen,
    Feature::net_rss,
    Feature::net_rsc_ext,
    Feature::net_speed_duplex,
};

constexpr FeatureSet large_receive{Feature::net_guest_tso4, Feature::net_guest_tso6, Feature::net_guest_ufo,
                                   Feature::net_guest_uso4, Feature::net_guest_uso6};

/// `feature` is of use only with at least one of `any_of`.
struct Dependency {
  Feature feature;
  FeatureSet any_of;
};
constexpr FeatureSet host_tso{Feature::net_host_tso4, Feature::net_host_tso6};
constexpr FeatureSet guest_tso{Feature::net_guest_tso4, Feature::net_guest_tso6};
constexpr Dependency dependencies[] = {
    {Feature::net_guest_tso4, {Feature::net_guest_csum}},
    {Feature::net_guest_tso6, {Feature::net_guest_csum}},
    {Feature::net_guest_ufo, {Feature::net_guest_csum}},
    {Feature::net_guest_uso4, {Feature::net_guest_csum}},
    {Feature::net_guest_uso6, {Feature::net_guest_csum}},
    {Feature::net_guest_ecn, guest_tso},
    {Feature::net_host_tso4, {Feature::net_csum}},
    {Feature::net_host_tso6, {Feature::net_csum}},
    {Feature::net_host_ufo, {Feature::net_csum}},
    {Feature::net_host_uso, {Feature::net_csum}},
    {Feature::net_host_ecn, host_tso},
    {Feature::net_rsc_ext, host_tso},
    {Feature::net_ctrl_rx, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_vlan, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_rx_extra, {Feature::net_ctrl_vq}},
    {Feature::net_guest_announce, {Feature::net_ctrl_vq}},
    {Feature::net_guest_announce, {Feature::net_status}}, // its field holds the request (5.1.4)
    {Feature::net_mq, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_mac_addr, {Feature::net_ctrl_vq}},
    {Feature::net_rss, {Feature::net_ctrl_vq}},
    {Feature::net_hash_report, {Feature::net_ctrl_vq}},
    {Feature::net_notf_coal, {Feature::net_ctrl_vq}},
    {Feature::net_vq_notf_coal, {Feature::net_ctrl_vq}},
    {Feature::net_device_stats, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_guest_offloads, {Feature::net_ctrl_vq}}, // omitted by the list, but 5.1.6.5.8 is a command
};

/// Which features allow a kind of super-frame; nothing without one of them.
struct GsoRule {
  Gso gso;
  std::uint8_t type;
  FeatureSet receive;
  Feature send;
};
constexpr GsoRule gso_rules[] = {
    {Gso::tcp4, virtio_net::gso_tcp4, {Feature::net_guest_tso4}, Feature::net_host_tso4},
    {Gso::tcp6, virtio_net::gso_tcp6, {Feature::net_guest_tso6}, Feature::net_host_tso6},
    {Gso::udp_fragments, virtio_net::gso_udp, {Feature::net_guest_ufo}, Feature::net_host_ufo},
    {Gso::udp_segments,
     virtio_net::gso_udp_l4,
     {Feature::net_guest_uso4, Feature::net_guest_uso6},
     Feature::net_host_uso},
};

} // namespace

std::optional<Gso> received_gso(std::uint8_t type, FeatureSet accepted) {
  const bool ecn = (type & virtio_net::gso_ecn) != 0;
  const auto base = static_cast<std::uint8_t>(type & ~virtio_net::gso_ecn);
  for (const GsoRule& rule : gso_rules) {
    if (rule.type != base || (rule.receive & accepted) == FeatureSet{}) continue;
    const bool tcp = rule.gso == Gso::tcp4 || rule.gso == Gso::tcp6;
    if (ecn && !(tcp && accepted.has(Feature::net_guest_ecn))) return std::nullopt;
    return rule.gso;
  }
  return std::nullopt;
}

std::optional<std::uint8_t> sent_gso(Gso gso, FeatureSet accepted) {
  for (const GsoRule& rule : gso_rules)
    if (rule.gso == gso && accepted.has(rule.send)) return rule.type;
  return std::nullopt;
}

FeatureSet supported_features() {
  return supported;
}

FeatureSet large_receive_features() {
  return large_receive;
}

FeatureSet close_dependencies(FeatureSet features) {
  FeatureSet before;
  do { // a feature that goes may take others with it
    before = features;
    for (const Dependency& dependency : dependencies)
      if ((features & dependency.any_of) == FeatureSet{}) features.remove(dependency.feature);
  } while (!(features == before));
  return features;
}

FeatureSet unusable_features(FeatureSet features, const OfferLimits& limits) {
  FeatureSet useless;
  const bool pairs_are_possible = limits.max_queue_pairs >= 1 && limits.max_queue_pairs <= virtio_net::max_queue_pairs;
  if (!pairs_are_possible) useless = useless | FeatureSet{Feature::net_mq, Feature::net_rss};
  if (limits.rss_max_key_size < min_rss_key_size || (limits.supported_hash_types & known_hash_types) == 0)
    useless = useless | FeatureSet{Feature::net_rss, Feature::net_hash_report};
  if (limits.rss_max_table_length < min_rss_table_length) useless.add(Feature::net_rss);
  return features & useless;
}

} // namespace net
