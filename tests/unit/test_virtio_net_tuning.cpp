// SPDX-License-Identifier: BSD-2-Clause
// Queue pairs and hashing, guest offloads and coalescing, told over the control queue; and what is never told.
#include <string>
#include <vector>

#include "drivers/net/virtio_net_features.hpp"
#include "tests/support/net_control_test.hpp"

using bsp::Error;
using net::Coalescing;
using net::TrafficDirection;
using test::Bytes;
using test::FakeNetControl;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

class PairsTest : public test::NetControlTest {
 protected:
  void have_hashing(std::uint32_t types = 0x1ff, unsigned table = 128, unsigned key = 40) {
    have_control(Version::modern);
    device->offered |= FeatureSet{Feature::net_rss, Feature::net_hash_report, Feature::net_mq}.bits();
    device->set_config16(8, 4);
    device->set_config8(17, static_cast<std::uint8_t>(key));
    device->set_config16(18, static_cast<std::uint16_t>(table));
    device->set_config32(20, types);
    control.hash_types = types;
    place_control(8);
  }
};

} // namespace

// clang-format off
TEST_GROUP_BASE(VirtioNetPairs, PairsTest) {};
// clang-format on

// proves: NET-CTRL-15, NET-CTRL-17, NET-CTRL-20, NET-CTRL-21
TEST(VirtioNetPairs, UsesTheFirstPairAloneWhateverTheDeviceCould) {
  on_every_device([this] {
    offer(Feature::net_mq);
    device->set_config16(8, 4);
    place_control(8);
    bring_up();
    CHECK(taken() == Names{promisc}); // multiqueue is off after a reset
    const auto check_queues = [this] {
      for (unsigned i = 0; i < 20; i++)
        check_traffic();
      for (const std::uint32_t queue : device->notifications)
        CHECK(queue == 0 || queue == 1 || queue == 8);
      for (const unsigned index : {2U, 3U, 4U, 5U, 6U, 7U})
        CHECK(!device->queues[index].ready && device->queues[index].pfn == 0);
    };
    check_queues();
    check_ok(net->set_queue_pairs(1));
    check_queues();
    CHECK(taken() == Names{pairs_set});
  });
}

// proves: NET-CTRL-19, NET-CTRL-18, LEG-13
TEST(VirtioNetPairs, AsksForAsManyPairsAsAreSetUpAndNoOthers) {
  on_every_device([this] {
    offer(Feature::net_mq);
    device->set_config16(8, 4);
    place_control(8);
    bring_up();
    control.log.clear();
    for (const unsigned pairs : {0U, 2U, 4U, 5U, 0x8000U, 0xffffU})
      check_error(Error::invalid_argument, net->set_queue_pairs(static_cast<std::uint16_t>(pairs)));
    CHECK(taken() == Names{});
    control.script.refuses = [this](const FakeNetControl::Command& command) {
      const auto count = static_cast<unsigned>(test::number(command.all_data(), 0, 2));
      for (unsigned i = 0; i < 2 * count; i++)
        CHECK(is_legacy() ? device->queues[i].pfn != 0 : device->queues[i].ready); // configured before
      return false;
    };
    check_ok(net->set_queue_pairs(1));
    check_data({{1, 0}});
    control.script.refuses = nullptr;
  });
}

TEST(VirtioNetPairs, HasNothingToSetWithoutMqAndRss) {
  bring_up();
  check_error(Error::device_lacks_mq, net->set_queue_pairs(1));
}

// proves: NET-CTRL-22
TEST(VirtioNetPairs, WaitsUntilTheDeviceHasUsedTheCommand) {
  offer(Feature::net_mq);
  bring_up();
  device->set_config16(8, 4);
  place_control(8);
  CHECK(net->reset().has_value());
  answers = false;
  unsigned looks = 0;
  test::fake_bus().on_fence = [&](test::Fence fence) {
    if (fence == test::Fence::before_suppression_check && ++looks == 1000) serve();
  };
  check_ok(net->set_queue_pairs(1));
  test::fake_bus().on_fence = nullptr;
  LONGS_EQUAL(1000, looks);
}

// proves: NET-CTRL-16, NET-CTRL-25, NET-CTRL-24
TEST(VirtioNetPairs, ConfiguresWhatWasNegotiatedOfHashingAndQueues) {
  for (const bool mq : {false, true}) {
    for (const bool rss : {false, true}) {
      for (const bool hash : {false, true}) {
        have_hashing();
        if (!mq) withhold(Feature::net_mq);
        if (!rss) withhold(Feature::net_rss);
        if (!hash) withhold(Feature::net_hash_report);
        place_control(mq || rss ? 8 : 2);
        bring_up();
        const FeatureSet accepted = device->accepted();
        CHECK(accepted.has(Feature::net_mq) == mq);
        CHECK(accepted.has(Feature::net_rss) == rss);
        CHECK(accepted.has(Feature::net_hash_report) == hash);
        const Names names = taken();
        LONGS_EQUAL(rss ? 1 : 0, std::ranges::count(names, rss_config));
        LONGS_EQUAL(!rss && hash ? 1 : 0, std::ranges::count(names, hash_config));
        if (mq || rss) check_ok(net->set_queue_pairs(1));
        CHECK(taken() == (rss ? Names{rss_config} : mq ? Names{pairs_set} : Names{})); // the last command decides
      }
    }
  }
}

// proves: NET-CTRL-26, NET-CTRL-27, NET-CTRL-28, NET-CTRL-29, NET-CTRL-30, NET-CTRL-31, NET-CTRL-50
TEST(VirtioNetPairs, SendsTheRssConfigurationToTheByte) {
  for (const std::uint32_t types : {0x1ffU, 0x5U, 0xffff'ff10U}) {
    have_hashing(types, 128, types == 0x5 ? 255 : 40); // the key is as long as ever where a longer one would be taken
    bring_up();
    LONGS_EQUAL(1, control.log.front().data.size());
    const Bytes data = control.rss;
    LONGS_EQUAL(4 + 2 + 2 + 2 + 2 + 1 + 40, data.size());
    LONGS_EQUAL(types & 0x1ff, test::number(data, 0, 4));            // those of the device that are known
    CHECK(Bytes(data.begin() + 4, data.begin() + 13) == Bytes({0, 0, // mask: a table of one entry
                                                               0, 0, // unclassified: receive queue 0
                                                               0, 0, // the table
                                                               1, 0, // one transmit queue
                                                               40}));
    CHECK(test::number(data, 13, 8) != 0);
    for (unsigned i = 0; i < 5; i++) {
      LONGS_EQUAL(1, send(frame(60)));
      LONGS_EQUAL(1, transmitted().size());
      LONGS_EQUAL(1, reclaimed().size());
    }
    for (const std::uint32_t queue : device->notifications)
      CHECK(queue == 0 || queue == 1 || queue == 8);
    control.log.clear();
    CHECK(net->reset().has_value());
    CHECK(control.rss == data);
    control.log.clear();
  }
}

// proves: NET-CTRL-25, NET-CTRL-28, NET-CTRL-31, ROB-25
TEST(VirtioNetPairs, DoesWithoutHashingBelowTheGuaranteedMinimum) {
  struct Limits {
    std::uint32_t types;
    unsigned table;
    unsigned key;
    bool rss;
    bool hash;
  };
  for (const Limits& limits :
       {Limits{0x1ff, 128, 40, true, true}, Limits{0x1ff, 127, 40, false, true}, Limits{0x1ff, 0, 40, false, true},
        Limits{0x1ff, 128, 39, false, false}, Limits{0x1ff, 128, 0, false, false}, Limits{0, 128, 40, false, false},
        Limits{0xffff'fe00, 128, 255, false, false}}) {
    have_hashing(limits.types, limits.table, limits.key);
    bring_up();
    CHECK(device->accepted().has(Feature::net_rss) == limits.rss);
    CHECK(device->accepted().has(Feature::net_hash_report) == limits.hash);
    LONGS_EQUAL(limits.rss ? 1 : 0, control.count(rss_config));
    LONGS_EQUAL(limits.hash && !limits.rss ? 1 : 0, control.count(hash_config));
    control.log.clear();
  }
}

// proves: NET-CTRL-23, NET-CTRL-24, NET-CTRL-29, NET-CTRL-48
TEST(VirtioNetPairs, ConfiguresHashReportsWithoutRssAgainAfterAReset) {
  have_hashing(0x25, 128, 52);
  withhold(Feature::net_rss);
  bring_up();
  LONGS_EQUAL(1, control.count(hash_config));
  const Bytes data = control.hash;
  LONGS_EQUAL(4 + 8 + 1 + 40, data.size());
  LONGS_EQUAL(0x25, test::number(data, 0, 4));
  LONGS_EQUAL(0, test::number(data, 4, 8));
  LONGS_EQUAL(40, data[12]);
  control.log.clear();
  CHECK(net->reset().has_value());
  CHECK(taken() == Names({hash_config, promisc}));
  CHECK(control.hash == data);
}

// ---- offloads

TEST_GROUP_BASE(VirtioNetOffloads, test::NetControlTest) {
  static constexpr FeatureSet guest{Feature::net_guest_csum, Feature::net_guest_tso4, Feature::net_guest_tso6,
                                    Feature::net_guest_ecn, Feature::net_guest_ufo};
  void have_offloads(Version version = Version::modern) {
    have_control(version);
    device->offered |= guest.bits();
    offer(Feature::net_ctrl_guest_offloads);
    offer(Feature::net_mrg_rxbuf);
    offer(Feature::net_csum);
    offer(Feature::net_host_tso4);
  }
  /// "guest_csum+ csum+!": those there are, on or off, fixed.
  [[nodiscard]] std::string offloads() const {
    std::string all;
    net::OffloadState state{};
    for (std::size_t i = 0; net->offload(i, state); i++) {
      all += (all.empty() ? "" : " ") + std::string{state.name} + (state.on ? "+" : "-");
      if (state.fixed) all += "!";
    }
    return all;
  }
};

// proves: NET-CTRL-32, NET-CTRL-33, NET-CTRL-48, LEG-13
TEST(VirtioNetOffloads, SwitchesReceiveOffloadsAndAgainAfterAReset) {
  for (const Version version : {Version::modern, Version::legacy}) {
    have_offloads(version);
    bring_up();
    STRCMP_EQUAL("guest_csum+ guest_tso4+ guest_tso6+ guest_ecn+ guest_ufo+ csum+! host_tso4+!", offloads().c_str());
    control.log.clear();
    check_ok(net->set_offload("guest_tso4", false));
    CHECK(taken() == Names{offloads_set});
    CHECK(control.offloads == guest.without({Feature::net_guest_tso4}).bits());
    STRCMP_EQUAL("guest_csum+ guest_tso4- guest_tso6+ guest_ecn+ guest_ufo+ csum+! host_tso4+!", offloads().c_str());
    CHECK(net->reset().has_value());
    CHECK(control.last().name == offloads_set);
    check_data({{0x02, 0x07, 0, 0, 0, 0, 0, 0}});
    CHECK(control.offloads == guest.without({Feature::net_guest_tso4}).bits());
    check_ok(net->set_offload("guest_tso4", true));
    CHECK(control.offloads == guest.bits());
    control.log.clear();
    CHECK(net->reset().has_value());
    CHECK(taken() == Names{promisc}); // all on is what the device starts with
  }
}

// proves: NET-CTRL-33
TEST(VirtioNetOffloads, EnablesNothingThatWasNotNegotiatedOrLacksWhatItNeeds) {
  have_offloads();
  withhold(Feature::net_guest_ufo);
  bring_up();
  control.log.clear();
  for (const char* name : {"guest_ufo", "guest_uso4", "host_uso", "mac", ""})
    check_error(Error::invalid_argument, net->set_offload(name, true));
  CHECK(taken() == Names{});
  check_ok(net->set_offload("guest_tso4", false));
  check_ok(net->set_offload("guest_tso6", false));
  CHECK(control.offloads == FeatureSet{Feature::net_guest_csum}.bits()); // ECN is nothing without TSO
  check_ok(net->set_offload("guest_tso6", true));
  check_ok(net->set_offload("guest_csum", false));
  LONGS_EQUAL(0, control.offloads); // no segmentation without checksums
  STRCMP_EQUAL("guest_csum- guest_tso4- guest_tso6- guest_ecn- csum+! host_tso4+!", offloads().c_str());
  control.log.clear();
  check_error(Error::invalid_argument, net->set_offload("guest_tso4", true));
  CHECK(taken() == Names{});
  check_ok(net->set_offload("guest_csum", true));
  STRCMP_EQUAL("guest_csum+ guest_tso4- guest_tso6+ guest_ecn+ csum+! host_tso4+!", offloads().c_str());
}

// proves: NET-CTRL-32
TEST(VirtioNetOffloads, SendsNoOffloadsWithoutTheFeatureAndNoneThatAreFixed) {
  have_offloads();
  bring_up();
  control.log.clear();
  check_error(Error::not_supported, net->set_offload("csum", false));
  CHECK(taken() == Names{});
  have_offloads();
  withhold(Feature::net_ctrl_guest_offloads);
  bring_up();
  control.log.clear();
  check_error(Error::device_lacks_ctrl_guest_offloads, net->set_offload("guest_tso4", false));
  CHECK(net->reset().has_value());
  CHECK(taken() == Names{promisc});
  STRCMP_EQUAL("guest_csum+! guest_tso4+! guest_tso6+! guest_ecn+! guest_ufo+! csum+! host_tso4+!", offloads().c_str());
}

// proves: NET-CTRL-32
TEST(VirtioNetOffloads, SaysNothingOfOffloadsOnceTheDeviceSwitchesNoneAnyMore) {
  have_offloads();
  bring_up();
  check_ok(net->set_offload("guest_tso4", false));
  control.log.clear();
  withhold(Feature::net_ctrl_guest_offloads);
  CHECK(net->reset().has_value());
  CHECK(taken() == Names{promisc});
}

TEST(VirtioNetOffloads, KeepsAnOffloadThatTheDeviceDoesNotSwitch) {
  have_offloads();
  bring_up();
  control.script.ack = 1;
  check_error(Error::control_refused, net->set_offload("guest_csum", false));
  net::OffloadState state{};
  CHECK(net->offload(0, state));
  CHECK(state.on);
}

// proves: NET-CTRL-51
TEST(VirtioNetOffloads, IsReadyForEveryReceiveOffloadFromTheStart) {
  for (const Version version : {Version::modern, Version::legacy}) {
    have_offloads(version);
    bring_up();
    LONGS_EQUAL(0, control.count(offloads_set));
    test::NetHeader header;
    header.flags = 1; // NEEDS_CSUM
    header.csum_start = 34;
    header.csum_offset = 16;
    header.gso_type = 1; // TCPv4
    header.gso_size = 512;
    Bytes all = raw_header(header, 12);
    const Bytes super = frame(1800);
    all.insert(all.end(), super.begin(), super.end());
    CHECK(deliver_raw(all, static_cast<std::uint32_t>(all.size())));
    net::RxFrame got[1];
    LONGS_EQUAL(1, net->receive(got));
    LONGS_EQUAL(1800, got[0].length());
    CHECK(got[0].checksum == net::Checksum::partial);
    CHECK(got[0].gso == net::Gso::tcp4);
    net->release(got);
    control.log.clear();
  }
}

// ---- coalescing

TEST_GROUP_BASE(VirtioNetCoalescing, test::NetControlTest) {
  static constexpr Coalescing some{.max_usecs = 64, .max_packets = 0x0102'0304};
  void have_coalescing(bool all_queues, bool per_queue) {
    have_control(Version::modern);
    if (all_queues) offer(Feature::net_notf_coal);
    if (per_queue) offer(Feature::net_vq_notf_coal);
    bring_up();
    control.log.clear();
  }
};

// proves: NET-CTRL-38, NET-CTRL-39, NET-CTRL-48
TEST(VirtioNetCoalescing, SetsAllQueuesOfADirectionAndAgainAfterAReset) {
  have_coalescing(true, false);
  CHECK(net->can_coalesce());
  CHECK(net->coalescing(TrafficDirection::receive) == Coalescing{});
  check_ok(net->set_coalescing(TrafficDirection::receive, some));
  check_data({{4, 3, 2, 1, 64, 0, 0, 0}});
  check_ok(net->set_coalescing(TrafficDirection::transmit, {5, 6}));
  check_data({{6, 0, 0, 0, 5, 0, 0, 0}});
  CHECK(taken() == Names({coal_rx_set, coal_tx_set}));
  CHECK(net->coalescing(TrafficDirection::receive) == some);
  CHECK(net->reset().has_value());
  CHECK(taken() == Names({promisc, coal_rx_set, coal_tx_set}));
  CHECK(control.coalescing[0] == (FakeNetControl::Coalescing{0x0102'0304, 64}));
  CHECK(control.coalescing[1] == (FakeNetControl::Coalescing{6, 5}));
  LONGS_EQUAL(0, lines.size());
}

// proves: NET-CTRL-37, NET-CTRL-38, NET-CTRL-39, NET-CTRL-49
TEST(VirtioNetCoalescing, SetsEachQueueAndReadsItBackWhereOnlyThatIsOffered) {
  have_coalescing(false, true);
  check_ok(net->set_coalescing(TrafficDirection::receive, some));
  CHECK(control.log[0].data == std::vector<Bytes>({{0, 0, 0, 0, 4, 3, 2, 1, 64, 0, 0, 0}}));
  CHECK(control.log[1].data == std::vector<Bytes>({{0, 0, 0, 0}}));
  CHECK(control.log[1].writable == std::vector<std::uint32_t>({8, 1}));
  check_ok(net->set_coalescing(TrafficDirection::transmit, {5, 6}));
  CHECK(control.log[2].data == std::vector<Bytes>({{1, 0, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0}}));
  CHECK(taken() == Names({coal_vq_set, coal_vq_get, coal_vq_set, coal_vq_get}));
  LONGS_EQUAL(0, lines.size());
  CHECK(net->reset().has_value());
  CHECK(taken() == Names({promisc, coal_vq_set, coal_vq_get, coal_vq_set, coal_vq_get}));

  have_coalescing(true, true);
  check_ok(net->set_coalescing(TrafficDirection::transmit, some));
  CHECK(taken() == Names({coal_tx_set, coal_vq_get}));
}

// proves: NET-CTRL-40
TEST(VirtioNetCoalescing, BelievesWhatIsReadBackOnlyIfTheAckIsOk) {
  have_coalescing(false, true);
  control.script.coalescing_answer_offset = 1;
  check_ok(net->set_coalescing(TrafficDirection::receive, {5, 6}));
  LONGS_EQUAL(1, lines.size());
  STRCMP_EQUAL("net0: queue 0 coalesces 6 us, 7 frames, not 5 us, 6 frames", lines[0].c_str());
  lines.clear();
  control.script.fills_answers_on_error = true;
  control.script.refuses = [](const FakeNetControl::Command& command) { return command.name == coal_vq_get; };
  check_ok(net->set_coalescing(TrafficDirection::receive, {5, 6}));
  LONGS_EQUAL(1, lines.size());
  STRCMP_EQUAL("net0: control command NOTF_COAL_VQ_GET: device refused the command", lines[0].c_str());
  CHECK(net->coalescing(TrafficDirection::receive) == (Coalescing{5, 6}));
}

// proves: NET-CTRL-38, NET-CTRL-39
TEST(VirtioNetCoalescing, SendsNothingWithoutEitherFeature) {
  have_coalescing(false, false);
  CHECK(!net->can_coalesce());
  check_error(Error::device_lacks_notf_coal, net->set_coalescing(TrafficDirection::receive, some));
  CHECK(net->reset().has_value());
  CHECK(taken() == Names{promisc});
}

// proves: NET-CTRL-38, NET-CTRL-39
TEST(VirtioNetCoalescing, SendsNothingOnceTheDeviceOffersNeitherFeatureAnyMore) {
  for (const bool per_queue : {false, true}) {
    have_coalescing(!per_queue, per_queue);
    check_ok(net->set_coalescing(TrafficDirection::receive, some));
    check_ok(net->set_coalescing(TrafficDirection::transmit, some));
    control.log.clear();
    withhold(per_queue ? Feature::net_vq_notf_coal : Feature::net_notf_coal);
    CHECK(net->reset().has_value());
    CHECK(taken() == Names{promisc});
  }
}

// proves: NET-CTRL-38, NET-CTRL-39
TEST(VirtioNetCoalescing, SendsNothingThatIsOfferedButWasNotAccepted) {
  refused = {Feature::net_notf_coal, Feature::net_vq_notf_coal};
  have_coalescing(true, true);
  CHECK(!net->can_coalesce());
  check_error(Error::device_lacks_notf_coal, net->set_coalescing(TrafficDirection::transmit, some));
  CHECK(taken() == Names{});
}

TEST(VirtioNetCoalescing, KeepsTheOldValuesIfTheDeviceRefusesTheNewOnes) {
  have_coalescing(true, false);
  check_ok(net->set_coalescing(TrafficDirection::receive, {5, 6}));
  control.script.ack = 1;
  check_error(Error::control_refused, net->set_coalescing(TrafficDirection::receive, some));
  CHECK(net->coalescing(TrafficDirection::receive) == (Coalescing{5, 6}));
}

// ---- what this driver leaves alone

TEST_GROUP_BASE(VirtioNetNeverSends, test::NetControlTest){};

// proves: NET-CTRL-34, NET-CTRL-35, NET-CTRL-36, NET-CTRL-45, NET-CTRL-46, NET-CTRL-47
TEST(VirtioNetNeverSends, TunnelHashingOrRssContexts) {
  device->offered = ~std::uint64_t{0};
  device->script.word_beyond_63 = 0xffff'ffff; // RSS_CONTEXT is bit 64
  for (const Feature feature :
       {Feature::ring_packed, Feature::in_order, Feature::indirect_desc, Feature::notification_data})
    withhold(feature); // the rings of this test are plain
  device->set_config16(8, 4);
  device->set_config8(17, 40);
  device->set_config16(18, 128);
  device->set_config32(20, 0xffff'ffff);
  device->set_config32(24, 0xffff'ffff); // supported_tunnel_types
  control.hash_types = 0xffff'ffff;
  control.stats_types = ~std::uint64_t{0};
  place_control(8);
  device->on_config_read = [this](std::uint32_t offset) {
    if (offset >= 24) device->violation("a field of a feature that was not accepted was read");
  };
  bring_up();
  CHECK(!device->accepted().has(Feature::net_hash_tunnel));
  for (const std::uint32_t word : device->feature_words_written)
    CHECK(word < 2);
  check_ok(net->set_mac({{2, 0, 0, 0, 0, 1}}));
  check_ok(net->add_multicast(group(1)));
  check_ok(net->add_vlan(1));
  check_ok(net->set_receive_mode(net::ReceiveMode::nobcast, true));
  check_ok(net->set_offload("guest_csum", false));
  check_ok(net->set_coalescing(TrafficDirection::receive, {1, 1}));
  check_ok(net->set_queue_pairs(1));
  check_ok(net->device_stats([](void*, const net::DeviceStat&) {}, nullptr));
  check_ok(net->announce());
  CHECK(net->reset().has_value());
  CHECK(control.log.size() > 20);
  for (const FakeNetControl::Name& name : control.names()) {
    CHECK(name.first != 7);   // HASH_TUNNEL
    CHECK(name.first != 9);   // RSS contexts
    CHECK(name != pairs_set); // with RSS accepted, RSS_CONFIG is all that is told
  }
}
