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

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bsp/dma.hpp"
#include "bsp/result.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "drivers/virtio/spec.hpp"
#include "drivers/virtio/transport.hpp"
#include "drivers/virtio/virtqueue.hpp"

namespace virtio {

class PackedRing {
 public:
  static constexpr std::uint16_t max_capacity = 16384;

  /// A ring without memory: only good for being assigned to.
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
  template <class Produce> std::size_t add_each(std::size_t most, bool device_writes, Produce&& produce) {
    if (broken()) return 0;
    Shadow* const shadow = shadow_;
    packed::DescriptorWords* const ring = words();
    const std::size_t size = size_;
    const std::uint16_t write = device_writes ? packed::desc_write : std::uint16_t{0};
    const std::size_t limit = most < free_ ? most : free_;
    std::size_t id = free_id_;
    std::size_t slot = avail_.slot;
    std::uint16_t flags = avail_.flags | write;
    std::size_t count = 0;
    for (; count < limit; count++) {
      Piece piece;
      if (!produce(count, static_cast<Token>(id), piece)) break;
      ring[slot].addr.store(raw(piece.address));
      const std::uint64_t rest = packed::len_id_flags(piece.length, static_cast<Token>(id), flags);
      (batch_start_ != 0 ? ring[slot].len_id_flags.store(rest) : void(batch_start_ = rest)); // as in place()
      Shadow& entry = shadow[id];
      entry.writable = device_writes ? piece.length : 0;
      entry.count = 1;
      id = entry.next;
      if (++slot != size) continue;
      slot = 0;
      flags ^= packed::desc_avail | packed::desc_used;
    }
    free_id_ = static_cast<Token>(id);
    free_ = static_cast<std::uint16_t>(free_ - count);
    chains_ = static_cast<std::uint16_t>(chains_ + count);
    avail_ = {static_cast<std::uint16_t>(slot), static_cast<std::uint16_t>(flags & ~write)};
    return count;
  }
  [[nodiscard]] std::optional<std::uint32_t> publish();
  [[nodiscard]] std::optional<std::uint32_t> recheck_notification();
  [[nodiscard]] bool unannounced() const { return unannounced_ != 0; }
  [[nodiscard]] std::uint32_t force_notification();

  [[nodiscard]] bool used_pending() const;
  [[nodiscard]] std::size_t take_used(std::span<Used> out);
  [[nodiscard]] bool broken() const { return fault_ != RingFault::none; }
  [[nodiscard]] RingFault fault() const { return fault_; }
  [[nodiscard]] std::uint16_t chains_in_flight() const { return chains_; }
  [[nodiscard]] bool in_flight(Token token) const { return token < size_ && shadow_[token].count != 0; }
  void forget(Token token) {
    shadow_[token].count = 0;
    chains_--;
    batch_open_ = false;
  }

  void suppress_interrupts();
  [[nodiscard]] bool request_interrupt(std::uint16_t after = 1);

  [[nodiscard]] QueueState state() const;
  [[nodiscard]] std::uint16_t size() const { return size_; }
  [[nodiscard]] std::uint16_t capacity() const { return capacity_; }

 private:
  /// What the driver knows of a buffer id; never shared with the device.
  struct Shadow {
    std::uint32_t writable; ///< bytes of the chain in flight that it names
    std::uint16_t count;    ///< slots of that chain; 0: not in flight
    Token next;             ///< free list; with IN_ORDER always the id that is given out next
  };
  /// A slot, and the flag bits that the wrap counter of this lap stands for (2.8.1).
  struct Position {
    std::uint16_t slot;
    std::uint16_t flags;

    void advance(std::size_t count, std::size_t size) {
      const std::size_t next = slot + count;
      slot = static_cast<std::uint16_t>(next < size ? next : next - size);
      if (next >= size) flags ^= packed::desc_avail | packed::desc_used;
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
  void enter(Token id, std::uint16_t slots, std::uint32_t writable);
  void place(const Piece& piece, Token id, std::uint16_t flags);
  [[nodiscard]] Piece write_table(Token id, std::span<const Piece> readable, std::span<const Piece> writable);
  [[nodiscard]] std::uint32_t notification() const;
  [[nodiscard]] bool notification_due();
  [[nodiscard]] bool used_at(Position at) const;
  [[nodiscard]] bool used_beyond(std::uint16_t offset) const;
  [[nodiscard]] std::size_t take_any_order(std::span<Used> out);
  [[nodiscard]] std::size_t take_in_order(std::span<Used> out);
  [[nodiscard]] bool open_batch();
  bool reject(std::size_t id);

  bsp::DmaBuffer ring_;    ///< Descriptor[capacity], then the driver's and the device's event suppression structure
  bsp::DmaBuffer tables_;  ///< indirect_entries descriptors a buffer id
  bsp::DmaBuffer private_; ///< Shadow[capacity]
  Shadow* shadow_{nullptr};
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
  std::uint16_t unannounced_{0};   ///< slots made available since the last notification, at most size_
  Token oldest_id_{0};             ///< IN_ORDER: of the chain to be given back next
  Token batch_last_{0};            ///< IN_ORDER: up to which the used descriptor reaches that was read last
  std::uint32_t batch_length_{0};  ///< and the length in it
  bool batch_open_{false};         ///< its chains are not all handed out
  bool told_{false};               ///< the device was notified after the newest was exposed
  bool event_idx_{false};
  bool in_order_{false};
  bool notification_data_{false};
  RingFault fault_{RingFault::none};
};

} // namespace virtio
