// SPDX-License-Identifier: BSD-2-Clause
// What `net info`, `net regs` and `net queue` show of a virtio device. Plain values: reading them never follows an
// address found in shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "drivers/virtio/features.hpp"

namespace virtio {

/// A snapshot of one virtqueue.
struct QueueState {
  std::uint16_t index;
  std::string_view role;   ///< "receive", "transmit", "control"
  std::string_view format; ///< "split", "packed"
  std::uint16_t size;
  std::uint16_t size_max;  ///< what the device allows
  std::uint16_t free;      ///< free descriptors
  std::uint16_t avail_idx; ///< published to the device
  std::uint16_t used_idx;  ///< as the device last wrote it, read now
  std::uint16_t last_used; ///< up to where the driver has looked
  std::uint16_t avail_flags;
  std::uint16_t used_flags;
  bool event_idx;            ///< the next two are meaningful
  std::uint16_t used_event;  ///< written by the driver
  std::uint16_t avail_event; ///< written by the device
  std::uint16_t in_flight;   ///< descriptors owned by the device
  bool broken;
  bool packed; ///< the rest is meaningful; avail_idx and last_used are slots, used_idx, flags and events above are not
  bool avail_wrap;            ///< wrap counter of the next slot to make available
  bool used_wrap;             ///< wrap counter of the next slot to be used
  std::uint16_t driver_event; ///< off_wrap of the driver event suppression structure
  std::uint16_t driver_flags; ///< its flags: 0 enabled, 1 disabled, 2 one descriptor
  std::uint16_t device_event; ///< the same of the device's structure, read now
  std::uint16_t device_flags;
};

struct RegisterValue {
  std::string_view name; ///< the standard's name: "MagicValue"
  std::uint32_t offset;
  std::uint32_t value;
};

class Diagnostics {
 public:
  [[nodiscard]] virtual std::string_view transport_name() const = 0; ///< "virtio-mmio@10008000"
  [[nodiscard]] virtual std::uint32_t transport_version() const = 0; ///< 1 or 2
  /// One clause: why it is that version ("Version register reads 1: QEMU's default is legacy").
  [[nodiscard]] virtual std::string_view transport_reason() const = 0;
  [[nodiscard]] virtual std::uint32_t device_id() const = 0;
  [[nodiscard]] virtual std::uint32_t vendor_id() const = 0;
  [[nodiscard]] virtual std::uint32_t interrupt() const = 0;
  [[nodiscard]] virtual std::uint8_t device_status() const = 0; ///< read now
  [[nodiscard]] virtual FeatureSet offered_features() const = 0;
  [[nodiscard]] virtual FeatureSet accepted_features() const = 0;
  [[nodiscard]] virtual std::size_t header_size() const = 0; ///< virtio_net_hdr in use: 10 or 12
  [[nodiscard]] virtual std::size_t receive_buffer_size() const = 0;
  [[nodiscard]] virtual std::size_t queue_count() const = 0;
  [[nodiscard]] virtual bool queue_state(std::size_t index, QueueState& out) const = 0;
  /// The readable transport registers, index 0, 1, ... until false. Never reads a write-only register.
  [[nodiscard]] virtual bool register_value(std::size_t index, RegisterValue& out) const = 0;

 protected:
  ~Diagnostics() = default;
};

} // namespace virtio
