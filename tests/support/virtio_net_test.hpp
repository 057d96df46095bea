// SPDX-License-Identifier: BSD-2-Clause
// What the VirtioNet tests share: the driver over a checking transport, with all queues played by checking devices of
// either ring format, and an interrupt line. A control queue, if there is one, says OK to everything. Include after the
// standard headers.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/net/virtio_net.hpp"
#include "drivers/virtio/mmio_transport.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_queue.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

namespace test {

/// One interrupt line with one handler.
class FakeIrqLine final : public irqchip::Irqchip {
 public:
  bsp::Result<void> attach(std::uint32_t source, irqchip::Handler handler, std::string_view) override {
    if (refuses) return bsp::fail(bsp::Error::interrupt_table_full);
    attached_source = source;
    handler_ = handler;
    return {};
  }
  void detach(std::uint32_t, void*) override { handler_ = {}; }
  void handle_external_interrupt() override {
    if (handler_.function != nullptr) handler_.function(handler_.context);
  }
  std::uint64_t spurious_count() const override { return 0; }
  std::uint64_t unhandled_count() const override { return 0; }
  bool source_info(std::size_t, irqchip::SourceInfo&) const override { return false; }
  std::string_view name() const override { return "line"; }
  [[nodiscard]] bool attached() const { return handler_.function != nullptr; }

  bool refuses{false};
  std::uint32_t attached_source{0};

 private:
  irqchip::Handler handler_{};
};

/// struct virtio_net_hdr as a test fills it in.
struct NetHeader {
  std::uint8_t flags{0};
  std::uint8_t gso_type{0};
  std::uint16_t hdr_len{0};
  std::uint16_t gso_size{0};
  std::uint16_t csum_start{0};
  std::uint16_t csum_offset{0};
  std::uint16_t num_buffers{1};
};

class VirtioNetTest : public Utest {
 protected:
  using Version = FakeVirtioMmio::Version;
  using Feature = virtio::Feature;
  using FeatureSet = virtio::FeatureSet;
  static constexpr std::uint64_t bus_base = 0x8000'0000;
  static constexpr std::size_t memory_size = 0x180000;
  static constexpr std::array<std::uint8_t, 6> device_mac{0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
  struct alignas(4096) Page {
    std::byte bytes[4096];
  };

  CleanBus clean;
  std::vector<Page> pages{std::vector<Page>(memory_size / sizeof(Page))};
  std::span<std::byte> bytes{pages.data()->bytes, memory_size};
  bsp::DmaArena arena{bytes, bsp::BusAddress{bus_base}};
  bsp::DmaBuffer user; ///< the caller's memory for frames to send
  DeviceMemory memory{bytes, bus_base};
  std::unique_ptr<FakeVirtioMmio> device;
  std::unique_ptr<virtio::MmioTransport> modern;
  std::unique_ptr<virtio::LegacyMmioTransport> legacy;
  FakeQueue rings[2]{FakeQueue{memory}, FakeQueue{memory}};
  FakeQueue command_ring{memory}; ///< of the control queue
  FakeIrqLine irq;
  std::optional<net::VirtioNet> net;
  std::deque<FakeQueue::Chain> rx_chains; ///< receive buffers that the device holds
  std::uint16_t queue_size{8};
  std::size_t receive_budget{0};
  FeatureSet refused{};
  bool polled{false}; ///< no interrupt controller
  std::vector<net::NetEvent> events;
  unsigned traffic_seed{0};

  void setup() override {
    fake_cpu().reset();
    fake_bus().log_enabled = false;
    start_over(Version::modern);
  }
  void teardown() override {
    for (FakeQueue* ring : {&rings[0], &rings[1], &command_ring}) {
      ring->check();
      STRCMP_EQUAL("", ring->violations().c_str());
    }
    STRCMP_EQUAL("", device->violations().c_str());
    STRCMP_EQUAL("", memory.breaches().c_str());
    net.reset();
  }

  /// A new device in new memory; everything before it is gone.
  void start_over(Version version, bool packed = false) {
    net.reset();
    user = {};
    std::destroy_at(&arena);
    std::construct_at(&arena, bytes, bsp::BusAddress{bus_base});
    std::memset(bytes.data(), 0xa5, bytes.size());
    user = *arena.allocate(0x8000, 64);
    events.clear();
    if (device) STRCMP_EQUAL("", device->violations().c_str());
    stop_rings();
    make_device(version);
    if (packed) offer(Feature::ring_packed);
  }
  /// The test on each kind of ring: split and packed on Version 2, split on Version 1. Features above 31 that it offers
  /// are cut off on Version 1.
  template <class Test> void over_all_rings(Test&& test) {
    over_modern_rings(test);
    start_over(Version::legacy);
    test();
  }
  template <class Test> void over_modern_rings(Test&& test) {
    for (const bool packed : {false, true}) {
      start_over(Version::modern, packed);
      test();
    }
  }

  void make_device(Version version) {
    device.reset();
    device = std::make_unique<FakeVirtioMmio>(version);
    const FeatureSet type{Feature::net_mac, Feature::net_status, Feature::net_mtu, Feature::net_speed_duplex};
    if (version == Version::modern) device->offered = (type | FeatureSet{Feature::version_1}).bits();
    if (version == Version::legacy) device->offered = (type | FeatureSet{Feature::any_layout}).word(0);
    for (std::uint32_t i = 0; i < 6; i++)
      device->set_config8(i, device_mac[i]);
    device->set_config16(6, 1);
    device->set_config16(8, 1);
    device->set_config16(10, 1500);
    device->set_config32(12, 1000);
    device->set_config8(16, 1);
    device->set_config8(17, 40); // RSS and HASH_REPORT: the guaranteed minimum
    device->set_config16(18, 128);
    device->set_config32(20, 0x1ff);
    device->on_queue_ready = [this](unsigned index) { queue_ready(index); };
    device->on_queue_reset = [this](unsigned index) {
      ring_of(index).stop();
      if (index == 0) rx_chains.clear();
    };
    device->on_reset = [this] { stop_rings(); };
    device->on_notify = [this](unsigned index) {
      if (index >= 2) return say_ok();
      notified(index);
    };
    for (FakeQueue& ring : rings)
      ring.on_interrupt = [this] { device->raise_used(); };
  }
  virtual void notified(unsigned) {}
  FakeQueue& ring_of(unsigned index) { return index < 2 ? rings[index] : command_ring; }
  void stop_rings() {
    for (FakeQueue* ring : {&rings[0], &rings[1], &command_ring})
      ring->stop();
    rx_chains.clear();
  }
  void queue_ready(unsigned index) {
    const FakeVirtioMmio::Queue& queue = device->queues[index];
    const auto size = static_cast<std::uint16_t>(queue.size);
    const FakeQueue::Areas areas =
        is_legacy()
            ? FakeRingDevice::legacy_areas(std::uint64_t{queue.pfn} * device->guest_page_size(), size, queue.align)
            : FakeQueue::Areas{size, queue.address[0], queue.address[1], queue.address[2]};
    const FeatureSet accepted = device->accepted();
    ring_of(index).go_live(areas, {.packed = accepted.has(Feature::ring_packed),
                                   .event_idx = accepted.has(Feature::event_idx),
                                   .indirect = accepted.has(Feature::indirect_desc),
                                   .in_order = accepted.has(Feature::in_order)});
  }
  /// A device with a control queue at `index`.
  void have_control_queue(unsigned index = 2) {
    offer(Feature::net_ctrl_vq);
    device->queues.resize(index + 1);
  }
  void say_ok() {
    for (const auto& chain : command_ring.take_available()) {
      command_ring.write(chain, Bytes(chain.length(true)));
      command_ring.complete(chain, chain.length(true));
    }
  }

  virtio::Transport& make_transport() {
    if (device->version_register == 1) {
      legacy = std::make_unique<virtio::LegacyMmioTransport>(device->base(), 8);
      return *legacy;
    }
    modern = std::make_unique<virtio::MmioTransport>(device->base(), 8);
    return *modern;
  }
  bsp::Result<void> create() {
    const net::VirtioNet::Config config{.name = "net0",
                                        .queue_size = queue_size,
                                        .mac_seed = 42,
                                        .arena = &arena,
                                        .irqchip = polled ? nullptr : &irq,
                                        .receive_budget = receive_budget,
                                        .refused = refused};
    const bsp::Result<void> result = net::VirtioNet::create(net, make_transport(), config);
    if (net) {
      net->set_listener({[](void* context, net::NetDevice&, net::NetEvent event) {
                           static_cast<VirtioNetTest*>(context)->events.push_back(event);
                         },
                         this});
    }
    return result;
  }
  void bring_up() {
    const bsp::Result<void> result = create();
    if (!result) FAIL(to_string(result.error()));
  }
  [[nodiscard]] bool is_legacy() const { return device->version_register == 1; }
  [[nodiscard]] std::size_t header_size() const {
    if (device->accepted().has(Feature::net_hash_report)) return 20;
    return is_legacy() && !device->accepted().has(Feature::net_mrg_rxbuf) ? 10 : 12;
  }
  [[nodiscard]] FeatureSet offered() const { return FeatureSet{device->offered}; }
  void offer(Feature feature) { offer(FeatureSet{feature}); }
  void offer(FeatureSet features) { device->offered |= is_legacy() ? features.word(0) : features.bits(); }
  /// MRG_RXBUF, and what it is needed for: frames that are longer than a buffer.
  void offer_merging() {
    offer({Feature::net_mrg_rxbuf, Feature::net_mtu});
    device->set_config16(10, 9000);
  }
  void withhold(Feature feature) { device->offered &= ~FeatureSet{feature}.bits(); }

  // ---- interrupts ----
  /// Runs the handler as long as the line is up, as an interrupt controller would.
  unsigned take_interrupts() {
    unsigned count = 0;
    while (device->line_raised() && irq.attached() && count < 10) {
      irq.handle_external_interrupt();
      count++;
    }
    if (count == 10) device->violation("the interrupt line stays up");
    return count;
  }
  void change_config() {
    device->generation++;
    device->raise_config();
    take_interrupts();
    fake_clock().advance_us(10'000); // changes are looked at this often
    net->service();
  }

  // ---- the device receives from the driver and sends to it ----
  static Bytes frame(std::size_t size, std::uint8_t seed = 1) {
    Bytes all(size);
    for (std::size_t i = 0; i < size; i++)
      all[i] = static_cast<std::uint8_t>(i * 7 + seed);
    if (size >= 14) all[12] = 0x08, all[13] = 0x00;
    return all;
  }
  static Bytes raw_header(const NetHeader& header, std::size_t size) {
    Bytes all{header.flags, header.gso_type};
    for (const std::uint16_t field :
         {header.hdr_len, header.gso_size, header.csum_start, header.csum_offset, header.num_buffers}) {
      all.push_back(static_cast<std::uint8_t>(field));
      all.push_back(static_cast<std::uint8_t>(field >> 8));
    }
    all.resize(size);
    return all;
  }
  std::size_t fetch_buffers() {
    for (auto& chain : rings[0].take_available())
      rx_chains.push_back(chain);
    return rx_chains.size();
  }
  /// Puts a frame behind `header` into the next receive buffer; false if the driver left none.
  bool deliver(const Bytes& frame, const NetHeader& header = {}) {
    Bytes all = raw_header(header, header_size());
    all.insert(all.end(), frame.begin(), frame.end());
    return deliver_raw(all, static_cast<std::uint32_t>(all.size()));
  }
  bool deliver_raw(const Bytes& all, std::uint32_t length) {
    fetch_buffers();
    if (rx_chains.empty()) return false;
    const FakeQueue::Chain chain = rx_chains.front();
    rx_chains.pop_front();
    rings[0].write(chain, all);
    rings[0].complete(chain, length);
    return true;
  }
  bool deliver_raw(const Bytes& all) { return deliver_raw(all, static_cast<std::uint32_t>(all.size())); }
  /// The same frame cut over several buffers (5.1.6.4), header and frame together `sizes` bytes in each but the last.
  std::vector<Bytes> cut(const Bytes& frame, NetHeader header, const std::vector<std::size_t>& sizes) const {
    header.num_buffers = static_cast<std::uint16_t>(sizes.size() + 1);
    Bytes all = raw_header(header, header_size());
    all.insert(all.end(), frame.begin(), frame.end());
    std::vector<Bytes> parts;
    std::size_t at = 0;
    for (const std::size_t size : sizes) {
      parts.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at),
                         all.begin() + static_cast<std::ptrdiff_t>(at + size));
      at += size;
    }
    parts.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(at), all.end());
    return parts;
  }
  void deliver_parts(const std::vector<Bytes>& parts) {
    for (const Bytes& part : parts)
      CHECK(deliver_raw(part));
  }
  /// Over as few buffers as it takes.
  void deliver_merged(const Bytes& frame, const NetHeader& header = {}) {
    const std::size_t all = frame.size() + header_size();
    deliver_parts(cut(frame, header, std::vector<std::size_t>((all - 1) / 2048, 2048)));
  }
  /// What was given to transmit since the last call, with headers; used at once if `complete`.
  std::vector<Bytes> transmitted(bool complete = true, std::uint32_t length = 0) {
    std::vector<Bytes> all;
    for (const auto& chain : rings[1].take_available()) {
      all.push_back(rings[1].read(chain));
      if (complete) rings[1].complete(chain, length);
    }
    return all;
  }

  // ---- the driver's user ----
  static Bytes bytes_of(const net::RxFrame& frame) {
    Bytes all;
    const auto append = [&](const net::Segment& segment) {
      const auto* const data = reinterpret_cast<const std::uint8_t*>(segment.data);
      all.insert(all.end(), data, data + segment.length);
    };
    append(frame.first);
    for (const net::Segment& segment : frame.more())
      append(segment);
    return all;
  }
  std::vector<Bytes> received(std::size_t most = 64) {
    std::vector<net::RxFrame> frames(most);
    frames.resize(net->receive(frames));
    std::vector<Bytes> all;
    for (const net::RxFrame& one : frames)
      all.push_back(bytes_of(one));
    net->release(frames);
    return all;
  }
  /// Sends one frame in pieces of `piece` bytes (0: in one), with `headroom` bytes before the first. The frame's memory
  /// is at `slot` of 16 in the caller's memory.
  std::size_t send(const Bytes& frame, std::size_t piece = 0, std::uint16_t headroom = 0, unsigned slot = 0) {
    std::vector<net::Segment> segments;
    const net::TxRequest request = make_request(segments, frame, piece, headroom, slot);
    return net->send({&request, 1});
  }
  net::TxRequest make_request(std::vector<net::Segment>& segments, const Bytes& frame, std::size_t piece = 0,
                              std::uint16_t headroom = 0, unsigned slot = 0) {
    const std::size_t start = slot * std::size_t{2048} + 64;
    std::memset(user.data() + start - 64, 0xee, 64);
    if (!frame.empty()) std::memcpy(user.data() + start, frame.data(), frame.size());
    if (piece == 0) piece = std::max<std::size_t>(frame.size(), 1);
    for (std::size_t at = 0; at < frame.size(); at += piece) {
      const auto length = static_cast<std::uint32_t>(std::min(piece, frame.size() - at));
      segments.push_back({user.data() + start + at, user.bus(start + at), length});
    }
    net::TxRequest request;
    request.segments = segments;
    request.cookie = net::Cookie{0x1000U + slot};
    request.headroom = headroom;
    return request;
  }
  std::vector<net::TxCompletion> reclaimed() {
    std::vector<net::TxCompletion> done(64);
    done.resize(net->reclaim(done));
    return done;
  }
  /// Calls service() until a recovery is over; the clock runs.
  void settle() {
    for (int i = 0; i < 1000 && net->usable(); i++) {
      fake_clock().advance_us(1000);
      net->service();
      if (!events.empty() && events.back() == net::NetEvent::recovered && !net->work_pending()) return;
    }
  }
  /// A frame each way, to the byte.
  void check_traffic() {
    const auto seed = static_cast<std::uint8_t>(traffic_seed += 3);
    const Bytes out = frame(60, seed);
    LONGS_EQUAL(1, send(out));
    const auto sent = transmitted();
    LONGS_EQUAL(1, sent.size());
    CHECK(Bytes(sent[0].begin() + static_cast<std::ptrdiff_t>(header_size()), sent[0].end()) == out);
    LONGS_EQUAL(1, reclaimed().size());
    const Bytes in = frame(100, seed);
    CHECK(deliver(in));
    const auto got = received();
    LONGS_EQUAL(1, got.size());
    CHECK(got[0] == in);
  }
  /// Every buffer of the receive queue is the device's, and a whole ring each way passes: nothing leaked.
  void check_all_buffers_are_there() {
    const std::size_t buffers = fetch_buffers();
    LONGS_EQUAL(device->queues[0].size, buffers);
    for (std::size_t i = 0; i < buffers; i++)
      CHECK(deliver(frame(60, static_cast<std::uint8_t>(i))));
    CHECK_FALSE(deliver(frame(60)));
    const auto got = received();
    LONGS_EQUAL(buffers, got.size());
    for (std::size_t i = 0; i < buffers; i++)
      CHECK(got[i] == frame(60, static_cast<std::uint8_t>(i)));
    LONGS_EQUAL(buffers, fetch_buffers());
    LONGS_EQUAL(0, net->tx_in_flight());
    unsigned sent = 0;
    while (send(frame(60), 0, static_cast<std::uint16_t>(header_size()), sent % 8) == 1)
      sent++;
    LONGS_EQUAL(device->queues[1].size, sent);
    LONGS_EQUAL(sent, transmitted().size());
    LONGS_EQUAL(sent, reclaimed().size());
    LONGS_EQUAL(0, net->tx_in_flight());
  }
};

} // namespace test
