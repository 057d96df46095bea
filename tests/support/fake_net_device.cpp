// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_net_device.hpp"

#include <algorithm>
#include <utility>

namespace test {

bool FakeDiagnostics::queue_state(std::size_t index, virtio::QueueState& out) const {
  if (index >= queues.size()) return false;
  out = queues[index];
  return true;
}

bool FakeDiagnostics::register_value(std::size_t index, virtio::RegisterValue& out) const {
  if (index >= registers.size()) return false;
  out = registers[index];
  return true;
}

bsp::Result<void> RecordingControl::command() {
  if (error) return bsp::fail(*error);
  commands++;
  return {};
}

bsp::Result<void> RecordingControl::set_mac(const net::MacAddress& address) {
  TRY(command());
  mac = address;
  return {};
}

bsp::Result<void> RecordingControl::set_receive_mode(net::ReceiveMode mode, bool on) {
  TRY(command());
  modes[static_cast<std::size_t>(mode)] = on;
  return {};
}

bsp::Result<void> RecordingControl::add_multicast(const net::MacAddress& group) {
  TRY(command());
  if (!group.is_multicast() || group == net::broadcast || std::ranges::count(groups, group) != 0)
    return bsp::fail(bsp::Error::invalid_argument);
  groups.push_back(group);
  return {};
}

bsp::Result<void> RecordingControl::remove_multicast(const net::MacAddress& group) {
  TRY(command());
  if (std::erase(groups, group) == 0) return bsp::fail(bsp::Error::invalid_argument);
  return {};
}

bsp::Result<void> RecordingControl::add_vlan(std::uint16_t id) {
  TRY(command());
  if (!vlans.insert(id).second) return bsp::fail(bsp::Error::invalid_argument);
  return {};
}

bsp::Result<void> RecordingControl::remove_vlan(std::uint16_t id) {
  TRY(command());
  if (vlans.erase(id) == 0) return bsp::fail(bsp::Error::invalid_argument);
  return {};
}

bsp::Result<void> RecordingControl::announce() {
  TRY(command());
  announcements++;
  return {};
}

bsp::Result<void> RecordingControl::set_coalescing(net::TrafficDirection direction, net::Coalescing values) {
  TRY(command());
  coalescing_values[static_cast<std::size_t>(direction)] = values;
  return {};
}

net::Coalescing RecordingControl::coalescing(net::TrafficDirection direction) const {
  return coalescing_values[static_cast<std::size_t>(direction)];
}

bool RecordingControl::offload(std::size_t index, net::OffloadState& out) const {
  if (index >= offloads.size()) return false;
  out = offloads[index];
  return true;
}

bsp::Result<void> RecordingControl::set_offload(std::string_view name, bool on) {
  TRY(command());
  for (net::OffloadState& state : offloads) {
    if (state.name != name) continue;
    if (state.fixed) return bsp::fail(bsp::Error::not_supported);
    state.on = on;
    return {};
  }
  return bsp::fail(bsp::Error::invalid_argument);
}

bsp::Result<void> RecordingControl::device_stats(void (*function)(void* context, const net::DeviceStat& stat),
                                                 void* context) {
  TRY(command());
  for (const net::DeviceStat& stat : device_stat_values)
    function(context, stat);
  return {};
}

bool FakeNetDevice::arrive(const Bytes& frame, net::Checksum checksum) {
  net::RxFrame like;
  like.checksum = checksum;
  if (checksum == net::Checksum::partial) {
    like.csum_start = 34;
    like.csum_offset = 16;
  }
  return arrive_as(frame, like, frame.size());
}

bool FakeNetDevice::arrive_in_pieces(const Bytes& frame, std::size_t piece) {
  return arrive_as(frame, {}, piece);
}

bool FakeNetDevice::arrive_as(const Bytes& frame, const net::RxFrame& like, std::size_t piece) {
  if (arrived_.size() + handed_out_.size() == rx_ring) {
    overruns++;
    return false;
  }
  statistics.rx_packets++;
  statistics.rx_bytes += frame.size();
  Bytes buffer(header_size);
  buffer.insert(buffer.end(), frame.begin(), frame.end());
  buffer.resize(buffer.size() + 64, 0xa5); // buffers are longer than such frames, and not empty
  arrived_.push_back({std::move(buffer), frame.size(), {}, piece, like});
  return true;
}

void FakeNetDevice::complete(std::size_t count, bool sent) {
  for (; count != 0 && !in_flight_.empty(); count--) {
    done_.push_back({in_flight_.front(), sent});
    in_flight_.pop_front();
  }
}

void FakeNetDevice::raise(net::NetEvent event) {
  if (listener_.function != nullptr) listener_.function(listener_.context, *this, event);
}

std::size_t FakeNetDevice::receive(std::span<net::RxFrame> out) {
  statistics.polls++;
  std::size_t count = 0;
  while (count < out.size() && !arrived_.empty()) {
    const std::uint16_t buffer = next_buffer_++;
    Arrived& frame = handed_out_[buffer] = std::move(arrived_.front());
    arrived_.pop_front();
    auto* const bytes = reinterpret_cast<std::byte*>(frame.buffer.data()) + header_size;
    for (std::size_t at = frame.first; at < frame.size; at += frame.first)
      frame.more.push_back({bytes + at, {}, static_cast<std::uint32_t>(std::min(frame.first, frame.size - at))});
    net::RxFrame& handle = out[count++] = frame.like;
    handle.first = {bytes, bsp::BusAddress{0x5000'0000 + buffer * 0x1'0000ULL},
                    static_cast<std::uint32_t>(std::min(frame.first, frame.size))};
    handle.set_more(frame.more);
    handle.handle = buffer;
  }
  return count;
}

void FakeNetDevice::release(std::span<const net::RxFrame> frames) {
  for (const net::RxFrame& frame : frames) {
    if (handed_out_.erase(frame.handle) == 0) faults.emplace_back("released a frame that was not handed out");
  }
}

std::size_t FakeNetDevice::send(std::span<const net::TxRequest> requests) {
  send_calls++;
  std::size_t taken = 0;
  for (const net::TxRequest& request : requests) {
    if (!is_usable || in_flight_.size() + done_.size() == tx_ring || !check_request(request)) break;
    Bytes frame;
    for (const net::Segment& segment : request.segments) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(segment.data);
      if (segment.bus == bsp::BusAddress{}) faults.emplace_back("a segment without bus address");
      frame.insert(frame.end(), bytes, bytes + segment.length);
    }
    statistics.tx_packets++;
    statistics.tx_bytes += frame.size();
    if (wire.size() < 1024) {
      wire.push_back(std::move(frame));
      offloads.push_back(request.offload);
    }
    in_flight_.push_back(request.cookie);
    taken++;
  }
  sends += taken;
  most_in_flight = std::max<std::uint64_t>(most_in_flight, in_flight_.size());
  if (completes == Completes::at_once) complete(taken);
  return taken;
}

std::size_t FakeNetDevice::reclaim(std::span<net::TxCompletion> out) {
  if (on_reclaim) on_reclaim();
  std::size_t count = 0;
  for (; count < out.size() && !done_.empty(); done_.pop_front())
    out[count++] = done_.front();
  return count;
}

bsp::Result<void> FakeNetDevice::check_request(const net::TxRequest& request) const {
  if (request.segments.empty()) return bsp::fail(bsp::Error::chain_empty);
  std::size_t length = 0;
  for (const net::Segment& segment : request.segments)
    length += segment.length;
  if (length < net::ethernet_header_size) return bsp::fail(bsp::Error::frame_too_short);
  const std::uint16_t limit = request.offload.gso == net::Gso::none ? mtu_ : std::uint16_t{UINT16_MAX};
  if (length > net::max_frame_size(limit, net::is_tagged({request.segments[0].data, request.segments[0].length})))
    return bsp::fail(bsp::Error::frame_too_long);
  if (!grants(request.offload)) return bsp::fail(bsp::Error::offload_not_supported);
  return {};
}

bool FakeNetDevice::grants(const net::Offload& offload) const {
  using virtio::Feature;
  const virtio::FeatureSet accepted = diagnostics_values.accepted;
  if (offload.checksum && !accepted.has(Feature::net_csum)) return false;
  switch (offload.gso) {
  case net::Gso::none:
    return true;
  case net::Gso::tcp4:
    return accepted.has(Feature::net_host_tso4);
  case net::Gso::tcp6:
    return accepted.has(Feature::net_host_tso6);
  case net::Gso::udp_fragments:
    return accepted.has(Feature::net_host_ufo);
  case net::Gso::udp_segments:
    return accepted.has(Feature::net_host_uso);
  }
  return false;
}

void FakeNetDevice::service() {
  service_calls++;
  if (completes == Completes::when_serviced) complete(in_flight_.size());
  if (on_service) on_service();
}

bool FakeNetDevice::prepare_idle(bool for_completions) {
  if (for_completions) idle_preparations_for_completions++;
  if (for_completions && completes == Completes::when_idle_is_prepared) complete(in_flight_.size());
  return !arrived_.empty() || (for_completions && !done_.empty());
}

bsp::Result<void> FakeNetDevice::reset() {
  resets++;
  if (reset_fails) {
    is_usable = false;
    return bsp::fail(bsp::Error::reset_timed_out);
  }
  is_usable = true;
  complete(in_flight_.size(), false);
  return {};
}

bsp::Result<void> FakeNetDevice::set_mtu(std::uint16_t mtu) {
  if (mtu < net::min_mtu || mtu > mtu_limit) return bsp::fail(bsp::Error::invalid_argument);
  mtu_ = mtu;
  return {};
}

} // namespace test
