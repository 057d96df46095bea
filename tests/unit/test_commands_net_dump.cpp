// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/net_shell.hpp"
#include "tests/support/text2pcap.hpp"

#include <CppUTest/TestHarness.h>

using test::Bytes;
using test::check_text;
using test::ethernet_frame;

namespace {

constexpr char ctrl_c[] = "\x03";

Bytes text_frame(std::string_view payload) {
  Bytes frame = ethernet_frame(14);
  frame.insert(frame.end(), payload.begin(), payload.end());
  return frame;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream{text};
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

} // namespace

TEST_GROUP(NetDump) {
  test::NetShell net;

  /// `turn` runs in each turn of the loop while the command listens.
  void while_listening(std::function<void()> turn) {
    net.net0.on_service = [this, turn = std::move(turn)] {
      if (net.service.capturing()) turn();
    };
    test::fake_cpu().on_idle = [this](bsp::Deadline) { // a command that never ends is a failed test, not a hang
      if (test::fake_cpu().idles > 10'000) net.console.type(ctrl_c);
    };
  }

  /// One frame arrives in each turn of the loop.
  void feed(std::vector<Bytes> frames, net::Checksum checksum = net::Checksum::none) {
    while_listening([this, frames = std::move(frames), checksum, next = std::size_t{0}]() mutable {
      if (next < frames.size()) CHECK(net.net0.arrive(frames[next++], checksum));
    });
  }

  void check_text2pcap_reads(const std::vector<Bytes>& frames, const std::string& output) {
    const test::Packets read = test::text2pcap(output);
    CHECK_TEXT(read.ok, "text2pcap (wireshark-common) could not be run");
    CHECK_EQUAL(frames.size(), read.packets.size());
    for (std::size_t i = 0; i < frames.size(); i++) {
      CHECK_TEXT(read.packets[i].bytes == frames[i], test::hex(frames[i]).c_str());
      CHECK_EQUAL('I', read.packets[i].direction);
      CHECK(read.packets[i].time_us >= 12'000'000 && read.packets[i].time_us < 100'000'000);
      if (i != 0) CHECK(read.packets[i].time_us >= read.packets[i - 1].time_us);
    }
  }

  void teardown() override {
    CHECK(net.net0.faults.empty());
  }
};

TEST(NetDump, PrintsFramesBetweenItsFirstAndLastLine) {
  test::fake_clock().step = 0;
  test::fake_clock().ticks += bsp::clock::us_to_ticks(123);
  Bytes frame = ethernet_frame(12);
  for (const char c : std::string_view{"ABCDEF"})
    frame.push_back(static_cast<std::uint8_t>(c));
  feed({{frame.begin(), frame.begin() + 18}});
  check_text(std::string{"# listening on net0\n"
                         "I 12.000123\n"
                         "00000000: ff ff ff ff ff ff 52 54 00 12 34 57 88 b5 41 42  |......RT..4W..AB|\n"
                         "00000010: 43 44                                            |CD|\n"
                         "# captured 1 frame(s), dropped 0\n"},
             net.run("net dump -c 1"));
}

TEST(NetDump, PrintsALineAFrameWhenQuiet) {
  test::fake_clock().step = 0;
  feed({ethernet_frame(60, 0x0806), ethernet_frame(1514, 0x86dd)});
  check_text(std::string{"# listening on net0\n"
                         "12.000000 I 60 52:54:00:12:34:57 > ff:ff:ff:ff:ff:ff 0x0806 ARP\n"
                         "12.000000 I 1514 52:54:00:12:34:57 > ff:ff:ff:ff:ff:ff 0x86dd IPv6\n"
                         "# captured 2 frame(s), dropped 0\n"},
             net.run("net dump -q -c 2"));
}

TEST(NetDump, EndsAfterItsSeconds) {
  const std::uint64_t before = test::fake_clock().ticks;
  check_text(std::string{"# listening on net0\n# captured 0 frame(s), dropped 0\n"}, net.run("net dump -t 3"));
  const std::uint64_t took = bsp::clock::ticks_to_us(test::fake_clock().ticks - before);
  CHECK(took >= 3'000'000 && took < 3'001'000);
}

TEST(NetDump, EndsOnCtrlC) {
  int turns = 0;
  while_listening([&] {
    if (++turns == 5) CHECK(net.net0.arrive(ethernet_frame(60)));
    if (turns == 30) net.console.type(ctrl_c);
  });
  CHECK(net.run("net dump").ends_with("# captured 1 frame(s), dropped 0\n"));
  check_text(std::string{"up\nspeed unknown duplex unknown mtu 1500\n"}, net.run("net link"));
}

TEST(NetDump, FinishesTheFrameThatCtrlCInterruptsAndCountsTheRestAsDropped) {
  bool typed = false;
  while_listening([&] {
    if (typed) return;
    typed = true;
    for (int i = 0; i < 5; i++)
      CHECK(net.net0.arrive(ethernet_frame(100)));
    net.console.type(ctrl_c);
  });
  // The frames and Ctrl-C come in one turn, so that printing starts with Ctrl-C typed already.
  const std::string output = net.raw("net dump");
  const test::Packets read = test::text2pcap(output);
  for (const test::Packet& packet : read.packets)
    CHECK(packet.bytes == ethernet_frame(100));
  const bsp::Text<> last{"# captured {} frame(s), dropped {}", read.packets.size(), 5 - read.packets.size()};
  CHECK_EQUAL(std::string{last.view()} + "\r", lines_of(output).back());
}

TEST(NetDump, PrintsWhatCameBeforeItsTimeWasUpThoughTheConsoleIsSlow) {
  while_listening([&, sent = false]() mutable {
    if (!sent) {
      for (int i = 0; i < 20; i++)
        CHECK(net.net0.arrive(ethernet_frame(60)));
    }
    sent = true;
    test::fake_clock().advance_us(200'000); // a turn, so a line, takes this long
  });
  CHECK(net.run("net dump -t 1").ends_with("# captured 20 frame(s), dropped 0\n"));
}

TEST(NetDump, NeverLetsTheDriversRingOverflowBehindASlowConsole) {
  std::uint64_t arrived = 0;
  while_listening([&] {
    for (int i = 0; i < 50 && arrived < 4'000; i++, arrived++)
      CHECK(net.net0.arrive(ethernet_frame(1514)));
    if (arrived == 4'000) net.console.type(ctrl_c);
  });
  const std::string last = lines_of(net.run("net dump")).back();
  CHECK_EQUAL(0, net.net0.overruns);
  unsigned long shown = 0;
  unsigned long dropped = 0;
  CHECK_EQUAL(2, sscanf(last.c_str(), "# captured %lu frame(s), dropped %lu", &shown, &dropped));
  CHECK(shown > 0);
  CHECK_EQUAL(4'000, shown + dropped);
}

TEST(NetDump, MarksAPartialChecksumBehindTheFrame) {
  feed({ethernet_frame(60)}, net::Checksum::partial);
  const std::string output = net.raw("net dump -c 1");
  const auto lines = lines_of(output);
  CHECK_EQUAL(std::string{"# partial checksum: sum from byte 34, goes to byte 50\r"}, lines[lines.size() - 2]);
  check_text2pcap_reads({ethernet_frame(60)}, output);
}

TEST(NetDump, SaysHowASuperFrameWasMerged) {
  net::RxFrame like;
  like.gso = net::Gso::tcp4;
  like.gso_size = 1448;
  like.hash_report = 2;
  like.hash = 0x1234abcd;
  const auto arrive_once = [&, arrived = false]() mutable {
    if (!arrived) arrived = net.net0.arrive_as(ethernet_frame(60), like, 60);
  };
  while_listening(arrive_once);
  const std::string notes = "# super-frame: tcp4, segments of 1448 bytes\n# hash 0x1234abcd over tcp4\n";
  CHECK(net.run("net dump -c 1").ends_with("|\n" + notes + "# captured 1 frame(s), dropped 0\n"));
  while_listening(arrive_once);
  CHECK(net.run("net dump -q -c 1")
            .ends_with(" 0x88b5 local gso tcp4 1448\n" + notes + "# captured 1 frame(s), dropped 0\n"));
}

TEST(NetDump, IsReadBackByText2pcapForSuperFramesInPieces) {
  test::NetShell large{1, 1 << 20};
  std::vector<Bytes> frames;
  for (const std::size_t size : {1515, 4096, 9018, 32768, 65535, 65536, 65549, 65550, 65553})
    frames.push_back(ethernet_frame(size, 0x0800, static_cast<unsigned>(size)));
  net::RxFrame like;
  like.checksum = net::Checksum::partial;
  like.gso = net::Gso::tcp4;
  like.gso_size = 1448;
  large.net0.on_service = [&, next = std::size_t{0}]() mutable {
    if (large.service.capturing() && next < frames.size()) CHECK(large.net0.arrive_as(frames[next++], like, 1526));
  };
  test::fake_cpu().on_idle = [](bsp::Deadline) {};
  check_text2pcap_reads(frames, large.raw("net dump -c " + std::to_string(frames.size())));
  CHECK(large.net0.faults.empty());
}

TEST(NetDump, ListensOnTheInterfaceThatWasNamed) {
  test::NetShell two{2};
  two.net1.on_service = [&, sent = false]() mutable {
    if (two.service.capturing() && !sent)
      sent = two.net0.arrive(ethernet_frame(60)) && two.net1.arrive(ethernet_frame(61));
  };
  test::fake_cpu().on_idle = [](bsp::Deadline) {};
  const std::string output = two.run("net dump -i net1 -q -c 1");
  CHECK(output.starts_with("# listening on net1\n"));
  CHECK(output.find(" I 61 ") != std::string::npos);
}

TEST(NetDump, RefusesValuesOutOfRange) {
  for (const char* line : {"net dump -c 0", "net dump -t 0", "net dump -c x", "net dump -t -1", "net dump 5",
                           "net dump -x", "net dump -c"}) {
    const std::string output = net.run(line);
    CHECK_TEXT(output.starts_with("error: net dump: "), output.c_str());
    CHECK_EQUAL(1, std::count(output.begin(), output.end(), '\n'));
  }
}

TEST(NetDump, IsReadBackByText2pcapByteForByteForEverySize) {
  std::vector<Bytes> frames;
  for (std::size_t size = 14; size <= 82; size++)
    frames.push_back(ethernet_frame(size, 0x88b5, static_cast<unsigned>(size)));
  for (const std::size_t size : {256, 1500, 1513, 1514, 1518})
    frames.push_back(ethernet_frame(size));
  feed(frames);
  check_text2pcap_reads(frames, net.raw("net dump -c " + std::to_string(frames.size())));
}

TEST(NetDump, IsReadBackByText2pcapForEveryByteValueInEveryColumn) {
  std::vector<Bytes> frames;
  for (unsigned shift = 0; shift < 16; shift++) {
    Bytes frame = ethernet_frame(16);
    for (unsigned i = 0; i < 256; i++)
      frame.push_back(static_cast<std::uint8_t>(i + shift));
    frames.push_back(frame);
  }
  feed(frames);
  check_text2pcap_reads(frames, net.raw("net dump -c 16"));
}

TEST(NetDump, IsReadBackByText2pcapThoughThePayloadLooksLikeADump) {
  std::vector<Bytes> frames;
  for (const std::string_view text : {"de ad be ef",
                                      "00000010",
                                      "00000010: 41 42",
                                      "00000000: ff ff ff",
                                      "00000020 41 42 ",
                                      "\n00000000: ff ff\n",
                                      "# comment",
                                      "#TEXT2PCAP -d",
                                      "\n#TEXT2PCAP -d\n",
                                      "I 12.000123",
                                      "O 1.5",
                                      "> 00 01 02",
                                      "| 41 42 | 43",
                                      "||||||||||||||||",
                                      "                ",
                                      "aa ",
                                      " bb",
                                      "41",
                                      "4 1 4 1 4 1",
                                      "\r\n41 42\r\n",
                                      "0000:",
                                      "abcdefabcdef",
                                      "0000000000000000000000000000000000",
                                      "00 00 00 00 00 00 00 00 00 00 00 00",
                                      "\t00000020:\t41\t"}) {
    // Each in every column, with and without something behind it.
    for (std::size_t shift = 0; shift < 16; shift++)
      frames.push_back(text_frame(std::string(shift, 'z') + std::string{text}));
    frames.push_back(text_frame(std::string{"ab"} + std::string{text} + std::string(40, 'a')));
  }
  feed(frames);
  check_text2pcap_reads(frames, net.raw("net dump -c " + std::to_string(frames.size())));
}

TEST(NetDump, IsReadBackByText2pcapForHexTextOfEveryLength) {
  std::vector<Bytes> frames;
  for (std::size_t length = 0; length < 50; length++) {
    std::string tight;
    std::string loose;
    for (std::size_t i = 0; i < length; i++) {
      tight += "0123456789abcdef"[i % 16];
      loose += i % 3 == 2 ? ' ' : 'a';
    }
    frames.push_back(text_frame(tight));
    frames.push_back(text_frame(loose));
  }
  feed(frames);
  check_text2pcap_reads(frames, net.raw("net dump -c " + std::to_string(frames.size())));
}

TEST(NetDump, IsReadBackByText2pcapWithAnnouncementsBetweenAnyTwoLines) {
  std::vector<Bytes> frames;
  for (std::size_t size = 14; size < 70; size += 3)
    frames.push_back(ethernet_frame(size));
  while_listening([&, turn = std::size_t{0}]() mutable {
    if (turn % 2 == 1) net.net0.raise(net::NetEvent::link_changed);
    if (turn < frames.size()) CHECK(net.net0.arrive(frames[turn]));
    turn++;
  });
  const std::string output = net.raw("net dump -c " + std::to_string(frames.size()));
  CHECK(output.find("# net0: link is up\r\n00000010: ") != std::string::npos);
  check_text2pcap_reads(frames, output);
}
