// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/irqchip/irqchip_probe.hpp"

#include "bsp/cpu.hpp"
#include "bsp/log.hpp"
#include "drivers/irqchip/plic.hpp"
#include "fdt/address.hpp"
#include "fdt/chosen.hpp"

namespace irqchip {

namespace {

constexpr std::uint32_t supervisor_external = 9; // the cause in scause, and the specifier at a riscv,cpu-intc

void warn(const fdt::Node& node, std::string_view why) {
  char path[128];
  bsp::log::warn("{}: {}", node.path(path), why);
}

/// Contexts are numbered by their place in interrupts-extended; nullopt if the boot hart's S-mode has none.
std::optional<std::uint32_t> supervisor_context(const fdt::Node& node, std::uint64_t boot_hart) {
  for (std::uint32_t context = 0;; context++) {
    const auto entry = fdt::interrupt(node, context);
    if (!entry && entry.error() == fdt::Error::empty_entry) continue;
    if (!entry) {
      if (entry.error() != fdt::Error::no_such_entry) warn(node, fdt::to_string(entry.error()));
      return std::nullopt;
    }
    // Machine external, or -1: a context that is connected to nothing.
    if (entry->cells[0] != supervisor_external) continue;
    const auto hart = fdt::hart_of_interrupt_controller(entry->controller);
    if (!hart) {
      warn(node, "interrupts-extended names a node that is no CPU's interrupt controller");
      continue;
    }
    if (*hart == boot_hart) return context;
  }
}

Irqchip* probe_plic(const fdt::Node& node, std::uint64_t boot_hart, IrqchipStorage& storage) {
  const auto region = fdt::reg(node);
  if (!region) {
    warn(node, fdt::to_string(region.error()));
    return nullptr;
  }
  const auto sources = node.cell_or("riscv,ndev", 0);
  if (!sources || *sources == 0) {
    warn(node, "riscv,ndev is missing or malformed");
    return nullptr;
  }
  const auto context = supervisor_context(node, boot_hart);
  if (!context) return nullptr;
  const PlicConfig config{region->address, region->size, *sources, *context};
  if (const auto usable = Plic::check(config); !usable) {
    warn(node, to_string(usable.error()));
    return nullptr;
  }
  std::uint64_t priority = 0;
  if (config.base % 4 != 0 || !bsp::cpu::try_load(config.base + 4, 4, priority)) {
    warn(node, "its registers cannot be read");
    return nullptr;
  }
  return &storage.emplace<Plic>(config);
}

struct Probe {
  std::string_view compatible;
  Irqchip* (*create)(const fdt::Node& node, std::uint64_t boot_hart, IrqchipStorage& storage);
};

constexpr Probe probes[] = {
    {"sifive,plic-1.0.0", probe_plic},
    {"riscv,plic0", probe_plic},
};

Irqchip* create(const fdt::Node& node, std::uint64_t boot_hart, IrqchipStorage& storage) {
  for (const Probe& probe : probes)
    if (node.is_compatible(probe.compatible)) return probe.create(node, boot_hart, storage);
  return nullptr;
}

} // namespace

std::optional<Controller> find_controller(const fdt::Tree& tree, std::uint64_t boot_hart, IrqchipStorage& storage) {
  for (auto node = tree.next(std::nullopt); node; node = tree.next(node)) {
    if (!node->is_enabled()) continue;
    if (Irqchip* const chip = create(*node, boot_hart, storage); chip != nullptr) return Controller{chip, *node};
  }
  bsp::log::warn("no usable interrupt controller for hart {}: everything is polled", boot_hart);
  return std::nullopt;
}

bsp::Result<void> attach(const Controller& controller, const fdt::Interrupt& interrupt, Handler handler,
                         std::string_view name) {
  if (interrupt.controller != controller.node) return bsp::fail(bsp::Error::no_interrupt_context);
  return controller.chip->attach(interrupt.cells[0], handler, name);
}

} // namespace irqchip
