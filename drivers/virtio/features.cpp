// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/virtio/features.hpp"

namespace virtio {

namespace {
struct Name {
  Feature feature;
  std::string_view name;
};
constexpr Name names[] = {
    {Feature::net_csum, "CSUM"},
    {Feature::net_guest_csum, "GUEST_CSUM"},
    {Feature::net_ctrl_guest_offloads, "CTRL_GUEST_OFFLOADS"},
    {Feature::net_mtu, "MTU"},
    {Feature::net_mac, "MAC"},
    {Feature::net_gso, "GSO"},
    {Feature::net_guest_tso4, "GUEST_TSO4"},
    {Feature::net_guest_tso6, "GUEST_TSO6"},
    {Feature::net_guest_ecn, "GUEST_ECN"},
    {Feature::net_guest_ufo, "GUEST_UFO"},
    {Feature::net_host_tso4, "HOST_TSO4"},
    {Feature::net_host_tso6, "HOST_TSO6"},
    {Feature::net_host_ecn, "HOST_ECN"},
    {Feature::net_host_ufo, "HOST_UFO"},
    {Feature::net_mrg_rxbuf, "MRG_RXBUF"},
    {Feature::net_status, "STATUS"},
    {Feature::net_ctrl_vq, "CTRL_VQ"},
    {Feature::net_ctrl_rx, "CTRL_RX"},
    {Feature::net_ctrl_vlan, "CTRL_VLAN"},
    {Feature::net_ctrl_rx_extra, "CTRL_RX_EXTRA"},
    {Feature::net_guest_announce, "GUEST_ANNOUNCE"},
    {Feature::net_mq, "MQ"},
    {Feature::net_ctrl_mac_addr, "CTRL_MAC_ADDR"},
    {Feature::notify_on_empty, "NOTIFY_ON_EMPTY"},
    {Feature::any_layout, "ANY_LAYOUT"},
    {Feature::indirect_desc, "INDIRECT_DESC"},
    {Feature::event_idx, "EVENT_IDX"},
    {Feature::version_1, "VERSION_1"},
    {Feature::access_platform, "ACCESS_PLATFORM"},
    {Feature::ring_packed, "RING_PACKED"},
    {Feature::in_order, "IN_ORDER"},
    {Feature::order_platform, "ORDER_PLATFORM"},
    {Feature::sr_iov, "SR_IOV"},
    {Feature::notification_data, "NOTIFICATION_DATA"},
    {Feature::notif_config_data, "NOTIF_CONFIG_DATA"},
    {Feature::ring_reset, "RING_RESET"},
    {Feature::admin_vq, "ADMIN_VQ"},
    {Feature::suspend, "SUSPEND"},
    {Feature::net_device_stats, "DEVICE_STATS"},
    {Feature::net_hash_tunnel, "HASH_TUNNEL"},
    {Feature::net_vq_notf_coal, "VQ_NOTF_COAL"},
    {Feature::net_notf_coal, "NOTF_COAL"},
    {Feature::net_guest_uso4, "GUEST_USO4"},
    {Feature::net_guest_uso6, "GUEST_USO6"},
    {Feature::net_host_uso, "HOST_USO"},
    {Feature::net_hash_report, "HASH_REPORT"},
    {Feature::net_guest_hdrlen, "GUEST_HDRLEN"},
    {Feature::net_rss, "RSS"},
    {Feature::net_rsc_ext, "RSC_EXT"},
    {Feature::net_standby, "STANDBY"},
    {Feature::net_speed_duplex, "SPEED_DUPLEX"},
};
} // namespace

std::string_view net_feature_name(unsigned bit) {
  for (const Name& entry : names)
    if (static_cast<unsigned>(entry.feature) == bit) return entry.name;
  return {};
}

} // namespace virtio
