// SPDX-License-Identifier: BSD-2-Clause
// The floor: the least that a guest can do with QEMU's virtio network device. What a driver reaches of its figures is
// what the driver costs. Prints `name value` lines on the console, then powers the machine off.
#include "queue.hpp"

namespace {

struct Parameters {
  std::uint64_t mode;   ///< 1 tx, 2 rx, 3 echo
  std::uint64_t frames; ///< to send, receive or echo
  std::uint64_t size;   ///< bytes of a sent frame, without the virtio header
  std::uint64_t batch;  ///< frames sent at once: a power of two, at most the ring's size
  std::uint64_t ring;   ///< descriptors of each queue: a power of two
};
extern "C" const volatile Parameters parameters; // placed by the linker script, filled by QEMU

constexpr std::uint32_t header_size = 12;
constexpr std::uint32_t buffer_size = 2048;
constexpr std::uint32_t receive_queue = 0, transmit_queue = 1;
alignas(64) std::uint8_t receive_buffers[max_ring_size][buffer_size];
alignas(64) std::uint8_t transmit_buffers[max_ring_size][buffer_size];

/// A modern virtio-mmio network device.
class Device {
 public:
  /// Takes the highest slot that holds a network device, which QEMU fills first.
  void find() {
    for (std::uint32_t slot = 8; slot-- > 0;) {
      base_ = 0x10001000 + slot * 0x1000;
      source_ = 1 + slot;
      if (machine::word(base_ + 0x008) == 1) return;
    }
    machine::print("error: floor: no network device\r\n");
    machine::power_off();
  }
  /// Whether the device was given packed rings.
  bool negotiate() {
    set(status, 0);
    set(status, 1); // ACKNOWLEDGE
    set(status, 3); // DRIVER
    set(0x014, 1);
    const std::uint32_t high = get(0x010) & 0x5; // VERSION_1, RING_PACKED
    set(0x024, 0);
    set(0x020, 1U << 29 | 1U << 5); // EVENT_IDX, MAC
    set(0x024, 1);
    set(0x020, high);
    set(status, 11); // FEATURES_OK
    return (high & 0x4) != 0;
  }
  void add_queue(std::uint32_t index, std::uint32_t size, const RingAddresses& ring) {
    set(0x030, index);
    set(0x038, size);
    set_address(0x080, ring.descriptors);
    set_address(0x090, ring.driver_area);
    set_address(0x0a0, ring.device_area);
    set(0x044, 1);
  }
  void start() {
    plic_.enable(source_);
    set(status, 15); // DRIVER_OK
  }
  void notify(std::uint32_t queue) {
    machine::order_all();
    set(0x050, queue);
    ++notifications;
  }
  void sleep() {
    const std::uint32_t claimed = plic_.wait_and_claim();
    if (claimed == 0) return;
    set(0x064, get(0x060));
    plic_.complete(claimed);
    ++interrupts;
  }

  std::uint64_t notifications, interrupts;

 private:
  static constexpr std::uint32_t status = 0x070;
  [[nodiscard]] std::uint32_t get(std::uint32_t offset) const { return machine::word(base_ + offset); }
  void set(std::uint32_t offset, std::uint32_t value) const { machine::word(base_ + offset) = value; }
  void set_address(std::uint32_t offset, std::uintptr_t address) const {
    set(offset, static_cast<std::uint32_t>(address));
    set(offset + 4, static_cast<std::uint32_t>(address >> 32));
  }

  machine::Plic plic_;
  std::uintptr_t base_;
  std::uint32_t source_;
};

struct Run {
  std::uint64_t frames, bytes, begin, end;
};

void copy(std::uint8_t* to, const std::uint8_t* from, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i)
    to[i] = from[i];
}

/// Broadcast, from a locally administered address, EtherType 0x88b5 (IEEE's first for experiments).
void write_frame(std::uint8_t* frame) {
  static constexpr std::uint8_t head[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52,
                                          0x54, 0x00, 0x00, 0x00, 0x01, 0x88, 0xb5};
  copy(frame, head, sizeof head);
}

/// Sleeps until the device has used the buffer at `position`.
template <class Queue> void wait_for(Device& device, const Queue& queue, std::uint64_t position) {
  while (!queue.is_used(position)) {
    if (queue.may_wait_in_vain()) device.notify(transmit_queue);
    device.sleep();
  }
}

template <class Queue> Run transmit(Device& device, Queue& queue, std::uint32_t ring) {
  const std::uint64_t frames = parameters.frames;
  const auto size = static_cast<std::uint32_t>(parameters.size);
  const auto batch = static_cast<std::uint32_t>(parameters.batch);
  for (std::uint32_t i = 0; i < ring; ++i) {
    write_frame(transmit_buffers[i] + header_size);
    queue.describe(i, transmit_buffers[i], header_size + size, Access::device_reads);
  }
  device.start();
  const std::uint64_t begin = machine::ticks();
  for (std::uint64_t sent = 0; sent < frames;) {
    const auto count = static_cast<std::uint32_t>(frames - sent < batch ? frames - sent : batch);
    if (sent + count > ring) wait_for(device, queue, sent + count - ring - 1);
    queue.interrupt_at(sent + count - 1);
    if (queue.publish(count)) device.notify(transmit_queue);
    sent += count;
  }
  wait_for(device, queue, frames - 1);
  return {frames, frames * size, begin, machine::ticks()};
}

template <class Queue> void offer_receive_buffers(Device& device, Queue& queue, std::uint32_t ring) {
  for (std::uint32_t i = 0; i < ring; ++i)
    queue.describe(i, receive_buffers[i], buffer_size, Access::device_writes);
  device.start();
  queue.interrupt_at(0);
  if (queue.publish(ring)) device.notify(receive_queue);
  machine::print("# ready\r\n");
}

template <class Queue> Run receive(Device& device, Queue& queue, std::uint32_t ring) {
  const std::uint64_t frames = parameters.frames;
  offer_receive_buffers(device, queue, ring);
  Run run{};
  while (run.frames < frames) {
    const std::uint32_t count = queue.used_from(run.frames);
    if (count == 0) {
      device.sleep();
      continue;
    }
    if (run.frames == 0) run.begin = machine::ticks();
    for (std::uint32_t i = 0; i < count; ++i)
      run.bytes += queue.used_length(run.frames + i) - header_size;
    run.frames += count;
    queue.interrupt_at(run.frames);
    if (queue.publish(count)) device.notify(receive_queue);
  }
  run.end = machine::ticks();
  return run;
}

/// The frame goes back from the buffer that it came in, with its addresses swapped.
void turn_around(std::uint8_t* frame) {
  std::uint8_t destination[6];
  copy(destination, frame, 6);
  copy(frame, frame + 6, 6);
  copy(frame + 6, destination, 6);
}

template <class Queue> Run echo(Device& device, Queue& receiver, Queue& transmitter, std::uint32_t ring) {
  const std::uint64_t frames = parameters.frames;
  offer_receive_buffers(device, receiver, ring);
  transmitter.interrupt_at(no_position);
  Run run{};
  std::uint64_t returned = 0;
  while (run.frames < frames) {
    while (returned < run.frames && transmitter.is_used(returned)) { // buffers that the device has sent
      ++returned;
      if (receiver.publish(1)) device.notify(receive_queue);
    }
    if (receiver.used_from(run.frames) == 0) {
      device.sleep();
      continue;
    }
    if (run.frames == 0) run.begin = machine::ticks();
    std::uint8_t* const buffer = receive_buffers[run.frames & (ring - 1)];
    const std::uint32_t length = receiver.used_length(run.frames);
    turn_around(buffer + header_size);
    transmitter.describe(run.frames, buffer, length, Access::device_reads);
    transmitter.interrupt_at(no_position);
    receiver.interrupt_at(run.frames + 1);
    ++run.frames;
    if (transmitter.publish(1)) device.notify(transmit_queue);
    run.bytes += length - header_size;
  }
  while (!transmitter.is_used(frames - 1))
    ;
  run.end = machine::ticks();
  return run;
}

template <class Queue> Run measure(Device& device) {
  static Queue receiver, transmitter;
  const auto ring = static_cast<std::uint32_t>(parameters.ring);
  device.add_queue(receive_queue, ring, receiver.create(ring));
  device.add_queue(transmit_queue, ring, transmitter.create(ring));
  if (parameters.mode == 1) return transmit(device, transmitter, ring);
  if (parameters.mode == 2) return receive(device, receiver, ring);
  return echo(device, receiver, transmitter, ring);
}

} // namespace

extern "C" [[noreturn]] void floor_main() {
  static Device device;
  device.find();
  const Run run = device.negotiate() ? measure<PackedQueue>(device) : measure<SplitQueue>(device);
  const std::uint64_t ticks = run.end > run.begin ? run.end - run.begin : 1;
  machine::print_result("frames", run.frames);
  machine::print_result("bytes", run.bytes);
  machine::print("seconds ");
  machine::print(ticks / 10'000'000);
  machine::print('.');
  machine::print(ticks % 10'000'000 / 10, 6);
  machine::print("\r\n");
  machine::print_result("frames_per_second", run.frames * 10'000'000 / ticks);
  machine::print_result("bytes_per_second", run.bytes * 10'000'000 / ticks);
  machine::print_result("notifications", device.notifications);
  machine::print_result("interrupts", device.interrupts);
  machine::power_off();
}
