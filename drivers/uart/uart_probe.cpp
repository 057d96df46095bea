// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/uart/uart_probe.hpp"

#include "bsp/cpu.hpp"
#include "bsp/log.hpp"
#include "drivers/uart/ns16550.hpp"
#include "drivers/uart/sbi_console.hpp"
#include "drivers/uart/sifive_uart.hpp"
#include "fdt/address.hpp"
#include "fdt/chosen.hpp"

namespace uart {

namespace {

void warn(const fdt::Node& node, std::string_view why) {
  char path[128];
  bsp::log::warn("{}: {}", node.path(path), why);
}

/// The node's registers from `offset` on, if they are aligned for accesses of `width` bytes and hold `used` bytes.
std::optional<std::uintptr_t> registers(const fdt::Node& node, std::uint64_t offset, std::uint64_t used,
                                        unsigned width) {
  const auto region = fdt::reg(node);
  if (!region) {
    warn(node, fdt::to_string(region.error()));
    return std::nullopt;
  }
  if (region->size < used || region->size - used < offset) {
    warn(node, "its register window is too small");
    return std::nullopt;
  }
  if ((region->address + offset) % width != 0) {
    warn(node, "its registers are not aligned");
    return std::nullopt;
  }
  return region->address + offset;
}

/// Whether a register can be read at all, before the driver relies on it.
bool responds(const fdt::Node& node, std::uintptr_t address, unsigned width) {
  std::uint64_t value = 0;
  if (bsp::cpu::try_load(address, width, value)) return true;
  warn(node, "its registers cannot be read");
  return false;
}

CharDevice* create_ns16550(const fdt::Node& node, UartStorage& storage, bool designware) {
  const auto shift = node.cell_or("reg-shift", 0);
  const auto width = node.cell_or("reg-io-width", 1);
  const auto offset = node.cell_or("reg-offset", 0);
  if (!shift || *shift > 2 || !width || (*width != 1 && *width != 2 && *width != 4) || *width > 1u << *shift ||
      !offset) {
    warn(node, "reg-shift, reg-io-width or reg-offset is not supported");
    return nullptr;
  }
  Ns16550Config config{.base = 0, .reg_shift = *shift, .reg_io_width = *width, .designware = designware};
  const auto base = registers(node, *offset, config.window_size(), *width);
  // The line control register: reading it changes nothing.
  if (!base || !responds(node, *base + (std::uintptr_t{3} << *shift), *width)) return nullptr;
  config.base = *base;
  return &storage.emplace<Ns16550>(config);
}

CharDevice* probe_ns16550(const fdt::Node& node, UartStorage& storage) {
  return create_ns16550(node, storage, false);
}

CharDevice* probe_designware(const fdt::Node& node, UartStorage& storage) {
  return create_ns16550(node, storage, true);
}

CharDevice* probe_sifive(const fdt::Node& node, UartStorage& storage) {
  const auto base = registers(node, 0, SifiveUart::window_size, 4);
  // The divisor: a load of the receive register would take a character along.
  if (!base || !responds(node, *base + 0x18, 4)) return nullptr;
  return &storage.emplace<SifiveUart>(*base);
}

struct Probe {
  std::string_view compatible;
  CharDevice* (*create)(const fdt::Node& node, UartStorage& storage);
};

/// The more specific kind first: a node may be compatible with several.
constexpr Probe probes[] = {
    {"snps,dw-apb-uart", probe_designware},
    {"ns16550a", probe_ns16550},
    {"ns16550", probe_ns16550},
    {"sifive,uart0", probe_sifive},
};

CharDevice* create(const fdt::Node& node, UartStorage& storage) {
  if (!node.is_enabled()) return nullptr;
  for (const Probe& probe : probes)
    if (node.is_compatible(probe.compatible)) return probe.create(node, storage);
  return nullptr;
}

Console console_at(const fdt::Node& node, CharDevice& device, std::string_view options) {
  Console console{.device = &device, .node = node, .options = options};
  if (const auto interrupt = fdt::interrupt(node))
    console.interrupt = *interrupt;
  else
    warn(node, bsp::Text<96>("no usable interrupt ({}): polling", fdt::to_string(interrupt.error())));
  return console;
}

} // namespace

Console select_console(const fdt::Tree& tree, UartStorage& storage) {
  const auto stdout_path = fdt::stdout_path(tree);
  if (stdout_path) {
    if (CharDevice* const device = create(stdout_path->node, storage); device != nullptr)
      return console_at(stdout_path->node, *device, stdout_path->options);
    warn(stdout_path->node, "stdout-path names it, but it cannot be used");
  } else if (stdout_path.error() != fdt::Error::no_such_property) {
    bsp::log::warn("/chosen: stdout-path: {}", fdt::to_string(stdout_path.error()));
  }
  for (auto node = tree.next(std::nullopt); node; node = tree.next(node)) {
    if (stdout_path && *node == stdout_path->node) continue; // has been tried
    if (CharDevice* const device = create(*node, storage); device != nullptr) return console_at(*node, *device, {});
  }
  return firmware_console(storage);
}

Console firmware_console(UartStorage& storage) {
  return {.device = &storage.emplace<SbiConsole>()};
}

} // namespace uart
