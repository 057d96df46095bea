// SPDX-License-Identifier: BSD-2-Clause
// The control virtqueue (VIRTIO 1.3, 5.1.6.5): one command at a time, each with a deadline.
//
// Invariants:
//  - A command is one chain: class and command (2 bytes), each span of data, the ack (1 byte), each in a descriptor of
//    its own. That is what legacy devices without ANY_LAYOUT need (5.1.6.6), and fine for all others.
//  - After a command that the device did not answer, the queue is out of use and its command memory untouched until the
//    device was reset: nobody knows when the device will write the answer.
//  - The used length is not trusted; an answer counts only if the ack is OK.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>

#include "bsp/dma.hpp"
#include "bsp/result.hpp"
#include "drivers/virtio/ring.hpp"
#include "drivers/virtio/transport.hpp"

namespace net {

/// Where the device's answer beside the ack goes; each of them may be empty.
struct ControlAnswer {
  std::span<std::byte> before_ack{}; ///< part of the data: COAL_VQ_GET's counters (5.1.6.5.9)
  std::span<std::byte> after_ack{};  ///< a result: the statistics (1.4, 5.1.9.5)
};

class ControlQueue {
 public:
  /// Entries of its ring, and the fewest that will do: the longest chain is header, two spans of data, ack.
  static constexpr std::uint16_t ring_size = 16;
  static constexpr std::uint16_t min_ring_size = 4;
  /// Bytes that the data of a command, or one part of an answer, may have.
  static constexpr std::size_t max_data = 1024;
  static constexpr std::size_t max_answer = 1024;

  /// Takes memory for a ring of this format and for commands from the arena, as far as it has none yet; a reset keeps
  /// both. Error::out_of_dma_memory.
  [[nodiscard]] bsp::Result<void> allocate(bsp::DmaArena& arena, const virtio::RingShape& shape);

  virtio::Ring& ring() { return ring_; }
  [[nodiscard]] const virtio::Ring& ring() const { return ring_; }
  /// The queue was enabled at the device and may be used once the device is live.
  void go_live(std::uint16_t index, std::uint16_t size_max, const virtio::Doorbell& doorbell);
  /// Out of use: before a reset, or because the device has no control queue.
  void stop() { live_ = false; }
  [[nodiscard]] bool usable() const { return live_ && !unanswered_; }
  [[nodiscard]] std::uint16_t index() const { return index_; }
  [[nodiscard]] std::uint16_t size_max() const { return size_max_; }
  /// The device has confirmed its reset: a command that was never answered is forgotten.
  void take_back();
  /// The device never confirmed its reset: the ring and the command memory are given up.
  void quarantine();

  /// Sends class, command and at most two spans of data, and waits for the ack, at most control_timeout_ms. The spans
  /// are copied first; `answer` is filled only on success. Errors: control_refused, control_ack_invalid,
  /// control_timed_out (now or earlier), ring_broken (the device gave back a chain that it did not have),
  /// queue_not_available (no control queue in use).
  [[nodiscard]] bsp::Result<void> execute(std::uint8_t command_class, std::uint8_t command,
                                          std::initializer_list<std::span<const std::byte>> data,
                                          ControlAnswer answer = {});

 private:
  [[nodiscard]] std::optional<virtio::Token> add_command(std::uint8_t command_class, std::uint8_t command,
                                                         std::initializer_list<std::span<const std::byte>> data,
                                                         const ControlAnswer& answer);
  [[nodiscard]] bool wait_for_ack();

  virtio::Ring ring_;
  virtio::Doorbell doorbell_;
  bsp::DmaBuffer memory_;
  std::uint16_t index_{0};
  std::uint16_t size_max_{0};
  bool live_{false};
  std::optional<virtio::Token> unanswered_; ///< a command that the device still has
};

} // namespace net
