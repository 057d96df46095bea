// SPDX-License-Identifier: BSD-2-Clause
// A network device that the fuzzer plays: what its registers say, which features it offers, what it writes into the
// rings, when it interrupts and how it answers commands. Each step takes an opcode and its operands from the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "drivers/virtio/features.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/hostile_rings.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

namespace fuzz {

class HostileDevice {
 public:
  static constexpr std::size_t queue_count = 5;
  static constexpr std::uint64_t bus_base = 0x8000'0000;

  /// Over a clean bus. `kind` says which version it is; it offers `always_offered` beside what the input says, and sees
  /// `bytes` at `bus_base`.
  HostileDevice(Input& input, std::uint8_t kind, virtio::FeatureSet always_offered, std::span<std::byte> bytes);
  ~HostileDevice();
  HostileDevice(const HostileDevice&) = delete;
  HostileDevice& operator=(const HostileDevice&) = delete;

  /// Anything but a step of the driver's user.
  void step(std::uint8_t op);
  void registers_step(std::uint8_t op);
  void ring_step(std::uint8_t op);
  void script_step();
  /// From now on it is a good device of its kind, with the offer that the input chose.
  void behave();
  [[nodiscard]] bool good() const { return good_; }

  /// Writes `head` into the chain's writable pieces and uses it with this length.
  void deliver(HostileRing& ring, const HostileRing::Chain& chain, std::span<const std::uint8_t> head,
               std::uint32_t length);
  /// Whether it may write there: DMA memory that is no ring and not lent.
  [[nodiscard]] bool is_free(const HostileRing::Piece& piece) const;
  [[nodiscard]] bool is_legacy() const { return registers_->version_register == 1; }
  [[nodiscard]] test::FakeVirtioMmio& registers() { return *registers_; }
  [[nodiscard]] const test::DeviceMemory& memory() const { return memory_; }
  [[nodiscard]] HostileRing& ring(std::size_t index) { return rings_[index]; }

  /// Whether the driver's user has any of these bytes.
  std::function<bool(const HostileRing::Piece&)> is_lent;

 private:
  /// What it does with the next command.
  enum class Answer : std::uint8_t { ok, refused, ack, silence, id, length, late, needs_reset };

  void make_good();
  void queue_ready(unsigned index);
  void answer_command();
  void tamper(const void* address, std::size_t width);
  [[nodiscard]] HostileRing& any_ring() { return rings_[input_.byte() % rings_.size()]; }

  Input& input_;
  std::span<std::byte> bytes_;
  test::DeviceMemory memory_;
  std::vector<HostileRing> rings_;
  std::unique_ptr<test::FakeVirtioMmio> registers_;

  bool good_{false};            ///< it behaves
  std::uint64_t next_offer_{0}; ///< from the next reset on
  std::uint32_t next_size_{0};  ///< of all queues, likewise
  unsigned unstable_reads_{0};  ///< of the generation counter
  unsigned tamper_in_{0};       ///< accesses to shared memory
  std::uint32_t tamper_value_{0};
  unsigned late_in_{0}; ///< accesses to shared memory until a command is answered after all
  HostileRing::Chain late_;
};

} // namespace fuzz
