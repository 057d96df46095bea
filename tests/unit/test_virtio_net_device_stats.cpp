// SPDX-License-Identifier: BSD-2-Clause
// The device's statistics, asked over the control queue: which are asked for, and what is made of the answers.
#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "tests/support/net_control_test.hpp"

using bsp::Error;
using test::Bytes;
using test::FakeNetControl;
using virtio::Feature;

namespace {

class DeviceStatsTest : public test::NetControlTest {
 protected:
  static constexpr FakeNetControl::Name query{8, 0}, get{8, 1};
  static constexpr std::uint64_t every_type = 0x1'000f'000f;
  using Stat = std::tuple<std::string, unsigned, std::uint64_t>;
  std::vector<Stat> stats;

  void have_stats(FeatureSet more = {}) {
    have_control(Version::modern);
    offer(Feature::net_device_stats);
    device->offered |= more.bits();
    bring_up();
    control.stats_types = every_type;
    control.log.clear();
  }
  bsp::Result<void> ask() {
    stats.clear();
    return net->device_stats(
        [](void* context, const net::DeviceStat& stat) {
          static_cast<std::vector<Stat>*>(context)->emplace_back(stat.name, stat.queue, stat.value);
        },
        &stats);
  }
  [[nodiscard]] std::uint64_t types_asked(std::size_t command) const {
    return test::number(control.log.at(command).all_data(), 8, 8);
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetDeviceStats, DeviceStatsTest) {};
// clang-format on

// proves: NET-CTRL-41, NET-CTRL-42, NET-CTRL-43, NET-CTRL-01
TEST(VirtioNetDeviceStats, AsksEachQueueForWhatTheDeviceHasAndTheFeaturesAllow) {
  have_stats();
  check_ok(ask());
  CHECK(control.names() == Names({query, get, get, get}));
  CHECK(types_asked(1) == 0x9 && types_asked(2) == 0x9'0000 && types_asked(3) == 0x1'0000'0000);
  for (const auto& command : control.log) {
    LONGS_EQUAL(2, command.writable.size());
    LONGS_EQUAL(1, command.writable[0]); // the ack, then the result
  }
  LONGS_EQUAL(6 + 2 + 6 + 2 + 2, stats.size());
  CHECK(stats[0] == Stat("rx_notifications", 0, 0));
  CHECK(stats[5] == Stat("rx_drop_overruns", 0, 5));
  CHECK(stats[7] == Stat("rx_bytes_allowance_exceeded", 0, 31));
  CHECK(stats[8] == Stat("tx_notifications", 1, 1160));
  CHECK(stats[16] == Stat("command_num", 2, 2320));
  CHECK(stats[17] == Stat("ok_num", 2, 2321));

  have_stats({Feature::net_csum, Feature::net_guest_csum, Feature::net_host_tso4, Feature::net_guest_tso4,
              Feature::net_mrg_rxbuf});
  check_ok(ask());
  CHECK(types_asked(1) == 0xf && types_asked(2) == 0xf'0000);
  LONGS_EQUAL(6 + 4 + 4 + 2 + 6 + 2 + 6 + 2 + 2, stats.size());
}

// proves: NET-CTRL-42
TEST(VirtioNetDeviceStats, AsksForNoTypeThatTheDeviceDoesNotName) {
  have_stats();
  control.stats_types = 0x8 | 0xffff'fff0'fff0'fff0; // and many that nobody knows
  check_ok(ask());
  CHECK(control.names() == Names({query, get}));
  CHECK(types_asked(1) == 0x8);
  LONGS_EQUAL(2, stats.size());
  control.log.clear();
  control.stats_types = 0;
  check_ok(ask());
  CHECK(control.names() == Names{query});
  LONGS_EQUAL(0, stats.size());
}

// proves: NET-CTRL-41
TEST(VirtioNetDeviceStats, AsksNothingWithoutTheFeature) {
  bring_up();
  control.log.clear();
  check_error(Error::device_lacks_device_stats, ask());
  CHECK(taken() == Names{});
}

// proves: NET-CTRL-44
TEST(VirtioNetDeviceStats, MakesRoomForEntriesThatAreLongerThanKnown) {
  have_stats();
  control.script.stats_extra_bytes = 24;
  check_ok(ask());
  CHECK(control.names() == Names({query, get, get, get, get, get, get}));
  LONGS_EQUAL(6 + 2 + 6 + 2 + 2, stats.size());
  CHECK(stats[7] == Stat("rx_bytes_allowance_exceeded", 0, 31));
  for (const std::size_t command : {1U, 3U, 5U})
    CHECK(control.log[command + 1].writable[1] > control.log[command].writable[1]);
  LONGS_EQUAL(0, lines.size());
}

TEST(VirtioNetDeviceStats, ReportsNothingThatMakesNoSense) {
  have_stats();
  control.stats_types = 1;
  const auto spoil = [this](std::size_t at, std::uint8_t value) {
    control.script.on_result = [at, value](Bytes& result) { result[at] = value; };
    check_ok(ask());
    LONGS_EQUAL(0, stats.size());
  };
  spoil(0, 7);    // a type that was not asked for
  spoil(0, 16);   // one for another kind of queue
  spoil(0, 200);  // none at all
  spoil(2, 1);    // another queue
  spoil(6, 0);    // no size
  spoil(6, 7);    // under the header
  spoil(7, 0xff); // beyond the buffer
  LONGS_EQUAL(7, lines_with("net0: device leaves out statistics of queue 0"));
  control.script.on_result = [](Bytes& result) { result[6] = 24; }; // fewer counters than known
  check_ok(ask());
  LONGS_EQUAL(2, stats.size());
  control.script.on_result = [](Bytes& result) { // the same again and again
    result[6] = 16;
    for (std::size_t at = 16; at + 16 <= result.size(); at += 16)
      std::copy_n(result.begin(), 16, result.begin() + static_cast<std::ptrdiff_t>(at));
  };
  check_ok(ask());
  LONGS_EQUAL(1, stats.size());
}

TEST(VirtioNetDeviceStats, PassesOnARefusal) {
  have_stats();
  control.script.refuses = [](const FakeNetControl::Command& command) { return command.name == get; };
  control.script.fills_answers_on_error = true;
  check_error(Error::control_refused, ask());
  LONGS_EQUAL(0, stats.size());
  control.script.refuses = [](const FakeNetControl::Command& command) { return command.name == query; };
  check_error(Error::control_refused, ask());
  LONGS_EQUAL(0, stats.size());
}
