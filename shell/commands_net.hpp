// SPDX-License-Identifier: BSD-2-Clause
// What the files of the `net` command family share. Only they include it.
#pragma once

#include <cstddef>

#include "drivers/net/net_device.hpp"
#include "shell/command.hpp"
#include "shell/net_service.hpp"

namespace shell {

void run_net_tx(Session& session, Arguments& arguments);
void run_net_dump(Session& session, Arguments& arguments);
void run_net_info(Session& session, Arguments& arguments);
void run_net_regs(Session& session, Arguments& arguments);
void run_net_queue(Session& session, Arguments& arguments);

/// Prints frames as the capture that is under way records them, until it is over or Ctrl-C, then the summary line, and
/// ends the capture. The first line ("# listening on ...") included. `quiet`: a line a frame.
void show_capture(Session& session, NetService& service, const net::NetDevice& device, bool quiet);

} // namespace shell
