// SPDX-License-Identifier: BSD-2-Clause
#include "shell/interfaces.hpp"

#include <algorithm>
#include <climits>

#include "bsp/log.hpp"
#include "drivers/net/virtio_net_spec.hpp"
#include "drivers/virtio/spec.hpp"
#include "fdt/chosen.hpp"

namespace shell {

namespace {

constexpr std::string_view names[Interfaces::max_interfaces] = {"net0", "net1", "net2", "net3",
                                                                "net4", "net5", "net6", "net7"};

/// Registers with all of the configuration that the driver may read.
constexpr std::uint64_t network_window = virtio::mmio::config_offset + net::virtio_net::config::size;

/// Why nothing drives the slot; empty if it holds a network device. Without a controller everything is polled, and
/// nobody needs an interrupt.
std::string_view reason_for(const virtio::MmioSlot& slot, bool polled) {
  if (slot.error) return to_string(*slot.error);
  if (slot.device_id == virtio::device_id_none) return "empty slot";
  if (slot.device_id != virtio::device_id_network) return "no driver for this device type";
  if (slot.size < network_window) return "no room for its configuration";
  if (!polled && !slot.interrupt) return "no usable interrupt";
  return {};
}

} // namespace

// Firmware may have left devices live (U-Boot's `go` does), with receive buffers in what is about to become the arena:
// every network device is stopped while slots are looked at, before any memory is handed out, whether or not it will be
// used.
std::string_view Interfaces::stop(const virtio::MmioSlot& slot) {
  virtio::MmioTransportStorage storage;
  virtio::Transport& transport = virtio::make_transport(storage, slot);
  const bsp::Result<void> result = transport.reset();
  if (result) return {};
  bsp::log::warn("{}: {}", transport.name(), to_string(result.error()));
  return to_string(result.error());
}

void Interfaces::note_slot(const virtio::MmioSlot& slot) {
  std::string_view reason = reason_for(slot, polled_);
  if (!slot.error && slot.device_id == virtio::device_id_network)
    if (const std::string_view failure = stop(slot); !failure.empty()) reason = failure;
  if (slot_count_ == slots_.size()) {
    bsp::log::warn("virtio-mmio@{:x}: left out, only {} slots are looked at", slot.base, slots_.size());
    return;
  }
  slots_[slot_count_] = {slot.base, slot.version, slot.device_id, {}, reason};
  if (reason.empty()) candidates_[candidate_count_++] = {slot_count_, slot};
  slot_count_++;
}

void Interfaces::bring_up(const fdt::Tree& tree, const std::optional<irqchip::Controller>& controller,
                          bsp::DmaArena& arena, const Settings& settings) {
  polled_ = !controller;
  virtio::for_each_mmio_slot(
      tree, controller,
      [](void* self, const virtio::MmioSlot& slot) { static_cast<Interfaces*>(self)->note_slot(slot); }, this);
  const std::span<Candidate> found{candidates_.data(), candidate_count_};
  if (found.size() > 1) sort(found);
  for (const Candidate& candidate : found)
    bring_up_one(candidate, controller, arena, settings);
}

void Interfaces::sort(std::span<Candidate> found) {
  for (Candidate& candidate : found)
    candidate.order = fdt::alias_index(candidate.found->node, "ethernet").value_or(UINT_MAX);
  // Insertion keeps tree order among equals, and std::stable_sort would want a heap.
  for (std::size_t i = 1; i < found.size(); i++)
    for (std::size_t j = i; j > 0 && found[j].order < found[j - 1].order; j--)
      std::swap(found[j], found[j - 1]);
}

void Interfaces::bring_up_one(const Candidate& candidate, const std::optional<irqchip::Controller>& controller,
                              bsp::DmaArena& arena, const Settings& settings) {
  VirtioSlot& slot = slots_[candidate.slot];
  if (device_count_ == max_interfaces) {
    slot.reason = "more network devices than interfaces";
    return;
  }
  Interface& interface = interfaces_[device_count_];
  virtio::Transport& transport = virtio::make_transport(interface.transport, *candidate.found);
  const net::VirtioNet::Config config{.name = names[device_count_],
                                      .queue_size = settings.queue_size,
                                      .mac_seed = settings.mac_seed ^ slot.address,
                                      .arena = &arena,
                                      .irqchip = controller ? controller->chip : nullptr,
                                      .receive_budget = settings.receive_budget};
  if (const bsp::Result<void> result = net::VirtioNet::create(interface.device, transport, config); !result) {
    slot.reason = to_string(result.error());
    bsp::log::warn("{}: {}", transport.name(), slot.reason);
    return;
  }
  slot.driver = names[device_count_];
  devices_[device_count_++] = &*interface.device;
}

} // namespace shell
