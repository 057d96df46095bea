// SPDX-License-Identifier: BSD-2-Clause
// Sending (VIRTIO 1.3, 5.1.6.2): requests are judged, get their header, go to the ring in one batch with at most one
// notification; what the device used is given back lazily. And what happens before idling.
#include <algorithm>
#include <bit>
#include <cstring>

#include "bsp/barrier.hpp"
#include "bsp/in_register.hpp"
#include "drivers/net/virtio_net.hpp"

namespace net {

using bsp::Error;
using bsp::Result;
using virtio::Feature;
using virtio::Piece;
using virtio::Used;
using virtio_net::Header;

namespace {

constexpr std::size_t tcp_header_size = 20;
constexpr std::size_t udp_header_size = 8;
/// Between two reads of the status register before idling.
constexpr std::uint64_t status_pause_us = 10'000;
/// The CWR bit of the TCP flags: the segment reacts to congestion, which each segment made of it must not repeat.
constexpr std::byte tcp_cwr{0x80};

} // namespace

// ---- judging requests
// --------------------------------------------------------------------------------------------------

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
  const Segment& first = request.segments[0];
  if (total < ethernet_header_size || first.length < ethernet_header_size) return bsp::fail(Error::frame_too_short);
  const bool tagged = is_tagged({first.data, ethernet_header_size});
  // What the device shall segment may be as long as an IP packet can be; its segments are the sender's choice.
  const std::uint16_t limit = request.offload.gso == Gso::none ? mtu() : std::uint16_t{UINT16_MAX};
  if (total > max_frame_size(limit, tagged)) return bsp::fail(Error::frame_too_long);
  if (request.offload.any()) return check_offload(request, total);
  return {};
}

Result<void> VirtioNet::check_offload(const TxRequest& request, std::uint64_t total) const {
  const Offload& offload = request.offload;
  if (!accepted_.has(Feature::net_csum)) return bsp::fail(Error::offload_not_supported);
  if (!offload.checksum) return bsp::fail(Error::invalid_argument); // segmentation needs it (5.1.6.2.1)
  if (std::uint64_t{offload.csum_start} + offload.csum_offset + sizeof(std::uint16_t) > total)
    return bsp::fail(Error::invalid_argument);
  if (offload.gso == Gso::none) return {};

  if (!sent_gso(offload.gso, accepted_)) return bsp::fail(Error::offload_not_supported);
  const bool tcp = offload.gso == Gso::tcp4 || offload.gso == Gso::tcp6;
  const Segment& first = request.segments[0];
  if (offload.gso_size == 0 || offload.header_length > first.length || offload.header_length >= total ||
      offload.header_length < offload.csum_start + (tcp ? tcp_header_size : udp_header_size))
    return bsp::fail(Error::invalid_argument);
  // hdr_len is the exact length of all headers (5.1.6.2.1): it is checked rather than believed.
  const std::byte* const transport = first.data + offload.csum_start;
  const std::size_t transport_size = tcp ? std::to_integer<std::size_t>(transport[12] >> 4) * 4 : udp_header_size;
  if (offload.csum_start + transport_size != offload.header_length) return bsp::fail(Error::invalid_argument);
  const bool ecn = tcp && (transport[13] & tcp_cwr) != std::byte{0};
  if (ecn && !accepted_.has(Feature::net_host_ecn)) return bsp::fail(Error::offload_not_supported);
  return {};
}

// ---- sending
// -----------------------------------------------------------------------------------------------------------

// A request has been checked when its header is written (5.1.6.2.1). num_buffers is 0, DATA_VALID and RSC_INFO are
// never set, and so are no flags at all without CSUM.
void VirtioNet::write_header(std::byte* at, const TxRequest& request, std::uint32_t total) const {
  std::fill_n(at, header_size_, std::byte{0});
  auto& header = *reinterpret_cast<Header*>(at);
  // With segmentation offloads hdr_len is at least as long as the headers, also where it is not looked at. The whole
  // frame is, and no device may take it for more than a hint without GUEST_HDRLEN.
  header.hdr_len.store(static_cast<std::uint16_t>(std::min<std::uint32_t>(total, UINT16_MAX) & hdr_len_mask_));
  const Offload& offload = request.offload;
  if (!offload.checksum) return;
  header.flags = virtio_net::flag_needs_csum;
  header.csum_start.store(offload.csum_start);
  header.csum_offset.store(offload.csum_offset);
  if (offload.gso == Gso::none) return;
  const bool tcp = offload.gso == Gso::tcp4 || offload.gso == Gso::tcp6;
  const bool ecn = tcp && (request.segments[0].data[offload.csum_start + 13] & tcp_cwr) != std::byte{0};
  header.gso_type = static_cast<std::uint8_t>(*sent_gso(offload.gso, accepted_) | (ecn ? virtio_net::gso_ecn : 0));
  header.gso_size.store(offload.gso_size);
  header.hdr_len.store(offload.header_length);
}

// The chain is header, segments; header and first segment share a descriptor where the request has room before it and
// the device takes any layout (2.7.4.2).
template <class Ring> bool VirtioNet::queue_request(Ring& ring, const TxRequest& request) {
  if (ring.free() == 0) return false; // then next_token() names a chain in flight, whose header must stay
  Piece pieces[max_tx_segments + 1];
  std::size_t count = 0;
  const Segment& first = request.segments[0];
  const bool in_headroom = request.headroom >= header_size_;
  const virtio::Token token = ring.next_token();
  std::byte* const header = in_headroom ? first.data - header_size_ : tx_headers_.data() + token * header_room;
  const bsp::BusAddress header_bus =
      in_headroom ? bsp::BusAddress{raw(first.bus) - header_size_} : tx_headers_.bus(token * header_room);
  const bool merged = in_headroom && !split_header_;
  if (merged) {
    pieces[count++] = {header_bus, first.length + header_size_};
  } else {
    pieces[count++] = {header_bus, header_size_};
    pieces[count++] = {first.bus, first.length};
  }
  std::uint32_t bytes = first.length;
  for (const Segment& segment : request.segments.subspan(1)) {
    bytes += segment.length;
    pieces[count++] = {segment.bus, segment.length};
  }
  write_header(header, request, bytes);
  bsp::sync_for_device({header, header_size_});
  for (const Segment& segment : request.segments)
    bsp::sync_for_device({segment.data, segment.length});
  if (!ring.add({pieces, count}, {})) return false;
  tx_slots_[token] = {request.cookie, bytes};
  return true;
}

[[gnu::always_inline]] inline VirtioNet::PlainSend VirtioNet::plain_send() const {
  return {.slots = tx_slots_.data(), .mtu = plain_mtu_, .hdr_len_mask = hdr_len_mask_};
}

// Nothing is plain where the header needs a descriptor of its own, or has another length. What a reset left is given
// back before new requests are taken, so that the list never overflows.
void VirtioNet::limit_plain() {
  const std::uint16_t most = UINT16_MAX - ethernet_header_size; // hdr_len holds no more
  const bool plain = takes_requests() && header_size_ == virtio_net::header_size && !split_header_;
  plain_mtu_ = plain ? std::min(mtu(), most) : std::uint16_t{0};
}

/// What most requests are: a frame in one piece, with room for the header, without offload, untagged or short enough to
/// be tagged. False if it is anything else.
template <class Batch>
[[gnu::always_inline]] inline bool VirtioNet::queue_plain(Batch& batch, const TxRequest& request, PlainSend how) {
  struct Words {
    bsp::le16 flags_type;
    bsp::le16 hdr_len;
    bsp::le32 rest[2];
  };
  static_assert(sizeof(Words) == virtio_net::header_size && offsetof(Header, hdr_len) == offsetof(Words, hdr_len));
  // The headroom and what Offload::any() asks for are one word: an offload makes it larger than any headroom.
  constexpr std::size_t wishes = offsetof(TxRequest, headroom);
  static_assert(offsetof(TxRequest, offload) == wishes + 2 && offsetof(Offload, checksum) == 0 &&
                offsetof(Offload, gso) == 1 && wishes % 4 == 0 && std::endian::native == std::endian::little);
  std::uint32_t wish = 0;
  std::memcpy(&wish, __builtin_assume_aligned(reinterpret_cast<const std::byte*>(&request) + wishes, 4), 4);
  if (request.segments.size() != 1 || wish - sizeof(Words) > UINT16_MAX - sizeof(Words)) return false;
  const Segment& frame = request.segments[0];
  const std::uint64_t length = bsp::in_register(frame.length);
  if (length - ethernet_header_size - 1 >= how.mtu) return false; // also if there is nothing behind the Ethernet header
  std::byte* const start = frame.data - sizeof(Words);
  if (reinterpret_cast<std::uintptr_t>(start) % alignof(Words) != 0) return false;
  Words& header = *reinterpret_cast<Words*>(start);
  header.flags_type.store(0);
  header.hdr_len.store_low(length & how.hdr_len_mask);
  header.rest[0].store(0);
  header.rest[1].store(0);
  bsp::sync_for_device({start, length + sizeof(Words)});
  how.slots[batch.token()] = {request.cookie, static_cast<std::uint32_t>(length)};
  batch.template add<false>(raw(frame.bus) - sizeof(Words), length + sizeof(Words));
  return true;
}

/// One request of any kind. False, and counted, if it is not taken.
template <class Ring> [[gnu::noinline]] bool VirtioNet::queue_checked(Ring& ring, const TxRequest& request) {
  if (!check_request(request)) {
    stats_.tx_errors++;
    return false;
  }
  if (queue_request(ring, request)) return true;
  stats_.tx_ring_full++;
  return false;
}

template <class Ring>
[[gnu::noinline]] std::size_t VirtioNet::send_on(Ring& ring, const TxRequest* requests, std::size_t count) {
  if (!takes_requests()) return 0;
  std::size_t taken = 0;
  while (taken != count) {
    PlainSend how = plain_send();
    auto batch = ring.begin_add(count - taken);
    for (const TxRequest* request = requests + taken; batch.room() && queue_plain(batch, *request, how);)
      request++;
    const std::size_t plain = ring.end_add(batch);
    taken += plain;
    if (plain != 0) continue;
    if (!queue_checked(ring, requests[taken])) break;
    taken++;
  }
  kick(tx_, ring.publish());
  return taken;
}

/// A batch of one, without the loop.
template <class Ring>
[[gnu::always_inline]] inline std::size_t VirtioNet::send_one(Ring& ring, const TxRequest& request) {
  auto batch = ring.begin_add(1);
  if (!batch.room() || !queue_plain(batch, request, plain_send())) return send_on(ring, &request, 1);
  static_cast<void>(ring.end_add(batch));
  kick(tx_, ring.publish_added());
  return 1;
}

std::size_t VirtioNet::send_single(const TxRequest& request) {
  return tx_.ring.visit([this, &request](auto& ring) { return send_one(ring, request); });
}

std::size_t VirtioNet::send_several(const TxRequest* requests, std::size_t count) {
  return tx_.ring.visit([=, this](auto& ring) { return send_on(ring, requests, count); });
}

// ---- reclaiming
// --------------------------------------------------------------------------------------------------------

// used.len says nothing on transmit (5.1.6.1, 2.7.8.1).
bool VirtioNet::complete(const Used& used, TxCompletion& out) {
  const TxSlot& slot = tx_slots_[used.token];
  stats_.tx_packets++;
  stats_.tx_bytes += slot.bytes;
  out = {slot.cookie, true};
  if (slot.cookie != own_cookie) return true;
  announcement_in_flight_ = false;
  return false;
}

/// Gives back what most chains are: one descriptor, and none of them the driver's own.
template <class Ring> inline std::size_t VirtioNet::reclaim_plain(Ring& ring, TxCompletion* out, std::size_t most) {
  const TxSlot* const slots = tx_slots_.data();
  std::uint64_t bytes = 0;
  auto batch = ring.template begin_take<false>(announcement_in_flight_ ? 0 : most);
  while (batch.next() && batch.wrong() == 0) {
    const TxSlot& slot = slots[batch.token()];
    *out++ = {slot.cookie, true};
    bytes += slot.bytes;
    batch.take();
  }
  const std::size_t done = ring.end_take(batch);
  stats_.tx_packets += done;
  stats_.tx_bytes += bytes;
  return done;
}

template <class Ring>
[[gnu::noinline]] std::size_t VirtioNet::reclaim_from(Ring& ring, TxCompletion* out, std::size_t most) {
  std::size_t done = 0;
  for (Used used;;) {
    const std::size_t plain = reclaim_plain(ring, out + done, most - done);
    done += plain;
    if (done == most || !ring.used_pending()) break;
    if (plain != 0) continue; // that was the end of the ring, or what comes now is not plain
    if (ring.take_used({&used, 1}) == 0) break;
    if (complete(used, out[done])) done++;
  }
  if (ring.broken()) note_fault(tx_);
  return done;
}

std::size_t VirtioNet::reclaim(std::span<TxCompletion> out) {
  std::size_t done = 0;
  if (finished_count_ != 0) {
    while (done < out.size() && finished_count_ != 0)
      out[done++] = finished_[--finished_count_];
    limit_plain();
  }
  if (state_ != State::live) return done;
  return done + tx_.ring.visit([&](auto& ring) { return reclaim_from(ring, out.data() + done, out.size() - done); });
}

std::size_t VirtioNet::tx_in_flight() const {
  return finished_count_ + tx_.ring.chains_in_flight() - (announcement_in_flight_ ? 1 : 0);
}

// ---- before idling
// -----------------------------------------------------------------------------------------------------

bool VirtioNet::work_pending() const {
  const std::uint64_t now = bsp::clock::now_ticks();
  if (state_ == State::recovering) return now >= recover_not_before_;
  if (state_ != State::live) return false;
  return (can_receive() && rx_.ring.used_pending()) || event_due(now);
}

inline bool VirtioNet::event_due(std::uint64_t now) const {
  return (irq_.config_change.load(std::memory_order_relaxed) && now >= config_not_before_) || now >= announce_at_;
}

bsp::Deadline VirtioNet::next_wake() const {
  if (state_ == State::recovering) return bsp::Deadline::at_ticks(recover_not_before_);
  if (state_ != State::live) return bsp::Deadline::never();
  std::uint64_t at = std::min(announce_at_, watch_due());
  if (status_owed_) at = std::min(at, status_not_before_);
  if (irq_.config_change.load(std::memory_order_relaxed)) at = std::min(at, config_not_before_);
  return bsp::Deadline::at_ticks(at);
}

bool VirtioNet::prepare_idle(bool for_completions) {
  if (state_ != State::live) return work_pending();
  if (can_receive() && rx_.ring.request_interrupt()) return true;
  const std::uint16_t in_flight = tx_.ring.chains_in_flight();
  // With no receive buffer at the device only a completion can bring work.
  const bool wants_completions = in_flight != 0 && (for_completions || rx_.ring.chains_in_flight() == 0);
  if (wants_completions) {
    // One interrupt when most of the ring is done keeps the ring busy while this hart wakes up.
    const auto after = static_cast<std::uint16_t>(std::max(1, in_flight - in_flight / 4));
    if (tx_.ring.request_interrupt(after)) return true;
  }
  // A register read orders this hart's stores before its next looks on every machine, also where a fence is not enough.
  // It tells about NEEDS_RESET too, should the interrupt for it be lost. It costs more than all the rest of a short
  // sleep, so a hart that sleeps often and only until a frame comes does it now and then, and wakes up for it once more
  // if a notification may be due.
  const std::uint64_t now = bsp::clock::now_ticks();
  if (now < status_not_before_ && !wants_completions) {
    bsp::barrier::before_suppression_check();
    status_owed_ = rx_.ring.unannounced() || tx_.ring.unannounced(); // what the device may have to be told of yet
  } else {
    status_owed_ = false;
    status_not_before_ = now + bsp::clock::us_to_ticks(status_pause_us);
    if ((transport_.status() & virtio::status::needs_reset) != 0) {
      irq_.config_change.store(true, std::memory_order_relaxed);
      return true;
    }
  }
  for (Queue* queue : {&rx_, &tx_}) {
    const std::optional<std::uint32_t> missed = queue->ring.recheck_notification();
    if (missed) stats_.rekicks++;
    kick(*queue, missed);
  }
  if (event_due(now)) return true;
  // From here on a used receive buffer without an interrupt is a lost interrupt.
  irq_.used_buffer.store(false, std::memory_order_relaxed);
  interrupts_armed_ = true;
  return false;
}

} // namespace net
