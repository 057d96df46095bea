// SPDX-License-Identifier: BSD-2-Clause
// `net tx --csum` and `--tso`: what reaches the device, and what is refused before.
#include <algorithm>
#include <string>
#include <vector>

#include "drivers/net/offload.hpp"
#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

using test::Bytes;
using test::check_text;
using test::ethernet_frame;
using virtio::Feature;

namespace {

/// A TCP (6) or UDP (17) packet in IPv4 or IPv6, no checksum filled in. `tag`: 4 bytes of an 802.1Q tag.
Bytes packet(unsigned version, unsigned protocol, std::size_t payload, bool tag = false) {
  Bytes frame = ethernet_frame(14);
  frame.resize(12); // both addresses
  if (tag) frame.insert(frame.end(), {0x81, 0x00, 0x00, 0x05});
  const std::size_t header = protocol == 6 ? 20 : 8;
  const auto length = static_cast<unsigned>(header + payload);
  const auto high = [](unsigned value) { return static_cast<std::uint8_t>(value >> 8); };
  const auto low = [](unsigned value) { return static_cast<std::uint8_t>(value); };
  const auto next = static_cast<std::uint8_t>(protocol);
  if (version == 4) {
    frame.insert(frame.end(),
                 {0x08, 0x00, 0x45, 0, high(length + 20), low(length + 20), 0, 1, 0, 0, 64, next, 0, 0, 10, 0, 0, 1,
                  10,   0,    0,    2});
  } else {
    frame.insert(frame.end(), {0x86, 0xdd, 0x60, 0, 0, 0, high(length), low(length), next, 64});
    frame.resize(frame.size() + 32, 0xfe);
  }
  Bytes carried(length);
  for (std::size_t i = header; i < length; i++)
    carried[i] = static_cast<std::uint8_t>(i * 5);
  if (protocol == 6) carried[12] = 0x50;
  if (protocol == 17) {
    carried[4] = high(length);
    carried[5] = low(length);
  }
  frame.insert(frame.end(), carried.begin(), carried.end());
  return frame;
}

constexpr std::uint64_t address = 0x80001003;

} // namespace

TEST_GROUP(NetTxOffload) {
  test::NetShell net{1, 1 << 20};

  void setup() override {
    net.net0.diagnostics_values.accepted = {Feature::net_csum, Feature::net_host_tso4, Feature::net_host_tso6,
                                            Feature::net_host_uso};
  }
  void teardown() override {
    CHECK(net.net0.faults.empty());
    CHECK_EQUAL(0, net.arena.used());
  }

  /// "-m ADDR LEN" of memory that holds these bytes.
  std::string in_memory(const Bytes& bytes) {
    for (std::size_t i = 0; i < bytes.size(); i++)
      test::fake_cpu().memory[address + i] = bytes[i];
    return "-m " + std::to_string(address) + " " + std::to_string(bytes.size());
  }

  void check_refused(const std::string& arguments, const std::string& why) {
    check_text("error: net tx: " + why + "\n", net.run("net tx " + arguments));
    CHECK_EQUAL(0, net.net0.send_calls);
    CHECK_EQUAL(0, net.arena.used());
  }

  void check_lacks(Feature feature, const std::string& arguments, const std::string& why) {
    virtio::FeatureSet& accepted = net.net0.diagnostics_values.accepted;
    accepted.remove(feature);
    check_refused(arguments, why);
    accepted.add(feature);
  }
};

TEST(NetTxOffload, CsumSendsTheBytesAsGivenAndAsksTheDevice) {
  const Bytes frame = packet(4, 6, 10);
  test::fake_cpu().map(address, 64, 0x5a);
  for (const std::string& form : {test::hex(frame), std::string{"-s 64"}, std::string{"-m 0x80001003 64"}}) {
    for (const char* csum : {"--csum 34,16 ", "--csum=34,16 ", "--csum 0x22,0x10 "}) {
      net.net0.wire.clear();
      net.net0.offloads.clear();
      check_text(std::string{"sent 1 frame(s), 64 bytes\n"}, net.run("net tx " + (csum + form)));
      CHECK_EQUAL(1, net.net0.offloads.size());
      const net::Offload& offload = net.net0.offloads[0];
      CHECK(offload.checksum);
      CHECK(offload.gso == net::Gso::none);
      CHECK_EQUAL(34, offload.csum_start);
      CHECK_EQUAL(16, offload.csum_offset);
      if (form == test::hex(frame)) CHECK(net.net0.wire[0] == frame);
    }
  }
}

TEST(NetTxOffload, NothingIsAskedForWithoutTheOption) {
  check_text(std::string{"sent 1 frame(s), 64 bytes\n"}, net.run("net tx " + test::hex(packet(4, 6, 10))));
  CHECK(!net.net0.offloads[0].checksum);
  CHECK(net.net0.offloads[0].gso == net::Gso::none);
}

TEST(NetTxOffload, CsumMustLieInTheFrame) {
  check_text(std::string{"sent 1 frame(s), 60 bytes\n"}, net.run("net tx -s 60 --csum 14,44"));
  check_text(std::string{"sent 1 frame(s), 60 bytes\n"}, net.run("net tx -s 30 -p -t 1 --csum 0,58"));
  net.net0.send_calls = 0;
  check_refused("-s 60 --csum 14,45", "--csum: bytes 59 and 60 are not in a frame of 60");
  check_refused("-s 60 --csum 65535,65535", "--csum: bytes 131070 and 131071 are not in a frame of 60");
}

TEST(NetTxOffload, CsumNamesABadValue) {
  for (const char* value : {"34", "34,", ",16", ",", "34,16,1", "x,16", "34,65536", "65536,1", "34;16"})
    check_refused(std::string{"-s 60 --csum "} + value,
                  std::string{"option '--csum' takes START,OFFSET, not '"} + value + "' (try 'help net tx')");
  check_refused("-s 60 --csum=", "option '--csum' takes START,OFFSET, not '' (try 'help net tx')");
  check_refused("-s 60 --csum", "option '--csum' takes a value START,OFFSET (try 'help net tx')");
  check_refused("-s 60 --csu 1,1", "unknown option '--csu' (try 'help net tx')");
  check_refused("-s 60 --csum34,16", "unknown option '--csum34,16' (try 'help net tx')");
}

TEST(NetTxOffload, TsoPreparesTheFrameAndAsksForSegments) {
  struct Case {
    unsigned version;
    unsigned protocol;
    bool tag;
    net::Gso gso;
    unsigned header_length;
  };
  for (const Case& each : {Case{4, 6, false, net::Gso::tcp4, 54}, Case{6, 6, false, net::Gso::tcp6, 74},
                           Case{4, 17, false, net::Gso::udp_segments, 42}, Case{4, 6, true, net::Gso::tcp4, 58}}) {
    const Bytes frame = packet(each.version, each.protocol, 5000, each.tag);
    net.net0.wire.clear();
    net.net0.offloads.clear();
    check_text("sent 1 frame(s), " + std::to_string(frame.size()) + " bytes\n",
               net.run("net tx --tso 1448 " + in_memory(frame)));
    std::vector<std::byte> expected(frame.size());
    std::memcpy(expected.data(), frame.data(), frame.size());
    const auto offload = net::prepare_offload(expected, 1448);
    CHECK(std::memcmp(expected.data(), net.net0.wire[0].data(), frame.size()) == 0);
    CHECK(net.net0.offloads[0].gso == each.gso);
    CHECK_EQUAL(1448, net.net0.offloads[0].gso_size);
    CHECK_EQUAL(each.header_length, net.net0.offloads[0].header_length);
    CHECK_EQUAL(offload->csum_start, net.net0.offloads[0].csum_start);
    CHECK_EQUAL(offload->csum_offset, net.net0.offloads[0].csum_offset);
    CHECK(net.net0.offloads[0].checksum);
  }
}

TEST(NetTxOffload, TsoTakesTheLargestPacketAndTypedOnes) {
  const Bytes largest = packet(4, 6, 65535 - 40, true);
  check_text(std::string{"sent 1 frame(s), 65553 bytes\n"}, net.run("net tx --tso 1448 " + in_memory(largest)));
  CHECK_EQUAL(largest.size(), net.net0.wire[0].size());
  check_text(std::string{"sent 3 frame(s), 4062 bytes\n"},
             net.run("net tx -c 3 --tso=100 " + test::hex(packet(4, 6, 1300))));
  CHECK_EQUAL(4, net.net0.offloads.size());
  CHECK_EQUAL(100, net.net0.offloads[3].gso_size);
}

TEST(NetTxOffload, TsoRefusesWhatCannotBeSegmented) {
  check_refused("--tso 100 -s 60", "--tso: neither TCP nor UDP in an IPv4 or IPv6 packet of one piece");
  Bytes cut = packet(4, 6, 100);
  cut.pop_back();
  check_refused("--tso 100 " + test::hex(cut), "--tso: the IP packet is cut off");
  Bytes longer = packet(4, 6, 100);
  longer.push_back(0);
  check_refused("--tso 100 " + test::hex(longer), "--tso: bytes behind the IP packet");
  check_refused("--tso 100 " + test::hex(packet(4, 17, 0)), "--tso: no payload to segment");
  check_refused("--tso 100 -m " + std::to_string(address) + " 65550", "load at 0x80001003 faulted");
  check_refused("--tso 100 --csum 34,16 -s 60", "--tso excludes --csum (try 'help net tx')");
  for (const char* value : {"0", "65536", "x"})
    check_refused(std::string{"-s 60 --tso "} + value,
                  std::string{"option '--tso' takes a number from 1 to 65535, not '"} + value +
                      "' (try 'help net tx')");
}

TEST(NetTxOffload, TsoHasALimitOfItsOwn) {
  Bytes frame = ethernet_frame(65550, 0x0800);
  check_refused("--tso 100 " + in_memory(frame), "frame too long: 65550 bytes, at most 65549 (mtu 65535)");
}

TEST(NetTxOffload, NamesWhatTheDeviceLacks) {
  const std::string tcp4 = "--tso 500 " + test::hex(packet(4, 6, 1000));
  const std::string tcp6 = "--tso 500 " + test::hex(packet(6, 6, 1000));
  const std::string udp = "--tso 500 " + test::hex(packet(4, 17, 1000));
  check_lacks(Feature::net_csum, "--csum 34,16 -s 60", "--csum: device has no CSUM");
  check_lacks(Feature::net_csum, tcp4, "--tso: device has no CSUM");
  check_lacks(Feature::net_host_tso4, tcp4, "--tso: device has no HOST_TSO4");
  check_lacks(Feature::net_host_tso6, tcp6, "--tso: device has no HOST_TSO6");
  check_lacks(Feature::net_host_uso, udp, "--tso: device has no HOST_USO");
  net.net0.has_diagnostics = false;
  net.net0.diagnostics_values.accepted = {};
  check_refused(tcp4, to_string(bsp::Error::offload_not_supported));
  check_refused("--csum 34,16 -s 60", to_string(bsp::Error::offload_not_supported));
}

TEST(NetTxOffload, TheSentFrameIsShownWithWhatWasAskedFor) {
  const std::string output = net.run("net tx -w 10 -o --tso 1000 " + test::hex(packet(4, 6, 2000)));
  CHECK(output.find("|\n# partial checksum: sum from byte 34, goes to byte 50\n"
                    "# super-frame: tcp4, segments of 1000 bytes\n# captured 1") != std::string::npos);
}
