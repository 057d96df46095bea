// SPDX-License-Identifier: BSD-2-Clause
// The device's half of one virtqueue of whichever format was negotiated: the honest verbs that both fakes share. What
// only one of them can do wrong is asked of `split` or `packed`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/support/fake_packed_device.hpp"
#include "tests/support/fake_ring_device.hpp"

namespace test {

class FakeQueue {
 public:
  using Chain = FakeRingDevice::Chain;
  using Areas = FakeRingDevice::Areas;
  struct Rules {
    bool packed{false};
    bool event_idx{false};
    bool indirect{false};
    bool in_order{false};
  };

  explicit FakeQueue(DeviceMemory& memory) : split{memory}, packed{memory} {
    split.on_interrupt = packed.on_interrupt = [this] {
      if (on_interrupt) on_interrupt();
    };
  }
  FakeQueue(const FakeQueue&) = delete;
  FakeQueue& operator=(const FakeQueue&) = delete;

  FakeRingDevice split;
  FakePackedDevice packed;
  std::function<void()> on_interrupt;

  void go_live(const Areas& areas, const Rules& rules) {
    stop();
    is_packed_ = rules.packed;
    if (is_packed_)
      packed.go_live(areas, FakePackedDevice::Features{rules.event_idx, rules.indirect, rules.in_order});
    else
      split.go_live(areas, FakeRingDevice::Rules{rules.event_idx, rules.indirect, rules.in_order});
  }
  void stop() {
    split.stop();
    packed.stop();
  }
  [[nodiscard]] bool live() const { return split.live() || packed.live(); }
  [[nodiscard]] bool is_packed() const { return is_packed_; }
  [[nodiscard]] const Areas& areas() const { return is_packed_ ? packed.areas() : split.areas(); }

  std::vector<Chain> take_available() { return is_packed_ ? packed.take_available() : split.take_available(); }
  [[nodiscard]] Bytes read(const Chain& chain) { return split.read(chain); }
  std::uint32_t write(const Chain& chain, const Bytes& bytes) { return split.write(chain, bytes); }
  void complete(const Chain& chain, std::uint32_t length) {
    is_packed_ ? packed.complete(chain, length) : split.complete(chain, length);
  }
  void complete_batch(const std::vector<Chain>& chains, std::uint32_t length) {
    is_packed_ ? packed.complete_batch(chains, length) : split.complete_batch(chains, length);
  }
  /// With IN_ORDER only.
  void complete_as_one(const std::vector<Chain>& chains, std::uint32_t length) {
    is_packed_ ? packed.complete_as_one(chains, length) : split.complete_by_one_entry(chains, length);
  }
  void want_notifications(bool on) { is_packed_ ? packed.want_notifications(on) : split.want_notifications(on); }
  [[nodiscard]] unsigned interrupts() const { return split.interrupts + packed.interrupts; }
  [[nodiscard]] std::size_t chains_in_flight() const {
    return is_packed_ ? packed.chains_in_flight() : split.chains_in_flight();
  }

  // ---- hostile ----
  void place_used(std::uint32_t id, std::uint32_t length) {
    is_packed_ ? packed.place_used(static_cast<std::uint16_t>(id), length) : split.place_used(id, length);
  }
  void publish_used() { is_packed_ ? packed.publish_used() : split.publish_used(); }
  void use(std::uint32_t id, std::uint32_t length) {
    place_used(id, length);
    publish_used();
  }
  void scribble_descriptors(std::uint8_t fill) {
    is_packed_ ? packed.scribble_descriptors(fill) : split.scribble_descriptors(fill);
  }
  void ignore_suppression(bool on) { split.ignores_suppression = packed.ignores_suppression = on; }

  void check() {
    split.check();
    packed.check();
  }
  [[nodiscard]] std::string violations() const { return split.violations() + packed.violations(); }
  std::string take_violations() { return split.take_violations() + packed.take_violations(); }

 private:
  bool is_packed_{false};
};

} // namespace test
