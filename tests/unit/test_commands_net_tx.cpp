// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/net_shell.hpp"
#include "tests/support/text2pcap.hpp"

#include <CppUTest/TestHarness.h>

using test::Bytes;
using test::check_text;
using test::ethernet_frame;
using Completes = test::FakeNetDevice::Completes;

namespace {

constexpr char ctrl_c[] = "\x03";
constexpr char no_completion[] = "error: net tx: device did not complete\n";

std::string sent(std::uint64_t frames, std::uint64_t bytes) {
  return "sent " + std::to_string(frames) + " frame(s), " + std::to_string(bytes) + " bytes\n";
}

} // namespace

TEST_GROUP(NetTx) {
  test::NetShell net;

  /// The device finishes this many frames whenever the machine sleeps.
  void complete_while_idle(std::size_t count) {
    net.net0.completes = Completes::never;
    test::fake_cpu().on_idle = [this, count](bsp::Deadline) { net.net0.complete(count); };
  }

  /// Ctrl-C is typed once this many frames were sent.
  void interrupt_after(std::uint64_t frames) {
    net.net0.on_service = [this, frames, typed = false]() mutable {
      if (typed || net.net0.sends < frames) return;
      typed = true;
      net.console.type(ctrl_c);
    };
  }

  void check_refused(const std::string& arguments, const std::string& why) {
    check_text("error: net tx: " + why + "\n", net.run("net tx " + arguments));
    CHECK_EQUAL(0, net.net0.send_calls);
    CHECK_EQUAL(0, net.net0.statistics.tx_packets);
    CHECK_EQUAL(0, net.net0.statistics.tx_errors);
    CHECK_EQUAL(0, net.arena.used());
  }

  void teardown() override {
    CHECK(net.net0.faults.empty());
    CHECK_EQUAL(0, net.net0.frames_out());
  }
};

TEST(NetTx, SendsTheTypedBytesExactly) {
  for (const std::size_t size : {14, 15, 60, 61, 1513, 1514}) {
    net.net0.wire.clear();
    check_text(sent(1, size), net.run("net tx " + test::hex(ethernet_frame(size))));
    CHECK_EQUAL(1, net.net0.wire.size());
    CHECK(net.net0.wire[0] == ethernet_frame(size));
  }
}

TEST(NetTx, SendsFourBytesMoreWithEitherTag) {
  for (const unsigned type : {0x8100u, 0x88a8u}) {
    const Bytes frame = ethernet_frame(1518, type);
    check_text(sent(1, 1518), net.run("net tx " + test::hex(frame)));
    CHECK(net.net0.wire.back() == frame);
  }
}

TEST(NetTx, TakesSpacesColonsAndEitherCase) {
  check_text(sent(1, 16), net.run("net tx ff:ff:ff:FF:Ff:fF 525400123456 88 b5 AB:cd"));
  CHECK(net.net0.wire[0] ==
        (Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x88, 0xb5, 0xab, 0xcd}));
}

TEST(NetTx, PadsTo60OnRequest) {
  check_text(sent(1, 60), net.run("net tx -p " + test::hex(ethernet_frame(20))));
  Bytes expected = ethernet_frame(20);
  expected.resize(60);
  CHECK(net.net0.wire[0] == expected);
  check_text(sent(1, 61), net.run("net tx -p " + test::hex(ethernet_frame(61))));
}

TEST(NetTx, RefusesFramesOfAWrongSizeAndCountsNothing) {
  check_refused("", "no frame: give HEX, -s SIZE or -m ADDR LEN (try 'help net tx')");
  check_refused("\"\"", "frame too short: 0 bytes, at least 14");
  check_refused(":", "frame too short: 0 bytes, at least 14");
  check_refused(test::hex(ethernet_frame(14)).substr(0, 26), "frame too short: 13 bytes, at least 14");
  check_refused("-p " + test::hex(ethernet_frame(14)).substr(0, 26), "frame too short: 13 bytes, at least 14");
  check_refused(test::hex(ethernet_frame(1515)), "frame too long: 1515 bytes, at most 1514 (mtu 1500)");
  check_refused(test::hex(ethernet_frame(1519, 0x8100)),
                "frame too long: 1519 bytes, at most 1518 (mtu 1500, VLAN tag)");
  check_refused(test::hex(ethernet_frame(4000)), "frame too long: 4000 bytes, at most 1514 (mtu 1500)");
}

TEST(NetTx, RefusesBadHexAndNamesThePlace) {
  check_refused("ffffffffffff52540012345688bg", "'g' at character 28 is not a hex digit");
  check_refused("ffff 0xff", "'x' at character 7 is not a hex digit");
  check_refused("ffffffffffff52540012345688b5f", "odd number of hex digits: 'f' at character 29 stands alone");
  check_refused("f:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:f",
                "odd number of hex digits: 'f' at character 1 stands alone");
}

TEST(NetTx, RefusesBadOptionsInOneLine) {
  for (const char* arguments : {"-c 0 -s 60",
                                "-c 4294967297 -s 60",
                                "-c x -s 60",
                                "-g -1 -s 60",
                                "-w x -s 60",
                                "-x",
                                "-s",
                                "-s 60 -d 52:54",
                                "-s 60 -t 65536",
                                "-s 60 -b 256",
                                "-s 13",
                                "-s 1515",
                                "-s 99999",
                                "-s 60 ffff",
                                "-s 60 -m 0 60",
                                "-m 0",
                                "-m 0 60 61",
                                "-m x 60",
                                "-d 52:54:00:12:34:56",
                                "-t 1 ffff",
                                "-b 1 ffff",
                                "-o -s 60"}) {
    const std::string output = net.run(std::string{"net tx "} + arguments);
    CHECK_TEXT(output.starts_with("error: net tx: "), arguments);
    CHECK_EQUAL_TEXT(1, std::count(output.begin(), output.end(), '\n'), arguments);
  }
  CHECK_EQUAL(0, net.net0.send_calls);
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetTx, FollowsTheMtuInUse) {
  check_text(std::string{"100\n"}, net.run("net mtu 100"));
  check_text(sent(1, 114), net.run("net tx -s 114"));
  check_text(std::string{"error: net tx: frame too long: 115 bytes, at most 114 (mtu 100)\n"},
             net.run("net tx -s 115"));
}

TEST(NetTx, GeneratesAFrame) {
  check_text(sent(1, 20), net.run("net tx -s 20"));
  CHECK(net.net0.wire[0] ==
        (Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x88, 0xb5, 0, 1, 2, 3, 4, 5}));
  check_text(sent(1, 17), net.run("net tx -s 17 -d 01:02:03:04:05:06 -t 0x0800 -b 0xaa"));
  CHECK(net.net0.wire[1] ==
        (Bytes{1, 2, 3, 4, 5, 6, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x08, 0x00, 0xaa, 0xaa, 0xaa}));
  check_text(sent(1, 14), net.run("net tx -s 14"));
  check_text(sent(1, 1514), net.run("net tx -s 1514"));
  CHECK_EQUAL(255, net.net0.wire[3][14 + 255]);
  CHECK_EQUAL(0, net.net0.wire[3][14 + 256]);
}

TEST(NetTx, SendsAFrameFromMemory) {
  test::fake_cpu().map(0x80001003, 64, 0x5a);
  check_text(sent(1, 61), net.run("net tx -m 0x80001003 61"));
  CHECK(net.net0.wire[0] == Bytes(61, 0x5a));
}

TEST(NetTx, SaysWhichAddressFaulted) {
  test::fake_cpu().map(0x80001000, 32);
  check_refused("-m 0x80001000 60", "load at 0x80001020 faulted");
  check_refused("-m 0 60", "load at 0x0 faulted");
}

TEST(NetTx, SendsManyAndKeepsTheRingFull) {
  complete_while_idle(64);
  check_text(sent(100'000, 6'000'000), net.run("net tx -c 100000 -s 60"));
  CHECK_EQUAL(100'000, net.net0.sends);
  CHECK_EQUAL(256, net.net0.most_in_flight);
  CHECK(net.net0.send_calls < 10'000);
}

TEST(NetTx, WaitsForCompletionsAsleep) {
  complete_while_idle(1);
  check_text(sent(3, 180), net.run("net tx -c 3 -s 60"));
  CHECK(net.net0.idle_preparations_for_completions >= 3);
  CHECK(test::fake_cpu().idles <= 4);
  const std::uint64_t before = net.net0.idle_preparations_for_completions;
  test::fake_cpu().on_idle = nullptr;
  CHECK(!net.run("net dump -t 1").empty());
  CHECK_EQUAL(before, net.net0.idle_preparations_for_completions);
}

TEST(NetTx, KeepsTheGapBetweenFrames) {
  std::vector<std::uint64_t> times;
  std::uint64_t seen = 0;
  net.net0.on_service = [&] {
    if (net.net0.sends != seen) times.push_back(test::fake_clock().ticks);
    seen = net.net0.sends;
  };
  check_text(sent(5, 300), net.run("net tx -c 5 -g 1000000 -s 60"));
  CHECK_EQUAL(5, times.size());
  for (std::size_t i = 1; i < times.size(); i++) {
    const std::uint64_t gap = bsp::clock::ticks_to_us(times[i] - times[i - 1]);
    CHECK(gap >= 1'000'000 && gap < 1'001'000);
  }
}

TEST(NetTx, SpendsAShortGapAwake) {
  const std::uint64_t before = test::fake_clock().ticks;
  check_text(sent(100, 6000), net.run("net tx -c 100 -g 100 -s 60"));
  const std::uint64_t took = bsp::clock::ticks_to_us(test::fake_clock().ticks - before);
  CHECK(took >= 9'900 && took < 12'000);
  CHECK_EQUAL(0, test::fake_cpu().idles);
}

TEST(NetTx, KeepsAGapLongerThanItsPatience) {
  check_text(sent(2, 120), net.run("net tx -c 2 -g 60000000 -s 60"));
}

TEST(NetTx, SaysThatTheLinkIsDownAndSends) {
  net.net0.link_state.state = net::LinkState::down;
  check_text("# link is down\n" + sent(1, 60), net.run("net tx -s 60"));
  CHECK_EQUAL(1, net.net0.sends);
}

TEST(NetTx, ResetsADeviceThatDoesNotComplete) {
  net.net0.completes = Completes::never;
  const std::uint64_t begun = bsp::clock::uptime_us();
  const std::string output = net.run("net tx -c 3 -s 60");
  CHECK_EQUAL(std::string{"# 0 frame(s) came back as sent\n"} + no_completion, output);
  CHECK(bsp::clock::uptime_us() - begun > 2'100'000); // the driver's watchdog had its turn before
  CHECK_EQUAL(1, net.net0.resets);
  CHECK_EQUAL(0, net.net0.tx_in_flight());
  CHECK_EQUAL(0, net.arena.used());
  net.net0.completes = Completes::at_once;
  check_text(sent(1, 60), net.run("net tx -s 60"));
}

TEST(NetTx, NeverReusesMemoryThatTheDeviceMayStillRead) {
  net.net0.completes = Completes::never;
  net.net0.reset_fails = true;
  CHECK(net.run("net tx -s 60").ends_with(no_completion));
  CHECK(net.arena.used() >= 60);
  CHECK(net.arena.stranded() >= 60);
}

TEST(NetTx, ReportsFramesThatARecoveryLost) {
  net.net0.completes = Completes::never;
  test::fake_cpu().on_idle = [this](bsp::Deadline) {
    net.net0.complete(1, true);
    net.net0.complete(9, false);
  };
  check_text(std::string{"# 1 frame(s) came back as sent\n"} + no_completion, net.run("net tx -c 10 -s 60"));
  CHECK_EQUAL(0, net.net0.resets);
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetTx, DoesNotTakeLateCompletionsOfAnEarlierCommandForItsOwn) {
  net.net0.completes = Completes::never;
  const std::byte frame[14]{};
  const net::Segment segment{const_cast<std::byte*>(frame), bsp::BusAddress{0x1000}, 14};
  const net::TxRequest stray{.segments = {&segment, 1}, .cookie = net::Cookie{1}};
  CHECK_EQUAL(1, net.net0.send({&stray, 1}));
  net.net0.complete(1);
  test::fake_cpu().on_idle = [this](bsp::Deadline) { net.net0.complete(1); };
  check_text(sent(1, 60), net.run("net tx -s 60"));
  CHECK_EQUAL(0, net.net0.tx_in_flight());
}

TEST(NetTx, RefusesADeviceThatHasFailed) {
  net.net0.is_usable = false;
  check_refused("-s 60", to_string(bsp::Error::device_failed));
}

TEST(NetTx, GivesUpSoonWhenTheDeviceFailsMeanwhile) {
  net.net0.completes = Completes::never;
  test::fake_cpu().on_idle = [this](bsp::Deadline) {
    net.net0.is_usable = false;
    net.net0.complete(SIZE_MAX, false);
  };
  const std::uint64_t before = test::fake_clock().ticks;
  CHECK(net.run("net tx -c 1000 -s 60").ends_with(no_completion));
  CHECK(bsp::clock::ticks_to_us(test::fake_clock().ticks - before) < 100'000);
  CHECK_EQUAL(0, net.net0.resets);
}

TEST(NetTx, StopsOnCtrlCAndReportsWhatWasSent) {
  complete_while_idle(64);
  interrupt_after(1000);
  net.net0.on_service = [this, interrupt = net.net0.on_service]() {
    interrupt();
    if (net.net0.sends >= 1000) net.net0.completes = Completes::when_serviced;
  };
  const std::string output = net.run("net tx -c 100000 -s 60");
  CHECK(net.net0.sends < 3000);
  CHECK_EQUAL(sent(net.net0.sends, 60 * net.net0.sends), output);
}

TEST(NetTx, RepeatsLostNotificationsAfterCtrlCToo) {
  net.net0.completes = Completes::when_idle_is_prepared;
  interrupt_after(10);
  check_text(sent(10, 600), net.run("net tx -c 10 -s 60"));
  CHECK_EQUAL(0, net.net0.resets);
}

TEST(NetTx, SaysThatThereIsNoMemoryForTheFrame) {
  auto rest = net.arena.allocate(net.arena.capacity() - 1024, 1);
  CHECK(rest.has_value());
  check_text(std::string{"error: net tx: "} + to_string(bsp::Error::out_of_dma_memory) + "\n",
             net.run("net tx -s 1514"));
  check_text(sent(1, 60), net.run("net tx -s 60"));
}

TEST(NetTx, PrintsTheAnswersAsADumpWould) {
  // One frame arrives before the send, one with it, one 100 ms and one 300 ms later.
  CHECK(net.net0.arrive(ethernet_frame(60, 0x0800)));
  net.net0.on_service = [this, seen = std::uint64_t{0}, start = std::uint64_t{0}]() mutable {
    if (net.net0.sends == 0) return;
    if (seen == 0) {
      start = test::fake_clock().ticks;
      seen = net.net0.arrive(ethernet_frame(61)) ? 1 : 0;
    }
    const std::uint64_t later = bsp::clock::ticks_to_us(test::fake_clock().ticks - start);
    if (seen == 1 && later > 100'000) seen = net.net0.arrive(ethernet_frame(62)) ? 2 : 0;
    if (seen == 2 && later > 300'000) seen = net.net0.arrive(ethernet_frame(63)) ? 3 : 0;
  };
  test::fake_cpu().on_idle = [](bsp::Deadline) { test::fake_clock().advance_us(10'000); };
  const std::string output = net.raw("net tx -w 200 -s 60");
  CHECK(output.starts_with("sent 1 frame(s), 60 bytes\r\n# listening on net0\r\n"));
  CHECK(output.ends_with("\r\n# captured 2 frame(s), dropped 0\r\n"));
  const test::Packets read = test::text2pcap(output.substr(output.find('#')));
  CHECK_TEXT(read.ok, "text2pcap (wireshark-common) could not be run");
  CHECK_EQUAL(2, read.packets.size());
  CHECK(read.packets[0].bytes == ethernet_frame(61));
  CHECK(read.packets[1].bytes == ethernet_frame(62));
  CHECK_EQUAL('I', read.packets[0].direction);
}

TEST(NetTx, ShowsTheSentFramesToo) {
  const std::string output = net.raw("net tx -w 10 -o -c 3 -s 70");
  const test::Packets read = test::text2pcap(output.substr(output.find('#')));
  CHECK_EQUAL(3, read.packets.size());
  for (const test::Packet& packet : read.packets) {
    CHECK(packet.bytes == net.net0.wire[0]);
    CHECK_EQUAL('O', packet.direction);
  }
}
