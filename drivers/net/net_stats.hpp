// SPDX-License-Identifier: BSD-2-Clause
// The counters of an interface. Bytes are frame bytes: no virtio header, no FCS. A reset of the device keeps them.
#pragma once

#include <cstdint>
#include <iterator>
#include <string_view>

namespace net {

struct NetStats {
  std::uint64_t rx_packets{0};
  std::uint64_t rx_bytes{0};
  std::uint64_t rx_dropped{0}; ///< well-formed, but not delivered
  std::uint64_t rx_errors{0};  ///< malformed; one of the causes below is counted too
  std::uint64_t tx_packets{0}; ///< given back by the device as used
  std::uint64_t tx_bytes{0};
  std::uint64_t tx_dropped{0}; ///< in flight when the device was reset
  std::uint64_t tx_errors{0};  ///< refused requests
  std::uint64_t interrupts{0};
  std::uint64_t notifications{0}; ///< doorbell stores
  std::uint64_t polls{0};         ///< calls of receive()
  // causes of receive errors and drops
  std::uint64_t rx_length_under_header{0};
  std::uint64_t rx_length_over_buffer{0};
  std::uint64_t rx_frame_short{0};
  std::uint64_t rx_frame_long{0};
  std::uint64_t rx_gso_invalid{0};         ///< a gso_type that is undefined or was not negotiated
  std::uint64_t rx_checksum_invalid{0};    ///< outside the frame, or of a tunnel that the header does not name
  std::uint64_t rx_num_buffers_invalid{0}; ///< num_buffers 0, or more than are in flight
  std::uint64_t rx_incomplete{0};          ///< the rest of a frame in several buffers never came
  // what the rings and the device did wrong
  std::uint64_t used_id_out_of_range{0};
  std::uint64_t used_id_not_in_flight{0};
  std::uint64_t used_index_jump{0};
  std::uint64_t used_without_buffer{0};
  std::uint64_t needs_reset{0};
  std::uint64_t device_resets{0};   ///< recoveries and `net reset`
  std::uint64_t queue_resets{0};    ///< single queues, with RING_RESET
  std::uint64_t tx_timeouts{0};     ///< frames in flight without progress for too long
  std::uint64_t rekicks{0};         ///< notifications that were due but lost, repeated before idling
  std::uint64_t watchdog_kicks{0};  ///< notifications repeated because nothing moved
  std::uint64_t lost_interrupts{0}; ///< used buffers found though no interrupt told of them
  std::uint64_t tx_ring_full{0};    ///< send() that found no room
  std::uint64_t spurious_interrupts{0};
  std::uint64_t config_changes{0};
  std::uint64_t link_changes{0};
  std::uint64_t announcements{0};
  std::uint64_t control_commands{0};
  std::uint64_t control_errors{0}; ///< refused, not answered, or answered with nonsense
};

struct StatName {
  std::string_view name;
  std::uint64_t NetStats::*member;
};

/// In the order in which `net stats` prints them.
inline constexpr StatName stat_names[] = {
    {"rx_packets", &NetStats::rx_packets},
    {"rx_bytes", &NetStats::rx_bytes},
    {"rx_dropped", &NetStats::rx_dropped},
    {"rx_errors", &NetStats::rx_errors},
    {"tx_packets", &NetStats::tx_packets},
    {"tx_bytes", &NetStats::tx_bytes},
    {"tx_dropped", &NetStats::tx_dropped},
    {"tx_errors", &NetStats::tx_errors},
    {"interrupts", &NetStats::interrupts},
    {"notifications", &NetStats::notifications},
    {"polls", &NetStats::polls},
    {"rx_length_under_header", &NetStats::rx_length_under_header},
    {"rx_length_over_buffer", &NetStats::rx_length_over_buffer},
    {"rx_frame_short", &NetStats::rx_frame_short},
    {"rx_frame_long", &NetStats::rx_frame_long},
    {"rx_gso_invalid", &NetStats::rx_gso_invalid},
    {"rx_checksum_invalid", &NetStats::rx_checksum_invalid},
    {"rx_num_buffers_invalid", &NetStats::rx_num_buffers_invalid},
    {"rx_incomplete", &NetStats::rx_incomplete},
    {"used_id_out_of_range", &NetStats::used_id_out_of_range},
    {"used_id_not_in_flight", &NetStats::used_id_not_in_flight},
    {"used_index_jump", &NetStats::used_index_jump},
    {"used_without_buffer", &NetStats::used_without_buffer},
    {"needs_reset", &NetStats::needs_reset},
    {"device_resets", &NetStats::device_resets},
    {"queue_resets", &NetStats::queue_resets},
    {"tx_timeouts", &NetStats::tx_timeouts},
    {"rekicks", &NetStats::rekicks},
    {"watchdog_kicks", &NetStats::watchdog_kicks},
    {"lost_interrupts", &NetStats::lost_interrupts},
    {"tx_ring_full", &NetStats::tx_ring_full},
    {"spurious_interrupts", &NetStats::spurious_interrupts},
    {"config_changes", &NetStats::config_changes},
    {"link_changes", &NetStats::link_changes},
    {"announcements", &NetStats::announcements},
    {"control_commands", &NetStats::control_commands},
    {"control_errors", &NetStats::control_errors},
};
static_assert(sizeof(NetStats) == sizeof(std::uint64_t) * std::size(stat_names), "every counter is printed");

} // namespace net
