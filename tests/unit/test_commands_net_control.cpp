// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

using test::check_text;

namespace {

constexpr const char* mode_names[] = {"promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast"};

std::string error(const std::string& what, bsp::Error why) {
  return "error: " + what + ": " + to_string(why) + "\n";
}

} // namespace

TEST_GROUP(NetControlCommands) {
  test::NetShell net;
  test::RecordingControl& control = net.net0.control_values;

  void check(const std::string& expected, const std::string& line) {
    check_text(expected, net.run(line));
  }

  /// One error line that names the command, and the device was told nothing.
  void check_refused(const std::string& line, const std::string& expected) {
    const std::size_t before = control.commands;
    check_text(expected + "\n", net.run(line));
    CHECK_EQUAL(before, control.commands);
  }
};

TEST(NetControlCommands, MacSetsTheAddressAndPrintsIt) {
  check("02:00:00:00:00:01\n", "net mac 02-00-00-00-00-01");
  CHECK(control.mac == (net::MacAddress{{2, 0, 0, 0, 0, 1}}));
  check("02:00:00:00:00:01\n", "net mac");
  CHECK_EQUAL(1, control.commands);
}

TEST(NetControlCommands, MacRefusesWhatIsNoAddressOfAnInterface) {
  check_refused("net mac 02:00", "error: net mac: '02:00' is not a MAC address (try 'help net mac')");
  check_refused("net mac ff:ff:ff:ff:ff:ff", "error: net mac: ff:ff:ff:ff:ff:ff is not a unicast address");
  check_refused("net mac 01:00:5e:00:00:01", "error: net mac: 01:00:5e:00:00:01 is not a unicast address");
  check_refused("net mac 00:00:00:00:00:00", "error: net mac: 00:00:00:00:00:00 is not a unicast address");
  check("52:54:00:12:34:56\n", "net mac");
}

TEST(NetControlCommands, ReceiveModesAreSwitchedEachByItsName) {
  for (std::size_t i = 0; i < std::size(mode_names); i++) {
    const std::string command = std::string{"net "} + mode_names[i];
    check("off\n", command);
    check("", command + " on");
    CHECK_EQUAL(1, std::ranges::count(control.modes, true));
    CHECK(control.receive_mode(static_cast<net::ReceiveMode>(i)));
    check("on\n", command);
    check("", command + " off");
    check("off\n", command);
    check_refused(command + " yes", "error: " + command + ": unexpected argument 'yes' (try 'help " + command + "')");
    check_refused(command + " on off",
                  "error: " + command + ": unexpected argument 'off' (try 'help " + command + "')");
  }
}

TEST(NetControlCommands, McastKeepsAList) {
  check("", "net mcast list");
  check("", "net mcast add 01:00:5e:00:00:fb");
  check("", "net mcast add 33:33:00:00:00:01");
  check("01:00:5e:00:00:fb\n33:33:00:00:00:01\n", "net mcast list");
  check("", "net mcast del 01:00:5E:00:00:FB");
  check("33:33:00:00:00:01\n", "net mcast list");
}

TEST(NetControlCommands, McastSaysWhenTheTableIsTooSmall) {
  control.table_size = 1;
  const std::string overflow = "# allmulti: more groups than the table takes\n";
  check("", "net mcast add 01:00:5e:00:00:01");
  check(overflow, "net mcast add 01:00:5e:00:00:02");
  check("", "net mcast add 01:00:5e:00:00:03");
  check("01:00:5e:00:00:01\n01:00:5e:00:00:02\n01:00:5e:00:00:03\n" + overflow, "net mcast list");
  check("", "net mcast del 01:00:5e:00:00:01");
  check("", "net mcast del 01:00:5e:00:00:02");
  check("01:00:5e:00:00:03\n", "net mcast list");
}

TEST(NetControlCommands, McastNamesWhatIsWrong) {
  check("", "net mcast add 01:00:5e:00:00:01");
  check_refused("net mcast add 01:00:5e:00:00:01",
                "error: net mcast add: 01:00:5e:00:00:01 is in the list already (try 'net mcast list')");
  check_refused("net mcast del 01:00:5e:00:00:02",
                "error: net mcast del: 01:00:5e:00:00:02 is not in the list (try 'net mcast list')");
  check_refused("net mcast add 52:54:00:12:34:56",
                "error: net mcast add: 52:54:00:12:34:56 is not a multicast address");
  check_refused("net mcast add ff:ff:ff:ff:ff:ff",
                "error: net mcast add: ff:ff:ff:ff:ff:ff is not a multicast address");
  check_refused("net mcast add x", "error: net mcast add: 'x' is not a MAC address (try 'help net mcast add')");
  check_refused("net mcast add", "error: net mcast add: argument is missing: net mcast add ADDR");
  check_refused("net mcast", "error: net mcast: subcommand is missing (try 'help net mcast')");
  check_refused("net mcast clear", "error: net mcast: no subcommand 'clear' (try 'help net mcast')");
}

TEST(NetControlCommands, VlanKeepsAList) {
  check("", "net vlan list");
  for (const char* id : {"4094", "0", "0x10"})
    check("", std::string{"net vlan add "} + id);
  check("0\n16\n4094\n", "net vlan list");
  check("", "net vlan del 0");
  check("16\n4094\n", "net vlan list");
}

TEST(NetControlCommands, VlanNamesWhatIsWrong) {
  check("", "net vlan add 5");
  check_refused("net vlan add 5", "error: net vlan add: 5 is in the list already (try 'net vlan list')");
  check_refused("net vlan del 6", "error: net vlan del: 6 is not in the list (try 'net vlan list')");
  check_refused("net vlan add 4095",
                "error: net vlan add: ID is a number from 0 to 4094, not '4095' (try 'help net vlan add')");
  check_refused("net vlan del", "error: net vlan del: argument is missing: net vlan del ID");
}

TEST(NetControlCommands, AnnounceDoesAndSaysSo) {
  check("announced\n", "net announce");
  CHECK_EQUAL(1, control.announcements);
}

TEST(NetControlCommands, CoalescePrintsAndSetsEachDirection) {
  check("rx usecs 0 frames 0\ntx usecs 0 frames 0\n", "net coalesce");
  check("", "net coalesce rx 50 16");
  check("", "net coalesce tx 0xffffffff 4294967295");
  check("rx usecs 50 frames 16\ntx usecs 4294967295 frames 4294967295\n", "net coalesce");
}

TEST(NetControlCommands, CoalesceNamesWhatIsWrong) {
  check_refused("net coalesce up 1 1", "error: net coalesce: unexpected argument 'up' (try 'help net coalesce')");
  check_refused("net coalesce rx 1", "error: net coalesce rx: argument is missing: net coalesce rx USECS FRAMES");
  check_refused("net coalesce tx 4294967296 1", "error: net coalesce tx: USECS is a number from 0 to 4294967295, not "
                                                "'4294967296' (try 'help net coalesce tx')");
  check_refused("net coalesce rx 1 x", "error: net coalesce rx: FRAMES is a number from 0 to 4294967295, not 'x' (try "
                                       "'help net coalesce rx')");
  control.coalesces = false;
  check_refused("net coalesce", "error: net coalesce: device has no NOTF_COAL");
}

TEST(NetControlCommands, OffloadListsAndSwitches) {
  control.offloads = {{"guest_csum", true, false}, {"guest_tso4", true, false}, {"csum", true, true}};
  check("guest_csum on\nguest_tso4 on\ncsum on fixed\n", "net offload");
  check("", "net offload guest_tso4 off");
  check("guest_csum on\nguest_tso4 off\ncsum on fixed\n", "net offload");
  check("", "net offload guest_tso4 on");
  CHECK(control.offloads[1].on);
}

TEST(NetControlCommands, OffloadNamesWhatIsWrong) {
  control.offloads = {{"csum", true, true}};
  check("error: net offload: csum is fixed\n", "net offload csum off");
  check("error: net offload: 'guest_tso4' was not negotiated, or what it needs is off (try 'net offload')\n",
        "net offload guest_tso4 on");
  check_refused("net offload csum", "error: net offload: on or off is missing behind 'csum' (try 'help net offload')");
  check_refused("net offload csum maybe", "error: net offload: unexpected argument 'maybe' (try 'help net offload')");
}

TEST(NetControlCommands, StatsOfTheDeviceStandBesideTheirQueue) {
  control.device_stat_values = {
      {"rx_packets", 0, 12}, {"tx_packets", 1, 3}, {"rx_bytes", 2, UINT64_MAX}, {"command_num", 4, 7}};
  check("rx0 rx_packets 12\ntx0 tx_packets 3\nrx1 rx_bytes 18446744073709551615\nctrl command_num 7\n",
        "net stats device");
}

TEST(NetControlCommands, SayWhatTheDeviceLacksOrAnswered) {
  check("", "net mcast add 01:00:5e:00:00:01");
  check("", "net vlan add 1");
  for (const bsp::Error why :
       {bsp::Error::device_lacks_ctrl_rx, bsp::Error::control_refused, bsp::Error::control_timed_out}) {
    control.error = why;
    for (const char* line :
         {"net mac 02:00:00:00:00:01", "net promisc on", "net nobcast off", "net announce",
          "net mcast add 01:00:5e:00:00:02", "net mcast del 01:00:5e:00:00:01", "net vlan add 2", "net vlan del 1",
          "net coalesce rx 1 1", "net coalesce tx 1 1", "net offload guest_csum on", "net stats device"}) {
      const std::string output = net.run(line);
      const std::string end = std::string{": "} + to_string(why) + "\n";
      CHECK_TEXT(output.starts_with("error: net ") && output.ends_with(end), output.c_str());
      CHECK_EQUAL(1, std::ranges::count(output, '\n'));
    }
  }
  check(error("net promisc", bsp::Error::control_timed_out), "net promisc on");
  check("52:54:00:12:34:56\n", "net mac");
}

TEST(NetControlCommands, SayThatADeviceHasNoneOfIt) {
  net.net0.has_control = false;
  for (const char* line :
       {"net promisc on", "net promisc", "net allmulti", "net mcast list", "net mcast add 01:00:5e:00:00:01",
        "net mcast del 01:00:5e:00:00:01", "net vlan list", "net vlan add 1", "net vlan del 1", "net announce",
        "net coalesce", "net coalesce rx 1 1", "net offload", "net offload guest_csum on", "net mac 02:00:00:00:00:01",
        "net stats device"}) {
    const std::string output = net.run(line);
    CHECK_TEXT(output.starts_with("error: net ") && output.ends_with(": not supported\n"), output.c_str());
  }
  check("error: net promisc: not supported\n", "net promisc on");
  check("52:54:00:12:34:56\n", "net mac");
}

TEST(NetControlCommands, TabOffersTheirWords) {
  const auto completed = [this](const std::string& typed) {
    net.type("");
    std::string echo = net.type(typed + "\t");
    net.type("\x03");
    return echo;
  };
  CHECK_EQUAL(std::string{"net promisc on "}, completed("net promisc on"));
  CHECK_EQUAL(std::string{"net promisc off "}, completed("net promisc of"));
  CHECK_EQUAL(std::string{"net mcast list "}, completed("net mcast l"));
  CHECK_EQUAL(std::string{"net vlan del "}, completed("net vlan d"));
  CHECK_EQUAL(std::string{"net coalesce tx "}, completed("net coalesce t"));
  CHECK_EQUAL(std::string{"net offload guest_tso"}, completed("net offload guest_t"));
  CHECK_EQUAL(std::string{"net offload guest_csum off "}, completed("net offload guest_csum of"));
  CHECK_EQUAL(std::string{"net stats device "}, completed("net stats d"));
  CHECK_EQUAL(std::string{"net tx --csum "}, completed("net tx --c"));
}
