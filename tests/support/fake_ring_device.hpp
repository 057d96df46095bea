// SPDX-License-Identifier: BSD-2-Clause
// The device's half of one split virtqueue (VIRTIO 1.3, 2.7). Honest verbs: take_available(), complete(). Hostile ones:
// place_used(), set_used_idx(), scribble_*(). Whatever it does, it checks the driver's half as it goes: chains, flags,
// indices, that descriptors in flight stay as they are (3.3.1) and that the used area is the device's alone.
//
// IN_ORDER: chains are checked to follow one another in the table and have to be completed in that order.
//
// It reads and writes by bus address through DeviceMemory only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/device_memory.hpp"

namespace test {

using Bytes = std::vector<std::uint8_t>;

class FakeRingDevice {
 public:
  struct Piece {
    std::uint64_t bus;
    std::uint32_t length;
    bool writable;
    bool operator==(const Piece&) const = default;
  };
  struct Chain {
    std::uint16_t head{0};
    std::vector<Piece> pieces;
    bool indirect{false};         ///< came through a table
    std::uint16_t descriptors{0}; ///< of the ring
    [[nodiscard]] std::uint32_t length(bool writable) const;
  };
  struct Areas {
    std::uint16_t size;
    std::uint64_t descriptors;
    std::uint64_t available;
    std::uint64_t used;
  };

  /// What was negotiated, as far as the ring sees it.
  struct Rules {
    bool event_idx{false};
    bool indirect{false};
    bool in_order{false};
  };

  explicit FakeRingDevice(DeviceMemory& memory) : memory_{memory} {}

  /// Checks the areas (alignment, zeroed, inside the memory, disjoint) and starts at index 0.
  void go_live(const Areas& areas, const Rules& rules);
  void go_live(const Areas& areas, bool event_idx) { go_live(areas, Rules{.event_idx = event_idx}); }
  void stop() { live_ = false; }
  [[nodiscard]] bool live() const { return live_; }
  /// The used ring's place from the page and the alignment alone, as a legacy device finds it (2.7.2).
  [[nodiscard]] static Areas legacy_areas(std::uint64_t page_address, std::uint16_t size, std::uint32_t align);

  // ---- honest ----
  /// All chains exposed since the last look. With EVENT_IDX then asks for a notification for the next one, unless
  /// `wants_notifications` is off.
  std::vector<Chain> take_available();
  [[nodiscard]] Bytes read(const Chain& chain);
  /// Fills the chain's writable pieces in order; returns how much fitted.
  std::uint32_t write(const Chain& chain, const Bytes& bytes);
  /// Uses the chain, publishes it, and interrupts if the driver wants that.
  void complete(const Chain& chain, std::uint32_t length);
  /// The same for several with one index update.
  void complete_batch(const std::vector<Chain>& chains, std::uint32_t length);
  /// With IN_ORDER: all of them by one used element, which names the last and stands where the first one's would
  /// (2.7.9). `length` is the last one's.
  void complete_by_one_entry(const std::vector<Chain>& chains, std::uint32_t length);
  /// Wants notifications or not: used.flags without EVENT_IDX, avail_event with it.
  void want_notifications(bool on);
  std::function<void()> on_interrupt;
  unsigned interrupts{0};

  // ---- hostile ----
  /// Writes any used element without publishing it.
  void place_used(std::uint32_t id, std::uint32_t length);
  /// Publishes what was placed.
  void publish_used();
  void set_used_idx(std::uint16_t idx);
  void set_used_flags(std::uint16_t flags);
  void set_avail_event(std::uint16_t event);
  /// Overwrites all descriptors, those in indirect tables in flight too; what is in flight is no longer compared.
  void scribble_descriptors(std::uint8_t fill);
  /// Overwrites a used element in place.
  void rewrite_used(std::uint16_t slot, std::uint32_t id, std::uint32_t length);
  bool ignores_suppression{false};

  // ---- what tests look at ----
  [[nodiscard]] std::uint16_t avail_flags() { return load16(areas_.available); }
  [[nodiscard]] std::uint16_t avail_idx() { return load16(areas_.available + 2); }
  [[nodiscard]] std::uint16_t avail_entry(std::uint16_t slot) { return load16(areas_.available + 4 + 2U * slot); }
  [[nodiscard]] std::uint16_t used_event() { return load16(areas_.available + 4 + 2U * areas_.size); }
  [[nodiscard]] std::uint16_t used_idx() const { return used_idx_; }
  [[nodiscard]] std::uint16_t last_avail() const { return last_avail_; }
  [[nodiscard]] const Areas& areas() const { return areas_; }
  [[nodiscard]] std::size_t chains_in_flight() const { return in_flight_.size(); }
  [[nodiscard]] std::size_t longest_chain() const { return longest_chain_; }
  /// With NOTIFICATION_DATA: whether the value of a notification tells the available index (2.9).
  void check_notification(std::uint32_t value);
  /// Looks at everything that may be looked at at any time; called by the verbs, and by tests at barriers.
  void check();
  [[nodiscard]] const std::string& violations() const { return violations_; }
  void violation(const std::string& text) { violations_ += text + "\n"; }
  std::string take_violations();

 private:
  struct InFlight {
    Chain chain;
    std::vector<std::uint16_t> slots;        ///< of the ring's table
    std::map<std::uint64_t, Bytes> contents; ///< of its descriptors, the indirect ones too, by bus address
  };
  [[nodiscard]] std::uint16_t load16(std::uint64_t bus) { return static_cast<std::uint16_t>(memory_.load(bus, 2)); }
  [[nodiscard]] Bytes bytes_at(std::uint64_t bus, std::size_t length);
  [[nodiscard]] std::size_t used_area_size() const { return 6 + 8 * std::size_t{areas_.size}; }
  void store_used(std::size_t offset, unsigned width, std::uint32_t value);
  InFlight walk(std::uint16_t head);
  bool walk_slot(InFlight& record, std::uint16_t slot);
  void walk_table(InFlight& record, std::uint64_t table, std::uint32_t length);
  void take_piece(InFlight& record, std::uint64_t entry);
  void check_order(const InFlight& record);
  void retire(const Chain& chain);
  void interrupt_if_wanted(std::uint16_t old_idx);

  DeviceMemory& memory_;
  Areas areas_{};
  bool live_{false};
  Rules rules_{};
  bool wants_notifications_{true};
  std::uint16_t last_avail_{0};
  std::uint16_t used_idx_{0};  ///< published
  std::uint16_t used_next_{0}; ///< placed
  std::map<std::uint16_t, InFlight> in_flight_;
  std::vector<bool> taken_;         ///< slots in flight
  std::uint16_t next_head_{0};      ///< IN_ORDER: where the next chain has to start
  std::deque<std::uint16_t> order_; ///< heads in flight, oldest first
  Bytes used_mirror_;               ///< what the device itself wrote
  std::size_t longest_chain_{0};
  std::string violations_;
};

} // namespace test
