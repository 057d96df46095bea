// SPDX-License-Identifier: BSD-2-Clause
// The composition root: from the device tree to the prompt. Every driver object of the machine lives in App; nothing
// else is global.
#include <array>
#include <new>
#include <string_view>

#include "board.hpp"
#include "bsp/clock.hpp"
#include "bsp/cpu.hpp"
#include "bsp/image.hpp"
#include "bsp/log.hpp"
#include "bsp/memory_map.hpp"
#include "bsp/mmu.hpp"
#include "bsp/panic.hpp"
#include "bsp/sbi.hpp"
#include "bsp/trap.hpp"
#include "drivers/irqchip/irqchip_probe.hpp"
#include "drivers/uart/uart_probe.hpp"
#include "fdt/chosen.hpp"
#include "shell/interfaces.hpp"
#include "shell/net_service.hpp"
#include "shell/shell.hpp"

#ifdef NETBSP_TEST_COMMANDS
#include "shell/commands_crash.hpp"
#endif

namespace {

namespace clock = bsp::clock;
namespace log = bsp::log;

constexpr std::size_t max_memory_ranges = 16;

struct App {
  uart::UartStorage uart_storage;
  irqchip::IrqchipStorage irqchip_storage;
  bsp::DmaArena arena;
  shell::Interfaces interfaces;
  std::array<bsp::MemoryRange, max_memory_ranges> memory;
  std::size_t memory_count;
  uart::Console console;
  std::array<char, 80> console_name;
  const fdt::Tree* tree; ///< null: none that can be read
  std::uint64_t hart;    ///< that the firmware started
  std::uint64_t boot_us;
};

/// In bss, constructed by netbsp_main(), never destroyed.
alignas(App) constinit std::byte app_storage[sizeof(App)]{};
alignas(shell::Shell) constinit std::byte shell_storage[sizeof(shell::Shell)]{};

void warn_about(const fdt::Node& node, const char* what, const char* why) {
  std::array<char, 96> path;
  log::warn("{}: {}: {}", node.path(path), what, why);
}

/// QEMU's test device: the only way to leave QEMU with a failing status.
void register_exit_device(const fdt::Tree& tree) {
  const std::optional<fdt::Node> node = tree.next_device(std::nullopt, "sifive,test1");
  if (!node) return;
  if (const fdt::Result<fdt::Region> region = fdt::reg(*node))
    bsp::panic_set_exit(static_cast<std::uintptr_t>(region->address));
  else
    warn_about(*node, "reg", to_string(region.error()));
}

void read_clock(const fdt::Tree& tree) {
  if (const fdt::Result<std::uint64_t> hertz = fdt::timebase_frequency(tree))
    clock::set_frequency(*hertz);
  else
    log::warn("/cpus: timebase-frequency: {}; {} Hz assumed", to_string(hertz.error()), clock::frequency());
}

/// Gives the largest free range of memory, up to the board's cap, to the arena.
void carve_arena(App& app, const fdt::Tree& tree) {
  std::array<fdt::Region, max_memory_ranges> regions;
  const fdt::RegionList found = fdt::memory(tree, regions);
  if (found.malformed) warn_about(*found.malformed, "reg", "malformed");
  for (; app.memory_count < found.count; app.memory_count++)
    app.memory[app.memory_count] = {regions[app.memory_count].address, regions[app.memory_count].size};
  const std::span<const bsp::MemoryRange> memory{app.memory.data(), app.memory_count};

  std::array<bsp::MemoryRange, 2 * max_memory_ranges + 2> reserved;
  const fdt::RegionList held = fdt::reserved_memory(tree, regions);
  if (held.malformed) warn_about(*held.malformed, "reg", "malformed");
  if (!held.complete) log::warn("/reserved-memory: more than {} regions, no DMA memory", regions.size());
  std::size_t count = 0;
  for (; count < held.count; count++)
    reserved[count] = {regions[count].address, regions[count].size};
  reserved[count++] = bsp::image::whole();
  // Firmware lies below the image it started, whether or not it says so in /reserved-memory.
  for (const bsp::MemoryRange& range : memory)
    if (range.contains(bsp::image::whole().address))
      reserved[count++] = {range.address, bsp::image::whole().address - range.address};
  reserved[count++] = {reinterpret_cast<std::uintptr_t>(tree.blob()), tree.size()};

  const bsp::MemoryRange range =
      held.complete ? bsp::choose_arena(memory, {reserved.data(), count}, board::dma_arena_cap) : bsp::MemoryRange{};
  if (range.size == 0) {
    log::warn("no free memory for DMA");
    return;
  }
  // Identity map: what the CPU sees at an address is what a device sees there.
  app.arena.assign({reinterpret_cast<std::byte*>(range.address), range.size}, bsp::BusAddress{range.address});
}

std::size_t count_harts(const fdt::Tree& tree) {
  std::size_t count = 0;
  const fdt::Result<fdt::Node> cpus = tree.find("/cpus");
  if (!cpus) return 0;
  for (std::optional<fdt::Node> node = cpus->first_child(); node; node = node->next_sibling())
    if (const auto type = node->property("device_type"); type && type->string() == "cpu") count++;
  return count;
}

std::string_view string_of(const fdt::Result<fdt::Node>& node, std::string_view name) {
  if (!node) return {};
  const fdt::Result<fdt::Property> property = node->property(name);
  return property ? property->string().value_or(std::string_view{}) : std::string_view{};
}

shell::BoardInfo describe_board(void* context) {
  App& app = *static_cast<App*>(context);
  shell::BoardInfo info{};
  info.board = NETBSP_BOARD;
  info.hart = app.hart;
  info.timebase_hz = clock::frequency();
  info.memory = {app.memory.data(), app.memory_count};
  info.image = bsp::image::whole();
  info.mmu = bsp::mmu::name();
  std::array<char, 64> path;
  info.console = bsp::format_to(app.console_name, "{} {}", app.console.device->name(),
                                app.console.node ? app.console.node->path(path) : std::string_view{});
  info.sbi_version = bsp::sbi::spec_version();
  info.sbi_impl_id = bsp::sbi::implementation_id();
  info.sbi_impl_version = bsp::sbi::implementation_version();
  info.boot_us = app.boot_us;
  if (app.tree == nullptr) return info;
  info.model = string_of(app.tree->root(), "model");
  info.isa = string_of(fdt::cpu(*app.tree, app.hart), "riscv,isa");
  info.hart_count = count_harts(*app.tree);
  info.device_tree = {reinterpret_cast<std::uintptr_t>(app.tree->blob()), app.tree->size()};
  return info;
}

/// The console of the tree, interrupting if it can.
uart::Console bring_up_console(uart::UartStorage& storage, const fdt::Tree* tree,
                               const std::optional<irqchip::Controller>& controller) {
  const uart::Console console =
      tree != nullptr ? uart::select_console(*tree, storage) : uart::firmware_console(storage);
  if (!console.interrupt || !controller) return console;
  const irqchip::Handler handler{[](void* device) { static_cast<uart::CharDevice*>(device)->handle_interrupt(); },
                                 console.device};
  if (const bsp::Result<void> attached = irqchip::attach(*controller, *console.interrupt, handler, "console"))
    console.device->enable_receive_interrupt();
  else
    log::warn("console: {}; polled", to_string(attached.error()));
  return console;
}

} // namespace

extern "C" [[noreturn]] void netbsp_main(std::uint64_t hart, const void* dtb) {
  App& app = *new (app_storage) App{};

  const fdt::Result<fdt::Tree> parsed = fdt::Tree::create(dtb);
  const fdt::Tree* const tree = parsed ? &*parsed : nullptr;
  app.tree = tree;
  app.hart = hart;
  std::optional<irqchip::Controller> controller;
  if (tree != nullptr) {
    register_exit_device(*tree);
    read_clock(*tree);
    controller = irqchip::find_controller(*tree, hart, app.irqchip_storage);
  } else {
    log::error("device tree at {}: {}", dtb, to_string(parsed.error()));
  }
  if (controller)
    bsp::trap::set_external_handler(
        [](void* chip) { static_cast<irqchip::Irqchip*>(chip)->handle_external_interrupt(); }, controller->chip);

  app.console = bring_up_console(app.uart_storage, tree, controller);
  if (tree != nullptr) {
    carve_arena(app, *tree);
    app.interfaces.bring_up(*tree, controller, app.arena,
                            {.queue_size = board::net_queue_size,
                             .receive_budget = board::net_receive_budget,
                             .mac_seed = clock::now_ticks() * 0x9e3779b97f4a7c15});
  }

  // Of the arena, though no device reaches for it: it is the only memory of this size. Without it nothing is captured.
  bsp::DmaBuffer capture;
  static_cast<void>(app.arena.allocate(capture, board::capture_bytes, 64, bsp::DmaArena::Content::as_found));
  shell::NetService service{app.interfaces.devices(), capture.bytes()};
  shell::System system{.console = *app.console.device,
                       .interfaces = app.interfaces.devices(),
                       .virtio_slots = app.interfaces.slots(),
                       .irqchip = controller ? controller->chip : nullptr,
                       .tree = tree,
                       .board = {describe_board, &app},
                       .arena = &app.arena,
                       .power = {bsp::sbi::power_off, bsp::sbi::reboot},
                       .net = &service};
  const shell::CommandTable tables[] = {
      shell::base_commands(),  shell::memory_commands(), shell::tree_commands(), shell::net_commands(),
#ifdef NETBSP_TEST_COMMANDS
      shell::crash_commands(),
#endif
  };
  shell::Shell& shell = *new (shell_storage) shell::Shell{system, service, tables};
  log::set_sink(shell::Shell::log_sink, &shell);
  shell.open();
  app.boot_us = clock::uptime_us();
  bsp::cpu::enable_interrupts();
  shell.run();
}
