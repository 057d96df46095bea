// SPDX-License-Identifier: BSD-2-Clause
// Receiving (VIRTIO 1.3, 5.1.6.3 and 5.1.6.4): buffers to the device, used buffers to frames, frames to the consumer
// and back. A frame takes one buffer, or, with MRG_RXBUF, as many as the header of its first one says.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "bsp/cpu.hpp"
#include "bsp/in_register.hpp"
#include "bsp/panic.hpp"
#include "bsp/shared.hpp"
#include "drivers/net/virtio_net.hpp"

namespace net {

using virtio::Feature;
using virtio::Piece;
using virtio::Used;
using virtio_net::Header;

namespace {

/// A received header, its flags and gso_type for one look.
struct HeaderWords {
  bsp::le16 flags_type;
  bsp::le16 other[4];
  bsp::le16 num_buffers;
};
static_assert(sizeof(HeaderWords) == sizeof(Header) && offsetof(Header, flags) == 0 &&
              offsetof(Header, gso_type) == 1 && offsetof(Header, num_buffers) == offsetof(HeaderWords, num_buffers));

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
  if (!causes.used_buffer) return;
  irq_.used_buffer.store(true, std::memory_order_relaxed);
  // A used-buffer cause speaks for every queue (4.2.3.4.1): they stay quiet until prepare_idle() asks again.
  if (state_ == State::live) {
    rx_.ring.suppress_interrupts();
    tx_.ring.suppress_interrupts();
    if (control_.usable()) control_.ring().suppress_interrupts();
  }
}

// ---- buffers to the device
// ---------------------------------------------------------------------------------------------

bool VirtioNet::post_buffer(std::uint16_t buffer) {
  const std::size_t offset = buffer * rx_buffer_bytes_;
  const bsp::BusAddress start = rx_memory_.bus(offset);
  const auto length = static_cast<std::uint32_t>(rx_buffer_bytes_);
  bsp::sync_for_device(rx_memory_.bytes().subspan(offset, length));
  std::optional<virtio::Token> token;
  if (split_header_) {
    const Piece pieces[] = {{start, header_size_}, {start + header_size_, length - header_size_}};
    token = rx_.ring.add({}, pieces);
  } else {
    const Piece piece{start, length};
    token = rx_.ring.add({}, {&piece, 1});
  }
  if (!token) return false;
  rx_buffer_of_[*token] = buffer;
  rx_buffers_[buffer] = {BufferOwner::device, *token};
  return true;
}

void VirtioNet::post_all_buffers() {
  for (std::uint16_t buffer = 0; buffer < rx_buffer_count_; buffer++)
    if (rx_buffers_[buffer].owner == BufferOwner::nobody && !post_buffer(buffer)) return;
}

// ---- used buffers to frames
// --------------------------------------------------------------------------------------------

bool VirtioNet::reject(std::uint64_t NetStats::*cause) {
  stats_.*cause += 1;
  stats_.rx_errors++;
  return false;
}

/// The rest of what the header says, each field once. False if it cannot be, its cause counted.
bool VirtioNet::read_header(const std::byte* start, const HeaderStart& seen, RxFrame& frame) {
  const auto& header = *reinterpret_cast<const Header*>(start);
  const auto flags = static_cast<std::uint8_t>(seen.flags_type); // unknown bits are ignored (5.1.6.4.2)
  const auto type = static_cast<std::uint8_t>(seen.flags_type >> 8);
  if (accepted_.has(Feature::net_hash_report)) {
    const auto& hash = *reinterpret_cast<const virtio_net::HashReport*>(start + sizeof(Header));
    const std::uint16_t report = hash.report.load();
    frame.hash_report = report <= UINT8_MAX ? static_cast<std::uint8_t>(report) : std::uint8_t{0};
    frame.hash = frame.hash_report == 0 ? 0 : hash.value.load(); // no meaning without a report (5.1.6.4.5)
  }
  if ((flags | type) == 0) return true;
  if (type != virtio_net::gso_none) {
    const std::optional<Gso> gso = received_gso(type, accepted_);
    if (!gso) return reject(&NetStats::rx_gso_invalid);
    frame.gso = *gso;
    frame.ecn = (type & virtio_net::gso_ecn) != 0;
    frame.gso_size = header.gso_size.load();
  }
  // Without GUEST_CSUM the flags mean nothing, and the consumer checks for itself.
  if (!accepted_.has(Feature::net_guest_csum)) return true;
  // A frame with a tunnel bit was rejected already; without one this pair must not be accepted (VIRTIO 1.4, 5.1.9.4.2).
  constexpr std::uint8_t tunnel_checksum = virtio_net::flag_needs_csum | virtio_net::flag_udp_tunnel_csum;
  if ((flags & tunnel_checksum) == tunnel_checksum) return reject(&NetStats::rx_checksum_invalid);
  if ((flags & virtio_net::flag_rsc_info) != 0) { // negotiated or not, they are no checksum's place then (5.1.6.4.2)
    if (accepted_.has(Feature::net_rsc_ext)) {
      frame.coalesced_segments = header.csum_start.load();
      frame.duplicate_acks = header.csum_offset.load();
    }
  } else if ((flags & virtio_net::flag_needs_csum) != 0) {
    frame.checksum = Checksum::partial;
    frame.csum_start = header.csum_start.load();
    frame.csum_offset = header.csum_offset.load();
    return true;
  }
  if ((flags & virtio_net::flag_data_valid) != 0) frame.checksum = Checksum::valid;
  return true;
}

/// The checks that need the whole frame. False if it is not to be delivered, its cause counted.
bool VirtioNet::finish_frame(RxFrame& frame) {
  if (frame.length < ethernet_header_size) return reject(&NetStats::rx_frame_short);
  if (frame.length > rx_frame_limit_) return reject(&NetStats::rx_frame_long);
  if (frame.checksum == Checksum::partial &&
      std::uint32_t{frame.csum_start} + frame.csum_offset + sizeof(std::uint16_t) > frame.length)
    return reject(&NetStats::rx_checksum_invalid);
  stats_.rx_packets++;
  stats_.rx_bytes += frame.length;
  return true;
}

/// The first buffer of a frame, which holds its header; `seen` is what was read of it before, if it was.
bool VirtioNet::start_frame(std::uint16_t buffer, std::uint32_t length, const std::optional<HeaderStart>& seen,
                            RxFrame& out) {
  std::byte* const start = rx_memory_.data() + buffer * rx_buffer_bytes_;
  bsp::sync_for_cpu({start, length});
  out = RxFrame{};
  out.first = {start + header_size_, rx_memory_.bus(buffer * rx_buffer_bytes_ + header_size_), length - header_size_};
  out.length = out.first.length;
  out.buffer = buffer;
  out.headroom = header_size_; // its own header's bytes are read by then
  const auto& header = *reinterpret_cast<const HeaderWords*>(start);
  const HeaderStart head =
      seen ? *seen : HeaderStart{header.flags_type.load(), mergeable_ ? header.num_buffers.load() : std::uint16_t{1}};
  const std::uint16_t buffers = head.buffers;
  if (buffers == 0) return reject(&NetStats::rx_num_buffers_invalid);
  if (buffers - 1U > rx_.ring.chains_in_flight()) {
    start_recovery("num_buffers impossible"); // where the next frame starts is unknown
    return reject(&NetStats::rx_num_buffers_invalid);
  }
  const bool fine = read_header(start, head, out);
  if (buffers == 1) {
    if (!fine || !finish_frame(out)) return false;
    rx_buffers_[buffer].owner = BufferOwner::consumer;
    return true;
  }
  assembly_ = {.frame = out, .missing = static_cast<std::uint16_t>(buffers - 1), .since = bsp::clock::now_ticks()};
  if (!fine) return false; // without a block: what belongs to it is passed over
  if (assembly_.missing > SegmentBlock::max_segments) return reject(&NetStats::rx_frame_long);
  if (free_block_count_ == 0) { // only in harvest(): receive() takes no more than there are blocks for
    stats_.rx_dropped++;
    return false;
  }
  assembly_.block = &blocks_[free_blocks_[--free_block_count_]];
  rx_buffers_[buffer].owner = BufferOwner::consumer; // held until the frame is whole
  return false;
}

/// One more buffer of the frame in assembly_; true once it is whole and fine.
bool VirtioNet::continue_frame(std::uint16_t buffer, std::uint32_t length, RxFrame& out) {
  assembly_.missing--;
  if (assembly_.block == nullptr) return false; // being dropped
  std::byte* const start = rx_memory_.data() + buffer * rx_buffer_bytes_;
  bsp::sync_for_cpu({start, length});
  assembly_.block->segments[assembly_.count++] = {start, rx_memory_.bus(buffer * rx_buffer_bytes_), length};
  assembly_.frame.length += length;
  rx_buffers_[buffer].owner = BufferOwner::consumer;
  if (assembly_.missing != 0) return false;
  if (!finish_frame(assembly_.frame)) {
    drop_assembly();
    return false;
  }
  out = assembly_.frame;
  out.more = {assembly_.block->segments.data(), assembly_.count};
  assembly_ = {};
  return true;
}

/// Forgets a frame that is not whole; its buffers are nobody's then.
void VirtioNet::drop_assembly() {
  if (assembly_.block != nullptr) {
    rx_buffers_[assembly_.frame.buffer].owner = BufferOwner::nobody;
    for (std::uint16_t i = 0; i < assembly_.count; i++)
      rx_buffers_[buffer_of(assembly_.block->segments[i])].owner = BufferOwner::nobody;
    free_blocks_[free_block_count_++] = static_cast<std::uint8_t>(assembly_.block - blocks_.data());
  }
  assembly_ = {};
}

std::uint16_t VirtioNet::buffer_of(const Segment& segment) const {
  return static_cast<std::uint16_t>(static_cast<std::size_t>(segment.data - rx_memory_.data()) / rx_buffer_bytes_);
}

/// True if the used buffer completes a frame, which is in `out` then. The buffer is nobody's unless a frame holds it.
bool VirtioNet::take_buffer(const Used& used, const std::optional<HeaderStart>& seen, RxFrame& out) {
  const std::uint16_t buffer = rx_buffer_of_[used.token];
  rx_buffers_[buffer].owner = BufferOwner::nobody;
  const bool first = assembly_.missing == 0;
  const std::uint32_t least = first ? header_size_ : 1U;
  // A length that cannot be says that the device does not know what it wrote where: start over with it.
  if (used.length > used.writable || used.length < least) {
    start_recovery("used length impossible");
    drop_assembly();
    return reject(used.length < least ? &NetStats::rx_length_under_header : &NetStats::rx_length_over_buffer);
  }
  return first ? start_frame(buffer, used.length, seen, out) : continue_frame(buffer, used.length, out);
}

/// What most frames are: one buffer, and nothing in the header. Stops before the first that is anything else; if its
/// header said so, `seen` holds what was read of it.
template <class Ring>
[[gnu::noinline]] std::size_t VirtioNet::receive_plain(Ring& ring, std::span<RxFrame> out,
                                                       std::optional<HeaderStart>& seen) {
  if (has_hash_ || assembly_.missing != 0) return 0;
  RxBuffer* const buffers = rx_buffers_.data();
  const std::uint16_t* const buffer_of_token = rx_buffer_of_.data();
  std::byte* const memory = rx_memory_.data();
  const std::uint64_t to_bus = raw(rx_memory_.bus()) - reinterpret_cast<std::uintptr_t>(memory);
  const std::size_t buffer_bytes = rx_buffer_bytes_;
  const std::size_t header_size = header_size_;
  // What is longer than its buffer is too long for this, too.
  const std::size_t room = std::min(rx_frame_limit_, buffer_bytes - header_size) - ethernet_header_size;
  const bool mergeable = mergeable_;
  RxFrame* frame = out.data();
  std::uint64_t bytes = 0;
  const std::size_t count = ring.template take_each<true>(out.size(), [&](std::size_t token, std::size_t used_length) {
    const std::size_t length = used_length - header_size;
    if (length - ethernet_header_size > room) return false; // also if it is shorter than that
    const std::size_t buffer = buffer_of_token[token];
    std::byte* const start = memory + buffer * buffer_bytes;
    bsp::sync_for_cpu({start, used_length});
    const auto& header = *reinterpret_cast<const HeaderWords*>(start);
    const std::uint64_t flags_type = header.flags_type.load_wide();
    const std::uint64_t number = mergeable ? header.num_buffers.load_wide() : 1;
    if (flags_type != 0 || number != 1) {
      seen = {static_cast<std::uint16_t>(flags_type), static_cast<std::uint16_t>(number)};
      return false;
    }
    buffers[buffer].owner = BufferOwner::consumer_keeping;
    frame->first.data = start + header_size;
    frame->first.bus = bsp::BusAddress{reinterpret_cast<std::uintptr_t>(start + header_size) + to_bus};
    frame->first.length = static_cast<std::uint32_t>(length);
    frame->length = static_cast<std::uint32_t>(length);
    frame->more = {};
    frame->buffer = static_cast<std::uint16_t>(buffer);
    frame->headroom = static_cast<std::uint16_t>(header_size);
    // Nothing is known beside: the rest is zero. GCC 12 does not merge these stores by itself.
    constexpr std::size_t known = offsetof(RxFrame, checksum);
    static_assert(known % alignof(RxFrame) == 0);
    std::memset(__builtin_assume_aligned(&frame->checksum, alignof(RxFrame)), 0, sizeof *frame - known);
    frame++;
    bytes += length;
    return true;
  });
  stats_.rx_packets += count;
  stats_.rx_bytes += bytes;
  return count;
}

/// One used buffer of any kind. False if there is none that can be taken; `frames` counts what it completes.
template <class Ring>
[[gnu::noinline]] bool VirtioNet::receive_any(Ring& ring, const std::optional<HeaderStart>& seen, RxFrame& out,
                                              std::size_t& frames) {
  Used used;
  if (!can_receive() || ring.take_used({&used, 1}) == 0) return false;
  if (take_buffer(used, seen, out)) frames++;
  return true;
}

template <class Ring> std::size_t VirtioNet::receive_from(Ring& ring, std::span<RxFrame> out) {
  std::size_t frames = 0;
  std::size_t others = 0;
  for (; state_ == State::live; others++) {
    std::optional<HeaderStart> seen;
    frames += receive_plain(ring, out.subspan(frames), seen);
    // Bounded by the ring: a device that keeps on giving bad entries does not keep us here.
    if (frames == out.size() || frames + others >= ring.size() || !ring.used_pending()) break;
    if (!receive_any(ring, seen, out[frames], frames)) break;
  }
  if (others != 0 || ring.broken()) settle_receive();
  return frames;
}

/// After buffers that were no plain frames: rejected ones go straight back.
[[gnu::noinline]] void VirtioNet::settle_receive() {
  if (rx_.ring.broken() && state_ == State::live) note_fault(rx_);
  if (state_ == State::live) {
    post_all_buffers();
    kick(rx_, rx_.ring.publish());
    return;
  }
  for (Used used; rx_.ring.take_used({&used, 1}) != 0; stats_.rx_dropped++) // the device's word counts no more
    rx_buffers_[rx_buffer_of_[used.token]].owner = BufferOwner::nobody;
}

std::size_t VirtioNet::receive(std::span<RxFrame> out) {
  stats_.polls++;
  if (state_ != State::live) return 0;
  return rx_.ring.visit([&](auto& ring) { return receive_from(ring, out); });
}

// ---- frames back
// -------------------------------------------------------------------------------------------------------

void VirtioNet::give_back(std::uint16_t buffer) {
  const BufferOwner owner = buffer < rx_buffer_count_ ? rx_buffers_[buffer].owner : BufferOwner::nobody;
  if (owner != BufferOwner::consumer && owner != BufferOwner::consumer_keeping)
    PANIC("net: a frame was released that was not received");
  rx_buffers_[buffer].owner = BufferOwner::nobody;
  // No room is possible only after a reset that made the ring smaller: then the ring is full without this buffer.
  if (state_ == State::live) (void)post_buffer(buffer);
}

void VirtioNet::free_block(const RxFrame& frame) {
  const auto offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(frame.more.data()) -
                                               reinterpret_cast<const std::byte*>(blocks_.data()));
  if (offset % sizeof(SegmentBlock) != 0 || offset / sizeof(SegmentBlock) >= blocks_.size())
    PANIC("net: a frame was released whose segments are not the driver's");
  free_blocks_[free_block_count_++] = static_cast<std::uint8_t>(offset / sizeof(SegmentBlock));
}

/// Gives back what most frames are: one buffer, whose chain was kept. Stops at the first that is anything else.
template <class Ring>
[[gnu::always_inline]] inline std::size_t VirtioNet::post_plain(Ring& ring, std::span<const RxFrame> frames) {
  RxBuffer* const buffers = rx_buffers_.data();
  const std::size_t buffer_count = rx_buffer_count_;
  const std::size_t bytes = rx_buffer_bytes_;
  std::byte* const start = rx_memory_.data();
  const std::uint64_t bus = raw(rx_memory_.bus());
  const RxFrame* frame = frames.data();
  return ring.template again_each<true>(frames.size(),
                                        [&](std::size_t& token, std::uint64_t& address, std::uint64_t& length) {
                                          const std::size_t buffer = frame->buffer;
                                          if (!frame->more.empty() || buffer >= buffer_count) return false;
                                          RxBuffer& entry = buffers[buffer];
                                          if (entry.owner != BufferOwner::consumer_keeping) return false;
                                          bsp::sync_for_device({start + buffer * bytes, bytes});
                                          entry.owner = BufferOwner::device;
                                          token = bsp::in_register(entry.token);
                                          address = bus + buffer * bytes;
                                          length = bytes;
                                          frame++;
                                          return true;
                                        });
}

void VirtioNet::release_one(const RxFrame& frame) {
  give_back(frame.buffer);
  if (frame.more.empty()) return;
  for (const Segment& segment : frame.more)
    give_back(buffer_of(segment));
  free_block(frame);
}

void VirtioNet::release(std::span<const RxFrame> frames) {
  if (state_ != State::live) {
    for (const RxFrame& frame : frames)
      release_one(frame);
    return;
  }
  rx_.ring.visit([&](auto& ring) {
    for (std::size_t done = 0;; done++) {
      done += post_plain(ring, frames.subspan(done));
      if (done == frames.size()) break;
      release_one(frames[done]);
    }
    kick(rx_, ring.publish());
  });
}

// Frames that no consumer saw; their buffers are posted with the next ones.
void VirtioNet::give_back_to_nobody(const RxFrame& frame) {
  rx_buffers_[frame.buffer].owner = BufferOwner::nobody;
  if (frame.more.empty()) return;
  for (const Segment& segment : frame.more)
    rx_buffers_[buffer_of(segment)].owner = BufferOwner::nobody;
  free_block(frame);
}

} // namespace net
