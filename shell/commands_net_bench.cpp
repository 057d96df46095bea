// SPDX-License-Identifier: BSD-2-Clause
// `net bench`: its options, the memory of its frames, and what it prints. The loops are in bench_loops.cpp.
#include <algorithm>
#include <cstring>

#include "bsp/cpu.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "shell/bench.hpp"
#include "shell/commands_net.hpp"

namespace shell {

namespace {

constexpr std::uint64_t max_count = std::uint64_t{1} << 32;
constexpr std::uint64_t max_seconds = 86'400;
constexpr std::uint64_t default_count = 1'000'000;
constexpr std::size_t max_batch = 128;
constexpr std::size_t default_batch = 32;
constexpr std::size_t line = 64;

/// `amount` in a second.
std::uint64_t per_second(std::uint64_t amount, std::uint64_t us) {
  return us == 0 ? 0 : amount / us * 1'000'000 + amount % us * 1'000'000 / us;
}

/// Descriptors of queue `index`.
std::size_t ring_size(const net::NetDevice& device, std::size_t index) {
  virtio::QueueState state{};
  const virtio::Diagnostics* const virtio = device.diagnostics();
  return virtio != nullptr && virtio->queue_state(index, state) && state.size != 0 ? state.size : 256;
}

/// The interface, if it can carry frames; null after an error line.
net::NetDevice* usable_interface(Session& session, const Arguments& arguments) {
  net::NetDevice* const device = session.interface(arguments);
  if (device == nullptr) return nullptr;
  if (device->usable() && device->link().state != net::LinkState::down) return device;
  session.error(arguments.full_name(), "{}", device->usable() ? "link is down" : to_string(bsp::Error::device_failed));
  return nullptr;
}

/// False after an error line.
bool allocate(Session& session, const Arguments& arguments, std::size_t size, bsp::DmaBuffer& memory) {
  bsp::DmaArena* const arena = session.system().arena;
  if (arena != nullptr) {
    if (auto buffer = arena->allocate(size, line)) {
      memory = std::move(*buffer);
      return true;
    }
  }
  print_error(session, arguments, bsp::Error::out_of_dma_memory);
  return false;
}

void write_frame(std::byte* frame, const net::NetDevice& device) {
  const net::MacAddress own = device.mac();
  std::memcpy(frame, net::broadcast.octets.data(), own.octets.size());
  std::memcpy(frame + 6, own.octets.data(), own.octets.size());
  frame[12] = static_cast<std::byte>(net::ethertype_experimental >> 8);
  frame[13] = static_cast<std::byte>(net::ethertype_experimental & 0xff);
}

/// A frame's place in memory: its segment, room for the device's header, the frame.
constexpr std::size_t frame_at = 64;
constexpr std::uint16_t headroom = frame_at - sizeof(net::Segment);

/// Fills `memory` with the frames' places, one more for the sample, the requests, and the counts by group.
void lay_out(TxPool& pool, std::size_t groups, std::size_t size, const bsp::DmaBuffer& memory,
             const net::NetDevice& device) {
  const std::size_t count = groups * pool.batch;
  std::byte* const requests = memory.data() + (count + 1) * pool.stride;
  pool.requests = {reinterpret_cast<net::TxRequest*>(requests), count};
  pool.unfinished = {reinterpret_cast<std::uint16_t*>(requests + count * sizeof(net::TxRequest)), groups};
  std::byte* const sample = memory.data() + count * pool.stride + frame_at;
  write_frame(sample, device);
  pool.sample = {sample, size};
  for (std::size_t i = 0; i < count; i++) {
    const std::size_t place = i * pool.stride;
    auto* const segment = reinterpret_cast<net::Segment*>(memory.data() + place);
    *segment = {memory.data() + place + frame_at, memory.bus(place + frame_at), static_cast<std::uint32_t>(size)};
    std::memcpy(segment->data, sample, size);
    pool.requests[i] = {.segments = {segment, 1}, .headroom = headroom};
  }
  bsp::sync_for_device(memory.bytes());
}

/// A result as it is printed: a number, or one with a fraction of `digits` decimals.
struct Value {
  std::string_view name;
  std::uint64_t number;
  std::uint32_t unit{1};
  unsigned digits{0};
};

} // namespace

// ---- the frame of a run

Bench::Bench(Session& session, const Arguments& arguments, net::NetDevice& nic, bool receives)
    : device{nic}, service{*session.system().net}, session_{session}, arguments_{arguments} {
  service.attend(device, receives);
  start();
}

Bench::~Bench() {
  service.expect_completions(false);
  service.dismiss();
}

void Bench::start() {
  const net::NetStats stats = device.stats();
  interrupts_ = stats.interrupts;
  notifications_ = stats.notifications;
  started_ = stopped_ = bsp::clock::now_ticks();
  progress_at_ = started_ + bsp::clock::frequency();
  instructions_ = bsp::cpu::instructions();
}

bool Bench::serve(bool sleep, bsp::Deadline until) {
  const bool running = sleep ? session_.wait(until) : session_.pump();
  if (device.link().state == net::LinkState::down) fail("link went down");
  if (service.disturbed()) fail("device was reset");
  const std::uint64_t now = bsp::clock::now_ticks();
  if (now >= progress_at_ && frames != 0) {
    progress_at_ = now + bsp::clock::frequency();
    session_.print("# {} frame(s)", frames);
  }
  return running && !failed();
}

void Bench::sleep() {
  session_.sleep(bsp::Deadline::never());
}

void Bench::report(const SequenceCheck* check) {
  const std::uint64_t instructions = bsp::cpu::instructions() - instructions_;
  if (failed()) {
    session_.print("# {} frame(s)", frames);
    session_.error(arguments_.full_name(), "{}", failure_);
    return;
  }
  const std::uint64_t us = bsp::clock::ticks_to_us(stopped_ - started_);
  const net::NetStats stats = device.stats();
  const Value values[] = {{"frames", frames},
                          {"bytes", bytes},
                          {"seconds", us, 1'000'000, 6},
                          {"frames_per_second", per_second(frames, us)},
                          {"bytes_per_second", per_second(bytes, us)},
                          {"notifications", stats.notifications - notifications_},
                          {"interrupts", stats.interrupts - interrupts_},
                          {"instructions_per_frame", frames == 0 ? 0 : instructions * 100 / frames, 100, 2},
                          {"lost", check != nullptr ? check->lost : 0},
                          {"reordered", check != nullptr ? check->reordered : 0}};
  const std::size_t count = std::size(values) - (check != nullptr && check->seen() ? 0 : 2);
  for (const Value& value : std::span{values, count}) {
    if (value.digits == 0)
      session_.print("{} {}", value.name, value.number);
    else
      session_.print("{} {}.{:0{}}", value.name, value.number / value.unit, value.number % value.unit, value.digits);
  }
}

// ---- commands

void run_net_bench_tx(Session& session, Arguments& arguments) {
  net::NetDevice* const device = usable_interface(session, arguments);
  if (device == nullptr) return;
  const std::size_t ring = ring_size(*device, 1);
  const std::size_t most = std::min(max_batch, ring);
  const auto count = session.number_option(arguments, "-n", default_count, 1, max_count);
  if (!count) return;
  const auto size = session.number_option(arguments, "-s", net::ethernet_min_frame, net::ethernet_min_frame,
                                          net::max_frame_size(device->mtu(), false));
  if (!size) return;
  const auto batch = session.number_option(arguments, "-b", std::min(default_batch, most), 1, most);
  if (!batch) return;

  TxPool pool{};
  pool.batch = *batch;
  pool.stride = (frame_at + *size + line - 1) / line * line;
  pool.copy = arguments.has("--copy");
  // So many that the device can have its ring full and the next group is ready.
  const std::size_t groups = (ring + pool.batch - 1) / pool.batch + 1;
  const std::size_t frames = groups * pool.batch;
  bsp::DmaBuffer memory;
  if (!allocate(session, arguments,
                (frames + 1) * pool.stride + frames * sizeof(net::TxRequest) + groups * sizeof(std::uint16_t), memory))
    return;
  lay_out(pool, groups, *size, memory, *device);
  Bench bench{session, arguments, *device, false};
  TxLoop loop{bench, pool, *count};
  if (!loop.run()) memory.quarantine();
  bench.report();
}

void run_net_bench_rx(Session& session, Arguments& arguments) {
  net::NetDevice* const device = usable_interface(session, arguments);
  if (device == nullptr) return;
  const auto count = session.number_option(arguments, "-n", default_count, 1, max_count);
  if (!count) return;
  const auto seconds = session.number_option(arguments, "-t", 10, 1, max_seconds);
  if (!seconds) return;
  bsp::DmaBuffer memory; // private
  const std::size_t batch = ring_size(*device, 0);
  if (!allocate(session, arguments, batch * sizeof(net::RxFrame), memory)) return;
  session.print("# receiving on {}", device->name());
  Bench bench{session, arguments, *device, true};
  SequenceCheck check;
  run_rx_loop(bench, check, {reinterpret_cast<net::RxFrame*>(memory.data()), batch}, *count, *seconds * 1'000'000);
  bench.report(&check);
}

void run_net_bench_echo(Session& session, Arguments& arguments) {
  net::NetDevice* const device = usable_interface(session, arguments);
  if (device == nullptr) return;
  const std::size_t ring = ring_size(*device, 0);
  bsp::DmaBuffer memory; // private: the places of received frames, and which of them are finished
  if (!allocate(session, arguments, ring * (sizeof(net::RxFrame) + sizeof(bool)), memory)) return;
  auto* const frames = reinterpret_cast<net::RxFrame*>(memory.data());
  session.print("# echoing on {}", device->name());
  Bench bench{session, arguments, *device, true};
  EchoLoop loop{bench, {frames, ring}, {reinterpret_cast<bool*>(frames + ring), ring}};
  loop.run();
  bench.report();
}

} // namespace shell
