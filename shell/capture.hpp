// SPDX-License-Identifier: BSD-2-Clause
// A bounded ring of captured frames in storage that its owner provides.
//
// Invariants: frames come out in the order in which they went in, whole; a frame that finds no room is counted and
// forgotten, an older one is never overwritten. A frame that front() has shown stays where it is until pop().
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "drivers/net/net_device.hpp"

namespace shell {

enum class Direction : std::uint8_t { received, sent };

/// What is known about a frame beside its bytes; as in net::RxFrame, or as it was asked for when it was sent.
struct FrameNotes {
  std::uint32_t hash{0};
  std::uint16_t csum_start{0};
  std::uint16_t csum_offset{0};
  std::uint16_t gso_size{0};
  std::uint16_t coalesced_segments{0};
  std::uint16_t duplicate_acks{0};
  Direction direction{Direction::received};
  net::Checksum checksum{net::Checksum::none};
  net::Gso gso{net::Gso::none};
  bool ecn{false};
  std::uint8_t hash_report{0};
};

struct CapturedFrame {
  std::uint64_t time_us; ///< since hand-over from firmware
  std::span<const std::byte> bytes;
  FrameNotes notes;
};

class CaptureRing {
 public:
  /// `storage` outlives the ring; a frame needs its size plus 40 bytes at most.
  explicit CaptureRing(std::span<std::byte> storage) : storage_{storage} {}

  /// Copies a received frame, all its segments. False if there was no room.
  bool push(const net::RxFrame& frame, std::uint64_t time_us);
  /// Copies a frame that was sent, with this asked of the device. False if there was no room.
  bool push_sent(std::span<const std::byte> frame, std::uint64_t time_us, const net::Offload& offload = {});

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }
  /// The oldest frame; its bytes stay valid until pop(). Not on an empty ring.
  [[nodiscard]] CapturedFrame front() const;
  void pop();

  /// Frames that found no room since the last clear().
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  void clear();

 private:
  struct Header {
    std::uint64_t time_us;
    std::uint32_t length;
    FrameNotes notes;
  };
  static_assert(sizeof(Header) == 32);

  /// Room for a record: writes its header, returns where the bytes go; null (and counted) if there is none.
  std::byte* reserve(const Header& header);
  [[nodiscard]] Header header_at(std::size_t position) const;

  std::span<std::byte> storage_;
  std::size_t head_{0};  ///< the oldest record
  std::size_t tail_{0};  ///< where the next one goes
  std::size_t wrap_{0};  ///< where the upper records end while tail_ has gone back to the start
  bool wrapped_{false};  ///< tail_ is below head_ (or meets it)
  std::size_t count_{0}; ///< records
  std::uint64_t dropped_{0};
};

} // namespace shell
