// SPDX-License-Identifier: BSD-2-Clause
// The `net` commands that tell a device something (drivers/net/net_control.hpp): addresses, receive filters, offloads,
// coalescing. What succeeds without anything to show prints nothing.
#include "drivers/net/net_control.hpp"
#include "shell/commands_net.hpp"

namespace shell {

namespace {

constexpr std::uint16_t max_vlan = 4094; // 4095 is reserved (802.1Q)

/// The command's name, in the order of net::ReceiveMode.
constexpr std::string_view mode_names[] = {"promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast"};
static_assert(std::size(mode_names) == net::receive_mode_count);

/// A device, and its control if it has one. Null after an error line.
net::NetControl* command_control(Session& session, const Arguments& arguments) {
  net::NetDevice* const device = session.interface(arguments);
  if (device == nullptr) return nullptr;
  net::NetControl* const control = device->control();
  if (control == nullptr) print_error(session, arguments, bsp::Error::not_supported);
  return control;
}

/// False after an error line.
bool succeeded(Session& session, const Arguments& arguments, const bsp::Result<void>& result) {
  if (!result) print_error(session, arguments, result.error());
  return result.has_value();
}

std::string_view on_off(bool on) {
  return on ? "on" : "off";
}

/// The MAC address that the first argument is. Nullopt after an error line.
std::optional<net::MacAddress> mac_argument(Session& session, const Arguments& arguments) {
  const std::string_view text = arguments.positionals()[0];
  const auto mac = net::parse_mac(text);
  if (!mac)
    session.error(arguments.full_name(), "'{:.64}' is not a MAC address (try 'help {}')", text, arguments.full_name());
  return mac;
}

/// The group that the first argument is, there already or not as it shall be. Nullopt after an error line.
std::optional<net::MacAddress> group_argument(Session& session, const Arguments& arguments,
                                              const net::NetControl& control, bool there) {
  const auto group = mac_argument(session, arguments);
  if (!group) return std::nullopt;
  const std::string_view text = arguments.positionals()[0];
  if (!group->is_multicast() || *group == net::broadcast) {
    session.error(arguments.full_name(), "{} is not a multicast address", text);
    return std::nullopt;
  }
  bool found = false;
  for (const net::MacAddress& entry : control.multicast())
    if (entry == *group) found = true;
  if (found == there) return group;
  session.error(arguments.full_name(), "{} is {} (try 'net mcast list')", text,
                there ? "not in the list" : "in the list already");
  return std::nullopt;
}

void print_overflow(Session& session, const net::NetControl& control) {
  if (control.multicast_overflow()) session.print("# allmulti: more groups than the table takes");
}

/// The id that the first argument is, there already or not as it shall be. Nullopt after an error line.
std::optional<std::uint16_t> vlan_argument(Session& session, const Arguments& arguments, const net::NetControl& control,
                                           bool there) {
  const auto number = session.number_argument(arguments, 0, "ID", 0, max_vlan);
  if (!number) return std::nullopt;
  const auto id = static_cast<std::uint16_t>(*number);
  if (control.has_vlan(id) == there) return id;
  session.error(arguments.full_name(), "{} is {} (try 'net vlan list')", id,
                there ? "not in the list" : "in the list already");
  return std::nullopt;
}

void set_coalescing(Session& session, const Arguments& arguments, net::TrafficDirection direction) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  const auto usecs = session.number_argument(arguments, 0, "USECS", 0, UINT32_MAX);
  if (!usecs) return;
  const auto frames = session.number_argument(arguments, 1, "FRAMES", 0, UINT32_MAX);
  if (!frames) return;
  const net::Coalescing values{static_cast<std::uint32_t>(*usecs), static_cast<std::uint32_t>(*frames)};
  succeeded(session, arguments, control->set_coalescing(direction, values));
}

void set_offload(Session& session, const Arguments& arguments, net::NetControl& control) {
  const std::string_view name = arguments.positionals()[0];
  if (arguments.positionals().size() == 1) {
    session.error(arguments.full_name(), "on or off is missing behind '{:.64}' (try 'help {}')", name,
                  arguments.full_name());
    return;
  }
  const auto result = control.set_offload(name, arguments.positionals()[1] == "on");
  if (!result && result.error() == bsp::Error::invalid_argument) {
    session.error(arguments.full_name(), "'{:.64}' was not negotiated, or what it needs is off (try 'net offload')",
                  name);
  } else if (!result && result.error() == bsp::Error::not_supported) {
    session.error(arguments.full_name(), "{:.64} is fixed", name);
  } else {
    succeeded(session, arguments, result);
  }
}

/// "rx0 rx_packets 12"; "ctrl command_num 3" for what belongs to no pair.
void print_device_stat(void* context, const net::DeviceStat& stat) {
  Session& session = *static_cast<Session*>(context);
  const std::string_view side = stat.name.substr(0, 2);
  if (side == "rx" || side == "tx") {
    session.print("{}{} {} {}", side, stat.queue / 2, stat.name, stat.value);
  } else {
    session.print("ctrl {} {}", stat.name, stat.value);
  }
}

} // namespace

void run_net_mac(Session& session, Arguments& arguments) {
  const net::NetDevice* const device = session.interface(arguments);
  if (device == nullptr) return;
  if (!arguments.positionals().empty()) {
    const auto mac = mac_argument(session, arguments);
    if (!mac) return;
    if (!mac->is_valid_unicast()) {
      session.error(arguments.full_name(), "{} is not a unicast address", arguments.positionals()[0]);
      return;
    }
    net::NetControl* const control = command_control(session, arguments);
    if (control == nullptr || !succeeded(session, arguments, control->set_mac(*mac))) return;
  }
  session.print("{}", net::to_text(device->mac()).view());
}

void run_net_mode(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  std::size_t index = 0;
  while (mode_names[index] != arguments.command().name)
    index++;
  const auto mode = static_cast<net::ReceiveMode>(index);
  if (arguments.positionals().empty()) {
    session.print("{}", on_off(control->receive_mode(mode)));
  } else {
    succeeded(session, arguments, control->set_receive_mode(mode, arguments.positionals()[0] == "on"));
  }
}

void run_net_mcast_add(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  const auto group = group_argument(session, arguments, *control, false);
  if (!group) return;
  const bool before = control->multicast_overflow();
  if (succeeded(session, arguments, control->add_multicast(*group)) && !before) print_overflow(session, *control);
}

void run_net_mcast_del(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  const auto group = group_argument(session, arguments, *control, true);
  if (group) succeeded(session, arguments, control->remove_multicast(*group));
}

void run_net_mcast_list(Session& session, Arguments& arguments) {
  const net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  for (const net::MacAddress& group : control->multicast())
    session.print("{}", net::to_text(group).view());
  print_overflow(session, *control);
}

void run_net_vlan_add(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  const auto id = vlan_argument(session, arguments, *control, false);
  if (id) succeeded(session, arguments, control->add_vlan(*id));
}

void run_net_vlan_del(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  const auto id = vlan_argument(session, arguments, *control, true);
  if (id) succeeded(session, arguments, control->remove_vlan(*id));
}

void run_net_vlan_list(Session& session, Arguments& arguments) {
  const net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  for (std::uint16_t id = 0; id <= max_vlan; id++)
    if (control->has_vlan(id)) session.print("{}", id);
}

void run_net_announce(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control != nullptr && succeeded(session, arguments, control->announce())) session.print("announced");
}

void run_net_coalesce(Session& session, Arguments& arguments) {
  const net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  if (!control->can_coalesce()) {
    print_error(session, arguments, bsp::Error::device_lacks_notf_coal);
    return;
  }
  const net::Coalescing rx = control->coalescing(net::TrafficDirection::receive);
  const net::Coalescing tx = control->coalescing(net::TrafficDirection::transmit);
  session.print("rx usecs {} frames {}", rx.max_usecs, rx.max_packets);
  session.print("tx usecs {} frames {}", tx.max_usecs, tx.max_packets);
}

void run_net_coalesce_rx(Session& session, Arguments& arguments) {
  set_coalescing(session, arguments, net::TrafficDirection::receive);
}

void run_net_coalesce_tx(Session& session, Arguments& arguments) {
  set_coalescing(session, arguments, net::TrafficDirection::transmit);
}

void run_net_offload(Session& session, Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control == nullptr) return;
  if (!arguments.positionals().empty()) {
    set_offload(session, arguments, *control);
    return;
  }
  net::OffloadState state{};
  for (std::size_t i = 0; control->offload(i, state); i++)
    session.print("{} {}{}", state.name, on_off(state.on), state.fixed ? " fixed" : "");
}

void print_device_stats(Session& session, const Arguments& arguments) {
  net::NetControl* const control = command_control(session, arguments);
  if (control != nullptr) succeeded(session, arguments, control->device_stats(print_device_stat, &session));
}

} // namespace shell
