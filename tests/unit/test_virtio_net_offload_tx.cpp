// SPDX-License-Identifier: BSD-2-Clause
// Checksum and segmentation offloads on transmit (5.1.6.2) as the device sees them: the header to the byte, on every
// kind of ring and device; what is refused, and that a refused request leaves no trace in the ring. How a frame is
// prepared: test_offload.cpp.
#include <span>
#include <vector>

#include "drivers/net/offload.hpp"
#include "tests/support/virtio_net_test.hpp"

using bsp::Error;
using net::Gso;
using test::Bytes;
using test::NetHeader;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

/// What a frame consists of.
struct Shape {
  bool ipv6{false};
  bool tcp{true};
  std::size_t payload{100};
  unsigned tags{0};
  unsigned ip_words{0};  ///< of IPv4 options
  unsigned tcp_words{0}; ///< of TCP options
  std::uint8_t tcp_flags{0x18};

  [[nodiscard]] std::size_t network() const { return 14 + std::size_t{4} * tags; }
  [[nodiscard]] std::size_t transport() const { return network() + (ipv6 ? 40 : 20 + std::size_t{4} * ip_words); }
  [[nodiscard]] std::size_t headers() const { return transport() + (tcp ? 20 + std::size_t{4} * tcp_words : 8); }
  [[nodiscard]] std::size_t all() const { return headers() + payload; }
};

void put(Bytes& bytes, std::size_t at, std::size_t value) {
  bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

/// The payload has bit 7 set in every byte: nothing of it may be taken for TCP flags.
Bytes make_frame(const Shape& shape) {
  Bytes all(shape.all(), 0x81);
  const std::size_t ip = shape.network();
  const std::size_t transport = shape.transport();
  for (std::size_t i = 0; i < 12; i++)
    all[i] = static_cast<std::uint8_t>(i * 2);
  for (unsigned i = 0; i < shape.tags; i++)
    put(all, 12 + 4 * i, i + 1 == shape.tags ? 0x8100 : 0x88a8), put(all, 14 + 4 * i, 5);
  put(all, ip - 2, shape.ipv6 ? 0x86dd : 0x0800);
  std::fill(all.begin() + static_cast<std::ptrdiff_t>(ip), all.begin() + static_cast<std::ptrdiff_t>(transport), 1);
  all[ip] = static_cast<std::uint8_t>(shape.ipv6 ? 0x60 : 0x45 + shape.ip_words);
  if (shape.ipv6)
    put(all, ip + 4, shape.all() - transport), all[ip + 6] = shape.tcp ? 6 : 17;
  else
    put(all, ip + 2, shape.all() - ip), put(all, ip + 6, 0x4000), all[ip + 9] = shape.tcp ? 6 : 17;
  if (shape.tcp)
    all[transport + 12] = static_cast<std::uint8_t>((5 + shape.tcp_words) << 4), all[transport + 13] = shape.tcp_flags;
  else
    put(all, transport + 4, shape.all() - transport);
  return all;
}

/// A frame with what its sender asks for.
struct Outgoing {
  Shape shape;
  Bytes frame;
  net::Offload offload;
};

Outgoing make_outgoing(const Shape& shape, Gso gso = Gso::none, std::uint16_t gso_size = 33) {
  Outgoing out{shape, make_frame(shape), {}};
  const auto bytes = std::as_writable_bytes(std::span{out.frame});
  const auto offload = net::prepare_offload(bytes, gso == Gso::none ? std::uint16_t{0} : gso_size);
  CHECK(offload.has_value());
  out.offload = *offload;
  out.offload.gso = gso; // UFO is what prepare_offload() never asks for
  return out;
}

struct Kind {
  Gso gso;
  Shape shape;
  std::uint8_t type;
  Feature feature;
};
const Kind kinds[] = {
    {Gso::tcp4, {}, 1, Feature::net_host_tso4},
    {Gso::udp_fragments, {.tcp = false}, 3, Feature::net_host_ufo},
    {Gso::tcp6, {.ipv6 = true}, 4, Feature::net_host_tso6},
    {Gso::udp_segments, {.tcp = false}, 5, Feature::net_host_uso},
    {Gso::udp_segments, {.ipv6 = true, .tcp = false}, 5, Feature::net_host_uso},
};
const FeatureSet segmentation{Feature::net_csum, Feature::net_host_tso4, Feature::net_host_tso6, Feature::net_host_ufo,
                              Feature::net_host_uso};

NetHeader checksum_header(const Shape& shape) {
  return {.flags = 1,
          .csum_start = static_cast<std::uint16_t>(shape.transport()),
          .csum_offset = static_cast<std::uint16_t>(shape.tcp ? 16 : 6),
          .num_buffers = 0};
}
NetHeader gso_header(const Shape& shape, std::uint8_t type, std::uint16_t gso_size = 33) {
  NetHeader header = checksum_header(shape);
  header.gso_type = type;
  header.gso_size = gso_size;
  header.hdr_len = static_cast<std::uint16_t>(shape.headers());
  return header;
}

} // namespace

TEST_GROUP_BASE(VirtioNetOffloadTx, test::VirtioNetTest){
    /// Split, packed, legacy with and without ANY_LAYOUT; a header of 20 bytes in indirect chains of both formats.
    template <class Test> void over_all_devices(Test && test){over_all_rings(test);
start_over(Version::legacy);
withhold(Feature::any_layout);
test();
for (const bool packed : {false, true}) {
  start_over(Version::modern, packed);
  have_control_queue();
  offer({Feature::net_hash_report, Feature::indirect_desc, Feature::in_order});
  test();
  LONGS_EQUAL(20, header_size());
}
}
/// Room for the largest frames; before bring_up().
void have_large_frames() {
  user = {};
  user = *arena.allocate(0x11000, 64);
}
net::TxRequest request_for(std::vector<net::Segment>& segments, const Outgoing& out, std::size_t piece = 0,
                           std::uint16_t headroom = 0, unsigned slot = 0) {
  net::TxRequest request = make_request(segments, out.frame, piece, headroom, slot);
  request.offload = out.offload;
  return request;
}
Bytes send_out(const Outgoing& out, std::size_t piece = 0, std::uint16_t headroom = 0) {
  std::vector<net::Segment> segments;
  const net::TxRequest request = request_for(segments, out, piece, headroom);
  const auto judged = net->check_request(request);
  STRCMP_EQUAL("ok", judged ? "ok" : to_string(judged.error()));
  LONGS_EQUAL(1, net->send({&request, 1}));
  const auto sent = transmitted();
  LONGS_EQUAL(1, sent.size());
  LONGS_EQUAL(1, reclaimed().size());
  return sent[0];
}
/// The device sees exactly this header, then the frame; wherever the header lies.
void check_sent(const Outgoing& out, const NetHeader& header, std::size_t piece = 0) {
  Bytes expected = raw_header(header, header_size());
  expected.insert(expected.end(), out.frame.begin(), out.frame.end());
  for (const std::size_t headroom : {std::size_t{0}, header_size(), std::size_t{40}})
    CHECK(send_out(out, piece, static_cast<std::uint16_t>(headroom)) == expected);
}
void check_refused(Error error, const Outgoing& out, std::size_t piece = 0) {
  std::vector<net::Segment> segments;
  const net::TxRequest request = request_for(segments, out, piece, 40);
  const auto judged = net->check_request(request);
  CHECK_FALSE(judged.has_value());
  STRCMP_EQUAL(to_string(error), to_string(judged.error()));
  const std::uint64_t errors = net->stats().tx_errors;
  const std::size_t notified = device->notifications.size();
  LONGS_EQUAL(0, net->send({&request, 1}));
  LONGS_EQUAL(errors + 1, net->stats().tx_errors);
  LONGS_EQUAL(notified, device->notifications.size());
  LONGS_EQUAL(0, net->tx_in_flight());
  CHECK(rings[1].take_available().empty());
}
/// A header that leaves the frame to itself; its length is a hint that no device may rely on.
void check_plain(const Bytes& sent, const Bytes& frame, std::size_t least_hdr_len = 0) const {
  const std::size_t hdr_len = sent.at(2) + sent.at(3) * 256U;
  CHECK(hdr_len >= least_hdr_len);
  Bytes expected = raw_header({.hdr_len = static_cast<std::uint16_t>(hdr_len), .num_buffers = 0}, header_size());
  expected.insert(expected.end(), frame.begin(), frame.end());
  CHECK(sent == expected);
}
}
;

// ---- checksums
// -------------------------------------------------------------------------------------------------------

/// Does what the header asks (5.1.6.2), and sums as a receiver does (RFC 1071, RFC 9293).
static bool right_after_the_device(const Bytes& sent, std::size_t header_size, const Shape& shape) {
  Bytes frame{sent.begin() + static_cast<std::ptrdiff_t>(header_size), sent.end()};
  const std::size_t start = sent[6] + sent[7] * 256U;
  const std::size_t field = start + sent[8] + sent[9] * 256U;
  const auto sum = [&](std::size_t from, std::size_t to, std::uint16_t with = 0) {
    return net::ones_complement_sum(std::as_bytes(std::span{frame}).subspan(from, to - from), with);
  };
  put(frame, field, static_cast<std::uint16_t>(~sum(start, frame.size())));
  const std::size_t length = frame.size() - shape.transport();
  const std::size_t addresses = shape.network() + (shape.ipv6 ? 8 : 12);
  const std::uint16_t pseudo =
      sum(addresses, addresses + (shape.ipv6 ? 32 : 8), static_cast<std::uint16_t>(length + (shape.tcp ? 6 : 17)));
  return sum(shape.transport(), frame.size(), pseudo) == 0xffff;
}

// proves: NET-TX-04, NET-TX-14, NET-TX-16, NET-TX-17, NET-TX-23
TEST(VirtioNetOffloadTx, AsksForAChecksumWhereTheFrameHasItsField) {
  over_all_devices([this] {
    offer(Feature::net_csum);
    bring_up();
    for (const bool ipv6 : {false, true}) {
      for (const bool tcp : {false, true}) {
        for (const unsigned tags : {0U, 1U, 2U}) {
          const Outgoing out = make_outgoing({.ipv6 = ipv6, .tcp = tcp, .payload = 101, .tags = tags});
          check_sent(out, checksum_header(out.shape));
          check_sent(out, checksum_header(out.shape), 40);
          CHECK(right_after_the_device(send_out(out), header_size(), out.shape));
        }
      }
    }
  });
}

// proves: NET-TX-05, NET-TX-06
TEST(VirtioNetOffloadTx, RefusesChecksumsWithoutCsumAndSendsCompleteOnesAsTheyAre) {
  over_all_devices([this] {
    offer(segmentation.without({Feature::net_csum}));
    bring_up();
    for (const Kind& kind : kinds) {
      check_refused(Error::offload_not_supported, make_outgoing(kind.shape));
      check_refused(Error::offload_not_supported, make_outgoing(kind.shape, kind.gso));
      Outgoing gso_only = make_outgoing(kind.shape, kind.gso);
      gso_only.offload.checksum = false;
      check_refused(Error::offload_not_supported, gso_only);
      check_sent({kind.shape, make_frame(kind.shape), {}}, {.num_buffers = 0});
    }
  });
}

TEST(VirtioNetOffloadTx, TakesNothingOfAnOffloadThatIsNotAskedFor) {
  over_all_devices([this] {
    offer(Feature::net_csum);
    bring_up();
    const Outgoing out{{}, make_frame({}), {.csum_start = 0xffff, .csum_offset = 0xffff, .gso_size = 9}};
    check_sent(out, {.num_buffers = 0});
  });
}

// ---- segmentation
// ----------------------------------------------------------------------------------------------------

// proves: NET-TX-07, NET-TX-08, NET-TX-09, NET-TX-10, NET-TX-11, NET-TX-18, NET-TX-19
TEST(VirtioNetOffloadTx, AsksForEachKindOfSegmentationOnlyWithItsFeature) {
  over_all_devices([this] {
    bring_up();
    const FeatureSet base = offered();
    for (unsigned mask = 0; mask < 16; mask++) {
      FeatureSet host{Feature::net_csum};
      for (unsigned i = 0; i < 4; i++)
        if ((mask >> i & 1) != 0) host.add(kinds[i].feature);
      device->offered = base.bits();
      offer(host);
      CHECK(net->reset().has_value());
      for (const Kind& kind : kinds) {
        const Outgoing out = make_outgoing(kind.shape, kind.gso);
        const bool granted = host.has(kind.feature) && !(is_legacy() && kind.feature == Feature::net_host_uso);
        if (granted)
          check_sent(out, gso_header(kind.shape, kind.type));
        else
          check_refused(Error::offload_not_supported, out);
        const bool any_granted = mask != 0 && !(is_legacy() && mask == 8);
        check_plain(send_out({kind.shape, make_frame(kind.shape), {}}), make_frame(kind.shape),
                    any_granted ? kind.shape.headers() : 0);
      }
    }
  });
}

// proves: NET-TX-12, NET-TX-13
TEST(VirtioNetOffloadTx, MarksCongestionOnlyWithItsFeatureAndRefusesItElse) {
  over_all_devices([this] {
    offer(segmentation);
    bring_up();
    for (const bool ecn : {false, true}) {
      if (ecn) offer(Feature::net_host_ecn);
      CHECK(net->reset().has_value());
      for (const Kind& kind : kinds) {
        if (!device->accepted().has(kind.feature)) continue;
        Shape shape = kind.shape;
        for (const unsigned flags : {0x18U, 0x58U, 0x7fU}) { // no CWR: ECE alone is no matter of segmentation
          shape.tcp_flags = static_cast<std::uint8_t>(flags);
          check_sent(make_outgoing(shape, kind.gso), gso_header(shape, kind.type));
        }
        if (!shape.tcp) continue;
        for (const unsigned flags : {0x80U, 0x98U, 0xd8U}) {
          shape.tcp_flags = static_cast<std::uint8_t>(flags);
          const Outgoing out = make_outgoing(shape, kind.gso);
          if (ecn)
            check_sent(out, gso_header(shape, kind.type | 0x80));
          else
            check_refused(Error::offload_not_supported, out);
          NetHeader whole = checksum_header(shape); // not segmented: no matter either
          whole.hdr_len = static_cast<std::uint16_t>(shape.all());
          check_sent(make_outgoing(shape), whole);
        }
      }
    }
  });
}

// proves: NET-TX-20, NET-TX-21, NET-TX-22
TEST(VirtioNetOffloadTx, GivesTheExactLengthOfAllHeaders) {
  over_all_devices([this] {
    for (const bool exact : {false, true}) {
      if (exact && is_legacy()) continue;
      offer(segmentation);
      if (exact) offer(Feature::net_guest_hdrlen);
      if (!net) bring_up();
      CHECK(net->reset().has_value());
      CHECK(device->accepted().has(Feature::net_guest_hdrlen) == exact);
      for (const Kind& kind : kinds) {
        if (!device->accepted().has(kind.feature)) continue;
        for (const unsigned words : {0U, 1U, 3U, 10U}) {
          Shape shape = kind.shape;
          shape.tags = words % 3;
          shape.ip_words = shape.ipv6 ? 0 : words;
          shape.tcp_words = shape.tcp ? words : 0;
          check_sent(make_outgoing(shape, kind.gso), gso_header(shape, kind.type));
          const Bytes checked = send_out(make_outgoing(shape));
          CHECK(checked[2] + checked[3] * 256U >= shape.headers());
          check_plain(send_out({shape, make_frame(shape), {}}), make_frame(shape), shape.headers());
        }
      }
    }
  });
}

TEST(VirtioNetOffloadTx, LeavesNothingOfAnOffloadInTheHeadersOfLaterFrames) {
  over_all_devices([this] {
    offer(segmentation);
    bring_up();
    for (unsigned i = 0; i < 40; i++) {
      const Kind& kind = kinds[i % 2 * 2];
      check_sent(make_outgoing(kind.shape, kind.gso), gso_header(kind.shape, kind.type));
      check_plain(send_out({{}, frame(60), {}}), frame(60), 54);
    }
  });
}

// ---- requests that make no sense
// ---------------------------------------------------------------------------------------

// proves: NET-TX-17
TEST(VirtioNetOffloadTx, RefusesAChecksumOutsideTheFrame) {
  over_all_devices([this] {
    offer(segmentation);
    bring_up();
    for (const Gso gso : {Gso::none, Gso::tcp4}) {
      const Outgoing good = make_outgoing({}, gso);
      const auto size = static_cast<unsigned>(good.frame.size());
      const struct {
        unsigned start;
        unsigned offset;
      } places[] = {{34, size - 35}, {34, size - 34}, {34, 0xffff},     {size - 1, 0},
                    {size, 0},       {0xffff, 0},     {0xffff, 0xffff}, {0xfff0, 0x20}, // would wrap to 0x10
                    {0x8000, 0x8000}};
      for (const auto& place : places) {
        Outgoing bad = good;
        bad.offload.csum_start = static_cast<std::uint16_t>(place.start);
        bad.offload.csum_offset = static_cast<std::uint16_t>(place.offset);
        check_refused(Error::invalid_argument, bad);
      }
    }
    Outgoing last = make_outgoing({});
    last.offload.csum_offset = static_cast<std::uint16_t>(last.frame.size() - 36); // the last two bytes
    LONGS_EQUAL(header_size() + last.frame.size(), send_out(last).size());
  });
}

// proves: NET-TX-18, NET-TX-19, NET-TX-20
TEST(VirtioNetOffloadTx, RefusesSegmentationThatDoesNotFitTheFrame) {
  over_all_devices([this] {
    offer(segmentation | FeatureSet{Feature::net_guest_hdrlen});
    bring_up();
    for (const Kind& kind : kinds) {
      if (!device->accepted().has(kind.feature)) continue;
      const Outgoing good = make_outgoing(kind.shape, kind.gso);
      const std::size_t headers = kind.shape.headers();
      Outgoing bad = good;
      bad.offload.checksum = false;
      check_refused(Error::invalid_argument, bad);
      bad = good;
      bad.offload.gso_size = 0;
      check_refused(Error::invalid_argument, bad);
      for (const std::size_t length : {std::size_t{0}, kind.shape.transport(), headers - 4, headers - 1, headers + 1,
                                       headers + 4, good.frame.size(), good.frame.size() + 1, std::size_t{0xffff}}) {
        bad = good;
        bad.offload.header_length = static_cast<std::uint16_t>(length);
        check_refused(Error::invalid_argument, bad);
      }
      Shape empty = kind.shape;
      empty.payload = 0;
      check_refused(Error::invalid_argument, make_outgoing(empty, kind.gso));
      check_refused(Error::invalid_argument, good, headers - 1); // headers over two segments
      check_sent(good, gso_header(kind.shape, kind.type), headers);
    }
  });
}

TEST(VirtioNetOffloadTx, BelievesTheTcpHeaderOverTheRequest) {
  over_all_devices([this] {
    offer(segmentation);
    bring_up();
    for (const unsigned words : {0U, 4U, 6U, 15U}) { // five are there
      Outgoing bad = make_outgoing({}, Gso::tcp4);
      bad.frame[34 + 12] = static_cast<std::uint8_t>(words << 4);
      check_refused(Error::invalid_argument, bad);
      bad.offload.header_length = static_cast<std::uint16_t>(34 + words * 4);
      if (words < 5) check_refused(Error::invalid_argument, bad);
    }
  });
}

TEST(VirtioNetOffloadTx, TakesWhatComesBeforeABadRequestOfABatch) {
  over_all_devices([this] {
    offer(segmentation);
    bring_up();
    const Outgoing good = make_outgoing({}, Gso::tcp4);
    Outgoing bad = good;
    bad.offload.gso_size = 0;
    std::vector<net::Segment> segments[3];
    const net::TxRequest batch[] = {request_for(segments[0], good, 0, 0, 0), request_for(segments[1], bad, 0, 0, 1),
                                    request_for(segments[2], good, 0, 0, 2)};
    LONGS_EQUAL(1, net->send(batch));
    LONGS_EQUAL(1, transmitted().size());
    CHECK(reclaimed().at(0).cookie == net::Cookie{0x1000});
  });
}

// ---- large frames
// ----------------------------------------------------------------------------------------------------

TEST(VirtioNetOffloadTx, SaysOfTheLongestPlainFramesThatTheyAreAsLongAsCanBeSaid) {
  queue_size = 32;
  have_large_frames();
  offer(segmentation | FeatureSet{Feature::net_mrg_rxbuf});
  device->set_config16(10, UINT16_MAX);
  bring_up();
  LONGS_EQUAL(UINT16_MAX, net->mtu());
  for (const std::size_t size : {65'535U, 65'536U, 65'549U}) {
    LONGS_EQUAL(1, send(frame(size), 0, 12));
    const Bytes sent = transmitted().at(0);
    LONGS_EQUAL(UINT16_MAX, sent.at(2) + sent.at(3) * 256U);
    LONGS_EQUAL(1, reclaimed().size());
  }
}

// The largest IP packet, and a VLAN tag more; 16 segments are the most.
// proves: NET-TX-03
TEST(VirtioNetOffloadTx, SendsSuperFramesUpToTheLargestIpPacketInSeveralSegments) {
  queue_size = 32;
  over_all_devices([this] {
    have_large_frames();
    offer(segmentation);
    bring_up();
    for (const unsigned tags : {0U, 1U}) {
      for (const std::size_t all : {std::size_t{1515}, std::size_t{9000}, std::size_t{65'549}}) {
        for (const Kind& kind : kinds) {
          if (!device->accepted().has(kind.feature)) continue;
          Shape shape = kind.shape;
          shape.tags = tags;
          shape.payload = all - kind.shape.headers();
          const Outgoing out = make_outgoing(shape, kind.gso, 1448);
          check_sent(out, gso_header(shape, kind.type, 1448), all == 65'549 ? 4100 : 600);
          check_sent(out, gso_header(shape, kind.type, 1448));
        }
      }
      Shape longer{.ipv6 = true, .payload = 65'550 - Shape{.ipv6 = true}.headers(), .tags = tags};
      check_refused(Error::frame_too_long, make_outgoing(longer, Gso::tcp6), 4100);
      const Outgoing whole = make_outgoing({.payload = 1501 - 40, .tags = tags}); // only segmented frames may be longer
      check_refused(Error::frame_too_long, whole);
    }
  });
}

TEST(VirtioNetOffloadTx, PushesBackWhileTheRingIsFullAndGoesOnAfterwards) {
  over_all_devices([this] {
    offer(segmentation);
    bring_up();
    const Shape shape{.payload = 1200};
    const Outgoing out = make_outgoing(shape, Gso::tcp4);
    const Outgoing other = make_outgoing(shape); // finds no room, and spoils no header of those that did
    Bytes expected = raw_header(gso_header(shape, 1), header_size());
    expected.insert(expected.end(), out.frame.begin(), out.frame.end());
    const unsigned fitting = device->accepted().has(Feature::indirect_desc) ? 8 : 8 / 4; // header and three segments
    for (unsigned round = 1; round <= 30; round++) {
      std::vector<net::Segment> segments[9];
      std::vector<net::TxRequest> batch;
      for (unsigned i = 0; i < 9; i++)
        batch.push_back(request_for(segments[i], i < fitting ? out : other, 420, 0, i));
      LONGS_EQUAL(fitting, net->send(batch));
      LONGS_EQUAL(fitting, net->tx_in_flight());
      LONGS_EQUAL(2 * round - 1, net->stats().tx_ring_full);
      const auto sent = transmitted();
      LONGS_EQUAL(fitting, sent.size());
      for (const Bytes& one : sent)
        CHECK(one == expected);
      LONGS_EQUAL(0, net->send(batch)); // used, but not reclaimed yet
      const auto done = reclaimed();
      LONGS_EQUAL(fitting, done.size());
      for (unsigned i = 0; i < fitting; i++)
        CHECK(done[i].sent && done[i].cookie == net::Cookie{0x1000U + i});
    }
    LONGS_EQUAL(0, net->stats().tx_errors);
    LONGS_EQUAL(0, net->tx_in_flight());
    LONGS_EQUAL(30 * fitting * out.frame.size(), net->stats().tx_bytes);
  });
}

// ---- what VIRTIO 1.4 adds to transmitted headers, never negotiated
// ------------------------------------------------------

/// TCP over IPv4 in Geneve over IPv4 without options; the outer checksum, which may be left out, as given.
static Bytes geneve(std::size_t outer_checksum) {
  const Bytes inner = make_frame({});
  Bytes all = make_frame({.tcp = false, .payload = 8 + inner.size()});
  put(all, 34 + 2, 6081);
  put(all, 34 + 6, outer_checksum);
  const Bytes option_free{0, 0, 0x65, 0x58, 0, 0, 1, 0};
  std::copy(option_free.begin(), option_free.end(), all.begin() + 42);
  std::copy(inner.begin(), inner.end(), all.begin() + 50);
  return all;
}

// flags: NEEDS_CSUM or nothing, not UDP_TUNNEL_CSUM nor those of IPSEC; gso_type: no tunnel bit; and no field behind
// the hash, so no offset and no resource id.
// proves: NET-TX-02, NET-TX-23, NET-TX-25, NET-TX-26, NET-TX-27, NET-TX-28, NET-TX-29, NET-TX-30, NET-TX-31, NET-TX-32
// proves: NET-TX-33, NET-TX-34, NET-TX-35, NET-TX-36
TEST(VirtioNetOffloadTx, SaysNothingOfTunnelsAndSecurityInAnyHeader) {
  over_all_devices([this] {
    const std::uint64_t formats = FeatureSet{Feature::ring_packed, Feature::net_hash_report}.bits();
    if (!is_legacy()) device->offered |= ~formats;
    offer(segmentation | FeatureSet{Feature::net_host_ecn});
    device->script.word_beyond_63 = 0xffff'ffff;
    device->queues.resize(3);
    bring_up();
    std::vector<Outgoing> all;
    for (const std::size_t outer : {0U, 0xbeefU}) {
      all.push_back({{}, geneve(outer), {}});
      all.push_back({{}, geneve(outer), {.checksum = true, .csum_start = 84, .csum_offset = 16}});
      all.push_back({{},
                     geneve(outer),
                     {.checksum = true,
                      .gso = Gso::tcp4,
                      .csum_start = 84,
                      .csum_offset = 16,
                      .gso_size = 50,
                      .header_length = 104}});
    }
    for (const Kind& kind : kinds) {
      if (!device->accepted().has(kind.feature)) continue;
      for (const unsigned flags : {0x18U, 0xd8U}) {
        Shape shape = kind.shape;
        shape.tcp_flags = static_cast<std::uint8_t>(flags);
        all.push_back({shape, make_frame(shape), {}});
        all.push_back(make_outgoing(shape));
        all.push_back(make_outgoing(shape, kind.gso));
      }
    }
    for (const Outgoing& out : all) {
      const Bytes sent = send_out(out);
      LONGS_EQUAL(out.offload.checksum ? 1 : 0, sent[0]);
      LONGS_EQUAL(0, sent[1] & 0x60);
      CHECK(header_size() <= 20);
      for (std::size_t i = 10; i < header_size(); i++)
        LONGS_EQUAL(0, sent[i]);
      CHECK(Bytes(sent.begin() + static_cast<std::ptrdiff_t>(header_size()), sent.end()) == out.frame);
    }
  });
}
