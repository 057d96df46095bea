// SPDX-License-Identifier: BSD-2-Clause
// Wireshark's text2pcap as an independent judge of what the console prints: what it reads out of a dump.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace test {

struct Packet {
  std::uint64_t time_us{0};
  char direction{'?'}; ///< 'I', 'O', or '?' if text2pcap read none
  std::vector<std::uint8_t> bytes;
};

/// The packets in `text` as `text2pcap -D -t %s.%f` finds them. `ok` is false if the program could not be run.
struct Packets {
  bool ok{false};
  std::vector<Packet> packets;
};
Packets text2pcap(const std::string& text);

} // namespace test
