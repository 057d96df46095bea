// SPDX-License-Identifier: BSD-2-Clause
// Bringing the network device up (VIRTIO 1.3, 5.1.5), configuration changes, and recovery by reset.
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

/// Everything this driver can use; what is not here is never accepted (2.2.1).
constexpr FeatureSet wanted_features{
    Feature::net_mac,   Feature::net_status, Feature::net_mtu,         Feature::net_speed_duplex,
    Feature::event_idx, Feature::any_layout, Feature::access_platform, Feature::order_platform,
};

constexpr std::size_t batch = 32;

/// Recoveries in a row before giving up, and how long a device must behave to start counting anew.
constexpr unsigned max_recoveries = 8;
constexpr std::uint64_t good_behaviour_us = 1'000'000;
/// The wait before the second recovery in a row; it doubles with each further one.
constexpr std::uint64_t back_off_us = 1'000;
/// Configuration changes are looked at this often at most, so that a device that flaps leaves time for frames.
constexpr std::uint64_t config_interval_us = 10'000;

} // namespace

Result<void> VirtioNet::create(std::optional<VirtioNet>& place, virtio::Transport& transport, const Config& config) {
  VirtioNet& device = place.emplace(transport, config);
  const Result<void> result = device.bring_up();
  if (result) return {};
  // FAILED is set, but without a reset since the device may still know where its rings are.
  device.quarantine_memory();
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
  accepted_ = TRY(init.accept(choose_features(offered_)));
  // 12 bytes on every modern device; legacy ones without MRG_RXBUF leave num_buffers out (5.1.6, 5.1.6.1).
  header_size_ = transport_.legacy() ? virtio_net::legacy_header_size : virtio_net::header_size;
  split_header_ = transport_.legacy() && !accepted_.has(Feature::any_layout);

  std::optional<std::uint32_t> receive_notification; // filled before DRIVER_OK, announced after it (3.1.1, 5.1.5)
  const auto set_up = [&]() -> Result<void> {
    TRY(allocate());
    TRY(attach_interrupt());
    TRY(set_up_queue(rx_, virtio_net::receive_queue));
    TRY(set_up_queue(tx_, virtio_net::transmit_queue));
    post_all_buffers();
    receive_notification = rx_.ring.publish();
    TRY(read_config());
    return init.go_live();
  };
  if (const Result<void> result = set_up(); !result) {
    init.fail();
    return result;
  }
  state_ = State::live;
  kick(rx_, receive_notification);
  return {};
}

FeatureSet VirtioNet::choose_features(FeatureSet offered) {
  FeatureSet wanted = wanted_features;
  // The configuration may be read during negotiation to decide whether a feature is usable (3.1.1 step 4).
  if ((offered & transport_.allowed_features()).has(Feature::net_mtu) && !mtu_is_usable())
    wanted.remove(Feature::net_mtu);
  return wanted;
}

// With MTU accepted every frame of that size must fit a receive buffer (5.1.4.2).
bool VirtioNet::mtu_is_usable() {
  const std::uint16_t mtu = transport_.config16(virtio_net::config::mtu);
  if (mtu >= min_mtu && mtu <= largest_mtu()) return true;
  log::warn("{}: device MTU {} is outside {}..{}, MTU not accepted", config_.name, mtu, min_mtu, largest_mtu());
  return false;
}

/// What a receive buffer holds beside the header, the Ethernet header and a VLAN tag.
std::uint16_t VirtioNet::largest_mtu() const {
  return receive_buffer_bytes - virtio_net::header_size - ethernet_header_size - vlan_tag_size;
}

// Once: a re-initialisation uses the same memory again, which the reset before it has made ours.
Result<void> VirtioNet::allocate() {
  if (rx_memory_.data() != nullptr) return {};
  const std::uint16_t limit =
      std::bit_floor(std::clamp<std::uint16_t>(config_.queue_size, 2, virtio::SplitRing::max_capacity));
  bsp::DmaArena& arena = *config_.arena;
  const std::uint32_t alignment = transport_.device_area_alignment();
  virtio::SplitRing rx = TRY(virtio::SplitRing::create(arena, limit, alignment));
  virtio::SplitRing tx = TRY(virtio::SplitRing::create(arena, limit, alignment));
  bsp::DmaBuffer headers = TRY(arena.allocate(limit * sizeof(virtio_net::Header), 64));
  const std::size_t table_bytes =
      limit * (sizeof(TxSlot) + sizeof(TxCompletion) + sizeof(std::uint16_t) + sizeof(RxBuffer));
  bsp::DmaBuffer tables = TRY(arena.allocate(table_bytes, 64));
  rx_memory_ = TRY(arena.allocate(limit * receive_buffer_bytes, 4096));
  rx_.ring = std::move(rx);
  tx_.ring = std::move(tx);
  tx_headers_ = std::move(headers);
  tables_ = std::move(tables);

  std::byte* at = tables_.data();
  const auto carve = [&]<class T>(std::span<T>& table) {
    table = {reinterpret_cast<T*>(at), limit};
    at += limit * sizeof(T);
  };
  carve(tx_slots_); // widest alignment first
  carve(finished_);
  carve(rx_buffer_of_);
  carve(rx_buffers_);
  return {};
}

Result<void> VirtioNet::set_up_queue(Queue& queue, std::uint16_t index) {
  queue.size_max = TRY(transport_.max_queue_size(index));
  const std::uint16_t size = std::min(std::bit_floor(queue.size_max), queue.ring.capacity());
  if (size < 2) return bsp::fail(Error::queue_too_small); // header and frame may need a descriptor each
  queue.ring.restart({index, size, accepted_.has(Feature::event_idx)});
  queue.doorbell = TRY(transport_.enable_queue(index, queue.ring.memory()));
  return {};
}

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
  return {};
}

void VirtioNet::take_mac(const ConfigFields& fields) {
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
  if (accepted_.has(Feature::net_status))
    link_.state = (fields.status & virtio_net::status_link_up) != 0 ? LinkState::up : LinkState::down;
  if (fields.speed <= virtio_net::speed_max) link_.speed_mbps = fields.speed;
  if (fields.duplex <= 1) link_.duplex = static_cast<Duplex>(fields.duplex);
}

// ---- events and recovery
// -----------------------------------------------------------------------------------------------

void VirtioNet::service() {
  // Nobody interrupts: ask for what an interrupt would have told.
  if (config_.irqchip == nullptr && transport_.acknowledge().config_change)
    irq_.config_change.store(true, std::memory_order_relaxed);
  if (state_ == State::recovering) {
    if (bsp::clock::now_ticks() >= recover_not_before_) recover();
    return;
  }
  const std::uint64_t now = bsp::clock::now_ticks();
  if (state_ != State::live || !irq_.config_change.load(std::memory_order_relaxed) || now < config_not_before_) return;
  config_not_before_ = now + bsp::clock::us_to_ticks(config_interval_us);
  irq_.config_change.store(false, std::memory_order_relaxed); // before the look: a later change flags again
  handle_config_change();
}

void VirtioNet::handle_config_change() {
  stats_.config_changes++;
  if ((transport_.status() & virtio::status::needs_reset) != 0) { // one possible cause (3.2.1)
    stats_.needs_reset++;
    start_recovery("device asks for it (NEEDS_RESET)");
    return;
  }
  const LinkState before = link_.state;
  if (const Result<void> result = read_config(); !result) {
    log::warn("{}: {}, keeping the old values", config_.name, to_string(result.error()));
    return;
  }
  if (link_.state == before) return;
  stats_.link_changes++;
  report(NetEvent::link_changed);
}

void VirtioNet::report(NetEvent event) {
  if (listener_.function != nullptr) listener_.function(listener_.context, *this, event);
}

// The device broke its contract: nothing it says counts until it was reset, which service() does. Requests in flight
// come back as not sent after that: nobody knows whether they were (2.1.1).
void VirtioNet::start_recovery(const char* reason) {
  if (state_ != State::live) return;
  if (bsp::clock::ticks_to_us(bsp::clock::now_ticks() - recovered_at_) > good_behaviour_us) recoveries_ = 0;
  if (recoveries_ == 0) log::warn("{}: {}, resetting the device", config_.name, reason);
  schedule_recovery();
}

// The first reset comes at once, each further one in a row after twice the wait of the one before.
void VirtioNet::schedule_recovery() {
  state_ = State::recovering;
  const std::uint64_t wait_us = recoveries_ == 0 ? 0 : back_off_us << (recoveries_ - 1);
  recover_not_before_ = bsp::clock::now_ticks() + bsp::clock::us_to_ticks(wait_us);
}

void VirtioNet::recover() {
  if (recoveries_ >= max_recoveries) return give_up();
  recoveries_++;
  const Result<void> result = restart();
  recovered_at_ = bsp::clock::now_ticks();
  if (result) return report(NetEvent::recovered);
  log::warn("{}: reset {} failed: {}", config_.name, recoveries_, to_string(result.error()));
  // A device that never ends its reset is not asked again: each time would cost the whole wait.
  if (result.error() == Error::reset_timed_out) return give_up();
  schedule_recovery();
}

// The device is stopped as well as it can be, and stays so until reset().
void VirtioNet::give_up() {
  stop();
  state_ = State::failed;
  if (transport_.status() != 0 && transport_.reset()) {
    take_back_memory();
    transport_.set_status(virtio::status::failed);
  }
  report(NetEvent::failed);
}

Result<void> VirtioNet::reset() {
  if (state_ == State::live) harvest();
  const Result<void> result = restart();
  if (result) recoveries_ = 0;
  return result;
}

// What the device has finished already is accounted for before it is reset: sent frames are sent, frames that nobody
// will receive are dropped.
void VirtioNet::harvest() {
  virtio::Used used[batch];
  while (tx_.ring.chains_in_flight() != 0) {
    const std::size_t count = tx_.ring.take_used(used);
    if (count == 0) break;
    for (std::size_t i = 0; i < count; i++)
      finished_[finished_count_ + i] = complete(used[i]);
    finished_count_ += count;
  }
  while (const std::size_t count = rx_.ring.take_used(used))
    stats_.rx_dropped += count;
}

Result<void> VirtioNet::restart() {
  stop();
  stats_.device_resets++;
  irq_.config_change.store(false, std::memory_order_relaxed);
  const Result<void> result = bring_up();
  if (!result) state_ = State::failed;
  return result;
}

// From here on the interrupt handler leaves the rings alone; their memory is the device's until a reset is confirmed.
void VirtioNet::stop() {
  const bsp::cpu::InterruptGuard guard;
  state_ = State::down;
}

// Only after a confirmed reset (3.3.1). Frames with the consumer stay with the consumer.
void VirtioNet::take_back_memory() {
  for (RxBuffer& buffer : rx_buffers_)
    if (buffer.owner == BufferOwner::device) buffer.owner = BufferOwner::nobody;
  for (virtio::Token token = 0; token < tx_.ring.size(); token++) {
    if (!tx_.ring.in_flight(token)) continue;
    tx_.ring.forget(token);
    finished_[finished_count_++] = {tx_slots_[token].cookie, false};
    stats_.tx_dropped++;
  }
}

void VirtioNet::quarantine_memory() {
  rx_.ring.quarantine();
  tx_.ring.quarantine();
  tx_headers_.quarantine();
  rx_memory_.quarantine();
}

void VirtioNet::shut_down() {
  detach_interrupt();
  const bool has_queues = state_ == State::live || state_ == State::recovering;
  stop();
  state_ = State::failed;
  for (const std::uint16_t index : {virtio_net::receive_queue, virtio_net::transmit_queue})
    if (has_queues && !transport_.disable_queue(index)) log::warn("{}: queue {} does not stop", config_.name, index);
  if (const Result<void> result = transport_.reset(); !result) {
    log::error("{}: {}", config_.name, to_string(result.error()));
    quarantine_memory();
    return;
  }
  take_back_memory();
}

} // namespace net
