// SPDX-License-Identifier: BSD-2-Clause
// The interfaces' work behind the prompt: they are served and drained whatever the console does, and what arrives is
// copied into the capture ring while a command captures. Link changes and recoveries become log lines.
//
// Invariant: poll() never leaves a received frame unreleased, unless a command receives for itself (attend()), and
// waits for nothing but a device that it resets; a full capture ring costs captured frames (counted), never the
// driver's ring. Owner: the main loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bsp/clock.hpp"
#include "drivers/net/net_device.hpp"
#include "shell/capture.hpp"
#include "shell/command.hpp"

namespace shell {

class NetService final : public Background {
 public:
  /// What a capture records.
  struct Filter {
    std::uint64_t limit{UINT64_MAX};             ///< frames
    bsp::Deadline until{bsp::Deadline::never()}; ///< frames that are found later are not recorded
    bool sent{false};                            ///< what goes through record_sent() too
  };

  /// Becomes the listener of all `interfaces`. Both spans outlive the service.
  NetService(std::span<net::NetDevice* const> interfaces, std::span<std::byte> capture_storage);
  NetService(const NetService&) = delete;
  NetService& operator=(const NetService&) = delete;
  ~NetService();

  void poll() override;
  [[nodiscard]] bsp::Deadline next_wake() const override;
  [[nodiscard]] bool prepare_idle() override;
  /// What prepare_idle() does about notifications that were lost, for who waits without sleeping.
  void repeat_notifications();

  /// Forgets what was captured before and records frames of `device` from now on.
  void start_capture(net::NetDevice& device, const Filter& filter);
  /// The capture that goes on ends then.
  void end_capture_at(bsp::Deadline until) { filter_.until = until; }
  /// Records nothing more; what was captured stays.
  void stop_capture() { capturing_ = nullptr; }
  /// Whether more frames can come: started, and neither stopped nor at the limit nor past the deadline.
  [[nodiscard]] bool capturing() const;
  /// How long to wait for the next frame at most.
  [[nodiscard]] bsp::Deadline capture_end() const { return filter_.until; }
  [[nodiscard]] CaptureRing& captured() { return ring_; }
  /// To be called for each frame that goes out, when the driver has taken it.
  void record_sent(const net::NetDevice& device, std::span<const std::byte> frame, const net::Offload& offload = {});

  /// A command has `device` to itself until dismiss(): disturbed() tells what happens to it, and with `receives` the
  /// command takes the received frames, not poll().
  void attend(const net::NetDevice& device, bool receives) { attended_ = {&device, receives, false}; }
  void dismiss() { attended_ = {}; }
  /// The device was reset, or timed out, since attend().
  [[nodiscard]] bool disturbed() const { return attended_.disturbed; }

  /// Whether sleeping ends when a device gives back sent frames, too. In force until the next call.
  void expect_completions(bool expected) { completions_expected_ = expected; }

 private:
  void drain(net::NetDevice& device);
  void record(std::span<const net::RxFrame> frames);
  static void on_event(void* context, net::NetDevice& device, net::NetEvent event);

  std::span<net::NetDevice* const> interfaces_;
  CaptureRing ring_;
  const net::NetDevice* capturing_{nullptr};
  Filter filter_{};
  std::uint64_t recorded_{0}; ///< since start_capture()
  bool completions_expected_{false};
  struct {
    const net::NetDevice* device{nullptr};
    bool receives{false};
    bool disturbed{false};
  } attended_{};
};

} // namespace shell
