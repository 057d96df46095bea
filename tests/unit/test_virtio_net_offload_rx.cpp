// SPDX-License-Identifier: BSD-2-Clause
// What the header of a received frame tells its reader (5.1.6.4): checksums, super-frames, coalesced segments, hashes.
// Each only with the feature that it belongs to, and none of it believed where a frame would be left for it.
#include <optional>
#include <vector>

#include "drivers/net/offload.hpp"
#include "tests/support/virtio_net_test.hpp"

using net::Checksum;
using net::Gso;
using test::Bytes;
using test::fake_bus;
using test::NetHeader;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

constexpr std::uint8_t needs_csum = 1, data_valid = 2, rsc_info = 4, ecn = 0x80;

/// Each kind of super-frame with a feature that allows it.
struct Kind {
  std::uint8_t type;
  Gso gso;
  Feature feature;
};
constexpr Kind kinds[] = {{1, Gso::tcp4, Feature::net_guest_tso4},
                          {4, Gso::tcp6, Feature::net_guest_tso6},
                          {3, Gso::udp_fragments, Feature::net_guest_ufo},
                          {5, Gso::udp_segments, Feature::net_guest_uso4},
                          {5, Gso::udp_segments, Feature::net_guest_uso6}};
constexpr bool is_tcp(std::uint8_t type) {
  return type == 1 || type == 4;
}

} // namespace

TEST_GROUP_BASE(VirtioNetOffloadRx, test::VirtioNetTest){void setup() override{VirtioNetTest::setup();
queue_size = 64;
}
void come_up(FeatureSet features) {
  offer(features);
  offer_merging(); // super-frames need no large buffers then
  have_control_queue();
  bring_up();
  CHECK((device->accepted() & features) == (offered() & features));
}
/// What arrives behind this header; nothing if it was dropped. The bytes are as the device sent them in any case.
std::optional<net::RxFrame> arrives(const NetHeader& header, std::size_t size = 60) {
  const Bytes in = frame(size);
  deliver_merged(in, header);
  return take(in);
}
std::optional<net::RxFrame> take(const Bytes& in) {
  net::RxFrame one;
  if (net->receive({&one, 1}) == 0) return std::nullopt;
  CHECK(bytes_of(one) == in);
  LONGS_EQUAL(in.size(), one.length());
  net->release({&one, 1});
  return one;
}
std::optional<net::RxFrame> arrives_hashed(std::uint32_t value, std::uint16_t report, std::uint16_t padding = 0) {
  Bytes all = raw_header({}, 12);
  for (const std::uint32_t field : {value & 0xffff, value >> 16, std::uint32_t{report}, std::uint32_t{padding}}) {
    all.push_back(static_cast<std::uint8_t>(field));
    all.push_back(static_cast<std::uint8_t>(field >> 8));
  }
  const Bytes in = frame(60);
  all.insert(all.end(), in.begin(), in.end());
  CHECK(deliver_raw(all));
  return take(in);
}
static std::span<const std::byte> part(const Bytes& all, std::size_t from) {
  return std::as_bytes(std::span{all}).subspan(from);
}
}
;

// ---- checksums

// proves: NET-RX-12, NET-RX-21, ROB-31
TEST(VirtioNetOffloadRx, TellsOfChecksumsOnlyIfTheirFeatureWasNegotiated) {
  for (const bool negotiated : {false, true}) {
    over_all_rings([this, negotiated] {
      come_up(negotiated ? FeatureSet{Feature::net_guest_csum} : FeatureSet{});
      const Checksum expected[] = {Checksum::none, Checksum::partial, Checksum::valid, Checksum::partial};
      for (const std::uint8_t flags : {std::uint8_t{0}, needs_csum, data_valid, std::uint8_t{3}}) {
        const auto one = arrives({.flags = flags, .csum_start = 34, .csum_offset = 16});
        CHECK(one.has_value());
        CHECK(one->checksum == (negotiated ? expected[flags] : Checksum::none));
        const bool partial = negotiated && (flags & needs_csum) != 0;
        LONGS_EQUAL(partial ? 34 : 0, one->csum_start);
        LONGS_EQUAL(partial ? 16 : 0, one->csum_offset);
      }
      LONGS_EQUAL(0, net->stats().rx_errors);
    });
  }
}

// proves: NET-RX-21
TEST(VirtioNetOffloadRx, LetsAReaderCompleteAPartialChecksumWhereverTheFrameWasCut) {
  over_all_rings([this] {
    come_up({Feature::net_guest_csum});
    for (const std::size_t first : {std::size_t{2048}, std::size_t{12}, std::size_t{49}, std::size_t{63}}) {
      Bytes in = frame(1500);
      in[50] = 0x12, in[51] = 0x34; // the sum over what is not in the frame
      const NetHeader header{.flags = needs_csum, .csum_start = 34, .csum_offset = 16};
      deliver_parts(cut(in, header, first < 1512 ? std::vector<std::size_t>{first} : std::vector<std::size_t>{}));
      net::RxFrame one;
      LONGS_EQUAL(1, net->receive({&one, 1}));
      CHECK(one.checksum == Checksum::partial);
      CHECK(bytes_of(one) == in); // the driver changes nothing
      net::complete_checksum(one);
      CHECK(one.checksum == Checksum::valid);
      LONGS_EQUAL(0xffff, net::ones_complement_sum(part(bytes_of(one), 34), 0x1234));
      net->release({&one, 1});
    }
  });
}

// proves: ROB-29
TEST(VirtioNetOffloadRx, DropsFramesWhoseChecksumLiesOutsideOfThem) {
  over_all_rings([this] {
    come_up({Feature::net_guest_csum});
    struct Place {
      std::uint16_t start, offset;
      bool inside;
    };
    constexpr Place places[] = {{0, 0, true},       {34, 24, true},          {58, 0, true},          {0, 58, true},
                                {59, 0, false},     {0, 59, false},          {34, 25, false},        {60, 0, false},
                                {0xffff, 0, false}, {0, 0xffff, false},      {0xffff, 3, false}, // 4, if it wrapped
                                {0xfffe, 0, false}, {0x8000, 0x8000, false}, {0xffff, 0xffff, false}};
    unsigned dropped = 0;
    for (const Place& place : places) {
      const auto one = arrives({.flags = needs_csum, .csum_start = place.start, .csum_offset = place.offset});
      CHECK(one.has_value() == place.inside);
      if (!place.inside) dropped++;
      LONGS_EQUAL(dropped, net->stats().rx_checksum_invalid);
    }
    LONGS_EQUAL(dropped, net->stats().rx_errors);
    LONGS_EQUAL(0, net->stats().device_resets);
    // It is the whole frame that counts, over all its buffers.
    CHECK(arrives({.flags = needs_csum, .csum_start = 8990, .csum_offset = 8}, 9000).has_value());
    CHECK_FALSE(arrives({.flags = needs_csum, .csum_start = 8990, .csum_offset = 9}, 9000).has_value());
    check_all_buffers_are_there();
  });
}

// proves: NET-RX-09
TEST(VirtioNetOffloadRx, UsesNoChecksumPlaceWithoutAPartialChecksumOrWithCoalescedSegments) {
  for (const bool with_rsc : {false, true}) {
    over_modern_rings([this, with_rsc] {
      come_up({Feature::net_guest_csum, Feature::net_csum, Feature::net_host_tso4});
      if (with_rsc) {
        offer(Feature::net_rsc_ext);
        CHECK(net->reset().has_value());
      }
      CHECK(device->accepted().has(Feature::net_rsc_ext) == with_rsc);
      for (const std::uint8_t flags : {std::uint8_t{0}, data_valid, rsc_info, std::uint8_t{rsc_info | needs_csum},
                                       std::uint8_t{rsc_info | data_valid}, std::uint8_t{7}}) {
        const auto one = arrives({.flags = flags, .csum_start = 0xffff, .csum_offset = 0xfff0});
        CHECK(one.has_value()); // where nobody looks there is nothing wrong
        LONGS_EQUAL(0, one->csum_start);
        LONGS_EQUAL(0, one->csum_offset);
        CHECK(one->checksum == ((flags & data_valid) != 0 ? Checksum::valid : Checksum::none));
      }
      CHECK(arrives({.flags = needs_csum, .csum_start = 34, .csum_offset = 6})->checksum == Checksum::partial);
    });
  }
}

// ---- super-frames

// proves: NET-RX-22, ROB-28
TEST(VirtioNetOffloadRx, TakesEachKindOfSuperFrameWithItsFeatureAndDropsTheOthers) {
  for (const Kind& kind : kinds) {
    over_all_rings([this, &kind] {
      if (is_legacy() && static_cast<unsigned>(kind.feature) > 31) return bring_up();
      come_up({Feature::net_guest_csum, kind.feature});
      unsigned dropped = 0;
      for (unsigned type = 0; type < 0x100; type++) {
        for (const std::size_t size : {60U, 9000U}) {
          const auto one = arrives({.gso_type = static_cast<std::uint8_t>(type), .gso_size = 1448}, size);
          CHECK(one.has_value() == (type == 0 || type == kind.type));
          if (!one) dropped++;
          if (!one) continue;
          CHECK(one->gso == (type == 0 ? Gso::none : kind.gso));
          LONGS_EQUAL(type == 0 ? 0 : 1448, one->gso_size);
          CHECK_FALSE(one->ecn);
        }
      }
      LONGS_EQUAL(dropped, net->stats().rx_gso_invalid);
      LONGS_EQUAL(dropped, net->stats().rx_errors);
      check_all_buffers_are_there();
    });
  }
}

TEST(VirtioNetOffloadRx, TellsOfCongestionInTcpSuperFramesIfThatWasNegotiated) {
  FeatureSet all{Feature::net_guest_csum, Feature::net_guest_ecn};
  for (const Kind& kind : kinds)
    all.add(kind.feature);
  for (const bool negotiated : {false, true}) {
    over_all_rings([this, negotiated, all] {
      come_up(negotiated ? all : all.without({Feature::net_guest_ecn}));
      for (const Kind& kind : kinds) {
        if (is_legacy() && static_cast<unsigned>(kind.feature) > 31) continue;
        const auto one = arrives({.gso_type = static_cast<std::uint8_t>(kind.type | ecn), .gso_size = 1000}, 5000);
        CHECK(one.has_value() == (negotiated && is_tcp(kind.type)));
        if (one) CHECK(one->ecn && one->gso == kind.gso);
        CHECK_FALSE(arrives({.gso_type = kind.type, .gso_size = 1000}, 5000)->ecn);
      }
      CHECK_FALSE(arrives({.gso_type = ecn}).has_value());
    });
  }
}

// proves: NET-RX-10, NET-RX-11, ROB-30
TEST(VirtioNetOffloadRx, TakesHdrLenAndGsoSizeForHintsOnly) {
  over_all_rings([this] {
    come_up({Feature::net_guest_csum, Feature::net_guest_tso4});
    for (const unsigned hdr_len : {0U, 1U, 13U, 54U, 3000U, 0xffffU}) {
      for (const unsigned gso_size : {0U, 1U, 1448U, 0xffffU}) {
        for (const std::uint8_t flags : {std::uint8_t{0}, needs_csum}) {
          const auto one = arrives({.flags = flags,
                                    .gso_type = 1,
                                    .hdr_len = static_cast<std::uint16_t>(hdr_len),
                                    .gso_size = static_cast<std::uint16_t>(gso_size),
                                    .csum_start = 34,
                                    .csum_offset = 16},
                                   3000);
          CHECK(one.has_value() && one->gso == Gso::tcp4);
          LONGS_EQUAL(gso_size, one->gso_size); // 0: the device did not say
          LONGS_EQUAL(flags == 0 ? 0 : 34, one->csum_start);
        }
      }
    }
    LONGS_EQUAL(0, net->stats().rx_errors);
    check_all_buffers_are_there();
  });
}

// ---- coalesced segments

// proves: NET-RX-14
TEST(VirtioNetOffloadRx, TellsOfCoalescedSegmentsIfThatWasNegotiated) {
  for (const bool negotiated : {false, true}) {
    over_modern_rings([this, negotiated] {
      FeatureSet features{Feature::net_guest_csum, Feature::net_guest_tso4, Feature::net_csum, Feature::net_host_tso4};
      if (negotiated) features.add(Feature::net_rsc_ext);
      come_up(features);
      for (const unsigned segments : {0U, 1U, 7U, 0xffffU}) {
        for (const std::uint8_t flags : {std::uint8_t{0}, rsc_info, std::uint8_t{rsc_info | data_valid}}) {
          const auto one = arrives({.flags = flags,
                                    .gso_type = 1,
                                    .gso_size = 1448,
                                    .csum_start = static_cast<std::uint16_t>(segments),
                                    .csum_offset = 3},
                                   5000);
          const bool told = negotiated && (flags & rsc_info) != 0;
          LONGS_EQUAL(told ? segments : 0, one->coalesced_segments);
          LONGS_EQUAL(told ? 3 : 0, one->duplicate_acks);
        }
      }
    });
  }
}

// ---- hashes

// proves: NET-RX-15
TEST(VirtioNetOffloadRx, TellsOfAHashOnlyWithItsFeatureAndIfThereIsOne) {
  over_modern_rings([this] {
    come_up({Feature::net_hash_report});
    for (std::uint16_t report = 1; report <= 9; report++) {
      const auto one = arrives_hashed(0x8070'6050 + report, report, 0xffff);
      LONGS_EQUAL(report, one->hash_report);
      UNSIGNED_LONGS_EQUAL(0x8070'6050 + report, one->hash);
    }
    LONGS_EQUAL(10, arrives_hashed(1, 10)->hash_report); // of a later standard
    for (const unsigned none : {0U, 0x100U, 0x101U, 0xffffU}) {
      const auto one = arrives_hashed(0x1234'5678, static_cast<std::uint16_t>(none));
      LONGS_EQUAL(0, one->hash_report);
      LONGS_EQUAL(0, one->hash);
    }
  });
  over_all_rings([this] {
    come_up({});
    Bytes in = frame(60);
    in[4] = 2, in[5] = 0; // the frame begins where the hash would be: a report of 2 there
    deliver_merged(in);
    const auto one = take(in);
    LONGS_EQUAL(0, one->hash_report);
    LONGS_EQUAL(0, one->hash);
  });
}

// proves: NET-RX-15, NET-RX-06
TEST(VirtioNetOffloadRx, FindsTheHashInTheFirstBufferOfAFrameInSeveral) {
  over_modern_rings([this] {
    come_up({Feature::net_hash_report});
    const Bytes in = frame(5000);
    auto parts = cut(in, {}, {2048, 2048});
    parts[0][12] = 0x78, parts[0][13] = 0x56, parts[0][14] = 0x34, parts[0][15] = 0x12;
    parts[0][16] = 2;
    deliver_parts(parts);
    const auto one = take(in);
    LONGS_EQUAL(2, one->hash_report);
    UNSIGNED_LONGS_EQUAL(0x1234'5678, one->hash);
  });
}

// ---- all of it

// proves: ROB-09
TEST(VirtioNetOffloadRx, ReadsEachFieldOfAFullHeaderOnce) {
  over_modern_rings([this] {
    come_up({Feature::net_guest_csum, Feature::net_guest_tso4, Feature::net_csum, Feature::net_host_tso4,
             Feature::net_rsc_ext, Feature::net_hash_report});
    for (const std::uint8_t flags : {needs_csum, std::uint8_t{rsc_info | data_valid}}) {
      fetch_buffers();
      const std::byte* const header = memory.at(rx_chains.at(0).pieces.at(0).bus, 20);
      Bytes all =
          raw_header({.flags = flags, .gso_type = 1, .gso_size = 1448, .csum_start = 34, .csum_offset = 16}, 20);
      all[16] = 1;
      all.resize(120);
      CHECK(deliver_raw(all));
      std::array<unsigned, 20> looks{};
      fake_bus().on_shared_load = [&](const void* address, std::size_t width) {
        const auto* const at = static_cast<const std::byte*>(address);
        for (std::size_t i = 0; i < width; i++)
          if (at + i >= header && at + i < header + 20) looks.at(static_cast<std::size_t>(at + i - header))++;
      };
      LONGS_EQUAL(1, received().size());
      fake_bus().on_shared_load = nullptr;
      for (const std::size_t at : {0U, 1U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U, 16U, 17U})
        LONGS_EQUAL(1, looks[at]);
      for (const std::size_t at : {2U, 3U, 18U, 19U}) // hdr_len and padding
        LONGS_EQUAL(0, looks[at]);
    }
  });
}
