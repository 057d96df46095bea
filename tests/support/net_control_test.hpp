// SPDX-License-Identifier: BSD-2-Clause
// VirtioNetTest with a device that has a control queue: its ring is checked, its commands are served as soon as they
// are announced. Include after the standard headers.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bsp/log.hpp"
#include "tests/support/fake_net_control.hpp"
#include "tests/support/virtio_net_test.hpp"

namespace test {

class NetControlTest : public VirtioNetTest {
 protected:
  using Names = std::vector<FakeNetControl::Name>;
  static constexpr FakeNetControl::Name promisc{0, 0}, allmulti{0, 1}, mac_table_set{1, 0}, mac_addr_set{1, 1},
      vlan_add{2, 0}, vlan_del{2, 1}, announce_ack{3, 0}, pairs_set{4, 0}, rss_config{4, 1}, hash_config{4, 2},
      offloads_set{5, 0}, coal_tx_set{6, 0}, coal_rx_set{6, 1}, coal_vq_set{6, 2}, coal_vq_get{6, 3};
  /// Offered by have_control().
  static constexpr FeatureSet control_features{Feature::net_ctrl_vq,       Feature::net_ctrl_rx,
                                               Feature::net_ctrl_vlan,     Feature::net_ctrl_rx_extra,
                                               Feature::net_ctrl_mac_addr, Feature::net_guest_announce};

  FakeRingDevice control_ring{memory};
  FakeNetControl control{memory};
  unsigned control_index{2};
  bool answers{true};
  std::uint32_t answer_takes_us{0};
  std::vector<std::string> lines; ///< of the log

  void setup() override {
    VirtioNetTest::setup();
    bsp::log::set_sink(
        [](void* context, bsp::log::Level level, std::string_view text) {
          if (level <= bsp::log::Level::warn) static_cast<NetControlTest*>(context)->lines.emplace_back(text);
        },
        this);
    have_control(Version::modern);
  }
  void teardown() override {
    control_ring.check();
    STRCMP_EQUAL("", control_ring.violations().c_str());
    STRCMP_EQUAL("", control.violations().c_str());
    bsp::log::set_sink(nullptr, nullptr);
    VirtioNetTest::teardown();
  }

  /// A new device with a control queue of 64 entries at `control_index`.
  void have_control(Version version) {
    net.reset();
    user = {};
    std::destroy_at(&arena); // what an interface leaves behind
    std::construct_at(&arena, bytes, bsp::BusAddress{bus_base});
    user = *arena.allocate(0x8000, 64);
    make_device(version);
    device->offered |= control_features.bits();
    place_control(2);
    device->on_queue_ready = [this](unsigned index) {
      if (index < 2) return queue_ready(index);
      if (index != control_index) return device->violation("a queue was set up that has no use");
      control_ready();
    };
    device->on_reset = [this] {
      stop_rings();
      control_ring.stop();
    };
    device->on_driver_ok = [this] {
      control.restart(device->accepted(), is_legacy() && !device->accepted().has(Feature::any_layout), pairs_max());
    };
    device->on_notify = [this](unsigned index) {
      if (index == control_index && answers) return serve();
      notified(index);
    };
    control.on_announce_ack = [this] { device->set_config16(6, 1); };
  }
  void place_control(unsigned index) {
    control_index = index;
    device->queues.resize(index + 1);
    device->queues[index].size_max = 64;
  }
  [[nodiscard]] std::uint16_t pairs_max() const {
    return static_cast<std::uint16_t>(device->config[8] | device->config[9] << 8);
  }
  void control_ready() {
    const FakeVirtioMmio::Queue& queue = device->queues[control_index];
    const auto size = static_cast<std::uint16_t>(queue.size);
    const FakeRingDevice::Areas areas =
        is_legacy()
            ? FakeRingDevice::legacy_areas(std::uint64_t{queue.pfn} * device->guest_page_size(), size, queue.align)
            : FakeRingDevice::Areas{size, queue.address[0], queue.address[1], queue.address[2]};
    control_ring.go_live(areas, device->accepted().has(Feature::event_idx));
  }
  void serve() {
    for (const auto& chain : control_ring.take_available()) {
      fake_clock().advance_us(answer_takes_us);
      control_ring.complete(chain, control.handle(chain.pieces));
    }
  }

  /// The commands since the last call.
  Names taken() {
    Names names = control.names();
    control.log.clear();
    return names;
  }
  /// The last command's data, a span for each descriptor.
  void check_data(const std::vector<Bytes>& spans) { CHECK(control.last().data == spans); }
  [[nodiscard]] unsigned lines_with(std::string_view part) const {
    unsigned count = 0;
    for (const std::string& line : lines)
      if (line.find(part) != std::string::npos) count++;
    return count;
  }
  static net::MacAddress group(unsigned number) {
    return {{0x01, 0x00, 0x5e, 0x00, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
  }
  /// Each kind of device that the rules for control commands differ for.
  template <class Test> void on_every_device(Test&& test) {
    for (const Version version : {Version::modern, Version::legacy}) {
      for (const bool any_layout : {true, false}) {
        if (version == Version::modern && !any_layout) continue;
        have_control(version);
        if (version == Version::legacy && !any_layout) withhold(Feature::any_layout);
        test();
      }
    }
  }
  static void check_error(bsp::Error expected, const bsp::Result<void>& result) {
    CHECK(!result.has_value());
    STRCMP_EQUAL(to_string(expected), to_string(result.error()));
  }
  static void check_ok(const bsp::Result<void>& result) {
    STRCMP_EQUAL("ok", result ? "ok" : to_string(result.error()));
  }
};

} // namespace test
