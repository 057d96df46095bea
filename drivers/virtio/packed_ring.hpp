// SPDX-License-Identifier: BSD-2-Clause
// A packed virtqueue, the driver's half (VIRTIO 1.3, 2.8). The same verbs as SplitRing.
//
// Invariants:
//  - What decides is private (shadow_, positions, wrap counters). Of what the device can write, only the next used slot
//    and the device event suppression structure are read, each word once.
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
  [[nodiscard]] std::optional<std::uint32_t> publish();
  [[nodiscard]] std::optional<std::uint32_t> recheck_notification();
  [[nodiscard]] bool unannounced() const;
  [[nodiscard]] std::uint32_t force_notification();

  [[nodiscard]] bool used_pending() const;
  [[nodiscard]] std::size_t take_used(std::span<Used> out);
  [[nodiscard]] bool broken() const { return fault_ != RingFault::none; }
  [[nodiscard]] RingFault fault() const { return fault_; }
  [[nodiscard]] std::uint16_t chains_in_flight() const { return chains_; }
  [[nodiscard]] bool in_flight(Token token) const;
  void forget(Token token);

  void suppress_interrupts();
  [[nodiscard]] bool request_interrupt(std::uint16_t after = 1);

  [[nodiscard]] QueueState state() const;
  [[nodiscard]] std::uint16_t size() const { return size_; }
  [[nodiscard]] std::uint16_t capacity() const { return capacity_; }

 private:
  std::uint16_t capacity_{0};
  std::uint16_t size_{0};
  std::uint16_t free_{0};
  std::uint16_t chains_{0};
  Token free_id_{0};
  RingFault fault_{RingFault::none};
};

} // namespace virtio
