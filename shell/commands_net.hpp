// SPDX-License-Identifier: BSD-2-Clause
// What the files of the `net` command family share. Only they include it.
#pragma once

#include <cstddef>

#include "bsp/error.hpp"
#include "drivers/net/net_device.hpp"
#include "shell/command.hpp"
#include "shell/net_service.hpp"

namespace shell {

void run_net_list(Session& session, Arguments& arguments);
void run_net_use(Session& session, Arguments& arguments);
void run_net_link(Session& session, Arguments& arguments);
void run_net_mtu(Session& session, Arguments& arguments);
void run_net_stats(Session& session, Arguments& arguments);
void run_net_reset(Session& session, Arguments& arguments);

void run_net_tx(Session& session, Arguments& arguments);
void run_net_dump(Session& session, Arguments& arguments);
void run_net_info(Session& session, Arguments& arguments);
void run_net_regs(Session& session, Arguments& arguments);
void run_net_queue(Session& session, Arguments& arguments);

void run_net_mac(Session& session, Arguments& arguments);
void run_net_mode(Session& session, Arguments& arguments); ///< promisc, allmulti, ...: by the command's name
void run_net_mcast_add(Session& session, Arguments& arguments);
void run_net_mcast_del(Session& session, Arguments& arguments);
void run_net_mcast_list(Session& session, Arguments& arguments);
void run_net_vlan_add(Session& session, Arguments& arguments);
void run_net_vlan_del(Session& session, Arguments& arguments);
void run_net_vlan_list(Session& session, Arguments& arguments);
void run_net_announce(Session& session, Arguments& arguments);
void run_net_coalesce(Session& session, Arguments& arguments);
void run_net_coalesce_rx(Session& session, Arguments& arguments);
void run_net_coalesce_tx(Session& session, Arguments& arguments);
void run_net_offload(Session& session, Arguments& arguments);

void run_net_bench_tx(Session& session, Arguments& arguments);
void run_net_bench_rx(Session& session, Arguments& arguments);
void run_net_bench_echo(Session& session, Arguments& arguments);

/// The device's own counters, or an error line.
void print_device_stats(Session& session, const Arguments& arguments);

/// "error: <command>: <cause>"
void print_error(Session& session, const Arguments& arguments, bsp::Error error);

/// Prints frames as the capture that is under way records them, until it is over or Ctrl-C, then the summary line, and
/// ends the capture. The first line ("# listening on ...") included. `quiet`: a line a frame.
void show_capture(Session& session, NetService& service, const net::NetDevice& device, bool quiet);

} // namespace shell
