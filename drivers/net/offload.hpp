// SPDX-License-Identifier: BSD-2-Clause
// Helpers around checksum and segmentation offloads (VIRTIO 1.3, 5.1.6.2 and 5.1.6.4). A driver never changes a frame;
// who sends or reads one may use these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "bsp/result.hpp"
#include "drivers/net/net_device.hpp"

namespace net {

/// The Internet checksum's one's complement sum of `bytes` on top of `sum`, folded to 16 bits, not inverted (RFC 1071).
/// `bytes` start at an even offset of what is summed; an odd last one counts as if a zero followed.
[[nodiscard]] std::uint16_t ones_complement_sum(std::span<const std::byte> bytes, std::uint16_t sum = 0);

/// Makes a frame ready for the device to finish: fills in the IPv4 header's checksum and puts the pseudo-header's sum
/// into the checksum field of TCP or UDP (5.1.6.2), behind up to two VLAN tags. With `gso_size` not 0 also asks for
/// segmentation: TCP by TSO, UDP by USO; the lengths in the IP and UDP headers stay as they are.
///
/// Error::offload_not_supported if it is not TCP or UDP over IPv4 or IPv6 (fragments and IPv6 extension headers
/// included), Error::frame_too_short if headers are cut off or the IP packet is, Error::invalid_argument if there is
/// more behind the packet than padding with zeros (with `gso_size`: anything). The frame is untouched then.
[[nodiscard]] bsp::Result<Offload> prepare_offload(std::span<std::byte> frame, std::uint16_t gso_size = 0);

/// Completes the checksum of a received frame with Checksum::partial, in place over all its segments, so that a
/// consumer that checks finds it right; it is Checksum::valid then. Left alone: frames with another state, and one
/// whose checksum field does not lie in it.
void complete_checksum(RxFrame& frame);

} // namespace net
