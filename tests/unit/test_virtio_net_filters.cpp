// SPDX-License-Identifier: BSD-2-Clause
// VLAN filter and announcements of the network device: CTRL_VLAN is negotiated only while there is an id; an
// announcement is sent and acknowledged once per request, however often the device asks.
#include <string>
#include <vector>

#include "tests/support/net_control_test.hpp"

using bsp::Error;
using test::Bytes;
using test::FakeNetControl;
using virtio::Feature;

TEST_GROUP_BASE(VirtioNetVlan, test::NetControlTest){};

// proves: NET-CTRL-11, LEG-13, LEG-22, NET-CTRL-48
TEST(VirtioNetVlan, NegotiatesTheFilterWithTheFirstIdAndAddsAllIdsAgainAfterAReset) {
  on_every_device([this] {
    bring_up();
    CHECK(!device->accepted().has(Feature::net_ctrl_vlan)); // without an id all tagged frames come in
    const unsigned resets = device->resets;
    check_ok(net->add_vlan(0x123));
    CHECK(device->accepted().has(Feature::net_ctrl_vlan));
    LONGS_EQUAL(resets + 1, device->resets);
    CHECK(control.last().name == vlan_add);
    check_data({{0x23, 0x01}});
    check_ok(net->add_vlan(0));
    check_ok(net->add_vlan(4094));
    LONGS_EQUAL(resets + 1, device->resets);
    CHECK(control.vlans == (std::set<std::uint16_t>{0, 0x123, 4094}));
    check_traffic();

    control.log.clear();
    CHECK(net->reset().has_value());
    CHECK(taken() == Names({promisc, vlan_add, vlan_add, vlan_add}));
    CHECK(control.vlans == (std::set<std::uint16_t>{0, 0x123, 4094}));
    device->set_needs_reset();
    change_config();
    net->service();
    CHECK(taken() == Names({promisc, vlan_add, vlan_add, vlan_add}));

    check_ok(net->remove_vlan(0x123));
    CHECK(control.last().name == vlan_del);
    check_data({{0x23, 0x01}});
    CHECK(!net->has_vlan(0x123) && net->has_vlan(0) && net->has_vlan(4094));
    check_ok(net->remove_vlan(0));
    CHECK(device->accepted().has(Feature::net_ctrl_vlan));
    check_ok(net->remove_vlan(4094));
    CHECK(!device->accepted().has(Feature::net_ctrl_vlan));
    check_traffic();
    control.log.clear();
  });
}

TEST(VirtioNetVlan, RefusesIdsThatAreNoneOrThereAlready) {
  bring_up();
  const unsigned resets = device->resets;
  for (const unsigned id : {4095U, 4096U, 0xffffU})
    check_error(Error::invalid_argument, net->add_vlan(static_cast<std::uint16_t>(id)));
  check_error(Error::invalid_argument, net->remove_vlan(5));
  check_error(Error::invalid_argument, net->remove_vlan(0xffff));
  LONGS_EQUAL(resets, device->resets);
  check_ok(net->add_vlan(5));
  check_error(Error::invalid_argument, net->add_vlan(5));
  CHECK(!net->has_vlan(0xffff));
}

// proves: NET-CTRL-11
TEST(VirtioNetVlan, ChangesNothingOnADeviceWithoutTheFilter) {
  for (const Feature missing : {Feature::net_ctrl_vlan, Feature::net_ctrl_vq}) {
    have_control(Version::modern);
    withhold(missing);
    bring_up();
    const unsigned resets = device->resets;
    control.log.clear();
    check_error(Error::device_lacks_ctrl_vlan, net->add_vlan(5));
    LONGS_EQUAL(resets, device->resets);
    CHECK(!net->has_vlan(5));
    CHECK(taken() == Names{});
    check_traffic();
  }
}

TEST(VirtioNetVlan, TakesTheFirstIdBackIfTheDeviceRefusesIt) {
  bring_up();
  control.script.refuses = [](const FakeNetControl::Command& command) { return command.name == vlan_add; };
  check_error(Error::control_refused, net->add_vlan(5));
  CHECK(!net->has_vlan(5));
  CHECK(!device->accepted().has(Feature::net_ctrl_vlan)); // tagged frames come in again
  check_traffic();
  control.script.refuses = nullptr;
  check_ok(net->add_vlan(6));
  control.script.refuses = [](const FakeNetControl::Command& command) { return command.name.first == 2; };
  check_error(Error::control_refused, net->add_vlan(7));
  CHECK(!net->has_vlan(7) && net->has_vlan(6));
  CHECK(device->accepted().has(Feature::net_ctrl_vlan));
  check_ok(net->remove_vlan(6)); // the last: by a reset
  CHECK(!device->accepted().has(Feature::net_ctrl_vlan));
}

TEST(VirtioNetVlan, TakesTheChangeBackIfTheResetFails) {
  bring_up();
  device->script.refuses_features = true;
  check_error(Error::device_rejected_features, net->add_vlan(5));
  CHECK(!net->has_vlan(5));
  device->script.refuses_features = false;
  CHECK(net->reset().has_value());
  CHECK(!device->accepted().has(Feature::net_ctrl_vlan));
  check_ok(net->add_vlan(6));
  device->script.refuses_features = true;
  check_error(Error::device_rejected_features, net->remove_vlan(6));
  CHECK(net->has_vlan(6));
  device->script.refuses_features = false;
  CHECK(net->reset().has_value());
  CHECK(control.vlans == std::set<std::uint16_t>{6});
}

TEST(VirtioNetVlan, TakesTheFirstIdBackIfTheDeviceNoLongerOffersTheFilter) {
  bring_up();
  device->on_reset = [this] {
    stop_rings();
    control_ring.stop();
    withhold(Feature::net_ctrl_vlan);
  };
  check_error(Error::device_lacks_ctrl_vlan, net->add_vlan(5));
  CHECK(!net->has_vlan(5));
  check_traffic();
}

// ---- announcements

TEST_GROUP_BASE(VirtioNetAnnounce, test::NetControlTest) {
  static constexpr std::uint16_t wants_announcement = 1 | 2; // link up

  /// Ends an announcement that was just sent, so that the next one may be.
  Bytes announced() {
    const auto sent = transmitted();
    LONGS_EQUAL(1, sent.size());
    LONGS_EQUAL(0, reclaimed().size()); // it is the driver's own
    return Bytes(sent.at(0).begin() + static_cast<std::ptrdiff_t>(header_size()), sent.at(0).end());
  }
  void ask() {
    device->set_config16(6, wants_announcement);
    change_config();
  }
};

// proves: NET-CTRL-13
TEST(VirtioNetAnnounce, BroadcastsARarpRequestForItsOwnAddress) {
  on_every_device([this] {
    bring_up();
    check_ok(net->announce());
    Bytes expected(60);
    const std::vector<std::uint8_t> start{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34,
                                          0x56, 0x80, 0x35, 0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x03,
                                          0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x00, 0x00, 0x00, 0x00, 0x52,
                                          0x54, 0x00, 0x12, 0x34, 0x56, 0x00, 0x00, 0x00, 0x00};
    std::ranges::copy(start, expected.begin());
    CHECK(announced() == expected);
    LONGS_EQUAL(1, net->stats().announcements);
    check_ok(net->set_mac({{2, 0, 0, 0, 0, 7}}));
    check_ok(net->announce());
    const Bytes other = announced();
    for (const unsigned at : {6U, 22U, 32U})
      LONGS_EQUAL(7, other[at + 5]);
  });
}

// proves: NET-CTRL-12, NET-CTRL-13, NET-CTRL-14
TEST(VirtioNetAnnounce, AnswersTheDevicesRequestOnceAndAcknowledgesIt) {
  on_every_device([this] {
    bring_up();
    control.log.clear();
    events.clear();
    change_config(); // nothing is asked for
    CHECK(taken() == Names{});
    ask();
    CHECK(taken() == Names{announce_ack});
    LONGS_EQUAL(1, device->config[6]); // cleared by the device
    LONGS_EQUAL(60, announced().size());
    CHECK(events == std::vector<net::NetEvent>{net::NetEvent::announced});
    LONGS_EQUAL(1, net->stats().announcements);
    change_config();
    CHECK(taken() == Names{});
    LONGS_EQUAL(0, transmitted().size());
    test::fake_clock().advance_us(100'000);
    ask(); // the next event
    CHECK(taken() == Names{announce_ack});
    announced();
  });
}

// proves: NET-CTRL-12
TEST(VirtioNetAnnounce, IgnoresTheBitUnlessGuestAnnounceWasNegotiated) {
  withhold(Feature::net_guest_announce);
  bring_up();
  control.log.clear();
  ask();
  CHECK(taken() == Names{});
  LONGS_EQUAL(0, transmitted().size());
}

// proves: ROB-39
TEST(VirtioNetAnnounce, SendsTenASecondAtMostIfTheDeviceNeverStopsAsking) {
  bring_up();
  control.log.clear();
  events.clear();
  control.on_announce_ack = nullptr; // the bit stays
  device->on_config_read = [this](std::uint32_t offset) {
    if (offset == 6) device->config[6] ^= 1; // and the link flaps on every read
  };
  unsigned sent = 0;
  for (unsigned turn = 0; turn < 1000; turn++) { // 10 s
    ask();
    for (const Bytes& frame : transmitted())
      sent += frame.size() == 72 ? 1 : 0;
    LONGS_EQUAL(0, reclaimed().size());
  }
  device->on_config_read = nullptr;
  CHECK(sent >= 90 && sent <= 101);
  LONGS_EQUAL(sent, control.log.size()); // an acknowledgement each
  LONGS_EQUAL(sent, net->stats().announcements);
  LONGS_EQUAL(sent, std::ranges::count(events, net::NetEvent::announced));
  LONGS_EQUAL(sent, control.count(announce_ack));
  device->set_config16(6, 1);
  check_traffic();
}

// proves: ROB-39
TEST(VirtioNetAnnounce, KeepsARequestThatCameTooSoonForLater) {
  bring_up();
  control.log.clear();
  ask();
  announced();
  ask();
  CHECK(taken() == Names{announce_ack}); // of the first
  LONGS_EQUAL(0, transmitted().size());
  CHECK(net->next_wake().ticks() != UINT64_MAX);
  test::fake_clock().advance_us(100'000);
  CHECK(net->next_wake().expired());
  net->service();
  CHECK(taken() == Names{announce_ack});
  announced();
  CHECK(!net->next_wake().expired());
  for (unsigned i = 0; i < 10; i++) {
    test::fake_clock().advance_us(100'000);
    net->service();
  }
  CHECK(taken() == Names{});
}

TEST(VirtioNetAnnounce, TriesAgainLaterIfThereIsNoRoomToSend) {
  bring_up();
  control.log.clear();
  unsigned filled = 0;
  while (send(frame(60), 0, 16, filled % 16) == 1)
    filled++;
  ask();
  CHECK(taken() == Names{});
  check_error(Error::ring_full, net->announce());
  LONGS_EQUAL(filled, transmitted().size());
  LONGS_EQUAL(filled, reclaimed().size());
  test::fake_clock().advance_us(100'000);
  net->service();
  CHECK(taken() == Names{announce_ack});
  check_error(Error::ring_full, net->announce()); // the last one is still in flight
  announced();
  check_ok(net->announce());
  announced();
}

TEST(VirtioNetAnnounce, GivesBackWhatCameWithAnAnnouncementBeforeItSendsMore) {
  bring_up();
  LONGS_EQUAL(1, send(frame(60), 0, 12, 5));
  check_ok(net->announce());
  LONGS_EQUAL(2, transmitted().size());
  net->service();
  LONGS_EQUAL(1, net->tx_in_flight());
  LONGS_EQUAL(0, send(frame(60), 0, 12, 6));
  const auto done = reclaimed();
  LONGS_EQUAL(1, done.size());
  CHECK(done[0].cookie == net::Cookie{0x1005} && done[0].sent);
  LONGS_EQUAL(1, send(frame(60), 0, 12, 6));
}

TEST(VirtioNetAnnounce, ForgetsAnAnnouncementInFlightAtAReset) {
  bring_up();
  check_ok(net->announce());
  CHECK(net->reset().has_value());
  LONGS_EQUAL(0, reclaimed().size());
  check_ok(net->announce());
  announced();
  check_traffic();
}
