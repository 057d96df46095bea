// SPDX-License-Identifier: BSD-2-Clause
// Every way in which a set-up or control path can fail, named by its cause.
// Invariant: to_string() is total, and its text reads well after "error: <what>: ".
#pragma once

#include <cstdint>

namespace bsp {

enum class Error : std::uint8_t {
  // memory
  out_of_dma_memory,     ///< the arena or the interface's budget is used up
  address_not_reachable, ///< a bus address does not fit the field the device has for it
  // waiting
  timed_out,   ///< a bounded wait ended without the awaited state
  interrupted, ///< the user pressed Ctrl-C
  // firmware
  not_supported_by_firmware, ///< the SBI implementation lacks the call
  firmware_call_failed,      ///< the SBI call returned an error
  // interrupt controller
  no_interrupt_context,   ///< no S-mode context of the boot hart at this controller
  interrupt_out_of_range, ///< source 0, or above the controller's number of sources
  interrupt_table_full,   ///< too many handlers for one source, or in all
  // virtio: probing and negotiation
  not_a_virtio_device,           ///< MagicValue is wrong (VIRTIO 1.3, 4.2.2.2)
  unsupported_transport_version, ///< Version is neither 1 nor 2
  no_device,                     ///< DeviceID 0: an empty slot, no fault (4.2.2.2)
  device_gone,                   ///< registers read all ones
  not_a_network_device,          ///< DeviceID is not 1
  reset_timed_out,               ///< Status never read 0 again (2.4.2)
  device_lacks_version_1,        ///< Version 2 without VIRTIO_F_VERSION_1 (6.1)
  device_rejected_features,      ///< FEATURES_OK did not stick (3.1.1 step 6)
  device_lacks_required_feature, ///< no fallback exists for it (2.2.1)
  queue_not_available,           ///< QueueSizeMax is 0 for a queue that must exist
  queue_too_small,               ///< cannot hold one packet
  queue_already_in_use,          ///< QueueReady or QueuePFN is set after reset
  queue_rejected,                ///< the device did not take the queue's address
  queue_reset_failed,            ///< the device did not reset the queue, or has no register for it (2.6.1)
  config_unstable,               ///< the configuration generation never settled (2.5.1)
  device_needs_reset,            ///< NEEDS_RESET is set (2.1.1)
  device_failed,                 ///< recovery was given up; `net reset` tries again
  // virtio: rings
  ring_full,      ///< not enough free descriptors for the whole chain
  ring_broken,    ///< an earlier used entry was invalid: only a reset helps
  chain_empty,    ///< a chain without a descriptor
  chain_too_long, ///< longer than the queue can ever hold
  // virtio: control queue
  device_lacks_ctrl_rx,             ///< no VIRTIO_NET_F_CTRL_RX: no receive modes, no address tables
  device_lacks_ctrl_rx_extra,       ///< no VIRTIO_NET_F_CTRL_RX_EXTRA
  device_lacks_ctrl_vlan,           ///< no VIRTIO_NET_F_CTRL_VLAN
  device_lacks_ctrl_mac_addr,       ///< no VIRTIO_NET_F_CTRL_MAC_ADDR
  device_lacks_ctrl_guest_offloads, ///< no VIRTIO_NET_F_CTRL_GUEST_OFFLOADS
  device_lacks_notf_coal,           ///< neither VIRTIO_NET_F_NOTF_COAL nor VIRTIO_NET_F_VQ_NOTF_COAL
  device_lacks_device_stats,        ///< no VIRTIO_NET_F_DEVICE_STATS
  device_lacks_mq,                  ///< neither VIRTIO_NET_F_MQ nor VIRTIO_NET_F_RSS
  control_refused,                  ///< the device answered a command with VIRTIO_NET_ERR
  control_ack_invalid,              ///< the ack is neither OK nor ERR, or was not written
  control_timed_out,                ///< the device did not answer; its control queue is out of use until a reset
  filter_table_full,                ///< no room for one more address
  // network
  frame_too_short,       ///< under 14 bytes, an Ethernet header
  frame_too_long,        ///< above mtu + 14 (+ 4 with a VLAN tag)
  offload_not_supported, ///< the offload that a request asks for was not negotiated
  invalid_argument,
  not_supported,
};

/// A short lower-case clause that names the cause; never null.
[[nodiscard]] const char* to_string(Error error);

} // namespace bsp
