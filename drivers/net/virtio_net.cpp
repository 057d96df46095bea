// SPDX-License-Identifier: BSD-2-Clause
// The data path: receive, release, send, reclaim, and what happens before idling. Bringing up and recovery:
// virtio_net_init.cpp.
#include "drivers/net/virtio_net.hpp"

#include <algorithm>

#include "bsp/cpu.hpp"
#include "bsp/panic.hpp"
#include "bsp/shared.hpp"

namespace net {

using bsp::Error;
using bsp::Result;
using virtio::Piece;
using virtio::Used;
using virtio_net::Header;

namespace {

constexpr std::size_t batch = 32;

void count_one(std::atomic<std::uint64_t>& counter) {
  // A single writer: load and store is enough, and cheaper than an atomic addition.
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

} // namespace

// ---- interrupt context
// -------------------------------------------------------------------------------------------------

void VirtioNet::handle_interrupt() {
  count_one(irq_.interrupts);
  const virtio::InterruptCauses causes = transport_.acknowledge();
  if (!causes.any()) {
    count_one(irq_.spurious);
    return;
  }
  if (causes.config_change) irq_.config_change.store(true, std::memory_order_relaxed);
  // A used-buffer cause speaks for every queue (4.2.3.4.1): both stay quiet until prepare_idle() asks again.
  if (causes.used_buffer && state_ == State::live) {
    rx_.ring.suppress_interrupts();
    tx_.ring.suppress_interrupts();
  }
}

// ---- notifications
// -----------------------------------------------------------------------------------------------------

void VirtioNet::kick(Queue& queue, std::optional<std::uint32_t> notification) {
  if (!notification) return;
  queue.doorbell.ring(*notification);
  stats_.notifications++;
}

bool VirtioNet::work_pending() const {
  const std::uint64_t now = bsp::clock::now_ticks();
  if (state_ == State::recovering) return now >= recover_not_before_;
  if (state_ != State::live) return false;
  return rx_.ring.used_pending() || (irq_.config_change.load(std::memory_order_relaxed) && now >= config_not_before_);
}

bsp::Deadline VirtioNet::next_wake() const {
  if (state_ == State::recovering) return bsp::Deadline::at_ticks(recover_not_before_);
  if (state_ == State::live && irq_.config_change.load(std::memory_order_relaxed))
    return bsp::Deadline::at_ticks(config_not_before_);
  return bsp::Deadline::never();
}

bool VirtioNet::prepare_idle(bool for_completions) {
  if (state_ != State::live) return work_pending();
  if (rx_.ring.request_interrupt()) return true;
  const std::uint16_t in_flight = tx_.ring.chains_in_flight();
  if (for_completions && in_flight != 0) {
    // One interrupt when most of the ring is done keeps the ring busy while this hart wakes up.
    const auto after = static_cast<std::uint16_t>(std::max(1, in_flight - in_flight / 4));
    if (tx_.ring.request_interrupt(after)) return true;
  }
  // A register read orders this hart's stores before its next looks on every machine, also where a fence is not enough.
  // It tells about NEEDS_RESET too, should the interrupt for it be lost.
  if ((transport_.status() & virtio::status::needs_reset) != 0) {
    irq_.config_change.store(true, std::memory_order_relaxed);
    return true;
  }
  for (Queue* queue : {&rx_, &tx_}) {
    const std::optional<std::uint32_t> missed = queue->ring.recheck_notification();
    if (missed) stats_.rekicks++;
    kick(*queue, missed);
  }
  return work_pending();
}

// ---- receive
// -----------------------------------------------------------------------------------------------------------

bool VirtioNet::post_buffer(std::uint16_t buffer) {
  const std::size_t offset = buffer * receive_buffer_bytes;
  const bsp::BusAddress start = rx_memory_.bus(offset);
  bsp::sync_for_device(rx_memory_.bytes().subspan(offset, receive_buffer_bytes));
  std::optional<virtio::Token> token;
  if (split_header_) {
    const Piece pieces[] = {{start, header_size_},
                            {start + header_size_, static_cast<std::uint32_t>(receive_buffer_bytes - header_size_)}};
    token = rx_.ring.add({}, pieces);
  } else {
    const Piece piece{start, receive_buffer_bytes};
    token = rx_.ring.add({}, {&piece, 1});
  }
  if (!token) return false;
  rx_buffer_of_[*token] = buffer;
  rx_buffers_[buffer].owner = BufferOwner::device;
  return true;
}

void VirtioNet::post_all_buffers() {
  for (std::size_t buffer = 0; buffer < rx_buffers_.size(); buffer++)
    if (rx_buffers_[buffer].owner == BufferOwner::nobody && !post_buffer(static_cast<std::uint16_t>(buffer))) return;
}

// The frame of a used buffer; false if there is none to deliver, its cause counted. The buffer is the driver's then.
bool VirtioNet::take_frame(const Used& used, RxFrame& out) {
  const std::uint16_t buffer = rx_buffer_of_[used.token];
  RxBuffer& owner = rx_buffers_[buffer];
  owner.owner = BufferOwner::nobody;
  const auto reject = [this](std::uint64_t NetStats::*cause) {
    stats_.*cause += 1;
    stats_.rx_errors++;
    return false;
  };
  // A length that cannot be says that the device does not know what it wrote where: start over with it.
  if (used.length > used.writable || used.length < header_size_) {
    start_recovery("used length impossible");
    return reject(used.length < header_size_ ? &NetStats::rx_length_under_header : &NetStats::rx_length_over_buffer);
  }
  std::byte* const start = rx_memory_.data() + buffer * receive_buffer_bytes;
  bsp::sync_for_cpu({start, used.length});
  const auto& header = *reinterpret_cast<const Header*>(start);
  const std::uint32_t length = used.length - header_size_;
  if (bsp::load_once(header.gso_type) != virtio_net::gso_none) return reject(&NetStats::rx_header_invalid);
  if (length < ethernet_header_size) return reject(&NetStats::rx_frame_short);
  if (length > max_frame_size(largest_mtu(), true)) return reject(&NetStats::rx_frame_long);

  out = RxFrame{};
  out.first = {start + header_size_, rx_memory_.bus(buffer * receive_buffer_bytes + header_size_), length};
  out.length = length;
  out.buffer = buffer;
  owner.owner = BufferOwner::consumer;
  stats_.rx_packets++;
  stats_.rx_bytes += length;
  return true;
}

std::size_t VirtioNet::receive(std::span<RxFrame> out) {
  stats_.polls++;
  if (state_ != State::live) return 0;
  Used used[batch];
  std::size_t taken = 0;
  std::size_t frames = 0;
  // Bounded by the ring: a device that keeps on giving bad entries does not keep us here.
  while (frames < out.size() && taken < rx_.ring.size() && state_ == State::live) {
    const std::size_t count = rx_.ring.take_used({used, std::min(batch, out.size() - frames)});
    if (count == 0) break;
    taken += count;
    for (std::size_t i = 0; i < count; i++) {
      if (state_ != State::live) { // the device's word counts no more
        rx_buffers_[rx_buffer_of_[used[i].token]].owner = BufferOwner::nobody;
        stats_.rx_dropped++;
      } else if (take_frame(used[i], out[frames])) {
        frames++;
      }
    }
  }
  if (rx_.ring.broken() && state_ == State::live) note_fault(rx_);
  if (state_ == State::live && frames < taken) { // rejected buffers go straight back
    post_all_buffers();
    kick(rx_, rx_.ring.publish());
  }
  return frames;
}

void VirtioNet::release(std::span<const RxFrame> frames) {
  for (const RxFrame& frame : frames) {
    if (frame.buffer >= rx_buffers_.size() || rx_buffers_[frame.buffer].owner != BufferOwner::consumer)
      PANIC("net: a frame was released that was not received");
    rx_buffers_[frame.buffer].owner = BufferOwner::nobody;
    // No room is possible only after a reset that made the ring smaller: then the ring is full without this buffer.
    if (state_ == State::live) (void)post_buffer(frame.buffer);
  }
  if (state_ == State::live) kick(rx_, rx_.ring.publish());
}

// ---- transmit
// ----------------------------------------------------------------------------------------------------------

Result<void> VirtioNet::check_request(const TxRequest& request) const {
  if (request.segments.empty()) return bsp::fail(Error::chain_empty);
  // One descriptor more may be needed for the header; a chain must fit the queue (2.7.5.2).
  if (request.segments.size() > max_tx_segments || request.segments.size() + 1 > tx_.ring.size())
    return bsp::fail(Error::chain_too_long);
  std::uint64_t total = 0;
  for (const Segment& segment : request.segments) {
    if (segment.length == 0) return bsp::fail(Error::chain_empty);
    total += segment.length;
  }
  if (total < ethernet_header_size || request.segments[0].length < ethernet_header_size)
    return bsp::fail(Error::frame_too_short);
  const bool tagged = is_tagged({request.segments[0].data, ethernet_header_size});
  if (total > max_frame_size(mtu(), tagged)) return bsp::fail(Error::frame_too_long);
  if (request.offload.kind != Offload::Kind::none) return bsp::fail(Error::offload_not_supported);
  return {};
}

// The chain is header, segments; header and first segment share a descriptor where the request has room before it and
// the device takes any layout (2.7.4.2).
bool VirtioNet::queue_request(const TxRequest& request) {
  Piece pieces[max_tx_segments + 1];
  std::size_t count = 0;
  const bool in_headroom = request.headroom >= header_size_;
  const virtio::Token token = tx_.ring.next_token();
  std::byte* const header =
      in_headroom ? request.segments[0].data - header_size_ : tx_headers_.data() + token * sizeof(Header);
  const bool merged = in_headroom && !split_header_;
  if (merged) {
    const Segment& first = request.segments[0];
    pieces[count++] = {bsp::BusAddress{raw(first.bus) - header_size_}, first.length + header_size_};
  } else {
    pieces[count++] = {in_headroom ? bsp::BusAddress{raw(request.segments[0].bus) - header_size_}
                                   : tx_headers_.bus(token * sizeof(Header)),
                       header_size_};
  }
  std::uint32_t bytes = 0;
  for (std::size_t i = 0; i < request.segments.size(); i++) {
    const Segment& segment = request.segments[i];
    bytes += segment.length;
    if (!merged || i != 0) pieces[count++] = {segment.bus, segment.length};
  }
  if (count > tx_.ring.free()) return false;
  // No offload was asked for: flags, gso_type and num_buffers are 0 (5.1.6.2.1).
  std::fill_n(header, header_size_, std::byte{0});
  for (const Segment& segment : request.segments)
    bsp::sync_for_device({segment.data, segment.length});
  if (!tx_.ring.add({pieces, count}, {})) return false;
  tx_slots_[token] = {request.cookie, bytes};
  return true;
}

std::size_t VirtioNet::send(std::span<const TxRequest> requests) {
  // What a reset left is given back before new requests are taken, so that the list never overflows.
  if (state_ != State::live || finished_count_ != 0) return 0;
  std::size_t taken = 0;
  for (const TxRequest& request : requests) {
    if (!check_request(request)) {
      stats_.tx_errors++;
      break;
    }
    if (!queue_request(request)) {
      stats_.tx_ring_full++;
      break;
    }
    taken++;
  }
  kick(tx_, tx_.ring.publish());
  return taken;
}

// used.len says nothing on transmit (5.1.6.1, 2.7.8.1).
TxCompletion VirtioNet::complete(const Used& used) {
  const TxSlot& slot = tx_slots_[used.token];
  stats_.tx_packets++;
  stats_.tx_bytes += slot.bytes;
  return {slot.cookie, true};
}

std::size_t VirtioNet::reclaim(std::span<TxCompletion> out) {
  std::size_t done = 0;
  while (done < out.size() && finished_count_ != 0)
    out[done++] = finished_[--finished_count_];
  if (state_ != State::live) return done;
  Used used[batch];
  while (done < out.size()) {
    const std::size_t count = tx_.ring.take_used({used, std::min(batch, out.size() - done)});
    if (count == 0) break;
    for (std::size_t i = 0; i < count; i++)
      out[done++] = complete(used[i]);
  }
  if (tx_.ring.broken()) note_fault(tx_);
  return done;
}

std::size_t VirtioNet::tx_in_flight() const {
  return finished_count_ + tx_.ring.chains_in_flight();
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
  case virtio::RingFault::none:
    return;
  }
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
  irq_.interrupts.store(0, std::memory_order_relaxed);
  irq_.spurious.store(0, std::memory_order_relaxed);
}

Result<void> VirtioNet::set_mtu(std::uint16_t mtu) {
  if (mtu < min_mtu || mtu > device_mtu_) return bsp::fail(Error::invalid_argument);
  mtu_limit_ = mtu;
  return {};
}

bool VirtioNet::queue_state(std::size_t index, virtio::QueueState& out) const {
  if (index >= virtio_net::queue_count) return false;
  const Queue& queue = index == virtio_net::receive_queue ? rx_ : tx_;
  out = queue.ring.state();
  out.role = index == virtio_net::receive_queue ? "receive" : "transmit";
  out.size_max = queue.size_max;
  return true;
}

} // namespace net
