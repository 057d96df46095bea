// SPDX-License-Identifier: BSD-2-Clause
// Constants and layouts of VIRTIO 1.3 that every transport and ring shares. Names are the standard's.
#pragma once

#include <cstdint>

#include "bsp/endian.hpp"

namespace virtio {

/// Device status bits (2.1). A driver only ever adds bits; a reset clears them.
namespace status {
inline constexpr std::uint8_t acknowledge = 1;
inline constexpr std::uint8_t driver = 2;
inline constexpr std::uint8_t driver_ok = 4;
inline constexpr std::uint8_t features_ok = 8;
inline constexpr std::uint8_t needs_reset = 64;
inline constexpr std::uint8_t failed = 128;
} // namespace status

/// Device types (5).
inline constexpr std::uint32_t device_id_none = 0;
inline constexpr std::uint32_t device_id_network = 1;

/// Split virtqueue layout (2.7).
namespace split {

inline constexpr std::uint16_t max_queue_size = 32768;

/// Descriptor flags (2.7.5).
inline constexpr std::uint16_t desc_next = 1;
inline constexpr std::uint16_t desc_write = 2;
inline constexpr std::uint16_t desc_indirect = 4;

/// avail.flags (2.7.6) and used.flags (2.7.8).
inline constexpr std::uint16_t avail_no_interrupt = 1;
inline constexpr std::uint16_t used_no_notify = 1;

/// len (32 bits), flags (16) and next (16) are one word here, so that they take one store.
struct Descriptor {
  bsp::le64 addr;
  bsp::le64 len_flags_next;

  void store(std::uint64_t address, std::uint32_t length, std::uint16_t flags, std::uint16_t next = 0) {
    addr.store(address);
    len_flags_next.store(length | std::uint64_t{flags} << 32 | std::uint64_t{next} << 48);
  }
};
static_assert(sizeof(Descriptor) == 16);

struct UsedElement {
  bsp::le32 id;
  bsp::le32 len;
};
static_assert(sizeof(UsedElement) == 8);

/// The fixed part of the available ring; ring[size] and used_event follow (2.7.6).
struct AvailHeader {
  bsp::le16 flags;
  bsp::le16 idx;
};

/// The fixed part of the used ring; ring[size] and avail_event follow (2.7.8).
struct UsedHeader {
  bsp::le16 flags;
  bsp::le16 idx;
};

} // namespace split

/// Packed virtqueue layout (2.8).
namespace packed {

/// Descriptor flags (2.8.1, 2.8.5 to 2.8.7).
inline constexpr std::uint16_t desc_next = 1;
inline constexpr std::uint16_t desc_write = 2;
inline constexpr std::uint16_t desc_indirect = 4;
inline constexpr std::uint16_t desc_avail = 1 << 7;
inline constexpr std::uint16_t desc_used = 1 << 15;
/// Both set, or both clear, in a used descriptor.
inline constexpr std::uint16_t desc_both = desc_avail | desc_used;

/// Event flags (2.8.10); 3 is reserved.
inline constexpr std::uint16_t event_enable = 0;
inline constexpr std::uint16_t event_disable = 1;
inline constexpr std::uint16_t event_desc = 2; ///< only with EVENT_IDX: for the descriptor that off_wrap names
inline constexpr std::uint16_t event_flags_mask = 3;

/// off_wrap: the slot, and from this bit on the wrap counter.
inline constexpr unsigned event_wrap_shift = 15;

/// Available and used, in the ring; also an entry of an indirect table, whose id is not used (2.8.13, 2.8.7).
struct Descriptor {
  bsp::le64 addr;
  bsp::le32 len;
  bsp::le16 id;
  bsp::le16 flags;
};
static_assert(sizeof(Descriptor) == 16);
/// The same for the driver to write: flags that go with their length and id take one store.
struct [[gnu::may_alias]] DescriptorWords {
  bsp::le64 addr;
  bsp::le64 len_id_flags;
};
static_assert(sizeof(DescriptorWords) == sizeof(Descriptor));
constexpr std::uint64_t len_id_flags(std::uint32_t length, std::uint16_t id, std::uint16_t flags) {
  return length | std::uint64_t{id} << 32 | std::uint64_t{flags} << 48;
}

/// The driver's and the device's event suppression structure (2.8.14): le16 off_wrap, le16 flags. One word, so that
/// either side sees the two only as they belong together.
struct EventSuppression {
  bsp::le32 both;

  [[nodiscard]] static constexpr std::uint16_t off_wrap(std::uint32_t both) { return static_cast<std::uint16_t>(both); }
  [[nodiscard]] static constexpr std::uint16_t flags(std::uint32_t both) { return (both >> 16) & event_flags_mask; }
};
static_assert(sizeof(EventSuppression) == 4);

} // namespace packed

} // namespace virtio
