// SPDX-License-Identifier: BSD-2-Clause
// `net bench`: what goes out and comes back, what is counted, how a run ends.
#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

using test::Bytes;
using test::check_text;
using test::ethernet_frame;
using Completes = test::FakeNetDevice::Completes;

namespace {

constexpr char ctrl_c[] = "\x03";
const std::vector<std::string> value_names{"frames",           "bytes",         "seconds",    "frames_per_second",
                                           "bytes_per_second", "notifications", "interrupts", "instructions_per_frame"};

Bytes numbered(std::uint32_t number, std::size_t size = 60) {
  Bytes frame = ethernet_frame(size);
  for (std::size_t i = 0; i < 4; i++)
    frame[14 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  return frame;
}

std::uint32_t number_of(const Bytes& frame) {
  return std::uint32_t{frame[14]} << 24 | std::uint32_t{frame[15]} << 16 | std::uint32_t{frame[16]} << 8 | frame[17];
}

Bytes swapped(Bytes frame) {
  std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
  return frame;
}

} // namespace

TEST_GROUP(NetBench) {
  test::NetShell net{2};
  std::vector<std::string> names;            ///< of the values printed, in order
  std::map<std::string, std::string> values; ///< as text
  std::vector<std::string> notes;

  void setup() override {
    // Room for a ring of frames of any size, as on a real board.
    net.dma.resize(1024 * 1024);
    net.arena.assign(net.dma, bsp::BusAddress{0x4000'0000});
  }

  /// Runs the line, and expects results.
  void run(const std::string& line) {
    read(net.run(line));
    CHECK(!values.empty());
  }

  void read(const std::string& output) {
    names.clear();
    values.clear();
    notes.clear();
    std::istringstream lines{output};
    for (std::string text; std::getline(lines, text);) {
      const std::size_t space = text.find(' ');
      if (text.starts_with("# ")) {
        notes.push_back(text.substr(2));
      } else {
        CHECK_TEXT(space != std::string::npos && text.find(' ', space + 1) == std::string::npos, text.c_str());
        names.push_back(text.substr(0, space));
        values[names.back()] = text.substr(space + 1);
      }
    }
  }

  void check_error(const std::string& line, const std::string& why) {
    const std::string output = net.run(line);
    const std::size_t start = output.rfind('\n', output.size() - 2) + 1; // 0 if it is the only line
    check_text("error: " + why + "\n", output.substr(start));
    std::istringstream lines{output.substr(0, start)};
    for (std::string text; std::getline(lines, text);)
      CHECK_TEXT(text.starts_with("# "), text.c_str());
  }

  /// Each time the machine has nothing to do, the next of these happens; then Ctrl-C is typed.
  void while_idle(std::vector<std::function<void()>> events) {
    test::fake_cpu().on_idle = [this, events = std::move(events), next = std::size_t{0}](bsp::Deadline) mutable {
      if (next < events.size())
        events[next++]();
      else
        net.console.type(ctrl_c);
    };
  }

  void teardown() override {
    for (const std::string& fault : net.net0.faults)
      FAIL(fault.c_str());
    CHECK_EQUAL(0, net.net0.frames_out());
    CHECK_EQUAL(0, net.net1.frames_out());
  }
};

// ---- tx

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

// ---- rx

TEST(NetBench, ReceivesUntilTheCountIsReached) {
  while_idle({[this] {
    for (std::uint32_t i = 7; i < 207; i++)
      net.net0.arrive(numbered(i));
  }});
  run("net bench rx -n 150");
  std::vector<std::string> expected = value_names;
  expected.insert(expected.end(), {"lost", "reordered"});
  CHECK(names == expected);
  STRCMP_EQUAL("150", values["frames"].c_str());
  STRCMP_EQUAL("9000", values["bytes"].c_str());
  STRCMP_EQUAL("0", values["lost"].c_str());
  STRCMP_EQUAL("0", values["reordered"].c_str());
  STRCMP_EQUAL("receiving on net0", notes.at(0).c_str());
  CHECK_EQUAL(0, net.net0.frames_waiting()); // the rest is the background's again
}

TEST(NetBench, TellsLossFromReordering) {
  while_idle({[this] {
    for (const std::uint32_t number :
         {0xffff'fff0U, 0xffff'fff1U, 0xffff'fff2U, 0xffff'fff5U, 0xffff'fff6U, 0U, 1U, 3U, 2U})
      net.net0.arrive(numbered(number));
    net.net0.arrive(ethernet_frame(60, 0x0800));       // not one of them
    net.net0.arrive(ethernet_frame(17, 0x88b5, 0xaa)); // too short to hold a number
  }});
  run("net bench rx");
  STRCMP_EQUAL("11", values["frames"].c_str());
  STRCMP_EQUAL("11", values["lost"].c_str()); // 2 behind 0xfff2, 9 behind 0xfff6; 2 came after all
  STRCMP_EQUAL("1", values["reordered"].c_str());
}

TEST(NetBench, FindsNumbersAlsoBehindAnotherHeader) {
  net.net0.header_size = 10; // as of a legacy device: no number is aligned then
  while_idle({[this] {
    for (const std::uint32_t number : {5U, 6U, 7U, 9U, 10U})
      net.net0.arrive(numbered(number));
    // What lies where an aligned number would be counts for nothing: the word at byte 6 is the number that is expected.
    Bytes frame = numbered(20);
    const Bytes other = numbered(11);
    std::copy_n(other.begin() + 12, 6, frame.begin() + 6);
    net.net0.arrive(frame);
  }});
  run("net bench rx -n 6");
  STRCMP_EQUAL("10", values["lost"].c_str()); // 8, and 11 to 19
  STRCMP_EQUAL("0", values["reordered"].c_str());
}

TEST(NetBench, CountsTheBytesOfNumberedFramesInSeveralBuffers) {
  while_idle({[this] {
    for (std::uint32_t number = 0; number < 5; number++)
      number % 2 == 0 ? net.net0.arrive(numbered(number, 1000))
                      : net.net0.arrive_in_pieces(numbered(number, 1000), 300);
  }});
  run("net bench rx -n 5");
  STRCMP_EQUAL("5000", values["bytes"].c_str());
  STRCMP_EQUAL("0", values["lost"].c_str());
}

TEST(NetBench, MissesEachNumberThatIsLost) {
  // Across the carry from one byte to the next, too. Frames too short for a number have none, whatever lies behind
  // them.
  for (const std::uint32_t lost : {0x1a3U, 0x1a4U, 0x1a5U, 0x1a6U, 0x1feU, 0x1ffU, 0x200U, 0x201U}) {
    while_idle({[this, lost] {
      for (std::uint32_t number = lost - 16; number < lost + 16; number++) {
        if (number != lost) net.net0.arrive(numbered(number));
        Bytes cut = numbered(number + 1);
        cut.resize(17);
        net.net0.arrive(cut);
      }
    }});
    run("net bench rx -n 63");
    STRCMP_EQUAL("63", values["frames"].c_str());
    STRCMP_EQUAL("1", values["lost"].c_str());
    STRCMP_EQUAL("0", values["reordered"].c_str());
  }
}

TEST(NetBench, TakesNumbersThatStartAgainForLate) {
  // After 255, whose successor has a carry.
  const auto first_numbers = [this] {
    for (std::uint32_t number = 0; number < 256; number++)
      net.net0.arrive(numbered(number));
  };
  while_idle({first_numbers, first_numbers});
  run("net bench rx -n 512");
  STRCMP_EQUAL("0", values["lost"].c_str());
  STRCMP_EQUAL("256", values["reordered"].c_str());
}

TEST(NetBench, SaysNothingOfLossWithoutNumbers) {
  while_idle({[this] {
    net.net0.arrive(ethernet_frame(60, 0x0800));
    net.net0.arrive(Bytes(60, 0xff));
  }});
  run("net bench rx");
  CHECK(names == value_names);
}

TEST(NetBench, GivesUpWhenNothingComes) {
  test::fake_cpu().on_idle = [this, frames = 0](bsp::Deadline until) mutable {
    if (frames++ < 3) {
      test::fake_clock().advance_us(1'900'000); // the silence starts anew
      net.net0.arrive(numbered(static_cast<std::uint32_t>(frames)));
    } else {
      test::fake_clock().ticks = until.ticks();
    }
  };
  const std::uint64_t begun = bsp::clock::uptime_us();
  run("net bench rx -t 2");
  STRCMP_EQUAL("3", values["frames"].c_str());
  const std::uint64_t took = bsp::clock::uptime_us() - begun;
  CHECK(took >= 7'700'000 && took < 7'710'000);
  run("net bench rx -t 1");
  STRCMP_EQUAL("0", values["frames"].c_str());
  STRCMP_EQUAL("0.000000", values["seconds"].c_str());
  STRCMP_EQUAL("0.00", values["instructions_per_frame"].c_str());
}

TEST(NetBench, LooksAtEverythingElseDuringAFlood) {
  std::uint32_t sent = 0;
  net.net1.on_service = [this] { net.net1.arrive(ethernet_frame(60)); };
  net.net0.on_service = [this, &sent, typed = false]() mutable {
    while (net.net0.frames_waiting() < 200)
      net.net0.arrive(numbered(sent++));
    if (sent > 5000 && !typed) net.console.type(ctrl_c);
    typed = sent > 5000;
  };
  run("net bench rx");
  CHECK(std::stoul(values["frames"]) < 6000);
  STRCMP_EQUAL("0", values["lost"].c_str());
  CHECK_EQUAL(0, net.net1.overruns);
  net.net0.on_service = {};
  net.net1.on_service = {};
}

// ---- echo

TEST(NetBench, SendsEveryFrameBackWithItsAddressesSwapped) {
  std::vector<Bytes> frames;
  for (std::uint32_t i = 0; i < 300; i++)
    frames.push_back(numbered(i, 60 + i));
  std::vector<std::function<void()>> events;
  for (std::size_t i = 0; i < 3; i++)
    events.emplace_back([this, &frames, i] { net.net0.arrive(frames[i]); }); // one at a time, then many
  events.emplace_back([this, &frames] {
    for (std::size_t i = 3; i < 200; i++)
      net.net0.arrive(frames[i]);
  });
  events.emplace_back([this, &frames] {
    for (std::size_t i = 200; i < 300; i++)
      net.net0.arrive(frames[i]);
  });
  while_idle(events);
  run("net bench echo");
  CHECK(names == value_names);
  STRCMP_EQUAL("300", values["frames"].c_str());
  STRCMP_EQUAL("echoing on net0", notes.at(0).c_str());
  CHECK_EQUAL(300, net.net0.wire.size());
  for (std::size_t i = 0; i < 300; i++)
    CHECK(net.net0.wire[i] == swapped(frames[i]));
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBench, EchoesNothingThatCannotBeSentAsItLies) {
  while_idle({[this] {
    net.net0.arrive(numbered(0));
    net.net0.arrive_in_pieces(numbered(1, 1000), 400);
    net.net0.arrive(numbered(2));
    net.net0.arrive(numbered(3, 1515));
    net.net0.arrive_in_pieces(numbered(4, 1000), 400);
    net.net0.arrive(numbered(5));
  }});
  run("net bench echo");
  STRCMP_EQUAL("3", values["frames"].c_str());
  STRCMP_EQUAL("180", values["bytes"].c_str());
  CHECK_EQUAL(3, net.net0.wire.size());
  CHECK_EQUAL(5, number_of(net.net0.wire[2]));
}

TEST(NetBench, KeepsReceivedFramesUntilTheirReplyIsOut) {
  net.net0.completes = Completes::never;
  net.net0.rx_ring = 256;
  std::uint32_t sent = 0;
  const auto flood = [this, &sent] {
    while (net.net0.arrive(numbered(sent)))
      sent++;
  };
  while_idle({flood,
              [&] {
                CHECK_EQUAL(256, net.net0.frames_out()); // nothing was released
                net.net0.complete(100);
              },
              flood, // for which there is room in two places
              [&] { net.net0.complete(10); }, [this] { net.net0.completes = Completes::when_idle_is_prepared; }});
  run("net bench echo");
  CHECK_EQUAL(sent, std::stoul(values["frames"]));
  CHECK_EQUAL(sent, net.net0.wire.size());
  for (std::uint32_t i = 0; i < sent; i++)
    CHECK_EQUAL(i, number_of(net.net0.wire[i]));
  CHECK(sent >= 356);
}

TEST(NetBench, GivesReceivedFramesBackAlthoughTheirRepliesAreStuck) {
  net.net0.completes = Completes::never;
  while_idle({[this] {
    for (std::uint32_t i = 0; i < 40; i++)
      net.net0.arrive(numbered(i));
  }});
  check_error("net bench echo", "net bench echo: device did not complete");
  CHECK_EQUAL(1, net.net0.resets);
  CHECK_EQUAL(0, net.net0.frames_out());
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBench, ReleasesWhatATooFullRingKeptFromBeingSent) {
  net.net0.completes = Completes::never;
  net.net0.tx_ring = 10;
  while_idle({[this] {
                for (std::uint32_t i = 0; i < 40; i++)
                  net.net0.arrive(numbered(i));
              },
              [this] { net.net0.complete(10); },
              [this] {
                net.console.type(ctrl_c);
                net.net0.completes = Completes::when_serviced;
              }});
  run("net bench echo");
  STRCMP_EQUAL("20", values["frames"].c_str());
}
