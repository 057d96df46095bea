// SPDX-License-Identifier: BSD-2-Clause
// From the device tree to virtio-mmio slots: finds the `virtio,mmio` nodes (VIRTIO 1.3, 4.2.1) and looks at what is in
// each. The only file of drivers/virtio that knows a device tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "bsp/result.hpp"
#include "drivers/irqchip/irqchip_probe.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "fdt/tree.hpp"

namespace virtio {

/// One enabled `virtio,mmio` node with usable registers.
struct MmioSlot {
  fdt::Node node;
  std::uintptr_t base;
  std::uint64_t size;
  std::uint32_t version{0};                 ///< as the register reads; 0 if MagicValue was wrong already
  std::uint32_t device_id{0};               ///< 0: empty
  std::optional<bsp::Error> error{};        ///< why it cannot be used; an empty slot is no error
  std::optional<std::uint32_t> interrupt{}; ///< source number at the given controller; nullopt: none there
};

/// Calls `visit(const MmioSlot&)` for each slot in tree order. Malformed nodes are skipped with a warning naming them.
void for_each_mmio_slot(const fdt::Tree& tree, const std::optional<irqchip::Controller>& controller,
                        void (*visit)(void* context, const MmioSlot& slot), void* context);

/// Room for a transport of either version, owned by the composition root.
using MmioTransportStorage = std::variant<std::monostate, MmioTransport, LegacyMmioTransport>;

/// Makes the transport that the slot's Version asks for.
[[nodiscard]] Transport& make_transport(MmioTransportStorage& storage, const MmioSlot& slot);

} // namespace virtio
