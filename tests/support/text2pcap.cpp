// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/text2pcap.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace test {

namespace {

// pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body, length; options of code, length, value, padding.
constexpr std::uint32_t interface_block = 1;
constexpr std::uint32_t packet_block = 6;
constexpr std::uint16_t resolution_option = 9; // of an interface: -log10 of the time unit
constexpr std::uint16_t flags_option = 2;      // of a packet: bits 0-1 are the direction

template <class T> T word(const std::string& data, std::size_t at) {
  T value{};
  if (at + sizeof value <= data.size()) std::memcpy(&value, data.data() + at, sizeof value);
  return value;
}

constexpr std::size_t padded(std::size_t size) {
  return (size + 3) / 4 * 4;
}

/// Where the option's value stands; 0 if it is not there.
std::size_t find_option(const std::string& data, std::size_t at, std::size_t end, std::uint16_t code) {
  while (at + 4 <= end && word<std::uint16_t>(data, at) != 0) {
    if (word<std::uint16_t>(data, at) == code) return at + 4;
    at += 4 + padded(word<std::uint16_t>(data, at + 2));
  }
  return 0;
}

Packet read_packet(const std::string& data, std::size_t body, std::size_t end, std::uint64_t ticks_per_us) {
  Packet packet;
  const std::uint64_t high = word<std::uint32_t>(data, body + 4);
  packet.time_us = (high << 32 | word<std::uint32_t>(data, body + 8)) / ticks_per_us;
  const std::size_t length = word<std::uint32_t>(data, body + 12);
  const auto first = data.begin() + static_cast<std::ptrdiff_t>(body + 20);
  packet.bytes.assign(first, first + static_cast<std::ptrdiff_t>(length));
  const std::size_t flags = find_option(data, body + 20 + padded(length), end, flags_option);
  if (flags != 0) packet.direction = "?IO?"[word<std::uint32_t>(data, flags) & 3];
  return packet;
}

std::vector<Packet> read_pcapng(const std::string& data) {
  std::vector<Packet> packets;
  std::uint64_t ticks_per_us = 1;
  for (std::size_t at = 0; at + 12 <= data.size();) {
    const std::uint32_t type = word<std::uint32_t>(data, at);
    const std::size_t length = word<std::uint32_t>(data, at + 4);
    if (length < 12) break;
    const std::size_t end = at + length - 4;
    if (type == interface_block) {
      if (const std::size_t option = find_option(data, at + 16, end, resolution_option); option != 0)
        for (int digits = data[option]; digits > 6; digits--)
          ticks_per_us *= 10;
    }
    if (type == packet_block) packets.push_back(read_packet(data, at + 8, end, ticks_per_us));
    at += length;
  }
  return packets;
}

} // namespace

Packets text2pcap(const std::string& text) {
  std::string folder = (std::filesystem::temp_directory_path() / "netbsp-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return {};
  const std::string in = folder + "/in.txt";
  const std::string out = folder + "/out.pcapng";
  std::ofstream{in, std::ios::binary} << text;
  const std::string command = "text2pcap -q -D -t %s.%f " + in + " " + out + " 2> " + folder + "/messages";
  Packets result;
  result.ok = std::system(command.c_str()) == 0;
  std::ifstream file{out, std::ios::binary};
  result.packets = read_pcapng({std::istreambuf_iterator<char>{file}, {}});
  std::filesystem::remove_all(folder);
  return result;
}

} // namespace test
