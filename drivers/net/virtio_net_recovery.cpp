// SPDX-License-Identifier: BSD-2-Clause
// What happens beside frames: configuration changes, the watchdog, and recovery by reset.
#include <algorithm>

#include "bsp/cpu.hpp"
#include "bsp/log.hpp"
#include "drivers/net/virtio_net.hpp"

namespace net {

using bsp::Error;
using bsp::Result;
using virtio::Feature;
namespace log = bsp::log;

namespace {

/// Recoveries in a row before giving up, and how long a device must behave to start counting anew.
constexpr unsigned max_recoveries = 8;
constexpr std::uint64_t good_behaviour_us = 1'000'000;
/// The wait before the second recovery in a row; it doubles with each further one.
constexpr std::uint64_t back_off_us = 1'000;
/// Configuration changes are looked at this often at most, so that a device that flaps leaves time for frames.
constexpr std::uint64_t config_interval_us = 10'000;
/// How often the watchdog looks while there is something to watch; more often while interrupts are known to get lost.
constexpr std::uint64_t watch_interval_us = 1'000'000;
constexpr std::uint64_t poll_interval_us = 100'000;
/// Frames in flight without any progress for this long are kicked once, and given up at last.
constexpr std::uint64_t tx_kick_us = 1'000'000;
constexpr std::uint64_t tx_timeout_us = 5'000'000;
/// How long the rest of a frame in several buffers may take.
constexpr std::uint64_t assembly_timeout_us = 1'000'000;

std::uint64_t us_between(std::uint64_t before, std::uint64_t now) {
  return bsp::clock::ticks_to_us(now - before);
}

} // namespace

// ---- events
// ------------------------------------------------------------------------------------------------------------

void VirtioNet::service() {
  // Nobody interrupts: ask for what an interrupt would have told.
  if (config_.irqchip == nullptr && transport_.acknowledge().config_change)
    irq_.config_change.store(true, std::memory_order_relaxed);
  const std::uint64_t now = bsp::clock::now_ticks();
  if (state_ == State::recovering) {
    if (now >= recover_not_before_) recover();
    return;
  }
  // An owner who sends nothing never asks for the announcement's buffer.
  if (announcement_in_flight_ && finished_count_ == 0) {
    finished_count_ = reclaim(finished_);
    limit_plain();
  }
  if (state_ != State::live) return;
  check_interrupts();
  if (now >= watch_at_) watch(now);
  if (state_ == State::live && now >= announce_at_) answer_announce();
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
  const LinkState link_before = link_.state;
  const std::uint16_t mtu_before = device_mtu_;
  if (const Result<void> result = read_config(); !result) {
    if (!config_unstable_logged_) log::warn("{}: {}, keeping the old values", config_.name, to_string(result.error()));
    config_unstable_logged_ = true;
    return;
  }
  config_unstable_logged_ = false;
  if (link_.state != link_before) {
    stats_.link_changes++;
    report(NetEvent::link_changed);
  }
  if (device_mtu_ != mtu_before) report(NetEvent::mtu_changed);
  if (announce_requested_) answer_announce();
}

// ---- watchdog
// ----------------------------------------------------------------------------------------------------------

/// When the watchdog has to look although nothing interrupts; never while there is nothing that could be stuck.
std::uint64_t VirtioNet::watch_due() const {
  const bool something = tx_.ring.chains_in_flight() != 0 || rx_.ring.unannounced() || assembly_.missing != 0 ||
                         (!interrupts_proven_ && config_.irqchip != nullptr);
  return something ? watch_at_ : UINT64_MAX;
}

void VirtioNet::watch(std::uint64_t now) {
  const bool polls = !interrupts_proven_ && interrupts_lost_;
  watch_at_ = now + bsp::clock::us_to_ticks(polls ? poll_interval_us : watch_interval_us);
  watch_transmit(now);
  if (state_ == State::live) watch_receive(now);
}

// A device whose interrupt has come once is trusted to interrupt; used buffers that nobody told of end the trust until
// the next interrupt, and the watchdog polls meanwhile.
void VirtioNet::check_interrupts() {
  if (irq_.used_buffer.load(std::memory_order_relaxed)) {
    interrupts_proven_ = true;
    interrupts_lost_ = false;
    interrupts_armed_ = false;
  } else if (interrupts_armed_ && rx_.ring.used_pending()) {
    interrupts_armed_ = false;
    if (!interrupts_proven_) {
      interrupts_lost_ = true;
      stats_.lost_interrupts++;
    }
    interrupts_proven_ = false;
  }
}

void VirtioNet::watch_transmit(std::uint64_t now) {
  const std::uint16_t in_flight = tx_.ring.chains_in_flight();
  // Used chains that nobody has reclaimed yet are progress, too.
  const bool moved = tx_.in_flight_then == 0 || stats_.tx_packets != tx_.count_then || tx_.ring.used_pending();
  tx_.in_flight_then = in_flight;
  tx_.count_then = stats_.tx_packets;
  if (moved || in_flight == 0) {
    tx_.moved_at = now;
    tx_.kicked = false;
    return;
  }
  const std::uint64_t stuck_us = us_between(tx_.moved_at, now);
  if (stuck_us >= tx_timeout_us) {
    tx_timed_out();
  } else if (stuck_us >= tx_kick_us && !tx_.kicked) {
    tx_.kicked = true;
    stats_.watchdog_kicks++;
    kick(tx_, tx_.ring.force_notification());
  }
}

void VirtioNet::watch_receive(std::uint64_t now) {
  if (rx_.ring.used_pending()) assembly_.since = now; // the reader is slow, not the device
  if (assembly_.missing != 0 && us_between(assembly_.since, now) >= assembly_timeout_us) {
    drop_assembly();
    reject(&NetStats::rx_incomplete);
    start_recovery("the rest of a frame never came");
    return;
  }
  // Buffers that were given while the device wanted no word of it, and nothing has come since: tell it once.
  const std::uint64_t frames = stats_.rx_packets + stats_.rx_errors;
  if (frames == rx_.count_then && rx_.ring.unannounced()) {
    stats_.watchdog_kicks++;
    kick(rx_, rx_.ring.force_notification());
  }
  rx_.count_then = frames;
}

void VirtioNet::tx_timed_out() {
  stats_.tx_timeouts++;
  tx_.moved_at = bsp::clock::now_ticks();
  report(NetEvent::tx_timeout);
  if (!reset_transmit_queue()) start_recovery("transmission makes no progress");
}

// With RING_RESET the transmit queue alone is taken back and set up again (2.6.1).
bool VirtioNet::reset_transmit_queue() {
  if (!accepted_.has(Feature::ring_reset) || !transport_.reset_queue(virtio_net::transmit_queue)) return false;
  take_back_chains();
  if (!set_up_queue(tx_, virtio_net::transmit_queue)) return false;
  stats_.queue_resets++;
  return true;
}

// ---- recovery
// ----------------------------------------------------------------------------------------------------------

void VirtioNet::report(NetEvent event) {
  if (listener_.function != nullptr) listener_.function(listener_.context, *this, event);
}

void VirtioNet::note_fault(const Queue& queue) {
  switch (queue.ring.fault()) {
  case virtio::RingFault::used_id_out_of_range:
    stats_.used_id_out_of_range++;
    return start_recovery("used id out of range");
  case virtio::RingFault::used_id_not_in_flight:
    stats_.used_id_not_in_flight++;
    return start_recovery("used id not in flight");
  case virtio::RingFault::used_index_jump:
    stats_.used_index_jump++;
    return start_recovery("used index jumped");
  case virtio::RingFault::used_without_buffer:
    stats_.used_without_buffer++;
    return start_recovery("descriptor used that was never available");
  case virtio::RingFault::none:
    return;
  }
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
  enter(State::recovering);
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
  enter(State::failed);
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
  virtio::Used used;
  while (tx_.ring.take_used({&used, 1}) != 0)
    if (complete(used, finished_[finished_count_])) finished_count_++;
  while (state_ == State::live && rx_.ring.take_used({&used, 1}) != 0) {
    RxFrame frame;
    if (!take_buffer(used, std::nullopt, frame)) continue;
    stats_.rx_packets--;
    stats_.rx_bytes -= frame.length();
    stats_.rx_dropped++;
    give_back_to_nobody(frame);
  }
}

Result<void> VirtioNet::restart() {
  stop();
  stats_.device_resets++;
  irq_.config_change.store(false, std::memory_order_relaxed);
  irq_.used_buffer.store(false, std::memory_order_relaxed); // proves nothing about the interrupts from here on
  control_.stop();
  const Result<void> result = bring_up();
  if (!result) enter(State::failed);
  return result;
}

// From here on the interrupt handler leaves the rings alone; their memory is the device's until a reset is confirmed.
void VirtioNet::stop() {
  const bsp::cpu::InterruptGuard guard;
  enter(State::down);
}

// Only after a confirmed reset (3.3.1). Frames with the consumer stay with the consumer.
void VirtioNet::take_back_memory() {
  memory_is_lent_ = false;
  drop_assembly();
  for (virtio::Token token = 0; token < rx_.ring.size(); token++) {
    if (!rx_.ring.is_kept(token)) continue;
    BufferOwner& owner = rx_owners_[buffer_at(rx_starts_[token])];
    if (owner == BufferOwner::chain) owner = BufferOwner::consumer;
  }
  rx_handle_base_ += std::uint64_t{1} << 16; // no handle from before names a chain
  std::replace(rx_owners_.begin(), rx_owners_.end(), BufferOwner::chain, BufferOwner::nobody);
  take_back_chains();
  control_.take_back();
  interrupts_armed_ = interrupts_proven_ = interrupts_lost_ = false;
  watch_at_ = bsp::clock::now_ticks() + bsp::clock::us_to_ticks(watch_interval_us);
}

// Requests that the device will not finish come back as not sent: nobody knows whether they were (2.1.1).
void VirtioNet::take_back_chains() {
  tx_.in_flight_then = 0; // the watchdog starts anew
  for (virtio::Token token = 0; token < tx_.ring.size(); token++) {
    if (!tx_.ring.in_flight(token)) continue;
    tx_.ring.forget(token);
    stats_.tx_dropped++;
    if (tx_slots_[token].cookie == own_cookie)
      announcement_in_flight_ = false;
    else
      finished_[finished_count_++] = {tx_slots_[token].cookie, false};
  }
}

// FAILED may be set, but without a reset the device still knows where its rings are (3.3.1).
VirtioNet::~VirtioNet() {
  if (!memory_is_lent_) return;
  rx_.ring.quarantine();
  tx_.ring.quarantine();
  control_.quarantine();
  tx_headers_.quarantine();
  announcement_.quarantine();
  rx_memory_.quarantine();
}

void VirtioNet::shut_down() {
  detach_interrupt();
  // After a reset that failed there may be nothing to stop, and nothing is written to a device that was given up but
  // its reset (2.1.2).
  const std::uint8_t status = transport_.status();
  const bool has_queues = (state_ == State::live || state_ == State::recovering) &&
                          (status & virtio::status::driver_ok) != 0 && (status & virtio::status::failed) == 0;
  stop();
  enter(State::failed);
  const auto stop_queue = [this](std::uint16_t index) {
    if (!transport_.disable_queue(index)) log::warn("{}: queue {} does not stop", config_.name, index);
  };
  if (has_queues) {
    stop_queue(virtio_net::receive_queue);
    stop_queue(virtio_net::transmit_queue);
    if (control_.usable()) stop_queue(control_.index());
  }
  control_.stop();
  if (const Result<void> result = transport_.reset(); !result) {
    log::error("{}: {}", config_.name, to_string(result.error())); // its memory stays lent
    return;
  }
  take_back_memory();
}

// ---- for people
// --------------------------------------------------------------------------------------------------------

NetStats VirtioNet::stats() const {
  NetStats stats = stats_;
  stats.interrupts = irq_.interrupts.load(std::memory_order_relaxed);
  stats.spurious_interrupts = irq_.spurious.load(std::memory_order_relaxed);
  return stats;
}

void VirtioNet::clear_stats() {
  const bsp::cpu::InterruptGuard guard;
  stats_ = {};
  tx_.in_flight_then = 0; // the count that the watchdog noted with it is gone
  irq_.interrupts.store(0, std::memory_order_relaxed);
  irq_.spurious.store(0, std::memory_order_relaxed);
}

Result<void> VirtioNet::set_mtu(std::uint16_t mtu) {
  if (mtu < min_mtu || mtu > device_mtu_) return bsp::fail(Error::invalid_argument);
  mtu_limit_ = mtu;
  limit_plain();
  return {};
}

bool VirtioNet::queue_state(std::size_t index, virtio::QueueState& out) const {
  if (index >= queue_count()) return false;
  if (index > virtio_net::transmit_queue) {
    out = control_.ring().state();
    out.role = "control";
    out.size_max = control_.size_max();
    return true;
  }
  const Queue& queue = index == virtio_net::receive_queue ? rx_ : tx_;
  out = queue.ring.state();
  out.role = index == virtio_net::receive_queue ? "receive" : "transmit";
  out.size_max = queue.size_max;
  return true;
}

} // namespace net
