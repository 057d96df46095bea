// SPDX-License-Identifier: BSD-2-Clause
// `net bench tx`, and what all of `net bench` has in common: what goes out, what is counted, how a run ends.
#include <algorithm>

#include "tests/support/net_bench_test.hpp"

using test::Bytes;
using test::ctrl_c;
using test::number_of;
using test::numbered;
using test::value_names;
using Completes = test::FakeNetDevice::Completes;

TEST_GROUP_BASE(NetBench, test::NetBenchTest){};

TEST(NetBench, SendsBroadcastFramesWithAscendingNumbers) {
  for (const char* options : {"", " -b 1", " -b 7", " -b 128", " --copy", " -b 100 --copy -s 1514"}) {
    net.net0.wire.clear();
    run(std::string{"net bench tx -n 1000"} + options);
    CHECK_EQUAL(1000, net.net0.wire.size());
    for (std::uint32_t i = 0; i < 1000; i++) {
      Bytes frame = net.net0.wire[i];
      CHECK_EQUAL_TEXT(i, number_of(frame), options);
      std::fill_n(frame.begin() + 14, 4, std::uint8_t{0});
      Bytes expected{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x88, 0xb5};
      expected.resize(frame.size());
      CHECK_TEXT(frame == expected, options);
    }
  }
}

TEST(NetBench, HandsOverBatchesOfTheSizeAskedFor) {
  run("net bench tx -n 192 -b 96 -s 100");
  CHECK_EQUAL(2, net.net0.send_calls);
  CHECK_EQUAL(100, net.net0.wire[0].size());
  run("net bench tx -n 3 -b 2");
  CHECK_EQUAL(4, net.net0.send_calls);
}

TEST(NetBench, PrintsItsValuesInOrder) {
  net.net0.on_service = [this] {
    net.net0.statistics.notifications += 2;
    net.net0.statistics.interrupts += 3;
  };
  run("net bench tx -n 2000");
  CHECK(names == value_names);
  STRCMP_EQUAL("2000", values["frames"].c_str());
  STRCMP_EQUAL("120000", values["bytes"].c_str());
  CHECK_EQUAL(std::stoul(values["notifications"]) / 2, std::stoul(values["interrupts"]) / 3);
  CHECK(values["notifications"] != "0");
}

TEST(NetBench, DividesByTheTimeFromFirstToLastFrame) {
  // Two frames, 1.5 s apart, long before and after them nothing.
  while_idle({[this] {
                test::fake_clock().advance_us(3'000'000);
                net.net0.arrive(numbered(0));
              },
              [this] {
                test::fake_clock().advance_us(1'500'000);
                net.net0.arrive(numbered(1, 940));
              },
              [] { test::fake_clock().advance_us(7'000'000); }});
  run("net bench rx");
  STRCMP_EQUAL("2", values["frames"].c_str());
  STRCMP_EQUAL("1000", values["bytes"].c_str());
  const double seconds = std::stod(values["seconds"]);
  CHECK(seconds >= 1.5 && seconds < 1.501);
  CHECK_EQUAL(8, values["seconds"].size());
  STRCMP_EQUAL("1", values["frames_per_second"].c_str());
  STRCMP_EQUAL("666", values["bytes_per_second"].c_str());
}

TEST(NetBench, CountsInstructionsToTheHundredth) {
  net.net0.completes = Completes::never;
  test::fake_cpu().on_idle = [this](bsp::Deadline) {
    test::fake_cpu().instructions += 1205;
    net.net0.complete(300);
  };
  run("net bench tx -n 100");
  STRCMP_EQUAL("12.05", values["instructions_per_frame"].c_str());
  run("net bench tx -n 130"); // 9.2692...: rounded down
  STRCMP_EQUAL("9.26", values["instructions_per_frame"].c_str());
}

TEST(NetBench, SleepsOnAFullRingUntilFramesComeBack) {
  net.net0.completes = Completes::never;
  test::fake_cpu().on_idle = [this](bsp::Deadline) { net.net0.complete(200); };
  run("net bench tx -n 10000 -b 128");
  STRCMP_EQUAL("10000", values["frames"].c_str());
  CHECK_EQUAL(256, net.net0.most_in_flight);
  CHECK(net.net0.idle_preparations_for_completions > 40);
  CHECK_EQUAL(net.net0.idle_preparations_for_completions, test::fake_cpu().idles);
  CHECK_EQUAL(50, test::fake_cpu().idles); // 10000 / 200
  CHECK_EQUAL(0, net.net0.tx_in_flight());
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBench, BoundsABatchByTheRing) {
  virtio::QueueState queue{};
  queue.size = 16;
  net.net0.diagnostics_values.queues = {queue, queue};
  check_error("net bench tx -b 17",
              "net bench tx: option '-b' takes a number from 1 to 16, not '17' (try 'help net bench tx')");
  run("net bench tx -n 100");
  CHECK_EQUAL(7, net.net0.send_calls);
}

TEST(NetBench, RefusesWhatIsOutOfRangeInOneLine) {
  for (const char* arguments :
       {"tx -n 0", "tx -n 4294967297", "tx -s 59", "tx -s 1515", "tx -s x", "tx -b 0", "tx -b 129", "tx 7", "tx -t 1",
        "rx -n 0", "rx -t 0", "rx -t 86401", "rx -s 60", "rx 7", "echo 7", "echo -n 1", "tx -i net7", "all"}) {
    const std::string output = net.run(std::string{"net bench "} + arguments);
    CHECK_TEXT(output.starts_with("error: net"), arguments);
    CHECK_EQUAL_TEXT(1, std::count(output.begin(), output.end(), '\n'), arguments);
  }
  CHECK_EQUAL(0, net.net0.send_calls);
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBench, FollowsTheMtuInUse) {
  net.run("net mtu 100");
  check_error("net bench tx -s 115",
              "net bench tx: option '-s' takes a number from 60 to 114, not '115' (try 'help net bench tx')");
  run("net bench tx -s 114 -n 1");
}

TEST(NetBench, UsesTheInterfaceNamed) {
  run("net bench tx -i net1 -n 10");
  CHECK_EQUAL(10, net.net1.wire.size());
  CHECK_EQUAL(0, net.net0.wire.size());
}

TEST(NetBench, EndsOnCtrlCWithWhatWasSent) {
  net.net0.completes = Completes::never;
  while_idle({[this] { net.net0.complete(100); },
              [this] {
                net.console.type(ctrl_c);
                net.net0.completes = Completes::when_serviced;
              }});
  run("net bench tx");
  CHECK_EQUAL(net.net0.sends, std::stoul(values["frames"]));
  CHECK(net.net0.sends <= 356);
}

TEST(NetBench, SaysHowFarItIsOnceASecond) {
  net.net0.on_service = [] { test::fake_clock().advance_us(125'000); };
  run("net bench tx -n 80000 -b 64");
  CHECK(notes.size() >= 8 && notes.size() <= 10); // it looks around each 2048 frames or sooner
  CHECK(notes[0].ends_with(" frame(s)"));
}

TEST(NetBench, RefusesALinkThatIsDown) {
  net.net0.link_state.state = net::LinkState::down;
  check_error("net bench tx", "net bench tx: link is down");
  check_error("net bench rx", "net bench rx: link is down");
  check_error("net bench echo", "net bench echo: link is down");
  net.net0.link_state.state = net::LinkState::up;
  net.net0.is_usable = false;
  check_error("net bench tx", "net bench tx: device failed, recovery given up");
  CHECK_EQUAL(0, net.net0.send_calls);
}

TEST(NetBench, EndsWhenTheLinkGoes) {
  net.net0.completes = Completes::when_serviced;
  net.net0.on_service = [this] {
    if (net.net0.sends > 1000) net.net0.link_state.state = net::LinkState::down;
  };
  check_error("net bench tx", "net bench tx: link went down");
  CHECK(net.net0.sends < 2000);
  CHECK_EQUAL(0, net.net0.tx_in_flight());
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBench, EndsWhenTheDeviceIsReset) {
  net.net0.completes = Completes::never;
  test::fake_cpu().on_idle = [this](bsp::Deadline) { net.net0.complete(300, false); };
  check_error("net bench tx", "net bench tx: device was reset");
  test::fake_cpu().on_idle = [this](bsp::Deadline) { net.net0.raise(net::NetEvent::recovered); };
  check_error("net bench rx", "net bench rx: device was reset");
  check_error("net bench echo", "net bench echo: device was reset");
  test::fake_cpu().on_idle = [this](bsp::Deadline) { net.net1.raise(net::NetEvent::recovered); };
  test::fake_clock().step = 10'000;
  const std::string other = net.run("net bench rx");
  CHECK(other.find("error: net") == std::string::npos); // another interface's
}

TEST(NetBench, TakesItsMemoryBackFromADeviceThatKeepsIt) {
  net.net0.completes = Completes::never;
  check_error("net bench tx", "net bench tx: device did not complete");
  CHECK_EQUAL(1, net.net0.resets);
  CHECK_EQUAL(0, net.arena.used());
  net.net0.reset_fails = true;
  check_error("net bench tx", "net bench tx: device did not complete");
  CHECK(net.arena.used() > 0); // never used again
}

TEST(NetBench, NeedsMemory) {
  net.arena.assign(std::span{net.dma}.first(4096), bsp::BusAddress{0x4000'0000});
  check_error("net bench tx", "net bench tx: out of DMA memory");
  check_error("net bench echo", "net bench echo: out of DMA memory");
  CHECK_EQUAL(0, net.arena.used());
}
