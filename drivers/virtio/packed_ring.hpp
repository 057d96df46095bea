// SPDX-License-Identifier: BSD-2-Clause
// A packed virtqueue, the driver's half (VIRTIO 1.3, 2.8). The same verbs as SplitRing.
//
// Invariants:
//  - What decides is private (shadow_, positions, wrap counters). Of what the device can write, only used slots, in
//    ring order, and the device event suppression structure are read, each word once.
//  - A used descriptor counts only while something is in flight and only if its buffer id is. Anything else makes the
//    ring broken until restart().
//  - The first descriptor of a batch is made available after all others: the device sees all of it or nothing.
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

class PackedRing {
 public:
  static constexpr std::uint16_t max_capacity = 16384;

  /// A ring without memory: only good for being replaced.
  PackedRing() = default;

  /// Takes memory for a ring of up to `capacity` entries (1 to max_capacity, any number), and for an indirect table of
  /// `indirect_entries` descriptors a chain (0: the ring never uses one). Errors: out_of_dma_memory, invalid_argument.
  [[nodiscard]] static bsp::Result<PackedRing> create(bsp::DmaArena& arena, std::uint16_t capacity,
                                                      std::uint16_t indirect_entries = 0);

  using Settings = RingSettings;
  void restart(const Settings& settings);

  [[nodiscard]] QueueMemory memory() const;
  void quarantine();

  // The verbs mean what they mean in SplitRing.
  [[nodiscard]] std::uint16_t free() const { return free_; }
  [[nodiscard]] Token next_token() const { return free_id_; }
  [[nodiscard]] std::optional<Token> add(std::span<const Piece> readable, std::span<const Piece> writable);
  [[nodiscard]] [[gnu::always_inline]] std::optional<std::uint32_t> publish() {
    return batch_start_ == 0 ? std::nullopt : publish_added();
  }
  [[nodiscard]] [[gnu::always_inline]] std::optional<std::uint32_t> publish_added() {
    bsp::barrier::before_publish(); // 2.8.21.1.1: everything else of the batch before the flags that expose it
    words()[published_.slot].len_id_flags.store(batch_start_);
    batch_start_ = 0;
    if (unannounced_ > size_) [[unlikely]]
      unannounced_ = size_;
    published_ = avail_;
    bsp::barrier::before_suppression_check(); // 2.8.21.3.1: the flags before the look at the device event structure
    if (!notification_due()) return std::nullopt;
    return notification();
  }
  [[nodiscard]] std::optional<std::uint32_t> recheck_notification();
  [[nodiscard]] bool unannounced() const { return unannounced_ != 0; }
  [[nodiscard]] std::uint32_t force_notification();

  [[nodiscard]] bool used_pending() const;
  [[nodiscard]] std::size_t take_used(std::span<Used> out);
  [[nodiscard]] bool broken() const { return fault_ != RingFault::none; }
  [[nodiscard]] RingFault fault() const { return fault_; }
  [[nodiscard]] std::uint16_t chains_in_flight() const { return chains_; }
  [[nodiscard]] bool in_flight(Token token) const { return token < size_ && shadow_[token].in_flight(); }
  [[nodiscard]] bool is_kept(std::uint64_t token) const {
    return token < size_ && shadow_[token].count == ChainState::kept;
  }
  void forget(Token token) {
    shadow_[token].count = 0;
    chains_--;
    batch_open_ = false;
  }

  void suppress_interrupts();
  [[nodiscard]] bool request_interrupt(std::uint16_t after = 1);

  class Adding {
   public:
    [[nodiscard]] [[gnu::always_inline]] bool room() const { return descriptor_ != stop_; }
    [[nodiscard]] [[gnu::always_inline]] std::size_t token() const { return free_id_; }
    template <bool device_writes> [[gnu::always_inline]] void add(std::uint64_t address, std::uint64_t length) {
      ChainState& entry = shadow_[free_id_];
      entry.writable = device_writes ? static_cast<std::uint32_t>(length) : 0;
      add_again<device_writes>(free_id_, address, length);
      free_id_ = bsp::in_register(entry.next);
    }
    [[nodiscard]] [[gnu::always_inline]] bool keeps(std::uint64_t token) const {
      return token < size_ && shadow_[token].count == ChainState::kept;
    }
    template <bool device_writes>
    [[gnu::always_inline]] void add_again(std::uint64_t token, std::uint64_t address, std::uint64_t length) {
      shadow_[token].count = 1;
      descriptor_->addr.store(address);
      // What is the same for all of a batch stands together.
      const std::uint64_t rest =
          (length | flags_ | (device_writes ? std::uint64_t{packed::desc_write} << 48 : 0)) | token << 32;
      if (batch_start_ != 0) [[likely]]
        descriptor_->len_id_flags.store(rest);
      else
        batch_start_ = rest; // as in place()
      descriptor_++;
    }

   private:
    friend PackedRing;
    ChainState* shadow_;
    std::size_t size_;
    std::size_t free_id_;
    std::uint64_t flags_; ///< of this lap, where a descriptor has them
    std::uint64_t batch_start_;
    packed::DescriptorWords* start_;
    packed::DescriptorWords* descriptor_;
    packed::DescriptorWords* stop_;
  };
  [[nodiscard]] [[gnu::always_inline]] Adding begin_add(std::size_t most) {
    return begin_adding(std::min<std::size_t>(most, free_));
  }
  [[gnu::always_inline]] std::size_t end_add(const Adding& batch) {
    const std::size_t count = end_adding(batch);
    free_id_ = static_cast<Token>(bsp::in_register(batch.free_id_));
    free_ = static_cast<std::uint16_t>(free_ - count);
    return count;
  }
  [[nodiscard]] [[gnu::always_inline]] Adding begin_add_again(std::size_t most) {
    return begin_adding(broken() ? 0 : most);
  }
  [[gnu::always_inline]] std::size_t end_add_again(const Adding& batch) { return end_adding(batch); }

  template <bool keep> class Taking {
   public:
    [[nodiscard]] [[gnu::always_inline]] bool next() {
      if (descriptor_ == stop_) return false;
      // One load takes the flags and what they vouch for (2.8.22), of one moment.
      rest_ = descriptor_->len_id_flags.load();
      if ((rest_ & both) != lap_) return false;
      bsp::barrier::after_used_index(); // the descriptor before the buffer
      token_ = rest_ << 16 >> 48;
      return token_ < size_;
    }
    [[nodiscard]] [[gnu::always_inline]] std::uint64_t wrong() const {
      return bsp::in_register(shadow_[token_].count) ^ 1;
    }
    [[nodiscard]] [[gnu::always_inline]] std::size_t token() const { return token_; }
    [[nodiscard]] [[gnu::always_inline]] std::uint64_t length() const { return rest_ << 32 >> 32; }
    [[gnu::always_inline]] void take() {
      ChainState& buffer = shadow_[token_];
      buffer.count = keep ? ChainState::kept : std::uint16_t{0};
      if constexpr (!keep) {
        buffer.next = static_cast<Token>(free_id_);
        free_id_ = token_;
      }
      descriptor_++;
    }

   private:
    friend PackedRing;
    static constexpr std::uint64_t both = std::uint64_t{packed::desc_both} << 48;
    ChainState* shadow_;
    std::size_t size_;
    std::uint64_t lap_;  ///< the flags of a used descriptor, where it has them
    std::uint64_t rest_; ///< of the descriptor: what follows its address
    std::size_t token_;
    std::size_t free_id_;
    const packed::DescriptorWords* start_;
    const packed::DescriptorWords* descriptor_;
    const packed::DescriptorWords* stop_;
  };
  template <bool keep> [[nodiscard]] [[gnu::always_inline]] Taking<keep> begin_take(std::size_t most) {
    const packed::DescriptorWords* const start = words() + used_.slot;
    Taking<keep> batch;
    batch.shadow_ = shadow_;
    batch.size_ = size_;
    batch.lap_ = std::uint64_t{used_.flags} << 48;
    batch.free_id_ = bsp::in_register(free_id_);
    batch.start_ = batch.descriptor_ = start;
    batch.stop_ = start + (broken() || in_order_
                               ? 0
                               : std::min<std::size_t>({most, chains_, static_cast<std::size_t>(size_ - used_.slot)}));
    return batch;
  }
  template <bool keep> [[gnu::always_inline]] std::size_t end_take(const Taking<keep>& batch) {
    const auto count = static_cast<std::size_t>(batch.descriptor_ - batch.start_);
    used_.advance(count, size_);
    if constexpr (!keep) {
      free_ = static_cast<std::uint16_t>(free_ + count);
      free_id_ = static_cast<Token>(bsp::in_register(batch.free_id_));
    }
    chains_ = static_cast<std::uint16_t>(chains_ - count);
    return count;
  }

  [[nodiscard]] QueueState state() const;
  [[nodiscard]] std::uint16_t size() const { return size_; }
  [[nodiscard]] std::uint16_t capacity() const { return capacity_; }

 private:
  /// A slot, and the flag bits that the wrap counter of this lap stands for (2.8.1).
  struct Position {
    std::uint16_t slot;
    std::uint16_t flags;

    void advance(std::size_t count, std::size_t size) {
      const std::size_t next = slot + count;
      slot = static_cast<std::uint16_t>(next < size ? next : next - size);
      if (next >= size) flags ^= packed::desc_both;
    }
    /// Slots from here to `end`, which is at most one lap ahead.
    [[nodiscard]] std::uint16_t distance(Position end, std::uint16_t size) const {
      return static_cast<std::uint16_t>(end.slot - slot + (end.wrap() == wrap() ? 0 : size));
    }
    [[nodiscard]] bool wrap() const { return (flags & packed::desc_avail) != 0; }
    /// As next_off and next_wrap, and as off_wrap of an event, name a slot.
    [[nodiscard]] std::uint16_t off_wrap() const {
      return static_cast<std::uint16_t>(slot | (wrap() ? 1U << packed::event_wrap_shift : 0U));
    }
  };

  [[nodiscard]] packed::DescriptorWords* words() const {
    return reinterpret_cast<packed::DescriptorWords*>(descriptors_);
  }
  [[nodiscard]] std::size_t events_offset() const { return std::size_t{capacity_} * sizeof(packed::Descriptor); }
  [[nodiscard]] [[gnu::always_inline]] Adding begin_adding(std::size_t most) {
    packed::DescriptorWords* const start = words() + avail_.slot;
    Adding batch;
    batch.shadow_ = shadow_;
    batch.size_ = size_;
    batch.free_id_ = bsp::in_register(free_id_);
    batch.flags_ = std::uint64_t{avail_.flags} << 48;
    batch.batch_start_ = batch_start_;
    batch.start_ = batch.descriptor_ = start;
    batch.stop_ = start + std::min<std::size_t>(most, static_cast<std::size_t>(size_ - avail_.slot));
    return batch;
  }
  [[gnu::always_inline]] std::size_t end_adding(const Adding& batch) {
    const auto count = static_cast<std::size_t>(batch.descriptor_ - batch.start_);
    batch_start_ = batch.batch_start_;
    chains_ = static_cast<std::uint16_t>(chains_ + count);
    unannounced_ += static_cast<std::uint32_t>(count);
    avail_.advance(count, size_);
    return count;
  }
  void enter(Token id, std::uint16_t slots, std::uint32_t writable);
  void place(const Piece& piece, Token id, std::uint16_t flags);
  [[nodiscard]] Piece write_table(Token id, std::span<const Piece> readable, std::span<const Piece> writable);
  [[nodiscard]] std::uint32_t notification() const {
    if (!notification_data_) return index_; // 2.9
    return index_ | std::uint32_t{published_.off_wrap()} << 16;
  }
  // The device names a slot and its lap (2.8.10). Was it among those made available since the last notification? Older
  // ones than a ring length are used already, so the device cannot wait for them, and the distance is never ambiguous:
  // laps with the same wrap counter are two ring lengths apart.
  [[nodiscard]] [[gnu::always_inline]] bool notification_due() {
    const std::uint32_t wanted = device_event_->both.load(); // flags and slot in one look
    const std::uint16_t flags = packed::EventSuppression::flags(wanted);
    bool due = flags != packed::event_disable; // the reserved 3 too
    if (flags == packed::event_desc && event_idx_) {
      const auto lap_slot = [this](std::uint16_t off_wrap) {
        const std::uint32_t slot = off_wrap & ((1U << packed::event_wrap_shift) - 1);
        return slot + (off_wrap >> packed::event_wrap_shift != 0 ? 0U : size_);
      };
      const std::uint32_t next = lap_slot(published_.off_wrap());
      const std::uint32_t event_slot = lap_slot(packed::EventSuppression::off_wrap(wanted));
      const std::uint32_t behind = next > event_slot ? next - event_slot : next + 2U * size_ - event_slot;
      due = behind <= unannounced_;
    }
    if (due) unannounced_ = 0;
    return due;
  }
  [[nodiscard]] bool used_at(Position at) const;
  [[nodiscard]] bool used_beyond(std::uint16_t offset) const;
  [[nodiscard]] bool open_batch();
  bool reject(std::size_t id);
  bool give_up(RingFault fault) {
    fault_ = fault;
    free_ = 0; // begin_add() asks for nothing else
    return false;
  }

  bsp::DmaBuffer ring_;    ///< Descriptor[capacity], then the driver's and the device's event suppression structure
  bsp::DmaBuffer tables_;  ///< indirect_entries descriptors a buffer id
  bsp::DmaBuffer private_; ///< ChainState[capacity]
  ChainState* shadow_{nullptr}; ///< by buffer id
  packed::Descriptor* descriptors_{nullptr};
  packed::EventSuppression* driver_event_{nullptr};
  packed::EventSuppression* device_event_{nullptr};

  std::uint16_t capacity_{0};
  std::uint16_t indirect_entries_{0};
  std::uint16_t index_{0};
  std::uint16_t size_{0};
  std::uint16_t free_{0}; ///< slots
  std::uint16_t chains_{0};
  Token free_id_{0};
  std::uint16_t longest_table_{0}; ///< pieces that may go through an indirect table; 0: none
  Position avail_{0, 0};           ///< the next slot to be written
  Position published_{0, 0};       ///< the next slot to be made available: where the batch in preparation starts
  Position used_{0, 0};            ///< the next slot to be used
  std::uint64_t batch_start_{0};   ///< length, id and flags of the slot at published_ wait for publish(); 0: no batch
  std::uint32_t unannounced_{0};   ///< slots filled since the last notification; when published, at most size_
  Token oldest_id_{0};             ///< IN_ORDER: of the chain to be given back next
  Token batch_last_{0};            ///< up to which the used descriptor reaches that was read last
  std::uint32_t batch_length_{0};  ///< and the length in it
  bool batch_open_{false};         ///< its chains are not all handed out
  bool event_idx_{false};
  bool in_order_{false};
  bool notification_data_{false};
  RingFault fault_{RingFault::none};
};

} // namespace virtio
