// SPDX-License-Identifier: BSD-2-Clause
// The real network driver over a hostile device, and a user of the driver who does anything that the interface allows,
// at any time. Each step takes an opcode and its operands from the input.
//
// What is held to, whatever the device does: the registers are accessed as the standard has it; every call ends in
// bounded time; a frame lies in the driver's memory, nobody else has it, and it stays as it is until it is released;
// every request that was taken comes back once, its memory untouched; and when the device behaves again, a reset brings
// traffic back.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "drivers/net/virtio_net.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hostile_device.hpp"
#include "tests/support/bus_trace.hpp"

namespace fuzz {

/// One interrupt line with one handler.
class Line final : public irqchip::Irqchip {
 public:
  bsp::Result<void> attach(std::uint32_t, irqchip::Handler handler, std::string_view) override {
    handler_ = handler;
    return {};
  }
  void detach(std::uint32_t, void*) override { handler_ = {}; }
  void handle_external_interrupt() override {
    if (handler_.function != nullptr) handler_.function(handler_.context);
  }
  std::uint64_t spurious_count() const override { return 0; }
  std::uint64_t unhandled_count() const override { return 0; }
  bool source_info(std::size_t, irqchip::SourceInfo&) const override { return false; }
  std::string_view name() const override { return "line"; }

 private:
  irqchip::Handler handler_{};
};

class HostileNic {
 public:
  /// What the device offers beside what the input says.
  explicit HostileNic(Input& input, virtio::FeatureSet always_offered = {});
  ~HostileNic();
  HostileNic(const HostileNic&) = delete;
  HostileNic& operator=(const HostileNic&) = delete;

  /// Brings the driver up as the input says, runs `step` until the input ends, and then asks for a working interface.
  void run(void (HostileNic::*step)());
  /// Anything at all.
  void any_step();
  /// Commands, answers, and what happens between them.
  void control_step();

 private:
  static constexpr std::size_t frame_slots = 16;
  static constexpr std::size_t slot_bytes = 2048;
  static constexpr std::size_t slot_headroom = 64;

  struct HeldFrame {
    net::RxFrame frame;
    std::uint64_t sum;
  };

  void create();
  void user_step(std::uint8_t op);
  void command_step();
  void turn();
  void take_interrupts();
  void receive(std::size_t most);
  void check(const net::RxFrame& frame);
  void release(std::size_t index);
  void send();
  [[nodiscard]] net::Offload any_offload();
  void reclaim(std::size_t most);
  void look_at_everything();
  [[nodiscard]] bool is_in_use(const HostileRing::Piece& piece) const;

  // The end.
  void require_rules_kept();
  void require_working();
  void require_traffic();

  [[nodiscard]] static std::uint64_t sum_of(std::span<const std::byte> bytes);
  [[nodiscard]] static std::uint64_t sum_of(const net::RxFrame& frame);
  template <class Visit> static void for_each_segment(const net::RxFrame& frame, Visit&& visit);

  test::CleanBus clean_; ///< first, so that the device attaches to it afterwards
  Input& input_;
  std::uint8_t kind_; ///< of device and driver, as the input says
  std::span<std::byte> bytes_;
  bsp::DmaArena arena_;
  bsp::DmaBuffer user_; ///< frames to send
  HostileDevice device_;
  std::unique_ptr<virtio::MmioTransport> modern_;
  std::unique_ptr<virtio::LegacyMmioTransport> legacy_;
  Line line_;
  std::optional<net::VirtioNet> net_;

  std::vector<HeldFrame> frames_;
  std::array<bool, frame_slots> in_flight_{}; ///< by cookie
  std::array<std::uint64_t, frame_slots> sums_{};
  std::uint64_t sum_{0}; ///< so that what is read is really read
};

} // namespace fuzz
