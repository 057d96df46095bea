// SPDX-License-Identifier: BSD-2-Clause
// What is told over the control queue about performance: queue pairs and hashing, offloads, coalescing (VIRTIO 1.3,
// 5.1.6.5.5 to .9).
#include <algorithm>
#include <cstddef>
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

// ---- hashing (5.1.6.5.6.4, 5.1.6.5.7.1)

/// The key with which Toeplitz hashes are commonly checked: published hash values can be compared.
constexpr std::uint8_t hash_key[] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};
static_assert(sizeof hash_key <= min_rss_key_size, "fits every device with RSS or HASH_REPORT");

/// One receive queue: a table of one entry. A receive queue's id is its number divided by 2, bit 15 is reserved.
struct RssConfig {
  bsp::le32 hash_types;
  bsp::le16 table_mask{0};
  bsp::le16 unclassified_queue{virtio_net::receive_queue / 2};
  bsp::le16 table[1]{bsp::le16{virtio_net::receive_queue / 2}};
  bsp::le16 max_tx_vq{1}; ///< transmit queues in use
  std::uint8_t key_length{sizeof hash_key};
  std::uint8_t key[sizeof hash_key];
};
struct HashConfig {
  bsp::le32 hash_types;
  bsp::le16 reserved[4]{};
  std::uint8_t key_length{sizeof hash_key};
  std::uint8_t key[sizeof hash_key];
};
static_assert(offsetof(RssConfig, key) == 13 && offsetof(HashConfig, key) == 13);

template <class T> std::span<const std::byte> bytes_of(const T& value, std::size_t size = sizeof(T)) {
  return std::as_bytes(std::span{&value, 1}).first(size);
}

// ---- offloads

struct OffloadName {
  Feature feature;
  std::string_view name;
  bool receive;
};
constexpr OffloadName offload_names[] = {
    {Feature::net_guest_csum, "guest_csum", true}, {Feature::net_guest_tso4, "guest_tso4", true},
    {Feature::net_guest_tso6, "guest_tso6", true}, {Feature::net_guest_ecn, "guest_ecn", true},
    {Feature::net_guest_ufo, "guest_ufo", true},   {Feature::net_guest_uso4, "guest_uso4", true},
    {Feature::net_guest_uso6, "guest_uso6", true}, {Feature::net_csum, "csum", false},
    {Feature::net_host_tso4, "host_tso4", false},  {Feature::net_host_tso6, "host_tso6", false},
    {Feature::net_host_ecn, "host_ecn", false},    {Feature::net_host_ufo, "host_ufo", false},
    {Feature::net_host_uso, "host_uso", false},
};

/// Those that 5.1.6.5.8.1 gives a bit in GUEST_OFFLOADS_SET.
constexpr FeatureSet receive_offloads{Feature::net_guest_csum, Feature::net_guest_tso4, Feature::net_guest_tso6,
                                      Feature::net_guest_ecn,  Feature::net_guest_ufo,  Feature::net_guest_uso4,
                                      Feature::net_guest_uso6};

// ---- coalescing (5.1.6.5.9)

struct CoalescingFields {
  bsp::le32 max_packets;
  bsp::le32 max_usecs;
};
struct QueueCoalescing {
  bsp::le16 vq_index;
  bsp::le16 reserved{0};
  CoalescingFields values;
};

std::uint16_t queue_of(TrafficDirection direction) {
  return direction == TrafficDirection::receive ? virtio_net::receive_queue : virtio_net::transmit_queue;
}

} // namespace

// ---- queue pairs and hashing
// ----------------------------------------------------------------------------------------------

// One pair is set up and used. Multiqueue is off until a command turns it on (5.1.6.5.5); the last command decides, so
// that RSS, once accepted, is what is always told.
Result<void> VirtioNet::set_queue_pairs(std::uint16_t pairs) {
  if (state_ != State::live) return bsp::fail(Error::device_failed);
  const bool rss = accepted_.has(Feature::net_rss);
  if (!rss && !accepted_.has(Feature::net_mq)) return bsp::fail(Error::device_lacks_mq);
  if (pairs != 1) return bsp::fail(Error::invalid_argument);
  if (rss) return send_rss();
  const bsp::le16 field{pairs};
  return command(control::class_mq, control::mq_vq_pairs_set, {bytes_of(field)});
}

Result<void> VirtioNet::send_rss() {
  const std::uint32_t types = limits_.supported_hash_types & known_hash_types;
  const auto send = [&](std::uint8_t name, auto config) {
    config.hash_types.store(types);
    std::ranges::copy(hash_key, config.key);
    return command(control::class_mq, name, {bytes_of(config, offsetof(decltype(config), key) + sizeof hash_key)});
  };
  if (accepted_.has(Feature::net_rss)) return send(control::mq_rss_config, RssConfig{});
  return send(control::mq_hash_config, HashConfig{});
}

// ---- offloads
// -------------------------------------------------------------------------------------------------------------

FeatureSet VirtioNet::offloads_on() const {
  return close_dependencies((accepted_ & receive_offloads).without(settings_.offloads_off));
}

bool VirtioNet::offload(std::size_t index, OffloadState& out) const {
  for (const OffloadName& entry : offload_names) {
    if (!accepted_.has(entry.feature) || index-- != 0) continue;
    out.name = entry.name;
    out.on = !entry.receive || offloads_on().has(entry.feature);
    out.fixed = !entry.receive || !accepted_.has(Feature::net_ctrl_guest_offloads);
    return true;
  }
  return false;
}

Result<void> VirtioNet::set_offload(std::string_view name, bool on) {
  const auto* const entry = std::ranges::find(offload_names, name, &OffloadName::name);
  if (entry == std::end(offload_names) || !accepted_.has(entry->feature)) return bsp::fail(Error::invalid_argument);
  if (!entry->receive) return bsp::fail(Error::not_supported);
  TRY(require(Feature::net_ctrl_guest_offloads, Error::device_lacks_ctrl_guest_offloads));
  const FeatureSet before = settings_.offloads_off;
  if (on)
    settings_.offloads_off.remove(entry->feature);
  else
    settings_.offloads_off.add(entry->feature);
  // Switched on, but something that it needs is off.
  Result<void> result = on && !offloads_on().has(entry->feature) ? bsp::fail(Error::invalid_argument) : send_offloads();
  if (!result) settings_.offloads_off = before;
  return result;
}

Result<void> VirtioNet::send_offloads() {
  const bsp::le64 field{offloads_on().bits()};
  return command(control::class_guest_offloads, control::guest_offloads_set, {bytes_of(field)});
}

// ---- coalescing
// -----------------------------------------------------------------------------------------------------------

bool VirtioNet::can_coalesce() const {
  return accepted_.has(Feature::net_notf_coal) || accepted_.has(Feature::net_vq_notf_coal);
}

Coalescing VirtioNet::coalescing(TrafficDirection direction) const {
  return settings_.coalescing[static_cast<std::size_t>(direction)].value_or(Coalescing{});
}

Result<void> VirtioNet::set_coalescing(TrafficDirection direction, Coalescing values) {
  if (state_ != State::live) return bsp::fail(Error::device_failed);
  if (!can_coalesce()) return bsp::fail(Error::device_lacks_notf_coal);
  std::optional<Coalescing>& setting = settings_.coalescing[static_cast<std::size_t>(direction)];
  const std::optional<Coalescing> before = setting;
  setting = values;
  const Result<void> result = send_coalescing(direction);
  if (!result) setting = before;
  return result;
}

Result<void> VirtioNet::send_coalescing(TrafficDirection direction) {
  const Coalescing values = coalescing(direction);
  const CoalescingFields fields{bsp::le32{values.max_packets}, bsp::le32{values.max_usecs}};
  const std::uint16_t queue = queue_of(direction);
  if (accepted_.has(Feature::net_notf_coal)) {
    const bool receive = direction == TrafficDirection::receive;
    TRY(command(control::class_notf_coal, receive ? control::notf_coal_rx_set : control::notf_coal_tx_set,
                {bytes_of(fields)}));
  } else {
    const QueueCoalescing request{bsp::le16{queue}, {}, fields};
    TRY(command(control::class_notf_coal, control::notf_coal_vq_set, {bytes_of(request)}));
  }
  if (accepted_.has(Feature::net_vq_notf_coal)) check_coalescing(queue, values);
  return {};
}

// Coalescing is best effort (5.1.6.5.9.6): what the device made of it is worth a line, not an error.
void VirtioNet::check_coalescing(std::uint16_t queue, const Coalescing& values) {
  const bsp::le16 question[2] = {bsp::le16{queue}, bsp::le16{0}}; // vq_index, reserved
  CoalescingFields answer;
  if (!command(control::class_notf_coal, control::notf_coal_vq_get, {bytes_of(question)},
               {.before_ack = std::as_writable_bytes(std::span{&answer, 1})}))
    return;
  const Coalescing got{answer.max_usecs.load(), answer.max_packets.load()};
  if (got == values) return;
  log::warn("{}: queue {} coalesces {} us, {} frames, not {} us, {} frames", config_.name, queue, got.max_usecs,
            got.max_packets, values.max_usecs, values.max_packets);
}

} // namespace net
