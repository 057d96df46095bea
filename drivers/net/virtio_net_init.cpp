// SPDX-License-Identifier: BSD-2-Clause
// Bringing the network device up (VIRTIO 1.3, 5.1.5): features, buffers, queues, configuration.
#include <algorithm>
#include <bit>

#include "bsp/cpu.hpp"
#include "bsp/log.hpp"
#include "drivers/net/virtio_net.hpp"

namespace net {

using bsp::Error;
using bsp::Result;
using virtio::Feature;
using virtio::FeatureSet;
namespace log = bsp::log;

namespace {

/// Receive buffers start at multiples of this.
constexpr std::size_t buffer_alignment = 64;

constexpr std::size_t round_up(std::size_t value) {
  return (value + buffer_alignment - 1) / buffer_alignment * buffer_alignment;
}

} // namespace

Result<void> VirtioNet::create(std::optional<VirtioNet>& place, virtio::Transport& transport, const Config& config) {
  VirtioNet& device = place.emplace(transport, config);
  const Result<void> result = device.bring_up();
  if (result) return {};
  device.detach_interrupt();
  place.reset();
  return result;
}

// Before the device is live, so that no interrupt of it finds the line without a handler; again after shut_down().
Result<void> VirtioNet::attach_interrupt() {
  if (interrupt_attached_ || config_.irqchip == nullptr) return {};
  const irqchip::Handler handler{[](void* context) { static_cast<VirtioNet*>(context)->handle_interrupt(); }, this};
  TRY(config_.irqchip->attach(transport_.interrupt(), handler, config_.name));
  interrupt_attached_ = true;
  return {};
}

void VirtioNet::detach_interrupt() {
  if (interrupt_attached_) config_.irqchip->detach(transport_.interrupt(), this);
  interrupt_attached_ = false;
}

Result<void> VirtioNet::bring_up() {
  Result<void> result = bring_up_once();
  // A queue in use right after a reset gets a second reset before the device is refused.
  if (!result && result.error() == Error::queue_already_in_use) result = bring_up_once();
  return result;
}

Result<void> VirtioNet::bring_up_once() {
  virtio::DeviceInit init{transport_};
  offered_ = TRY(init.begin());
  take_back_memory(); // the reset is confirmed
  const Result<FeatureSet> wanted = choose_features();
  if (!wanted) {
    init.fail();
    return bsp::fail(wanted.error());
  }
  take_features(TRY(init.accept(*wanted)));

  std::optional<std::uint32_t> receive_notification; // filled before DRIVER_OK, announced after it (3.1.1, 5.1.5)
  const auto set_up = [&]() -> Result<void> {
    TRY(allocate());
    memory_is_lent_ = true;
    TRY(attach_interrupt());
    TRY(set_up_queue(rx_, virtio_net::receive_queue));
    TRY(set_up_queue(tx_, virtio_net::transmit_queue));
    set_up_control();
    // The first command proves early that this device's interrupts arrive.
    if (control_.usable()) static_cast<void>(control_.ring().request_interrupt());
    choose_receive_buffers();
    post_all_buffers();
    receive_notification = rx_.ring.publish();
    TRY(read_config());
    return init.go_live();
  };
  if (const Result<void> result = set_up(); !result) {
    init.fail();
    return result;
  }
  enter(State::live);
  kick(rx_, receive_notification);
  restore_settings();
  return {};
}

// ---- features
// ----------------------------------------------------------------------------------------------------------

// The configuration may be read during negotiation to decide whether a feature is usable (3.1.1 step 4).
Result<FeatureSet> VirtioNet::choose_features() {
  FeatureSet wanted = supported_features().without(config_.refused) & offered_ & transport_.allowed_features();
  // With CTRL_VLAN and no id set, a device drops every tagged frame.
  if (settings_.vlan_count == 0) wanted.remove(Feature::net_ctrl_vlan);
  // The rings have their memory already: a split one does not become a packed one.
  if (rx_memory_.data() != nullptr && !rx_.ring.packed()) wanted.remove(Feature::ring_packed);
  limits_ = TRY(virtio::read_stable_config(transport_, [&] { return read_offer_limits(wanted); }));
  wanted = wanted.without(unusable_features(wanted, limits_));
  if (!wanted.has(Feature::net_mrg_rxbuf) && !holds_big_buffers(virtio_net::max_gso_frame))
    wanted = wanted.without(large_receive_features());
  if (wanted.has(Feature::net_mtu) && !mtu_is_usable(limits_.mtu, wanted)) wanted.remove(Feature::net_mtu);
  wanted = close_dependencies(wanted);
  // A device counts buffers and writes num_buffers for each frame (QEMU spends a tenth of all its time on that), also
  // where no frame needs two. A legacy device would have a header of another length instead.
  const bool merges = !((wanted & large_receive_features()) == FeatureSet{}) ||
                      (wanted.has(Feature::net_mtu) && !fits_small_buffer(max_frame_size(limits_.mtu, true)));
  if (!merges && !transport_.legacy()) wanted.remove(Feature::net_mrg_rxbuf);
  return wanted;
}

OfferLimits VirtioNet::read_offer_limits(FeatureSet offered) const {
  namespace config = virtio_net::config;
  OfferLimits limits;
  if (offered.has(Feature::net_mtu)) limits.mtu = transport_.config16(config::mtu);
  if (offered.has(Feature::net_mq) || offered.has(Feature::net_rss))
    limits.max_queue_pairs = transport_.config16(config::max_virtqueue_pairs);
  if (offered.has(Feature::net_rss) || offered.has(Feature::net_hash_report)) {
    limits.rss_max_key_size = transport_.config8(config::rss_max_key_size);
    limits.supported_hash_types = transport_.config32(config::supported_hash_types);
  }
  if (offered.has(Feature::net_rss))
    limits.rss_max_table_length = transport_.config16(config::rss_max_indirection_table_length);
  return limits;
}

// With MTU accepted every frame of that size must fit the receive buffers (5.1.4.2).
bool VirtioNet::mtu_is_usable(std::uint16_t mtu, FeatureSet wanted) {
  const bool fits = wanted.has(Feature::net_mrg_rxbuf) || holds_big_buffers(max_frame_size(mtu, true));
  if (mtu >= min_mtu && fits) return true;
  log::warn("{}: device MTU {} is {}, MTU not accepted", config_.name, mtu,
            mtu < min_mtu ? "too small" : "more than the receive buffers hold");
  return false;
}

/// Whether frames of this size can have a buffer each. Once the memory is divided, it stays as it is.
bool VirtioNet::holds_big_buffers(std::size_t frame_size) const {
  const std::size_t need = virtio_net::hash_header_size + frame_size;
  if (rx_memory_.data() != nullptr) return need <= rx_buffer_bytes_;
  return fits_small_buffer(frame_size) || receive_budget() / round_up(need) >= min_big_buffers;
}

void VirtioNet::take_features(FeatureSet accepted) {
  accepted_ = accepted;
  mergeable_ = accepted.has(Feature::net_mrg_rxbuf);
  // 12 bytes on every modern device; legacy ones without MRG_RXBUF leave num_buffers out (5.1.6, 5.1.6.1).
  header_size_ = transport_.legacy() && !mergeable_ ? virtio_net::legacy_header_size : virtio_net::header_size;
  if (accepted.has(Feature::net_hash_report)) header_size_ = virtio_net::hash_header_size;
  split_header_ = transport_.legacy() && !accepted.has(Feature::any_layout);
  const bool sends_gso = !((accepted & FeatureSet{Feature::net_host_tso4, Feature::net_host_tso6, Feature::net_host_ufo,
                                                  Feature::net_host_uso}) == FeatureSet{});
  hdr_len_mask_ = sends_gso ? UINT16_MAX : std::uint16_t{0};
}

// ---- memory and queues
// -------------------------------------------------------------------------------------------------

std::uint16_t VirtioNet::ring_capacity() const {
  return std::bit_floor(std::clamp<std::uint16_t>(config_.queue_size, 2, virtio::Ring::max_capacity));
}

std::size_t VirtioNet::receive_budget() const {
  return std::max(config_.receive_budget, ring_capacity() * small_buffer_bytes);
}

/// What a receive buffer must hold, header included.
std::size_t VirtioNet::wanted_buffer_bytes() const {
  if (mergeable_) return small_buffer_bytes;
  std::size_t frame = small_buffer_bytes - header_size_;
  if (!((accepted_ & large_receive_features()) == FeatureSet{})) frame = virtio_net::max_gso_frame;
  if (accepted_.has(Feature::net_mtu)) frame = std::max(frame, max_frame_size(limits_.mtu, true));
  return round_up(header_size_ + frame);
}

/// What the receive buffers hold beside the header, the Ethernet header and a VLAN tag.
std::uint16_t VirtioNet::largest_mtu() const {
  if (mergeable_) return UINT16_MAX;
  const std::size_t room = rx_buffer_bytes_ - header_size_ - ethernet_header_size - vlan_tag_size;
  return static_cast<std::uint16_t>(std::min<std::size_t>(room, UINT16_MAX));
}

virtio::RingShape VirtioNet::ring_shape(std::uint16_t capacity, std::uint16_t indirect_entries) const {
  return {.packed = accepted_.has(Feature::ring_packed),
          .capacity = capacity,
          .alignment = transport_.device_area_alignment(),
          .indirect_entries = indirect_entries};
}

// Once: a re-initialisation uses the same memory again, which the reset before it has made ours. Only a device that no
// longer offers packed rings gets new ones.
Result<void> VirtioNet::allocate() {
  const std::uint16_t limit = ring_capacity();
  bsp::DmaArena& arena = *config_.arena;
  TRY(rx_.ring.allocate(arena, ring_shape(limit, 0)));
  TRY(tx_.ring.allocate(arena, ring_shape(limit, max_tx_segments + 1)));
  if (rx_memory_.data() == nullptr) {
    TRY(arena.allocate(tx_headers_, limit * header_room, 64));
    TRY(arena.allocate(tables_, table_bytes(limit), 64));
    rx_buffer_bytes_ = wanted_buffer_bytes();
    // An odd number of cache lines from one to the next: else all the headers, which is what everybody looks at, would
    // compete for the few sets of a cache that lines a power of two apart can lie in.
    rx_stride_ = rx_buffer_bytes_ | 64;
    // Not cleared: nothing of it is a frame but what the device says that it wrote.
    const std::size_t buffers = std::min<std::size_t>(limit, receive_budget() / rx_buffer_bytes_);
    TRY(arena.allocate(rx_memory_, buffers * rx_stride_, 4096, bsp::DmaArena::Content::as_found));
    carve_tables(limit);
  }
  return {};
}

std::size_t VirtioNet::table_bytes(std::size_t limit) {
  return limit * (sizeof(TxSlot) + sizeof(TxCompletion) + sizeof(std::byte*) + sizeof(BufferOwner)) +
         segment_blocks * (sizeof(SegmentBlock) + sizeof(std::uint8_t));
}

void VirtioNet::carve_tables(std::size_t limit) {
  std::byte* at = tables_.data();
  const auto carve = [&]<class T>(std::span<T>& table, std::size_t count) {
    table = {reinterpret_cast<T*>(at), count};
    at += count * sizeof(T);
  };
  carve(blocks_, segment_blocks); // widest alignment first
  carve(tx_slots_, limit);
  carve(finished_, limit);
  carve(rx_starts_, limit);
  carve(rx_owners_, limit);
  carve(free_blocks_, segment_blocks);
  std::ranges::fill(rx_starts_, rx_memory_.data()); // receive_plain() looks before it checks
  for (std::uint8_t block = 0; block < segment_blocks; block++)
    free_blocks_[free_block_count_++] = block;
}

Result<void> VirtioNet::set_up_queue(Queue& queue, std::uint16_t index) {
  queue.index = index;
  queue.size_max = TRY(transport_.max_queue_size(index));
  const std::uint16_t usable = queue.ring.packed() ? queue.size_max : std::bit_floor(queue.size_max);
  const std::uint16_t size = std::min(usable, queue.ring.capacity());
  if (size < 2) return bsp::fail(Error::queue_too_small); // header and frame may need a descriptor each
  queue.ring.restart({.index = index,
                      .size = size,
                      .event_idx = accepted_.has(Feature::event_idx),
                      .in_order = accepted_.has(Feature::in_order),
                      .indirect = accepted_.has(Feature::indirect_desc),
                      .notification_data = accepted_.has(Feature::notification_data)});
  queue.doorbell = TRY(transport_.enable_queue(index, queue.ring.memory()));
  return {};
}

void VirtioNet::choose_receive_buffers() {
  const std::size_t fitting = std::min(rx_owners_.size(), rx_memory_.size() / rx_stride_);
  rx_buffer_count_ = static_cast<std::uint16_t>(fitting);
  rx_frame_limit_ = mergeable_ ? std::max(virtio_net::max_gso_frame, max_frame_size(UINT16_MAX, true))
                               : rx_buffer_bytes_ - header_size_;
}

// ---- configuration
// -----------------------------------------------------------------------------------------------------

// Fields are read only if their feature was accepted, hence offered (2.5.1), each with the width of the field
// (4.2.2.2).
VirtioNet::ConfigFields VirtioNet::read_config_once() const {
  namespace config = virtio_net::config;
  ConfigFields fields;
  if (accepted_.has(Feature::net_mac))
    for (std::uint32_t i = 0; i < fields.mac.octets.size(); i++)
      fields.mac.octets[i] = transport_.config8(config::mac + i);
  if (accepted_.has(Feature::net_status)) fields.status = transport_.config16(config::status);
  if (accepted_.has(Feature::net_mtu)) fields.mtu = transport_.config16(config::mtu);
  if (accepted_.has(Feature::net_speed_duplex)) {
    fields.speed = transport_.config32(config::speed);
    fields.duplex = transport_.config8(config::duplex);
  }
  return fields;
}

Result<void> VirtioNet::read_config() {
  const ConfigFields fields = TRY(virtio::read_stable_config(transport_, [this] { return read_config_once(); }));
  take_mac(fields);
  take_link(fields);
  const bool limited = accepted_.has(Feature::net_mtu) && fields.mtu >= min_mtu && fields.mtu <= largest_mtu();
  device_mtu_ = limited ? fields.mtu : default_mtu;
  limit_plain();
  return {};
}

void VirtioNet::take_mac(const ConfigFields& fields) {
  config_mac_ = fields.mac;
  if (settings_.mac) {
    mac_ = *settings_.mac;
    return;
  }
  if (accepted_.has(Feature::net_mac) && fields.mac.is_valid_unicast()) {
    mac_ = fields.mac;
    mac_is_local_ = false;
    return;
  }
  if (mac_is_local_) return; // a reset keeps the address that peers have learnt
  mac_ = local_address(config_.mac_seed);
  mac_is_local_ = true;
  log::warn("{}: device gives {} MAC, using local {}", config_.name,
            accepted_.has(Feature::net_mac) ? "an invalid" : "no", to_text(mac_).view());
}

void VirtioNet::take_link(const ConfigFields& fields) {
  link_ = {};
  announce_requested_ =
      accepted_.has(Feature::net_guest_announce) && (fields.status & virtio_net::status_announce) != 0;
  if (accepted_.has(Feature::net_status))
    link_.state = (fields.status & virtio_net::status_link_up) != 0 ? LinkState::up : LinkState::down;
  if (fields.speed <= virtio_net::speed_max) link_.speed_mbps = fields.speed;
  if (fields.duplex <= 1) link_.duplex = static_cast<Duplex>(fields.duplex);
}

} // namespace net
