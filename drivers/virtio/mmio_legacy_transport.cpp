// SPDX-License-Identifier: BSD-2-Clause
// virtio-mmio Version 1, the legacy interface (VIRTIO 1.3, 4.2.4). QEMU's default.
#include "drivers/virtio/mmio_transport.hpp"

#include <algorithm>

#include "drivers/virtio/spec.hpp"

namespace virtio {

using bsp::Error;
using bsp::Result;
using namespace mmio::legacy;

namespace {
/// Only bits 0 to 31 exist; 24 to 31 as 6.3 lists them. NOTIFY_ON_EMPTY is of no use to a driver that suppresses
/// properly, bit 30 is not to be negotiated.
constexpr FeatureSet legacy_transport_features{Feature::any_layout, Feature::indirect_desc, Feature::event_idx};
constexpr FeatureSet legacy_device_type_features{0x00ff'ffff};
} // namespace

FeatureSet LegacyMmioTransport::allowed_features() const {
  return legacy_transport_features | legacy_device_type_features;
}

Result<void> LegacyMmioTransport::reset() {
  TRY(reset_and_wait());
  regs_.write(guest_page_size, page_size);
  return {};
}

FeatureSet LegacyMmioTransport::offered_features() const {
  return FeatureSet{offered_word(0)};
}

void LegacyMmioTransport::accept_features(FeatureSet features) {
  accept_word(0, features.word(0));
}

Result<std::uint16_t> LegacyMmioTransport::max_queue_size(std::uint16_t index) {
  regs_.write(mmio::queue_sel, index);
  if (regs_.read(queue_pfn) != 0) return bsp::fail(Error::queue_already_in_use);
  const std::uint32_t largest = regs_.read(mmio::queue_size_max);
  if (largest == 0) return bsp::fail(Error::queue_not_available);
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(largest, split::max_queue_size));
}

Result<Doorbell> LegacyMmioTransport::enable_queue(std::uint16_t index, const QueueMemory& memory) {
  // The device computes where the available and used rings are; only the first page's number is told (2.7.2).
  const std::uint64_t page = raw(memory.descriptor_area) / page_size;
  if (page == 0 || page > UINT32_MAX || raw(memory.descriptor_area) % page_size != 0)
    return bsp::fail(Error::address_not_reachable);
  regs_.write(mmio::queue_sel, index);
  regs_.write(mmio::queue_size, memory.size);
  regs_.write(queue_align, page_size);
  bsp::barrier::full(); // the zeroed rings are visible before the device may look at them
  regs_.write(queue_pfn, static_cast<std::uint32_t>(page));
  if (regs_.read(queue_pfn) != static_cast<std::uint32_t>(page)) return bsp::fail(Error::queue_rejected);
  return doorbell();
}

Result<void> LegacyMmioTransport::disable_queue(std::uint16_t index) {
  // Some devices reset wholly when one queue is stopped, QEMU's for one: the others are stopped then, too.
  if (regs_.read(mmio::status) == 0) return {};
  regs_.write(mmio::queue_sel, index);
  regs_.write(queue_pfn, 0);
  if (regs_.read(queue_pfn) != 0) return bsp::fail(Error::queue_rejected);
  return {};
}

Result<void> LegacyMmioTransport::reset_queue(std::uint16_t /*index*/) {
  return bsp::fail(Error::queue_reset_failed);
}

std::string_view LegacyMmioTransport::version_reason() const {
  return "the Version register reads 1 (legacy; on QEMU -global virtio-mmio.force-legacy=false gives 2)";
}

bool LegacyMmioTransport::register_value(std::size_t index, RegisterValue& out) const {
  const auto show = [&](std::string_view name, auto reg) {
    out = {name, reg.offset, regs_.read(reg)};
    return true;
  };
  switch (index) { // without QueueSizeMax, which may only be read while QueuePFN is 0
  case 0:
    return show("MagicValue", mmio::magic_value);
  case 1:
    return show("Version", mmio::version);
  case 2:
    return show("DeviceID", mmio::device_id);
  case 3:
    return show("VendorID", mmio::vendor_id);
  case 4: // word 0, the only one; it is selected before each read (4.2.2.2)
    regs_.write(mmio::device_features_sel, 0);
    return show("HostFeatures", mmio::device_features);
  case 5:
    return show("QueuePFN", queue_pfn); // of the queue that was selected last
  case 6:
    return show("InterruptStatus", mmio::interrupt_status);
  case 7:
    return show("Status", mmio::status);
  default:
    return false;
  }
}

} // namespace virtio
