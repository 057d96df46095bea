// SPDX-License-Identifier: BSD-2-Clause
// Which features of an offer the network driver accepts (2.2.1, 5.1.3, 6), and what follows for the header: its size,
// and that nothing of what was never accepted is in it or read out of it.
#include <algorithm>
#include <random>
#include <vector>

#include "tests/support/virtio_net_test.hpp"

using test::Bytes;
using test::NetHeader;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

/// What a modern device may negotiate with this driver, as long as no VLAN is filtered; bit by bit, on purpose.
const FeatureSet own_features{
    Feature::net_csum,
    Feature::net_guest_csum,
    Feature::net_ctrl_guest_offloads,
    Feature::net_mtu,
    Feature::net_mac,
    Feature::net_guest_tso4,
    Feature::net_guest_tso6,
    Feature::net_guest_ecn,
    Feature::net_guest_ufo,
    Feature::net_host_tso4,
    Feature::net_host_tso6,
    Feature::net_host_ecn,
    Feature::net_host_ufo,
    Feature::net_mrg_rxbuf,
    Feature::net_status,
    Feature::net_ctrl_vq,
    Feature::net_ctrl_rx,
    Feature::net_ctrl_rx_extra,
    Feature::net_guest_announce,
    Feature::net_mq,
    Feature::net_ctrl_mac_addr,
    Feature::indirect_desc,
    Feature::event_idx,
    Feature::version_1,
    Feature::access_platform,
    Feature::ring_packed,
    Feature::in_order,
    Feature::order_platform,
    Feature::notification_data,
    Feature::ring_reset,
    Feature::net_device_stats,
    Feature::net_vq_notf_coal,
    Feature::net_notf_coal,
    Feature::net_guest_uso4,
    Feature::net_guest_uso6,
    Feature::net_host_uso,
    Feature::net_hash_report,
    Feature::net_guest_hdrlen,
    Feature::net_rss,
    Feature::net_rsc_ext,
    Feature::net_speed_duplex,
};

struct Dependency {
  Feature feature;
  std::vector<Feature> any_of;
};
/// 5.1.3.1, and what it omits (5.1.6.5.4, 5.1.6.5.8).
const Dependency dependencies[] = {
    {Feature::net_guest_tso4, {Feature::net_guest_csum}},
    {Feature::net_guest_tso6, {Feature::net_guest_csum}},
    {Feature::net_guest_ufo, {Feature::net_guest_csum}},
    {Feature::net_guest_uso4, {Feature::net_guest_csum}},
    {Feature::net_guest_uso6, {Feature::net_guest_csum}},
    {Feature::net_guest_ecn, {Feature::net_guest_tso4, Feature::net_guest_tso6}},
    {Feature::net_host_tso4, {Feature::net_csum}},
    {Feature::net_host_tso6, {Feature::net_csum}},
    {Feature::net_host_ufo, {Feature::net_csum}},
    {Feature::net_host_uso, {Feature::net_csum}},
    {Feature::net_host_ecn, {Feature::net_host_tso4, Feature::net_host_tso6}},
    {Feature::net_ctrl_rx, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_vlan, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_rx_extra, {Feature::net_ctrl_vq}},
    {Feature::net_guest_announce, {Feature::net_ctrl_vq}},
    {Feature::net_guest_announce, {Feature::net_status}},
    {Feature::net_mq, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_mac_addr, {Feature::net_ctrl_vq}},
    {Feature::net_ctrl_guest_offloads, {Feature::net_ctrl_vq}},
    {Feature::net_rss, {Feature::net_ctrl_vq}},
    {Feature::net_notf_coal, {Feature::net_ctrl_vq}},
    {Feature::net_vq_notf_coal, {Feature::net_ctrl_vq}},
    {Feature::net_device_stats, {Feature::net_ctrl_vq}},
    {Feature::net_hash_report, {Feature::net_ctrl_vq}},
    {Feature::net_hash_tunnel, {Feature::net_ctrl_vq}},
    {Feature::net_hash_tunnel, {Feature::net_rss, Feature::net_hash_report}},
    {Feature::net_rsc_ext, {Feature::net_host_tso4, Feature::net_host_tso6}},
};

bool fulfilled(const Dependency& dependency, FeatureSet features) {
  return std::ranges::any_of(dependency.any_of, [&](Feature feature) { return features.has(feature); });
}

FeatureSet closed(FeatureSet features) {
  for (std::size_t i = 0; i < std::size(dependencies); i++) // the longest way through the table is shorter
    for (const Dependency& dependency : dependencies)
      if (!fulfilled(dependency, features)) features.remove(dependency.feature);
  return features;
}

/// Of what a device with an MTU of 1500 offers.
FeatureSet chosen(FeatureSet features, bool legacy = false) {
  constexpr FeatureSet large{Feature::net_guest_tso4, Feature::net_guest_tso6, Feature::net_guest_ufo,
                             Feature::net_guest_uso4, Feature::net_guest_uso6};
  features = closed(features);
  if (!legacy && (features & large) == FeatureSet{}) features.remove(Feature::net_mrg_rxbuf);
  return features;
}

/// `feature` and just enough of what it needs, `chosen` among it where it is one of several.
FeatureSet with_needs(Feature feature, Feature chosen) {
  FeatureSet all{feature};
  for (const Dependency& dependency : dependencies) {
    if (dependency.feature != feature) continue;
    const bool has_choice = std::ranges::find(dependency.any_of, chosen) != dependency.any_of.end();
    all = all | with_needs(has_choice ? chosen : dependency.any_of.front(), chosen);
  }
  return all;
}

} // namespace

TEST_GROUP_BASE(VirtioNetFeatures, test::VirtioNetTest){void setup() override{VirtioNetTest::setup();
receive_budget = 0x110000; // enough for super-frames in one buffer: no offload is left out for want of memory
}
/// A new device that has a control queue and offers this, up and carrying traffic.
void come_up_with(std::uint64_t features, Version version = Version::modern) {
  start_over(version);
  device->queues.resize(3);
  device->offered = features;
  if (version == Version::modern) offer(Feature::version_1);
  device->script.word_beyond_63 = 0xffff'ffff;
  bring_up();
  CHECK(net->accepted_features() == device->accepted());
  check_traffic();
}
void check_accepted(FeatureSet expected) const {
  UNSIGNED_LONGLONGS_EQUAL(expected.bits(), device->accepted().bits());
}
/// Whether a frame arrives behind this header, and to the byte.
bool arrives(net::RxFrame& one, const Bytes& header, const Bytes& in) {
  Bytes all = header;
  all.insert(all.end(), in.begin(), in.end());
  CHECK(deliver_raw(all));
  one = {};
  if (net->receive({&one, 1}) == 0) return false;
  CHECK(bytes_of(one) == in);
  net->release({&one, 1});
  return true;
}
net::RxFrame arriving(const Bytes& header, const Bytes& in) {
  net::RxFrame one;
  CHECK(arrives(one, header, in));
  return one;
}
net::RxFrame arriving(const NetHeader& header) {
  return arriving(raw_header(header, header_size()), frame(200));
}
bool is_dropped(const NetHeader& header) {
  net::RxFrame one;
  return !arrives(one, raw_header(header, header_size()), frame(200));
}
}
;

// ---- offers
// ----------------------------------------------------------------------------------------------------------

// proves: FEAT-04, FEAT-05, FEAT-06, FEAT-07, FEAT-10, FEAT-12, FEAT-14, FEAT-17, FEAT-18, FEAT-20
// proves: NET-CFG-15, NET-CFG-20
TEST(VirtioNetFeatures, AcceptsExactlyItsOwnListIfEverythingIsOffered) {
  come_up_with(~std::uint64_t{0});
  check_accepted(own_features);
  for (const Feature missing : {Feature::ring_packed, Feature::net_ctrl_vq}) {
    come_up_with(~FeatureSet{missing}.bits());
    check_accepted(closed(own_features.without({missing})));
  }
  come_up_with(~FeatureSet{Feature::ring_packed, Feature::net_ctrl_vq}.bits());
  check_accepted(closed(own_features.without({Feature::ring_packed, Feature::net_ctrl_vq})));
}

// proves: FEAT-04, FEAT-05, FEAT-06, FEAT-07, FEAT-10, FEAT-17, FEAT-18, NET-CFG-15, NET-TX-22
TEST(VirtioNetFeatures, JudgesEachBitByItself) {
  for (unsigned bit = 0; bit < 64; bit++) {
    const FeatureSet alone{std::uint64_t{1} << bit | FeatureSet{Feature::version_1}.bits()};
    come_up_with(alone.bits());
    check_accepted(chosen(alone & own_features));
  }
}

// proves: FEAT-01, FEAT-02, FEAT-03, FEAT-04, ROB-14
// proves: NET-CFG-03, NET-CFG-04, NET-CFG-05, NET-CFG-06, NET-CFG-07, NET-CFG-08, NET-CFG-09, NET-CFG-10
// proves: NET-CFG-12, NET-CFG-13, NET-CFG-29
TEST(VirtioNetFeatures, AcceptsTheLargestClosedSubsetOfAnyOffer) {
  std::mt19937_64 random{3};
  for (int i = 0; i < 400; i++) {
    const bool old = i % 8 == 7;
    std::uint64_t offer = i % 2 == 0 ? random() : random() | random();
    if (old) offer &= 0xffff'ffff;
    come_up_with(offer, old ? Version::legacy : Version::modern);
    const FeatureSet accepted = device->accepted();
    CHECK((accepted.bits() & ~device->offered) == 0);
    for (const Dependency& dependency : dependencies)
      CHECK(!accepted.has(dependency.feature) || fulfilled(dependency, accepted));
    const FeatureSet own = old ? own_features | FeatureSet{Feature::any_layout} : own_features;
    check_accepted(chosen(own & offered(), old));
  }
}

TEST(VirtioNetFeatures, MergesBuffersOnlyForFramesThatAreLongerThanOne) {
  const std::uint64_t merging = FeatureSet{Feature::net_mrg_rxbuf, Feature::net_mtu}.bits();
  for (const std::uint16_t mtu : {1500, 2010, 2011, 9000, 65535}) {
    start_over(Version::modern);
    device->offered = merging;
    offer(Feature::version_1);
    device->set_config16(10, mtu);
    bring_up();
    CHECK(device->accepted().has(Feature::net_mtu));
    CHECK(device->accepted().has(Feature::net_mrg_rxbuf) == (mtu > 2010));
    if (mtu > 2010) check_traffic();
  }
  for (const Feature large : {Feature::net_guest_tso4, Feature::net_guest_tso6, Feature::net_guest_ufo,
                              Feature::net_guest_uso4, Feature::net_guest_uso6}) {
    come_up_with(FeatureSet{Feature::net_mrg_rxbuf, Feature::net_guest_csum, large}.bits());
    CHECK(device->accepted().has(Feature::net_mrg_rxbuf));
    come_up_with(FeatureSet{Feature::net_mrg_rxbuf, large}.bits()); // which needs GUEST_CSUM
    CHECK_FALSE(device->accepted().has(Feature::net_mrg_rxbuf));
  }
  come_up_with(FeatureSet{Feature::net_mrg_rxbuf}.bits(), Version::legacy); // its header has a field less without
  CHECK(device->accepted().has(Feature::net_mrg_rxbuf));
}

// proves: FEAT-02, FEAT-03, ROB-14
// proves: NET-CFG-03, NET-CFG-04, NET-CFG-05, NET-CFG-06, NET-CFG-07, NET-CFG-08, NET-CFG-09, NET-CFG-10
// proves: NET-CFG-12, NET-CFG-13, NET-CFG-29
TEST(VirtioNetFeatures, AcceptsAFeatureWithWhatItNeedsAndNotWithout) {
  for (const Dependency& dependency : dependencies) {
    FeatureSet needed;
    for (const Feature feature : dependency.any_of)
      needed.add(feature);
    come_up_with(~needed.bits());
    CHECK_FALSE(device->accepted().has(dependency.feature));
    if (!own_features.has(dependency.feature)) continue;
    for (const Feature feature : dependency.any_of) {
      const FeatureSet enough = with_needs(dependency.feature, feature);
      come_up_with(enough.bits());
      check_accepted(enough | FeatureSet{Feature::version_1});
    }
  }
}

// RSS_CONTEXT, the tunnel features, OUT_NET_HEADER and IPSEC have bits from 64 on; 46 to 49 stand for the tunnel
// features on devices with 64 feature bits.
// proves: NET-CFG-11
TEST(VirtioNetFeatures, NeverAcceptsAFeatureBeyondWordOneNorWhatStandsForIt) {
  std::vector<std::uint64_t> missing{0};
  for (const Feature feature : {Feature::net_host_tso4, Feature::net_host_tso6, Feature::net_host_uso,
                                Feature::net_guest_tso4, Feature::net_guest_tso6, Feature::net_guest_uso4,
                                Feature::net_guest_uso6, Feature::net_ctrl_vq, Feature::net_rss})
    missing.push_back(FeatureSet{feature}.bits());
  for (const std::uint64_t one : missing) {
    come_up_with(~one);
    CHECK(device->feature_words_written == std::vector<std::uint32_t>({0, 1}));
    LONGS_EQUAL(0, device->accepted().bits() >> 46 & 0xf);
  }
}

// ---- the header's size
// -----------------------------------------------------------------------------------------------

// proves: NET-TX-02, NET-TX-01, NET-RX-15
TEST(VirtioNetFeatures, GivesTheHeaderTwelveBytesOrTwentyWithHashesBothWays) {
  for (const bool packed : {false, true}) {
    for (const bool hash : {false, true}) {
      FeatureSet missing;
      if (!packed) missing.add(Feature::ring_packed);
      if (!hash) missing.add(Feature::net_hash_report);
      come_up_with(~missing.bits());
      const std::size_t size = hash ? 20 : 12;
      LONGS_EQUAL(size, net->header_size());
      LONGS_EQUAL(1, send(frame(60)));
      const Bytes out = transmitted().at(0);
      CHECK(Bytes(out.begin() + static_cast<std::ptrdiff_t>(size), out.end()) == frame(60));
      LONGS_EQUAL(60, arriving(raw_header({}, size), frame(60)).length());
      net::RxFrame one;
      CHECK_FALSE(arrives(one, raw_header({}, size), frame(13)));
      LONGS_EQUAL(1, net->stats().rx_frame_short);
    }
  }
}

// proves: NET-RX-15
TEST(VirtioNetFeatures, ReadsAHashOnlyWhereOneIsReported) {
  come_up_with(~std::uint64_t{0});
  for (std::uint8_t report = 0; report <= 9; report++) {
    Bytes header = raw_header({}, 20);
    header[12] = 0x78, header[13] = 0x56, header[14] = 0x34, header[15] = 0x12;
    header[16] = report;
    header[18] = header[19] = 0xff; // padding
    const net::RxFrame one = arriving(header, frame(60));
    LONGS_EQUAL(report, one.hash_report);
    UNSIGNED_LONGS_EQUAL(report == 0 ? 0 : 0x1234'5678, one.hash);
  }
  come_up_with(~FeatureSet{Feature::net_hash_report}.bits());
  const net::RxFrame one = arriving(raw_header({}, 12), Bytes(60, 0x05)); // where the hash would be there are addresses
  LONGS_EQUAL(0, one.hash_report);
  LONGS_EQUAL(0, one.hash);
}

// ---- what VIRTIO 1.4 adds to received headers, never negotiated
// --------------------------------------------------------

// proves: NET-RX-17, NET-RX-19, ROB-28
TEST(VirtioNetFeatures, DropsFramesWithTunnelBitsWhateverElseTheHeaderSays) {
  come_up_with(~std::uint64_t{0});
  unsigned dropped = 0;
  for (const unsigned tunnel : {0x20U, 0x40U, 0x60U}) {
    for (const unsigned base : {0U, 1U, 3U, 4U, 5U, 0x81U, 0x84U}) {
      for (const unsigned flags : {0U, 1U, 2U, 3U, 8U, 9U}) {
        NetHeader header{.flags = static_cast<std::uint8_t>(flags),
                         .gso_type = static_cast<std::uint8_t>(tunnel | base)};
        header.gso_size = 100, header.csum_start = 34, header.csum_offset = 16;
        CHECK(is_dropped(header));
        LONGS_EQUAL(++dropped, net->stats().rx_gso_invalid);
      }
    }
  }
  LONGS_EQUAL(dropped, net->stats().rx_errors);
  check_traffic();
}

// proves: NET-RX-20
TEST(VirtioNetFeatures, DropsAPartialChecksumThatSpeaksOfATunnelWhichTheHeaderDoesNotName) {
  come_up_with(~std::uint64_t{0});
  unsigned dropped = 0;
  for (const unsigned flags : {0x09U, 0x0bU, 0x0dU, 0xf9U, 0xffU}) {
    for (const unsigned type : {0U, 1U, 4U, 5U}) {
      NetHeader header{.flags = static_cast<std::uint8_t>(flags), .gso_type = static_cast<std::uint8_t>(type)};
      header.gso_size = 100, header.csum_start = 34, header.csum_offset = 16;
      CHECK(is_dropped(header));
      LONGS_EQUAL(++dropped, net->stats().rx_checksum_invalid);
    }
  }
  check_traffic();
}

// proves: NET-RX-08
TEST(VirtioNetFeatures, IgnoresFlagsOfFeaturesThatItNeverAccepts) {
  come_up_with(~std::uint64_t{0});
  for (const unsigned unknown : {0U, 0x08U, 0x10U, 0x20U, 0x40U, 0x80U, 0xf8U}) {
    const net::RxFrame none =
        arriving({.flags = static_cast<std::uint8_t>(unknown), .csum_start = 34, .csum_offset = 16});
    CHECK(none.checksum == net::Checksum::none);
    const net::RxFrame valid = arriving({.flags = static_cast<std::uint8_t>(unknown | 2)});
    CHECK(valid.checksum == net::Checksum::valid);
    if ((unknown & 0x08) != 0) continue;
    const net::RxFrame partial =
        arriving({.flags = static_cast<std::uint8_t>(unknown | 1), .csum_start = 34, .csum_offset = 16});
    CHECK(partial.checksum == net::Checksum::partial);
    LONGS_EQUAL(34, partial.csum_start);
    LONGS_EQUAL(16, partial.csum_offset);
  }
}

// A longer header would have outer_th_offset, inner_nh_offset and outer_nh_offset where the frame starts here.
// proves: NET-RX-16, NET-RX-18, NET-TX-02
TEST(VirtioNetFeatures, TakesNoByteBehindItsHeaderForOffsetsOfATunnel) {
  for (const std::size_t size : {std::size_t{12}, std::size_t{20}}) {
    come_up_with(size == 20 ? ~std::uint64_t{0} : ~FeatureSet{Feature::net_hash_report}.bits());
    const net::RxFrame plain =
        arriving(raw_header({.flags = 1, .csum_start = 34, .csum_offset = 16}, size), frame(200));
    for (const unsigned garbage : {0x01U, 0x7fU, 0xffU}) {
      Bytes in = frame(200);
      std::fill_n(in.begin(), 12, static_cast<std::uint8_t>(garbage));
      Bytes header = raw_header({.flags = 1, .csum_start = 34, .csum_offset = 16}, size);
      if (size == 20) header[18] = header[19] = static_cast<std::uint8_t>(garbage); // padding
      const net::RxFrame one = arriving(header, in);
      LONGS_EQUAL(plain.length(), one.length());
      LONGS_EQUAL(plain.csum_start, one.csum_start);
      LONGS_EQUAL(plain.csum_offset, one.csum_offset);
      CHECK(one.checksum == plain.checksum && one.gso == plain.gso && one.hash == plain.hash);
    }
  }
}
