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

bool FakeNetDevice::arrive(const Bytes& frame, net::Checksum checksum) {
  return put(frame, frame.size(), checksum);
}

bool FakeNetDevice::arrive_in_pieces(const Bytes& frame, std::size_t piece) {
  return put(frame, piece, net::Checksum::none);
}

bool FakeNetDevice::put(Bytes frame, std::size_t piece, net::Checksum checksum) {
  if (arrived_.size() + handed_out_.size() == rx_ring) {
    overruns++;
    return false;
  }
  statistics.rx_packets++;
  statistics.rx_bytes += frame.size();
  arrived_.push_back({std::move(frame), {}, piece, checksum});
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
    auto* const bytes = reinterpret_cast<std::byte*>(frame.bytes.data());
    for (std::size_t at = frame.first; at < frame.bytes.size(); at += frame.first)
      frame.more.push_back(
          {bytes + at, {}, static_cast<std::uint32_t>(std::min(frame.first, frame.bytes.size() - at))});
    net::RxFrame& handle = out[count++] = net::RxFrame{};
    handle.first = {bytes, {}, static_cast<std::uint32_t>(std::min(frame.first, frame.bytes.size()))};
    handle.more = frame.more;
    handle.length = static_cast<std::uint32_t>(frame.bytes.size());
    handle.buffer = buffer;
    handle.checksum = frame.checksum;
    handle.csum_start = frame.checksum == net::Checksum::partial ? 34 : 0;
    handle.csum_offset = frame.checksum == net::Checksum::partial ? 16 : 0;
  }
  return count;
}

void FakeNetDevice::release(std::span<const net::RxFrame> frames) {
  for (const net::RxFrame& frame : frames) {
    if (handed_out_.erase(frame.buffer) == 0) faults.emplace_back("released a frame that was not handed out");
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
    if (wire.size() < 1024) wire.push_back(std::move(frame));
    in_flight_.push_back(request.cookie);
    taken++;
  }
  sends += taken;
  most_in_flight = std::max<std::uint64_t>(most_in_flight, in_flight_.size());
  if (completes == Completes::at_once) complete(taken);
  return taken;
}

std::size_t FakeNetDevice::reclaim(std::span<net::TxCompletion> out) {
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
  if (length > net::max_frame_size(mtu_, net::is_tagged({request.segments[0].data, request.segments[0].length})))
    return bsp::fail(bsp::Error::frame_too_long);
  return {};
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
