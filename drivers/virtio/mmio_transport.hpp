// SPDX-License-Identifier: BSD-2-Clause
// virtio over MMIO (VIRTIO 1.3, 4.2): MmioTransport speaks Version 2, LegacyMmioTransport Version 1 (4.2.4); what both
// versions share is in MmioCommon. identify() looks at a slot before either is chosen.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "drivers/virtio/mmio_registers.hpp"
#include "drivers/virtio/transport.hpp"

namespace virtio {

/// What a slot says of itself before it is initialised.
struct MmioIdentity {
  std::uint32_t version;
  std::uint32_t device_id; ///< 0: an empty slot, which is no error (4.2.2.2)
};

/// Reads MagicValue, Version and DeviceID, in this order, and nothing else (4.2.3.1.1). Errors: not_a_virtio_device,
/// device_gone, unsupported_transport_version (then `version` is set all the same).
[[nodiscard]] bsp::Result<MmioIdentity> identify_mmio(std::uintptr_t base, std::uint32_t& version);

class MmioCommon : public Transport {
 public:
  [[nodiscard]] std::uint8_t status() const final;
  void set_status(std::uint8_t value) final;
  [[nodiscard]] InterruptCauses acknowledge() final;
  [[nodiscard]] std::uint8_t config8(std::uint32_t offset) const final;
  [[nodiscard]] std::uint16_t config16(std::uint32_t offset) const final;
  [[nodiscard]] std::uint32_t config32(std::uint32_t offset) const final;
  [[nodiscard]] std::string_view name() const final { return {name_.data(), name_length_}; }
  [[nodiscard]] std::uint32_t vendor_id() const final { return regs_.read(mmio::vendor_id); }
  [[nodiscard]] std::uint32_t interrupt() const final { return interrupt_; }

 protected:
  MmioCommon(std::uintptr_t base, std::uint32_t interrupt);
  ~MmioCommon() = default;

  /// Writes 0 to Status and waits until it reads 0.
  [[nodiscard]] bsp::Result<void> reset_and_wait();
  [[nodiscard]] std::uint32_t offered_word(std::uint32_t index) const;
  void accept_word(std::uint32_t index, std::uint32_t value);
  [[nodiscard]] Doorbell doorbell() const { return {regs_.base() + mmio::queue_notify.offset, 4}; }

  bsp::MmioWindow regs_;

 private:
  std::uint32_t interrupt_;
  std::array<char, 40> name_{};
  std::size_t name_length_{0};
};

/// Version 2.
class MmioTransport final : public MmioCommon {
 public:
  /// `base`: CPU address of the registers; `interrupt`: source number at the interrupt controller, for display.
  MmioTransport(std::uintptr_t base, std::uint32_t interrupt) : MmioCommon{base, interrupt} {}

  [[nodiscard]] bool legacy() const override { return false; }
  [[nodiscard]] FeatureSet allowed_features() const override;
  [[nodiscard]] bsp::Result<void> reset() override { return reset_and_wait(); }
  [[nodiscard]] FeatureSet offered_features() const override;
  void accept_features(FeatureSet features) override;
  [[nodiscard]] bsp::Result<std::uint16_t> max_queue_size(std::uint16_t index) override;
  [[nodiscard]] std::uint32_t device_area_alignment() const override { return 4; }
  [[nodiscard]] bsp::Result<Doorbell> enable_queue(std::uint16_t index, const QueueMemory& memory) override;
  [[nodiscard]] bsp::Result<void> disable_queue(std::uint16_t index) override;
  [[nodiscard]] bsp::Result<void> reset_queue(std::uint16_t index) override;
  [[nodiscard]] std::optional<std::uint32_t> config_generation() const override;
  [[nodiscard]] std::uint32_t version() const override { return mmio::version_modern; }
  [[nodiscard]] std::string_view version_reason() const override;
  [[nodiscard]] bool register_value(std::size_t index, RegisterValue& out) const override;
};

/// Version 1, the legacy interface. Ring memory is one page-aligned block whose page number must fit 32 bits (4.2.4).
class LegacyMmioTransport final : public MmioCommon {
 public:
  static constexpr std::uint32_t page_size = 4096;

  LegacyMmioTransport(std::uintptr_t base, std::uint32_t interrupt) : MmioCommon{base, interrupt} {}

  [[nodiscard]] bool legacy() const override { return true; }
  [[nodiscard]] FeatureSet allowed_features() const override;
  /// Resets and tells the device the page size again, which a reset may clear (4.2.4).
  [[nodiscard]] bsp::Result<void> reset() override;
  [[nodiscard]] FeatureSet offered_features() const override;
  void accept_features(FeatureSet features) override;
  [[nodiscard]] bsp::Result<std::uint16_t> max_queue_size(std::uint16_t index) override;
  [[nodiscard]] std::uint32_t device_area_alignment() const override { return page_size; }
  [[nodiscard]] bsp::Result<Doorbell> enable_queue(std::uint16_t index, const QueueMemory& memory) override;
  [[nodiscard]] bsp::Result<void> disable_queue(std::uint16_t index) override;
  /// Always Error::queue_reset_failed: legacy has no queue reset.
  [[nodiscard]] bsp::Result<void> reset_queue(std::uint16_t index) override;
  [[nodiscard]] std::optional<std::uint32_t> config_generation() const override { return std::nullopt; }
  [[nodiscard]] std::uint32_t version() const override { return mmio::version_legacy; }
  [[nodiscard]] std::string_view version_reason() const override;
  [[nodiscard]] bool register_value(std::size_t index, RegisterValue& out) const override;
};

} // namespace virtio
