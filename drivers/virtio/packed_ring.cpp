// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/virtio/packed_ring.hpp"

#include <algorithm>
#include <cstring>

#include "bsp/barrier.hpp"
#include "bsp/panic.hpp"

namespace virtio {

using bsp::Result;
using packed::EventSuppression;
namespace barrier = bsp::barrier;

namespace {
constexpr std::uint32_t event(std::uint16_t flags, std::uint16_t off_wrap = 0) {
  return std::uint32_t{flags} << 16 | off_wrap;
}

/// Bytes that the device says it wrote; none without writable pieces, whatever the used descriptor holds (2.8.4). Its
/// WRITE flag must not decide: QEMU never sets it, on received frames neither.
constexpr std::uint32_t written(std::uint32_t length, std::uint32_t writable) {
  return writable != 0 ? length : 0;
}
} // namespace

// ---- life ----------------------------------------------------------------------------------------------------------

Result<PackedRing> PackedRing::create(bsp::DmaArena& arena, std::uint16_t capacity, std::uint16_t indirect_entries) {
  if (capacity == 0 || capacity > max_capacity) return bsp::fail(bsp::Error::invalid_argument);
  Result<PackedRing> made{tl::in_place};
  PackedRing& ring = *made;
  ring.capacity_ = capacity;
  ring.indirect_entries_ = indirect_entries;
  TRY(arena.allocate(ring.ring_, ring.events_offset() + 2 * sizeof(EventSuppression), 16)); // 2.8.10.1
  if (indirect_entries != 0) TRY(arena.allocate(ring.tables_, ring.events_offset() * indirect_entries, 16));
  TRY(arena.allocate(ring.private_, capacity * sizeof(ChainState), alignof(ChainState)));
  ring.shadow_ = ring.private_.as<ChainState>().data();
  ring.descriptors_ = reinterpret_cast<packed::Descriptor*>(ring.ring_.data());
  ring.driver_event_ = reinterpret_cast<EventSuppression*>(ring.ring_.data() + ring.events_offset());
  ring.device_event_ = ring.driver_event_ + 1;
  return made;
}

void PackedRing::restart(const Settings& settings) {
  if (settings.size == 0 || settings.size > capacity_) PANIC("packed ring: bad size");
  index_ = settings.index;
  size_ = settings.size;
  event_idx_ = settings.event_idx;
  in_order_ = settings.in_order;
  notification_data_ = settings.notification_data;
  // A longer list than the queue size is not allowed, in a table neither (2.8.17, 2.8.19).
  longest_table_ = settings.indirect ? std::min(indirect_entries_, size_) : std::uint16_t{0};

  std::memset(ring_.data(), 0, ring_.size()); // 2.8.13
  if (longest_table_ != 0) std::memset(tables_.data(), 0, tables_.size());
  for (std::uint16_t i = 0; i < size_; i++)
    shadow_[i] = {0, static_cast<Token>(i + 1 < size_ ? i + 1 : 0), 0};
  free_ = size_;
  chains_ = 0;
  free_id_ = oldest_id_ = 0;
  avail_ = published_ = {0, packed::desc_avail}; // both wrap counters start at 1 (2.8.1)
  used_ = {0, packed::desc_both};
  batch_start_ = 0;
  unannounced_ = 0;
  batch_open_ = false;
  fault_ = RingFault::none;
  suppress_interrupts();
}

QueueMemory PackedRing::memory() const {
  return {size_, ring_.bus(), ring_.bus(events_offset()), ring_.bus(events_offset() + sizeof(EventSuppression))};
}

void PackedRing::quarantine() {
  ring_.quarantine();
  tables_.quarantine();
}

// ---- the driver gives ----------------------------------------------------------------------------------------------

// A batch's first slot waits for publish(): until then the device, which polls in ring order, gets no
// further than to that slot (2.8.21.1).
inline void PackedRing::place(const Piece& piece, Token id, std::uint16_t flags) {
  // Members first: a store to the ring could be to any of them, for all that the compiler knows.
  Position at = avail_;
  packed::DescriptorWords& descriptor = words()[at.slot];
  const std::uint64_t rest = packed::len_id_flags(piece.length, id, at.flags | flags);
  at.advance(1, size_);
  avail_ = at;
  unannounced_++;
  descriptor.addr.store(raw(piece.address));
  if (batch_start_ != 0)
    descriptor.len_id_flags.store(rest);
  else
    batch_start_ = rest;
}

/// Enters the chain that was placed as `id` into the books.
inline void PackedRing::enter(Token id, std::uint16_t slots, std::uint32_t writable) {
  ChainState& buffer = shadow_[id];
  free_id_ = buffer.next;
  free_ = static_cast<std::uint16_t>(free_ - slots);
  chains_++;
  buffer.writable = writable;
  buffer.count = slots;
}

std::optional<Token> PackedRing::add(std::span<const Piece> readable, std::span<const Piece> writable) {
  const std::size_t count = readable.size() + writable.size();
  const bool indirect = count > 1 && count <= longest_table_;
  const std::size_t slots = indirect ? 1 : count;
  if (count == 0 || slots > free_ || broken()) return std::nullopt;
  const Token id = free_id_;
  std::uint32_t bytes = 0;
  for (const Piece& piece : writable)
    bytes += piece.length;
  enter(id, static_cast<std::uint16_t>(slots), bytes);
  if (indirect) {
    place(write_table(id, readable, writable), id, packed::desc_indirect);
    return id;
  }
  std::size_t left = count;
  for (const Piece& piece : readable)
    place(piece, id, --left != 0 ? packed::desc_next : std::uint16_t{0});
  for (const Piece& piece : writable)
    place(piece, id, packed::desc_write | (--left != 0 ? packed::desc_next : std::uint16_t{0}));
  return id;
}

Piece PackedRing::write_table(Token id, std::span<const Piece> readable, std::span<const Piece> writable) {
  const std::size_t first = std::size_t{id} * indirect_entries_;
  packed::DescriptorWords* entry = &tables_.as<packed::DescriptorWords>()[first];
  const auto write = [&entry](std::span<const Piece> pieces, std::uint16_t flags) {
    for (const Piece& piece : pieces) {
      entry->addr.store(raw(piece.address));
      entry->len_id_flags.store(packed::len_id_flags(piece.length, 0, flags)); // WRITE or nothing; no id (2.8.7)
      entry++;
    }
  };
  write(readable, 0);
  write(writable, packed::desc_write);
  return {tables_.bus(first * sizeof(packed::Descriptor)),
          static_cast<std::uint32_t>((readable.size() + writable.size()) * sizeof(packed::Descriptor))};
}

// Once the driver has nothing else to do, a device that waits for a slot while chains are in flight is told of them
// once, whichever slot it names: QEMU keeps the one that it named when its network was congested, however long ago,
// goes on sending behind it, and sleeps when it has all.
std::optional<std::uint32_t> PackedRing::recheck_notification() {
  if (broken() || chains_ == 0 || unannounced_ == 0) return std::nullopt;
  if (EventSuppression::flags(device_event_->both.load()) == packed::event_disable) return std::nullopt;
  return force_notification();
}

std::uint32_t PackedRing::force_notification() {
  unannounced_ = 0;
  return notification();
}

// ---- the device gives back -----------------------------------------------------------------------------------------

bool PackedRing::used_at(Position at) const {
  return (descriptors_[at.slot].flags.load() & packed::desc_both) == at.flags;
}

bool PackedRing::used_pending() const {
  return size_ != 0 && !broken() && (batch_open_ || used_at(used_));
}

// With IN_ORDER one used descriptor speaks for every chain up to the one that it names; those before that one are used
// in full (2.8.8). Without, it speaks for one.
std::size_t PackedRing::take_used(std::span<Used> out) {
  if (broken() || size_ == 0) return 0;
  std::size_t taken = 0;
  while (taken < out.size() && (batch_open_ || open_batch())) {
    const Token id = in_order_ ? oldest_id_ : batch_last_;
    ChainState& buffer = shadow_[id];
    batch_open_ = id != batch_last_;
    const std::uint32_t length = batch_open_ ? buffer.writable : written(batch_length_, buffer.writable);
    out[taken++] = {id, length, buffer.writable};
    used_.advance(buffer.count, size_);
    free_ = static_cast<std::uint16_t>(free_ + buffer.count);
    buffer.count = 0;
    chains_--;
    if (in_order_) {
      oldest_id_ = buffer.next;
    } else {
      buffer.next = free_id_;
      free_id_ = id;
    }
  }
  return taken;
}

bool PackedRing::reject(std::size_t id) {
  // In range: never exposed, or given back already.
  return give_up(id >= size_ ? RingFault::used_id_out_of_range : RingFault::used_id_not_in_flight);
}

bool PackedRing::open_batch() {
  if (!used_at(used_)) return false;
  if (chains_ == 0) return give_up(RingFault::used_without_buffer);
  barrier::after_used_index(); // 2.8.22: the flags before the rest of the descriptor
  const Token id = descriptors_[used_.slot].id.load();
  const std::uint32_t length = descriptors_[used_.slot].len.load();
  if (!in_flight(id)) return reject(id);
  batch_last_ = id;
  batch_length_ = length;
  return batch_open_ = true;
}

// ---- used buffer notifications -------------------------------------------------------------------------------------

void PackedRing::suppress_interrupts() {
  driver_event_->both.store(event(packed::event_disable));
}

bool PackedRing::request_interrupt(std::uint16_t after) {
  std::uint16_t offset = 0;
  if (event_idx_) {
    // Where the after-th chain starts if all that are in flight have the same length; in any case a slot in flight.
    const std::uint32_t slots = std::uint32_t{used_.distance(avail_, size_)};
    const std::uint32_t before = std::min(after, chains_) - std::uint32_t{chains_ != 0};
    if (chains_ != 0) offset = static_cast<std::uint16_t>(before * slots / chains_);
    Position at = used_;
    at.advance(offset, size_);
    driver_event_->both.store(event(packed::event_desc, at.off_wrap())); // both halves at once
  } else {
    driver_event_->both.store(event(packed::event_enable));
  }
  barrier::after_enabling_notifications(); // 2.8.22: the request before the look
  return batch_open_ || used_beyond(offset);
}

/// Whether the device has used the slot `offset` behind the next one to be used, or gone past it: no interrupt comes
/// for it then. Only looks; what a lying device makes it believe is take_used()'s to find out.
bool PackedRing::used_beyond(std::uint16_t offset) const {
  const ChainState* const buffers = shadow_;
  Position at = used_;
  Token first = oldest_id_;
  for (std::uint32_t ahead = 0;;) {
    if (!used_at(at)) return false;
    if (ahead == offset) return true;
    barrier::after_used_index();
    const Token id = descriptors_[at.slot].id.load();
    if (!in_flight(id)) return true;
    if (!in_order_) first = id;
    std::uint16_t batch = 0;
    do {
      batch = static_cast<std::uint16_t>(batch + buffers[first].count);
      first = buffers[first].next;
    } while (first != buffers[id].next);
    ahead += batch;
    if (ahead > offset) return true;
    at.advance(batch, size_);
  }
}

QueueState PackedRing::state() const {
  QueueState state{};
  state.index = index_;
  state.format = "packed";
  state.size = size_;
  state.in_flight = size_ == 0 ? std::uint16_t{0} : used_.distance(avail_, size_);
  state.free = static_cast<std::uint16_t>(size_ - state.in_flight);
  state.avail_idx = published_.slot;
  state.last_used = used_.slot;
  state.event_idx = event_idx_;
  state.broken = broken();
  state.packed = true;
  state.avail_wrap = published_.wrap();
  state.used_wrap = used_.wrap();
  if (size_ == 0) return state;
  const std::uint32_t driver = driver_event_->both.load();
  const std::uint32_t device = device_event_->both.load();
  state.driver_event = EventSuppression::off_wrap(driver);
  state.driver_flags = EventSuppression::flags(driver);
  state.device_event = EventSuppression::off_wrap(device);
  state.device_flags = EventSuppression::flags(device);
  return state;
}

} // namespace virtio
