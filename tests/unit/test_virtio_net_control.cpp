// SPDX-License-Identifier: BSD-2-Clause
// The network device's control queue: where it is, what is told over it when the device comes up and again after each
// reset, the address, receive modes and multicast groups; and devices that do not answer as they should.
#include <string>
#include <vector>

#include "tests/support/net_control_test.hpp"

using bsp::Error;
using net::MacAddress;
using net::ReceiveMode;
using test::Bytes;
using test::FakeNetControl;
using virtio::Feature;
using virtio::FeatureSet;

TEST_GROUP_BASE(VirtioNetControl, test::NetControlTest){};

// ---- the queue

// proves: NET-CFG-01
TEST(VirtioNetControl, FindsItsQueueBehindTheLastPossiblePair) {
  for (const bool with_mq : {false, true}) {
    have_control(Version::modern);
    if (with_mq) offer(Feature::net_mq);
    device->set_config16(8, 4);
    place_control(with_mq ? 8 : 2);
    bring_up();
    CHECK(device->accepted().has(Feature::net_mq) == with_mq);
    LONGS_EQUAL(1, control.count(promisc));
    virtio::QueueState state{};
    CHECK(net->queue_state(2, state));
    LONGS_EQUAL(control_index, state.index);
    STRCMP_EQUAL("control", std::string{state.role}.c_str());
    check_traffic(); // receive at 0, transmit at 1
    control.log.clear();
  }
}

// proves: ROB-24, NET-CFG-01
TEST(VirtioNetControl, UsesOnePairIfTheNumberOfPairsIsImpossible) {
  for (const unsigned pairs : {0U, 0x8000U, 0x8001U, 0xffffU}) {
    have_control(Version::modern);
    offer(Feature::net_mq);
    device->set_config16(8, static_cast<std::uint16_t>(pairs));
    bring_up();
    CHECK(!device->accepted().has(Feature::net_mq));
    LONGS_EQUAL(1, control.count(promisc));
    check_traffic();
    control.log.clear();
  }
  have_control(Version::modern); // the largest number whose control queue has a number, but no such queue
  offer(Feature::net_mq);
  device->set_config16(8, 0x7fff);
  bring_up();
  CHECK(!net->set_receive_mode(ReceiveMode::promisc, true));
  check_traffic();
}

// proves: NET-CFG-02, NET-CFG-07, NET-CFG-08, NET-CFG-12, NET-CFG-13
TEST(VirtioNetControl, NeedsCtrlVqForEverythingThatTakesCommands) {
  device->offered |= FeatureSet{Feature::net_mq,          Feature::net_rss,          Feature::net_hash_report,
                                Feature::net_notf_coal,   Feature::net_vq_notf_coal, Feature::net_ctrl_guest_offloads,
                                Feature::net_device_stats}
                         .bits();
  device->set_config16(8, 1);
  device->set_config8(17, 40);
  device->set_config16(18, 128);
  device->set_config32(20, 0x1ff);
  withhold(Feature::net_ctrl_vq);
  test::fake_bus().log_enabled = true;
  bring_up();
  test::fake_bus().log_enabled = false;
  CHECK(device->accepted() == FeatureSet({Feature::net_mac, Feature::net_status, Feature::net_mtu,
                                          Feature::net_speed_duplex, Feature::version_1}));
  for (const test::Event& event : test::fake_bus().log)
    if (event.kind == test::Event::Kind::store && event.address == device->base() + 0x030) CHECK(event.value < 2);
  check_error(Error::device_lacks_ctrl_rx, net->set_receive_mode(ReceiveMode::promisc, true));
  check_traffic();
}

// proves: NET-CFG-29
TEST(VirtioNetControl, TakesGuestAnnounceOnlyTogetherWithStatus) {
  withhold(Feature::net_status);
  bring_up(); // reading `status` would be a breach
  CHECK(!device->accepted().has(Feature::net_guest_announce));
  CHECK(device->accepted().has(Feature::net_ctrl_vq));
  change_config();
}

// proves: ROB-18
TEST(VirtioNetControl, GoesOnWithoutAControlQueueThatIsNoGood) {
  for (const Version version : {Version::modern, Version::legacy}) {
    for (const unsigned fault : {0U, 1U, 2U, 3U}) {
      have_control(version);
      if (fault == 0) device->queues[2].size_max = 0;
      if (fault == 1) device->queues[2].size_max = 2; // a command takes four descriptors
      if (fault == 2) device->queues.resize(2);
      if (fault == 3) device->script.refuses_queue = 2;
      lines.clear();
      bring_up();
      LONGS_EQUAL(1, lines_with("net0: control queue not usable, going on without: "));
      CHECK(net->reset().has_value());
      LONGS_EQUAL(1, lines_with("control queue")); // once
      check_error(Error::queue_not_available, net->set_receive_mode(ReceiveMode::promisc, true));
      CHECK(!net->receive_mode(ReceiveMode::promisc));
      LONGS_EQUAL(0, net->stats().control_commands);
      LONGS_EQUAL(2, net->queue_count());
      check_traffic();
    }
  }
}

// ---- at the start

TEST(VirtioNetControl, TurnsPromiscuousModeOffAndSaysNothingElseAtFirst) {
  on_every_device([this] {
    bring_up();
    CHECK(taken() == Names{promisc});
    CHECK(!control.modes[0]);
    LONGS_EQUAL(1, net->stats().control_commands);
    LONGS_EQUAL(0, net->stats().control_errors);
    LONGS_EQUAL(0, lines.size());
    check_traffic();
  });
}

// ---- receive modes

// proves: NET-CTRL-05, NET-CTRL-48, LEG-21, LEG-22, LEG-24
TEST(VirtioNetControl, SwitchesReceiveModesByOneByteAndAgainAfterAReset) {
  on_every_device([this] {
    bring_up();
    for (unsigned i = 0; i < net::receive_mode_count; i++) {
      const auto mode = static_cast<ReceiveMode>(i);
      for (const bool on : {true, false, true}) {
        check_ok(net->set_receive_mode(mode, on));
        CHECK(control.last().name == FakeNetControl::Name(0, i));
        CHECK(control.last().all_data() == Bytes{static_cast<std::uint8_t>(on ? 1 : 0)});
        CHECK(net->receive_mode(mode) == on);
        CHECK(control.modes.at(i) == on);
      }
    }
    control.log.clear();
    CHECK(net->reset().has_value());
    CHECK(taken() == Names({{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {0, 5}}));
    CHECK(control.modes == (std::array<bool, 6>{true, true, true, true, true, true}));
    check_ok(net->set_receive_mode(ReceiveMode::alluni, false));
    control.log.clear();
    device->set_needs_reset();
    change_config();
    net->service();
    CHECK(taken() == Names({{0, 0}, {0, 1}, {0, 3}, {0, 4}, {0, 5}})); // recovered
    check_traffic();
  });
}

// proves: NET-CTRL-03, NET-CTRL-07
TEST(VirtioNetControl, SendsNoReceiveModeAndNoMacCommandWithoutCtrlRx) {
  on_every_device([this] {
    withhold(Feature::net_ctrl_rx);
    withhold(Feature::net_mac); // a local address, which the device would have to be told
    bring_up();
    check_error(Error::device_lacks_ctrl_rx, net->set_receive_mode(ReceiveMode::promisc, true));
    check_error(Error::device_lacks_ctrl_rx, net->set_receive_mode(ReceiveMode::allmulti, true));
    check_error(Error::device_lacks_ctrl_rx, net->set_mac({{2, 0, 0, 0, 0, 1}}));
    check_error(Error::device_lacks_ctrl_rx, net->add_multicast(group(1)));
    CHECK(net->reset().has_value());
    CHECK(taken() == Names{});
    CHECK(net->multicast().empty());
  });
}

// proves: NET-CTRL-04
TEST(VirtioNetControl, SendsTheOtherReceiveModesOnlyWithCtrlRxExtra) {
  withhold(Feature::net_ctrl_rx_extra);
  bring_up();
  control.log.clear();
  for (const ReceiveMode mode : {ReceiveMode::alluni, ReceiveMode::nomulti, ReceiveMode::nouni, ReceiveMode::nobcast}) {
    check_error(Error::device_lacks_ctrl_rx_extra, net->set_receive_mode(mode, true));
    CHECK(!net->receive_mode(mode));
  }
  CHECK(net->reset().has_value());
  CHECK(taken() == Names{promisc});
}

TEST(VirtioNetControl, KeepsAModeThatTheDeviceRefuses) {
  bring_up();
  control.script.ack = 1;
  check_error(Error::control_refused, net->set_receive_mode(ReceiveMode::promisc, true));
  CHECK(!net->receive_mode(ReceiveMode::promisc));
}

// ---- the address

// proves: NET-CTRL-08, NET-CTRL-09, NET-CTRL-48
TEST(VirtioNetControl, TellsTheDeviceAnAddressOtherThanItsOwnAlsoAfterAReset) {
  on_every_device([this] {
    bring_up();
    control.log.clear();
    constexpr MacAddress other{{0x02, 0x11, 0x22, 0x33, 0x44, 0x55}};
    check_ok(net->set_mac(other));
    CHECK(taken() == Names{mac_addr_set});
    CHECK(control.mac == FakeNetControl::Mac(other.octets));
    CHECK(net->mac() == other);
    change_config(); // the configuration still has the old one
    CHECK(net->mac() == other);
    CHECK(net->reset().has_value());
    CHECK(taken() == Names({mac_addr_set, promisc}));
    CHECK(control.mac == FakeNetControl::Mac(other.octets));
    CHECK(net->mac() == other);

    check_ok(net->set_mac(MacAddress{device_mac}));
    CHECK(net->reset().has_value());
    CHECK(taken() == Names({mac_addr_set, promisc})); // the first is from set_mac(): the device's own needs no word
    CHECK(!control.mac);
  });
}

// proves: NET-CTRL-08
TEST(VirtioNetControl, TellsTheDeviceALocalAddress) {
  withhold(Feature::net_mac);
  bring_up();
  CHECK(taken() == Names({mac_addr_set, promisc}));
  CHECK(control.mac == FakeNetControl::Mac(net->mac().octets));
}

// proves: NET-CTRL-09
TEST(VirtioNetControl, SetsNoAddressWithoutCtrlMacAddr) {
  withhold(Feature::net_ctrl_mac_addr);
  withhold(Feature::net_mac);
  bring_up();
  const MacAddress before = net->mac();
  check_error(Error::device_lacks_ctrl_mac_addr, net->set_mac({{2, 0, 0, 0, 0, 1}}));
  CHECK(net->reset().has_value());
  CHECK(taken() == Names({promisc, promisc}));
  CHECK(net->mac() == before);
}

TEST(VirtioNetControl, KeepsTheAddressIfTheNewOneIsBadOrRefused) {
  bring_up();
  control.log.clear();
  check_error(Error::invalid_argument, net->set_mac({}));
  check_error(Error::invalid_argument, net->set_mac(net::broadcast));
  check_error(Error::invalid_argument, net->set_mac(group(1)));
  CHECK(taken() == Names{});
  control.script.ack = 1;
  check_error(Error::control_refused, net->set_mac({{2, 0, 0, 0, 0, 1}}));
  control.script.ack.reset();
  CHECK(net->mac() == MacAddress{device_mac});
  control.log.clear();
  CHECK(net->reset().has_value());
  CHECK(taken() == Names{promisc});
}

// ---- multicast

// proves: NET-CTRL-10, LEG-13, LEG-23, NET-CTRL-48
TEST(VirtioNetControl, SendsTheGroupsAsATableBehindAnEmptyUnicastTable) {
  on_every_device([this] {
    bring_up();
    control.log.clear();
    check_ok(net->add_multicast(group(1)));
    CHECK(control.last().data == std::vector<Bytes>({{0, 0, 0, 0}, {1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1}}));
    check_ok(net->add_multicast(group(0x203)));
    check_ok(net->add_multicast(group(2)));
    CHECK(control.last().data == std::vector<Bytes>({{0, 0, 0, 0}, {3, 0,    0, 0, 1, 0, 0x5e, 0,    0, 1, 1,
                                                                    0, 0x5e, 0, 2, 3, 1, 0,    0x5e, 0, 0, 2}}));
    control.log.clear();
    CHECK(net->reset().has_value());
    CHECK(taken() == Names({promisc, mac_table_set}));
    LONGS_EQUAL(3, control.multicast.size());
    for (const unsigned one : {1U, 0x203U, 2U})
      check_ok(net->remove_multicast(group(one)));
    CHECK(control.last().data == std::vector<Bytes>({{0, 0, 0, 0}, {0, 0, 0, 0}}));
    CHECK(net->multicast().empty());
    CHECK(control.multicast.empty());
    control.log.clear();
    CHECK(net->reset().has_value());
    CHECK(taken() == Names{promisc}); // a reset empties the table anyway
  });
}

TEST(VirtioNetControl, RefusesAGroupTwiceAndAnAddressThatIsNone) {
  bring_up();
  check_ok(net->add_multicast(group(1)));
  control.log.clear();
  check_error(Error::invalid_argument, net->add_multicast(group(1)));
  check_error(Error::invalid_argument, net->add_multicast(net::broadcast));
  check_error(Error::invalid_argument, net->add_multicast(MacAddress{device_mac}));
  check_error(Error::invalid_argument, net->remove_multicast(group(2)));
  CHECK(taken() == Names{});
  LONGS_EQUAL(1, net->multicast().size());
}

TEST(VirtioNetControl, LetsAllMulticastInWhileThereAreMoreGroupsThanTheTableTakes) {
  on_every_device([this] {
    lines.clear();
    bring_up();
    for (unsigned i = 0; i < net::multicast_table_size; i++)
      check_ok(net->add_multicast(group(i)));
    CHECK(!net->multicast_overflow());
    LONGS_EQUAL(64, control.multicast.size());
    control.log.clear();

    check_ok(net->add_multicast(group(64)));
    CHECK(net->multicast_overflow());
    CHECK(control.modes[1]);
    CHECK(!net->receive_mode(ReceiveMode::allmulti));
    check_ok(net->add_multicast(group(65)));
    CHECK(taken() == Names{allmulti});
    LONGS_EQUAL(1, lines.size());
    STRCMP_EQUAL("net0: 65 multicast groups are more than the table's 64, letting all multicast in", lines[0].c_str());

    CHECK(net->reset().has_value());
    CHECK(taken() == Names({promisc, allmulti}));
    CHECK(control.modes[1]);
    check_ok(net->set_receive_mode(ReceiveMode::allmulti, true));
    check_ok(net->set_receive_mode(ReceiveMode::allmulti, false));
    CHECK(control.modes[1]); // still needed

    check_ok(net->remove_multicast(group(0)));
    CHECK(net->multicast_overflow());
    control.log.clear();
    check_ok(net->remove_multicast(group(1)));
    CHECK(!net->multicast_overflow());
    CHECK(taken() == Names({mac_table_set, allmulti}));
    CHECK(!control.modes[1]);
    LONGS_EQUAL(64, control.multicast.size());
  });
}

TEST(VirtioNetControl, LeavesAllMulticastOnThatTheUserWants) {
  bring_up();
  for (unsigned i = 0; i <= net::multicast_table_size; i++)
    check_ok(net->add_multicast(group(i)));
  check_ok(net->set_receive_mode(ReceiveMode::allmulti, true));
  check_ok(net->remove_multicast(group(0)));
  CHECK(!net->multicast_overflow());
  CHECK(control.modes[1]);
}

TEST(VirtioNetControl, LetsAllMulticastInIfTheDeviceRefusesTheTable) {
  bring_up();
  control.script.refuses = [](const FakeNetControl::Command& command) { return command.name == mac_table_set; };
  check_ok(net->add_multicast(group(1)));
  CHECK(net->multicast_overflow());
  CHECK(control.modes[1]);
  LONGS_EQUAL(1, lines_with("net0: device refuses 1 multicast groups, letting all multicast in"));
  control.script.refuses = nullptr;
  check_ok(net->add_multicast(group(2)));
  CHECK(!net->multicast_overflow());
  CHECK(!control.modes[1]);
  LONGS_EQUAL(2, control.multicast.size());
}

TEST(VirtioNetControl, HoldsA128Groups) {
  bring_up();
  for (unsigned i = 0; i < net::max_multicast_addresses; i++)
    check_ok(net->add_multicast(group(i)));
  check_error(Error::filter_table_full, net->add_multicast(group(1000)));
  LONGS_EQUAL(128, net->multicast().size());
}

TEST(VirtioNetControl, ForgetsAGroupThatTheDeviceCouldNotBeTold) {
  bring_up();
  check_ok(net->add_multicast(group(1)));
  control.script.ack = 9;
  check_error(Error::control_ack_invalid, net->add_multicast(group(2)));
  LONGS_EQUAL(1, net->multicast().size());
  check_error(Error::control_ack_invalid, net->remove_multicast(group(1)));
  LONGS_EQUAL(1, net->multicast().size());
  CHECK(net->multicast()[0] == group(1));
}

// ---- devices that do not answer as they should

// proves: NET-CTRL-02, ROB-37
TEST(VirtioNetControl, CountsAndReportsWhatTheDeviceDoesNotAcceptOncePerKind) {
  bring_up();
  lines.clear();
  const auto fail_with = [this](std::uint8_t ack) {
    control.script.ack = ack;
    CHECK(!net->set_receive_mode(ReceiveMode::promisc, true));
    CHECK(!net->set_receive_mode(ReceiveMode::allmulti, true));
  };
  fail_with(1);
  LONGS_EQUAL(1, lines.size());
  STRCMP_EQUAL("net0: control command RX_PROMISC: device refused the command", lines[0].c_str());
  fail_with(7);
  fail_with(1);
  LONGS_EQUAL(2, lines.size());
  control.script.ack.reset();
  control.script.writes_no_ack = true;
  CHECK(!net->set_receive_mode(ReceiveMode::promisc, true));
  LONGS_EQUAL(2, lines.size());
  control.script.writes_no_ack = false;
  check_ok(net->set_receive_mode(ReceiveMode::promisc, true));
  fail_with(1);
  LONGS_EQUAL(3, lines.size()); // new after a success
  LONGS_EQUAL(9, net->stats().control_errors);
  LONGS_EQUAL(11, net->stats().control_commands);
}

// proves: ROB-37
TEST(VirtioNetControl, GoesOnWithoutACommandThatIsNeverAnsweredUntilTheNextReset) {
  on_every_device([this] {
    lines.clear();
    bring_up();
    answers = false;
    test::fake_clock().step = 1000;
    check_error(Error::control_timed_out, net->set_receive_mode(ReceiveMode::promisc, true));
    const std::uint64_t then = test::fake_clock().ticks;
    check_error(Error::control_timed_out, net->set_receive_mode(ReceiveMode::allmulti, true));
    CHECK(test::fake_clock().ticks - then < 10'000); // at once
    LONGS_EQUAL(1, net->stats().control_errors);
    LONGS_EQUAL(2, net->stats().control_commands);
    LONGS_EQUAL(1, lines.size());
    check_traffic();
    answers = true;
    serve(); // too late
    check_error(Error::control_timed_out, net->set_receive_mode(ReceiveMode::promisc, true));
    control.log.clear();
    CHECK(net->reset().has_value());
    check_ok(net->set_receive_mode(ReceiveMode::promisc, true));
    check_traffic();
    control.log.clear();
    test::fake_clock().reset();
  });
}

// proves: ROB-37
TEST(VirtioNetControl, ComesUpWithinSecondsIfNoCommandIsAnswered) {
  bring_up();
  check_ok(net->set_receive_mode(ReceiveMode::allmulti, true));
  check_ok(net->add_multicast(group(1)));
  answers = false;
  control.log.clear();
  test::fake_clock().step = 1000;
  const std::uint64_t start = test::fake_clock().ticks;
  CHECK(net->reset().has_value());
  CHECK(bsp::clock::ticks_to_us(test::fake_clock().ticks - start) < 1'200 * net::control_timeout_ms);
  test::fake_clock().reset();
  check_traffic();
}

TEST(VirtioNetControl, DoesNotWaitForeverForADeviceThatAnswersJustInTime) {
  bring_up();
  for (unsigned i = 0; i < net::receive_mode_count; i++)
    check_ok(net->set_receive_mode(static_cast<ReceiveMode>(i), true));
  control.log.clear();
  answer_takes_us = 900'000;
  const std::uint64_t start = test::fake_clock().ticks;
  CHECK(net->reset().has_value());
  CHECK(bsp::clock::ticks_to_us(test::fake_clock().ticks - start) < 3'000'000);
  LONGS_EQUAL(3, control.log.size());
  LONGS_EQUAL(1, lines_with("net0: device is too slow to take all settings again"));
  check_traffic();
}

TEST(VirtioNetControl, TakesNoCommandWhileTheDeviceIsDown) {
  bring_up();
  control.log.clear();
  device->set_needs_reset();
  change_config();
  net->shut_down();
  control.log.clear();
  check_error(Error::device_failed, net->set_receive_mode(ReceiveMode::promisc, true));
  check_error(Error::device_failed, net->set_mac({{2, 0, 0, 0, 0, 1}}));
  check_error(Error::device_failed, net->add_vlan(1));
  check_error(Error::device_failed, net->announce());
  CHECK(taken() == Names{});
}
