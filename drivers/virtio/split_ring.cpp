// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/virtio/split_ring.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "bsp/barrier.hpp"
#include "bsp/panic.hpp"

namespace virtio {

using bsp::Result;
namespace barrier = bsp::barrier;

namespace {
/// Indices are free-running 16-bit numbers (2.7.13.3); differences are taken modulo 65536.
constexpr std::uint16_t distance(std::uint16_t from, std::uint16_t to) {
  return static_cast<std::uint16_t>(to - from);
}
} // namespace

Result<SplitRing> SplitRing::create(bsp::DmaArena& arena, std::uint16_t capacity, std::uint32_t alignment,
                                    std::uint16_t indirect_entries) {
  static_cast<void>(indirect_entries);
  if (!std::has_single_bit(capacity) || capacity > max_capacity) return bsp::fail(bsp::Error::invalid_argument);
  SplitRing ring;
  // 16 bytes is what the descriptor table needs (2.7.1); the legacy layout wants a page, which `alignment` is then.
  ring.ring_ = TRY(arena.allocate(memory_size(capacity, alignment), std::max<std::size_t>(alignment, 16)));
  ring.private_ = TRY(arena.allocate(capacity * sizeof(Shadow), alignof(Shadow)));
  ring.alignment_ = alignment;
  ring.capacity_ = capacity;
  return ring;
}

void SplitRing::restart(const Settings& settings) {
  if (!std::has_single_bit(settings.size) || settings.size > capacity_) PANIC("split ring: bad size");
  index_ = settings.index;
  size_ = settings.size;
  event_idx_ = settings.event_idx;

  std::memset(ring_.data(), 0, ring_.size()); // used.flags and both indices start at 0 (2.7.10.1)
  descriptors_ = reinterpret_cast<split::Descriptor*>(ring_.data());
  avail_ = reinterpret_cast<split::AvailHeader*>(ring_.data() + driver_offset(size_));
  avail_ring_ = reinterpret_cast<bsp::le16*>(avail_ + 1);
  used_event_ = avail_ring_ + size_;
  used_ = reinterpret_cast<split::UsedHeader*>(ring_.data() + device_offset(size_, alignment_));
  used_ring_ = reinterpret_cast<split::UsedElement*>(used_ + 1);
  avail_event_ = reinterpret_cast<bsp::le16*>(used_ring_ + size_);

  for (std::uint16_t i = 0; i < size_; i++)
    shadow()[i] = {0, static_cast<std::uint16_t>(i + 1), 0};
  free_head_ = 0;
  free_ = size_;
  chains_ = 0;
  avail_idx_ = published_ = notified_ = last_used_ = 0;
  fault_ = RingFault::none;
  // An index just passed is the farthest away: no interrupt until request_interrupt() (2.7.7.1).
  if (event_idx_)
    used_event_->store(0xffff);
  else
    avail_->flags.store(split::avail_no_interrupt);
}

QueueMemory SplitRing::memory() const {
  return {size_, ring_.bus(), ring_.bus(driver_offset(size_)), ring_.bus(device_offset(size_, alignment_))};
}

void SplitRing::write_descriptors(std::span<const Piece> pieces, std::uint16_t flags, bool more_follow, Token& at) {
  for (std::size_t i = 0; i < pieces.size(); i++) {
    split::Descriptor& descriptor = descriptors_[at];
    const bool last = i + 1 == pieces.size() && !more_follow;
    const Token next = shadow()[at].next;
    descriptor.addr.store(raw(pieces[i].address));
    descriptor.len.store(pieces[i].length);
    descriptor.flags.store(last ? flags : static_cast<std::uint16_t>(flags | split::desc_next));
    descriptor.next.store(last ? std::uint16_t{0} : next);
    at = next;
  }
}

std::optional<Token> SplitRing::add(std::span<const Piece> readable, std::span<const Piece> writable) {
  const std::size_t count = readable.size() + writable.size();
  if (count == 0 || count > free_ || broken()) return std::nullopt;
  const Token head = free_head_;
  Token at = head;
  write_descriptors(readable, 0, !writable.empty(), at);
  write_descriptors(writable, split::desc_write, false, at);
  free_head_ = at;
  free_ = static_cast<std::uint16_t>(free_ - count);

  std::uint32_t bytes = 0;
  for (const Piece& piece : writable)
    bytes += piece.length;
  shadow()[head].writable = bytes;
  shadow()[head].count = static_cast<std::uint16_t>(count);
  chains_++;
  avail_ring_[avail_idx_ & (size_ - 1)].store(head);
  avail_idx_++;
  return head;
}

std::optional<std::uint32_t> SplitRing::publish() {
  if (avail_idx_ == published_) return std::nullopt;
  barrier::before_publish(); // 2.7.13.3.1: entries and descriptors before the index
  avail_->idx.store(avail_idx_);
  published_ = avail_idx_;
  barrier::before_suppression_check(); // 2.7.13.4.1: the index before the look at used.flags or avail_event
  if (!notification_due()) return std::nullopt;
  return index_; // 2.9: without NOTIFICATION_DATA the value is the queue's index
}

std::optional<std::uint32_t> SplitRing::recheck_notification() {
  if (broken() || published_ == notified_) return std::nullopt;
  if (!notification_due()) return std::nullopt;
  return index_;
}

std::uint32_t SplitRing::force_notification() {
  notified_ = published_;
  return index_;
}

// With EVENT_IDX the standard asks for a notification when the entry at avail_event is among those just exposed
// (2.7.10.1). "Just exposed" here is everything since the last notification, which is the same as long as no look came
// too early, and catches up when one did.
bool SplitRing::notification_due() {
  std::uint16_t unannounced = distance(notified_, published_);
  if (unannounced > size_) {
    // The device has used what is older, so it cannot wait for that; keep the distance small enough to be told from a
    // wrap.
    unannounced = size_;
    notified_ = static_cast<std::uint16_t>(published_ - size_);
  }
  const bool due = event_idx_ ? distance(avail_event_->load(), static_cast<std::uint16_t>(published_ - 1)) < unannounced
                              : unannounced != 0 && (used_->flags.load() & split::used_no_notify) == 0;
  if (due) notified_ = published_;
  return due;
}

bool SplitRing::used_pending() const {
  return size_ != 0 && !broken() && used_->idx.load() != last_used_;
}

std::size_t SplitRing::take_used(std::span<Used> out) {
  if (broken() || size_ == 0) return 0;
  const std::uint16_t available = distance(last_used_, used_->idx.load());
  if (available == 0) return 0;
  if (available > chains_) { // also an index that ran backwards
    give_up(RingFault::used_index_jump);
    return 0;
  }
  barrier::after_used_index(); // 2.7.14: the index before the entries it announces
  const std::size_t want = std::min<std::size_t>(available, out.size());
  for (std::size_t i = 0; i < want; i++) {
    const std::optional<Used> used = take_one(last_used_ & static_cast<std::uint16_t>(size_ - 1));
    if (!used) return i;
    out[i] = *used;
    last_used_++;
  }
  return want;
}

std::optional<Used> SplitRing::take_one(std::uint16_t slot) {
  const std::uint32_t id = used_ring_[slot].id.load();
  const std::uint32_t length = used_ring_[slot].len.load();
  if (id >= size_) { // all 32 bits count
    give_up(RingFault::used_id_out_of_range);
    return std::nullopt;
  }
  Shadow& head = shadow()[id];
  if (head.count == 0) { // never exposed, given back already, or the middle of a chain
    give_up(RingFault::used_id_not_in_flight);
    return std::nullopt;
  }
  const Used used{static_cast<Token>(id), length, head.writable};
  Token last = used.token;
  for (std::uint16_t i = 1; i < head.count; i++)
    last = shadow()[last].next;
  free_ = static_cast<std::uint16_t>(free_ + head.count);
  head.count = 0;
  shadow()[last].next = free_head_;
  free_head_ = used.token;
  chains_--;
  return used;
}

void SplitRing::suppress_interrupts() {
  if (!event_idx_) avail_->flags.store(split::avail_no_interrupt); // with EVENT_IDX flags stay 0 (2.7.7.1)
}

bool SplitRing::request_interrupt(std::uint16_t after) {
  const std::uint16_t wanted = event_idx_ ? after : 1;
  if (event_idx_)
    used_event_->store(static_cast<std::uint16_t>(last_used_ + wanted - 1));
  else
    avail_->flags.store(0);
  barrier::after_enabling_notifications(); // 2.7.14: the request before the look
  return distance(last_used_, used_->idx.load()) >= wanted;
}

QueueState SplitRing::state() const {
  QueueState state{};
  state.index = index_;
  state.format = "split";
  state.size = size_;
  state.free = free_;
  state.avail_idx = published_;
  state.last_used = last_used_;
  state.event_idx = event_idx_;
  state.in_flight = static_cast<std::uint16_t>(size_ - free_);
  state.broken = broken();
  if (size_ == 0) return state;
  state.used_idx = used_->idx.load();
  state.avail_flags = avail_->flags.load();
  state.used_flags = used_->flags.load();
  state.used_event = used_event_->load();
  state.avail_event = avail_event_->load();
  return state;
}

} // namespace virtio
