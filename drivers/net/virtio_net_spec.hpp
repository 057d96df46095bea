// SPDX-License-Identifier: BSD-2-Clause
// Layouts and constants of the network device (VIRTIO 1.3, 5.1).
#pragma once

#include <cstddef>
#include <cstdint>

#include "bsp/endian.hpp"

namespace net::virtio_net {

/// Queue numbers (5.1.2): receive i at 2i, transmit i at 2i + 1, control behind the last possible pair.
inline constexpr std::uint16_t receive_queue = 0;
inline constexpr std::uint16_t transmit_queue = 1;
[[nodiscard]] constexpr std::uint16_t control_queue(std::uint16_t max_pairs) {
  return static_cast<std::uint16_t>(2 * max_pairs); // at most 0x8000 pairs (5.1.4): see max_queue_pairs
}
/// What max_virtqueue_pairs may be (5.1.4.1), less the one value whose control queue had no number.
inline constexpr std::uint16_t max_queue_pairs = 0x7fff;

/// Offsets in the configuration space (5.1.4).
namespace config {
inline constexpr std::uint32_t mac = 0;                               ///< 6 x u8
inline constexpr std::uint32_t status = 6;                            ///< le16, with STATUS
inline constexpr std::uint32_t max_virtqueue_pairs = 8;               ///< le16, with MQ or RSS
inline constexpr std::uint32_t mtu = 10;                              ///< le16, with MTU
inline constexpr std::uint32_t speed = 12;                            ///< le32, with SPEED_DUPLEX
inline constexpr std::uint32_t duplex = 16;                           ///< u8, with SPEED_DUPLEX
inline constexpr std::uint32_t rss_max_key_size = 17;                 ///< u8, with RSS or HASH_REPORT
inline constexpr std::uint32_t rss_max_indirection_table_length = 18; ///< le16, with RSS
inline constexpr std::uint32_t supported_hash_types = 20;             ///< le32, with RSS or HASH_REPORT
inline constexpr std::uint32_t size = 24;                             ///< of all fields above
} // namespace config

inline constexpr std::uint16_t status_link_up = 1;
inline constexpr std::uint16_t status_announce = 2;    ///< with GUEST_ANNOUNCE
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

/// What follows the header with HASH_REPORT (5.1.6).
struct HashReport {
  bsp::le32 value;
  bsp::le16 report;
  bsp::le16 padding;
};
inline constexpr std::size_t hash_header_size = header_size + sizeof(HashReport);
static_assert(hash_header_size == 20);

/// Header::flags
inline constexpr std::uint8_t flag_needs_csum = 1;
inline constexpr std::uint8_t flag_data_valid = 2;      ///< received only
inline constexpr std::uint8_t flag_rsc_info = 4;        ///< received only, with RSC_EXT
inline constexpr std::uint8_t flag_udp_tunnel_csum = 8; ///< 1.4; of a feature that is never accepted

/// Header::gso_type
inline constexpr std::uint8_t gso_none = 0;
inline constexpr std::uint8_t gso_tcp4 = 1;
inline constexpr std::uint8_t gso_udp = 3; ///< fragmentation
inline constexpr std::uint8_t gso_tcp6 = 4;
inline constexpr std::uint8_t gso_udp_l4 = 5; ///< segmentation
inline constexpr std::uint8_t gso_ecn = 0x80; ///< beside tcp4 or tcp6

/// The largest super-frame (5.1.6.3.1): 65,562 bytes with a header of 12.
inline constexpr std::size_t max_gso_frame = 65'550;

/// Control commands (5.1.6.5), class and command.
namespace control {
inline constexpr std::uint8_t class_rx = 0;
inline constexpr std::uint8_t rx_promisc = 0;
inline constexpr std::uint8_t rx_allmulti = 1;
inline constexpr std::uint8_t rx_alluni = 2; ///< this and the next three with CTRL_RX_EXTRA
inline constexpr std::uint8_t rx_nomulti = 3;
inline constexpr std::uint8_t rx_nouni = 4;
inline constexpr std::uint8_t rx_nobcast = 5;
inline constexpr std::uint8_t class_mac = 1;
inline constexpr std::uint8_t mac_table_set = 0;
inline constexpr std::uint8_t mac_addr_set = 1;
inline constexpr std::uint8_t class_vlan = 2;
inline constexpr std::uint8_t vlan_add = 0;
inline constexpr std::uint8_t vlan_del = 1;
inline constexpr std::uint8_t class_announce = 3;
inline constexpr std::uint8_t announce_ack = 0;
inline constexpr std::uint8_t class_mq = 4;
inline constexpr std::uint8_t mq_vq_pairs_set = 0;
inline constexpr std::uint8_t mq_rss_config = 1;
inline constexpr std::uint8_t mq_hash_config = 2;
inline constexpr std::uint8_t class_guest_offloads = 5;
inline constexpr std::uint8_t guest_offloads_set = 0;
inline constexpr std::uint8_t class_notf_coal = 6;
inline constexpr std::uint8_t notf_coal_tx_set = 0;
inline constexpr std::uint8_t notf_coal_rx_set = 1;
inline constexpr std::uint8_t notf_coal_vq_set = 2;
inline constexpr std::uint8_t notf_coal_vq_get = 3;
inline constexpr std::uint8_t ack_ok = 0;
inline constexpr std::uint8_t ack_err = 1;
} // namespace control

} // namespace net::virtio_net
