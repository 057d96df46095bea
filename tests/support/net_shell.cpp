// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/net_shell.hpp"

namespace test {

Bytes ethernet_frame(std::size_t size, unsigned type, unsigned seed) {
  Bytes frame{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x57};
  frame.push_back(static_cast<std::uint8_t>(type >> 8));
  frame.push_back(static_cast<std::uint8_t>(type));
  while (frame.size() < size)
    frame.push_back(static_cast<std::uint8_t>(frame.size() * 3 + seed));
  return frame;
}

std::string hex(const Bytes& frame) {
  std::string text;
  for (const std::uint8_t byte : frame) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

} // namespace test
