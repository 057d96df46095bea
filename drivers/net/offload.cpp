// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/net/offload.hpp"

#include <algorithm>
#include <array>

namespace net {

namespace {

constexpr unsigned ethertype_ipv4 = 0x0800;
constexpr unsigned ethertype_ipv6 = 0x86dd;
constexpr unsigned protocol_tcp = 6;
constexpr unsigned protocol_udp = 17;
constexpr int max_tags = 2; // 802.1ad's, then 802.1Q's
constexpr std::size_t ipv4_min_header = 20;
constexpr std::size_t ipv6_header = 40;
constexpr std::size_t tcp_min_header = 20;
constexpr std::size_t udp_header = 8;
/// Where the checksum stands in its header: IPv4 (RFC 791), TCP (RFC 9293), UDP (RFC 768).
constexpr std::size_t ipv4_checksum = 10;
constexpr std::uint16_t tcp_checksum = 16;
constexpr std::uint16_t udp_checksum = 6;

unsigned octet(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes[at]);
}

unsigned load16(std::span<const std::byte> bytes, std::size_t at) {
  return octet(bytes, at) << 8 | octet(bytes, at + 1);
}

void store16(std::span<std::byte> bytes, std::size_t at, unsigned value) {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value & 0xff);
}

std::uint16_t fold(std::uint64_t sum) {
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

/// Where the parts of a packet lie in its frame; every offset and length was checked against the frame.
struct Layout {
  bool ipv6{false};
  unsigned protocol{0};
  std::size_t network{0};   ///< the IP header
  std::size_t transport{0}; ///< the TCP or UDP header
  std::size_t payload{0};   ///< what is behind it
  std::size_t end{0};       ///< of the IP packet
};

bsp::Result<void> find_network(std::span<const std::byte> frame, Layout& layout) {
  std::size_t at = ethernet_header_size;
  if (frame.size() < at) return bsp::fail(bsp::Error::frame_too_short);
  unsigned type = load16(frame, at - 2);
  for (int tags = 0; tags < max_tags && (type == ethertype_vlan || type == ethertype_service); tags++) {
    at += vlan_tag_size;
    if (frame.size() < at) return bsp::fail(bsp::Error::frame_too_short);
    type = load16(frame, at - 2);
  }
  if (type != ethertype_ipv4 && type != ethertype_ipv6) return bsp::fail(bsp::Error::offload_not_supported);
  layout.network = at;
  layout.ipv6 = type == ethertype_ipv6;
  return {};
}

bsp::Result<void> find_transport(std::span<const std::byte> frame, Layout& layout) {
  const auto packet = frame.subspan(layout.network);
  if (packet.size() < (layout.ipv6 ? ipv6_header : ipv4_min_header)) return bsp::fail(bsp::Error::frame_too_short);
  const unsigned version = octet(packet, 0) >> 4;
  std::size_t header = ipv6_header;
  std::size_t length = 0;
  if (layout.ipv6) {
    if (version != 6) return bsp::fail(bsp::Error::offload_not_supported);
    length = ipv6_header + load16(packet, 4);
    layout.protocol = octet(packet, 6);
  } else {
    header = std::size_t{4} * (octet(packet, 0) & 0xf);
    const bool fragment = (load16(packet, 6) & 0x3fff) != 0; // MF, or an offset
    if (version != 4 || header < ipv4_min_header || fragment) return bsp::fail(bsp::Error::offload_not_supported);
    length = load16(packet, 2);
    layout.protocol = octet(packet, 9);
  }
  if (length > packet.size() || header > length) return bsp::fail(bsp::Error::frame_too_short);
  layout.transport = layout.network + header;
  layout.end = layout.network + length;
  return {};
}

bsp::Result<void> find_payload(std::span<const std::byte> frame, Layout& layout) {
  const auto packet = frame.subspan(layout.transport, layout.end - layout.transport);
  std::size_t header = udp_header;
  if (layout.protocol == protocol_tcp) {
    if (packet.size() < tcp_min_header) return bsp::fail(bsp::Error::frame_too_short);
    header = std::size_t{4} * (octet(packet, 12) >> 4);
    if (header < tcp_min_header) return bsp::fail(bsp::Error::offload_not_supported);
  } else if (layout.protocol != protocol_udp) {
    return bsp::fail(bsp::Error::offload_not_supported);
  }
  if (packet.size() < header) return bsp::fail(bsp::Error::frame_too_short);
  layout.payload = layout.transport + header;
  return {};
}

/// The sum over addresses, protocol and length of what the IP packet carries (RFC 9293, 3.1; RFC 8200, 8.1).
std::uint16_t pseudo_header_sum(std::span<const std::byte> frame, const Layout& layout) {
  const auto addresses = layout.ipv6 ? frame.subspan(layout.network + 8, 32) : frame.subspan(layout.network + 12, 8);
  return fold(std::uint64_t{ones_complement_sum(addresses)} + layout.protocol + (layout.end - layout.transport));
}

Gso gso_of(const Layout& layout) {
  if (layout.protocol == protocol_udp) return Gso::udp_segments;
  return layout.ipv6 ? Gso::tcp6 : Gso::tcp4;
}

/// Calls `visit(bytes)` for what each segment has of the frame's bytes from `from` up to `end`.
template <class Visit> void for_each_part(const RxFrame& frame, std::size_t from, std::size_t end, Visit visit) {
  std::size_t start = 0; // of the segment, in the frame
  const auto part = [&](const Segment& segment) {
    const std::size_t stop = start + segment.length;
    const std::size_t low = std::max(from, start);
    const std::size_t high = std::min(end, stop);
    if (low < high) visit(std::span{segment.data + (low - start), high - low});
    start = stop;
  };
  part(frame.first);
  for (const Segment& segment : frame.more())
    part(segment);
}

/// Over all segments; one that starts at an odd offset has its sum's bytes the other way round (RFC 1071, 2(B)).
std::uint16_t sum_from(const RxFrame& frame, std::size_t from, std::size_t end) {
  std::uint64_t sum = 0;
  std::size_t done = 0;
  for_each_part(frame, from, end, [&](std::span<const std::byte> bytes) {
    const unsigned part = ones_complement_sum(bytes);
    sum += done % 2 == 0 ? part : (part >> 8 | (part & 0xff) << 8);
    done += bytes.size();
  });
  return fold(sum);
}

} // namespace

std::uint16_t ones_complement_sum(std::span<const std::byte> bytes, std::uint16_t sum) {
  std::uint64_t total = sum; // 2^48 words fit
  const std::size_t even = bytes.size() - bytes.size() % 2;
  for (std::size_t i = 0; i < even; i += 2)
    total += load16(bytes, i);
  if (even != bytes.size()) total += octet(bytes, even) << 8;
  return fold(total);
}

bsp::Result<Offload> prepare_offload(std::span<std::byte> frame, std::uint16_t gso_size) {
  Layout layout;
  TRY(find_network(frame, layout));
  TRY(find_transport(frame, layout));
  TRY(find_payload(frame, layout));
  // The device sums, and segments, up to the frame's end.
  const auto padding = frame.subspan(layout.end);
  if (ones_complement_sum(padding) != 0 || (gso_size != 0 && !padding.empty()))
    return bsp::fail(bsp::Error::invalid_argument);

  if (!layout.ipv6) {
    const auto header = frame.subspan(layout.network, layout.transport - layout.network);
    store16(header, ipv4_checksum, 0);
    store16(header, ipv4_checksum, ~unsigned{ones_complement_sum(header)} & 0xffff);
  }
  const std::uint16_t field = layout.protocol == protocol_tcp ? tcp_checksum : udp_checksum;
  store16(frame, layout.transport + field, pseudo_header_sum(frame, layout));
  Offload offload{.checksum = true, .csum_start = static_cast<std::uint16_t>(layout.transport), .csum_offset = field};
  if (gso_size != 0) {
    offload.gso = gso_of(layout);
    offload.gso_size = gso_size;
    offload.header_length = static_cast<std::uint16_t>(layout.payload);
  }
  return offload;
}

void complete_checksum(RxFrame& frame) {
  if (frame.checksum != Checksum::partial) return;
  const std::size_t end = frame.length();
  const std::size_t field = std::size_t{frame.csum_start} + frame.csum_offset;
  if (field + 2 > end) return;
  unsigned value = ~unsigned{sum_from(frame, frame.csum_start, end)} & 0xffff;
  if (value == 0 && frame.csum_offset == udp_checksum) value = 0xffff; // 0 would mean "none" (RFC 768)
  std::array<std::byte, 2> bytes{};
  store16(bytes, 0, value);
  std::size_t done = 0;
  for_each_part(frame, field, field + bytes.size(), [&](std::span<std::byte> to) {
    for (std::byte& byte : to)
      byte = bytes[done++];
  });
  frame.checksum = Checksum::valid;
}

} // namespace net
