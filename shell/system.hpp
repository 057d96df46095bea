// SPDX-License-Identifier: BSD-2-Clause
// What the shell's commands work on: filled by the composition root (shell/main.cpp), or by a unit test with fakes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bsp/dma.hpp"
#include "bsp/memory_map.hpp"
#include "bsp/result.hpp"
#include "drivers/irqchip/irqchip.hpp"
#include "drivers/net/net_device.hpp"
#include "drivers/uart/char_device.hpp"
#include "fdt/tree.hpp"

namespace shell {

/// One `virtio,mmio` node, for `virtio list`.
struct VirtioSlot {
  std::uint64_t address;   ///< CPU address of the registers
  std::uint32_t version;   ///< as the register reads; 0 if it could not be read
  std::uint32_t device_id; ///< 0: empty slot
  std::string_view driver; ///< "net0", or empty
  std::string_view reason; ///< why nothing drives it: "empty slot", "no driver for block device", an error's text
};

/// What `board` prints.
struct BoardInfo {
  std::string_view board; ///< the BOARD it was built for
  std::string_view model; ///< the tree's /model, or empty
  std::uint64_t hart{0};  ///< boot hart
  std::size_t hart_count{0};
  std::string_view isa; ///< riscv,isa of the boot hart
  std::uint64_t timebase_hz{0};
  std::span<const bsp::MemoryRange> memory{};
  bsp::MemoryRange image{}; ///< text to the end of stacks
  bsp::MemoryRange device_tree{};
  std::string_view mmu;              ///< "sv39" or "bare"
  std::string_view console;          ///< "ns16550a /soc/serial@10000000"
  std::uint32_t sbi_version{0};      ///< as sbi_get_spec_version: major << 24 | minor
  std::uint64_t sbi_impl_id{0};      ///< 1 is OpenSBI
  std::uint64_t sbi_impl_version{0}; ///< OpenSBI: major << 16 | minor
  std::uint64_t boot_us{0};          ///< hand-over to first prompt
};

/// Describes the board when somebody asks: that takes walks through the tree and calls of the firmware.
struct BoardSource {
  BoardInfo (*describe)(void* context){nullptr}; ///< null: nothing is known
  void* context{nullptr};
};

/// Firmware services; a test replaces them.
struct PowerControl {
  /// Both return only on failure.
  bsp::Error (*power_off)();
  bsp::Error (*reboot)();
};

class NetService;

struct System {
  uart::CharDevice& console;
  std::span<net::NetDevice* const> interfaces;
  std::span<const VirtioSlot> virtio_slots;
  irqchip::Irqchip* irqchip{nullptr};
  const fdt::Tree* tree{nullptr};
  BoardSource board{};
  bsp::DmaArena* arena{nullptr}; ///< for frames that commands send and capture
  PowerControl power{};
  NetService* net{nullptr}; ///< captures for the net commands; null: none of them is in a table
};

} // namespace shell
