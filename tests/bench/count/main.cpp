// SPDX-License-Identifier: BSD-2-Clause
// What the data path costs in instructions: a firmware without the shell that links the driver, for QEMU with two
// interfaces on one hub. net1 sends, net0 receives. Counts instructions by instret around batches, which is exact under
// `-icount shift=0`; what waits for the device is not counted. Prints `name value` lines, value in hundredths of an
// instruction a frame, the least of all rounds, and ends the machine.
#include <algorithm>
#include <array>
#include <optional>

#include "bsp/clock.hpp"
#include "bsp/format.hpp"
#include "bsp/image.hpp"
#include "bsp/panic.hpp"
#include "bsp/sbi.hpp"
#include "drivers/net/virtio_net.hpp"
#include "drivers/virtio/mmio_probe.hpp"
#include "fdt/tree.hpp"

namespace {

constexpr std::size_t batch = 32;
constexpr std::size_t frame_size = 60;
constexpr std::size_t frame_room = 128; ///< header room, frame
constexpr std::size_t headroom = 32;
constexpr unsigned rounds = 64;
constexpr unsigned patience = 20'000;             ///< settles, 10 s of virtual time
constexpr std::uint64_t not_counted = UINT64_MAX; ///< greater than every count: the least of all rounds is a count
constexpr std::size_t arena_size = 4U << 20;

alignas(4096) constinit std::byte arena_memory[arena_size]{};

struct Interface {
  virtio::MmioTransportStorage transport;
  std::optional<net::VirtioNet> nic;
};
struct App {
  bsp::DmaArena arena;
  std::array<Interface, 2> interfaces;
  std::size_t count{0};
};
alignas(App) constinit std::byte app_storage[sizeof(App)]{};

void print(std::string_view name, std::uint64_t value) {
  bsp::sbi::console().write(bsp::Text<>{"{} {}\r\n", name, value});
}

/// Not reordered with what it counts.
inline std::uint64_t instructions() {
  std::uint64_t count = 0;
  asm volatile("rdinstret %0" : "=r"(count)::"memory");
  return count;
}

void bring_up(void* context, const virtio::MmioSlot& slot) {
  App& app = *static_cast<App*>(context);
  if (slot.device_id != virtio::device_id_network || app.count == app.interfaces.size()) return;
  Interface& interface = app.interfaces[app.count];
  virtio::Transport& transport = virtio::make_transport(interface.transport, slot);
  const net::VirtioNet::Config config{
      .name = "net", .queue_size = 256, .mac_seed = 1, .arena = &app.arena, .irqchip = nullptr};
  if (!net::VirtioNet::create(interface.nic, transport, config)) PANIC("no interface");
  app.count++;
}

void swap_addresses(std::uint16_t* frame) {
  for (unsigned i = 0; i < 3; i++)
    std::swap(frame[i], frame[i + 3]);
}

/// Frames in flight from one interface to the other.
class Wire {
 public:
  Wire(net::VirtioNet& receiver, net::VirtioNet& sender, bsp::DmaArena& arena) : receiver_{receiver}, sender_{sender} {
    auto memory = arena.allocate(batch * frame_room, 64);
    if (!memory) PANIC("no memory");
    memory_ = std::move(*memory);
    for (std::size_t i = 0; i < batch; i++) {
      std::byte* const frame = memory_.data() + i * frame_room + headroom;
      std::fill_n(frame, 6, std::byte{0xff}); // broadcast: every filter lets it through
      const auto& mac = sender.mac().octets;
      std::transform(mac.begin(), mac.end(), frame + 6, [](std::uint8_t octet) { return std::byte{octet}; });
      frame[12] = std::byte{0x88};
      frame[13] = std::byte{0xb5};
      segments_[i] = {frame, memory_.bus(i * frame_room + headroom), frame_size};
      echoes_[i] = {.segments = {&frames_[i].first, 1}, .cookie = net::Cookie{i}};
      requests_[i] = {.segments = {&segments_[i], 1}, .cookie = net::Cookie{i}, .headroom = headroom};
    }
  }

  /// Instructions of sending `count` frames in one batch.
  std::uint64_t send(std::size_t count) {
    const std::uint64_t before = instructions();
    const std::size_t taken = sender_.send({requests_.data(), count});
    const std::uint64_t cost = instructions() - before;
    if (taken != count) PANIC("the ring has no room");
    return cost;
  }
  /// Of taking the buffers of `count` frames back.
  std::uint64_t reclaim(std::size_t count) { return reclaim_from(sender_, count); }
  /// Of receiving what was sent and giving the buffers back.
  std::uint64_t receive(std::size_t count) {
    const std::uint64_t received = receive_all(count);
    for (const net::RxFrame& frame : std::span{frames_.data(), count})
      if (frame.first.data[12] != std::byte{0x88}) PANIC("a frame of another kind");
    const std::uint64_t before = instructions();
    receiver_.release({frames_.data(), count});
    return sum(received, instructions() - before);
  }
  /// Of sending every received frame back from where it lies, with its addresses swapped. A program that does nothing
  /// else has its requests made: they differ in what frame they point to.
  std::uint64_t echo(std::size_t count) {
    const std::uint64_t received = receive_all(count);
    std::uint64_t before = instructions();
    for (std::size_t i = 0; i < count; i++) {
      swap_addresses(reinterpret_cast<std::uint16_t*>(frames_[i].first.data));
      echoes_[i].headroom = frames_[i].headroom;
    }
    const std::size_t taken = receiver_.send({echoes_.data(), count});
    const std::uint64_t sent = sum(received, instructions() - before);
    if (taken != count) PANIC("echo: the ring has no room");
    const std::uint64_t reclaimed = sum(sent, reclaim_from(receiver_, count));
    before = instructions();
    receiver_.release({frames_.data(), count});
    const std::uint64_t released = instructions() - before;
    for (std::size_t i = 0; i < count; i++)
      if (completions_[i].cookie != net::Cookie{i}) PANIC("echo: out of order"); // as on every QEMU
    return sum(reclaimed, released);
  }
  void drain_sender() {
    while (const std::size_t got = sender_.receive({frames_.data(), batch}))
      sender_.release({frames_.data(), got});
  }

 private:
  /// Time for the device to do all of it; its thread has its turn while this one reads the clock. Virtual time: on a
  /// busy host the thread can be late all the same, and what was counted then is not_counted.
  static void settle() {
    const bsp::Deadline until = bsp::Deadline::in_us(500);
    while (!until.expired())
      continue;
  }
  /// The instructions in which `take`, given how many it has already taken, took `count` with one call.
  template <typename Take> static std::uint64_t count_taking(std::size_t count, const char* late, Take take) {
    std::uint64_t before = instructions();
    std::size_t taken = take(std::size_t{0});
    const std::uint64_t cost = instructions() - before;
    if (taken == count) return cost;
    for (unsigned i = 0; i < patience && taken < count; i++) {
      settle();
      taken += take(taken);
    }
    if (taken != count) PANIC(late);
    return not_counted;
  }
  std::uint64_t reclaim_from(net::VirtioNet& nic, std::size_t count) {
    settle();
    return count_taking(count, "frames were not used in time",
                        [&](std::size_t taken) { return nic.reclaim(std::span{completions_}.subspan(taken)); });
  }
  std::uint64_t receive_all(std::size_t count) {
    return count_taking(count, "frames are missing",
                        [&](std::size_t taken) { return receiver_.receive(std::span{frames_}.subspan(taken)); });
  }
  static std::uint64_t sum(std::uint64_t a, std::uint64_t b) {
    return a == not_counted || b == not_counted ? not_counted : a + b;
  }

  net::VirtioNet& receiver_;
  net::VirtioNet& sender_;
  bsp::DmaBuffer memory_;
  std::array<net::Segment, batch> segments_;
  std::array<net::TxRequest, batch> requests_;
  std::array<net::TxRequest, batch> echoes_;
  std::array<net::RxFrame, batch> frames_;
  std::array<net::TxCompletion, 2 * batch> completions_;
};
alignas(Wire) constinit std::byte wire_storage[sizeof(Wire)]{};

void measure(Wire& wire) {
  for (const std::size_t count : {batch, std::size_t{1}}) {
    std::uint64_t tx = not_counted;
    std::uint64_t reclaim = not_counted;
    std::uint64_t rx = not_counted;
    std::uint64_t echo = not_counted;
    for (unsigned i = 0; i < rounds; i++) {
      tx = std::min(tx, wire.send(count));
      reclaim = std::min(reclaim, wire.reclaim(count));
      rx = std::min(rx, wire.receive(count));
      (void)wire.send(count);
      (void)wire.reclaim(count);
      echo = std::min(echo, wire.echo(count));
      wire.drain_sender();
    }
    if (std::max({tx, reclaim, rx, echo}) == not_counted) PANIC("no round in which the device was in time");
    print(bsp::Text<>{"tx_batch_{}", count}, tx * 100 / count);
    print(bsp::Text<>{"reclaim_batch_{}", count}, reclaim * 100 / count);
    print(bsp::Text<>{"rx_batch_{}", count}, rx * 100 / count);
    print(bsp::Text<>{"echo_batch_{}", count}, echo * 100 / count);
  }
}

} // namespace

extern "C" [[noreturn]] void netbsp_main(std::uint64_t, const void* dtb) {
  const fdt::Result<fdt::Tree> tree = fdt::Tree::create(dtb);
  if (!tree) PANIC("no device tree");
  App& app = *new (app_storage) App{};
  app.arena.assign(arena_memory, bsp::BusAddress{reinterpret_cast<std::uintptr_t>(arena_memory)});
  virtio::for_each_mmio_slot(*tree, std::nullopt, bring_up, &app);
  if (app.count != app.interfaces.size()) PANIC("two interfaces are needed");
  Wire& wire = *new (wire_storage) Wire{*app.interfaces[0].nic, *app.interfaces[1].nic, app.arena};
  measure(wire);
  for (Interface& interface : app.interfaces)
    interface.nic->shut_down();
  (void)bsp::sbi::power_off();
  PANIC("the firmware cannot power off");
}
