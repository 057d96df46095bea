// SPDX-License-Identifier: BSD-2-Clause
// The table of the `net` command family. docs/shell.md is its contract.
#include "shell/commands_net.hpp"

namespace shell {

namespace {

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
    {"--csum", "START,OFFSET", "the device sums from byte START to the end, and stores it OFFSET bytes further on"},
    {"--tso", "MSS", "the device cuts the TCP or UDP packet into segments of MSS payload bytes (TSO, USO)"},
};

constexpr std::string_view on_off_words[] = {"on", "off"};
constexpr std::string_view stats_words[] = {"clear", "device"};

constexpr Command mcast_subcommands[] = {
    {.name = "add",
     .usage = "ADDR",
     .summary = "let frames to this group in",
     .example = "net mcast add 01:00:5e:00:00:fb",
     .run = run_net_mcast_add,
     .min_positionals = 1,
     .max_positionals = 1},
    {.name = "del",
     .usage = "ADDR",
     .summary = "no longer let frames to this group in",
     .example = "net mcast del 01:00:5e:00:00:fb",
     .run = run_net_mcast_del,
     .min_positionals = 1,
     .max_positionals = 1},
    {.name = "list", .usage = "", .summary = "the groups", .example = "net mcast list", .run = run_net_mcast_list},
};

constexpr Command vlan_subcommands[] = {
    {.name = "add",
     .usage = "ID",
     .summary = "let frames with this id in; the first one resets the device",
     .example = "net vlan add 5",
     .run = run_net_vlan_add,
     .min_positionals = 1,
     .max_positionals = 1},
    {.name = "del",
     .usage = "ID",
     .summary = "no longer let frames with this id in; without any id all come in",
     .example = "net vlan del 5",
     .run = run_net_vlan_del,
     .min_positionals = 1,
     .max_positionals = 1},
    {.name = "list", .usage = "", .summary = "the ids", .example = "net vlan list", .run = run_net_vlan_list},
};

constexpr Command coalesce_subcommands[] = {
    {.name = "rx",
     .usage = "USECS FRAMES",
     .summary = "of received frames",
     .example = "net coalesce rx 50 16",
     .run = run_net_coalesce_rx,
     .min_positionals = 2,
     .max_positionals = 2},
    {.name = "tx",
     .usage = "USECS FRAMES",
     .summary = "of sent frames",
     .example = "net coalesce tx 50 16",
     .run = run_net_coalesce_tx,
     .min_positionals = 2,
     .max_positionals = 2},
};

constexpr Option bench_tx_options[] = {
    {"-n", "N", "frames (1000000)"},
    {"-s", "SIZE", "bytes of a frame (60)"},
    {"-b", "BATCH", "frames handed over at a time (32)"},
    {"--copy", "", "copy each frame into its buffer"},
};

constexpr Option bench_rx_options[] = {
    {"-n", "N", "end after N frames (1000000)"},
    {"-t", "SEC", "end after SEC seconds without a frame (10)"},
};

constexpr Command bench_subcommands[] = {
    {.name = "tx",
     .usage = "[-n N] [-s SIZE] [-b BATCH] [--copy]",
     .summary = "send numbered frames as fast as the device takes them",
     .example = "net bench tx -n 1000000 -s 1514 -b 128",
     .run = run_net_bench_tx,
     .options = bench_tx_options,
     .max_positionals = 0},
    {.name = "rx",
     .usage = "[-n N] [-t SEC]",
     .summary = "receive, and look for missing numbers",
     .example = "net bench rx -n 1000000",
     .run = run_net_bench_rx,
     .options = bench_rx_options,
     .max_positionals = 0},
    {.name = "echo",
     .usage = "",
     .summary = "send every frame back with swapped addresses, until Ctrl-C",
     .example = "net bench echo",
     .run = run_net_bench_echo},
};

constexpr Command mode_command(std::string_view name, std::string_view summary, std::string_view example) {
  return {.name = name,
          .usage = "[on|off]",
          .summary = summary,
          .example = example,
          .run = run_net_mode,
          .max_positionals = 1,
          .words = on_off_words};
}

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
     .usage = "[ADDR]",
     .summary = "the interface's address; ADDR changes it",
     .example = "net mac 52:54:00:12:34:99",
     .run = run_net_mac,
     .max_positionals = 1},
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
     .usage = "[clear|device]",
     .summary = "counters; a reset of the device keeps them; 'device': the device's own",
     .example = "net stats",
     .run = run_net_stats,
     .max_positionals = 1,
     .words = stats_words},
    {.name = "tx",
     .usage = "[-c N] [-g US] [-w MS [-o]] [-p] [--csum START,OFFSET | --tso MSS] "
              "HEX | -s SIZE [-d MAC] [-t TYPE] [-b BYTE] | -m ADDR LEN",
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
    mode_command("promisc", "deliver every frame", "net promisc on"),
    mode_command("allmulti", "deliver every multicast frame", "net allmulti on"),
    mode_command("alluni", "deliver every unicast frame", "net alluni on"),
    mode_command("nomulti", "deliver no multicast frames", "net nomulti on"),
    mode_command("nouni", "deliver no unicast frames", "net nouni on"),
    mode_command("nobcast", "deliver no broadcast frames", "net nobcast on"),
    {.name = "mcast",
     .usage = "",
     .summary = "multicast groups that are let in",
     .example = "net mcast add 01:00:5e:00:00:fb",
     .run = nullptr,
     .subcommands = mcast_subcommands},
    {.name = "vlan",
     .usage = "",
     .summary = "VLAN ids that are let in; without any, all are",
     .example = "net vlan add 5",
     .run = nullptr,
     .subcommands = vlan_subcommands},
    {.name = "announce",
     .usage = "",
     .summary = "tell switches where this address is (RARP)",
     .example = "net announce",
     .run = run_net_announce},
    {.name = "coalesce",
     .usage = "[rx|tx USECS FRAMES]",
     .summary = "when the device interrupts: after USECS or FRAMES, 0 0 at once",
     .example = "net coalesce rx 50 16",
     .run = run_net_coalesce,
     .subcommands = coalesce_subcommands,
     .max_positionals = 0},
    {.name = "offload",
     .usage = "[NAME on|off]",
     .summary = "offloads that were negotiated",
     .example = "net offload guest_tso4 off",
     .run = run_net_offload,
     .positional = Completion::offload,
     .max_positionals = 2,
     .words = on_off_words},
    {.name = "info",
     .usage = "",
     .summary = "device, transport, status, features by name, queue sizes, limits",
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
    {.name = "bench",
     .usage = "",
     .summary = "how fast frames go, and what they cost",
     .example = "net bench tx -b 128",
     .run = nullptr,
     .subcommands = bench_subcommands},
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
