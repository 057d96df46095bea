// SPDX-License-Identifier: BSD-2-Clause
// The input is the device tree. It is walked with everything that the headers of fdt/ offer, and then booted from: the
// probes, the choice of memory and the interfaces find what it says, on registers that answer anything that is asked.
//
// libfdt itself is built with the fuzzer's instrumentation, with the assumptions of the image.
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "bsp/clock.hpp"
#include "bsp/dma.hpp"
#include "bsp/log.hpp"
#include "bsp/memory_map.hpp"
#include "drivers/irqchip/irqchip_probe.hpp"
#include "drivers/uart/uart_probe.hpp"
#include "fdt/chosen.hpp"
#include "fdt/interrupt.hpp"
#include "shell/interfaces.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_mmio.hpp"
#include "tests/support/fake_sbi.hpp"

namespace {

using fdt::Node;
using fdt::Property;
using fuzz::require;

/// Calls everything on everything.
class Walker {
 public:
  explicit Walker(const fdt::Tree& tree) : tree_{tree} {}

  void walk() {
    std::size_t nodes = 0;
    for (auto node = tree_.next(std::nullopt); node; node = tree_.next(node), nodes++) {
      look_at(*node);
      addresses(*node);
      interrupts(*node);
    }
    require(nodes > 0, "a tree has a root");
    whole_tree();
  }

 private:
  void inside(std::string_view bytes) {
    const char* blob = static_cast<const char*>(tree_.blob());
    const bool starts_inside = bytes.data() >= blob && bytes.data() <= blob + tree_.size();
    require(starts_inside && bytes.size() <= static_cast<std::size_t>(blob + tree_.size() - bytes.data()),
            "what is found lies inside the blob");
    for (const char character : bytes)
      sum_ += static_cast<unsigned char>(character);
  }

  void look_at(const Node& node) {
    inside(node.name());
    std::array<char, 64> path;
    require(!node.path(path).empty(), "every node has a path");
    require(node.parent().has_value() == !(node == tree_.root()), "every node but the root has a parent");
    for (auto child = node.first_child(); child; child = child->next_sibling())
      require(child->parent() == node, "a child's parent is the node");
    require(node.is_enabled() || node.has("status"), "a node without status is enabled");
    for (std::size_t i = 0;; i++) {
      const auto property = node.property_at(i);
      if (!property) break;
      look_at(*property);
      require(node.has(property->name()), "a property is found by its name");
      if (const auto found = tree_.by_phandle(node.cell_or(property->name(), 0).value_or(0))) inside(found->name());
    }
  }

  void look_at(const Property& property) {
    inside(property.name());
    inside({reinterpret_cast<const char*>(property.bytes().data()), property.bytes().size()});
    for (std::size_t i = 0; property.cell(i); i++)
      sum_ += *property.cell(i);
    for (std::size_t i = 0; const auto text = property.string_at(i); i++)
      inside(*text);
    if (const auto text = property.string()) {
      inside(*text);
      if (const auto node = tree_.find(*text)) inside(node->name());
    }
  }

  void addresses(const Node& node) {
    for (std::size_t i = 0; i <= fdt::reg_count(node); i++) {
      const auto region = fdt::reg(node, i);
      require(!region || region->size == 0 || region->address + (region->size - 1) >= region->address,
              "a region does not wrap");
    }
  }

  void interrupts(const Node& node) {
    const std::size_t count = fdt::interrupt_count(node);
    for (std::size_t i = 0; i < count; i++) {
      const auto interrupt = fdt::interrupt(node, i);
      require(interrupt || interrupt.error() == fdt::Error::empty_entry, "a counted interrupt can be read");
      if (!interrupt) continue;
      require(interrupt->cell_count >= 1 && interrupt->cell_count <= std::size(interrupt->cells),
              "a specifier has 1 to 4 cells");
      if (const auto hart = fdt::hart_of_interrupt_controller(interrupt->controller)) (void)fdt::cpu(tree_, *hart);
    }
    require(!fdt::interrupt(node, count), "what is behind the last counted interrupt cannot be read");
  }

  void whole_tree() {
    if (const auto out = fdt::stdout_path(tree_)) inside(out->options);
    if (const auto path = tree_.alias("serial0")) inside(*path);
    for (auto node = tree_.next(std::nullopt); node; node = tree_.next(node))
      sum_ += fdt::alias_index(*node, "ethernet").value_or(0);
    (void)fdt::cpu(tree_, 0);
  }

  fdt::Tree tree_;
  std::uint64_t sum_{0}; ///< so that every byte is really read
};

/// Registers wherever the tree says that some are: a virtio slot with a device whose kind and version come from its
/// page, zero for everything else.
class AnyRegisters final : public test::MmioDevice {
 public:
  std::uint64_t load(std::uint32_t offset, unsigned width) override {
    const std::uint32_t page = offset >> 12;
    if ((page & 7) == 7) return width == 8 ? UINT64_MAX : (std::uint64_t{1} << (8 * width)) - 1;
    switch (offset & 0xfff) {
    case 0x000:
      return (page & 8) != 0 ? 0 : 0x7472'6976;
    case 0x004:
      return 1 + (page & 1);
    case 0x008:
      return (page & 4) != 0 ? 2 : 1;
    case 0x010:
      return page;
    case 0x034:
      return (page & 2) != 0 ? 64 : 0;
    default:
      return 0;
    }
  }
  void store(std::uint32_t, unsigned, std::uint64_t) override {}
};

/// Lets loads reach the first bytes of every region; some stay unreachable.
void map_registers(const fdt::Tree& tree) {
  std::size_t mapped = 0;
  for (auto node = tree.next(std::nullopt); node && mapped < 64; node = tree.next(node)) {
    const auto region = fdt::reg(*node);
    if (!region || (region->address >> 16 & 15) == 15) continue;
    test::fake_cpu().map(static_cast<std::uintptr_t>(region->address), 8);
    mapped++;
  }
}

void choose_memory(const fdt::Tree& tree) {
  std::array<fdt::Region, 16> regions;
  std::array<bsp::MemoryRange, 16> memory;
  std::array<bsp::MemoryRange, 16> reserved;
  const fdt::RegionList found = fdt::memory(tree, regions);
  require(found.count <= regions.size(), "no more regions than there is room for");
  for (std::size_t i = 0; i < found.count; i++)
    memory[i] = {regions[i].address, regions[i].size};
  const fdt::RegionList held = fdt::reserved_memory(tree, regions);
  require(held.count <= regions.size(), "no more regions than there is room for");
  for (std::size_t i = 0; i < held.count; i++)
    reserved[i] = {regions[i].address, regions[i].size};
  const bsp::MemoryRange arena =
      bsp::choose_arena({memory.data(), found.count}, {reserved.data(), held.count}, 32U << 20);
  require(arena.size == 0 || !(arena.address == 0), "page 0 is never chosen");
  for (std::size_t i = 0; i < held.count && arena.size != 0; i++)
    require(!reserved[i].contains(arena.address) && !arena.contains(reserved[i].address),
            "reserved memory is never chosen");
}

/// What boot does with a tree, in its order.
void boot(const fdt::Tree& tree) {
  static std::vector<std::byte> dma(1U << 20);
  map_registers(tree);
  if (const auto hertz = fdt::timebase_frequency(tree)) require(*hertz != 0, "the clock runs");
  irqchip::IrqchipStorage irqchip_storage;
  const std::optional<irqchip::Controller> controller = irqchip::find_controller(tree, 0, irqchip_storage);
  uart::UartStorage uart_storage;
  const uart::Console console = uart::select_console(tree, uart_storage);
  if (console.interrupt && controller)
    (void)irqchip::attach(*controller, *console.interrupt, {[](void*) {}, nullptr}, "console");
  console.device->write("netbsp\r\n");
  choose_memory(tree);
  bsp::DmaArena arena{dma, bsp::BusAddress{0x8000'0000}};
  const auto interfaces = std::make_unique<shell::Interfaces>();
  interfaces->bring_up(tree, controller, arena, {.queue_size = 8, .mac_seed = 1});
  require(interfaces->slots().size() <= shell::Interfaces::max_slots, "no more slots than there is room for");
}

void reset_machine(AnyRegisters& registers) {
  test::fake_bus().reset();
  test::fake_bus().log_enabled = false;
  test::fake_bus().attach(0, SIZE_MAX, registers);
  test::fake_cpu().reset();
  test::fake_clock().reset();
  test::fake_clock().step = 10'000; // a millisecond a look: waiting for a device that is dead costs a thousand looks
  test::fake_sbi().reset();
  bsp::log::set_sink(nullptr, nullptr);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  AnyRegisters registers;
  reset_machine(registers);
  // From malloc(), of exactly the blob's size: a read behind its end is seen.
  const std::unique_ptr<void, decltype(&std::free)> blob{std::malloc(size), &std::free};
  if (size != 0) std::memcpy(blob.get(), data, size);
  const fdt::Result<fdt::Tree> tree = fdt::Tree::create(blob.get(), size);
  if (!tree) return 0;
  Walker{*tree}.walk();
  boot(*tree);
  test::fake_bus().reset();
  return 0;
}
