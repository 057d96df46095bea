// SPDX-License-Identifier: BSD-2-Clause
// The statistics that the device itself keeps (VIRTIO 1.4, 5.1.9.5.11): which types it has is asked first, then those
// of each queue that fit its kind and the negotiated features.
#include <algorithm>
#include <array>
#include <cstring>

#include "bsp/endian.hpp"
#include "bsp/log.hpp"
#include "drivers/net/virtio_net.hpp"

namespace net {

using bsp::Result;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

constexpr std::uint8_t class_stats = 8;
constexpr std::uint8_t stats_query = 0;
constexpr std::uint8_t stats_get = 1;

struct StatsRequest {
  bsp::le16 vq_index;
  bsp::le16 reserved[3]{};
  bsp::le64 types;
};
static_assert(sizeof(StatsRequest) == 16);
struct ReplyHeader {
  std::uint8_t type;
  std::uint8_t reserved;
  bsp::le16 vq_index;
  bsp::le16 reserved1;
  bsp::le16 size; ///< of the whole entry
};
static_assert(sizeof(ReplyHeader) == 8);

enum class Kind : std::uint8_t { receive, transmit, control };
/// One type of statistics: its bit, and what follows the header, le64 each.
struct StatsType {
  unsigned bit;
  Kind kind;
  FeatureSet any_of; ///< one of these is needed; none: no feature is
  std::array<std::string_view, 6> names;
  [[nodiscard]] constexpr std::size_t count() const {
    return static_cast<std::size_t>(std::ranges::count_if(names, [](std::string_view name) { return !name.empty(); }));
  }
};
constexpr FeatureSet none{};
constexpr FeatureSet guest_gso{Feature::net_guest_tso4, Feature::net_guest_tso6};
constexpr FeatureSet host_gso{Feature::net_host_tso4, Feature::net_host_tso6, Feature::net_host_uso};
constexpr StatsType stats_types[] = {
    {0,
     Kind::receive,
     none,
     {"rx_notifications", "rx_packets", "rx_bytes", "rx_interrupts", "rx_drops", "rx_drop_overruns"}},
    {1, Kind::receive, {Feature::net_guest_csum}, {"rx_csum_valid", "rx_needs_csum", "rx_csum_none", "rx_csum_bad"}},
    {2,
     Kind::receive,
     guest_gso,
     {"rx_gso_packets", "rx_gso_bytes", "rx_gso_packets_coalesced", "rx_gso_bytes_coalesced"}},
    {3, Kind::receive, none, {"rx_packets_allowance_exceeded", "rx_bytes_allowance_exceeded"}},
    {16,
     Kind::transmit,
     none,
     {"tx_notifications", "tx_packets", "tx_bytes", "tx_interrupts", "tx_drops", "tx_drop_malformed"}},
    {17, Kind::transmit, {Feature::net_csum}, {"tx_csum_none", "tx_needs_csum"}},
    {18,
     Kind::transmit,
     host_gso,
     {"tx_gso_packets", "tx_gso_bytes", "tx_gso_segments", "tx_gso_segments_bytes", "tx_gso_packets_noseg",
      "tx_gso_bytes_noseg"}},
    {19, Kind::transmit, none, {"tx_packets_allowance_exceeded", "tx_bytes_allowance_exceeded"}},
    {32, Kind::control, none, {"command_num", "ok_num"}},
};

/// The types, as a bit mask, that may be asked of a queue of this kind.
std::uint64_t types_for(Kind kind, std::uint64_t supported, FeatureSet accepted) {
  std::uint64_t types = 0;
  for (const StatsType& type : stats_types)
    if (type.kind == kind && (type.any_of == none || !((type.any_of & accepted) == none)))
      types |= std::uint64_t{1} << type.bit;
  return types & supported;
}

std::size_t reply_size(std::uint64_t types) {
  std::size_t size = 0;
  for (const StatsType& type : stats_types)
    if ((types >> type.bit & 1) != 0) size += sizeof(ReplyHeader) + type.count() * sizeof(bsp::le64);
  return size;
}

struct Visitor {
  void (*function)(void* context, const DeviceStat& stat);
  void* context;
};

/// Reports the entries in `reply`; returns those of `types` that are not there. An entry may be longer than known here,
/// or shorter; one that makes no sense ends the reply.
std::uint64_t visit_reply(std::span<const std::byte> reply, std::uint16_t queue, std::uint64_t types, Visitor visitor) {
  while (reply.size() >= sizeof(ReplyHeader)) {
    ReplyHeader header;
    std::memcpy(&header, reply.data(), sizeof header);
    const std::size_t size = header.size.load();
    if (size < sizeof header || size > reply.size() || header.vq_index.load() != queue) break;
    for (const StatsType& type : stats_types) {
      if (type.bit != header.type || (types >> type.bit & 1) == 0) continue;
      types &= ~(std::uint64_t{1} << type.bit);
      const std::size_t count = std::min(type.count(), (size - sizeof header) / sizeof(bsp::le64));
      for (std::size_t i = 0; i < count; i++) {
        bsp::le64 value;
        std::memcpy(&value, reply.data() + sizeof header + i * sizeof value, sizeof value);
        if (visitor.function != nullptr) visitor.function(visitor.context, {type.names[i], queue, value.load()});
      }
    }
    reply = reply.subspan(size);
  }
  return types;
}

} // namespace

Result<void> VirtioNet::device_stats(void (*function)(void* context, const DeviceStat& stat), void* context) {
  TRY(require(Feature::net_device_stats, bsp::Error::device_lacks_device_stats));
  bsp::le64 supported;
  TRY(command(class_stats, stats_query, {}, {.after_ack = std::as_writable_bytes(std::span{&supported, 1})}));
  const std::uint64_t all = supported.load();
  TRY(queue_stats(virtio_net::receive_queue, types_for(Kind::receive, all, accepted_), function, context));
  TRY(queue_stats(virtio_net::transmit_queue, types_for(Kind::transmit, all, accepted_), function, context));
  return queue_stats(control_.index(), types_for(Kind::control, all, accepted_), function, context);
}

// Entries of a later standard may be longer than the ones known here: if some are missing behind them, the same is
// asked again with all the room there is.
Result<void> VirtioNet::queue_stats(std::uint16_t queue, std::uint64_t types,
                                    void (*function)(void* context, const DeviceStat& stat), void* context) {
  if (types == 0) return {};
  const StatsRequest request{bsp::le16{queue}, {}, bsp::le64{types}};
  std::array<std::byte, ControlQueue::max_answer> memory{};
  const auto ask = [&](std::span<std::byte> reply) {
    return command(class_stats, stats_get, {std::as_bytes(std::span{&request, 1})}, {.after_ack = reply});
  };
  std::span<std::byte> reply = std::span{memory}.first(reply_size(types));
  TRY(ask(reply));
  if (visit_reply(reply, queue, types, {}) != 0) {
    reply = memory;
    TRY(ask(reply));
  }
  if (visit_reply(reply, queue, types, {function, context}) != 0)
    bsp::log::warn("{}: device leaves out statistics of queue {}", config_.name, queue);
  return {};
}

} // namespace net
