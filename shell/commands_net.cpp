// SPDX-License-Identifier: BSD-2-Clause
// The `net` command family: its table, and the commands that answer in a line or a list. docs/shell.md is their
// contract.
#include "shell/commands_net.hpp"

#include "bsp/error.hpp"
#include "drivers/virtio/diagnostics.hpp"

namespace shell {

namespace {

std::string_view link_word(net::LinkState state) {
  return state == net::LinkState::down ? "down" : "up";
}

void print_list_line(Session& session, std::size_t index) {
  const net::NetDevice& device = *session.system().interfaces[index];
  const char mark = index == session.interface_in_use() ? '*' : ' ';
  const net::MacText mac = net::to_text(device.mac());
  const std::string_view link = link_word(device.link().state);
  const virtio::Diagnostics* virtio = device.diagnostics();
  if (virtio == nullptr) {
    session.print("{} {} {} {}", mark, device.name(), mac.view(), link);
    return;
  }
  session.print("{} {} {} {} {} v{} irq {}", mark, device.name(), mac.view(), link, virtio->transport_name(),
                virtio->transport_version(), virtio->interrupt());
}

void run_net_list(Session& session, Arguments&) {
  if (session.system().interfaces.empty()) {
    session.print("no network device");
    return;
  }
  for (std::size_t i = 0; i < session.system().interfaces.size(); i++)
    print_list_line(session, i);
}

void run_net_use(Session& session, Arguments& arguments) {
  const net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  const auto positionals = arguments.positionals();
  if (positionals.empty() && !arguments.has("-i")) {
    session.error(arguments.full_name(), "no interface given (try 'net list')");
    return;
  }
  const std::string_view name = positionals.empty() ? device->name() : positionals[0];
  const auto interfaces = session.system().interfaces;
  for (std::size_t i = 0; i < interfaces.size(); i++) {
    if (interfaces[i]->name() != name && parse_number(name) != i) continue;
    session.use_interface(i);
    return;
  }
  session.error(arguments.full_name(), "no interface '{:.64}' (try 'net list')", name);
}

void run_net_mac(Session& session, Arguments& arguments) {
  const net::NetDevice* device = session.interface(arguments);
  if (device != nullptr) session.print("{}", net::to_text(device->mac()).view());
}

std::string_view duplex_word(net::Duplex duplex) {
  switch (duplex) {
  case net::Duplex::half:
    return "half";
  case net::Duplex::full:
    return "full";
  case net::Duplex::unknown:
    break;
  }
  return "unknown";
}

void run_net_link(Session& session, Arguments& arguments) {
  const net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  const net::Link link = device->link();
  if (link.state == net::LinkState::assumed_up) {
    session.print("up (assumed: device has no STATUS)");
  } else {
    session.print("{}", link_word(link.state));
  }
  if (link.speed_mbps == net::speed_unknown) {
    session.print("speed unknown duplex {} mtu {}", duplex_word(link.duplex), device->mtu());
  } else {
    session.print("speed {} duplex {} mtu {}", link.speed_mbps, duplex_word(link.duplex), device->mtu());
  }
}

void run_net_mtu(Session& session, Arguments& arguments) {
  net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  if (!arguments.positionals().empty()) {
    const auto mtu = session.number_argument(arguments, 0, "N", net::min_mtu, device->device_mtu());
    if (!mtu) return;
    if (const auto set = device->set_mtu(static_cast<std::uint16_t>(*mtu)); !set) {
      session.error(arguments.full_name(), "{}", to_string(set.error()));
      return;
    }
  }
  session.print("{}", device->mtu());
}

void run_net_stats(Session& session, Arguments& arguments) {
  net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  if (!arguments.positionals().empty()) {
    if (arguments.positionals()[0] != "clear") {
      session.error(arguments.full_name(), "unexpected argument '{:.64}', only 'clear'", arguments.positionals()[0]);
      return;
    }
    device->clear_stats();
    return;
  }
  const net::NetStats stats = device->stats();
  for (const net::StatName& stat : net::stat_names)
    session.print("{} {}", stat.name, stats.*stat.member);
}

void run_net_reset(Session& session, Arguments& arguments) {
  net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  if (const auto done = device->reset(); !done) {
    session.error(arguments.full_name(), "{}", to_string(done.error()));
    return;
  }
  session.print("reset complete");
}

constexpr Option net_options[] = {
    {"-i", "IF", "this interface instead of the one in use", Completion::interface},
};

constexpr Option dump_options[] = {
    {"-c", "N", "end after N frames"},
    {"-t", "SEC", "end after SEC seconds"},
    {"-q", "", "one line a frame instead of its bytes"},
    {"-o", "", "frames that are sent, too"},
};

constexpr Option tx_options[] = {
    {"-c", "N", "send it N times (1)"},
    {"-g", "US", "at least US microseconds between two frames (0)"},
    {"-w", "MS", "then print what arrives from just before the send until MS milliseconds after it"},
    {"-o", "", "with -w: print the sent frames, too"},
    {"-p", "", "pad with zeros to 60 bytes"},
    {"-s", "SIZE", "a generated frame of SIZE bytes, Ethernet header included"},
    {"-d", "MAC", "with -s: its destination (broadcast)"},
    {"-t", "TYPE", "with -s: its EtherType (0x88b5)"},
    {"-b", "BYTE", "with -s: every payload byte (0, 1, 2, ...)"},
    {"-m", "ADDR", "the LEN bytes at this address"},
};

constexpr Command net_subcommands[] = {
    {.name = "list",
     .usage = "",
     .summary = "interfaces, '*' marks the one in use",
     .example = "net list",
     .run = run_net_list},
    {.name = "use",
     .usage = "IF",
     .summary = "pick the interface that the other commands mean",
     .example = "net use net1",
     .run = run_net_use,
     .positional = Completion::interface,
     .max_positionals = 1},
    {.name = "mac",
     .usage = "",
     .summary = "the interface's address",
     .example = "net mac -i net1",
     .run = run_net_mac},
    {.name = "link",
     .usage = "",
     .summary = "link state, speed, duplex and mtu",
     .example = "net link",
     .run = run_net_link},
    {.name = "mtu",
     .usage = "[N]",
     .summary = "the mtu in use; N lowers it, or raises it again",
     .example = "net mtu 1400",
     .run = run_net_mtu,
     .max_positionals = 1},
    {.name = "stats",
     .usage = "[clear]",
     .summary = "counters; a reset of the device keeps them",
     .example = "net stats",
     .run = run_net_stats,
     .max_positionals = 1},
    {.name = "tx",
     .usage = "[-c N] [-g US] [-w MS [-o]] [-p] HEX | -s SIZE [-d MAC] [-t TYPE] [-b BYTE] | -m ADDR LEN",
     .summary = "send a frame: typed, generated or from memory",
     .example = "net tx -c 3 -p ff:ff:ff:ff:ff:ff 52:54:00:12:34:56 88b5 0123",
     .run = run_net_tx,
     .options = tx_options},
    {.name = "dump",
     .usage = "[-c N] [-t SEC] [-q] [-o]",
     .summary = "print frames as they come, as text2pcap -D -t %s.%f reads them, until N, SEC or Ctrl-C",
     .example = "net dump -c 10",
     .run = run_net_dump,
     .options = dump_options,
     .max_positionals = 0},
    {.name = "info",
     .usage = "",
     .summary = "device, transport, features by name, queue sizes, limits",
     .example = "net info",
     .run = run_net_info},
    {.name = "regs",
     .usage = "",
     .summary = "transport registers: name, offset, value",
     .example = "net regs",
     .run = run_net_regs},
    {.name = "queue",
     .usage = "[N]",
     .summary = "state of the virtqueues, or of number N",
     .example = "net queue 0",
     .run = run_net_queue,
     .max_positionals = 1},
    {.name = "reset",
     .usage = "",
     .summary = "reset the device and set it up again; traffic goes on",
     .example = "net reset",
     .run = run_net_reset},
};

constexpr Command net_table[] = {
    {.name = "net",
     .usage = "SUBCOMMAND",
     .summary = "network interfaces",
     .example = "net list",
     .run = nullptr,
     .options = net_options,
     .subcommands = net_subcommands},
};

} // namespace

std::span<const Command> net_commands() {
  return net_table;
}

} // namespace shell
