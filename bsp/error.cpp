// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/error.hpp"

namespace bsp {

const char* to_string(Error error) {
  switch (error) {
  case Error::out_of_dma_memory:
    return "out of DMA memory";
  case Error::address_not_reachable:
    return "address not reachable by the device";
  case Error::timed_out:
    return "timed out";
  case Error::interrupted:
    return "interrupted";
  case Error::not_supported_by_firmware:
    return "not supported by firmware";
  case Error::firmware_call_failed:
    return "firmware call failed";
  case Error::no_interrupt_context:
    return "no S-mode context of the boot hart";
  case Error::interrupt_out_of_range:
    return "interrupt number out of range";
  case Error::interrupt_table_full:
    return "interrupt table full";
  case Error::not_a_virtio_device:
    return "MagicValue is not 0x74726976";
  case Error::unsupported_transport_version:
    return "unsupported transport version";
  case Error::no_device:
    return "empty slot";
  case Error::device_gone:
    return "registers read all ones";
  case Error::not_a_network_device:
    return "not a network device";
  case Error::reset_timed_out:
    return "device did not finish its reset";
  case Error::device_lacks_version_1:
    return "device does not offer VERSION_1";
  case Error::device_rejected_features:
    return "device rejected the features";
  case Error::device_lacks_required_feature:
    return "device lacks a required feature";
  case Error::queue_not_available:
    return "a required queue does not exist";
  case Error::queue_too_small:
    return "queue too small for one packet";
  case Error::queue_already_in_use:
    return "queue in use after reset";
  case Error::queue_rejected:
    return "device did not take the queue";
  case Error::queue_reset_failed:
    return "device did not reset the queue";
  case Error::config_unstable:
    return "configuration did not settle";
  case Error::device_needs_reset:
    return "device needs reset";
  case Error::device_failed:
    return "device failed, recovery given up";
  case Error::ring_full:
    return "ring full";
  case Error::ring_broken:
    return "ring broken by an invalid used entry";
  case Error::chain_empty:
    return "nothing to send";
  case Error::chain_too_long:
    return "too many segments";
  case Error::device_lacks_ctrl_rx:
    return "device has no CTRL_RX";
  case Error::device_lacks_ctrl_rx_extra:
    return "device has no CTRL_RX_EXTRA";
  case Error::device_lacks_ctrl_vlan:
    return "device has no CTRL_VLAN";
  case Error::device_lacks_ctrl_mac_addr:
    return "device has no CTRL_MAC_ADDR";
  case Error::device_lacks_ctrl_guest_offloads:
    return "device has no CTRL_GUEST_OFFLOADS";
  case Error::device_lacks_notf_coal:
    return "device has no NOTF_COAL";
  case Error::device_lacks_device_stats:
    return "device has no DEVICE_STATS";
  case Error::device_lacks_mq:
    return "device has neither MQ nor RSS";
  case Error::control_refused:
    return "device refused the command";
  case Error::control_ack_invalid:
    return "device gave no valid answer";
  case Error::control_timed_out:
    return "device did not answer, 'net reset' tries again";
  case Error::filter_table_full:
    return "table full";
  case Error::frame_too_short:
    return "frame too short";
  case Error::frame_too_long:
    return "frame too long";
  case Error::offload_not_supported:
    return "offload not supported by the device";
  case Error::invalid_argument:
    return "invalid argument";
  case Error::not_supported:
    return "not supported";
  }
  return "unknown error";
}

} // namespace bsp
