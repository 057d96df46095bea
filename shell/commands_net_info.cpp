// SPDX-License-Identifier: BSD-2-Clause
// `net info`, `net regs` and `net queue`: what the device, its transport and its rings look like from this side.
#include <optional>

#include "bsp/format.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "shell/commands_net.hpp"

namespace shell {

namespace {

struct StatusName {
  std::uint8_t bit;
  std::string_view name;
};
/// VIRTIO 1.3, 2.1.
constexpr StatusName status_names[] = {
    {1, "ACKNOWLEDGE"},         {2, "DRIVER"},   {8, "FEATURES_OK"}, {4, "DRIVER_OK"},
    {64, "DEVICE_NEEDS_RESET"}, {128, "FAILED"},
};

void print_status(Session& session, std::uint8_t status) {
  session.write(bsp::Text<32>{"status 0x{:02x}", status});
  for (const StatusName& entry : status_names) {
    if ((status & entry.bit) == 0) continue;
    session.write(" ");
    session.write(entry.name);
  }
  session.print("");
}

/// "offered 0x...: MAC STATUS bit 42 ...", one line however many there are.
void print_features(Session& session, std::string_view what, virtio::FeatureSet features) {
  session.write(bsp::Text<48>{"{} 0x{:016x}", what, features.bits()});
  for (unsigned bit = 0; bit < 64; bit++) {
    if ((features.bits() >> bit & 1) == 0) continue;
    const std::string_view name = virtio::net_feature_name(bit);
    if (name.empty()) {
      session.write(bsp::Text<16>{" bit-{}", bit});
    } else {
      session.write(" ");
      session.write(name);
    }
  }
  session.print("");
}

void print_virtio(Session& session, const virtio::Diagnostics& device) {
  session.print("device virtio {} vendor 0x{:08x}", device.device_id(), device.vendor_id());
  session.print("transport {} v{} irq {}", device.transport_name(), device.transport_version(), device.interrupt());
  session.print("version-reason {}", device.transport_reason());
  print_status(session, device.device_status());
  print_features(session, "offered", device.offered_features());
  print_features(session, "accepted", device.accepted_features());
  print_features(session, "refused", device.offered_features().without(device.accepted_features()));
  const virtio::FeatureSet accepted = device.accepted_features();
  session.print("ring {}", accepted.has(virtio::Feature::ring_packed) ? "packed" : "split");
  for (std::size_t i = 0; i < device.queue_count(); i++) {
    virtio::QueueState queue{};
    if (!device.queue_state(i, queue)) continue;
    session.print("queue {} {} {} size {} max {}", queue.index, queue.role, queue.format, queue.size, queue.size_max);
  }
  session.print("header {} bytes", device.header_size());
  session.print("receive-buffer {} bytes", device.receive_buffer_size());
  session.print("mergeable {}", accepted.has(virtio::Feature::net_mrg_rxbuf) ? "yes" : "no");
}

/// An event suppression structure (2.8.14): off_wrap is a slot, and the wrap counter in the highest bit.
void print_suppression(Session& session, std::string_view who, std::uint16_t off_wrap, std::uint16_t flags) {
  constexpr std::string_view names[] = {"enable", "disable", "desc", "reserved"};
  session.print("  {0}-event {1} {0}-wrap {2} {0}-flags {3}", who, off_wrap & 0x7fff, off_wrap >> 15, names[flags & 3]);
}

void print_queue(Session& session, const virtio::QueueState& queue) {
  session.print("queue {} {} {}{}", queue.index, queue.role, queue.format, queue.broken ? " broken" : "");
  session.print("  size {} max {} free {} in-flight {}", queue.size, queue.size_max, queue.free, queue.in_flight);
  if (queue.packed) {
    session.print("  next-avail {} avail-wrap {:d} next-used {} used-wrap {:d}", queue.avail_idx, queue.avail_wrap,
                  queue.last_used, queue.used_wrap);
    print_suppression(session, "driver", queue.driver_event, queue.driver_flags);
    print_suppression(session, "device", queue.device_event, queue.device_flags);
    return;
  }
  session.print("  avail-idx {} used-idx {} last-used {}", queue.avail_idx, queue.used_idx, queue.last_used);
  session.print("  avail-flags {} used-flags {}", queue.avail_flags, queue.used_flags);
  if (queue.event_idx) session.print("  used-event {} avail-event {}", queue.used_event, queue.avail_event);
}

/// Null after an error line.
const virtio::Diagnostics* command_diagnostics(Session& session, const Arguments& arguments) {
  const net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return nullptr;
  const virtio::Diagnostics* virtio = device->diagnostics();
  if (virtio == nullptr) session.error(arguments.full_name(), "{} is not a virtio device", device->name());
  return virtio;
}

} // namespace

void run_net_info(Session& session, Arguments& arguments) {
  const net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  session.print("interface {}{}", device->name(), device->usable() ? "" : " (failed: 'net reset' tries again)");
  session.print("mac {}", net::to_text(device->mac()).view());
  session.print("mtu {} of {}", device->mtu(), device->device_mtu());
  if (const virtio::Diagnostics* virtio = device->diagnostics()) print_virtio(session, *virtio);
}

void run_net_regs(Session& session, Arguments& arguments) {
  const virtio::Diagnostics* device = command_diagnostics(session, arguments);
  if (device == nullptr) return;
  virtio::RegisterValue reg;
  for (std::size_t i = 0; device->register_value(i, reg); i++)
    session.print("{} 0x{:03x} 0x{:08x}", reg.name, reg.offset, reg.value);
}

void run_net_queue(Session& session, Arguments& arguments) {
  const virtio::Diagnostics* device = command_diagnostics(session, arguments);
  if (device == nullptr) return;
  std::optional<std::uint64_t> number;
  if (!arguments.positionals().empty()) {
    number = session.number_argument(arguments, 0, "N", 0, UINT16_MAX);
    if (!number) return;
  }
  bool found = false;
  for (std::size_t i = 0; i < device->queue_count(); i++) {
    virtio::QueueState queue{};
    if (!device->queue_state(i, queue) || (number && queue.index != *number)) continue;
    print_queue(session, queue);
    found = true;
  }
  if (found) return;
  if (number) {
    session.error(arguments.full_name(), "no queue {} (try 'net queue')", *number);
  } else {
    session.error(arguments.full_name(), "the device has no queues set up");
  }
}

} // namespace shell
