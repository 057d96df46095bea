// SPDX-License-Identifier: BSD-2-Clause
// The two ring formats under the same verbs, as bare as the standard lets them be: one descriptor a buffer, buffers
// used in the order in which they were made available (QEMU's network device does so), EVENT_IDX always. A buffer is
// named by its position: how many were made available before it. Nothing that the device writes is checked.
#pragma once

#include "machine.hpp"

constexpr std::uint32_t max_ring_size = 1024;
constexpr std::uint64_t no_position = ~std::uint64_t{0};

enum class Access : std::uint16_t { device_reads = 0, device_writes = 2 };

struct RingAddresses {
  std::uintptr_t descriptors, driver_area, device_area;
};

/// The standard's vring_need_event(): whether the step from `before` to `after` passes `event`.
inline bool passes(std::uint16_t event, std::uint16_t after, std::uint16_t before) {
  return static_cast<std::uint16_t>(after - event - 1) < static_cast<std::uint16_t>(after - before);
}

class SplitQueue {
 public:
  RingAddresses create(std::uint32_t size) {
    size_ = size;
    for (std::uint32_t slot = 0; slot < size; ++slot)
      available_.ring[slot] = static_cast<std::uint16_t>(slot);
    return {reinterpret_cast<std::uintptr_t>(descriptors_), reinterpret_cast<std::uintptr_t>(&available_),
            reinterpret_cast<std::uintptr_t>(&used_)};
  }
  /// Describes the buffer at `position`. Stands for that slot until it is described anew.
  void describe(std::uint64_t position, const void* buffer, std::uint32_t length, Access access) {
    descriptors_[slot(position)] = {reinterpret_cast<std::uintptr_t>(buffer), length,
                                    static_cast<std::uint16_t>(access), 0};
  }
  [[nodiscard]] bool is_used(std::uint64_t position) const {
    return static_cast<std::int16_t>(used_.index - static_cast<std::uint16_t>(position)) > 0;
  }
  [[nodiscard]] std::uint32_t used_from(std::uint64_t position) const {
    return static_cast<std::uint16_t>(used_.index - static_cast<std::uint16_t>(position));
  }
  [[nodiscard]] std::uint32_t used_length(std::uint64_t position) const { return used_.ring[slot(position)].length; }
  /// Asks for an interrupt once the device has used the buffer at `position`, for none if that is no_position.
  void interrupt_at(std::uint64_t position) {
    available_.ring[size_] = static_cast<std::uint16_t>(position == no_position ? available_.index - 1U : position);
  }
  /// Makes the next `count` buffers available; whether the device wants to be notified.
  [[nodiscard]] bool publish(std::uint32_t count) {
    const std::uint16_t before = available_.index;
    const auto after = static_cast<std::uint16_t>(before + count);
    machine::order_memory();
    available_.index = after;
    machine::order_store_before_load();
    return passes(static_cast<std::uint16_t>(used_.ring[size_].id), after, before);
  }
  [[nodiscard]] static bool may_wait_in_vain() { return false; }

 private:
  [[nodiscard]] std::uint32_t slot(std::uint64_t position) const {
    return static_cast<std::uint32_t>(position) & (size_ - 1);
  }

  struct Descriptor {
    std::uint64_t address;
    std::uint32_t length;
    std::uint16_t flags, next;
  };
  struct Used {
    std::uint32_t id, length;
  };
  alignas(16) Descriptor descriptors_[max_ring_size];
  struct {
    std::uint16_t flags;
    volatile std::uint16_t index;
    volatile std::uint16_t ring[max_ring_size + 1]; // used_event behind the last entry in use
  } available_;
  struct alignas(4) {
    std::uint16_t flags;
    volatile std::uint16_t index;
    volatile Used ring[max_ring_size + 1]; // avail_event behind the last entry in use
  } used_;
  std::uint32_t size_;
};

class PackedQueue {
 public:
  RingAddresses create(std::uint32_t size) {
    size_ = size;
    return {reinterpret_cast<std::uintptr_t>(ring_), reinterpret_cast<std::uintptr_t>(&driver_event_),
            reinterpret_cast<std::uintptr_t>(&device_event_)};
  }
  void describe(std::uint64_t position, const void* buffer, std::uint32_t length, Access access) {
    const std::uint32_t at = slot(position);
    ring_[at].address = reinterpret_cast<std::uintptr_t>(buffer);
    tails_[at] = length | std::uint64_t{at} << 32 | std::uint64_t{static_cast<std::uint16_t>(access)} << 48;
  }
  [[nodiscard]] bool is_used(std::uint64_t position) const {
    return (ring_[slot(position)].tail & flag_bits) == (odd_lap(position) ? 0 : flag_bits);
  }
  [[nodiscard]] std::uint32_t used_from(std::uint64_t position) const {
    std::uint32_t count = 0;
    while (count < size_ && is_used(position + count))
      ++count;
    return count;
  }
  [[nodiscard]] std::uint32_t used_length(std::uint64_t position) const {
    return static_cast<std::uint32_t>(ring_[slot(position)].tail);
  }
  void interrupt_at(std::uint64_t position) {
    if (position == no_position) {
      driver_event_ = disabled;
    } else {
      driver_event_ = slot(position) | (odd_lap(position) ? 0 : wrap_bit) | at_descriptor;
    }
  }
  [[nodiscard]] bool publish(std::uint32_t count) {
    for (std::uint32_t i = 1; i < count; ++i) // the first one last: up to there the device sees nothing
      make_available(next_ + i);
    machine::order_memory();
    make_available(next_);
    next_ += count;
    machine::order_store_before_load();
    const std::uint32_t event = device_event_;
    if (event >> 16 != at_descriptor >> 16) return event >> 16 != disabled >> 16;
    const std::uint32_t after = slot(next_);
    const bool this_lap = ((event & wrap_bit) == 0) == odd_lap(next_);
    return passes(static_cast<std::uint16_t>((event & (wrap_bit - 1)) - (this_lap ? 0 : size_)),
                  static_cast<std::uint16_t>(after), static_cast<std::uint16_t>(after - count));
  }
  /// QEMU 7.2 takes up a packed ring again, once its socket has room, after it has asked for a notification at the
  /// place where it stood before: when it has taken all that there was, that place is behind it, and it sleeps for
  /// ever. So whoever waits for a device that asks for notifications sends one.
  [[nodiscard]] bool may_wait_in_vain() const { return device_event_ >> 16 != disabled >> 16; }

 private:
  [[nodiscard]] std::uint32_t slot(std::uint64_t position) const {
    return static_cast<std::uint32_t>(position) & (size_ - 1);
  }
  [[nodiscard]] bool odd_lap(std::uint64_t position) const { return (position & size_) != 0; }
  void make_available(std::uint64_t position) {
    ring_[slot(position)].tail = tails_[slot(position)] | (odd_lap(position) ? used_flag : available_flag);
  }

  struct Descriptor {
    std::uint64_t address;
    volatile std::uint64_t tail; ///< length, buffer id and flags; the device writes all three
  };
  static constexpr std::uint64_t available_flag = std::uint64_t{1} << 55, used_flag = std::uint64_t{1} << 63;
  static constexpr std::uint64_t flag_bits = available_flag | used_flag;
  static constexpr std::uint32_t wrap_bit = 1U << 15, disabled = 1U << 16, at_descriptor = 2U << 16;

  alignas(16) Descriptor ring_[max_ring_size];
  alignas(4) volatile std::uint32_t driver_event_, device_event_;
  std::uint64_t tails_[max_ring_size];
  std::uint64_t next_;
  std::uint32_t size_;
};
