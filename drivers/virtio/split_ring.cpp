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

struct Written {
  Token after;            ///< the slot behind the chain
  std::uint32_t writable; ///< bytes
};

/// Writes a chain into `table` from slot `at` on; `next_of` says which slot follows another.
template <class NextOf>
Written write_chain(split::Descriptor* table, Token at, std::span<const Piece> readable,
                    std::span<const Piece> writable, NextOf next_of) {
  std::uint32_t bytes = 0;
  std::size_t left = readable.size() + writable.size();
  const auto write = [&](const Piece& piece, std::uint16_t flags) {
    split::Descriptor& descriptor = table[at];
    at = next_of(at);
    const bool last = --left == 0;
    if (last)
      descriptor.store(raw(piece.address), piece.length, flags);
    else
      descriptor.store(raw(piece.address), piece.length, flags | split::desc_next, at);
  };
  for (const Piece& piece : readable)
    write(piece, 0);
  for (const Piece& piece : writable) {
    write(piece, split::desc_write);
    bytes += piece.length;
  }
  return {at, bytes};
}
} // namespace

Result<SplitRing> SplitRing::create(bsp::DmaArena& arena, std::uint16_t capacity, std::uint32_t alignment,
                                    std::uint16_t indirect_entries) {
  if (!std::has_single_bit(capacity) || capacity > max_capacity) return bsp::fail(bsp::Error::invalid_argument);
  Result<SplitRing> made{tl::in_place};
  SplitRing& ring = *made;
  // 16 bytes is what the descriptor table needs (2.7.1); the legacy layout wants a page, which `alignment` is then.
  TRY(arena.allocate(ring.ring_, memory_size(capacity, alignment), std::max<std::size_t>(alignment, 16)));
  TRY(arena.allocate(ring.private_, capacity * sizeof(ChainState), alignof(ChainState)));
  if (indirect_entries != 0)
    TRY(arena.allocate(ring.tables_, std::size_t{capacity} * indirect_entries * sizeof(split::Descriptor), 16));
  ring.shadow_ = ring.private_.as<ChainState>().data();
  ring.alignment_ = alignment;
  ring.capacity_ = capacity;
  ring.indirect_entries_ = indirect_entries;
  return made;
}

void SplitRing::restart(const Settings& settings) {
  if (!std::has_single_bit(settings.size) || settings.size > capacity_) PANIC("split ring: bad size");
  index_ = settings.index;
  size_ = settings.size;
  event_idx_ = settings.event_idx;
  in_order_ = settings.in_order;
  notification_data_ = settings.notification_data;
  // No chain is longer than the queue, through a table neither (2.7.5.3.1).
  indirect_limit_ = settings.indirect ? std::min(indirect_entries_, size_) : std::uint16_t{0};

  std::memset(ring_.data(), 0, ring_.size()); // used.flags and both indices start at 0 (2.7.10.1)
  descriptors_ = reinterpret_cast<split::Descriptor*>(ring_.data());
  avail_ = reinterpret_cast<split::AvailHeader*>(ring_.data() + driver_offset(size_));
  avail_ring_ = reinterpret_cast<bsp::le16*>(avail_ + 1);
  used_event_ = avail_ring_ + size_;
  used_ = reinterpret_cast<split::UsedHeader*>(ring_.data() + device_offset(size_, alignment_));
  used_ring_ = reinterpret_cast<split::UsedElement*>(used_ + 1);
  avail_event_ = reinterpret_cast<bsp::le16*>(used_ring_ + size_);

  for (std::uint16_t i = 0; i < size_; i++)
    shadow_[i] = {0, static_cast<std::uint16_t>((i + 1) & (size_ - 1)), 0}; // in table order from 0 (2.7.5)
  free_head_ = oldest_ = 0;
  free_ = size_;
  batch_left_ = 0;
  avail_idx_ = published_ = notified_ = 0;
  last_used_ = 0;
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

/// Enters the chain at free_head_ into the available ring; `next` is free then.
inline Token SplitRing::queue(std::uint16_t descriptors, std::uint32_t writable, Token next) {
  const Token head = free_head_;
  shadow_[head].writable = writable;
  shadow_[head].count = descriptors;
  free_head_ = next;
  free_ = static_cast<std::uint16_t>(free_ - descriptors);
  avail_ring_[avail_idx_ & (size_ - 1)].store(head);
  avail_idx_++;
  return head;
}

std::optional<Token> SplitRing::add(std::span<const Piece> readable, std::span<const Piece> writable) {
  const std::size_t count = readable.size() + writable.size();
  if (count > 1 && count <= indirect_limit_) return add_indirect(readable, writable);
  if (count == 0 || count > free_ || broken()) return std::nullopt;
  const ChainState* const shadow = shadow_;
  const Written chain =
      write_chain(descriptors_, free_head_, readable, writable, [shadow](Token at) { return shadow[at].next; });
  return queue(static_cast<std::uint16_t>(count), chain.writable, chain.after);
}

/// The chain in the table that belongs to its head, in sequence from the first entry, and one descriptor that refers to
/// it (2.7.5.3).
std::optional<Token> SplitRing::add_indirect(std::span<const Piece> readable, std::span<const Piece> writable) {
  if (free_ == 0 || broken()) return std::nullopt;
  const std::size_t offset = std::size_t{free_head_} * indirect_entries_;
  split::Descriptor* const table = tables_.as<split::Descriptor>().data() + offset;
  const Written chain = write_chain(table, 0, readable, writable, [](Token at) { return static_cast<Token>(at + 1); });
  descriptors_[free_head_].store(raw(tables_.bus(offset * sizeof(split::Descriptor))),
                                 chain.after * std::uint32_t{sizeof(split::Descriptor)}, split::desc_indirect);
  return queue(1, chain.writable, shadow_[free_head_].next);
}

std::optional<std::uint32_t> SplitRing::recheck_notification() {
  if (broken() || published_ == notified_) return std::nullopt;
  if (!notification_due(published_)) return std::nullopt;
  return notification(published_);
}

std::uint32_t SplitRing::force_notification() {
  notified_ = published_;
  return notification(published_);
}

bool SplitRing::used_pending() const {
  return size_ != 0 && !broken() && used_->idx.load() != last_used_;
}

std::size_t SplitRing::take_used(std::span<Used> out) {
  if (broken() || size_ == 0) return 0;
  const std::uint16_t available = distance(last_used_, used_->idx.load());
  if (available == 0) return 0;
  // Beyond what was exposed, also by running backwards: into a batch that was announced already, too.
  if (available > distance(last_used_, static_cast<std::uint16_t>(published_)) || available < batch_left_) {
    give_up(RingFault::used_index_jump);
    return 0;
  }
  barrier::after_used_index(); // 2.7.14: the index before the entries it announces
  const std::span<Used> wanted = out.first(std::min<std::size_t>(available, out.size()));
  return in_order_ ? take_in_order(wanted, available) : take_any_order(wanted);
}

inline bool SplitRing::check_id(std::size_t id) {
  if (id >= size_) return give_up(RingFault::used_id_out_of_range); // all 32 bits count
  // Never exposed, given back already, or the middle of a chain.
  if (!shadow_[id].in_flight()) return give_up(RingFault::used_id_not_in_flight);
  return true;
}

std::size_t SplitRing::take_any_order(std::span<Used> out) {
  std::size_t taken = 0;
  for (Used& used : out) {
    const split::UsedElement& element = used_ring_[last_used_ & (size_ - 1U)];
    const std::uint32_t id = element.id.load();
    const std::uint32_t length = element.len.load();
    if (!check_id(id)) break;
    ChainState& head = shadow_[id];
    used = {static_cast<Token>(id), length, head.writable};
    std::size_t last = id;
    for (std::uint16_t i = 1; i < head.count; i++)
      last = shadow_[last].next;
    shadow_[last].next = free_head_;
    free_head_ = used.token;
    free_ = static_cast<std::uint16_t>(free_ + head.count);
    head.count = 0;
    last_used_++;
    taken++;
  }
  return taken;
}

std::size_t SplitRing::take_in_order(std::span<Used> out, std::uint16_t available) {
  std::uint16_t taken = 0;
  for (Used& used : out) {
    if (batch_left_ == 0 && !open_batch(static_cast<std::uint16_t>(available - taken))) break;
    batch_left_--;
    ChainState& head = shadow_[oldest_];
    // What the batch skips is used in full (2.7.9).
    used = {oldest_, batch_left_ == 0 ? batch_length_ : head.writable, head.writable};
    oldest_ = static_cast<Token>((oldest_ + head.count) & (size_ - 1));
    free_ = static_cast<std::uint16_t>(free_ + head.count);
    head.count = 0;
    last_used_++;
    taken++;
  }
  return taken;
}

/// Reads the used entry of the next batch, which stands where its first chain's would, and counts the chains up to the
/// one it names: only those that the used index announced.
bool SplitRing::open_batch(std::uint16_t available) {
  const split::UsedElement& element = used_ring_[last_used_ & (size_ - 1)];
  const std::uint32_t id = element.id.load();
  const std::uint32_t length = element.len.load();
  if (!check_id(id)) return false;
  std::uint16_t chains = 1;
  for (Token at = oldest_; at != id; at = static_cast<Token>((at + shadow_[at].count) & (size_ - 1)))
    if (++chains > available) return give_up(RingFault::used_index_jump);
  batch_left_ = chains;
  batch_length_ = length;
  return true;
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
  for (std::uint16_t i = 0; i < size_; i++)
    if (shadow_[i].in_flight()) state.in_flight = static_cast<std::uint16_t>(state.in_flight + shadow_[i].count);
  state.free = static_cast<std::uint16_t>(size_ - state.in_flight);
  state.avail_idx = static_cast<std::uint16_t>(published_);
  state.last_used = last_used_;
  state.event_idx = event_idx_;
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
