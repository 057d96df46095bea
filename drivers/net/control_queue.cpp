// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/net/control_queue.hpp"

#include <algorithm>
#include <cstring>

#include "bsp/barrier.hpp"
#include "bsp/clock.hpp"
#include "bsp/panic.hpp"
#include "bsp/shared.hpp"
#include "drivers/net/net_control.hpp"
#include "drivers/net/virtio_net_spec.hpp"

namespace net {

using bsp::Error;
using bsp::Result;
using virtio::Piece;

namespace {

// The command memory. What the device writes shares no cache line with what it reads.
constexpr std::size_t header_at = 0;
constexpr std::size_t header_bytes = 2;
constexpr std::size_t data_at = 64;
constexpr std::size_t ack_at = data_at + ControlQueue::max_data;
constexpr std::size_t before_ack_at = ack_at + 64;
constexpr std::size_t after_ack_at = before_ack_at + ControlQueue::max_answer;
constexpr std::size_t memory_bytes = after_ack_at + ControlQueue::max_answer;

constexpr std::byte ack_unwritten{0xff};

} // namespace

Result<void> ControlQueue::allocate(bsp::DmaArena& arena, const virtio::RingShape& shape) {
  TRY(ring_.allocate(arena, shape));
  if (memory_.data() == nullptr) TRY(arena.allocate(memory_, memory_bytes, 64));
  return {};
}

void ControlQueue::go_live(std::uint16_t index, std::uint16_t size_max, const virtio::Doorbell& doorbell) {
  index_ = index;
  size_max_ = size_max;
  doorbell_ = doorbell;
  live_ = true;
}

void ControlQueue::take_back() {
  if (unanswered_) ring_.forget(*unanswered_);
  unanswered_.reset();
}

void ControlQueue::quarantine() {
  ring_.quarantine();
  memory_.quarantine();
}

Result<void> ControlQueue::execute(std::uint8_t command_class, std::uint8_t command,
                                   std::initializer_list<std::span<const std::byte>> data, ControlAnswer answer) {
  if (unanswered_) return bsp::fail(Error::control_timed_out);
  if (!live_) return bsp::fail(Error::queue_not_available);
  unanswered_ = add_command(command_class, command, data, answer);
  if (!unanswered_) PANIC("control queue: no room for a command");
  bsp::sync_for_device(memory_.bytes());
  if (const auto notification = ring_.publish()) doorbell_.ring(*notification);
  if (!wait_for_ack()) return bsp::fail(ring_.broken() ? Error::ring_broken : Error::control_timed_out);
  unanswered_.reset();
  bsp::sync_for_cpu(memory_.bytes());
  const auto ack = bsp::load_once(reinterpret_cast<const std::uint8_t&>(memory_.data()[ack_at]));
  if (ack == virtio_net::control::ack_err) return bsp::fail(Error::control_refused);
  if (ack != virtio_net::control::ack_ok) return bsp::fail(Error::control_ack_invalid);
  std::copy_n(memory_.data() + before_ack_at, answer.before_ack.size(), answer.before_ack.data());
  std::copy_n(memory_.data() + after_ack_at, answer.after_ack.size(), answer.after_ack.data());
  return {};
}

std::optional<virtio::Token> ControlQueue::add_command(std::uint8_t command_class, std::uint8_t command,
                                                       std::initializer_list<std::span<const std::byte>> data,
                                                       const ControlAnswer& answer) {
  if (answer.before_ack.size() > max_answer || answer.after_ack.size() > max_answer)
    PANIC("control queue: answer too long");
  std::memset(memory_.data(), 0, memory_.size());
  memory_.data()[header_at] = std::byte{command_class};
  memory_.data()[header_at + 1] = std::byte{command};
  memory_.data()[ack_at] = ack_unwritten;

  Piece readable[3];
  std::size_t readable_count = 0;
  readable[readable_count++] = {memory_.bus(header_at), header_bytes};
  std::size_t at = data_at;
  for (const std::span<const std::byte> part : data) {
    if (readable_count == std::size(readable) || part.size() > ack_at - at) PANIC("control queue: data too long");
    std::copy(part.begin(), part.end(), memory_.data() + at);
    readable[readable_count++] = {memory_.bus(at), static_cast<std::uint32_t>(part.size())};
    at += part.size();
  }
  Piece writable[3];
  std::size_t writable_count = 0;
  const auto add_writable = [&](std::size_t offset, std::size_t bytes) {
    if (bytes != 0) writable[writable_count++] = {memory_.bus(offset), static_cast<std::uint32_t>(bytes)};
  };
  add_writable(before_ack_at, answer.before_ack.size());
  add_writable(ack_at, 1);
  add_writable(after_ack_at, answer.after_ack.size());
  return ring_.add({readable, readable_count}, {writable, writable_count});
}

bool ControlQueue::wait_for_ack() {
  const bsp::Deadline deadline = bsp::Deadline::in_ms(control_timeout_ms);
  while (true) {
    const bool late = deadline.expired(); // before the look: who was held up in between still sees what came in time
    virtio::Used used;
    if (ring_.take_used({&used, 1}) != 0) return true;
    if (late || ring_.broken()) return false;
    // The device may have gone to sleep just before the command was exposed, see SplitRing::recheck_notification().
    bsp::barrier::before_suppression_check();
    if (const auto missed = ring_.recheck_notification()) doorbell_.ring(*missed);
  }
}

} // namespace net
