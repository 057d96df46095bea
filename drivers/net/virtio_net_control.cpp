// SPDX-License-Identifier: BSD-2-Clause
// What is told over the control queue: filters, addresses, announcements (VIRTIO 1.3, 5.1.6.5.1 to .4), and all of it
// again after a reset. Queue pairs, offloads and coalescing: virtio_net_tuning.cpp.
//
// Fields are little-endian; on legacy devices they are in the guest's order, which on RISC-V is the same (5.1.6.5.2.3).
#include <algorithm>
#include <bit>
#include <cstring>

#include "bsp/endian.hpp"
#include "bsp/log.hpp"
#include "drivers/net/virtio_net.hpp"

namespace net {

using bsp::Error;
using bsp::Result;
using virtio::Feature;
using virtio::FeatureSet;
namespace control = virtio_net::control;
namespace log = bsp::log;

namespace {

/// After so long the rest of the settings is not restored: a device that answers each command just in time would
/// otherwise hold the hart for an hour (4095 VLAN ids).
constexpr std::uint64_t restore_timeout_ms = 2 * control_timeout_ms;
/// At most one announcement in this time on the device's request.
constexpr std::uint64_t announce_interval_us = 100'000;
constexpr std::uint16_t max_vlan_id = 4094;

struct CommandName {
  std::uint8_t command_class;
  std::uint8_t command;
  std::string_view name;
};
constexpr CommandName command_names[] = {
    {control::class_rx, control::rx_promisc, "RX_PROMISC"},
    {control::class_rx, control::rx_allmulti, "RX_ALLMULTI"},
    {control::class_rx, control::rx_alluni, "RX_ALLUNI"},
    {control::class_rx, control::rx_nomulti, "RX_NOMULTI"},
    {control::class_rx, control::rx_nouni, "RX_NOUNI"},
    {control::class_rx, control::rx_nobcast, "RX_NOBCAST"},
    {control::class_mac, control::mac_table_set, "MAC_TABLE_SET"},
    {control::class_mac, control::mac_addr_set, "MAC_ADDR_SET"},
    {control::class_vlan, control::vlan_add, "VLAN_ADD"},
    {control::class_vlan, control::vlan_del, "VLAN_DEL"},
    {control::class_announce, control::announce_ack, "ANNOUNCE_ACK"},
    {control::class_mq, control::mq_vq_pairs_set, "MQ_VQ_PAIRS_SET"},
    {control::class_mq, control::mq_rss_config, "MQ_RSS_CONFIG"},
    {control::class_mq, control::mq_hash_config, "MQ_HASH_CONFIG"},
    {control::class_guest_offloads, control::guest_offloads_set, "GUEST_OFFLOADS_SET"},
    {control::class_notf_coal, control::notf_coal_tx_set, "NOTF_COAL_TX_SET"},
    {control::class_notf_coal, control::notf_coal_rx_set, "NOTF_COAL_RX_SET"},
    {control::class_notf_coal, control::notf_coal_vq_set, "NOTF_COAL_VQ_SET"},
    {control::class_notf_coal, control::notf_coal_vq_get, "NOTF_COAL_VQ_GET"},
};

std::string_view command_name(std::uint8_t command_class, std::uint8_t command) {
  for (const CommandName& entry : command_names)
    if (entry.command_class == command_class && entry.command == command) return entry.name;
  return "STATS"; // the only class without an entry
}

/// A bit for each way in which a command fails at the device.
std::uint8_t failure_bit(Error error) {
  if (error == Error::control_refused) return 1;
  if (error == Error::control_ack_invalid) return 2;
  if (error == Error::control_timed_out) return 4;
  return 8;
}

/// struct virtio_net_ctrl_mac (5.1.6.5.2) with `count` entries.
struct MacTable {
  bsp::le32 count;
  MacAddress macs[multicast_table_size];
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t entries) const {
    return std::as_bytes(std::span{this, 1}).first(sizeof(count) + entries * sizeof(MacAddress));
  }
};
static_assert(sizeof(MacTable) == 4 + 6 * multicast_table_size);

template <class T> std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span{&value, 1});
}

} // namespace

// ---- the queue
// ------------------------------------------------------------------------------------------------------------

// The network works without a control queue: whatever is wrong with it, the interface comes up.
void VirtioNet::set_up_control() {
  control_.stop();
  if (!accepted_.has(Feature::net_ctrl_vq)) return;
  const Result<void> result = enable_control();
  if (!result && !control_missing_logged_)
    log::warn("{}: control queue not usable, going on without: {}", config_.name, to_string(result.error()));
  control_missing_logged_ = !result;
}

Result<void> VirtioNet::enable_control() {
  TRY(control_.allocate(*config_.arena, ring_shape(ControlQueue::ring_size, 0)));
  virtio::Ring& ring = control_.ring();
  // 5.1.2: behind the last pair that is possible, and that is one unless more were negotiated.
  const bool several = accepted_.has(Feature::net_mq) || accepted_.has(Feature::net_rss);
  const std::uint16_t index = virtio_net::control_queue(several ? limits_.max_queue_pairs : std::uint16_t{1});
  const std::uint16_t size_max = TRY(transport_.max_queue_size(index));
  const std::uint16_t size = std::min(ring.packed() ? size_max : std::bit_floor(size_max), ring.capacity());
  if (size < ControlQueue::min_ring_size) return bsp::fail(Error::queue_too_small);
  ring.restart({.index = index,
                .size = size,
                .event_idx = accepted_.has(Feature::event_idx),
                .in_order = accepted_.has(Feature::in_order),
                .indirect = false,
                .notification_data = accepted_.has(Feature::notification_data)});
  control_.go_live(index, size_max, TRY(transport_.enable_queue(index, ring.memory())));
  return {};
}

Result<void> VirtioNet::command(std::uint8_t command_class, std::uint8_t command,
                                std::initializer_list<std::span<const std::byte>> data, ControlAnswer answer) {
  const bool usable = control_.usable();
  const Result<void> result = control_.execute(command_class, command, data, answer);
  if (!usable) return result; // nothing was sent
  stats_.control_commands++;
  if (result) {
    control_failures_logged_ = 0;
    return {};
  }
  stats_.control_errors++;
  const std::uint8_t failure = failure_bit(result.error());
  if ((control_failures_logged_ & failure) == 0)
    log::warn("{}: control command {}: {}", config_.name, command_name(command_class, command),
              to_string(result.error()));
  control_failures_logged_ |= failure;
  return result;
}

Result<void> VirtioNet::require(Feature feature, Error lacking) const {
  if (state_ != State::live) return bsp::fail(Error::device_failed);
  if (!accepted_.has(feature)) return bsp::fail(lacking);
  return {};
}

// What a reset puts back to the standard's defaults is told again (5.1.6.5), and what is not the default here is turned
// off. Each failure was logged and counted; the interface works on.
void VirtioNet::restore_settings() {
  announce_at_ = UINT64_MAX; // the device has forgotten that it asked
  if (!control_.usable()) return;
  const bsp::Deadline deadline = bsp::Deadline::in_ms(restore_timeout_ms);
  bool late = false;
  const auto restore = [&](auto&& send) {
    late = late || deadline.expired();
    if (control_.usable() && !late) (void)send();
  };
  if (accepted_.has(Feature::net_rss) || accepted_.has(Feature::net_hash_report)) restore([&] { return send_rss(); });
  const bool mac_differs = !accepted_.has(Feature::net_mac) || mac_ != config_mac_;
  if (accepted_.has(Feature::net_ctrl_rx) && accepted_.has(Feature::net_ctrl_mac_addr) && mac_differs)
    restore([&] { return send_mac(); });
  for (std::size_t i = 0; i < receive_mode_count; i++) {
    const auto mode = static_cast<ReceiveMode>(i);
    // Devices start promiscuous (QEMU's does), so that drivers without this command see their frames.
    if (can_send(mode) && (mode == ReceiveMode::promisc || mode_is_on(mode)))
      restore([&] { return send_receive_mode(mode); });
  }
  if (accepted_.has(Feature::net_ctrl_rx) && settings_.multicast_count != 0) restore([&] { return send_multicast(); });
  if (accepted_.has(Feature::net_ctrl_vlan))
    for (std::uint16_t id = 0; id <= max_vlan_id; id++)
      if (has_vlan(id)) restore([&] { return send_vlan(id, true); });
  if (accepted_.has(Feature::net_ctrl_guest_offloads) && !(settings_.offloads_off == FeatureSet{}))
    restore([&] { return send_offloads(); });
  for (const TrafficDirection direction : {TrafficDirection::receive, TrafficDirection::transmit})
    if (can_coalesce() && settings_.coalescing[static_cast<std::size_t>(direction)])
      restore([&] { return send_coalescing(direction); });
  if (late) log::warn("{}: device is too slow to take all settings again", config_.name);
}

// ---- the address
// ----------------------------------------------------------------------------------------------------------

Result<void> VirtioNet::set_mac(const MacAddress& mac) {
  if (!mac.is_valid_unicast()) return bsp::fail(Error::invalid_argument);
  TRY(require(Feature::net_ctrl_mac_addr, Error::device_lacks_ctrl_mac_addr));
  TRY(require(Feature::net_ctrl_rx, Error::device_lacks_ctrl_rx)); // for the whole class (5.1.6.5.2.2)
  const MacAddress before = mac_;
  mac_ = mac;
  if (const Result<void> result = send_mac(); !result) {
    mac_ = before;
    return result;
  }
  settings_.mac = mac;
  mac_is_local_ = false;
  return {};
}

Result<void> VirtioNet::send_mac() {
  return command(control::class_mac, control::mac_addr_set, {bytes_of(mac_)});
}

// ---- receive modes and multicast
// ------------------------------------------------------------------------------------------

bool VirtioNet::can_send(ReceiveMode mode) const {
  const bool basic = mode == ReceiveMode::promisc || mode == ReceiveMode::allmulti;
  return accepted_.has(basic ? Feature::net_ctrl_rx : Feature::net_ctrl_rx_extra);
}

bool VirtioNet::mode_is_on(ReceiveMode mode) const {
  return receive_mode(mode) || (mode == ReceiveMode::allmulti && settings_.multicast_overflow);
}

bool VirtioNet::receive_mode(ReceiveMode mode) const {
  return settings_.modes[static_cast<std::size_t>(mode)];
}

Result<void> VirtioNet::set_receive_mode(ReceiveMode mode, bool on) {
  if (mode == ReceiveMode::promisc || mode == ReceiveMode::allmulti)
    TRY(require(Feature::net_ctrl_rx, Error::device_lacks_ctrl_rx));
  else
    TRY(require(Feature::net_ctrl_rx_extra, Error::device_lacks_ctrl_rx_extra));
  bool& setting = settings_.modes[static_cast<std::size_t>(mode)];
  const bool before = setting;
  setting = on;
  const Result<void> result = send_receive_mode(mode);
  if (!result) setting = before;
  return result;
}

Result<void> VirtioNet::send_receive_mode(ReceiveMode mode) {
  const std::uint8_t on = mode_is_on(mode) ? 1 : 0;
  return command(control::class_rx, static_cast<std::uint8_t>(mode), {bytes_of(on)});
}
static_assert(static_cast<std::uint8_t>(ReceiveMode::nobcast) == control::rx_nobcast);

std::span<const MacAddress> VirtioNet::multicast() const {
  return std::span{settings_.multicast}.first(settings_.multicast_count);
}

bool VirtioNet::multicast_overflow() const {
  return settings_.multicast_overflow;
}

Result<void> VirtioNet::add_multicast(const MacAddress& group) {
  const auto groups = multicast();
  if (!group.is_multicast() || group == broadcast || std::ranges::find(groups, group) != groups.end())
    return bsp::fail(Error::invalid_argument);
  TRY(require(Feature::net_ctrl_rx, Error::device_lacks_ctrl_rx));
  if (groups.size() == max_multicast_addresses) return bsp::fail(Error::filter_table_full);
  settings_.multicast[settings_.multicast_count++] = group;
  const Result<void> result = send_multicast();
  if (!result) settings_.multicast_count--;
  return result;
}

Result<void> VirtioNet::remove_multicast(const MacAddress& group) {
  const std::span<MacAddress> groups = std::span{settings_.multicast}.first(settings_.multicast_count);
  const auto found = std::ranges::find(groups, group);
  if (found == groups.end()) return bsp::fail(Error::invalid_argument);
  TRY(require(Feature::net_ctrl_rx, Error::device_lacks_ctrl_rx));
  std::rotate(found, found + 1, groups.end());
  settings_.multicast_count--;
  const Result<void> result = send_multicast();
  if (!result) settings_.multicast_count++; // behind the others
  return result;
}

// Tells the device the groups: as a table, or by letting all multicast in where that is not enough.
Result<void> VirtioNet::send_multicast() {
  const std::size_t count = settings_.multicast_count;
  if (count > multicast_table_size) {
    if (!settings_.multicast_overflow)
      log::warn("{}: {} multicast groups are more than the table's {}, letting all multicast in", config_.name, count,
                multicast_table_size);
    return let_all_multicast_in(true);
  }
  MacTable table{bsp::le32{static_cast<std::uint32_t>(count)}, {}};
  std::ranges::copy(multicast(), table.macs);
  const bsp::le32 no_unicast{0};
  const Result<void> result =
      command(control::class_mac, control::mac_table_set, {bytes_of(no_unicast), table.bytes(count)});
  if (result) return let_all_multicast_in(false);
  if (result.error() != Error::control_refused) return result;
  if (!settings_.multicast_overflow)
    log::warn("{}: device refuses {} multicast groups, letting all multicast in", config_.name, count);
  return let_all_multicast_in(true);
}

Result<void> VirtioNet::let_all_multicast_in(bool on) {
  if (settings_.multicast_overflow == on) return {};
  settings_.multicast_overflow = on;
  const Result<void> result = send_receive_mode(ReceiveMode::allmulti);
  if (!result) settings_.multicast_overflow = !on;
  return result;
}

// ---- VLAN filter
// ----------------------------------------------------------------------------------------------------------

bool VirtioNet::has_vlan(std::uint16_t id) const {
  return id <= max_vlan_id && (settings_.vlans[id / 64] >> (id % 64) & 1) != 0;
}

void VirtioNet::note_vlan(std::uint16_t id, bool there) {
  const std::uint64_t bit = std::uint64_t{1} << (id % 64);
  std::uint64_t& word = settings_.vlans[id / 64];
  word = there ? word | bit : word & ~bit;
}

// With CTRL_VLAN negotiated a device drops every tagged frame whose id it was not told (5.1.6.5.3), so it is negotiated
// only while there is an id: vlan_count decides at the next reset.
Result<void> VirtioNet::add_vlan(std::uint16_t id) {
  if (id > max_vlan_id || has_vlan(id)) return bsp::fail(Error::invalid_argument);
  if (state_ != State::live) return bsp::fail(Error::device_failed);
  constexpr FeatureSet needed{Feature::net_ctrl_vlan, Feature::net_ctrl_vq};
  if (!((offered_ & transport_.allowed_features() & needed).without(config_.refused) == needed))
    return bsp::fail(Error::device_lacks_ctrl_vlan);
  settings_.vlan_count++;
  Result<void> result{};
  if (settings_.vlan_count == 1) result = reset();
  if (result) result = require(Feature::net_ctrl_vlan, Error::device_lacks_ctrl_vlan);
  if (result) result = send_vlan(id, true);
  if (result) {
    note_vlan(id, true);
    return {};
  }
  settings_.vlan_count--;
  if (settings_.vlan_count == 0 && state_ == State::live) (void)reset(); // its failure shows in usable()
  return result;
}

Result<void> VirtioNet::remove_vlan(std::uint16_t id) {
  if (!has_vlan(id)) return bsp::fail(Error::invalid_argument);
  if (state_ != State::live) return bsp::fail(Error::device_failed);
  note_vlan(id, false);
  settings_.vlan_count--;
  const Result<void> result = settings_.vlan_count == 0 ? reset() : send_vlan(id, false);
  if (!result) {
    note_vlan(id, true);
    settings_.vlan_count++;
  }
  return result;
}

Result<void> VirtioNet::send_vlan(std::uint16_t id, bool add) {
  const bsp::le16 field{id};
  return command(control::class_vlan, add ? control::vlan_add : control::vlan_del, {bytes_of(field)});
}

// ---- announcements
// --------------------------------------------------------------------------------------------------------

Result<void> VirtioNet::announce() {
  if (state_ != State::live) return bsp::fail(Error::device_failed);
  return send_announcement();
}

// "Who am I?" (RFC 903), which no server answers any more: without an IP address, all that the network can learn is
// where the MAC address is.
Result<void> VirtioNet::send_announcement() {
  if (announcement_in_flight_) return bsp::fail(Error::ring_full);
  if (announcement_.data() == nullptr) TRY(config_.arena->allocate(announcement_, ethernet_min_frame, 64));
  constexpr std::uint8_t rarp[] = {0x80, 0x35, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, 0x03};
  std::byte* at = announcement_.data();
  const auto put = [&](const auto& bytes) {
    std::memcpy(at, &bytes, sizeof bytes);
    at += sizeof bytes;
  };
  std::memset(at, 0, announcement_.size());
  put(broadcast.octets);
  put(mac_.octets);
  put(rarp);
  put(mac_.octets); // sender
  at += 4;          // its protocol address is unknown
  put(mac_.octets); // target: who is asked about
  const Segment segment{announcement_.data(), announcement_.bus(), ethernet_min_frame};
  TxRequest request{};
  request.segments = {&segment, 1};
  request.cookie = own_cookie;
  if (send({&request, 1}) != 1) return bsp::fail(Error::ring_full);
  announcement_in_flight_ = true; // until the device gives it back
  stats_.announcements++;
  return {};
}

// The acknowledgement makes the device clear its request (5.1.6.5.4.1). It comes once per announcement, even from a
// device that goes on asking.
void VirtioNet::answer_announce() {
  const std::uint64_t now = bsp::clock::now_ticks();
  announce_at_ = announce_not_before_;
  if (now < announce_not_before_) return;
  announce_not_before_ = now + bsp::clock::us_to_ticks(announce_interval_us);
  announce_at_ = announce_not_before_;
  if (!send_announcement()) return; // no room: again in a while
  announce_at_ = UINT64_MAX;
  (void)command(control::class_announce, control::announce_ack, {});
  report(NetEvent::announced);
}

} // namespace net
