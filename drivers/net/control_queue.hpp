// SPDX-License-Identifier: BSD-2-Clause
// The control virtqueue (VIRTIO 1.3, 5.1.6.5): one command at a time, each with a deadline.
//
// Invariant: after a command that the device did not answer, the queue is out of use and its command memory untouched
// until the device was reset: nobody knows when the device will write the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "bsp/dma.hpp"
#include "bsp/result.hpp"
#include "drivers/virtio/ring.hpp"
#include "drivers/virtio/transport.hpp"

namespace net {

class ControlQueue {
 public:
  /// Entries of its ring: a command takes at most five descriptors.
  static constexpr std::uint16_t ring_size = 16;

  /// Takes `ring` (at least five entries) and memory for commands from the arena. Once; a reset keeps both.
  [[nodiscard]] bsp::Result<void> allocate(bsp::DmaArena& arena, virtio::Ring&& ring);
  [[nodiscard]] bool allocated() const { return memory_.data() != nullptr; }

  virtio::Ring& ring() { return ring_; }
  [[nodiscard]] const virtio::Ring& ring() const { return ring_; }
  /// The queue was enabled at the device and may be used once the device is live.
  void go_live(std::uint16_t index, std::uint16_t size_max, const virtio::Doorbell& doorbell);
  /// Out of use: before a reset, or because the device has no control queue.
  void stop() { usable_ = false; }
  [[nodiscard]] bool usable() const { return usable_; }
  [[nodiscard]] std::uint16_t index() const { return index_; }
  [[nodiscard]] std::uint16_t size_max() const { return size_max_; }
  /// The device has confirmed its reset: a command that was never answered is forgotten.
  void take_back();
  void quarantine();

  /// Sends class, command and the data, one descriptor each; waits for the ack. `reply` is device-writable between data
  /// and ack (NET-CTRL-49). Errors: control_refused, control_ack_invalid, control_timed_out, device_failed (not usable).
  [[nodiscard]] bsp::Result<void> execute(std::uint8_t command_class, std::uint8_t command,
                                          std::initializer_list<std::span<const std::byte>> data,
                                          std::span<std::byte> reply = {});

 private:
  virtio::Ring ring_;
  virtio::Doorbell doorbell_;
  bsp::DmaBuffer memory_;
  std::uint16_t index_{0};
  std::uint16_t size_max_{0};
  bool usable_{false};
};

} // namespace net
