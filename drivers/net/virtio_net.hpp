// SPDX-License-Identifier: BSD-2-Clause
// The virtio network device (VIRTIO 1.3, 5.1) as a NetDevice, over any transport.
//
// Owner: one hart's main loop; handle_interrupt() alone runs in interrupt context, acknowledges, masks and flags.
// Invariants:
//  - A receive buffer is owned by the device, by the consumer, or by nobody; exactly one of them at any time, resets
//    included.
//  - What the device writes is read once, checked, then used. What it does wrong is counted under its cause; a ring it
//    broke, or NEEDS_RESET, ends in a bounded reset and re-initialisation (recover()).
//  - The header length is fixed by the negotiation and the same in both directions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/dma.hpp"
#include "drivers/irqchip/irqchip.hpp"
#include "drivers/net/net_device.hpp"
#include "drivers/net/virtio_net_spec.hpp"
#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "drivers/virtio/split_ring.hpp"
#include "drivers/virtio/transport.hpp"

namespace net {

class VirtioNet final : public NetDevice, public virtio::Diagnostics {
 public:
  struct Config {
    std::string_view name;    ///< "net0"; must outlive the device
    std::uint16_t queue_size; ///< at most so many descriptors a queue; rounded down to a power of two, at least 2
    std::uint64_t mac_seed;   ///< for a local address, if the device gives none
    bsp::DmaArena* arena;
    irqchip::Irqchip* irqchip; ///< null: polled
  };

  static constexpr std::size_t receive_buffer_bytes = 2048;

  /// Builds the device in `place` and brings it up to DRIVER_OK. On error `place` is empty and the device has FAILED
  /// set. The transport must outlive it. Errors: those of DeviceInit and of the queues, out_of_dma_memory, interrupt_*.
  [[nodiscard]] static bsp::Result<void> create(std::optional<VirtioNet>& place, virtio::Transport& transport,
                                                const Config& config);
  /// Only for create().
  VirtioNet(virtio::Transport& transport, const Config& config) : transport_{transport}, config_{config} {}
  VirtioNet(const VirtioNet&) = delete;
  VirtioNet& operator=(const VirtioNet&) = delete;

  void handle_interrupt();

  // NetDevice
  [[nodiscard]] std::size_t receive(std::span<RxFrame> out) override;
  void release(std::span<const RxFrame> frames) override;
  [[nodiscard]] std::size_t send(std::span<const TxRequest> requests) override;
  [[nodiscard]] std::size_t reclaim(std::span<TxCompletion> out) override;
  [[nodiscard]] bsp::Result<void> check_request(const TxRequest& request) const override;
  void service() override;
  [[nodiscard]] bool work_pending() const override;
  [[nodiscard]] bsp::Deadline next_wake() const override;
  [[nodiscard]] bool prepare_idle(bool for_completions) override;
  [[nodiscard]] bsp::Result<void> reset() override;
  void shut_down() override;
  [[nodiscard]] std::string_view name() const override { return config_.name; }
  [[nodiscard]] MacAddress mac() const override { return mac_; }
  [[nodiscard]] Link link() const override { return link_; }
  [[nodiscard]] std::uint16_t mtu() const override { return mtu_limit_ < device_mtu_ ? mtu_limit_ : device_mtu_; }
  [[nodiscard]] std::uint16_t device_mtu() const override { return device_mtu_; }
  [[nodiscard]] bsp::Result<void> set_mtu(std::uint16_t mtu) override;
  [[nodiscard]] NetStats stats() const override;
  void clear_stats() override;
  [[nodiscard]] std::size_t tx_in_flight() const override;
  [[nodiscard]] bool usable() const override { return state_ != State::failed; }
  void set_listener(NetListener listener) override { listener_ = listener; }
  [[nodiscard]] const virtio::Diagnostics* diagnostics() const override { return this; }

  // virtio::Diagnostics
  [[nodiscard]] std::string_view transport_name() const override { return transport_.name(); }
  [[nodiscard]] std::uint32_t transport_version() const override { return transport_.version(); }
  [[nodiscard]] std::string_view transport_reason() const override { return transport_.version_reason(); }
  [[nodiscard]] std::uint32_t device_id() const override { return virtio::device_id_network; }
  [[nodiscard]] std::uint32_t vendor_id() const override { return transport_.vendor_id(); }
  [[nodiscard]] std::uint32_t interrupt() const override { return transport_.interrupt(); }
  [[nodiscard]] std::uint8_t device_status() const override { return transport_.status(); }
  [[nodiscard]] virtio::FeatureSet offered_features() const override { return offered_; }
  [[nodiscard]] virtio::FeatureSet accepted_features() const override { return accepted_; }
  [[nodiscard]] std::size_t header_size() const override { return header_size_; }
  [[nodiscard]] std::size_t receive_buffer_size() const override { return receive_buffer_bytes; }
  [[nodiscard]] std::size_t queue_count() const override { return virtio_net::queue_count; }
  [[nodiscard]] bool queue_state(std::size_t index, virtio::QueueState& out) const override;
  [[nodiscard]] bool register_value(std::size_t index, virtio::RegisterValue& out) const override {
    return transport_.register_value(index, out);
  }

 private:
  enum class State : std::uint8_t { down, live, recovering, failed };
  enum class BufferOwner : std::uint8_t { nobody, device, consumer };

  /// A queue with what its owner needs to drive it.
  struct Queue {
    virtio::SplitRing ring;
    virtio::Doorbell doorbell;
    std::uint16_t size_max{0}; ///< what the device allows
  };
  struct RxBuffer {
    BufferOwner owner;
  };
  /// A transmit chain in flight, by token.
  struct TxSlot {
    Cookie cookie;
    std::uint32_t bytes;
  };
  /// The configuration fields that belong to one generation.
  struct ConfigFields {
    MacAddress mac{};
    std::uint16_t status{0};
    std::uint16_t mtu{0};
    std::uint32_t speed{speed_unknown};
    std::uint8_t duplex{0xff};
    bool operator==(const ConfigFields&) const = default;
  };

  // Bringing up (virtio_net_init.cpp).
  [[nodiscard]] bsp::Result<void> bring_up();
  [[nodiscard]] bsp::Result<void> bring_up_once();
  [[nodiscard]] bsp::Result<void> attach_interrupt();
  void detach_interrupt();
  [[nodiscard]] bsp::Result<void> allocate();
  [[nodiscard]] virtio::FeatureSet choose_features(virtio::FeatureSet offered);
  [[nodiscard]] bool mtu_is_usable();
  [[nodiscard]] bsp::Result<void> set_up_queue(Queue& queue, std::uint16_t index);
  [[nodiscard]] bsp::Result<void> read_config();
  [[nodiscard]] ConfigFields read_config_once() const;
  void take_mac(const ConfigFields& fields);
  void take_link(const ConfigFields& fields);
  [[nodiscard]] std::uint16_t largest_mtu() const;

  // Recovery (virtio_net_init.cpp).
  void stop();
  void take_back_memory();
  void harvest();
  [[nodiscard]] bsp::Result<void> restart();
  void give_up();
  void recover();
  void schedule_recovery();
  void report(NetEvent event);
  void start_recovery(const char* reason);
  void quarantine_memory();
  void handle_config_change();

  // Data path (virtio_net.cpp).
  void kick(Queue& queue, std::optional<std::uint32_t> notification);
  [[nodiscard]] bool post_buffer(std::uint16_t buffer);
  void post_all_buffers();
  [[nodiscard]] bool take_frame(const virtio::Used& used, RxFrame& out);
  [[nodiscard]] bool queue_request(const TxRequest& request);
  [[nodiscard]] TxCompletion complete(const virtio::Used& used);
  void note_fault(const Queue& queue);

  virtio::Transport& transport_;
  Config config_;
  State state_{State::down};

  virtio::FeatureSet offered_{};
  virtio::FeatureSet accepted_{};
  std::uint16_t header_size_{virtio_net::header_size};
  bool interrupt_attached_{false};
  bool split_header_{false}; ///< legacy without ANY_LAYOUT: the header in a descriptor of its own (5.1.6.6)

  Queue rx_;
  Queue tx_;
  bsp::DmaBuffer rx_memory_;  ///< as many buffers of receive_buffer_bytes as the ring has entries
  bsp::DmaBuffer tx_headers_; ///< a Header a transmit descriptor
  bsp::DmaBuffer tables_;     ///< private: the four spans below
  std::span<RxBuffer> rx_buffers_;
  std::span<std::uint16_t> rx_buffer_of_; ///< by token
  std::span<TxSlot> tx_slots_;            ///< by token
  std::span<TxCompletion> finished_;      ///< what a reset left for reclaim() to give back
  std::size_t finished_count_{0};

  MacAddress mac_{};
  bool mac_is_local_{false};
  Link link_{};
  std::uint16_t device_mtu_{default_mtu};
  std::uint16_t mtu_limit_{UINT16_MAX}; ///< set by set_mtu()

  NetStats stats_{};
  NetListener listener_{};

  unsigned recoveries_{0}; ///< in a row
  std::uint64_t recovered_at_{0};
  std::uint64_t recover_not_before_{0};
  std::uint64_t config_not_before_{0};

  /// Written in interrupt context, read and cleared by the main loop.
  struct {
    std::atomic<std::uint64_t> interrupts{0};
    std::atomic<std::uint64_t> spurious{0};
    std::atomic<bool> config_change{false};
  } irq_;
};

} // namespace net
