// SPDX-License-Identifier: BSD-2-Clause
// The real network driver over a device that the fuzzer plays: what its registers say, which features it offers, what
// it writes into the rings, when it interrupts and how it answers commands; and a user of the driver who does anything
// that the interface allows, at any time. Each step takes an opcode and its operands from the input.
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
#include "tests/fuzz/hostile_rings.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

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
  static constexpr std::size_t queue_count = 5;
  static constexpr std::size_t frame_slots = 16;
  static constexpr std::size_t slot_bytes = 2048;
  static constexpr std::size_t slot_headroom = 64;

  struct HeldFrame {
    net::RxFrame frame;
    std::uint64_t sum;
  };
  /// What the device does with the next command.
  enum class Answer : std::uint8_t { ok, refused, ack, silence, id, length, late, needs_reset };

  // The device.
  void make_device();
  void queue_ready(unsigned index);
  void notified(unsigned index);
  void answer_command();
  void make_good();
  void device_step(std::uint8_t op);
  void deliver(HostileRing& ring, const HostileRing::Chain& chain, std::span<const std::uint8_t> head,
               std::uint32_t length);
  void script_step();
  void registers_step(std::uint8_t op);
  void ring_step(std::uint8_t op);
  void tamper(const void* address, std::size_t width);
  [[nodiscard]] HostileRing& any_ring() { return rings_[input_.byte() % rings_.size()]; }
  [[nodiscard]] bool is_legacy() const { return registers_->version_register == 1; }
  [[nodiscard]] bool is_free_for_device(const HostileRing::Piece& piece) const;

  // The driver's user.
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

  // The end.
  void require_rules_kept();
  void require_working();
  void require_traffic();

  [[nodiscard]] static std::uint64_t sum_of(std::span<const std::byte> bytes);
  [[nodiscard]] static std::uint64_t sum_of(const net::RxFrame& frame);
  template <class Visit> static void for_each_segment(const net::RxFrame& frame, Visit&& visit);

  Input& input_;
  virtio::FeatureSet always_offered_;
  std::span<std::byte> bytes_;
  bsp::DmaArena arena_;
  test::DeviceMemory memory_;
  bsp::DmaBuffer user_; ///< frames to send
  std::unique_ptr<test::FakeVirtioMmio> registers_;
  std::vector<HostileRing> rings_;
  std::unique_ptr<virtio::MmioTransport> modern_;
  std::unique_ptr<virtio::LegacyMmioTransport> legacy_;
  Line line_;
  bool polled_{false};
  std::uint16_t queue_size_{8};
  std::size_t receive_budget_{0};
  std::optional<net::VirtioNet> net_;

  bool good_{false};            ///< the device behaves
  std::uint64_t next_offer_{0}; ///< from the next reset on
  std::uint32_t next_size_{0};  ///< of all queues, likewise
  unsigned unstable_reads_{0};  ///< of the generation counter
  unsigned tamper_in_{0};       ///< accesses to shared memory
  std::uint32_t tamper_value_{0};
  unsigned late_in_{0}; ///< accesses to shared memory until a command is answered after all
  HostileRing::Chain late_;
  std::vector<HeldFrame> frames_;
  std::array<bool, frame_slots> in_flight_{}; ///< by cookie
  std::array<std::uint64_t, frame_slots> sums_{};
  std::uint64_t sum_{0}; ///< so that what is read is really read
};

} // namespace fuzz
