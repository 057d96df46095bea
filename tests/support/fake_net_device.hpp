// SPDX-License-Identifier: BSD-2-Clause
// A network interface for tests of its consumers. It checks the contract of net::NetDevice while it plays the device:
// a frame released twice or never handed out, a request sent without room, are test failures (see faults()).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "drivers/net/net_control.hpp"
#include "drivers/net/net_device.hpp"
#include "drivers/virtio/diagnostics.hpp"

namespace test {

using Bytes = std::vector<std::uint8_t>;

class FakeDiagnostics final : public virtio::Diagnostics {
 public:
  std::string name{"virtio-mmio@10008000"};
  std::uint32_t version{2};
  std::uint32_t irq{8};
  std::uint8_t status{15};
  virtio::FeatureSet offered{};
  virtio::FeatureSet accepted{};
  std::vector<virtio::QueueState> queues;
  std::vector<virtio::RegisterValue> registers;

  std::string_view transport_name() const override { return name; }
  std::uint32_t transport_version() const override { return version; }
  std::string_view transport_reason() const override { return "Version register reads 2"; }
  std::uint32_t device_id() const override { return 1; }
  std::uint32_t vendor_id() const override { return 0x554d4551; }
  std::uint32_t interrupt() const override { return irq; }
  std::uint8_t device_status() const override { return status; }
  virtio::FeatureSet offered_features() const override { return offered; }
  virtio::FeatureSet accepted_features() const override { return accepted; }
  std::size_t header_size() const override { return 12; }
  std::size_t receive_buffer_size() const override { return 2048; }
  std::size_t queue_count() const override { return queues.size(); }
  bool queue_state(std::size_t index, virtio::QueueState& out) const override;
  bool register_value(std::size_t index, virtio::RegisterValue& out) const override;
};

/// Remembers what it is told. `error`, if set, is what every command that would reach a device ends in.
class RecordingControl final : public net::NetControl {
 public:
  std::optional<bsp::Error> error;
  std::size_t commands{0}; ///< that reached the device
  std::optional<net::MacAddress> mac;
  std::array<bool, net::receive_mode_count> modes{};
  std::vector<net::MacAddress> groups;
  std::size_t table_size{net::multicast_table_size};
  std::set<std::uint16_t> vlans;
  std::size_t announcements{0};
  bool coalesces{true};
  std::array<net::Coalescing, 2> coalescing_values{}; ///< receive, transmit
  std::vector<net::OffloadState> offloads;
  std::vector<net::DeviceStat> device_stat_values;

  bsp::Result<void> set_mac(const net::MacAddress& address) override;
  bsp::Result<void> set_receive_mode(net::ReceiveMode mode, bool on) override;
  bool receive_mode(net::ReceiveMode mode) const override { return modes[static_cast<std::size_t>(mode)]; }
  bsp::Result<void> add_multicast(const net::MacAddress& group) override;
  bsp::Result<void> remove_multicast(const net::MacAddress& group) override;
  std::span<const net::MacAddress> multicast() const override { return groups; }
  bool multicast_overflow() const override { return groups.size() > table_size; }
  bsp::Result<void> add_vlan(std::uint16_t id) override;
  bsp::Result<void> remove_vlan(std::uint16_t id) override;
  bool has_vlan(std::uint16_t id) const override { return vlans.contains(id); }
  bsp::Result<void> announce() override;
  bsp::Result<void> set_coalescing(net::TrafficDirection direction, net::Coalescing values) override;
  net::Coalescing coalescing(net::TrafficDirection direction) const override;
  bool can_coalesce() const override { return coalesces; }
  bool offload(std::size_t index, net::OffloadState& out) const override;
  bsp::Result<void> set_offload(std::string_view name, bool on) override;
  bsp::Result<void> set_queue_pairs(std::uint16_t) override { return command(); }
  bsp::Result<void> device_stats(void (*function)(void* context, const net::DeviceStat& stat), void* context) override;

 private:
  bsp::Result<void> command();
};

class FakeNetDevice final : public net::NetDevice {
 public:
  /// How the device treats what it was given to send.
  enum class Completes { at_once, when_serviced, when_idle_is_prepared, never };

  explicit FakeNetDevice(std::string name) : name_{std::move(name)} {}

  // What the test sets.
  net::MacAddress address{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};
  net::Link link_state{net::LinkState::up, net::speed_unknown, net::Duplex::unknown};
  std::uint16_t mtu_limit{1500};
  std::size_t tx_ring{256};
  std::size_t rx_ring{256};
  std::size_t header_size{12}; ///< what the device's header takes of a receive buffer, before the frame
  Completes completes{Completes::at_once};
  bool reset_fails{false};
  bool is_usable{true};
  FakeDiagnostics diagnostics_values{};
  bool has_diagnostics{true};
  RecordingControl control_values{};
  bool has_control{true};
  net::NetStats statistics{};
  std::function<void()> on_service; ///< the place to let frames arrive or the link change
  std::function<void()> on_reclaim; ///< before it looks what is done

  /// A frame arrives. False, and counted in `overruns`, if the receive ring is full.
  bool arrive(const Bytes& frame, net::Checksum checksum = net::Checksum::none);
  /// The same, spread over buffers of `piece` bytes.
  bool arrive_in_pieces(const Bytes& frame, std::size_t piece);
  /// The same, with all that `like` says beside where the bytes are.
  bool arrive_as(const Bytes& frame, const net::RxFrame& like, std::size_t piece);
  /// The device finishes `count` of the frames in flight, or loses them in a reset of its own.
  void complete(std::size_t count, bool sent = true);
  void raise(net::NetEvent event);

  // What the test looks at.
  std::vector<Bytes> wire;            ///< frames that were sent, the first 1024
  std::vector<net::Offload> offloads; ///< what was asked for with each of them
  std::uint64_t sends{0};
  std::uint64_t send_calls{0};
  std::uint64_t most_in_flight{0};
  std::uint64_t overruns{0};
  std::uint64_t resets{0};
  std::uint64_t service_calls{0};
  std::uint64_t idle_preparations_for_completions{0};
  std::vector<std::string> faults; ///< broken rules of the interface's contract; empty at the end of a good test
  [[nodiscard]] std::size_t frames_out() const { return handed_out_.size(); }
  [[nodiscard]] std::size_t frames_waiting() const { return arrived_.size(); }

  // net::NetDevice
  std::size_t receive(std::span<net::RxFrame> out) override;
  void release(std::span<const net::RxFrame> frames) override;
  std::size_t send(std::span<const net::TxRequest> requests) override;
  std::size_t reclaim(std::span<net::TxCompletion> out) override;
  bsp::Result<void> check_request(const net::TxRequest& request) const override;
  void service() override;
  bool work_pending() const override { return !arrived_.empty(); }
  bool prepare_idle(bool for_completions) override;
  bsp::Result<void> reset() override;
  void shut_down() override {}
  std::string_view name() const override { return name_; }
  net::MacAddress mac() const override { return control_values.mac.value_or(address); }
  net::Link link() const override { return link_state; }
  std::uint16_t mtu() const override { return mtu_; }
  std::uint16_t device_mtu() const override { return mtu_limit; }
  bsp::Result<void> set_mtu(std::uint16_t mtu) override;
  net::NetStats stats() const override { return statistics; }
  void clear_stats() override { statistics = {}; }
  std::size_t tx_in_flight() const override { return in_flight_.size(); }
  bool usable() const override { return is_usable; }
  void set_listener(net::NetListener listener) override { listener_ = listener; }
  net::NetControl* control() override { return has_control ? &control_values : nullptr; }
  const virtio::Diagnostics* diagnostics() const override { return has_diagnostics ? &diagnostics_values : nullptr; }

 private:
  struct Arrived {
    Bytes buffer;
    std::size_t size; ///< of the frame in it
    std::vector<net::Segment> more;
    std::size_t first;
    net::RxFrame like;
  };
  [[nodiscard]] bool grants(const net::Offload& offload) const;

  std::string name_;
  std::uint16_t mtu_{1500};
  net::NetListener listener_{};
  std::deque<Arrived> arrived_;
  std::map<std::uint16_t, Arrived> handed_out_;
  std::uint16_t next_buffer_{0};
  std::deque<net::Cookie> in_flight_;
  std::deque<net::TxCompletion> done_;
};

} // namespace test
