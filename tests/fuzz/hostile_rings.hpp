// SPDX-License-Identifier: BSD-2-Clause
// The device's half of one virtqueue of either format, for fuzzing: it can work as it should, and it can write anything
// anywhere. Unlike the fakes of the unit tests it judges nothing and minds nothing that it finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "tests/support/device_memory.hpp"

namespace fuzz {

class HostileRing {
 public:
  struct Piece {
    std::uint64_t bus;
    std::uint32_t length;
    bool writable;
  };
  struct Chain {
    std::uint16_t id{0};    ///< split: head; packed: buffer id
    std::uint16_t slots{1}; ///< packed: ring entries it took
    std::vector<Piece> pieces;
  };

  explicit HostileRing(test::DeviceMemory& memory) : memory_{&memory} {}

  void go_live(bool packed, std::uint16_t size, const std::uint64_t (&areas)[3]);
  void stop();
  [[nodiscard]] bool live() const { return live_; }
  [[nodiscard]] std::uint16_t size() const { return size_; }
  /// Whether the device has overwritten what only the driver writes: then what is found there proves nothing.
  [[nodiscard]] bool scribbled() const { return scribbled_; }
  /// Whether the device has said of this chain that it was used, whether it had it or not.
  [[nodiscard]] bool misused(std::uint16_t id) const { return misused_.contains(id); }
  /// Whether [bus, bus + length) touches one of the three areas.
  [[nodiscard]] bool overlaps(std::uint64_t bus, std::uint64_t length) const;

  // ---- as it should be ----
  [[nodiscard]] std::optional<Chain> take();
  void use(const Chain& chain, std::uint32_t length) { put(chain.id, length, chain.slots); }
  /// Taken and not used.
  std::deque<Chain> held;

  // ---- as it should not be ----
  /// Uses what it need not have.
  void misuse(std::uint16_t id, std::uint32_t length, std::uint16_t slots);
  /// Any bytes of an area: 0 descriptors, 1 driver's, 2 device's.
  void scribble(unsigned area, std::uint32_t offset, unsigned width, std::uint64_t value);
  void set_suppression(std::uint32_t value);
  /// Split: moves used.idx. Packed: the position and the wrap counter.
  void jump(std::uint16_t to);
  /// Something outside of this class has changed this word.
  void note_change(std::uint64_t bus);

 private:
  [[nodiscard]] std::uint64_t area_size(unsigned area) const;
  [[nodiscard]] std::uint64_t load(std::uint64_t bus, unsigned width) const;
  void store(std::uint64_t bus, unsigned width, std::uint64_t value);
  void put(std::uint16_t id, std::uint32_t length, std::uint16_t slots);
  void add_descriptor(Chain& chain, std::uint64_t at, std::uint16_t flags) const;
  [[nodiscard]] std::optional<Chain> take_split();
  [[nodiscard]] std::optional<Chain> take_packed();

  test::DeviceMemory* memory_;
  bool live_{false};
  bool packed_{false};
  bool scribbled_{false};
  std::set<std::uint16_t> misused_;
  std::uint16_t size_{0};
  std::uint64_t areas_[3]{};
  std::uint16_t next_{0};
  bool next_wrap_{true};
  std::uint16_t used_{0};
  bool used_wrap_{true};
};

} // namespace fuzz
