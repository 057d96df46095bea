// SPDX-License-Identifier: BSD-2-Clause
// Sends one frame many times from a command: keeps the transmit ring full, or paces, and waits until the device has
// given everything back.
//
// Invariant: when run() returns, the device owns the frame's memory no more, unless the outcome says so.
#pragma once

#include <cstdint>

#include "bsp/clock.hpp"
#include "drivers/net/net_device.hpp"
#include "shell/command.hpp"
#include "shell/net_service.hpp"

namespace shell {

struct SendPlan {
  net::Segment frame; ///< in memory that the device may read until run() returns
  net::Offload offload{};
  std::uint64_t count{1};  ///< how often, from 1 on
  std::uint64_t gap_us{0}; ///< at least this long from one frame to the next
};

struct SendOutcome {
  std::uint64_t sent{0};    ///< given back as sent
  bool complete{true};      ///< everything that the device took came back as sent
  bool memory_owned{false}; ///< the device may still read the frame: its memory must never be used again
};

class FrameSender {
 public:
  FrameSender(Session& session, NetService& service, net::NetDevice& device)
      : session_{session}, service_{service}, device_{device} {}
  FrameSender(const FrameSender&) = delete;
  FrameSender& operator=(const FrameSender&) = delete;

  /// Ends early on Ctrl-C: sends no more then, and waits for what is in flight. A device that makes no progress for
  /// three seconds is reset.
  [[nodiscard]] SendOutcome run(const SendPlan& plan);

 private:
  static constexpr std::size_t batch_size = 64;
  static constexpr std::uint64_t patience_ms = 3000; ///< the watchdog, which may still help, takes up to two seconds

  [[nodiscard]] std::uint64_t in_flight() const { return submitted_ - finished_; }
  bool collect();
  bool submit(const SendPlan& plan);
  void give_up();

  Session& session_;
  NetService& service_;
  net::NetDevice& device_;
  net::Cookie cookie_{};
  std::uint64_t submitted_{0};
  std::uint64_t finished_{0};
  bsp::Deadline due_{bsp::Deadline::in_us(0)}; ///< of the next frame, if there is a gap
  SendOutcome outcome_{};
};

} // namespace shell
