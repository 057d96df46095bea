// SPDX-License-Identifier: BSD-2-Clause
// Memory that devices may reach: the arena that is carved from /memory at run time, and the buffers handed out of it.
//
// Ownership: a DmaBuffer owns its block and gives it back when destroyed; std::span borrows. Blocks come back to the
// arena in reverse order of allocation (that is how a failed set-up unwinds); a block freed in the middle is counted as
// stranded. Memory whose release a device never confirmed is quarantined: it is never handed out again
// (VIRTIO 1.3, 3.3.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bsp/result.hpp"

namespace bsp {

/// An address as a device sees it. Never made from a CPU pointer except by the arena.
enum class BusAddress : std::uint64_t {};

[[nodiscard]] constexpr std::uint64_t raw(BusAddress address) {
  return static_cast<std::uint64_t>(address);
}
[[nodiscard]] constexpr BusAddress operator+(BusAddress address, std::uint64_t offset) {
  return BusAddress{raw(address) + offset};
}

class DmaArena;

/// A physically contiguous block. Move-only.
class DmaBuffer {
 public:
  DmaBuffer() = default;
  DmaBuffer(DmaBuffer&& other) noexcept { *this = static_cast<DmaBuffer&&>(other); }
  DmaBuffer& operator=(DmaBuffer&& other) noexcept;
  DmaBuffer(const DmaBuffer&) = delete;
  DmaBuffer& operator=(const DmaBuffer&) = delete;
  ~DmaBuffer();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() const { return {data_, size_}; }
  /// Bus address of the byte at `offset`; the caller keeps offset <= size().
  [[nodiscard]] BusAddress bus(std::size_t offset = 0) const { return bus_ + offset; }
  /// The block viewed as an array of T; size() must be a multiple of sizeof(T).
  template <class T> [[nodiscard]] std::span<T> as() const { return {reinterpret_cast<T*>(data_), size_ / sizeof(T)}; }
  /// Gives up the block for good: a device may still write to it.
  void quarantine();

 private:
  friend class DmaArena;
  DmaBuffer(DmaArena* arena, std::span<std::byte> block, BusAddress bus)
      : arena_{arena}, data_{block.data()}, size_{block.size()}, bus_{bus} {}

  DmaArena* arena_{nullptr};
  std::byte* data_{nullptr};
  std::size_t size_{0};
  BusAddress bus_{};
};

/// Hands out blocks of one contiguous range. Not safe in interrupt context.
class DmaArena {
 public:
  enum class Content : std::uint8_t { zeros, as_found }; ///< as_found: whatever was there before
  constexpr DmaArena() = default;
  /// `memory` as the CPU sees it, `bus` the address of its first byte as devices see it.
  constexpr DmaArena(std::span<std::byte> memory, BusAddress bus) : memory_{memory}, bus_{bus} {}
  DmaArena(const DmaArena&) = delete;
  DmaArena& operator=(const DmaArena&) = delete;

  /// Set once at boot, before any allocation.
  void assign(std::span<std::byte> memory, BusAddress bus);

  /// Makes `place` a block of `size` bytes (> 0), zeroed unless `content` says as_found, its bus and CPU address
  /// aligned to `alignment` (a power of two). Error::out_of_dma_memory if it does not fit; `place` keeps what it had
  /// then.
  [[nodiscard]] Result<void> allocate(DmaBuffer& place, std::size_t size, std::size_t alignment,
                                      Content content = Content::zeros);
  /// The same as a value.
  [[nodiscard]] Result<DmaBuffer> allocate(std::size_t size, std::size_t alignment, Content content = Content::zeros);

  [[nodiscard]] std::size_t capacity() const { return memory_.size(); }
  [[nodiscard]] std::size_t used() const { return top_; }
  [[nodiscard]] std::size_t stranded() const { return stranded_; }
  [[nodiscard]] BusAddress bus() const { return bus_; }

 private:
  friend class DmaBuffer;
  void give_back(std::byte* block, std::size_t size);

  std::span<std::byte> memory_{};
  BusAddress bus_{};
  std::size_t top_{0};
  std::size_t stranded_{0};
};

/// Cache maintenance points for boards whose DMA is not coherent. No-ops today: all supported boards are coherent; the
/// calls stand where ownership changes hands so that such a board needs no driver change.
inline void sync_for_device(std::span<const std::byte>) {}
inline void sync_for_cpu(std::span<const std::byte>) {}

} // namespace bsp
