// SPDX-License-Identifier: BSD-2-Clause
// `net bench`: frames as fast as the interface takes, gives or returns them, and what that cost.
//
//   commands_net_bench.cpp  options, memory, the run's frame: clock, progress, Ctrl-C, results
//   bench_loops.cpp         the loops that frames pass, built for speed
//
// A loop looks at the console and the other interfaces only in Bench::serve(), at most once a batch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/endian.hpp"
#include "drivers/net/net_device.hpp"
#include "shell/command.hpp"
#include "shell/net_service.hpp"

namespace shell {

/// Where a frame of EtherType 0x88b5 has its number: 32 bits, big-endian, directly behind the Ethernet header.
inline constexpr std::size_t sequence_offset = net::ethernet_header_size;

/// What the numbers in received frames tell. They are compared as they lie in the frame, together with the EtherType
/// before them, in one word: a number that is one greater has a last byte that is, until that one wraps.
struct SequenceCheck {
  std::uint64_t lost{0};
  std::uint64_t reordered{0};

  [[nodiscard]] bool seen() const { return expected_ != nothing; }
  /// Reads the header and the number of each frame. Returns the bytes of all.
  std::uint64_t look_at(std::span<const net::RxFrame> frames);

 private:
  static constexpr std::uint64_t step = std::uint64_t{bsp::byteswap(std::uint32_t{1})} << 16;
  static constexpr std::uint64_t nothing = UINT64_MAX;
  std::uint64_t look_at_other(const net::RxFrame& frame);
  void note(std::uint32_t raw);
  std::uint64_t expected_{nothing}; ///< the word of the last frame and a step; above 48 bits if its last byte wrapped
};

/// One run of a benchmark.
class Bench {
 public:
  /// `receives`: the loop takes the received frames itself.
  Bench(Session& session, const Arguments& arguments, net::NetDevice& device, bool receives);
  ~Bench();
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// The clock starts again, and counting.
  void start();
  /// The frames counted so far are the last ones, until there are more.
  void stop() { stopped_ = bsp::clock::now_ticks(); }
  /// All that is not frames; sleeps before, if asked to. False if the run is to end: Ctrl-C, or it failed.
  [[nodiscard]] bool serve(bool sleep, bsp::Deadline until);
  /// Sleeps until something happens, and deals with none of it: what woke it is the caller's own frame more often than
  /// not, and serve() is for the rest.
  void sleep();
  /// It ends in this error.
  void fail(std::string_view why) {
    if (failure_.empty()) failure_ = why;
  }
  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  /// Prints the results, or the error.
  void report(const SequenceCheck* check = nullptr);

  net::NetDevice& device;
  NetService& service;
  std::uint64_t frames{0};
  std::uint64_t bytes{0};

 private:
  Session& session_;
  const Arguments& arguments_;
  std::string_view failure_{};
  std::uint64_t started_{0}; ///< ticks; so are the next two
  std::uint64_t stopped_{0};
  std::uint64_t progress_at_{0};
  std::uint64_t instructions_{0};
  std::uint64_t interrupts_{0};
  std::uint64_t notifications_{0};
};

/// How long a device may keep frames without giving any back, or refuse new ones. The driver's watchdog, which may
/// still help, takes up to two seconds.
inline constexpr std::uint64_t bench_patience_ms = 3000;

/// Frames in memory that devices read, each with its request. They go out a group at a time; a group is used again when
/// all of it has come back, in whatever order.
struct TxPool {
  std::span<net::TxRequest> requests;  ///< group after group; every segment `stride` bytes behind the one before
  std::span<std::uint16_t> unfinished; ///< by group: frames that are not back yet
  std::size_t batch;                   ///< frames a group
  std::size_t stride;
  std::span<const std::byte> sample; ///< what every frame looks like, but for its number
  bool copy;                         ///< it is copied into each frame before that goes out
};

class TxLoop {
 public:
  TxLoop(Bench& bench, const TxPool& pool, std::uint64_t count);
  /// False if the device may still read the frames: their memory must never be used again then.
  [[nodiscard]] bool run();

 private:
  [[nodiscard]] bool fill();
  void prepare();
  bool collect();
  [[nodiscard]] bool wait_briefly();
  void choose_way();
  void credit(net::Cookie cookie, std::size_t frames, bool sent);

  Bench& bench_;
  const TxPool& pool_;
  const net::Cookie base_; ///< the cookie of group 0; those that an earlier command left behind are lower
  std::uint64_t count_;
  std::uint64_t prepared_{0};
  std::uint64_t in_flight_{0};
  std::size_t group_{0};        ///< that goes out
  std::size_t length_{0};       ///< frames of it
  std::size_t taken_{0};        ///< of these, those that the device has
  std::uint64_t chosen_at_{0};  ///< ticks
  std::uint64_t done_then_{0};  ///< frames that had been given back then
  std::uint64_t way_cost_[2]{}; ///< ticks for 1024 frames, with sleeping, with looking on; 0: was not tried
  bool looks_on_{false};
  unsigned waits_{0};
};

/// Receives until there were `count` frames, or none for `silence_us`, or Ctrl-C; `frames.size()` at once.
void run_rx_loop(Bench& bench, SequenceCheck& check, std::span<net::RxFrame> frames, std::uint64_t count,
                 std::uint64_t silence_us);

/// Sends what it receives back from where it lies, addresses swapped, until Ctrl-C.
class EchoLoop {
 public:
  /// `finished` is as long as `frames`; both hold as many as a receive ring could.
  EchoLoop(Bench& bench, std::span<net::RxFrame> frames, std::span<bool> finished);
  void run();

 private:
  [[nodiscard]] std::size_t take();
  [[nodiscard]] std::size_t send_back();
  void watch_answers();
  std::size_t collect();
  void finish(std::size_t first, std::size_t count);
  void drain();
  [[nodiscard]] std::size_t before_head(std::size_t count) const {
    return head_ >= count ? head_ - count : head_ + frames_.size() - count;
  }

  static constexpr std::size_t echo_batch = 32;
  Bench& bench_;
  std::array<net::TxRequest, echo_batch> requests_{};
  std::span<net::RxFrame> frames_;
  std::span<bool> finished_; ///< released, by place
  bool drained_{false};      ///< there were no more frames when last looked
  const net::Cookie base_;   ///< the cookie of place 0
  std::size_t head_{0};      ///< place of the next frame to receive
  std::size_t unsent_{0};    ///< frames before it that the device has not taken yet
  std::size_t held_{0};      ///< frames before it whose places are taken
  unsigned unwatched_{0};    ///< answers still to go out without watching the device take them
};

} // namespace shell
