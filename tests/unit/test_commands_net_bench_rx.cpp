// SPDX-License-Identifier: BSD-2-Clause
// `net bench rx`: what is counted, which numbers are missed.
#include <algorithm>

#include "tests/support/net_bench_test.hpp"

using test::Bytes;
using test::ctrl_c;
using test::ethernet_frame;
using test::numbered;
using test::value_names;

TEST_GROUP_BASE(NetBenchRx, test::NetBenchTest){};

TEST(NetBenchRx, ReceivesUntilTheCountIsReached) {
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

TEST(NetBenchRx, TellsLossFromReordering) {
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

TEST(NetBenchRx, FindsNumbersAlsoBehindAnotherHeader) {
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

TEST(NetBenchRx, CountsTheBytesOfNumberedFramesInSeveralBuffers) {
  while_idle({[this] {
    for (std::uint32_t number = 0; number < 5; number++)
      number % 2 == 0 ? net.net0.arrive(numbered(number, 1000))
                      : net.net0.arrive_in_pieces(numbered(number, 1000), 300);
  }});
  run("net bench rx -n 5");
  STRCMP_EQUAL("5000", values["bytes"].c_str());
  STRCMP_EQUAL("0", values["lost"].c_str());
}

TEST(NetBenchRx, MissesEachNumberThatIsLost) {
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

TEST(NetBenchRx, TakesNumbersThatStartAgainForLate) {
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

TEST(NetBenchRx, SaysNothingOfLossWithoutNumbers) {
  while_idle({[this] {
    net.net0.arrive(ethernet_frame(60, 0x0800));
    net.net0.arrive(Bytes(60, 0xff));
  }});
  run("net bench rx");
  CHECK(names == value_names);
}

TEST(NetBenchRx, GivesUpWhenNothingComes) {
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

TEST(NetBenchRx, LooksAtEverythingElseDuringAFlood) {
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
