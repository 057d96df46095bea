// SPDX-License-Identifier: BSD-2-Clause
// Layouts and constants of the network device (VIRTIO 1.3, 5.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "bsp/endian.hpp"

namespace net::virtio_net {

/// Queue numbers for one pair (5.1.2).
inline constexpr std::uint16_t receive_queue = 0;
inline constexpr std::uint16_t transmit_queue = 1;
inline constexpr std::uint16_t queue_count = 2;

/// Offsets in the configuration space (5.1.4).
namespace config {
inline constexpr std::uint32_t mac = 0;     ///< 6 x u8
inline constexpr std::uint32_t status = 6;  ///< le16, with STATUS
inline constexpr std::uint32_t mtu = 10;    ///< le16, with MTU
inline constexpr std::uint32_t speed = 12;  ///< le32, with SPEED_DUPLEX
inline constexpr std::uint32_t duplex = 16; ///< u8, with SPEED_DUPLEX
} // namespace config

inline constexpr std::uint16_t status_link_up = 1;
inline constexpr std::uint32_t speed_max = 0x7fffffff; ///< anything above means unknown

/// The header before every frame (5.1.6). num_buffers is there on modern devices, and with MRG_RXBUF; little-endian on
/// modern devices, in the guest's order on legacy ones: the same on RISC-V.
struct Header {
  std::uint8_t flags;
  std::uint8_t gso_type;
  bsp::le16 hdr_len;
  bsp::le16 gso_size;
  bsp::le16 csum_start;
  bsp::le16 csum_offset;
  bsp::le16 num_buffers;
};
inline constexpr std::size_t header_size = 12;
inline constexpr std::size_t legacy_header_size = 10; ///< without num_buffers (5.1.6.1)
static_assert(sizeof(Header) == header_size && offsetof(Header, num_buffers) == legacy_header_size);

inline constexpr std::uint8_t gso_none = 0;

} // namespace net::virtio_net
