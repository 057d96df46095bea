// SPDX-License-Identifier: BSD-2-Clause
// What can be told to a network interface beside frames: receive filters, addresses, offloads, coalescing (VIRTIO 1.3,
// 5.1.6.5).
//
// Whatever was set is remembered and set again after every reset of the device. Filters are best effort: a device may
// deliver more than was asked for (5.1.6.5.1); who reads frames judges them. Every call may wait for the device, at
// most control_timeout_ms. Owner: one hart's main loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bsp/result.hpp"
#include "drivers/net/ethernet.hpp"

namespace net {

/// How long a command may take before the control queue is given up.
inline constexpr std::uint64_t control_timeout_ms = 1000;

/// 5.1.6.5.1; all off at first. Only the first two exist without CTRL_RX_EXTRA.
enum class ReceiveMode : std::uint8_t { promisc, allmulti, alluni, nomulti, nouni, nobcast };
inline constexpr std::size_t receive_mode_count = 6;

enum class TrafficDirection : std::uint8_t { receive, transmit };

/// When the device interrupts for used buffers (5.1.6.5.9): after max_usecs, or max_packets, whichever comes first.
/// Both 0: at once.
struct Coalescing {
  std::uint32_t max_usecs{0};
  std::uint32_t max_packets{0};
  bool operator==(const Coalescing&) const = default;
};

/// One line of `net offload`.
struct OffloadState {
  std::string_view name; ///< the feature's, lower case: "guest_tso4"
  bool on;
  bool fixed; ///< cannot be changed: a transmit offload, or no CTRL_GUEST_OFFLOADS
};

/// One device statistic [1.4, 5.1.9.5.11].
struct DeviceStat {
  std::string_view name; ///< the standard's: "rx_packets"
  std::uint16_t queue;   ///< virtqueue number
  std::uint64_t value;
};

inline constexpr std::size_t max_multicast_addresses = 128;
/// The most that is given to a device as a table; with more it is told to let all multicast frames in (allmulti).
inline constexpr std::size_t multicast_table_size = 64;

class NetControl {
 public:
  /// The interface's own address from now on, also after a reset. Error::invalid_argument (not unicast),
  /// device_lacks_ctrl_mac_addr, device_lacks_ctrl_rx, and what every command may end in: control_refused,
  /// control_ack_invalid, control_timed_out, ring_broken, queue_not_available (the device offered a control queue, but
  /// it was no good), device_failed (not live). What a failed call should have set stays as it was.
  [[nodiscard]] virtual bsp::Result<void> set_mac(const MacAddress& mac) = 0;

  /// Error::device_lacks_ctrl_rx, device_lacks_ctrl_rx_extra.
  [[nodiscard]] virtual bsp::Result<void> set_receive_mode(ReceiveMode mode, bool on) = 0;
  /// As it was set; allmulti because of a full table is not shown here.
  [[nodiscard]] virtual bool receive_mode(ReceiveMode mode) const = 0;

  /// Lets frames to this group in. Adding one twice or deleting one that is not there is Error::invalid_argument, as is
  /// a unicast or the broadcast address. Error::filter_table_full above max_multicast_addresses, device_lacks_ctrl_rx.
  [[nodiscard]] virtual bsp::Result<void> add_multicast(const MacAddress& group) = 0;
  [[nodiscard]] virtual bsp::Result<void> remove_multicast(const MacAddress& group) = 0;
  [[nodiscard]] virtual std::span<const MacAddress> multicast() const = 0;
  /// True while there are more groups than the table takes, or the device refused the table: all multicast comes in.
  [[nodiscard]] virtual bool multicast_overflow() const = 0;

  /// VLAN ids 0 to 4094. The first id resets the device, to negotiate CTRL_VLAN: with it only frames of these ids, and
  /// untagged ones, come in; without any id, all. The last one resets it again. Adding one twice or deleting one that
  /// is not there is Error::invalid_argument. Error::device_lacks_ctrl_vlan, and those of a reset.
  [[nodiscard]] virtual bsp::Result<void> add_vlan(std::uint16_t id) = 0;
  [[nodiscard]] virtual bsp::Result<void> remove_vlan(std::uint16_t id) = 0;
  [[nodiscard]] virtual bool has_vlan(std::uint16_t id) const = 0;

  /// Tells the network where this address is: a broadcast RARP request, which switches learn from and nobody answers.
  /// Error::ring_full, device_failed.
  [[nodiscard]] virtual bsp::Result<void> announce() = 0;

  /// Error::device_lacks_notf_coal.
  [[nodiscard]] virtual bsp::Result<void> set_coalescing(TrafficDirection direction, Coalescing values) = 0;
  [[nodiscard]] virtual Coalescing coalescing(TrafficDirection direction) const = 0;
  [[nodiscard]] virtual bool can_coalesce() const = 0;

  /// The offloads that were negotiated, receive first: index 0, 1, ... until false.
  [[nodiscard]] virtual bool offload(std::size_t index, OffloadState& out) const = 0;
  /// What needs an offload that is off is off as well, and comes back with it. Error::invalid_argument (no such name,
  /// not negotiated, or switched on while what it needs is off), device_lacks_ctrl_guest_offloads, not_supported (a
  /// transmit offload).
  [[nodiscard]] virtual bsp::Result<void> set_offload(std::string_view name, bool on) = 0;

  /// How many queue pairs carry traffic: 1 to what was set up, which is 1. Error::invalid_argument, device_lacks_mq.
  [[nodiscard]] virtual bsp::Result<void> set_queue_pairs(std::uint16_t pairs) = 0;

  /// Asks the device for its own statistics, calls `function` for each. Error::device_lacks_device_stats.
  [[nodiscard]] virtual bsp::Result<void> device_stats(void (*function)(void* context, const DeviceStat& stat),
                                                       void* context) = 0;

 protected:
  ~NetControl() = default;
};

} // namespace net
