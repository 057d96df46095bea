// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

using test::check_text;

TEST_GROUP(NetCommands) {
  test::NetShell net{2};

  void setup() override {
    net.net1.address = {{0x52, 0x54, 0x00, 0x12, 0x34, 0x57}};
    net.net1.diagnostics_values.name = "virtio-mmio@10007000";
    net.net1.diagnostics_values.version = 1;
    net.net1.diagnostics_values.irq = 7;
  }
};

TEST(NetCommands, ListMarksTheInterfaceInUse) {
  check_text(std::string{"* net0 52:54:00:12:34:56 up virtio-mmio@10008000 v2 irq 8\n"
                         "  net1 52:54:00:12:34:57 up virtio-mmio@10007000 v1 irq 7\n"},
             net.run("net list"));
  check_text(std::string{}, net.run("net use net1"));
  net.net0.link_state.state = net::LinkState::down;
  check_text(std::string{"  net0 52:54:00:12:34:56 down virtio-mmio@10008000 v2 irq 8\n"
                         "* net1 52:54:00:12:34:57 up virtio-mmio@10007000 v1 irq 7\n"},
             net.run("net list"));
}

TEST(NetCommands, ListShowsWhatIsKnownOfADeviceThatIsNotVirtio) {
  net.net1.has_diagnostics = false;
  CHECK(net.run("net list").ends_with("\n  net1 52:54:00:12:34:57 up\n"));
}

TEST(NetCommands, UseChoosesWhatTheOtherCommandsMean) {
  check_text(std::string{"52:54:00:12:34:56\n"}, net.run("net mac"));
  check_text(std::string{}, net.run("net use net1"));
  check_text(std::string{"52:54:00:12:34:57\n"}, net.run("net mac"));
  check_text(std::string{"52:54:00:12:34:56\n"}, net.run("net mac -i net0"));
  check_text(std::string{}, net.run("net use -i net0"));
  check_text(std::string{"52:54:00:12:34:56\n"}, net.run("net mac"));
}

TEST(NetCommands, UseNamesAnInterfaceThatIsNotThere) {
  check_text(std::string{"error: net use: no interface 'net2' (try 'net list')\n"}, net.run("net use net2"));
  check_text(std::string{"error: net use: no interface given (try 'net list')\n"}, net.run("net use"));
  check_text(std::string{"52:54:00:12:34:56\n"}, net.run("net mac"));
}

TEST(NetCommands, LinkSaysWhatIsKnown) {
  check_text(std::string{"up\nspeed unknown duplex unknown mtu 1500\n"}, net.run("net link"));
  net.net0.link_state = {net::LinkState::down, 1000, net::Duplex::full};
  check_text(std::string{"down\nspeed 1000 duplex full mtu 1500\n"}, net.run("net link"));
  net.net0.link_state = {net::LinkState::assumed_up, 0, net::Duplex::half};
  check_text(std::string{"up (assumed: device has no STATUS)\nspeed 0 duplex half mtu 1500\n"}, net.run("net link"));
}

TEST(NetCommands, MtuPrintsAndLowersTheLimit) {
  check_text(std::string{"1500\n"}, net.run("net mtu"));
  check_text(std::string{"1400\n"}, net.run("net mtu 1400"));
  CHECK_EQUAL(1400, net.net0.mtu());
  CHECK_EQUAL(1500, net.net1.mtu());
  check_text(std::string{"1500\n"}, net.run("net mtu 0x5dc"));
}

TEST(NetCommands, MtuRefusesWhatTheDeviceOrIpCannot) {
  for (const char* line : {"net mtu 67", "net mtu 1501", "net mtu x", "net mtu -1", "net mtu 100000"})
    CHECK(net.run(line).starts_with("error: net mtu: "));
  CHECK_EQUAL(1500, net.net0.mtu());
  check_text(std::string{"68\n"}, net.run("net mtu 68"));
}

TEST(NetCommands, StatsPrintsEveryCounterByName) {
  auto* counters = reinterpret_cast<std::uint64_t*>(&net.net0.statistics);
  std::string expected;
  for (std::size_t i = 0; i < std::size(net::stat_names); i++) {
    counters[i] = UINT64_MAX - i;
    expected += std::string{net::stat_names[i].name} + " " + std::to_string(UINT64_MAX - i) + "\n";
  }
  // The loop polls before the command runs: that counter has moved on.
  const std::string output = net.run("net stats");
  const auto without_polls = [](std::string text) {
    const std::size_t at = text.find("\npolls ") + 1;
    return text.erase(at, text.find('\n', at) - at);
  };
  CHECK_EQUAL(without_polls(expected), without_polls(output));
  CHECK(output.starts_with("rx_packets 18446744073709551615\nrx_bytes "));
}

TEST(NetCommands, StatsClearStartsFromZero) {
  net.net0.statistics.rx_packets = 5;
  net.net1.statistics.rx_packets = 6;
  check_text(std::string{}, net.run("net stats clear"));
  CHECK_EQUAL(0, net.net0.statistics.rx_packets);
  CHECK_EQUAL(6, net.net1.statistics.rx_packets);
  check_text(std::string{"error: net stats: unexpected argument 'clean' (try 'help net stats')\n"},
             net.run("net stats clean"));
}

TEST(NetCommands, ResetKeepsTheStatistics) {
  net.net0.statistics.tx_packets = 7;
  check_text(std::string{"reset complete\n"}, net.run("net reset"));
  CHECK_EQUAL(1, net.net0.resets);
  CHECK_EQUAL(7, net.net0.statistics.tx_packets);
}

TEST(NetCommands, ResetSaysWhyItFailed) {
  net.net0.reset_fails = true;
  check_text(std::string{"error: net reset: "} + to_string(bsp::Error::reset_timed_out) + "\n", net.run("net reset"));
}

TEST(NetCommands, InfoNamesStatusAndFeatures) {
  using virtio::Feature;
  test::FakeDiagnostics& device = net.net0.diagnostics_values;
  device.offered = virtio::FeatureSet{{Feature::net_mac, Feature::net_status, Feature::version_1, Feature::net_mq}} |
                   virtio::FeatureSet{std::uint64_t{1} << 42};
  device.accepted = {Feature::net_mac, Feature::net_status, Feature::version_1};
  virtio::QueueState queue{};
  queue.index = 0;
  queue.role = "receive";
  queue.format = "split";
  queue.size = 256;
  queue.size_max = 1024;
  device.queues.push_back(queue);
  check_text(std::string{"interface net0\n"
                         "mac 52:54:00:12:34:56\n"
                         "mtu 1500 of 1500\n"
                         "device virtio 1 vendor 0x554d4551\n"
                         "transport virtio-mmio@10008000 v2 irq 8\n"
                         "version-reason Version register reads 2\n"
                         "status 0x0f ACKNOWLEDGE DRIVER FEATURES_OK DRIVER_OK\n"
                         "offered 0x0000040100410020 MAC STATUS MQ VERSION_1 bit-42\n"
                         "accepted 0x0000000100010020 MAC STATUS VERSION_1\n"
                         "refused 0x0000040000400000 MQ bit-42\n"
                         "ring split\n"
                         "queue 0 receive split size 256 max 1024\n"
                         "header 12 bytes\n"
                         "receive-buffer 2048 bytes\n"
                         "mergeable no\n"},
             net.run("net info"));
}

TEST(NetCommands, InfoSaysWhichRingAndWhetherBuffersAreMerged) {
  net.net0.diagnostics_values.accepted = {virtio::Feature::ring_packed, virtio::Feature::net_mrg_rxbuf};
  const std::string output = net.run("net info");
  CHECK(output.find("\nring packed\n") != std::string::npos);
  CHECK(output.ends_with("\nmergeable yes\n"));
}

TEST(NetCommands, InfoSaysThatADeviceHasFailed) {
  net.net0.is_usable = false;
  net.net0.diagnostics_values.status = 0xc3;
  const std::string output = net.run("net info");
  CHECK(output.starts_with("interface net0 (failed: 'net reset' tries again)\n"));
  CHECK(output.find("\nstatus 0xc3 ACKNOWLEDGE DRIVER DEVICE_NEEDS_RESET FAILED\n") != std::string::npos);
}

TEST(NetCommands, InfoShowsWhatIsKnownOfADeviceThatIsNotVirtio) {
  net.net0.has_diagnostics = false;
  check_text(std::string{"interface net0\nmac 52:54:00:12:34:56\nmtu 1500 of 1500\n"}, net.run("net info"));
  check_text(std::string{"error: net regs: net0 is not a virtio device\n"}, net.run("net regs"));
  check_text(std::string{"error: net queue: net0 is not a virtio device\n"}, net.run("net queue"));
}

TEST(NetCommands, RegsPrintsNameOffsetAndValue) {
  net.net0.diagnostics_values.registers = {{"MagicValue", 0x000, 0x74726976}, {"Status", 0x070, 15}};
  check_text(std::string{"MagicValue 0x000 0x74726976\nStatus 0x070 0x0000000f\n"}, net.run("net regs"));
}

TEST(NetCommands, QueueShowsAllRingsOrOne) {
  virtio::QueueState receive{};
  receive.index = 0;
  receive.role = "receive";
  receive.format = "split";
  receive.size = 256;
  receive.size_max = 1024;
  receive.free = 1;
  receive.avail_idx = 65535;
  receive.used_idx = 65530;
  receive.last_used = 65529;
  receive.used_flags = 1;
  receive.event_idx = true;
  receive.used_event = 65530;
  receive.avail_event = 3;
  receive.in_flight = 255;
  virtio::QueueState transmit{};
  transmit.index = 1;
  transmit.role = "transmit";
  transmit.format = "split";
  transmit.size = transmit.size_max = transmit.free = 128;
  transmit.avail_flags = 1;
  transmit.broken = true;
  net.net0.diagnostics_values.queues = {receive, transmit};
  const std::string first = "queue 0 receive split\n"
                            "  size 256 max 1024 free 1 in-flight 255\n"
                            "  avail-idx 65535 used-idx 65530 last-used 65529\n"
                            "  avail-flags 0 used-flags 1\n"
                            "  used-event 65530 avail-event 3\n";
  const std::string second = "queue 1 transmit split broken\n"
                             "  size 128 max 128 free 128 in-flight 0\n"
                             "  avail-idx 0 used-idx 0 last-used 0\n"
                             "  avail-flags 1 used-flags 0\n";
  check_text(first + second, net.run("net queue"));
  check_text(first, net.run("net queue 0"));
  check_text(second, net.run("net queue 1"));
  check_text(std::string{"error: net queue: no queue 2 (try 'net queue')\n"}, net.run("net queue 2"));
  CHECK(net.run("net queue x").starts_with("error: net queue: "));
}

TEST(NetCommands, QueueShowsPackedRingsByTheNumberThatTheyHave) {
  virtio::QueueState control{};
  control.index = 4; // behind two pairs
  control.role = "control";
  control.format = "packed";
  control.size = 64;
  control.size_max = 256;
  control.free = 61;
  control.in_flight = 1;
  control.packed = true;
  control.avail_idx = 7;
  control.avail_wrap = true;
  control.last_used = 4;
  control.driver_event = 0x8005;
  control.driver_flags = 2;
  control.device_event = 63;
  control.device_flags = 1;
  net.net0.diagnostics_values.queues = {control};
  const std::string expected = "queue 4 control packed\n"
                               "  size 64 max 256 free 61 in-flight 1\n"
                               "  next-avail 7 avail-wrap 1 next-used 4 used-wrap 0\n"
                               "  driver-event 5 driver-wrap 1 driver-flags desc\n"
                               "  device-event 63 device-wrap 0 device-flags disable\n";
  check_text(expected, net.run("net queue 4"));
  check_text(expected, net.run("net queue"));
  check_text(std::string{"error: net queue: no queue 0 (try 'net queue')\n"}, net.run("net queue 0"));
}

TEST(NetCommands, QueueSaysThatThereAreNone) {
  check_text(std::string{"error: net queue: the device has no queues set up\n"}, net.run("net queue"));
}

TEST(NetCommands, RefuseArgumentsThatTheyDoNotTake) {
  for (const char* command : {"list", "link", "info", "regs", "reset", "announce", "mcast list", "vlan list"}) {
    const std::string output = net.run(std::string{"net "} + command + " surplus");
    CHECK_TEXT(output.starts_with(std::string{"error: net "} + command + ": "), output.c_str());
    CHECK(output.find("surplus") != std::string::npos);
  }
  CHECK_EQUAL(0, net.net0.resets);
}

TEST(NetCommands, AllTakeAnInterface) {
  virtio::QueueState queue{};
  net.net1.diagnostics_values.queues.push_back(queue);
  for (const char* command :
       {"list", "mac", "link", "mtu", "stats", "tx -s 60", "dump -t 1", "info", "regs", "queue", "reset", "promisc",
        "mcast list", "vlan list", "announce", "coalesce", "offload", "stats device"}) {
    const std::string output = net.run(std::string{"net "} + command + " -i net1");
    CHECK_TEXT(!output.starts_with("error"), output.c_str());
    CHECK(net.run(std::string{"net "} + command + " -i net9").starts_with("error: net: no interface 'net9'"));
  }
  CHECK_EQUAL(0, net.net0.sends);
  CHECK_EQUAL(0, net.net0.resets);
  CHECK_EQUAL(1, net.net1.sends);
  CHECK_EQUAL(1, net.net1.resets);
  CHECK_EQUAL(0, net.net0.control_values.commands);
  CHECK_EQUAL(2, net.net1.control_values.commands);
}

TEST(NetCommands, SayThatThereIsNoInterface) {
  test::NetShell none{0};
  check_text(std::string{"no network device\n"}, none.run("net list"));
  for (const char* command : {"use net0",    "mac",
                              "link",        "mtu",
                              "stats",       "tx ffffffffffff52540012345688b5",
                              "dump",        "info",
                              "regs",        "queue",
                              "reset",       "mac 52:54:00:12:34:56",
                              "promisc on",  "mcast add 01:00:5e:00:00:01",
                              "mcast list",  "vlan add 1",
                              "vlan list",   "announce",
                              "coalesce",    "coalesce rx 1 1",
                              "offload",     "offload guest_csum on",
                              "stats device"})
    check_text(std::string{"error: net: no network device\n"}, none.run(std::string{"net "} + command));
}

TEST(NetCommands, AnnounceALinkChangeAtThePrompt) {
  net.type("");
  net.net0.on_service = [this] {
    net.net0.link_state.state = net::LinkState::down;
    net.net0.raise(net::NetEvent::link_changed);
    net.net0.on_service = nullptr;
  };
  CHECK(net.type("").find("# net0: link is down\r\n") != std::string::npos);
}
