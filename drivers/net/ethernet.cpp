// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/net/ethernet.hpp"

namespace net {

namespace {

constexpr char digits[] = "0123456789abcdef";

std::optional<unsigned> digit_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

} // namespace

MacAddress local_address(std::uint64_t seed) {
  // One step of splitmix64: neighbouring seeds (slot numbers, addresses) give addresses that differ in many bits.
  std::uint64_t mixed = seed + 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  MacAddress mac;
  for (std::uint8_t& octet : mac.octets) {
    octet = static_cast<std::uint8_t>(mixed);
    mixed >>= 8;
  }
  mac.octets[0] = static_cast<std::uint8_t>((mac.octets[0] | 0x02) & ~0x01);
  return mac;
}

std::optional<MacAddress> parse_mac(std::string_view text) {
  if (text.size() != sizeof MacText::characters) return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < mac.octets.size(); i++) {
    const std::size_t at = 3 * i;
    const auto high = digit_value(text[at]);
    const auto low = digit_value(text[at + 1]);
    if (!high || !low) return std::nullopt;
    if (i != 0 && text[at - 1] != ':' && text[at - 1] != '-') return std::nullopt;
    mac.octets[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return mac;
}

MacText to_text(const MacAddress& mac) {
  MacText text{};
  for (std::size_t i = 0; i < mac.octets.size(); i++) {
    const std::size_t at = 3 * i;
    if (i != 0) text.characters[at - 1] = ':';
    text.characters[at] = digits[mac.octets[i] >> 4];
    text.characters[at + 1] = digits[mac.octets[i] & 15];
  }
  return text;
}

bool is_tagged(std::span<const std::byte> frame) {
  const unsigned type =
      std::to_integer<unsigned>(frame[ethernet_header_size - 2]) << 8 | std::to_integer<unsigned>(frame[13]);
  return type == ethertype_vlan || type == ethertype_service;
}

std::size_t max_frame_size(std::uint16_t mtu, bool tagged) {
  return std::size_t{mtu} + ethernet_header_size + (tagged ? vlan_tag_size : 0);
}

} // namespace net
