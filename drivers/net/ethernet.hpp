// SPDX-License-Identifier: BSD-2-Clause
// Ethernet as IEEE 802.3 and 802.1Q lay it out. Sizes are in bytes and exclude the FCS, which no virtio device shows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace net {

inline constexpr std::size_t ethernet_header_size = 14;
inline constexpr std::size_t vlan_tag_size = 4;
inline constexpr std::size_t ethernet_min_frame = 60;
inline constexpr std::uint16_t default_mtu = 1500;
inline constexpr std::uint16_t min_mtu = 68;                    ///< RFC 791: every IPv4 module must forward 68 bytes
inline constexpr std::uint16_t ethertype_vlan = 0x8100;         ///< 802.1Q
inline constexpr std::uint16_t ethertype_service = 0x88a8;      ///< 802.1ad
inline constexpr std::uint16_t ethertype_experimental = 0x88b5; ///< IEEE 802 local experimental 1

struct MacAddress {
  std::array<std::uint8_t, 6> octets{};

  [[nodiscard]] constexpr bool is_multicast() const { return (octets[0] & 1) != 0; }
  [[nodiscard]] constexpr bool is_zero() const { return *this == MacAddress{}; }
  /// Fit to be an interface's own address: not zero, not multicast (broadcast included).
  [[nodiscard]] constexpr bool is_valid_unicast() const { return !is_zero() && !is_multicast(); }
  constexpr bool operator==(const MacAddress&) const = default;
};
inline constexpr MacAddress broadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// A locally administered unicast address (bit 1 set, bit 0 clear in the first octet), the same for the same seed.
[[nodiscard]] MacAddress local_address(std::uint64_t seed);

/// "52:54:00:12:34:56"; accepts upper case and '-' too. nullopt unless it is exactly six octets of two digits.
[[nodiscard]] std::optional<MacAddress> parse_mac(std::string_view text);

/// Lower case with colons, 17 characters.
struct MacText {
  char characters[17];
  [[nodiscard]] std::string_view view() const { return {characters, sizeof characters}; }
};
[[nodiscard]] MacText to_text(const MacAddress& mac);

/// Whether the EtherType field of the frame (at least 14 bytes) is an 802.1Q or 802.1ad tag.
[[nodiscard]] bool is_tagged(std::span<const std::byte> frame);

/// The largest frame that may be sent: mtu + 14, and 4 more if it starts with a VLAN tag.
[[nodiscard]] std::size_t max_frame_size(std::uint16_t mtu, bool tagged);

} // namespace net
