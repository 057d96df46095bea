// SPDX-License-Identifier: BSD-2-Clause
// The input is what a device answers to commands on its control queue, and the commands: see hostile_nic.hpp.
#include "tests/fuzz/hostile_nic.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using enum virtio::Feature;
  constexpr virtio::FeatureSet features{net_ctrl_vq,
                                        net_ctrl_rx,
                                        net_ctrl_rx_extra,
                                        net_ctrl_vlan,
                                        net_ctrl_mac_addr,
                                        net_guest_announce,
                                        net_status,
                                        net_mq,
                                        net_rss,
                                        net_hash_report,
                                        net_notf_coal,
                                        net_vq_notf_coal,
                                        net_ctrl_guest_offloads,
                                        net_guest_csum,
                                        net_guest_tso4,
                                        net_mrg_rxbuf,
                                        net_device_stats,
                                        net_mac};
  fuzz::Input input{data, size};
  fuzz::HostileNic{input, features}.run(&fuzz::HostileNic::control_step);
  return 0;
}
