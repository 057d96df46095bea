// SPDX-License-Identifier: BSD-2-Clause
// The virtio network device (VIRTIO 1.3, 5.1) as a NetDevice, over any transport and either ring format.
//
//   virtio_net_features.cpp  what is accepted of an offer
//   virtio_net_init.cpp      bringing up: queues, buffers, configuration
//   virtio_net_rx.cpp        receive, release
//   virtio_net_tx.cpp        send, reclaim
//   virtio_net_control.cpp   what is told over the control queue, and told again after a reset
//   virtio_net_tuning.cpp    likewise: queue pairs and hashing, offloads, coalescing
//   virtio_net_device_stats.cpp  the statistics that the device keeps
//   virtio_net_recovery.cpp  events, watchdog, recovery by reset
//
// Owner: one hart's main loop; handle_interrupt() alone runs in interrupt context, acknowledges, masks and flags.
// Invariants:
//  - A receive buffer belongs to a chain of the receive ring, to the consumer, or to nobody; exactly one of them at any
//    time, resets included. The chain of a plain frame is kept for it: it goes to the consumer and back with its
//    buffer.
//  - What the device writes is read once, checked, then used. What it does wrong is counted under its cause; a ring it
//    broke, or NEEDS_RESET, ends in a bounded reset and re-initialisation (recover()).
//  - The header length is fixed by the negotiation and the same in both directions.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/dma.hpp"
#include "drivers/irqchip/irqchip.hpp"
#include "drivers/net/control_queue.hpp"
#include "drivers/net/net_control.hpp"
#include "drivers/net/net_device.hpp"
#include "drivers/net/virtio_net_features.hpp"
#include "drivers/net/virtio_net_settings.hpp"
#include "drivers/net/virtio_net_spec.hpp"
#include "drivers/virtio/device_init.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "drivers/virtio/ring.hpp"
#include "drivers/virtio/transport.hpp"

namespace net {

class VirtioNet final : public NetDevice, public NetControl, public virtio::Diagnostics {
 public:
  struct Config {
    std::string_view name;    ///< "net0"; must outlive the device
    std::uint16_t queue_size; ///< at most so many descriptors a queue; rounded down to a power of two, at least 2
    std::uint64_t mac_seed;   ///< for a local address, if the device gives none
    bsp::DmaArena* arena;
    irqchip::Irqchip* irqchip;     ///< null: polled
    std::size_t receive_budget{0}; ///< bytes of receive buffers; less than queue_size * 2048 counts as that
    virtio::FeatureSet refused{};  ///< never accepted, whatever is offered: for tests and comparisons
  };

  /// A receive buffer, unless one must hold a jumbo frame or a super-frame alone.
  static constexpr std::size_t small_buffer_bytes = 2048;
  /// Big buffers are used only if the budget holds this many.
  static constexpr std::size_t min_big_buffers = 16;

  /// Builds the device in `place` and brings it up to DRIVER_OK. On error `place` is empty and the device has FAILED
  /// set. The transport must outlive it. Errors: those of DeviceInit and of the queues, out_of_dma_memory, interrupt_*.
  [[nodiscard]] static bsp::Result<void> create(std::optional<VirtioNet>& place, virtio::Transport& transport,
                                                const Config& config);
  /// Only for create().
  VirtioNet(virtio::Transport& transport, const Config& config) : transport_{transport}, config_{config} {}
  VirtioNet(const VirtioNet&) = delete;
  VirtioNet& operator=(const VirtioNet&) = delete;
  /// Memory that the device may still use is quarantined.
  ~VirtioNet();

  void handle_interrupt();

  // NetDevice
  [[nodiscard]] std::size_t receive(std::span<RxFrame> out) override;
  void release(std::span<const RxFrame> frames) override;
  [[nodiscard]] std::size_t send(std::span<const TxRequest> requests) override {
    return requests.size() == 1 ? send_single(requests[0]) : send_several(requests.data(), requests.size());
  }
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
  [[nodiscard]] std::uint16_t mtu() const override { return std::min(mtu_limit_, device_mtu_); }
  [[nodiscard]] std::uint16_t device_mtu() const override { return device_mtu_; }
  [[nodiscard]] bsp::Result<void> set_mtu(std::uint16_t mtu) override;
  [[nodiscard]] NetStats stats() const override;
  void clear_stats() override;
  [[nodiscard]] std::size_t tx_in_flight() const override;
  [[nodiscard]] bool usable() const override { return state_ != State::failed; }
  void set_listener(NetListener listener) override { listener_ = listener; }
  [[nodiscard]] const virtio::Diagnostics* diagnostics() const override { return this; }
  [[nodiscard]] NetControl* control() override { return this; }

  // NetControl
  [[nodiscard]] bsp::Result<void> set_mac(const MacAddress& mac) override;
  [[nodiscard]] bsp::Result<void> set_receive_mode(ReceiveMode mode, bool on) override;
  [[nodiscard]] bool receive_mode(ReceiveMode mode) const override;
  [[nodiscard]] bsp::Result<void> add_multicast(const MacAddress& group) override;
  [[nodiscard]] bsp::Result<void> remove_multicast(const MacAddress& group) override;
  [[nodiscard]] std::span<const MacAddress> multicast() const override;
  [[nodiscard]] bool multicast_overflow() const override;
  [[nodiscard]] bsp::Result<void> add_vlan(std::uint16_t id) override;
  [[nodiscard]] bsp::Result<void> remove_vlan(std::uint16_t id) override;
  [[nodiscard]] bool has_vlan(std::uint16_t id) const override;
  [[nodiscard]] bsp::Result<void> announce() override;
  [[nodiscard]] bsp::Result<void> set_coalescing(TrafficDirection direction, Coalescing values) override;
  [[nodiscard]] Coalescing coalescing(TrafficDirection direction) const override;
  [[nodiscard]] bool can_coalesce() const override;
  [[nodiscard]] bool offload(std::size_t index, OffloadState& out) const override;
  [[nodiscard]] bsp::Result<void> set_offload(std::string_view name, bool on) override;
  [[nodiscard]] bsp::Result<void> set_queue_pairs(std::uint16_t pairs) override;
  [[nodiscard]] bsp::Result<void> device_stats(void (*function)(void* context, const DeviceStat& stat),
                                               void* context) override;

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
  [[nodiscard]] std::size_t receive_buffer_size() const override { return rx_buffer_bytes_; }
  [[nodiscard]] std::size_t queue_count() const override { return control_.usable() ? 3 : 2; }
  [[nodiscard]] bool queue_state(std::size_t index, virtio::QueueState& out) const override;
  [[nodiscard]] bool register_value(std::size_t index, virtio::RegisterValue& out) const override {
    return transport_.register_value(index, out);
  }

 private:
  enum class State : std::uint8_t { down, live, recovering, failed };
  /// Of a receive buffer. chain: the device has it, or, if the chain is kept (SplitRing::Taking), the consumer.
  enum class BufferOwner : std::uint8_t { nobody, chain, consumer };

  /// A queue with what its owner needs to drive it.
  struct Queue {
    virtio::Ring ring;
    virtio::Doorbell doorbell;
    std::uint16_t index{0};
    std::uint16_t size_max{0}; ///< what the device allows
    // The watchdog's notes of its last look.
    std::uint64_t moved_at{0};       ///< ticks: when it last saw the queue move
    std::uint64_t count_then{0};     ///< frames counted
    std::uint16_t in_flight_then{0}; ///< chains
    bool kicked{false};              ///< since it last moved
  };
  /// The fields of a received header that say what kind of frame it is.
  struct FrameKind {
    std::uint16_t flags_type;  ///< flags, and above them gso_type
    std::uint16_t num_buffers; ///< 1 without MRG_RXBUF
  };
  /// A transmit chain in flight, by token.
  struct TxSlot {
    Cookie cookie;
    std::uint32_t bytes;
  };
  /// What the loop over plain requests looks at.
  struct PlainSend {
    TxSlot* slots;
    std::uint64_t mtu;
    std::uint64_t hdr_len_mask;
  };
  /// The cookie of the driver's own announcement; never given to reclaim().
  static constexpr Cookie own_cookie{UINT64_MAX};
  /// Bytes between two transmit headers.
  static constexpr std::size_t header_room = 32;

  /// The segments of a frame in several buffers, behind its first; RxFrame::more_segments points into one until
  /// release().
  struct SegmentBlock {
    static constexpr std::size_t max_segments = 40;
    std::array<Segment, max_segments> segments;
  };
  static constexpr std::size_t segment_blocks = 32;
  /// A frame whose buffers have not all come yet (5.1.6.4).
  struct Assembly {
    RxFrame frame{};
    SegmentBlock* block{nullptr};
    std::uint16_t missing{0}; ///< buffers that still belong to it; 0: none is being put together
    std::uint16_t count{0};   ///< segments in `block`
    std::uint64_t since{0};   ///< ticks
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

  void enter(State state) {
    state_ = state;
    limit_plain();
  }

  // Bringing up (virtio_net_init.cpp).
  [[nodiscard]] bsp::Result<void> bring_up();
  [[nodiscard]] bsp::Result<void> bring_up_once();
  [[nodiscard]] bsp::Result<void> attach_interrupt();
  void detach_interrupt();
  [[nodiscard]] bsp::Result<virtio::FeatureSet> choose_features();
  void take_features(virtio::FeatureSet accepted);
  [[nodiscard]] OfferLimits read_offer_limits(virtio::FeatureSet offered) const;
  [[nodiscard]] bool mtu_is_usable(std::uint16_t mtu, virtio::FeatureSet wanted);
  [[nodiscard]] bool holds_big_buffers(std::size_t frame_size) const;
  [[nodiscard]] static bool fits_small_buffer(std::size_t frame_size) {
    return virtio_net::hash_header_size + frame_size <= small_buffer_bytes;
  }
  [[nodiscard]] std::size_t wanted_buffer_bytes() const;
  [[nodiscard]] std::uint16_t largest_mtu() const;
  [[nodiscard]] std::uint16_t ring_capacity() const;
  void choose_receive_buffers();
  [[nodiscard]] bsp::Result<void> allocate();
  [[nodiscard]] static std::size_t table_bytes(std::size_t limit);
  void carve_tables(std::size_t limit);
  [[nodiscard]] virtio::RingShape ring_shape(std::uint16_t capacity, std::uint16_t indirect_entries) const;
  [[nodiscard]] bsp::Result<void> set_up_queue(Queue& queue, std::uint16_t index);
  [[nodiscard]] bsp::Result<void> read_config();
  [[nodiscard]] ConfigFields read_config_once() const;
  void take_mac(const ConfigFields& fields);
  void take_link(const ConfigFields& fields);
  [[nodiscard]] std::size_t receive_budget() const;

  // Control (virtio_net_control.cpp, virtio_net_tuning.cpp).
  /// Sets the control queue up if it was negotiated. A device without it, or with a bad one, runs without.
  void set_up_control();
  [[nodiscard]] bsp::Result<void> enable_control();
  /// Once the device is live: tells it again what was set, and what the standard has off by default.
  void restore_settings();
  /// The device asked for an announcement: makes one, or plans it if the last one was just before.
  void answer_announce();
  [[nodiscard]] bsp::Result<void> send_announcement();
  /// Counts it, and logs a failure once per kind until a command succeeds again.
  [[nodiscard]] bsp::Result<void> command(std::uint8_t command_class, std::uint8_t command,
                                          std::initializer_list<std::span<const std::byte>> data,
                                          ControlAnswer answer = {});
  /// device_failed unless live, `lacking` unless the feature was accepted.
  [[nodiscard]] bsp::Result<void> require(virtio::Feature feature, bsp::Error lacking) const;
  [[nodiscard]] bool can_send(ReceiveMode mode) const;
  /// As the device has to be told: set, or all multicast because of a full table.
  [[nodiscard]] bool mode_is_on(ReceiveMode mode) const;
  [[nodiscard]] bsp::Result<void> let_all_multicast_in(bool on);
  void note_vlan(std::uint16_t id, bool there);
  /// The receive offloads that the device shall have on: negotiated, not switched off, and with all they need.
  [[nodiscard]] virtio::FeatureSet offloads_on() const;
  void check_coalescing(std::uint16_t queue, const Coalescing& values);
  [[nodiscard]] bsp::Result<void> queue_stats(std::uint16_t queue, std::uint64_t types,
                                              void (*function)(void* context, const DeviceStat& stat), void* context);
  [[nodiscard]] bsp::Result<void> send_mac();
  [[nodiscard]] bsp::Result<void> send_receive_mode(ReceiveMode mode);
  [[nodiscard]] bsp::Result<void> send_multicast();
  [[nodiscard]] bsp::Result<void> send_vlan(std::uint16_t id, bool add);
  [[nodiscard]] bsp::Result<void> send_offloads();
  [[nodiscard]] bsp::Result<void> send_coalescing(TrafficDirection direction);
  [[nodiscard]] bsp::Result<void> send_rss();

  // Events and recovery (virtio_net_recovery.cpp).
  void stop();
  void take_back_memory();
  void take_back_chains();
  void harvest();
  [[nodiscard]] bsp::Result<void> restart();
  void give_up();
  void recover();
  void schedule_recovery();
  void report(NetEvent event);
  void start_recovery(const char* reason);
  void handle_config_change();
  [[nodiscard]] std::uint64_t watch_due() const;
  [[nodiscard]] bool event_due(std::uint64_t now) const;
  void check_interrupts();
  void watch(std::uint64_t now);
  void watch_transmit(std::uint64_t now);
  void watch_receive(std::uint64_t now);
  void tx_timed_out();
  [[nodiscard]] bool reset_transmit_queue();
  void note_fault(const Queue& queue);

  // Data path (virtio_net_rx.cpp, virtio_net_tx.cpp).
  [[gnu::always_inline]] void kick(Queue& queue, std::optional<std::uint32_t> notification) {
    if (!notification) return;
    queue.doorbell.ring(*notification);
    stats_.notifications++;
  }
  [[nodiscard]] bool post_buffer(std::uint16_t buffer);
  void post_all_buffers();
  /// Whether buffers can be taken: while the consumer holds all segment blocks, only those of a frame that has one.
  [[nodiscard]] bool can_receive() const { return !mergeable_ || free_block_count_ + assembly_.missing != 0; }
  template <class Ring>
  [[nodiscard]] std::size_t receive_plain(Ring& ring, RxFrame* out, std::size_t most, std::optional<FrameKind>& kind);
  [[nodiscard]] std::size_t receive_some(std::span<RxFrame> out, std::optional<FrameKind>& kind);
  [[nodiscard]] std::size_t receive_rest(std::span<RxFrame> out, std::size_t plain, std::optional<FrameKind> kind);
  [[nodiscard]] bool receive_any(const std::optional<FrameKind>& kind, RxFrame& out, std::size_t& frames,
                                 bool& unsettled);
  void settle_receive();
  [[nodiscard]] bool take_buffer(const virtio::Used& used, const std::optional<FrameKind>& kind, RxFrame& out);
  [[nodiscard]] bool start_frame(std::uint16_t buffer, std::uint32_t length, const std::optional<FrameKind>& kind,
                                 RxFrame& out);
  [[nodiscard]] bool continue_frame(std::uint16_t buffer, std::uint32_t length, RxFrame& out);
  [[nodiscard]] bool read_header(const std::byte* start, const FrameKind& kind, RxFrame& frame);
  [[nodiscard]] bool finish_frame(RxFrame& frame);
  void drop_assembly();
  bool reject(std::uint64_t NetStats::*cause);
  void give_back(std::size_t buffer, BufferOwner owner);
  void give_back_to_nobody(const RxFrame& frame);
  [[nodiscard]] bool keeps_chain(const RxFrame& frame) const;
  void free_block(const RxFrame& frame);
  void release_one(const RxFrame& frame);
  template <class Ring> void release_on(Ring& ring, const RxFrame* frames, std::size_t count);
  template <class Ring> [[nodiscard]] std::size_t post_plain(Ring& ring, std::span<const RxFrame> frames);
  [[nodiscard]] std::size_t buffer_at(const std::byte* data) const;
  template <class Batch> [[nodiscard]] static bool queue_plain(Batch& batch, const TxRequest& request, PlainSend how);
  [[nodiscard]] PlainSend plain_send() const;
  [[nodiscard]] bool takes_requests() const { return state_ == State::live && finished_count_ == 0; }
  void limit_plain();
  [[nodiscard]] std::size_t send_single(const TxRequest& request);
  [[nodiscard]] std::size_t send_several(const TxRequest* requests, std::size_t count);
  template <class Ring> [[nodiscard]] std::size_t send_one(Ring& ring, const TxRequest& request);
  template <class Ring> [[nodiscard]] std::size_t send_on(Ring& ring, const TxRequest* requests, std::size_t count);
  template <class Ring> [[nodiscard]] bool queue_checked(Ring& ring, const TxRequest& request);
  template <class Ring> [[nodiscard]] bool queue_request(Ring& ring, const TxRequest& request);
  template <class Ring> [[nodiscard]] std::size_t reclaim_plain(Ring& ring, TxCompletion* out, std::size_t most);
  template <class Ring> [[nodiscard]] std::size_t reclaim_from(Ring& ring, TxCompletion* out, std::size_t most);
  [[nodiscard]] bsp::Result<void> check_offload(const TxRequest& request, std::uint64_t total) const;
  void write_header(std::byte* at, const TxRequest& request, std::uint32_t total) const;
  /// Counts a finished chain; false if it was the driver's own.
  [[nodiscard]] bool complete(const virtio::Used& used, TxCompletion& out);

  virtio::Transport& transport_;
  Config config_;
  State state_{State::down};

  virtio::FeatureSet offered_{};
  virtio::FeatureSet accepted_{};
  OfferLimits limits_{}; ///< what the configuration says of the features offered
  std::uint16_t header_size_{virtio_net::header_size};
  bool interrupt_attached_{false};
  bool memory_is_lent_{false};    ///< the device was told of our memory, and no reset has been confirmed since
  bool split_header_{false};      ///< legacy without ANY_LAYOUT: the header in a descriptor of its own (5.1.6.6)
  bool mergeable_{false};         ///< MRG_RXBUF was accepted
  std::uint16_t hdr_len_mask_{0}; ///< all ones if a header's hdr_len is to say how long the frame is (write_header())

  // In the order in which their memory is taken: the arena gets it back in reverse.
  Queue rx_;
  Queue tx_;
  bsp::DmaBuffer tx_headers_; ///< a header a transmit chain
  bsp::DmaBuffer tables_;     ///< private: the spans below
  bsp::DmaBuffer rx_memory_;  ///< the receive budget
  ControlQueue control_;
  bsp::DmaBuffer announcement_;
  std::size_t rx_buffer_bytes_{small_buffer_bytes};      ///< a multiple of 64
  std::size_t rx_stride_{0};                             ///< from one buffer to the next
  std::size_t rx_frame_limit_{0};                        ///< the longest frame that is delivered
  std::uint16_t rx_buffer_count_{0};                     ///< buffers that rx_memory_ is divided into
  std::span<BufferOwner> rx_owners_;                     ///< by buffer
  std::span<std::byte*> rx_starts_;                      ///< by token: the chain's buffer
  std::uint64_t rx_handle_base_{std::uint64_t{1} << 16}; ///< of a frame with its chain: this and the token; else 0
  std::span<TxSlot> tx_slots_;                           ///< by token
  std::span<TxCompletion> finished_;                     ///< what a reset left for reclaim() to give back
  std::size_t finished_count_{0};
  std::span<SegmentBlock> blocks_;
  std::span<std::uint8_t> free_blocks_; ///< places in blocks_
  std::size_t free_block_count_{0};
  Assembly assembly_;

  MacAddress mac_{};
  MacAddress config_mac_{}; ///< as the configuration has it
  bool mac_is_local_{false};
  Link link_{};
  std::uint16_t device_mtu_{default_mtu};
  std::uint16_t mtu_limit_{UINT16_MAX}; ///< set by set_mtu()
  std::uint16_t plain_mtu_{0};          ///< of what goes out without another look; 0: nothing does (limit_plain())

  NetStats stats_{};
  NetListener listener_{};

  unsigned recoveries_{0}; ///< in a row
  std::uint64_t recovered_at_{0};
  std::uint64_t recover_not_before_{0};
  std::uint64_t config_not_before_{0};
  std::uint64_t status_not_before_{0};    ///< ticks: when prepare_idle() may read the status again
  bool status_owed_{false};               ///< it slept without, and a notification may have been lost
  std::uint64_t watch_at_{0};             ///< ticks: when the watchdog wants to look
  std::uint64_t announce_at_{UINT64_MAX}; ///< ticks: when a planned announcement is due
  std::uint64_t announce_not_before_{0};
  std::uint8_t control_failures_logged_{0}; ///< a bit a kind, since the last success
  bool control_missing_logged_{false};
  bool config_unstable_logged_{false}; ///< since it was last read in one piece
  bool announce_requested_{false};     ///< by the configuration, when last read
  bool announcement_in_flight_{false};
  bool interrupts_armed_{false};  ///< prepare_idle() found nothing to do, and no interrupt has come since
  bool interrupts_proven_{false}; ///< the device has interrupted for used buffers
  bool interrupts_lost_{false};   ///< used buffers came without, more than once

  NetSettings settings_; // behind what the data path uses: the offsets of that stay small

  /// Written in interrupt context, read and cleared by the main loop.
  struct {
    std::atomic<std::uint64_t> interrupts{0};
    std::atomic<std::uint64_t> spurious{0};
    std::atomic<bool> config_change{false};
    std::atomic<bool> used_buffer{false};
  } irq_;
};

} // namespace net
