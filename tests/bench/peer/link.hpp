// SPDX-License-Identifier: BSD-2-Clause
// The host's end of a NIC's cable: a unix socket that QEMU's `-netdev dgram` or `-netdev stream` is joined to. A
// datagram is a frame; on a stream each frame follows its length, 32 bits big-endian. No wait is longer than the
// deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace peer {

using Clock = std::chrono::steady_clock;
constexpr std::size_t max_frame = 65536;

/// Ends the program with a line on stderr that says what failed and why.
[[noreturn]] void fail(const std::string& what);

class Link {
 public:
  /// Binds `directory`/host, from where QEMU reaches it. QEMU's own end of a datagram pair is `directory`/machine.
  Link(bool stream, const std::string& directory, Clock::time_point deadline);
  Link(const Link&) = delete;
  ~Link();

  /// Waits until QEMU is there.
  void connect();
  /// Sends frames of one size that lie behind each other in `frames`, each with length_room() bytes before it that are
  /// the link's. Waits while the machine takes nothing. False once the deadline is over.
  bool send(std::span<std::byte> frames, std::size_t size);
  /// Bytes before each frame: a stream's length stands there.
  [[nodiscard]] std::size_t length_room() const { return stream_ ? sizeof(std::uint32_t) : 0; }
  /// Hands each frame that has come to `take`, waiting up to `patience` for the first one. False on silence, at the
  /// deadline or when QEMU has gone.
  template <class Take> bool receive(std::chrono::milliseconds patience, Take take) {
    if (!fill(patience)) return false;
    for (const auto& frame : arrived_)
      take(frame);
    return true;
  }

 private:
  bool wait(short events, std::chrono::milliseconds patience) const;
  bool fill(std::chrono::milliseconds patience);
  ssize_t fill_datagrams(); ///< as recv()
  ssize_t fill_stream();
  void split_stream();
  bool send_datagrams(std::span<std::byte> frames, std::size_t size);

  bool stream_;
  int socket_{-1}, listener_{-1};
  std::string directory_;
  Clock::time_point deadline_;
  std::vector<std::byte> buffer_;
  std::size_t begin_{0}, end_{0}; ///< of the stream's bytes in buffer_
  std::vector<std::span<const std::byte>> arrived_;
};

} // namespace peer
