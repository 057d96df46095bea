// SPDX-License-Identifier: BSD-2-Clause
// The device's half of one packed virtqueue (VIRTIO 1.3, 2.8), with the verbs of FakeRingDevice. Honest ones:
// take_available(), complete(). Hostile ones: place_used(), set_flags(), scribble_*(). Whatever it does, it checks the
// driver's half as it goes: flags and wrap counters of every descriptor, where the buffer id stands, lists and indirect
// tables, that what is in flight stays as it is (2.8.16), and that the driver's event structure holds a legal value.
//
// It reads and writes by bus address through DeviceMemory only. A chain's `head` is its buffer id.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/device_memory.hpp"
#include "tests/support/fake_ring_device.hpp"

namespace test {

class FakePackedDevice {
 public:
  using Piece = FakeRingDevice::Piece;
  using Chain = FakeRingDevice::Chain;
  using Areas = FakeRingDevice::Areas; ///< available: driver area; used: device area
  struct Features {
    bool event_idx{false};
    bool indirect{false};
    bool in_order{false};
  };
  struct Descriptor {
    std::uint64_t addr;
    std::uint32_t len;
    std::uint16_t id;
    std::uint16_t flags;
  };
  static constexpr std::uint16_t next_flag = 1;
  static constexpr std::uint16_t write_flag = 2;
  static constexpr std::uint16_t indirect_flag = 4;
  static constexpr std::uint16_t avail_flag = 0x80;
  static constexpr std::uint16_t used_flag = 0x8000;

  explicit FakePackedDevice(DeviceMemory& memory) : memory_{memory} {}

  /// Checks the areas (alignment, zeroed, inside the memory, disjoint) and starts at slot 0, wrap counters 1.
  void go_live(const Areas& areas, const Features& features);
  void go_live(const Areas& areas, bool event_idx) { go_live(areas, Features{event_idx, false, false}); }
  void stop() { live_ = false; }
  [[nodiscard]] bool live() const { return live_; }

  // ---- honest ----
  /// All chains exposed since the last look. With EVENT_IDX then asks for a notification for the next one, unless
  /// `wants_notifications` is off.
  std::vector<Chain> take_available();
  [[nodiscard]] Bytes read(const Chain& chain);
  /// Fills the chain's writable pieces in order; returns how much fitted.
  std::uint32_t write(const Chain& chain, const Bytes& bytes);
  /// Uses the chain and interrupts if the driver wants that. WRITE is set if anything was written (2.8.3).
  void complete(const Chain& chain, std::uint32_t length);
  /// The same for several, in this order; the first used descriptor is written last.
  void complete_batch(const std::vector<Chain>& chains, std::uint32_t length);
  /// The same with one used descriptor, which names the last of them (IN_ORDER, 2.8.8).
  void complete_as_one(const std::vector<Chain>& chains, std::uint32_t length);
  /// Wants notifications or not: event flags 0 and 1, with EVENT_IDX 2 (for the next slot) and 1.
  void want_notifications(bool on);
  std::function<void()> on_interrupt;
  unsigned interrupts{0};
  /// QEMU never sets WRITE in a used descriptor.
  bool sets_write_flag{true};
  /// Further flags of used descriptors: NEXT is reserved there (2.8.6).
  std::uint16_t extra_used_flags{0};

  // ---- hostile ----
  /// Writes any used descriptor into the next slot, but not yet its flags.
  void place_used(std::uint16_t id, std::uint32_t length);
  /// Stores the flags of what was placed.
  void publish_used();
  /// Overwrites all descriptors and all indirect tables in flight; they are no longer compared.
  void scribble_descriptors(std::uint8_t fill);
  void rewrite_used(std::uint16_t slot, std::uint16_t id, std::uint32_t length);
  void set_flags(std::uint16_t slot, std::uint16_t flags);
  /// Lets a slot look used in the lap that `wrap` stands for.
  void mark_used(std::uint16_t slot, bool wrap) { set_flags(slot, wrap ? avail_flag | used_flag : 0); }
  void set_device_event(std::uint16_t off_wrap, std::uint16_t flags);
  bool ignores_suppression{false};

  // ---- what tests look at ----
  [[nodiscard]] Descriptor descriptor(std::uint16_t slot) { return load_descriptor(slot_address(slot)); }
  [[nodiscard]] std::uint16_t driver_off_wrap() { return load16(areas_.available); }
  [[nodiscard]] std::uint16_t driver_flags() { return load16(areas_.available + 2); }
  /// The next slot to be read, and the next one to be written, with the wrap counter in bit 15.
  [[nodiscard]] std::uint16_t next_available() const { return avail_.off_wrap(); }
  [[nodiscard]] std::uint16_t next_used() const { return used_.off_wrap(); }
  [[nodiscard]] const Areas& areas() const { return areas_; }
  [[nodiscard]] std::size_t chains_in_flight() const { return in_flight_.size(); }
  [[nodiscard]] std::size_t slots_in_flight() const { return slots_in_flight_; }
  [[nodiscard]] std::size_t longest_chain() const { return longest_chain_; }
  [[nodiscard]] unsigned indirect_chains() const { return indirect_chains_; }
  /// Looks at everything that may be looked at at any time; called by the verbs, and by tests at barriers.
  void check();
  [[nodiscard]] const std::string& violations() const { return violations_; }
  void violation(const std::string& text) { violations_ += text + "\n"; }
  std::string take_violations();

 private:
  struct Position {
    std::uint16_t slot{0};
    bool wrap{true};
    void advance(std::size_t count, std::uint16_t size);
    [[nodiscard]] std::uint16_t off_wrap() const { return static_cast<std::uint16_t>(slot | (wrap ? 0x8000 : 0)); }
  };
  struct InFlight {
    Chain chain;
    std::size_t slots{0};
    std::map<std::uint64_t, Bytes> table;
  };
  struct Staged {
    std::uint16_t slot;
    std::uint16_t flags;
  };
  [[nodiscard]] std::uint16_t load16(std::uint64_t bus) { return static_cast<std::uint16_t>(memory_.load(bus, 2)); }
  [[nodiscard]] std::uint64_t slot_address(std::uint16_t slot) const { return areas_.descriptors + 16U * slot; }
  [[nodiscard]] Descriptor load_descriptor(std::uint64_t bus);
  [[nodiscard]] Bytes bytes_at(std::uint64_t bus, std::size_t length);
  [[nodiscard]] bool available_at(const Position& at);
  void walk();
  void walk_table(const Descriptor& descriptor, InFlight& record);
  void own(std::uint16_t slot);
  void add_piece(const Descriptor& descriptor, Chain& chain);
  std::size_t retire(const Chain& chain);
  void stage(std::uint16_t id, std::uint32_t length, std::uint16_t flags, std::size_t slots);
  void interrupt_if_wanted(const Position& before);

  DeviceMemory& memory_;
  Areas areas_{};
  Features features_{};
  bool live_{false};
  bool wants_notifications_{true};
  Position avail_;
  Position used_;
  Position announced_; ///< used_ when the driver was last told, or could have been
  std::map<std::uint16_t, InFlight> in_flight_;
  std::deque<std::uint16_t> order_; ///< ids in flight, oldest first
  std::vector<bool> owned_;         ///< the slots that are the device's
  Bytes mirror_;                    ///< as the driver left them
  std::size_t slots_in_flight_{0};
  std::vector<Staged> staged_;
  Bytes event_mirror_; ///< what the device itself wrote
  std::size_t longest_chain_{0};
  unsigned indirect_chains_{0};
  std::string violations_;
};

} // namespace test
