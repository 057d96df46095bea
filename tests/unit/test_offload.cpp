// SPDX-License-Identifier: BSD-2-Clause
// Checksums are judged by a second, plain implementation (RFC 1071 over bytes), or by values worked out by hand.
#include "drivers/net/offload.hpp"

#include <cstring>
#include <memory>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<unsigned> values) {
  Bytes bytes;
  for (const unsigned value : values)
    bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

void append(Bytes& to, const Bytes& from) {
  to.insert(to.end(), from.begin(), from.end());
}

unsigned word(const Bytes& bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes.at(at)) << 8 | std::to_integer<unsigned>(bytes.at(at + 1));
}

void put(Bytes& bytes, std::size_t at, unsigned value) {
  bytes.at(at) = static_cast<std::byte>(value >> 8);
  bytes.at(at + 1) = static_cast<std::byte>(value & 0xff);
}

/// Byte by byte with the carry brought round at once: unlike the code under test.
unsigned plain_sum(const Bytes& bytes, std::size_t from, std::size_t to, unsigned sum = 0) {
  for (std::size_t i = from; i < to; i++) {
    sum += std::to_integer<unsigned>(bytes.at(i)) << ((i - from) % 2 == 0 ? 8 : 0);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

constexpr unsigned tcp = 6;
constexpr unsigned udp = 17;

Bytes ethernet(unsigned type, unsigned tags = 0) {
  Bytes frame = bytes_of({0x52, 0x54, 0, 0x12, 0x34, 0x57, 0x52, 0x54, 0, 0x12, 0x34, 0x56});
  for (unsigned i = 0; i < tags; i++)
    append(frame, bytes_of({i + 1 == tags ? 0x81u : 0x88u, i + 1 == tags ? 0x00u : 0xa8u, 0x00, 0x05}));
  append(frame, bytes_of({type >> 8, type & 0xff}));
  return frame;
}

Bytes payload(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; i++)
    bytes[i] = static_cast<std::byte>(i * 37 + 11);
  return bytes;
}

/// The TCP or UDP part, with a checksum field full of rubbish.
Bytes transport(unsigned protocol, std::size_t payload_size, unsigned option_words = 0) {
  Bytes part = bytes_of({0x30, 0x39, 0x00, 0x50});
  if (protocol == udp) {
    const std::size_t length = 8 + payload_size;
    append(part,
           bytes_of({static_cast<unsigned>(length >> 8) & 0xff, static_cast<unsigned>(length) & 0xff, 0xde, 0xad}));
  } else {
    append(part, bytes_of({1, 2, 3, 4, 5, 6, 7, 8, (5 + option_words) << 4, 0x18, 0x20, 0, 0xde, 0xad, 0, 0}));
    append(part, Bytes(std::size_t{4} * option_words, std::byte{1}));
  }
  append(part, payload(payload_size));
  return part;
}

Bytes ipv4(unsigned protocol, const Bytes& carried, unsigned option_words = 0, unsigned tags = 0) {
  Bytes frame = ethernet(0x0800, tags);
  const std::size_t header = 20 + std::size_t{4} * option_words;
  const auto length = static_cast<unsigned>(header + carried.size());
  append(frame, bytes_of({0x45 + option_words,
                          0,
                          length >> 8,
                          length & 0xff,
                          0x12,
                          0x34,
                          0x40,
                          0,
                          64,
                          protocol,
                          0xbe,
                          0xef,
                          10,
                          0,
                          2,
                          15,
                          192,
                          168,
                          1,
                          255}));
  append(frame, Bytes(std::size_t{4} * option_words, std::byte{1}));
  append(frame, carried);
  return frame;
}

Bytes ipv6(unsigned protocol, const Bytes& carried, unsigned tags = 0) {
  Bytes frame = ethernet(0x86dd, tags);
  const auto length = static_cast<unsigned>(carried.size());
  append(frame, bytes_of({0x60, 0, 0, 0, length >> 8, length & 0xff, protocol, 64}));
  for (unsigned i = 0; i < 32; i++)
    append(frame, bytes_of({0xf0 - i}));
  append(frame, carried);
  return frame;
}

/// What the device does (5.1.6.2): sums from csum_start to the end, stores the inverse.
void finish_as_device(Bytes& frame, const net::Offload& offload) {
  const unsigned sum = plain_sum(frame, offload.csum_start, frame.size());
  put(frame, std::size_t{offload.csum_start} + offload.csum_offset, ~sum & 0xffff);
}

/// Whether a receiver finds the TCP or UDP checksum right. `ip` is where the IP header starts.
bool transport_checksum_right(const Bytes& frame, std::size_t ip) {
  const bool six = (std::to_integer<unsigned>(frame.at(ip)) >> 4) == 6;
  const std::size_t header = six ? 40 : std::size_t{4} * (std::to_integer<unsigned>(frame.at(ip)) & 15);
  const std::size_t length = six ? word(frame, ip + 4) : word(frame, ip + 2) - header;
  unsigned sum = plain_sum(frame, ip + (six ? 8 : 12), ip + (six ? 40 : 20));
  sum += std::to_integer<unsigned>(frame.at(ip + (six ? 6 : 9))) + static_cast<unsigned>(length);
  sum = (sum & 0xffff) + (sum >> 16);
  return plain_sum(frame, ip + header, ip + header + length, sum) == 0xffff;
}

struct Case {
  Bytes frame;
  std::size_t ip;
  unsigned csum_start;
  unsigned csum_offset;
  unsigned header_length;
  net::Gso gso;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const unsigned tags : {0u, 1u, 2u}) {
    const std::size_t ip = 14 + 4 * tags;
    const auto at = static_cast<unsigned>(ip);
    for (const std::size_t size : {0, 1, 2, 3, 4, 999, 1000}) {
      cases.push_back({ipv4(tcp, transport(tcp, size), 0, tags), ip, at + 20, 16, at + 40, net::Gso::tcp4});
      cases.push_back({ipv4(udp, transport(udp, size), 0, tags), ip, at + 20, 6, at + 28, net::Gso::udp_segments});
      cases.push_back({ipv6(tcp, transport(tcp, size), tags), ip, at + 40, 16, at + 60, net::Gso::tcp6});
      cases.push_back({ipv6(udp, transport(udp, size), tags), ip, at + 40, 6, at + 48, net::Gso::udp_segments});
      cases.push_back({ipv4(tcp, transport(tcp, size, 3), 2, tags), ip, at + 28, 16, at + 60, net::Gso::tcp4});
    }
  }
  return cases;
}

/// A received frame whose bytes lie in segments of exact size on the heap.
struct Received {
  std::vector<std::unique_ptr<std::byte[]>> memory;
  std::vector<net::Segment> segments;
  net::RxFrame frame;

  Received(const Bytes& bytes, const std::vector<std::size_t>& sizes) {
    std::size_t at = 0;
    for (std::size_t i = 0; at < bytes.size(); i++) {
      const std::size_t size = std::min(i < sizes.size() ? sizes[i] : bytes.size(), bytes.size() - at);
      memory.push_back(std::make_unique<std::byte[]>(size));
      std::memcpy(memory.back().get(), bytes.data() + at, size);
      segments.push_back({memory.back().get(), {}, static_cast<std::uint32_t>(size)});
      at += size;
    }
    frame.first = segments.front();
    frame.set_more(std::span{segments}.subspan(1));
    frame.checksum = net::Checksum::partial;
  }
  [[nodiscard]] Bytes joined() const {
    Bytes bytes;
    for (const net::Segment& segment : segments)
      bytes.insert(bytes.end(), segment.data, segment.data + segment.length);
    return bytes;
  }
};

} // namespace

TEST_GROUP(Offload){void check_refused(bsp::Error error, Bytes frame, std::uint16_t gso_size = 0){
    // Storage of exact size, so that the sanitizer sees a look behind the frame.
    const auto exact = std::make_unique<std::byte[]>(frame.size());
std::memcpy(exact.get(), frame.data(), frame.size());
const auto result = net::prepare_offload({exact.get(), frame.size()}, gso_size);
CHECK(!result.has_value());
STRCMP_EQUAL(to_string(error), to_string(result.error()));
CHECK(std::memcmp(exact.get(), frame.data(), frame.size()) == 0);
}
}
;

TEST(Offload, SumsAsRfc1071Does) {
  // RFC 1071, section 3: 0001 f203 f4f5 f6f7 sum up to ddf2.
  const Bytes example = bytes_of({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7});
  CHECK_EQUAL(0xddf2, net::ones_complement_sum(example));
  CHECK_EQUAL(0xddf2, net::ones_complement_sum(std::span{example}.subspan(4), 0xf204));
  CHECK_EQUAL(0, net::ones_complement_sum({}));
  CHECK_EQUAL(0x1234, net::ones_complement_sum({}, 0x1234));
  CHECK_EQUAL(0xab00, net::ones_complement_sum(bytes_of({0xab})));
  CHECK_EQUAL(0x0001, net::ones_complement_sum(bytes_of({0xff, 0xff, 0x00, 0x01})));
  CHECK_EQUAL(0xffff, net::ones_complement_sum(Bytes(65'550, std::byte{0xff}), 0xffff));
}

// proves: NET-TX-15
TEST(Offload, FillsInTheIpv4HeaderChecksum) {
  // 4500 0073 0000 4000 4011 ---- c0a8 0001 c0a8 00c7: worked out by hand, b861.
  Bytes frame = ethernet(0x0800);
  append(frame, bytes_of({0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0x55, 0x55, 192, 168, 0, 1, 192, 168, 0, 199}));
  append(frame, transport(udp, 0x73 - 28));
  CHECK(net::prepare_offload(frame).has_value());
  CHECK_EQUAL(0xb861, word(frame, 24));
  for (Case& each : all_cases()) {
    if ((std::to_integer<unsigned>(each.frame[each.ip]) >> 4) != 4) continue;
    CHECK(net::prepare_offload(each.frame).has_value());
    CHECK_EQUAL(0xffff, plain_sum(each.frame, each.ip, each.csum_start));
  }
}

// proves: NET-TX-16
TEST(Offload, PutsThePseudoHeadersSumIntoTheChecksumField) {
  // c0a8 + 0001 + c0a8 + 00c7 + 0011 + 005f = 1 8288, folded 8289.
  Bytes frame = ethernet(0x0800);
  append(frame, bytes_of({0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 192, 168, 0, 1, 192, 168, 0, 199}));
  append(frame, transport(udp, 0x73 - 28));
  CHECK(net::prepare_offload(frame).has_value());
  CHECK_EQUAL(0x8289, word(frame, 40));
  for (Case& each : all_cases()) {
    const auto offload = net::prepare_offload(each.frame);
    CHECK(offload.has_value() && offload->checksum);
    finish_as_device(each.frame, *offload);
    CHECK(transport_checksum_right(each.frame, each.ip));
  }
}

// proves: NET-TX-17
TEST(Offload, PointsAtTheTransportHeaderAndItsChecksumField) {
  for (Case& each : all_cases()) {
    const auto offload = net::prepare_offload(each.frame);
    CHECK(offload.has_value());
    CHECK_EQUAL(each.csum_start, offload->csum_start);
    CHECK_EQUAL(each.csum_offset, offload->csum_offset);
  }
  Bytes tcp4 = ipv4(tcp, transport(tcp, 10));
  const auto offload = net::prepare_offload(tcp4);
  CHECK_EQUAL(34, offload->csum_start);
  CHECK_EQUAL(16, offload->csum_offset);
}

TEST(Offload, ChangesNothingButTheTwoChecksums) {
  for (const Case& each : all_cases()) {
    Bytes frame = each.frame;
    CHECK(net::prepare_offload(frame, 500).has_value());
    if ((std::to_integer<unsigned>(frame[each.ip]) >> 4) == 4) put(frame, each.ip + 10, 0xbeef);
    put(frame, std::size_t{each.csum_start} + each.csum_offset, 0xdead);
    CHECK(frame == each.frame);
  }
}

TEST(Offload, AsksForSegmentationOnlyWithAGsoSize) {
  for (Case& each : all_cases()) {
    const auto plain = net::prepare_offload(each.frame);
    CHECK(plain.has_value());
    CHECK(plain->gso == net::Gso::none);
    CHECK_EQUAL(0, plain->gso_size);
    const auto offload = net::prepare_offload(each.frame, 536);
    CHECK(offload->gso == each.gso);
    CHECK_EQUAL(536, offload->gso_size);
    CHECK_EQUAL(each.header_length, offload->header_length);
    CHECK(offload->checksum);
    CHECK_EQUAL(each.csum_start, offload->csum_start);
  }
}

TEST(Offload, PreparesTheLargestSuperFrames) {
  Bytes four = ipv4(tcp, transport(tcp, 65'535 - 40), 0, 1);
  const auto offload = net::prepare_offload(four, 1448);
  CHECK(offload.has_value());
  finish_as_device(four, *offload);
  CHECK(transport_checksum_right(four, 18));
  Bytes six = ipv6(tcp, transport(tcp, 65'535 - 20));
  const auto other = net::prepare_offload(six, 1428);
  CHECK(other.has_value());
  finish_as_device(six, *other);
  CHECK(transport_checksum_right(six, 14));
}

TEST(Offload, LetsPaddingOfZerosBe) {
  Bytes frame = ipv4(udp, transport(udp, 1));
  frame.resize(60);
  const auto offload = net::prepare_offload(frame);
  CHECK(offload.has_value());
  finish_as_device(frame, *offload);
  CHECK(transport_checksum_right(frame, 14));
  check_refused(bsp::Error::invalid_argument, frame, 500); // it would become payload
  frame.back() = std::byte{1};
  check_refused(bsp::Error::invalid_argument, frame); // it would be summed
}

TEST(Offload, RefusesEveryFrameThatIsCutOff) {
  for (const Case& each : all_cases()) {
    for (std::size_t size = 0; size < each.frame.size(); size += size < 120 ? 1 : 97)
      check_refused(bsp::Error::frame_too_short,
                    Bytes(each.frame.begin(), each.frame.begin() + static_cast<long>(size)));
  }
}

TEST(Offload, RefusesHeadersThatThePacketHasNoRoomFor) {
  Bytes frame = ipv4(tcp, transport(tcp, 100));
  put(frame, 16, 39); // total length: one byte less than both headers
  check_refused(bsp::Error::frame_too_short, frame);
  put(frame, 16, 19);
  check_refused(bsp::Error::frame_too_short, frame);
  for (std::size_t size = 0; size < 20; size++)
    check_refused(bsp::Error::frame_too_short, ipv4(tcp, Bytes(size, std::byte{0x50})));
  for (std::size_t size = 0; size < 8; size++)
    check_refused(bsp::Error::frame_too_short, ipv6(udp, Bytes(size)));
  Bytes options = ipv4(tcp, transport(tcp, 0));
  options[34 + 12] = std::byte{0x60}; // 24 bytes of TCP header, 20 are there
  check_refused(bsp::Error::frame_too_short, options);
  Bytes datagram = ipv6(udp, transport(udp, 0));
  put(datagram, 18, 7);
  check_refused(bsp::Error::frame_too_short, datagram);
}

TEST(Offload, RefusesWhatIsNotTcpOrUdpInOnePiece) {
  using enum bsp::Error;
  check_refused(offload_not_supported, Bytes(60)); // no EtherType
  Bytes arp = ethernet(0x0806);
  arp.resize(60);
  check_refused(offload_not_supported, arp);
  Bytes three_tags = ethernet(0x8100, 2);
  three_tags.resize(60);
  check_refused(offload_not_supported, three_tags);
  check_refused(offload_not_supported, ipv4(1, transport(udp, 20)));
  for (const unsigned extension : {0u, 43u, 44u, 50u, 51u, 59u, 60u})
    check_refused(offload_not_supported, ipv6(extension, transport(tcp, 20)));

  for (const unsigned flags : {0x2000u, 0x2001u, 0x0001u, 0x1fffu}) {
    Bytes fragment = ipv4(udp, transport(udp, 20));
    put(fragment, 20, flags);
    check_refused(offload_not_supported, fragment);
  }
  Bytes version = ipv4(udp, transport(udp, 40));
  version[14] = std::byte{0x65};
  check_refused(offload_not_supported, version);
  version[14] = std::byte{0x44}; // a header of 16 bytes
  check_refused(offload_not_supported, version);
  Bytes version6 = ipv6(udp, transport(udp, 40));
  version6[14] = std::byte{0x45};
  check_refused(offload_not_supported, version6);
  Bytes short_tcp = ipv4(tcp, transport(tcp, 40));
  short_tcp[34 + 12] = std::byte{0x40};
  check_refused(offload_not_supported, short_tcp);
}

// proves: NET-RX-21
TEST(Offload, CompletesAPartialChecksumOverAnySplit) {
  for (const Case& each : all_cases()) {
    Bytes frame = each.frame;
    const auto offload = net::prepare_offload(frame);
    CHECK(offload.has_value());
    Bytes expected = frame;
    finish_as_device(expected, *offload);
    for (const std::vector<std::size_t>& sizes :
         std::vector<std::vector<std::size_t>>{{},
                                               {14},
                                               {33, 1, 1, 1},
                                               {35, 7, 9, 1, 50},
                                               {each.csum_start},
                                               {std::size_t{each.csum_start} + each.csum_offset + 1, 3, 2, 1}}) {
      Received received{frame, sizes};
      received.frame.csum_start = offload->csum_start;
      received.frame.csum_offset = offload->csum_offset;
      net::complete_checksum(received.frame);
      CHECK(received.joined() == expected);
      CHECK(received.frame.checksum == net::Checksum::valid);
    }
  }
}

TEST(Offload, WritesAUdpSumOfZeroAsAllOnes) {
  // From byte 0: fff0 + 000f = ffff, inverted 0. For UDP that would mean "no checksum"; for TCP it is the checksum.
  Bytes bytes = bytes_of({0xff, 0xf0, 0, 0, 0, 0, 0x00, 0x0f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  Received udp_frame{bytes, {}};
  udp_frame.frame.csum_offset = 6;
  net::complete_checksum(udp_frame.frame);
  put(bytes, 6, 0xffff);
  CHECK(udp_frame.joined() == bytes);
  put(bytes, 6, 0);
  put(bytes, 16, 0x000f);
  Received tcp_frame{bytes, {}};
  tcp_frame.frame.csum_offset = 16;
  net::complete_checksum(tcp_frame.frame);
  put(bytes, 16, 0);
  CHECK(tcp_frame.joined() == bytes);
}

// proves: ROB-29
TEST(Offload, LeavesAFrameAloneWhoseChecksumFieldLiesOutside) {
  const Bytes frame = ipv4(tcp, transport(tcp, 10));
  const auto size = static_cast<std::uint16_t>(frame.size());
  struct Place {
    std::uint16_t start;
    std::uint16_t offset;
  };
  for (const Place place : {Place{34, static_cast<std::uint16_t>(size - 35)}, Place{size, 0}, Place{0, size},
                            Place{static_cast<std::uint16_t>(size - 1), 0}, Place{0xffff, 0xffff},
                            Place{0xfff0, 0x0020}, Place{0x8000, 0x8000}, Place{40, 0xffff}}) {
    for (const std::vector<std::size_t>& sizes : std::vector<std::vector<std::size_t>>{{}, {20, 1, 30}}) {
      Received received{frame, sizes};
      received.frame.csum_start = place.start;
      received.frame.csum_offset = place.offset;
      net::complete_checksum(received.frame);
      CHECK(received.joined() == frame);
      CHECK(received.frame.checksum == net::Checksum::partial);
    }
  }
  Received last{frame, {}};
  last.frame.csum_start = 34;
  last.frame.csum_offset = static_cast<std::uint16_t>(size - 36); // the last two bytes: still inside
  net::complete_checksum(last.frame);
  CHECK(last.frame.checksum == net::Checksum::valid);
}

TEST(Offload, LeavesOtherChecksumStatesAlone) {
  const Bytes frame = ipv4(tcp, transport(tcp, 10));
  for (const net::Checksum state : {net::Checksum::none, net::Checksum::valid}) {
    Received received{frame, {}};
    received.frame.checksum = state;
    received.frame.csum_start = 34;
    received.frame.csum_offset = 16;
    net::complete_checksum(received.frame);
    CHECK(received.joined() == frame);
    CHECK(received.frame.checksum == state);
  }
}
