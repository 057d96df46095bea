// SPDX-License-Identifier: BSD-2-Clause
#include "shell/frame_text.hpp"

#include <algorithm>
#include <cstring>

#include "bsp/format.hpp"
#include "drivers/net/ethernet.hpp"

namespace shell {

namespace {

constexpr char digits[] = "0123456789abcdef";

constexpr int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char printable(std::byte byte) {
  const auto c = std::to_integer<char>(byte);
  return c >= ' ' && c <= '~' ? c : '.';
}

std::uint16_t big_endian16(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) << 8 |
                                    std::to_integer<unsigned>(bytes[at + 1]));
}

net::MacText mac_at(std::span<const std::byte> frame, std::size_t at) {
  net::MacAddress mac;
  std::memcpy(mac.octets.data(), frame.data() + at, mac.octets.size());
  return net::to_text(mac);
}

char direction_letter(Direction direction) {
  return direction == Direction::sent ? 'O' : 'I';
}

/// In the order of net::Gso.
constexpr std::string_view gso_names[] = {"none", "tcp4", "tcp6", "ufo", "uso"};

std::string_view gso_name(net::Gso gso) {
  return gso_names[static_cast<std::size_t>(gso)];
}

/// hash_report from 1 on (VIRTIO 1.3, 5.1.6.4.5).
constexpr std::string_view hash_names[] = {"ip4",  "tcp4",   "udp4",    "ip6",    "tcp6",
                                           "udp6", "ip6-ex", "tcp6-ex", "udp6-ex"};

std::string_view checksum_line(const FrameNotes& notes, std::span<char> out) {
  return bsp::format_to(out, "# partial checksum: sum from byte {}, goes to byte {}", notes.csum_start,
                        notes.csum_start + notes.csum_offset);
}

std::string_view super_frame_line(const FrameNotes& notes, std::span<char> out) {
  bsp::Text<40> size{"segments of {} bytes", notes.gso_size};
  bsp::Text<72> merged{", {} segments coalesced, {} duplicate ack(s)", notes.coalesced_segments, notes.duplicate_acks};
  return bsp::format_to(out, "# super-frame: {}, {}{}{}", gso_name(notes.gso),
                        notes.gso_size == 0 ? "segments of unknown size" : size.view(),
                        notes.coalesced_segments == 0 ? "" : merged.view(), notes.ecn ? ", ECN" : "");
}

std::string_view hash_line(const FrameNotes& notes, std::span<char> out) {
  if (notes.hash_report > std::size(hash_names))
    return bsp::format_to(out, "# hash 0x{:08x} over type {}", notes.hash, notes.hash_report);
  return bsp::format_to(out, "# hash 0x{:08x} over {}", notes.hash, hash_names[notes.hash_report - 1]);
}

struct EthertypeName {
  std::uint16_t type;
  std::string_view name;
};
constexpr EthertypeName ethertype_names[] = {
    {0x0800, "IPv4"},  {0x0806, "ARP"},   {0x0842, "WoL"},   {0x8035, "RARP"},  {0x8100, "VLAN"},
    {0x86dd, "IPv6"},  {0x8808, "PAUSE"}, {0x8847, "MPLS"},  {0x8863, "PPPoE"}, {0x8864, "PPPoE"},
    {0x888e, "EAPOL"}, {0x88a8, "QinQ"},  {0x88b5, "local"}, {0x88cc, "LLDP"},  {0x88f7, "PTP"},
};

} // namespace

HexSize hex_size(std::span<const std::string_view> words) {
  std::size_t bytes = 0;
  std::size_t start = 1;
  for (const std::string_view word : words) {
    bool half = false; // a byte's first digit was read
    for (std::size_t i = 0; i < word.size(); i++) {
      const char c = word[i];
      const bool separator = c == ':' || c == ' ';
      if (!separator && digit_value(c) < 0) return {0, HexError{HexError::Cause::bad_digit, c, start + i}};
      if (separator && half) return {0, HexError{HexError::Cause::split_byte, word[i - 1], start + i - 1}};
      if (separator) continue;
      if (half) bytes++;
      half = !half;
    }
    if (half) return {0, HexError{HexError::Cause::split_byte, word.back(), start + word.size() - 1}};
    start += word.size() + 1;
  }
  return {bytes, std::nullopt};
}

void parse_hex(std::span<const std::string_view> words, std::span<std::byte> out) {
  std::size_t done = 0;
  for (const std::string_view word : words) {
    for (std::size_t i = 0; i + 1 < word.size() && done < out.size();) {
      if (digit_value(word[i]) < 0) {
        i++;
        continue;
      }
      out[done++] = static_cast<std::byte>(digit_value(word[i]) << 4 | digit_value(word[i + 1]));
      i += 2;
    }
  }
}

std::string_view dump_preamble(const CapturedFrame& frame, std::span<char> out) {
  return bsp::format_to(out, "{} {}.{:06}", direction_letter(frame.notes.direction), frame.time_us / 1'000'000,
                        frame.time_us % 1'000'000);
}

DumpLine::DumpLine(std::span<const std::byte> frame, std::size_t offset) {
  const auto bytes = frame.subspan(offset, std::min(dump_bytes_per_line, frame.size() - offset));
  char* to = text_.data();
  for (int shift = 28; shift >= 0; shift -= 4)
    *to++ = digits[offset >> shift & 15];
  *to++ = ':';
  *to++ = ' ';
  for (const std::byte byte : bytes) {
    *to++ = digits[std::to_integer<unsigned>(byte) >> 4];
    *to++ = digits[std::to_integer<unsigned>(byte) & 15];
    *to++ = ' ';
  }
  const std::size_t padding = 3 * (dump_bytes_per_line - bytes.size()) + 1;
  to = std::fill_n(to, padding, ' ');
  *to++ = '|';
  to = std::transform(bytes.begin(), bytes.end(), to, printable);
  *to++ = '|';
  size_ = static_cast<std::size_t>(to - text_.data());
}

std::string_view summary_line(const CapturedFrame& frame, std::span<char> out) {
  const bsp::Text<48> begin{"{}.{:06} {} {}", frame.time_us / 1'000'000, frame.time_us % 1'000'000,
                            direction_letter(frame.notes.direction), frame.bytes.size()};
  if (frame.bytes.size() < net::ethernet_header_size) return bsp::format_to(out, "{} no Ethernet header", begin.view());
  const std::uint16_t type = big_endian16(frame.bytes, net::ethernet_header_size - 2);
  const std::string_view name = ethertype_name(type);
  const bsp::Text<24> gso{" gso {} {}", gso_name(frame.notes.gso), frame.notes.gso_size};
  return bsp::format_to(out, "{} {} > {} 0x{:04x}{}{}{}", begin.view(), mac_at(frame.bytes, 6).view(),
                        mac_at(frame.bytes, 0).view(), type, name.empty() ? "" : " ", name,
                        frame.notes.gso == net::Gso::none ? "" : gso.view());
}

std::string_view note_line(const FrameNotes& notes, std::size_t index, std::span<char> out) {
  if (notes.checksum == net::Checksum::partial && index-- == 0) return checksum_line(notes, out);
  if (notes.gso != net::Gso::none && index-- == 0) return super_frame_line(notes, out);
  if (notes.hash_report != 0 && index-- == 0) return hash_line(notes, out);
  return {};
}

std::string_view ethertype_name(std::uint16_t type) {
  if (type < 0x0600) return "LLC"; // a length: IEEE 802.3, 3.2.6
  for (const EthertypeName& entry : ethertype_names) {
    if (entry.type == type) return entry.name;
  }
  return {};
}

} // namespace shell
