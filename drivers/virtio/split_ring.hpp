// SPDX-License-Identifier: BSD-2-Clause
// A split virtqueue, the driver's half (VIRTIO 1.3, 2.7).
//
// Verbs: add() chains of buffers, publish() them all at once, take_used() what the device gave back.
// Invariants:
//  - What decides is private (shadow_, indices). Of what the device can write, only the used ring and the suppression
//    words are read, each word once.
//  - A used entry counts only if it names the head of a chain in flight. Anything else makes the ring broken, and it
//    stays so until restart(): a broken ring is not an empty one.
//  - With IN_ORDER chains lie one behind the other in the table, and the free descriptors follow the newest: one used
//    entry may stand for a batch, and names its last chain (2.7.9).
//  - The ring knows no transport: publish() says whether to notify and with which value, the owner stores it.
//
// Owner: one hart's main loop. Interrupt context may only call suppress_interrupts().
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bsp/barrier.hpp"
#include "bsp/dma.hpp"
#include "bsp/in_register.hpp"
#include "bsp/result.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "drivers/virtio/spec.hpp"
#include "drivers/virtio/transport.hpp"
#include "drivers/virtio/virtqueue.hpp"

namespace virtio {

class SplitRing {
 public:
  /// Bytes of ring memory for `size` entries with the device area aligned to `alignment` (2.7; with a page: 2.7.2).
  [[nodiscard]] static constexpr std::size_t memory_size(std::uint16_t size, std::uint32_t alignment) {
    return device_offset(size, alignment) + align_up(6 + 8 * std::size_t{size}, alignment);
  }

  /// Half of what the standard allows (2.7).
  static constexpr std::uint16_t max_capacity = 16384;

  /// A ring without memory: only good for being replaced.
  SplitRing() = default;

  /// Takes memory for a ring of up to `capacity` entries (a power of two, at most max_capacity), and for an indirect
  /// table of `indirect_entries` descriptors a chain (0: the ring never uses one). Errors: out_of_dma_memory,
  /// invalid_argument.
  [[nodiscard]] static bsp::Result<SplitRing> create(bsp::DmaArena& arena, std::uint16_t capacity,
                                                     std::uint32_t alignment, std::uint16_t indirect_entries = 0);

  using Settings = RingSettings;
  /// Empties the ring and zeroes its memory. Only while the device does not have the queue: before it is enabled, or
  /// after a reset.
  void restart(const Settings& settings);

  [[nodiscard]] QueueMemory memory() const;
  /// Gives up the ring's memory: a device that never confirmed its reset may still write to it.
  void quarantine() {
    ring_.quarantine();
    tables_.quarantine();
  }

  // ---- the driver gives ----

  /// Descriptors that add() may take; 0 if the ring is broken.
  [[nodiscard]] std::uint16_t free() const { return free_; }
  /// The token that the next add() will return; meaningless while free() is 0.
  [[nodiscard]] Token next_token() const { return free_head_; }
  /// Queues one chain: device-readable pieces first, then device-writable ones (2.7.4.2). With INDIRECT_DESC a chain of
  /// two pieces or more that fits its indirect table takes one descriptor, else it takes one a piece. nullopt if there
  /// are not enough free ones for all of it, or it is empty; nothing has changed then. The device does not see it
  /// before publish().
  [[nodiscard]] std::optional<Token> add(std::span<const Piece> readable, std::span<const Piece> writable);
  /// Exposes everything added since. The value to store into the doorbell if the device wants to be notified.
  [[nodiscard]] [[gnu::always_inline]] std::optional<std::uint32_t> publish() {
    return avail_idx_ == published_ ? std::nullopt : publish_added();
  }
  /// publish() after something was added for sure.
  [[nodiscard]] [[gnu::always_inline]] std::optional<std::uint32_t> publish_added() {
    const std::uint64_t index = avail_idx_;
    bsp::barrier::before_publish(); // 2.7.13.3.1: entries and descriptors before the index
    avail_->idx.store_low(index);
    published_ = index;
    bsp::barrier::before_suppression_check(); // 2.7.13.4.1: the index before the look at used.flags or avail_event
    if (!notification_due(index)) return std::nullopt;
    return notification(index);
  }
  /// Looks at the device's suppression word once more: a value if a notification is due that was never sent. To be
  /// called, after one register read, before sleeping with work in flight; it mends what a weakly ordered emulator or
  /// device lost.
  [[nodiscard]] std::optional<std::uint32_t> recheck_notification();
  /// Whether chains were published that the device was not notified of, because it asked not to be.
  [[nodiscard]] bool unannounced() const { return published_ != notified_; }
  /// The value to store into the doorbell whatever the device asked for: the watchdog's kick. The same value again if
  /// nothing new was exposed (2.9).
  [[nodiscard]] std::uint32_t force_notification();

  // ---- the device gives back ----

  /// Whether the device has moved its used index. Safe with interrupts off.
  [[nodiscard]] bool used_pending() const;
  /// Takes up to out.size() used chains, oldest first; their descriptors are free again. 0 also if the ring is broken.
  [[nodiscard]] std::size_t take_used(std::span<Used> out);
  [[nodiscard]] bool broken() const { return fault_ != RingFault::none; }
  [[nodiscard]] RingFault fault() const { return fault_; }
  /// Chains given to add() and not yet taken back.
  [[nodiscard]] std::uint16_t chains_in_flight() const { return static_cast<std::uint16_t>(avail_idx_ - last_used_); }
  [[nodiscard]] bool in_flight(Token token) const { return token < size_ && shadow_[token].in_flight(); }
  [[nodiscard]] bool is_kept(std::uint64_t token) const {
    return token < size_ && shadow_[token].count == ChainState::kept;
  }

  /// Strikes a chain off the books after a confirmed device reset; only restart() makes the ring usable again.
  void forget(Token token) {
    shadow_[token].count = 0;
    last_used_++;
  }

  // ---- used buffer notifications ----

  /// Asks the device not to interrupt for this queue. With EVENT_IDX that is the state after each interrupt anyway
  /// (2.7.7.1).
  void suppress_interrupts();
  /// Asks for an interrupt once `after` more chains are used (1: the next one; without EVENT_IDX always the next one),
  /// then looks again: true if they are there already, and there may be no interrupt for them.
  [[nodiscard]] bool request_interrupt(std::uint16_t after = 1);

  // ---- the data path ----
  //
  // What most frames need, chains of one descriptor, without a call a chain: a batch is begun, worked on in registers,
  // and ended, with no other verb of the ring between. Each stops at the end of the ring too: begin another one then.

  /// Chains on their way to the device; it sees none of them before publish().
  class Adding {
   public:
    /// Whether one more fits.
    [[nodiscard]] [[gnu::always_inline]] bool room() const { return slot_ != stop_; }
    /// The token of the chain that add() will enter.
    [[nodiscard]] [[gnu::always_inline]] std::size_t token() const { return head_; }
    template <bool device_writes> [[gnu::always_inline]] void add(std::uint64_t address, std::uint64_t length) {
      split::Descriptor& descriptor = table_[head_];
      descriptor.addr.store(address);
      descriptor.len_flags_next.store(length | (device_writes ? std::uint64_t{split::desc_write} << 32 : 0));
      ChainState& entry = shadow_[head_];
      entry.writable = device_writes ? static_cast<std::uint32_t>(length) : 0;
      entry.count = 1;
      slot_++->store_low(head_);
      head_ = bsp::in_register(entry.next);
    }
    /// Whether `token` names a chain that was kept, and not given again yet.
    [[nodiscard]] [[gnu::always_inline]] bool keeps(std::uint64_t token) const {
      return token < size_ && shadow_[token].count == ChainState::kept;
    }
    /// Gives a chain that was kept again; its piece has not moved.
    template <bool device_writes>
    [[gnu::always_inline]] void add_again(std::uint64_t token, std::uint64_t /*address*/, std::uint64_t /*length*/) {
      shadow_[token].count = 1;
      slot_++->store_low(token);
    }

   private:
    friend SplitRing;
    ChainState* shadow_;
    split::Descriptor* table_;
    std::size_t size_;
    std::size_t head_;
    std::uint64_t index_; ///< avail_idx_ as it was
    bsp::le16* start_;
    bsp::le16* slot_;
    bsp::le16* stop_;
  };
  /// Of up to `most` new chains, with add() only.
  [[nodiscard]] [[gnu::always_inline]] Adding begin_add(std::size_t most) {
    return begin_adding(std::min<std::size_t>(most, free_));
  }
  /// Returns the count.
  [[gnu::always_inline]] std::size_t end_add(const Adding& batch) {
    const std::size_t count = end_adding(batch);
    free_head_ = static_cast<Token>(bsp::in_register(batch.head_));
    free_ = static_cast<std::uint16_t>(free_ - count);
    return count;
  }
  /// Of up to `most` chains that were kept, with add_again() only.
  [[nodiscard]] [[gnu::always_inline]] Adding begin_add_again(std::size_t most) {
    return begin_adding(broken() ? 0 : most);
  }
  /// Returns the count.
  [[gnu::always_inline]] std::size_t end_add_again(const Adding& batch) { return end_adding(batch); }

  /// Used chains of one descriptor, oldest first. With `keep` the descriptors of the taken ones are not free then, but
  /// wait for add_again().
  template <bool keep> class Taking {
   public:
    /// Looks at the next one. False also before one that names no chain at all.
    [[nodiscard]] [[gnu::always_inline]] bool next() {
      if (element_ == stop_) return false;
      token_ = element_->id.load_wide();
      return token_ < size_;
    }
    /// Not 0 if take_used() may have to complain about it, or its chain is longer: then it is not to be taken here. A
    /// number, for one branch with whatever else speaks against it.
    [[nodiscard]] [[gnu::always_inline]] std::uint64_t wrong() const {
      return bsp::in_register(shadow_[token_].count) ^ 1;
    }
    [[nodiscard]] [[gnu::always_inline]] std::size_t token() const { return token_; }
    /// What the device says it wrote; reads its word, so ask once.
    [[nodiscard]] [[gnu::always_inline]] std::uint64_t length() const { return element_->len.load_wide(); }
    /// Takes it; else it stays, and the batch has to end.
    [[gnu::always_inline]] void take() {
      ChainState& head = shadow_[token_];
      head.count = keep ? ChainState::kept : std::uint16_t{0};
      if constexpr (!keep) {
        head.next = static_cast<Token>(free_head_);
        free_head_ = token_;
      }
      element_++;
    }

   private:
    friend SplitRing;
    ChainState* shadow_;
    std::size_t size_;
    std::size_t token_;
    std::size_t free_head_;
    const split::UsedElement* start_;
    const split::UsedElement* element_;
    const split::UsedElement* stop_;
  };
  template <bool keep> [[nodiscard]] [[gnu::always_inline]] Taking<keep> begin_take(std::size_t most) {
    std::size_t available = static_cast<std::uint16_t>(used_->idx.load() - last_used_);
    if (broken() || in_order_ || available > static_cast<std::uint16_t>(published_ - last_used_)) available = 0;
    bsp::barrier::after_used_index(); // 2.7.14: the index before the entries it announces
    const std::size_t offset = last_used_ & (size_ - 1U);
    const split::UsedElement* const start = used_ring_ + offset;
    Taking<keep> batch;
    batch.shadow_ = shadow_;
    batch.size_ = size_;
    batch.free_head_ = bsp::in_register(free_head_);
    batch.start_ = batch.element_ = start;
    batch.stop_ = start + std::min({most, available, size_ - offset});
    return batch;
  }
  /// Returns the count.
  template <bool keep> [[gnu::always_inline]] std::size_t end_take(const Taking<keep>& batch) {
    const auto count = static_cast<std::size_t>(batch.element_ - batch.start_);
    if constexpr (!keep) {
      free_ = static_cast<std::uint16_t>(free_ + count);
      free_head_ = static_cast<Token>(bsp::in_register(batch.free_head_));
    }
    last_used_ = static_cast<std::uint16_t>(last_used_ + count);
    return count;
  }

  [[nodiscard]] QueueState state() const;
  [[nodiscard]] std::uint16_t size() const { return size_; }
  [[nodiscard]] std::uint16_t capacity() const { return capacity_; }

 private:
  [[nodiscard]] static constexpr std::size_t align_up(std::size_t value, std::size_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
  }
  [[nodiscard]] static constexpr std::size_t driver_offset(std::uint16_t size) { return 16 * std::size_t{size}; }
  [[nodiscard]] static constexpr std::size_t device_offset(std::uint16_t size, std::uint32_t alignment) {
    return align_up(driver_offset(size) + 6 + 2 * std::size_t{size}, alignment);
  }

  // With EVENT_IDX the standard asks for a notification when the entry at avail_event is among those just exposed
  // (2.7.10.1). "Just exposed" here is everything since the last notification, which is the same as long as no look
  // came too early, and catches up when one did.
  [[nodiscard]] [[gnu::always_inline]] bool notification_due(std::uint64_t published) {
    std::uint64_t unannounced = published - notified_;
    if (unannounced > size_) [[unlikely]]
      unannounced = size_; // the device has used what is older: it cannot wait for that
    const bool due = event_idx_ ? static_cast<std::uint16_t>(published - 1 - avail_event_->load()) < unannounced
                                : (used_->flags.load() & split::used_no_notify) == 0;
    if (due) notified_ = published;
    return due;
  }
  /// 2.9: the queue's index, and with NOTIFICATION_DATA the available index above it: next_off is its low 15 bits,
  /// next_wrap its highest.
  [[nodiscard]] std::uint32_t notification(std::uint64_t published) const {
    return notification_data_ ? static_cast<std::uint32_t>(index_ | published << 16) : index_;
  }
  [[nodiscard]] [[gnu::always_inline]] Adding begin_adding(std::size_t most) {
    const std::uint64_t index = avail_idx_;
    const std::size_t offset = index & (std::size_t{size_} - 1);
    if (offset >= size_) __builtin_unreachable(); // a power of two
    bsp::le16* const start = avail_ring_ + offset;
    Adding batch;
    batch.index_ = index;
    batch.shadow_ = shadow_;
    batch.table_ = descriptors_;
    batch.size_ = size_;
    batch.head_ = bsp::in_register(free_head_);
    batch.start_ = batch.slot_ = start;
    batch.stop_ = start + std::min(most, size_ - offset);
    return batch;
  }
  [[gnu::always_inline]] std::size_t end_adding(const Adding& batch) {
    const auto count = static_cast<std::size_t>(batch.slot_ - batch.start_);
    avail_idx_ = batch.index_ + count;
    return count;
  }
  [[nodiscard]] std::optional<Token> add_indirect(std::span<const Piece> readable, std::span<const Piece> writable);
  [[nodiscard]] Token queue(std::uint16_t descriptors, std::uint32_t writable, Token next);
  [[nodiscard]] std::size_t take_any_order(std::span<Used> out);
  [[nodiscard]] std::size_t take_in_order(std::span<Used> out, std::uint16_t available);
  [[nodiscard]] bool open_batch(std::uint16_t available);
  [[nodiscard]] bool check_id(std::size_t id);
  bool give_up(RingFault fault) {
    fault_ = fault;
    free_ = 0; // begin_add() asks for nothing else
    return false;
  }

  bsp::DmaBuffer ring_;         ///< the three areas
  bsp::DmaBuffer private_;      ///< ChainState[capacity]
  bsp::DmaBuffer tables_;       ///< an indirect table for each head; empty if the ring never uses one
  ChainState* shadow_{nullptr}; ///< by descriptor
  split::Descriptor* descriptors_{nullptr};
  split::AvailHeader* avail_{nullptr};
  bsp::le16* avail_ring_{nullptr};
  bsp::le16* used_event_{nullptr};
  split::UsedHeader* used_{nullptr};
  split::UsedElement* used_ring_{nullptr};
  bsp::le16* avail_event_{nullptr};

  std::uint32_t alignment_{4};
  std::uint16_t capacity_{0};
  std::uint16_t indirect_entries_{0}; ///< of each table
  std::uint16_t indirect_limit_{0};   ///< the longest chain that goes through a table; 0: none does
  std::uint16_t index_{0};
  std::uint16_t size_{0};
  std::uint16_t free_{0};
  Token free_head_{0};
  // Counts that never wrap; the device sees their low 16 bits.
  std::uint64_t avail_idx_{0};    ///< entries placed
  std::uint64_t published_{0};    ///< entries exposed
  std::uint64_t notified_{0};     ///< published_ at the last notification
  std::uint16_t last_used_{0};    ///< used entries taken
  Token oldest_{0};               ///< with IN_ORDER: the head of the oldest chain in flight
  std::uint16_t batch_left_{0};   ///< with IN_ORDER: chains of the batch in last_used_ on that were not taken yet
  std::uint32_t batch_length_{0}; ///< the used length of its last chain
  bool event_idx_{false};
  bool in_order_{false};
  bool notification_data_{false};
  RingFault fault_{RingFault::none};
};

} // namespace virtio
