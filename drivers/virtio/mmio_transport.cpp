// SPDX-License-Identifier: BSD-2-Clause
// virtio-mmio Version 2 (VIRTIO 1.3, 4.2.2 and 4.2.3).
#include "drivers/virtio/mmio_transport.hpp"

#include <algorithm>

#include "bsp/clock.hpp"
#include "drivers/virtio/spec.hpp"

namespace virtio {

using bsp::Error;
using bsp::Result;
using namespace mmio::modern;

namespace {

/// Reserved bits (6) that mean something on this transport; SR_IOV, NOTIF_CONFIG_DATA and ADMIN_VQ do not (4.2.5, 6).
constexpr FeatureSet transport_features{
    Feature::indirect_desc,   Feature::event_idx,      Feature::version_1,
    Feature::access_platform, Feature::ring_packed,    Feature::in_order,
    Feature::ring_reset,      Feature::order_platform, Feature::notification_data,
};
/// Bits 0 to 23 and 50 to 63 belong to the device type (2.2).
constexpr FeatureSet device_type_features{0xfffc'0000'00ff'ffff};

} // namespace

FeatureSet MmioTransport::allowed_features() const {
  return transport_features | device_type_features;
}

FeatureSet MmioTransport::offered_features() const {
  const std::uint64_t low = offered_word(0);
  const std::uint64_t high = offered_word(1);
  return FeatureSet{high << 32 | low};
}

void MmioTransport::accept_features(FeatureSet features) {
  accept_word(0, features.word(0));
  accept_word(1, features.word(1));
}

Result<std::uint16_t> MmioTransport::max_queue_size(std::uint16_t index) {
  regs_.write(mmio::queue_sel, index);
  if (regs_.read(queue_ready) != 0) return bsp::fail(Error::queue_already_in_use);
  const std::uint32_t largest = regs_.read(mmio::queue_size_max);
  if (largest == 0) return bsp::fail(Error::queue_not_available);
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(largest, split::max_queue_size));
}

Result<Doorbell> MmioTransport::enable_queue(std::uint16_t index, const QueueMemory& memory) {
  const auto write_address = [this](mmio::Reg32<mmio::wo> low, mmio::Reg32<mmio::wo> high, bsp::BusAddress address) {
    regs_.write(low, static_cast<std::uint32_t>(raw(address)));
    regs_.write(high, static_cast<std::uint32_t>(raw(address) >> 32));
  };
  regs_.write(mmio::queue_sel, index);
  regs_.write(mmio::queue_size, memory.size);
  write_address(queue_desc_low, queue_desc_high, memory.descriptor_area);
  write_address(queue_driver_low, queue_driver_high, memory.driver_area);
  write_address(queue_device_low, queue_device_high, memory.device_area);
  bsp::barrier::full(); // the zeroed rings are visible before the device may look at them
  regs_.write(queue_ready, 1);
  if (regs_.read(queue_ready) != 1) return bsp::fail(Error::queue_rejected);
  return doorbell();
}

Result<void> MmioTransport::disable_queue(std::uint16_t index) {
  regs_.write(mmio::queue_sel, index);
  regs_.write(queue_ready, 0);
  if (regs_.read(queue_ready) != 0) return bsp::fail(Error::queue_rejected);
  return {};
}

Result<void> MmioTransport::reset_queue(std::uint16_t index) {
  regs_.write(mmio::queue_sel, index);
  regs_.write(queue_reset, 1);
  const bsp::Deadline deadline = bsp::Deadline::in_ms(reset_timeout_ms);
  while (regs_.read(queue_reset) != 0)
    if (deadline.expired()) return bsp::fail(Error::queue_reset_failed);
  // A device that did reset the queue shows 0 in both (4.2.2.1). QEMU 7.2 offers RING_RESET without the register:
  // the write is lost, QueueReset reads 0 at once, and the queue goes on.
  if (regs_.read(queue_ready) != 0) return bsp::fail(Error::queue_reset_failed);
  bsp::barrier::full(); // what the device wrote before is visible, and the queue's memory is ours
  return {};
}

std::optional<std::uint32_t> MmioTransport::config_generation() const {
  return regs_.read(mmio::modern::config_generation);
}

std::string_view MmioTransport::version_reason() const {
  return "the Version register reads 2";
}

bool MmioTransport::register_value(std::size_t index, RegisterValue& out) const {
  const auto show = [&](std::string_view name, auto reg) {
    out = {name, reg.offset, regs_.read(reg)};
    return true;
  };
  switch (index) {
  case 0:
    return show("MagicValue", mmio::magic_value);
  case 1:
    return show("Version", mmio::version);
  case 2:
    return show("DeviceID", mmio::device_id);
  case 3:
    return show("VendorID", mmio::vendor_id);
  case 4: // word 0; it is selected before each read (4.2.2.2)
    regs_.write(mmio::device_features_sel, 0);
    return show("DeviceFeatures", mmio::device_features);
  case 5:
    return show("QueueSizeMax", mmio::queue_size_max); // of the queue that was selected last
  case 6:
    return show("QueueReady", queue_ready);
  case 7:
    return show("InterruptStatus", mmio::interrupt_status);
  case 8:
    return show("Status", mmio::status);
  case 9:
    return show("ConfigGeneration", mmio::modern::config_generation);
  default:
    return false;
  }
}

} // namespace virtio
