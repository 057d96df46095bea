// SPDX-License-Identifier: BSD-2-Clause
// A virtqueue of whichever format was negotiated. The data path visits it once per batch and works on the format's own
// type from there on; everything else goes through the forwarding verbs. Its verbs mean what they mean in SplitRing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <variant>

#include "drivers/virtio/packed_ring.hpp"
#include "drivers/virtio/split_ring.hpp"

namespace virtio {

class Ring {
 public:
  static constexpr std::uint16_t max_capacity = SplitRing::max_capacity;

  /// Becomes a new ring of this shape, which needs a restart(), unless it has memory and is of that format; what it was
  /// before goes back to the arena. Stays as it is on failure. Error::out_of_dma_memory, invalid_argument.
  [[nodiscard]] bsp::Result<void> allocate(bsp::DmaArena& arena, const RingShape& shape) {
    if (capacity() != 0 && packed() == shape.packed) return {};
    return shape.packed ? become(PackedRing::create(arena, shape.capacity, shape.indirect_entries))
                        : become(SplitRing::create(arena, shape.capacity, shape.alignment, shape.indirect_entries));
  }

  [[nodiscard]] bool packed() const { return std::holds_alternative<PackedRing>(ring_); }

  /// Calls `function(SplitRing&)` or `function(PackedRing&)`.
  template <class Function> [[gnu::always_inline]] decltype(auto) visit(Function&& function) {
    if (PackedRing* const packed = std::get_if<PackedRing>(&ring_)) return function(*packed);
    SplitRing* const split = std::get_if<SplitRing>(&ring_);
    if (split == nullptr) __builtin_unreachable(); // it always holds one of them
    return function(*split);
  }
  template <class Function> decltype(auto) visit(Function&& function) const {
    if (const PackedRing* const packed = std::get_if<PackedRing>(&ring_)) return function(*packed);
    const SplitRing* const split = std::get_if<SplitRing>(&ring_);
    if (split == nullptr) __builtin_unreachable();
    return function(*split);
  }

  void restart(const RingSettings& settings) {
    visit([&](auto& ring) { ring.restart(settings); });
  }
  [[nodiscard]] QueueMemory memory() const {
    return visit([](const auto& ring) { return ring.memory(); });
  }
  void quarantine() {
    visit([](auto& ring) { ring.quarantine(); });
  }
  [[nodiscard]] std::uint16_t size() const {
    return visit([](const auto& ring) { return ring.size(); });
  }
  [[nodiscard]] std::uint16_t capacity() const {
    return visit([](const auto& ring) { return ring.capacity(); });
  }
  [[nodiscard]] std::uint16_t free() const {
    return visit([](const auto& ring) { return ring.free(); });
  }
  [[nodiscard]] std::optional<Token> add(std::span<const Piece> readable, std::span<const Piece> writable) {
    return visit([&](auto& ring) { return ring.add(readable, writable); });
  }
  [[nodiscard]] [[gnu::noinline]] std::optional<std::uint32_t> publish() {
    return visit([](auto& ring) { return ring.publish(); });
  }
  [[nodiscard]] std::optional<std::uint32_t> recheck_notification() {
    return visit([](auto& ring) { return ring.recheck_notification(); });
  }
  [[nodiscard]] bool unannounced() const {
    return visit([](const auto& ring) { return ring.unannounced(); });
  }
  [[nodiscard]] std::uint32_t force_notification() {
    return visit([](auto& ring) { return ring.force_notification(); });
  }
  [[nodiscard]] bool used_pending() const {
    return visit([](const auto& ring) { return ring.used_pending(); });
  }
  [[nodiscard]] std::size_t take_used(std::span<Used> out) {
    return visit([&](auto& ring) { return ring.take_used(out); });
  }
  [[nodiscard]] RingFault fault() const {
    return visit([](const auto& ring) { return ring.fault(); });
  }
  [[nodiscard]] bool broken() const { return fault() != RingFault::none; }
  [[nodiscard]] [[gnu::flatten]] std::uint16_t chains_in_flight() const {
    return visit([](const auto& ring) { return ring.chains_in_flight(); });
  }
  [[nodiscard]] bool in_flight(Token token) const {
    return visit([&](const auto& ring) { return ring.in_flight(token); });
  }
  [[nodiscard]] bool is_kept(std::uint64_t token) const {
    return visit([&](const auto& ring) { return ring.is_kept(token); });
  }
  void forget(Token token) {
    visit([&](auto& ring) { ring.forget(token); });
  }
  void suppress_interrupts() {
    visit([](auto& ring) { ring.suppress_interrupts(); });
  }
  [[nodiscard]] bool request_interrupt(std::uint16_t after = 1) {
    return visit([&](auto& ring) { return ring.request_interrupt(after); });
  }
  [[nodiscard]] QueueState state() const {
    return visit([](const auto& ring) { return ring.state(); });
  }

 private:
  template <class Format> bsp::Result<void> become(bsp::Result<Format>&& made) {
    if (!made) return bsp::fail(made.error());
    ring_.template emplace<Format>(std::move(*made));
    return {};
  }

  std::variant<SplitRing, PackedRing> ring_;
};

} // namespace virtio
