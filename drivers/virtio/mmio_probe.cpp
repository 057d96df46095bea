// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/virtio/mmio_probe.hpp"

#include "bsp/cpu.hpp"
#include "bsp/log.hpp"
#include "fdt/address.hpp"
#include "fdt/interrupt.hpp"

namespace virtio {

namespace {

constexpr std::uint64_t smallest_window = 0x100; ///< the registers without configuration

void warn(const fdt::Node& node, std::string_view what, const char* why) {
  char path[96];
  bsp::log::warn("{}: {}: {}", node.path(path), what, why);
}

std::optional<std::uint32_t> interrupt_of(const fdt::Node& node, const std::optional<irqchip::Controller>& controller) {
  if (!controller) return std::nullopt; // whoever looked for one has said so
  const fdt::Result<fdt::Interrupt> interrupt = fdt::interrupt(node);
  if (!interrupt) {
    warn(node, "interrupts", to_string(interrupt.error()));
    return std::nullopt;
  }
  if (interrupt->controller != controller->node) {
    warn(node, "interrupts", "not at this hart's interrupt controller");
    return std::nullopt;
  }
  return interrupt->cells[0];
}

} // namespace

void for_each_mmio_slot(const fdt::Tree& tree, const std::optional<irqchip::Controller>& controller,
                        void (*visit)(void* context, const MmioSlot& slot), void* context) {
  constexpr std::string_view compatible = "virtio,mmio";
  for (auto node = tree.next_device(std::nullopt, compatible); node; node = tree.next_device(node, compatible)) {
    const fdt::Result<fdt::Region> region = fdt::reg(*node);
    if (!region) {
      warn(*node, "reg", to_string(region.error()));
      continue;
    }
    if (region->size < smallest_window || region->address % 4 != 0) {
      warn(*node, "reg", "no room for virtio registers");
      continue;
    }
    MmioSlot slot{*node, static_cast<std::uintptr_t>(region->address), region->size};
    std::uint64_t probe = 0;
    if (!bsp::cpu::try_load(slot.base, 4, probe)) {
      warn(*node, "reg", "registers cannot be reached");
      continue;
    }
    if (const bsp::Result<MmioIdentity> identity = identify_mmio(slot.base, slot.version))
      slot.device_id = identity->device_id;
    else
      slot.error = identity.error();
    if (slot.device_id != 0) slot.interrupt = interrupt_of(*node, controller);
    visit(context, slot);
  }
}

Transport& make_transport(MmioTransportStorage& storage, const MmioSlot& slot) {
  const std::uint32_t interrupt = slot.interrupt.value_or(0);
  if (slot.version == mmio::version_modern) return storage.emplace<MmioTransport>(slot.base, interrupt);
  return storage.emplace<LegacyMmioTransport>(slot.base, interrupt);
}

} // namespace virtio
