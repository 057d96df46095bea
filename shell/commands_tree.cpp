// SPDX-License-Identifier: BSD-2-Clause
// Commands about what the machine consists of: fdt irq virtio.
#include <algorithm>

#include "shell/command.hpp"

namespace shell {

namespace {

// ---- fdt

bool is_printable(std::byte byte) {
  return byte >= std::byte{0x20} && byte < std::byte{0x7f};
}

/// Every string ends inside the property, holds printable characters only, and is not empty.
bool is_string_list(std::span<const std::byte> bytes) {
  if (bytes.empty() || bytes.back() != std::byte{0}) return false;
  bool empty = true;
  for (const std::byte byte : bytes) {
    if (byte == std::byte{0} ? empty : !is_printable(byte)) return false;
    empty = byte == std::byte{0};
  }
  return true;
}

void write_strings(Session& session, std::span<const std::byte> bytes) {
  bool open = false;
  for (std::size_t i = 0; i < bytes.size(); i++) {
    const char character = static_cast<char>(bytes[i]);
    if (!open) session.write(i == 0 ? "\"" : ", \"");
    open = character != '\0';
    if (character == '"' || character == '\\') session.write("\\");
    session.write(open ? std::string_view{&character, 1} : "\"");
  }
}

void write_cells(Session& session, const fdt::Property& property) {
  session.write("<");
  for (std::size_t i = 0; i < property.cell_count(); i++)
    session.write(bsp::Text<16>{"{}{:#010x}", i == 0 ? "" : " ", property.cell(i).value_or(0)});
  session.write(">");
}

void write_bytes(Session& session, std::span<const std::byte> bytes) {
  session.write("[");
  for (std::size_t i = 0; i < bytes.size(); i++)
    session.write(bsp::Text<8>{"{}{:02x}", i == 0 ? "" : " ", static_cast<unsigned>(bytes[i])});
  session.write("]");
}

/// Names come from the tree: what a terminal could take for a command is shown as '?'.
void write_name(Session& session, std::string_view name) {
  for (const char character : name)
    session.write(is_printable(static_cast<std::byte>(character)) ? std::string_view{&character, 1} : "?");
}

void write_indent(Session& session, int depth) {
  for (int i = 0; i < depth; i++)
    session.write("  ");
}

/// As a tree source has it: strings, 32-bit cells or bytes, whichever fits first.
void print_property(Session& session, const fdt::Property& property, int depth) {
  const std::span<const std::byte> bytes = property.bytes();
  write_indent(session, depth);
  write_name(session, property.name());
  if (!bytes.empty()) session.write(" = ");
  if (is_string_list(bytes))
    write_strings(session, bytes);
  else if (!bytes.empty() && bytes.size() % 4 == 0)
    write_cells(session, property);
  else if (!bytes.empty())
    write_bytes(session, bytes);
  session.write(";\n");
}

void open_node(Session& session, const fdt::Node& node, int depth) {
  write_indent(session, depth);
  write_name(session, node.name().empty() ? "/" : node.name());
  session.write(" {\n");
}

void close_node(Session& session, int depth) {
  write_indent(session, depth);
  session.write("};\n");
}

void print_properties(Session& session, const fdt::Node& node, int depth) {
  for (std::size_t i = 0; const std::optional<fdt::Property> property = node.property_at(i); i++)
    print_property(session, *property, depth);
}

/// Prints a node, and the nodes in it down to `levels` below it; only the first with its properties unless `all`.
/// Walks instead of recursing: the stack is small and the tree's depth is not ours.
void print_node(Session& session, fdt::Node node, int levels, bool all) {
  int depth = 0;
  while (session.pump()) {
    open_node(session, node, depth);
    if (all || depth == 0) print_properties(session, node, depth + 1);
    if (const auto child = depth < levels ? node.first_child() : std::nullopt) {
      node = *child;
      depth++;
      continue;
    }
    std::optional<fdt::Node> next;
    while (!next) {
      close_node(session, depth);
      if (depth == 0) return;
      next = node.next_sibling();
      if (next) break;
      const fdt::Result<fdt::Node> parent = node.parent();
      if (!parent) return;
      node = *parent;
      depth--;
    }
    node = *next;
  }
}

void print_path(Session& session, const Arguments& arguments, int levels, bool all) {
  const fdt::Tree* const tree = session.system().tree;
  if (tree == nullptr) {
    session.error("fdt", "no device tree");
    return;
  }
  std::string_view path = arguments.positionals().empty() ? "/" : arguments.positionals()[0];
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1); // as Tab leaves it
  const fdt::Result<fdt::Node> node = tree->find(path);
  if (!node)
    session.error(arguments.full_name(), "'{:.128}': {}", path, to_string(node.error()));
  else
    print_node(session, *node, levels, all);
}

void run_fdt_ls(Session& session, Arguments& arguments) {
  print_path(session, arguments, 1, false);
}

void run_fdt_print(Session& session, Arguments& arguments) {
  print_path(session, arguments, fdt::max_depth, true);
}

// ---- irq

void run_irq(Session& session, Arguments&) {
  const irqchip::Irqchip* const irqchip = session.system().irqchip;
  if (irqchip == nullptr) {
    session.error("irq", "no interrupt controller");
    return;
  }
  irqchip::SourceInfo info{};
  for (std::size_t i = 0; irqchip->source_info(i, info); i++)
    session.print("{} {} {}", info.source, info.count, info.name);
  session.print("spurious {}", irqchip->spurious_count());
  session.print("unhandled {}", irqchip->unhandled_count());
  session.print("storms {}", irqchip->storm_count());
}

// ---- virtio

struct DeviceType {
  std::uint32_t id;
  std::string_view name;
};

/// VIRTIO 1.3, 5.
constexpr DeviceType device_types[] = {
    {1, "network"},
    {2, "block"},
    {3, "console"},
    {4, "entropy source"},
    {5, "memory balloon"},
    {6, "ioMemory"},
    {7, "rpmsg"},
    {8, "SCSI host"},
    {9, "9P transport"},
    {10, "mac80211 wlan"},
    {11, "rproc serial"},
    {12, "CAIF"},
    {13, "memory balloon"},
    {16, "GPU"},
    {17, "timer/clock"},
    {18, "input"},
    {19, "socket"},
    {20, "crypto"},
    {21, "signal distribution"},
    {22, "pstore"},
    {23, "IOMMU"},
    {24, "memory"},
    {25, "sound"},
    {26, "file system"},
    {27, "PMEM"},
    {28, "RPMB"},
    {29, "mac80211 hwsim"},
    {30, "video encoder"},
    {31, "video decoder"},
    {32, "SCMI"},
    {33, "NitroSecureModule"},
    {34, "I2C adapter"},
    {35, "watchdog"},
    {36, "CAN"},
    {38, "parameter server"},
    {39, "audio policy"},
    {40, "bluetooth"},
    {41, "GPIO"},
    {42, "RDMA"},
    {43, "camera"},
    {44, "ISM"},
    {45, "SPI controller"},
};

std::string_view device_type(std::uint32_t id) {
  const auto* const found = std::ranges::find(device_types, id, &DeviceType::id);
  return found == std::end(device_types) ? "unknown" : found->name;
}

void print_slot(Session& session, const VirtioSlot& slot) {
  session.write(bsp::Text<64>{"virtio-mmio@{:x} version {} device {}", slot.address, slot.version, slot.device_id});
  if (slot.device_id == 0)
    session.print(" ({})", slot.reason.empty() ? "empty slot" : slot.reason);
  else if (!slot.driver.empty())
    session.print(" ({}) {}", device_type(slot.device_id), slot.driver);
  else
    session.print(" ({}): {}", device_type(slot.device_id), slot.reason.empty() ? "no driver" : slot.reason);
}

void run_virtio_list(Session& session, Arguments&) {
  if (session.system().virtio_slots.empty()) session.print("no virtio slot");
  for (const VirtioSlot& slot : session.system().virtio_slots)
    print_slot(session, slot);
}

constexpr Command fdt_commands[] = {
    {.name = "ls",
     .usage = "[PATH]",
     .summary = "print a node's properties and the names of the nodes in it",
     .example = "fdt ls /chosen",
     .run = run_fdt_ls,
     .positional = Completion::fdt_path,
     .max_positionals = 1},
    {.name = "print",
     .usage = "[PATH]",
     .summary = "print a node and all that is in it",
     .example = "fdt print /cpus",
     .run = run_fdt_print,
     .positional = Completion::fdt_path,
     .max_positionals = 1},
};

constexpr Command virtio_commands[] = {
    {.name = "list",
     .usage = "",
     .summary = "print every virtio slot: address, version, device, and what drives it or why nothing does",
     .example = "virtio list",
     .run = run_virtio_list},
};

constexpr Command commands[] = {
    {.name = "fdt",
     .usage = "ls|print [PATH]",
     .summary = "look at the device tree",
     .example = "fdt ls /chosen",
     .run = nullptr,
     .subcommands = fdt_commands},
    {.name = "irq",
     .usage = "",
     .summary = "print each interrupt source with its count and name, then spurious and unhandled ones and storms",
     .example = "irq",
     .run = run_irq},
    {.name = "virtio",
     .usage = "list",
     .summary = "look at the virtio slots",
     .example = "virtio list",
     .run = nullptr,
     .subcommands = virtio_commands},
};

} // namespace

std::span<const Command> tree_commands() {
  return commands;
}

} // namespace shell
