// SPDX-License-Identifier: BSD-2-Clause
// The device's half of the network control queue (VIRTIO 1.3, 5.1.6.5; 1.4 for statistics): takes commands off a chain,
// keeps the state that a device would keep, and answers. It checks what the standard asks of a driver: the features
// that a command needs, the data to the byte, the framing of legacy devices (5.1.6.6); each breach is a line in
// violations(), and the command gets ERR. `script` makes it a bad device.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "drivers/virtio/features.hpp"
#include "tests/support/device_memory.hpp"
#include "tests/support/fake_ring_device.hpp"

namespace test {

class FakeNetControl {
 public:
  using Pieces = std::vector<FakeRingDevice::Piece>;
  using Mac = std::array<std::uint8_t, 6>;
  using Name = std::pair<unsigned, unsigned>; ///< class, command

  struct Command {
    Name name;
    std::vector<Bytes> data;             ///< a span for each descriptor behind the first
    std::vector<std::uint32_t> writable; ///< lengths of the writable descriptors
    [[nodiscard]] Bytes all_data() const;
  };
  struct Coalescing {
    std::uint32_t packets{0};
    std::uint32_t usecs{0};
    bool operator==(const Coalescing&) const = default;
  };
  /// How the device misbehaves.
  struct Script {
    std::optional<std::uint8_t> ack;              ///< instead of its own; the command has no effect
    bool writes_no_ack{false};                    ///< and the command has no effect
    bool fills_answers_on_error{false};           ///< with garbage
    std::function<bool(const Command&)> refuses;  ///< ERR for these
    std::uint32_t coalescing_answer_offset{0};    ///< added to what VQ_GET answers
    std::size_t stats_extra_bytes{0};             ///< each statistics entry is so much longer than known
    std::function<void(Bytes& result)> on_result; ///< may spoil the statistics
  };

  explicit FakeNetControl(DeviceMemory& memory) : memory_{memory} {}

  /// As after a reset and a negotiation; `framing`: legacy without ANY_LAYOUT.
  void restart(virtio::FeatureSet accepted, bool framing, std::uint16_t pairs_max = 1);
  /// Does what the chain asks and answers in its memory; how many bytes it wrote.
  std::uint32_t handle(const Pieces& pieces);

  Script script;

  // ---- the state of a device; the initial values are those after a reset
  std::array<bool, 6> modes{};
  std::optional<Mac> mac; ///< as set
  std::vector<Mac> unicast;
  std::vector<Mac> multicast;
  std::set<std::uint16_t> vlans;
  std::uint16_t pairs{1};
  Bytes rss;  ///< of the last RSS_CONFIG
  Bytes hash; ///< of the last HASH_CONFIG
  std::uint64_t offloads{0};
  std::map<unsigned, Coalescing> coalescing; ///< by queue
  std::uint64_t stats_types{0};              ///< that it has
  std::uint32_t hash_types{0};               ///< that it has
  std::function<void()> on_announce_ack;

  // ---- what tests look at
  std::vector<Command> log;
  [[nodiscard]] std::vector<Name> names() const;
  [[nodiscard]] unsigned count(Name name) const;
  [[nodiscard]] const Command& last() const { return log.back(); }
  void violation(const std::string& text) { violations_ += text + "\n"; }
  [[nodiscard]] const std::string& violations() const { return violations_; }
  std::string take_violations() { return std::exchange(violations_, {}); }

 private:
  [[nodiscard]] Bytes read(const FakeRingDevice::Piece& piece);
  void write(const Pieces& writable, std::size_t offset, const Bytes& bytes);
  void check_framing(const Command& command, const Pieces& readable, const Pieces& writable);
  [[nodiscard]] bool needs(virtio::Feature feature, const char* command);
  [[nodiscard]] bool wants(bool right, const char* text);
  [[nodiscard]] bool serve(const Command& command, const Bytes& data, Bytes& before_ack, Bytes& after_ack);
  [[nodiscard]] bool serve_rx(unsigned command, const Bytes& data);
  [[nodiscard]] bool serve_mac(const Command& command, const Bytes& data);
  [[nodiscard]] bool serve_vlan(unsigned command, const Bytes& data);
  [[nodiscard]] bool serve_mq(unsigned command, const Bytes& data);
  [[nodiscard]] bool check_hash(const Bytes& data, std::size_t key_at);
  [[nodiscard]] bool serve_offloads(const Bytes& data);
  [[nodiscard]] bool serve_coalescing(unsigned command, const Bytes& data, Bytes& before_ack);
  [[nodiscard]] bool serve_stats(unsigned command, const Bytes& data, Bytes& after_ack);
  [[nodiscard]] Bytes stats_entry(unsigned type, std::uint16_t queue) const;

  DeviceMemory& memory_;
  virtio::FeatureSet accepted_{};
  bool framing_{false};
  std::uint16_t pairs_max_{1};
  std::uint64_t types_told_{0}; ///< by STATS_QUERY
  std::string violations_;
};

/// A little-endian number out of `bytes`.
[[nodiscard]] std::uint64_t number(const Bytes& bytes, std::size_t at, unsigned width);

} // namespace test
