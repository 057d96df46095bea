// SPDX-License-Identifier: BSD-2-Clause
#include "shell/frame_source.hpp"

#include <cstring>

#include "bsp/cpu.hpp"
#include "shell/frame_text.hpp"

namespace shell {

namespace {

constexpr std::uint64_t max_size = UINT16_MAX + net::ethernet_header_size + net::vlan_tag_size;

bool use_hex(Session& session, const Arguments& arguments, FrameSource& source) {
  source.kind = FrameSource::Kind::hex;
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

bool use_generated(Session& session, const Arguments& arguments, const net::NetDevice& device, FrameSource& source) {
  source.kind = FrameSource::Kind::generated;
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

bool use_memory(Session& session, const Arguments& arguments, FrameSource& source) {
  source.kind = FrameSource::Kind::memory;
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

} // namespace

bool choose_source(Session& session, const Arguments& arguments, const net::NetDevice& device, FrameSource& source) {
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

bool fill_frame(Session& session, const Arguments& arguments, const FrameSource& source, std::span<std::byte> out) {
  switch (source.kind) {
  case FrameSource::Kind::hex:
    parse_hex(source.words, out);
    return true;
  case FrameSource::Kind::generated:
    for (std::size_t i = 0; i < out.size(); i++) {
      const auto counter = static_cast<std::byte>((i - net::ethernet_header_size) & 0xff);
      out[i] = i < source.header.size() ? source.header[i] : source.payload.value_or(counter);
    }
    return true;
  case FrameSource::Kind::memory:
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

} // namespace shell
