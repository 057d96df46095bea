// SPDX-License-Identifier: BSD-2-Clause
// What both virtqueue formats share: the words that SplitRing and PackedRing are used with (VIRTIO 1.3, 2.6).
#pragma once

#include <cstdint>

#include "bsp/dma.hpp"

namespace virtio {

/// Contiguous bytes that a descriptor describes.
struct Piece {
  bsp::BusAddress address;
  std::uint32_t length;
};

/// Names a chain in flight; below the queue size. Split: the index of its head descriptor. Packed: its buffer id.
using Token = std::uint16_t;

/// A chain that the device gave back.
struct Used {
  Token token;
  std::uint32_t length;   ///< bytes the device says it wrote: not checked, may exceed `writable`
  std::uint32_t writable; ///< bytes it was allowed to write
};

/// What a ring knows of a token; never shared with the device.
struct ChainState {
  std::uint32_t writable; ///< bytes of the chain that the device may write
  Token next;             ///< of the free list, or of the chain (split); with IN_ORDER always the next in turn
  std::uint16_t count;    ///< descriptors in the ring of the chain in flight that it names; 0: it names none; or `kept`

  /// The chain's descriptors wait for add_again(); more than any chain has.
  static constexpr std::uint16_t kept = UINT16_MAX;
  [[nodiscard]] bool in_flight() const { return count != 0 && count != kept; }
};

/// Why a ring is broken. It stays so until restart().
enum class RingFault : std::uint8_t {
  none,
  used_id_out_of_range,  ///< a used id that is no descriptor or buffer id at all
  used_id_not_in_flight, ///< given back already, never exposed, or the middle of a chain
  used_index_jump,       ///< split: the used index moved by more than what is in flight
  used_without_buffer,   ///< packed: a descriptor turned used while nothing was in flight
};

/// What a ring gets memory for, once.
struct RingShape {
  bool packed{false};
  std::uint16_t capacity;            ///< the most entries it can be restarted with; split: a power of two
  std::uint32_t alignment{4};        ///< split: of the device area, 4 or a legacy device's page
  std::uint16_t indirect_entries{0}; ///< of the table that each chain may have; 0: no tables
};

/// How a ring works from its next restart() on.
struct RingSettings {
  std::uint16_t index;           ///< the queue's number, which a notification carries
  std::uint16_t size;            ///< entries: at most the capacity; split: a power of two
  bool event_idx{false};         ///< VIRTIO_F_EVENT_IDX was accepted
  bool in_order{false};          ///< VIRTIO_F_IN_ORDER was accepted
  bool indirect{false};          ///< VIRTIO_F_INDIRECT_DESC was accepted
  bool notification_data{false}; ///< VIRTIO_F_NOTIFICATION_DATA was accepted
};

} // namespace virtio
