// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fuzz/hostile_nic.hpp"

#include <cstring>
#include <sstream>
#include <string>

#include "bsp/log.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"

namespace fuzz {

namespace {

constexpr std::uint64_t ticks_per_look = 10'000; ///< a millisecond: a wait for a dead device costs a thousand looks
constexpr std::uint64_t longest_call_us = 20'000'000;
constexpr std::size_t large_receive_budget = 16 * std::size_t{65'600}; ///< for super-frames in one buffer each

/// DMA memory, cleared, so that one run leaves nothing for the next.
std::span<std::byte> dma_memory() {
  struct alignas(4096) Page {
    std::byte bytes[4096];
  };
  static std::vector<Page> pages(1024);
  const std::span<std::byte> all{pages.data()->bytes, pages.size() * sizeof(Page)};
  std::memset(all.data(), 0, all.size());
  return all;
}

/// No call of the driver takes longer than a few timeouts.
class Bounded {
 public:
  ~Bounded() { next(); }
  /// Another call begins.
  void next() {
    require(bsp::clock::ticks_to_us(test::fake_clock().ticks - start_) < longest_call_us,
            "a call ends in bounded time");
    start_ = test::fake_clock().ticks;
  }

 private:
  std::uint64_t start_{test::fake_clock().ticks};
};

} // namespace

HostileNic::HostileNic(Input& input, virtio::FeatureSet always_offered)
    : input_{input}, kind_{input.byte()}, bytes_{dma_memory()},
      arena_{bytes_, bsp::BusAddress{HostileDevice::bus_base}}, device_{input, kind_, always_offered, bytes_} {
  test::fake_bus().log_enabled = false;
  test::fake_cpu().reset();
  test::fake_clock().step = ticks_per_look;
  bsp::log::set_sink(nullptr, nullptr);
  auto user = arena_.allocate(frame_slots * slot_bytes, 64);
  require(user.has_value(), "there is memory for frames to send");
  user_ = std::move(*user);
  device_.is_lent = [this](const HostileRing::Piece& piece) { return is_in_use(piece); };
}

HostileNic::~HostileNic() {
  net_.reset();
}

template <class Visit> void HostileNic::for_each_segment(const net::RxFrame& frame, Visit&& visit) {
  visit(frame.first);
  for (const net::Segment& segment : frame.more())
    visit(segment);
}

bool HostileNic::is_in_use(const HostileRing::Piece& piece) const {
  const auto overlaps = [&](std::uint64_t bus, std::uint64_t length) {
    return piece.bus < bus + length && bus < piece.bus + piece.length;
  };
  bool used = overlaps(raw(user_.bus()), user_.size());
  for (const HeldFrame& held : frames_)
    for_each_segment(held.frame,
                     [&](const net::Segment& segment) { used = used || overlaps(raw(segment.bus), segment.length); });
  return used;
}

void HostileNic::create() {
  const Bounded bounded;
  virtio::Transport* transport = nullptr;
  if (device_.is_legacy())
    transport = (legacy_ = std::make_unique<virtio::LegacyMmioTransport>(device_.registers().base(), 8)).get();
  else
    transport = (modern_ = std::make_unique<virtio::MmioTransport>(device_.registers().base(), 8)).get();
  const net::VirtioNet::Config config{.name = "net0",
                                      .queue_size = static_cast<std::uint16_t>(2U << (kind_ >> 2 & 3)),
                                      .mac_seed = 42,
                                      .arena = &arena_,
                                      .irqchip = (kind_ & 2) != 0 ? nullptr : &line_,
                                      .receive_budget = (kind_ & 0x70) == 0x70 ? large_receive_budget : 0};
  const bsp::Result<void> result = net::VirtioNet::create(net_, *transport, config);
  require(result.has_value() == net_.has_value(), "a device that is not brought up is not there");
}

void HostileNic::run(void (HostileNic::*step)()) {
  if (input_.flag()) device_.script_step();
  create();
  while (!input_.empty() && net_) {
    require_rules_kept();
    (this->*step)();
  }
  require_working();
  require_rules_kept();
}

/// While a reset does not end an interrupt is acknowledged all the same: nothing else would quiet the line.
void HostileNic::require_rules_kept() {
  if (device_.registers().violations().empty()) return;
  std::istringstream violations{device_.registers().take_violations()};
  for (std::string line; std::getline(violations, line);)
    require(line.starts_with("Interrupt") && line.ends_with("accessed before the reset was done"), line.c_str());
}

void HostileNic::any_step() {
  const std::uint8_t op = input_.byte();
  const std::uint8_t kind = op & 0x3f;
  if (kind < 0x20)
    device_.step(kind);
  else
    user_step(kind);
  if ((op & 0x40) != 0) take_interrupts();
  if ((op & 0x80) != 0) turn();
}

void HostileNic::control_step() {
  const std::uint8_t op = input_.byte();
  if (op < 0x80)
    command_step();
  else if (op < 0xa0)
    user_step(0x24 + op % 3); // service, prepare_idle, reset
  else if (op < 0xc0)
    device_.registers_step(static_cast<std::uint8_t>(0x10 + (op & 15)));
  else if (op < 0xe0)
    device_.ring_step(op & 15);
  else
    turn();
}

void HostileNic::user_step(std::uint8_t op) {
  if (op == 0x27) return command_step(); // which may be many calls
  const Bounded bounded;
  switch (op) {
  case 0x20:
    return receive(input_.byte() & 31);
  case 0x21:
    if (!frames_.empty()) release(input_.byte() % frames_.size());
    return;
  case 0x22:
    return send();
  case 0x23:
    return reclaim(input_.byte() & 31);
  case 0x24:
    return net_->service();
  case 0x25:
    static_cast<void>(net_->prepare_idle(input_.flag()));
    return;
  case 0x26:
    static_cast<void>(net_->reset());
    return;
  case 0x28:
    static_cast<void>(net_->set_mtu(input_.half()));
    return;
  case 0x29:
    return look_at_everything();
  case 0x2a:
    return net_->clear_stats();
  case 0x2b:
    net_->shut_down();
    static_cast<void>(net_->reset());
    return;
  default:
    return turn();
  }
}

void HostileNic::command_step() {
  Bounded bounded;
  net::NetControl& control = *net_->control();
  const std::uint8_t op = input_.byte();
  const bool on = (op & 0x10) != 0;
  const auto any_mac = [this] {
    net::MacAddress address{{0x33, 0x33}};
    address.octets[5] = input_.byte();
    return address;
  };
  const auto direction = on ? net::TrafficDirection::receive : net::TrafficDirection::transmit;
  net::OffloadState offload{};
  switch (op & 15) {
  case 0:
    static_cast<void>(control.set_mac({{0x52, 0x54, 0, 0, 1, input_.byte()}}));
    break;
  case 1:
    static_cast<void>(control.set_receive_mode(static_cast<net::ReceiveMode>(input_.byte() % 6), on));
    break;
  case 2:
    static_cast<void>(control.add_multicast(any_mac()));
    break;
  case 3:
    static_cast<void>(control.remove_multicast(any_mac()));
    break;
  case 4:
    static_cast<void>(control.add_vlan(input_.half() & 0x1fff));
    break;
  case 5:
    static_cast<void>(control.remove_vlan(input_.half() & 0x1fff));
    break;
  case 6:
    static_cast<void>(control.announce());
    break;
  case 7:
    static_cast<void>(control.set_coalescing(direction, {input_.byte(), input_.byte()}));
    break;
  case 8:
    if (control.offload(input_.byte() % 16, offload)) static_cast<void>(control.set_offload(offload.name, on));
    break;
  case 9:
    static_cast<void>(control.set_queue_pairs(input_.byte() & 3));
    break;
  case 10:
    static_cast<void>(control.device_stats(
        [](void* sum, const net::DeviceStat& stat) {
          *static_cast<std::uint64_t*>(sum) += stat.value + stat.name.size();
        },
        &sum_));
    break;
  case 11: // more groups than the table takes
    for (unsigned i = 0; i < net::multicast_table_size + 1; i++) {
      static_cast<void>(control.add_multicast({{0x33, 0x33, 0, 0, 1, static_cast<std::uint8_t>(i)}}));
      bounded.next();
    }
    break;
  default:
    break;
  }
}

void HostileNic::take_interrupts() {
  for (int i = 0; i < 4 && device_.registers().line_raised(); i++)
    line_.handle_external_interrupt();
}

/// One round of a main loop.
void HostileNic::turn() {
  const Bounded bounded;
  take_interrupts();
  net_->service();
  receive(8);
  while (!frames_.empty())
    release(0);
  reclaim(frame_slots);
  if (net_->work_pending() || net_->prepare_idle(true)) return;
  const std::uint64_t wake = net_->next_wake().ticks();
  if (wake != UINT64_MAX && wake > test::fake_clock().ticks && !device_.good()) test::fake_clock().ticks = wake;
}

std::uint64_t HostileNic::sum_of(std::span<const std::byte> bytes) {
  std::uint64_t sum = bytes.size();
  for (const std::byte byte : bytes)
    sum = sum * 31 + std::to_integer<unsigned>(byte);
  return sum;
}

std::uint64_t HostileNic::sum_of(const net::RxFrame& frame) {
  std::uint64_t sum = 0;
  for_each_segment(frame, [&](const net::Segment& segment) { sum = sum * 7 + sum_of({segment.data, segment.length}); });
  return sum;
}

void HostileNic::check(const net::RxFrame& frame) {
  for_each_segment(frame, [&](const net::Segment& segment) {
    require(segment.length != 0 && device_.memory().contains(raw(segment.bus), segment.length) &&
                segment.data == bytes_.data() + (raw(segment.bus) - HostileDevice::bus_base),
            "a received segment lies in DMA memory, at the address that goes with it");
    require(device_.is_free({raw(segment.bus), segment.length, true}), "a received frame is nobody else's");
  });
  require(frame.length() >= net::ethernet_header_size, "a frame has an Ethernet header");
  require(frame.checksum != net::Checksum::partial || frame.csum_start + frame.csum_offset + 2U <= frame.length(),
          "a partial checksum lies in the frame");
}

void HostileNic::receive(std::size_t most) {
  std::array<net::RxFrame, 32> frames;
  const std::uint64_t packets = net_->stats().rx_packets;
  const std::uint64_t counted = net_->stats().rx_bytes;
  const std::size_t count = net_->receive(std::span{frames}.first(most));
  require(count <= most, "no more frames than asked for");
  std::uint64_t bytes = 0;
  for (const net::RxFrame& frame : std::span{frames}.first(count)) {
    check(frame);
    bytes += frame.length();
    frames_.push_back({frame, sum_of(frame)});
  }
  require(net_->stats().rx_packets - packets == count && net_->stats().rx_bytes - counted == bytes,
          "what was received is what is counted");
}

void HostileNic::release(std::size_t index) {
  const HeldFrame held = frames_[index];
  require(sum_of(held.frame) == held.sum, "a frame stays as it is until it is released");
  frames_.erase(frames_.begin() + static_cast<std::ptrdiff_t>(index));
  net_->release({&held.frame, 1});
}

net::Offload HostileNic::any_offload() {
  net::Offload offload;
  const std::uint8_t kind = input_.byte();
  offload.checksum = (kind & 1) != 0;
  offload.gso = static_cast<net::Gso>((kind >> 1) % 5);
  if (kind == 0) return offload;
  offload.csum_start = input_.byte();
  offload.csum_offset = input_.byte();
  offload.gso_size = input_.half();
  offload.header_length = input_.byte();
  return offload;
}

void HostileNic::send() {
  const std::uint8_t shape = input_.byte();
  std::array<net::Segment, net::max_tx_segments + 1> segments;
  const std::size_t count = shape % segments.size();
  const auto slot = static_cast<std::size_t>(std::ranges::find(in_flight_, false) - in_flight_.begin());
  if (slot == frame_slots) return reclaim(frame_slots);
  const std::size_t start = slot * slot_bytes + slot_headroom;
  constexpr std::size_t room = slot_bytes - slot_headroom;
  const auto content = input_.bytes(16);
  if (!content.empty()) std::memcpy(user_.data() + start, content.data(), content.size());
  for (std::size_t i = 0; i < count; i++)
    segments[i] = {user_.data() + start, user_.bus(start), static_cast<std::uint32_t>(input_.half() % (room + 1))};
  const net::TxRequest request{.segments = std::span{segments}.first(count),
                               .cookie = net::Cookie{slot},
                               .headroom = static_cast<std::uint16_t>((shape & 0x80) != 0 ? slot_headroom : 0),
                               .offload = any_offload()};
  const bool valid = net_->check_request(request).has_value();
  sums_[slot] = sum_of(user_.bytes().subspan(start, room));
  const std::size_t taken = net_->send({&request, 1});
  require(taken <= (valid ? 1U : 0U), "what check_request() refuses is not sent");
  in_flight_[slot] = taken == 1;
}

void HostileNic::reclaim(std::size_t most) {
  std::array<net::TxCompletion, 32> done;
  const std::size_t count = net_->reclaim(std::span{done}.first(most));
  require(count <= most, "no more completions than asked for");
  for (const net::TxCompletion& completion : std::span{done}.first(count)) {
    const auto slot = static_cast<std::size_t>(completion.cookie);
    require(slot < frame_slots && in_flight_[slot], "each request comes back once");
    in_flight_[slot] = false;
    require(sum_of(user_.bytes().subspan(slot * slot_bytes + slot_headroom, slot_bytes - slot_headroom)) == sums_[slot],
            "the driver changes nothing in a frame");
  }
}

void HostileNic::look_at_everything() {
  virtio::QueueState queue{};
  for (std::size_t i = 0; i < HostileDevice::queue_count; i++)
    if (net_->queue_state(i, queue)) sum_ += queue.in_flight;
  require_rules_kept();
  virtio::RegisterValue value{};
  for (std::size_t i = 0; i < 64 && net_->register_value(i, value); i++)
    sum_ += value.value;
  static_cast<void>(device_.registers().take_violations()); // who asks for the registers is shown them at any time
  net::OffloadState offload{};
  for (std::size_t i = 0; net_->offload(i, offload); i++)
    sum_ += offload.name.size();
  sum_ +=
      net_->multicast().size() + net_->stats().polls + net_->device_status() + net_->mtu() + net_->link().speed_mbps;
  for (std::size_t i = 0; i < net::receive_mode_count; i++)
    sum_ += net_->receive_mode(static_cast<net::ReceiveMode>(i)) ? 1 : 0;
  for (const net::TrafficDirection direction : {net::TrafficDirection::receive, net::TrafficDirection::transmit})
    sum_ += net_->coalescing(direction).max_usecs;
  require(net_->tx_in_flight() <= frame_slots, "no more requests are in flight than were sent");
}

// ---- the end
// -------------------------------------------------------------------------------------------------------------

/// The device behaves from now on: a reset, and everything works and nothing is lost.
void HostileNic::require_working() {
  device_.behave();
  if (!net_) create();
  require(net_.has_value(), "a device that behaves is brought up");
  {
    const Bounded bounded;
    require(net_->reset().has_value(), "a reset brings back a device that behaves");
  }
  require(net_->usable(), "it can be used then");
  while (!frames_.empty())
    release(frames_.size() - 1);
  reclaim(frame_slots);
  require(std::ranges::none_of(in_flight_, [](bool in_flight) { return in_flight; }), "every request has come back");
  require(net_->tx_in_flight() == 0, "nothing is in flight after a reset");
  require_traffic();
}

void HostileNic::require_traffic() {
  net::Segment segment{user_.data() + slot_headroom, user_.bus(slot_headroom), 60};
  const net::TxRequest request{.segments = {&segment, 1}, .cookie = net::Cookie{0}, .headroom = 0, .offload = {}};
  sums_[0] = sum_of(user_.bytes().subspan(slot_headroom, slot_bytes - slot_headroom));
  in_flight_[0] = net_->send({&request, 1}) == 1;
  require(in_flight_[0], "a frame can be sent");
  const auto chain = device_.ring(1).take();
  require(chain.has_value(), "the device gets it");
  std::size_t length = 0;
  for (const HostileRing::Piece& piece : chain->pieces) {
    require(!piece.writable && device_.memory().contains(piece.bus, piece.length), "what is sent is DMA memory");
    length += piece.length;
  }
  require(length == net_->header_size() + 60, "behind a header");
  device_.ring(1).use(*chain, 0);
  reclaim(1);
  require(!in_flight_[0], "it comes back");

  std::array<std::uint8_t, 128> frame{};
  for (std::size_t i = 0; i < frame.size(); i++)
    frame[i] = i < net_->header_size() ? 0 : static_cast<std::uint8_t>(i);
  frame[10] = net_->header_size() > 10 ? 1 : frame[10];
  const auto buffer = device_.ring(0).take();
  require(buffer.has_value(), "the device has a buffer");
  device_.deliver(device_.ring(0), *buffer, frame, frame.size());
  receive(8);
  require(frames_.size() == 1 && frames_[0].frame.length() == frame.size() - net_->header_size(),
          "a frame is received");
  require(std::memcmp(frames_[0].frame.first.data, frame.data() + net_->header_size(), 60) == 0, "as it was sent");
  release(0);
}

} // namespace fuzz
