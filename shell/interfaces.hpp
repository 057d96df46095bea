// SPDX-License-Identifier: BSD-2-Clause
// The network interfaces of the machine: found in the tree, numbered, brought up, kept. Part of the composition root:
// the only place that knows transports and device types together.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "bsp/dma.hpp"
#include "drivers/irqchip/irqchip_probe.hpp"
#include "drivers/net/virtio_net.hpp"
#include "drivers/virtio/mmio_probe.hpp"
#include "fdt/tree.hpp"
#include "shell/system.hpp"

namespace shell {

class Interfaces {
 public:
  static constexpr std::size_t max_interfaces = 8;
  static constexpr std::size_t max_slots = 64;

  struct Settings {
    std::uint16_t queue_size;
    std::size_t receive_budget{0}; ///< bytes an interface, see VirtioNet::Config
    std::uint64_t mac_seed;
  };

  constexpr Interfaces() = default;
  Interfaces(const Interfaces&) = delete;
  Interfaces& operator=(const Interfaces&) = delete;

  /// Lists every slot and brings up every network device, in this order of numbers: those that /aliases ethernetN
  /// names, by N, then the others in tree order. A device that fails is listed with its reason, and the rest go on.
  /// Without a controller the devices are polled. Once.
  void bring_up(const fdt::Tree& tree, const std::optional<irqchip::Controller>& controller, bsp::DmaArena& arena,
                const Settings& settings);

  [[nodiscard]] std::span<net::NetDevice* const> devices() const { return {devices_.data(), device_count_}; }
  [[nodiscard]] std::span<const VirtioSlot> slots() const { return {slots_.data(), slot_count_}; }

 private:
  struct Interface {
    virtio::MmioTransportStorage transport;
    std::optional<net::VirtioNet> device;
  };
  /// A slot with a network device, before it has a number.
  struct Candidate {
    std::size_t slot{0}; ///< in slots_
    std::optional<virtio::MmioSlot> found{};
    unsigned order{0}; ///< its alias' number, if several have to be put in order
  };

  void note_slot(const virtio::MmioSlot& slot);
  [[nodiscard]] static std::string_view stop(const virtio::MmioSlot& slot);
  static void sort(std::span<Candidate> found);
  void bring_up_one(const Candidate& candidate, const std::optional<irqchip::Controller>& controller,
                    bsp::DmaArena& arena, const Settings& settings);

  bool polled_{false};
  std::array<VirtioSlot, max_slots> slots_{};
  std::size_t slot_count_{0};
  std::array<Candidate, max_slots> candidates_{};
  std::size_t candidate_count_{0};
  std::array<Interface, max_interfaces> interfaces_{};
  std::array<net::NetDevice*, max_interfaces> devices_{};
  std::size_t device_count_{0};
};

} // namespace shell
