// SPDX-License-Identifier: BSD-2-Clause
// `net tx`: takes a frame that was typed, generated or lies in memory, judges it before anything is sent, sends it, and
// says what became of it.
#include <algorithm>

#include "drivers/net/offload.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "shell/commands_net.hpp"
#include "shell/frame_sender.hpp"
#include "shell/frame_source.hpp"

namespace shell {

namespace {

constexpr std::uint64_t max_count = std::uint64_t{1} << 32;
constexpr std::uint64_t max_gap_us = 1'000'000'000;
constexpr std::uint64_t max_wait_ms = 86'400'000;
constexpr std::size_t frame_alignment = 64;

struct Options {
  std::uint64_t count;
  std::uint64_t gap_us;
  std::optional<std::uint64_t> wait_ms{};
  bool show_sent;
  net::Offload checksum{};       ///< of --csum
  std::uint16_t segment_size{0}; ///< of --tso
};

/// "--csum 34,16". False after an error line.
bool read_checksum(Session& session, const Arguments& arguments, net::Offload& offload) {
  const auto text = arguments.value("--csum");
  if (!text) return true;
  const std::size_t comma = text->find(',');
  const auto start = parse_number(text->substr(0, comma));
  const auto offset = parse_number(comma == std::string_view::npos ? "" : text->substr(comma + 1));
  if (!start || !offset || *start > UINT16_MAX || *offset > UINT16_MAX) {
    session.error(arguments.full_name(), "option '--csum' takes START,OFFSET, not '{:.64}' (try 'help {}')", *text,
                  arguments.full_name());
    return false;
  }
  offload = {.checksum = true,
             .csum_start = static_cast<std::uint16_t>(*start),
             .csum_offset = static_cast<std::uint16_t>(*offset)};
  return true;
}

std::optional<Options> read_options(Session& session, const Arguments& arguments) {
  const auto count = session.number_option(arguments, "-c", 1, 1, max_count);
  if (!count) return std::nullopt;
  const auto gap = session.number_option(arguments, "-g", 0, 0, max_gap_us);
  if (!gap) return std::nullopt;
  Options options{.count = *count, .gap_us = *gap, .show_sent = arguments.has("-o")};
  if (arguments.has("-w")) {
    options.wait_ms = session.number_option(arguments, "-w", 0, 0, max_wait_ms);
    if (!options.wait_ms) return std::nullopt;
  } else if (options.show_sent) {
    session.error(arguments.full_name(), "-o needs -w MS (try 'help {}')", arguments.full_name());
    return std::nullopt;
  }
  if (!read_checksum(session, arguments, options.checksum)) return std::nullopt;
  const auto segment_size = session.number_option(arguments, "--tso", 0, 1, UINT16_MAX);
  if (!segment_size) return std::nullopt;
  options.segment_size = static_cast<std::uint16_t>(*segment_size);
  if (options.checksum.checksum && options.segment_size != 0) {
    session.error(arguments.full_name(), "--tso excludes --csum (try 'help {}')", arguments.full_name());
    return std::nullopt;
  }
  return options;
}

/// Whether a frame of this size may be sent. False after an error line.
bool check_size(Session& session, const Arguments& arguments, const net::NetDevice& device, const Options& options,
                const FrameSource& source) {
  if (source.size < net::ethernet_header_size) {
    session.error(arguments.full_name(), "frame too short: {} bytes, at least {}", source.size,
                  net::ethernet_header_size);
    return false;
  }
  std::array<std::byte, net::ethernet_header_size> head;
  if (!fill_frame(session, arguments, source, head)) return false;
  // The device cuts what it segments: an IP packet's own limit counts then, not the link's.
  const std::uint16_t mtu = options.segment_size != 0 ? std::uint16_t{UINT16_MAX} : device.mtu();
  const bool tagged = net::is_tagged(head);
  const std::size_t limit = net::max_frame_size(mtu, tagged);
  if (source.size > limit) {
    session.error(arguments.full_name(), "frame too long: {} bytes, at most {} (mtu {}{})", source.size, limit, mtu,
                  tagged ? ", VLAN tag" : "");
    return false;
  }
  return true;
}

std::string_view why_not_segmented(bsp::Error error) {
  switch (error) {
  case bsp::Error::offload_not_supported:
    return "neither TCP nor UDP in an IPv4 or IPv6 packet of one piece";
  case bsp::Error::frame_too_short:
    return "the IP packet is cut off";
  default:
    return "bytes behind the IP packet";
  }
}

/// The option that asks for the offload, if the device takes it. False after an error line.
bool check_device(Session& session, const Arguments& arguments, const net::NetDevice& device,
                  const net::Offload& offload) {
  using virtio::Feature;
  constexpr Feature features[] = {Feature::net_csum, Feature::net_host_tso4, Feature::net_host_tso6,
                                  Feature::net_host_ufo, Feature::net_host_uso}; // in the order of net::Gso
  const virtio::Diagnostics* const virtio = device.diagnostics();
  if (virtio == nullptr) return true; // check_request() says no
  const std::string_view option = offload.gso == net::Gso::none ? "--csum" : "--tso";
  for (const Feature feature : {Feature::net_csum, features[static_cast<std::size_t>(offload.gso)]}) {
    if (virtio->accepted_features().has(feature)) continue;
    session.error(arguments.full_name(), "{}: device has no {}", option,
                  virtio::net_feature_name(static_cast<unsigned>(feature)));
    return false;
  }
  return true;
}

/// What the device shall do to the frame; puts into it what the device builds on. False after an error line.
bool make_offload(Session& session, const Arguments& arguments, const Options& options, std::span<std::byte> frame,
                  net::Offload& offload) {
  offload = options.checksum;
  const std::size_t field = std::size_t{offload.csum_start} + offload.csum_offset;
  if (offload.checksum && field + sizeof(std::uint16_t) > frame.size()) {
    session.error(arguments.full_name(), "--csum: bytes {} and {} are not in a frame of {}", field, field + 1,
                  frame.size());
    return false;
  }
  if (options.segment_size == 0) return true;
  const auto prepared = net::prepare_offload(frame, options.segment_size);
  if (!prepared || prepared->header_length == frame.size()) {
    session.error(arguments.full_name(), "--tso: {}",
                  prepared ? "no payload to segment" : why_not_segmented(prepared.error()));
    return false;
  }
  offload = *prepared;
  return true;
}

void report(Session& session, const Arguments& arguments, const SendOutcome& outcome, std::size_t frame_size) {
  if (outcome.complete) {
    session.print("sent {} frame(s), {} bytes", outcome.sent, outcome.sent * frame_size);
    return;
  }
  session.print("# {} frame(s) came back as sent", outcome.sent);
  session.error(arguments.full_name(), "device did not complete");
}

/// Sends the frame and reports. `buffer` holds it, and is given up for good if the device keeps it.
void send(Session& session, const Arguments& arguments, net::NetDevice& device, const Options& options,
          bsp::DmaBuffer& buffer, std::size_t size) {
  NetService& service = *session.system().net;
  SendPlan plan{.frame = {buffer.data(), buffer.bus(), static_cast<std::uint32_t>(size)},
                .count = options.count,
                .gap_us = options.gap_us};
  if (!make_offload(session, arguments, options, buffer.bytes().first(size), plan.offload)) return;
  if (plan.offload.checksum && !check_device(session, arguments, device, plan.offload)) return;
  if (const auto fine = device.check_request({.segments = {&plan.frame, 1}, .offload = plan.offload}); !fine) {
    print_error(session, arguments, fine.error());
    return;
  }
  if (!device.usable()) {
    print_error(session, arguments, bsp::Error::device_failed);
    return;
  }
  if (device.link().state == net::LinkState::down) session.print("# link is down");
  bsp::sync_for_device(buffer.bytes());
  if (options.wait_ms) service.start_capture(device, {.sent = options.show_sent});
  FrameSender sender{session, service, device};
  const SendOutcome outcome = sender.run(plan);
  if (outcome.memory_owned) buffer.quarantine();
  report(session, arguments, outcome, size);
  if (!options.wait_ms) return;
  service.end_capture_at(bsp::Deadline::in_ms(*options.wait_ms));
  show_capture(session, service, device, false);
}

} // namespace

void run_net_tx(Session& session, Arguments& arguments) {
  net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  const auto options = read_options(session, arguments);
  if (!options) return;
  FrameSource source;
  if (!choose_source(session, arguments, *device, source)) return;
  if (!check_size(session, arguments, *device, *options, source)) return;
  const std::size_t size = arguments.has("-p") ? std::max(source.size, net::ethernet_min_frame) : source.size;
  if (session.system().arena == nullptr) {
    print_error(session, arguments, bsp::Error::out_of_dma_memory);
    return;
  }
  auto buffer = session.system().arena->allocate(size, frame_alignment);
  if (!buffer) {
    print_error(session, arguments, buffer.error());
    return;
  }
  if (!fill_frame(session, arguments, source, buffer->bytes().first(source.size))) return;
  send(session, arguments, *device, *options, *buffer, size);
}

} // namespace shell
