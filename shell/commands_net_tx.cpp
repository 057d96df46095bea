// SPDX-License-Identifier: BSD-2-Clause
// `net tx`: takes a frame that was typed, generated or lies in memory, judges it before anything is sent, sends it, and
// says what became of it.
#include <algorithm>
#include <cstring>

#include "bsp/cpu.hpp"
#include "bsp/error.hpp"
#include "shell/commands_net.hpp"
#include "shell/frame_sender.hpp"
#include "shell/frame_text.hpp"

namespace shell {

namespace {

using Head = std::array<std::byte, net::ethernet_header_size>;

constexpr std::uint64_t max_count = std::uint64_t{1} << 32;
constexpr std::uint64_t max_gap_us = 1'000'000'000;
constexpr std::uint64_t max_wait_ms = 86'400'000;
constexpr std::uint64_t max_size = UINT16_MAX + net::ethernet_header_size + net::vlan_tag_size;
constexpr std::size_t frame_alignment = 64;

/// Where the frame's bytes come from.
struct Source {
  enum class Kind : std::uint8_t { hex, generated, memory };
  Kind kind{Kind::hex};
  std::size_t size{0}; ///< of the frame, without padding
  std::span<const std::string_view> words{};
  std::uint64_t address{0};
  Head header{};                      ///< generated
  std::optional<std::byte> payload{}; ///< generated: every byte; else 0, 1, 2, ...
};

/// Writes the first `out.size()` bytes of the frame; false after an error line.
bool fill(Session& session, const Arguments& arguments, const Source& source, std::span<std::byte> out) {
  switch (source.kind) {
  case Source::Kind::hex:
    parse_hex(source.words, out);
    return true;
  case Source::Kind::generated:
    for (std::size_t i = 0; i < out.size(); i++) {
      const auto counter = static_cast<std::byte>((i - net::ethernet_header_size) & 0xff);
      out[i] = i < source.header.size() ? source.header[i] : source.payload.value_or(counter);
    }
    return true;
  case Source::Kind::memory:
    for (std::size_t i = 0; i < out.size(); i++) {
      std::uint64_t value = 0;
      if (!bsp::cpu::try_load(source.address + i, 1, value)) {
        session.error(arguments.full_name(), "load at 0x{:x} faulted", source.address + i);
        return false;
      }
      out[i] = static_cast<std::byte>(value);
    }
    return true;
  }
  return false;
}

bool use_hex(Session& session, const Arguments& arguments, Source& source) {
  source.kind = Source::Kind::hex;
  source.words = arguments.positionals();
  const HexSize hex = hex_size(source.words);
  source.size = hex.bytes;
  if (!hex.error) return true;
  if (hex.error->cause == HexError::Cause::split_byte) {
    session.error(arguments.full_name(), "odd number of hex digits: '{}' at character {} stands alone",
                  hex.error->character, hex.error->position);
  } else if (hex.error->character < ' ' || hex.error->character > '~') {
    session.error(arguments.full_name(), "character {} is not a hex digit", hex.error->position);
  } else {
    session.error(arguments.full_name(), "'{}' at character {} is not a hex digit", hex.error->character,
                  hex.error->position);
  }
  return false;
}

bool use_generated(Session& session, const Arguments& arguments, const net::NetDevice& device, Source& source) {
  source.kind = Source::Kind::generated;
  const auto size = session.number_option(arguments, "-s", 0, 0, max_size);
  const auto type = session.number_option(arguments, "-t", net::ethertype_experimental, 0, UINT16_MAX);
  if (!size || !type) return false;
  const auto destination_text = arguments.value("-d");
  const auto destination = destination_text ? net::parse_mac(*destination_text) : net::broadcast;
  if (!destination) {
    session.error(arguments.full_name(), "-d: '{:.64}' is not a MAC address", *destination_text);
    return false;
  }
  if (arguments.has("-b")) {
    const auto byte = session.number_option(arguments, "-b", 0, 0, UINT8_MAX);
    if (!byte) return false;
    source.payload = static_cast<std::byte>(*byte);
  }
  source.size = static_cast<std::size_t>(*size);
  const net::MacAddress own = device.mac();
  std::memcpy(source.header.data(), destination->octets.data(), destination->octets.size());
  std::memcpy(source.header.data() + 6, own.octets.data(), own.octets.size());
  source.header[12] = static_cast<std::byte>(*type >> 8);
  source.header[13] = static_cast<std::byte>(*type & 0xff);
  return true;
}

bool use_memory(Session& session, const Arguments& arguments, Source& source) {
  source.kind = Source::Kind::memory;
  const auto address = session.number_option(arguments, "-m", 0, 0, UINT64_MAX);
  if (!address) return false;
  if (arguments.positionals().size() > 1) {
    session.error(arguments.full_name(), "unexpected argument '{:.64}' behind -m ADDR LEN", arguments.positionals()[1]);
    return false;
  }
  const auto length = session.number_argument(arguments, 0, "LEN", 0, max_size);
  if (!length) return false;
  source.address = *address;
  source.size = static_cast<std::size_t>(*length);
  return true;
}

/// Finds out which of the three forms was typed. False after an error line.
bool choose_source(Session& session, const Arguments& arguments, const net::NetDevice& device, Source& source) {
  const bool generated = arguments.has("-s");
  for (const std::string_view option : {"-d", "-t", "-b"}) {
    if (generated || !arguments.has(option)) continue;
    session.error(arguments.full_name(), "{} needs -s SIZE (try 'help {}')", option, arguments.full_name());
    return false;
  }
  if (generated && (arguments.has("-m") || !arguments.positionals().empty())) {
    session.error(arguments.full_name(), "-s excludes HEX and -m (try 'help {}')", arguments.full_name());
    return false;
  }
  if (generated) return use_generated(session, arguments, device, source);
  if (arguments.has("-m")) return use_memory(session, arguments, source);
  if (arguments.positionals().empty()) {
    session.error(arguments.full_name(), "no frame: give HEX, -s SIZE or -m ADDR LEN (try 'help {}')",
                  arguments.full_name());
    return false;
  }
  return use_hex(session, arguments, source);
}

/// Whether a frame of this size may be sent. False after an error line.
bool check_size(Session& session, const Arguments& arguments, const net::NetDevice& device, const Source& source) {
  if (source.size < net::ethernet_header_size) {
    session.error(arguments.full_name(), "frame too short: {} bytes, at least {}", source.size,
                  net::ethernet_header_size);
    return false;
  }
  Head head;
  if (!fill(session, arguments, source, head)) return false;
  const bool tagged = net::is_tagged(head);
  const std::size_t limit = net::max_frame_size(device.mtu(), tagged);
  if (source.size > limit) {
    session.error(arguments.full_name(), "frame too long: {} bytes, at most {} (mtu {}{})", source.size, limit,
                  device.mtu(), tagged ? ", VLAN tag" : "");
    return false;
  }
  return true;
}

struct Options {
  std::uint64_t count;
  std::uint64_t gap_us;
  std::optional<std::uint64_t> wait_ms{};
  bool show_sent;
};

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
  return options;
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
  const net::Segment frame{buffer.data(), buffer.bus(), static_cast<std::uint32_t>(size)};
  if (const auto fine = device.check_request({.segments = {&frame, 1}}); !fine) {
    session.error(arguments.full_name(), "{}", to_string(fine.error()));
    return;
  }
  if (!device.usable()) {
    session.error(arguments.full_name(), "{}", to_string(bsp::Error::device_failed));
    return;
  }
  if (device.link().state == net::LinkState::down) session.print("# link is down");
  bsp::sync_for_device(buffer.bytes());
  if (options.wait_ms) service.start_capture(device, {.sent = options.show_sent});
  FrameSender sender{session, service, device};
  const SendOutcome outcome = sender.run({.frame = frame, .count = options.count, .gap_us = options.gap_us});
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
  Source source;
  if (!choose_source(session, arguments, *device, source)) return;
  if (!check_size(session, arguments, *device, source)) return;
  const std::size_t size = arguments.has("-p") ? std::max(source.size, net::ethernet_min_frame) : source.size;
  if (session.system().arena == nullptr) {
    session.error(arguments.full_name(), "{}", to_string(bsp::Error::out_of_dma_memory));
    return;
  }
  auto buffer = session.system().arena->allocate(size, frame_alignment);
  if (!buffer) {
    session.error(arguments.full_name(), "{}", to_string(buffer.error()));
    return;
  }
  if (!fill(session, arguments, source, buffer->bytes().first(source.size))) return;
  send(session, arguments, *device, *options, *buffer, size);
}

} // namespace shell
