// SPDX-License-Identifier: BSD-2-Clause
// The `net` commands that answer in a line or a list.
#include "shell/commands_net.hpp"

#include "drivers/virtio/diagnostics.hpp"

namespace shell {

namespace {

std::string_view link_word(net::LinkState state) {
  return state == net::LinkState::down ? "down" : "up";
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

} // namespace

void print_error(Session& session, const Arguments& arguments, bsp::Error error) {
  session.error(arguments.full_name(), "{}", to_string(error));
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
      print_error(session, arguments, set.error());
      return;
    }
  }
  session.print("{}", device->mtu());
}

void run_net_stats(Session& session, Arguments& arguments) {
  net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  if (!arguments.positionals().empty()) {
    if (arguments.positionals()[0] == "clear")
      device->clear_stats();
    else
      print_device_stats(session, arguments);
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
    print_error(session, arguments, done.error());
    return;
  }
  session.print("reset complete");
}

} // namespace shell
