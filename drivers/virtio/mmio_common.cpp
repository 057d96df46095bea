// SPDX-License-Identifier: BSD-2-Clause
// What virtio-mmio Version 1 and Version 2 share: identification, status, interrupts, configuration access.
#include <charconv>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/endian.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "drivers/virtio/spec.hpp"

namespace virtio {

using bsp::Error;
using bsp::Result;

namespace {
constexpr std::uint32_t all_ones = 0xffffffff; ///< what a bus returns where nothing answers
}

Result<MmioIdentity> identify_mmio(std::uintptr_t base, std::uint32_t& version) {
  const bsp::MmioWindow regs{base};
  version = 0;
  const std::uint32_t magic = regs.read(mmio::magic_value);
  if (magic == all_ones) return bsp::fail(Error::device_gone);
  if (magic != mmio::magic) return bsp::fail(Error::not_a_virtio_device);
  version = regs.read(mmio::version);
  if (version != mmio::version_legacy && version != mmio::version_modern)
    return bsp::fail(Error::unsupported_transport_version);
  return MmioIdentity{version, regs.read(mmio::device_id)};
}

MmioCommon::MmioCommon(std::uintptr_t base, std::uint32_t interrupt) : regs_{base}, interrupt_{interrupt} {
  // Not by {fmt}: that is much code to run for the first time before the prompt.
  constexpr std::string_view kind = "virtio-mmio@";
  char* const start = name_.data();
  const auto end = std::to_chars(start + kind.copy(start, kind.size()), start + name_.size(), base, 16).ptr;
  name_length_ = static_cast<std::size_t>(end - start);
}

std::uint8_t MmioCommon::status() const {
  return static_cast<std::uint8_t>(regs_.read(mmio::status));
}

void MmioCommon::set_status(std::uint8_t value) {
  regs_.write(mmio::status, value);
}

Result<void> MmioCommon::reset_and_wait() {
  regs_.write(mmio::status, 0);
  const bsp::Deadline deadline = bsp::Deadline::in_ms(reset_timeout_ms);
  while (regs_.read(mmio::status) != 0) // all 32 bits: a slot that reads all ones is not reset
    if (deadline.expired()) return bsp::fail(Error::reset_timed_out);
  // The device has stopped; what it wrote before is visible, and the memory is ours (3.3.1).
  bsp::barrier::full();
  return {};
}

std::uint32_t MmioCommon::offered_word(std::uint32_t index) const {
  regs_.write(mmio::device_features_sel, index);
  return regs_.read(mmio::device_features);
}

void MmioCommon::accept_word(std::uint32_t index, std::uint32_t value) {
  regs_.write(mmio::driver_features_sel, index);
  regs_.write(mmio::driver_features, value);
}

InterruptCauses MmioCommon::acknowledge() {
  const std::uint32_t pending = regs_.read(mmio::interrupt_status);
  const std::uint32_t known = pending & (mmio::interrupt_used_buffer | mmio::interrupt_config_change);
  // Acknowledged before anything is looked at: what the device does after this raises the line again (4.2.3.4.1).
  if (known != 0 && pending != all_ones) regs_.write(mmio::interrupt_ack, known);
  bsp::barrier::after_register_read(); // the rings are read after the cause
  if (pending == all_ones) return {};
  return {(known & mmio::interrupt_used_buffer) != 0, (known & mmio::interrupt_config_change) != 0};
}

std::uint8_t MmioCommon::config8(std::uint32_t offset) const {
  return bsp::mmio_load<std::uint8_t>(regs_.base() + mmio::config_offset + offset);
}

// Version 2 is little-endian (2.5), Version 1 in the guest's order (2.5.3): the same on RISC-V.
std::uint16_t MmioCommon::config16(std::uint32_t offset) const {
  return bsp::little_endian(bsp::mmio_load<std::uint16_t>(regs_.base() + mmio::config_offset + offset));
}

std::uint32_t MmioCommon::config32(std::uint32_t offset) const {
  return bsp::little_endian(bsp::mmio_load<std::uint32_t>(regs_.base() + mmio::config_offset + offset));
}

} // namespace virtio
