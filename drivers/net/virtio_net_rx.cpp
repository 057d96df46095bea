// SPDX-License-Identifier: BSD-2-Clause
// Receiving (VIRTIO 1.3, 5.1.6.3 and 5.1.6.4): buffers to the device, used buffers to frames, frames to the consumer
// and back. A frame takes one buffer, or, with MRG_RXBUF, as many as the header of its first one says.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

#include "bsp/panic.hpp"
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

/// Of a plain frame all fields are zero that say whether others mean something, but for the headroom among them.
constexpr std::size_t plain_from = offsetof(RxFrame, more_count);
static_assert(plain_from % alignof(RxFrame) == 0 &&
              offsetof(RxFrame, csum_start) == plain_from + sizeof(std::uint64_t) &&
              std::endian::native == std::endian::little && Checksum::none == Checksum{} && Gso::none == Gso{});

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
  const std::size_t offset = buffer * rx_stride_;
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
  rx_starts_[*token] = rx_memory_.data() + offset;
  rx_owners_[buffer] = BufferOwner::chain;
  return true;
}

void VirtioNet::post_all_buffers() {
  for (std::uint16_t buffer = 0; buffer < rx_buffer_count_; buffer++)
    if (rx_owners_[buffer] == BufferOwner::nobody && !post_buffer(buffer)) return;
}

// ---- used buffers to frames
// --------------------------------------------------------------------------------------------

bool VirtioNet::reject(std::uint64_t NetStats::*cause) {
  stats_.*cause += 1;
  stats_.rx_errors++;
  return false;
}

/// The rest of what the header says, each field once. False if it cannot be, its cause counted.
[[gnu::cold]] bool VirtioNet::read_header(const std::byte* start, const FrameKind& kind, RxFrame& frame) {
  const auto& header = *reinterpret_cast<const Header*>(start);
  const auto flags = static_cast<std::uint8_t>(kind.flags_type); // unknown bits are ignored (5.1.6.4.2)
  const auto type = static_cast<std::uint8_t>(kind.flags_type >> 8);
  if (header_size_ == virtio_net::hash_header_size) {
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
[[gnu::cold]] bool VirtioNet::finish_frame(RxFrame& frame) {
  const std::uint32_t length = frame.length();
  if (length < ethernet_header_size) return reject(&NetStats::rx_frame_short);
  if (length > rx_frame_limit_) return reject(&NetStats::rx_frame_long);
  if (frame.checksum == Checksum::partial &&
      std::uint32_t{frame.csum_start} + frame.csum_offset + sizeof(std::uint16_t) > length)
    return reject(&NetStats::rx_checksum_invalid);
  stats_.rx_packets++;
  stats_.rx_bytes += length;
  return true;
}

/// The first buffer of a frame, which holds its header; `kind` is what was read of it before, if it was.
[[gnu::cold]] bool VirtioNet::start_frame(std::uint16_t buffer, std::uint32_t length,
                                          const std::optional<FrameKind>& kind, RxFrame& out) {
  std::byte* const start = rx_memory_.data() + buffer * rx_stride_;
  bsp::sync_for_cpu({start, length});
  out = RxFrame{};
  out.first = {start + header_size_, rx_memory_.bus(buffer * rx_stride_ + header_size_), length - header_size_};
  out.headroom = static_cast<std::uint8_t>(header_size_); // its own header's bytes are read by then
  const auto& header = *reinterpret_cast<const HeaderWords*>(start);
  const FrameKind head =
      kind ? *kind : FrameKind{header.flags_type.load(), mergeable_ ? header.num_buffers.load() : std::uint16_t{1}};
  const std::uint16_t buffers = head.num_buffers;
  if (buffers == 0) return reject(&NetStats::rx_num_buffers_invalid);
  if (buffers - 1U > rx_.ring.chains_in_flight()) {
    start_recovery("num_buffers impossible"); // where the next frame starts is unknown
    return reject(&NetStats::rx_num_buffers_invalid);
  }
  const bool fine = read_header(start, head, out);
  if (buffers == 1) {
    if (!fine || !finish_frame(out)) return false;
    rx_owners_[buffer] = BufferOwner::consumer;
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
  rx_owners_[buffer] = BufferOwner::consumer; // held until the frame is whole
  return false;
}

/// One more buffer of the frame in assembly_; true once it is whole and fine.
[[gnu::cold]] bool VirtioNet::continue_frame(std::uint16_t buffer, std::uint32_t length, RxFrame& out) {
  assembly_.missing--;
  if (assembly_.block == nullptr) return false; // being dropped
  std::byte* const start = rx_memory_.data() + buffer * rx_stride_;
  bsp::sync_for_cpu({start, length});
  assembly_.block->segments[assembly_.count++] = {start, rx_memory_.bus(buffer * rx_stride_), length};
  rx_owners_[buffer] = BufferOwner::consumer;
  if (assembly_.missing != 0) return false;
  assembly_.frame.set_more({assembly_.block->segments.data(), assembly_.count});
  if (!finish_frame(assembly_.frame)) {
    drop_assembly();
    return false;
  }
  out = assembly_.frame;
  assembly_ = {};
  return true;
}

/// Forgets a frame that is not whole; its buffers are nobody's then.
[[gnu::cold]] void VirtioNet::drop_assembly() {
  if (assembly_.block != nullptr) {
    rx_owners_[buffer_at(assembly_.frame.first.data)] = BufferOwner::nobody;
    for (std::uint16_t i = 0; i < assembly_.count; i++)
      rx_owners_[buffer_at(assembly_.block->segments[i].data)] = BufferOwner::nobody;
    free_blocks_[free_block_count_++] = static_cast<std::uint8_t>(assembly_.block - blocks_.data());
  }
  assembly_ = {};
}

std::size_t VirtioNet::buffer_at(const std::byte* data) const {
  return (reinterpret_cast<std::uintptr_t>(data) - reinterpret_cast<std::uintptr_t>(rx_memory_.data())) / rx_stride_;
}

/// True if the used buffer completes a frame, which is in `out` then. The buffer is nobody's unless a frame holds it.
[[gnu::cold]] bool VirtioNet::take_buffer(const Used& used, const std::optional<FrameKind>& kind, RxFrame& out) {
  const auto buffer = static_cast<std::uint16_t>(buffer_at(rx_starts_[used.token]));
  rx_owners_[buffer] = BufferOwner::nobody;
  const bool first = assembly_.missing == 0;
  const std::uint32_t least = first ? header_size_ : 1U;
  // A length that cannot be says that the device does not know what it wrote where: start over with it.
  if (used.length > used.writable || used.length < least) {
    start_recovery("used length impossible");
    drop_assembly();
    return reject(used.length < least ? &NetStats::rx_length_under_header : &NetStats::rx_length_over_buffer);
  }
  return first ? start_frame(buffer, used.length, kind, out) : continue_frame(buffer, used.length, out);
}

/// What most frames are: one buffer, and nothing in the header. Stops before the first that is anything else; `kind`
/// holds what was read of its header then.
template <class Ring>
[[gnu::noinline]] std::size_t VirtioNet::receive_plain(Ring& ring, RxFrame* out, std::size_t most,
                                                       std::optional<FrameKind>& kind) {
  if (header_size_ == virtio_net::hash_header_size || assembly_.missing != 0 || !can_receive()) return 0;
  std::byte* const* const starts = rx_starts_.data();
  const std::uint64_t to_bus = raw(rx_memory_.bus()) - reinterpret_cast<std::uintptr_t>(rx_memory_.data());
  const std::size_t header_size = header_size_;
  // What is longer than its buffer is too long for this, too.
  const std::size_t room = std::min(rx_frame_limit_, rx_buffer_bytes_ - header_size) - ethernet_header_size;
  // Without MRG_RXBUF the field may be anything, and may be no field.
  const std::uint64_t number_mask = mergeable_ ? UINT16_MAX : 0;
  const std::uint64_t handles = rx_handle_base_;
  const std::uint64_t headroom = std::uint64_t{header_size} << 8 * (offsetof(RxFrame, headroom) - plain_from);
  RxFrame* frame = out;
  std::uint64_t bytes = 0;
  auto batch = ring.template begin_take<true>(most);
  while (batch.next()) {
    const std::uint64_t used_length = batch.length();
    const std::size_t length = used_length - header_size;
    const std::uint64_t bad_length = length - ethernet_header_size > room ? 1 : 0; // also if it is shorter than that
    std::byte* const start = starts[batch.token()];                                // of some buffer at least
    bsp::sync_for_cpu({start, header_size});
    const auto& header = *reinterpret_cast<const HeaderWords*>(start);
    const std::uint64_t flags_type = header.flags_type.load_wide();
    const std::uint64_t others = (header.num_buffers.load_wide() - 1) & number_mask;
    if ((batch.wrong() | bad_length | flags_type | others) != 0) {                             // one branch for all
      kind = {static_cast<std::uint16_t>(flags_type), static_cast<std::uint16_t>(others + 1)}; // never read again
      break;
    }
    bsp::sync_for_cpu({start, used_length});
    frame->first.data = start + header_size;
    frame->first.bus = bsp::BusAddress{reinterpret_cast<std::uintptr_t>(start + header_size) + to_bus};
    frame->first.length = static_cast<std::uint32_t>(length);
    frame->handle = handles + batch.token();
    // Nothing more is known of it. GCC 12 does not merge these stores by itself.
    std::memcpy(__builtin_assume_aligned(reinterpret_cast<std::byte*>(frame) + plain_from, alignof(RxFrame)), &headroom,
                sizeof headroom);
    batch.take();
    frame++;
    bytes += length;
  }
  const std::size_t count = ring.end_take(batch);
  stats_.rx_packets += count;
  stats_.rx_bytes += bytes;
  return count;
}

inline std::size_t VirtioNet::receive_some(std::span<RxFrame> out, std::optional<FrameKind>& kind) {
  return rx_.ring.visit([&](auto& ring) { return receive_plain(ring, out.data(), out.size(), kind); });
}

/// One used buffer of any kind. False if that was the last for now; `frames` counts what it completes, `unsettled` says
/// that settle_receive() has to look.
[[gnu::cold]] bool VirtioNet::receive_any(const std::optional<FrameKind>& kind, RxFrame& out, std::size_t& frames,
                                          bool& unsettled) {
  Used used;
  if (!can_receive() || rx_.ring.take_used({&used, 1}) == 0) {
    unsettled = true;
    return false;
  }
  if (take_buffer(used, kind, out))
    frames++;
  else if (assembly_.block == nullptr)
    unsettled = true; // it was not kept for a frame either
  return state_ == State::live;
}

/// What is behind `plain` frames taken, if they are not all that was wanted.
[[gnu::cold]] std::size_t VirtioNet::receive_rest(std::span<RxFrame> out, std::size_t plain,
                                                  std::optional<FrameKind> kind) {
  std::size_t frames = plain;
  std::size_t others = 0;
  bool unsettled = false;
  while (frames != out.size() && rx_.ring.used_pending()) {
    // With plain ones before it and of no kind, that was the end of the ring. Else bounded by the ring: a device that
    // keeps on giving bad entries does not keep us here.
    if ((plain == 0 || kind) && (++others > rx_.ring.size() || !receive_any(kind, out[frames], frames, unsettled)))
      break;
    kind.reset();
    plain = receive_some(out.subspan(frames), kind);
    frames += plain;
  }
  if (unsettled) settle_receive();
  return frames;
}

/// After what was no frame: rejected buffers go straight back.
[[gnu::cold]] void VirtioNet::settle_receive() {
  if (rx_.ring.broken() && state_ == State::live) note_fault(rx_);
  if (state_ == State::live) {
    post_all_buffers();
    kick(rx_, rx_.ring.publish());
    return;
  }
  for (Used used; rx_.ring.take_used({&used, 1}) != 0; stats_.rx_dropped++) // the device's word counts no more
    rx_owners_[buffer_at(rx_starts_[used.token])] = BufferOwner::nobody;
}

std::size_t VirtioNet::receive(std::span<RxFrame> out) {
  stats_.polls++;
  if (state_ != State::live) return 0;
  std::optional<FrameKind> kind;
  const std::size_t plain = receive_some(out, kind);
  if (plain == out.size() || !rx_.ring.used_pending()) return plain;
  return receive_rest(out, plain, kind);
}

// ---- frames back
// -------------------------------------------------------------------------------------------------------

/// Whether the chain of a plain frame waits for it in the ring as it is now.
bool VirtioNet::keeps_chain(const RxFrame& frame) const {
  return rx_.ring.is_kept(frame.handle - rx_handle_base_);
}

[[gnu::cold]] void VirtioNet::give_back(std::size_t buffer, BufferOwner owner) {
  if (buffer >= rx_buffer_count_ || rx_owners_[buffer] != owner)
    PANIC("net: a frame was released that was not received");
  rx_owners_[buffer] = BufferOwner::nobody;
  // No room is possible only after a reset that made the ring smaller: then the ring is full without this buffer.
  if (state_ == State::live) (void)post_buffer(static_cast<std::uint16_t>(buffer));
}

void VirtioNet::free_block(const RxFrame& frame) {
  const auto offset = static_cast<std::size_t>(reinterpret_cast<const std::byte*>(frame.more_segments) -
                                               reinterpret_cast<const std::byte*>(blocks_.data()));
  if (offset % sizeof(SegmentBlock) != 0 || offset / sizeof(SegmentBlock) >= blocks_.size())
    PANIC("net: a frame was released whose segments are not the driver's");
  free_blocks_[free_block_count_++] = static_cast<std::uint8_t>(offset / sizeof(SegmentBlock));
}

/// Gives back what most frames are: one buffer, whose chain was kept. Stops at the first that is anything else.
template <class Ring>
[[gnu::always_inline]] inline std::size_t VirtioNet::post_plain(Ring& ring, std::span<const RxFrame> frames) {
  std::byte* const* const starts = rx_starts_.data();
  const std::uint64_t to_bus = raw(rx_memory_.bus()) - reinterpret_cast<std::uintptr_t>(rx_memory_.data());
  const std::size_t bytes = rx_buffer_bytes_;
  const std::uint64_t handles = rx_handle_base_;
  auto batch = ring.begin_add_again(frames.size());
  for (const RxFrame* frame = frames.data(); batch.room(); frame++) {
    const std::uint64_t token = frame->handle - handles;
    if (!batch.keeps(token)) break;
    std::byte* const start = starts[token];
    bsp::sync_for_device({start, bytes});
    batch.template add_again<true>(token, reinterpret_cast<std::uintptr_t>(start) + to_bus, bytes);
  }
  return ring.end_add_again(batch);
}

[[gnu::cold]] void VirtioNet::release_one(const RxFrame& frame) {
  const std::size_t buffer = buffer_at(frame.first.data);
  if (keeps_chain(frame)) { // only while the device is not live: its chain ends with the ring
    give_back(buffer, BufferOwner::chain);
    return;
  }
  give_back(buffer, BufferOwner::consumer);
  if (frame.more_count == 0) return;
  for (const Segment& segment : frame.more())
    give_back(buffer_at(segment.data), BufferOwner::consumer);
  free_block(frame);
}

template <class Ring>
[[gnu::noinline]] void VirtioNet::release_on(Ring& ring, const RxFrame* frames, std::size_t count) {
  for (std::size_t done = 0; done != count;) {
    const std::size_t plain = post_plain(ring, {frames + done, count - done});
    done += plain;
    if (plain == 0) release_one(frames[done++]);
  }
  kick(rx_, ring.publish());
}

void VirtioNet::release(std::span<const RxFrame> frames) {
  if (state_ == State::live) return rx_.ring.visit([&](auto& ring) { release_on(ring, frames.data(), frames.size()); });
  for (const RxFrame& frame : frames)
    release_one(frame);
}

// Frames that no consumer saw; their buffers are posted with the next ones.
void VirtioNet::give_back_to_nobody(const RxFrame& frame) {
  rx_owners_[buffer_at(frame.first.data)] = BufferOwner::nobody;
  if (frame.more_count == 0) return;
  for (const Segment& segment : frame.more())
    rx_owners_[buffer_at(segment.data)] = BufferOwner::nobody;
  free_block(frame);
}

} // namespace net
