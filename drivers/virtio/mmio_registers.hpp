// SPDX-License-Identifier: BSD-2-Clause
// The virtio-mmio register maps (VIRTIO 1.3, 4.2.2 and, for Version 1, 4.2.4). The type of a register says how it may
// be used: reading a write-only one or writing a read-only one does not compile.
#pragma once

#include <cstdint>

#include "bsp/mmio.hpp"

namespace virtio::mmio {

template <bsp::Access A> using Reg32 = bsp::Reg<std::uint32_t, A>;
using enum bsp::Access;

// Both versions.
inline constexpr Reg32<ro> magic_value{0x000};
inline constexpr Reg32<ro> version{0x004};
inline constexpr Reg32<ro> device_id{0x008};
inline constexpr Reg32<ro> vendor_id{0x00c};
inline constexpr Reg32<ro> device_features{0x010};
inline constexpr Reg32<wo> device_features_sel{0x014};
inline constexpr Reg32<wo> driver_features{0x020};
inline constexpr Reg32<wo> driver_features_sel{0x024};
inline constexpr Reg32<wo> queue_sel{0x030};
inline constexpr Reg32<ro> queue_size_max{0x034};
inline constexpr Reg32<wo> queue_size{0x038};
inline constexpr Reg32<wo> queue_notify{0x050};
inline constexpr Reg32<ro> interrupt_status{0x060};
inline constexpr Reg32<wo> interrupt_ack{0x064};
inline constexpr Reg32<rw> status{0x070};
inline constexpr std::uint32_t config_offset = 0x100;

/// Version 2 only.
namespace modern {
inline constexpr Reg32<rw> queue_ready{0x044};
inline constexpr Reg32<wo> queue_desc_low{0x080};
inline constexpr Reg32<wo> queue_desc_high{0x084};
inline constexpr Reg32<wo> queue_driver_low{0x090};
inline constexpr Reg32<wo> queue_driver_high{0x094};
inline constexpr Reg32<wo> queue_device_low{0x0a0};
inline constexpr Reg32<wo> queue_device_high{0x0a4};
inline constexpr Reg32<rw> queue_reset{0x0c0}; ///< exists only with RING_RESET accepted
inline constexpr Reg32<ro> config_generation{0x0fc};
} // namespace modern

/// Version 1 only.
namespace legacy {
inline constexpr Reg32<wo> guest_page_size{0x028};
inline constexpr Reg32<wo> queue_align{0x03c};
inline constexpr Reg32<rw> queue_pfn{0x040};
} // namespace legacy

inline constexpr std::uint32_t magic = 0x74726976; ///< "virt"
inline constexpr std::uint32_t version_legacy = 1;
inline constexpr std::uint32_t version_modern = 2;

/// InterruptStatus and InterruptACK bits.
inline constexpr std::uint32_t interrupt_used_buffer = 1;
inline constexpr std::uint32_t interrupt_config_change = 2;

} // namespace virtio::mmio
