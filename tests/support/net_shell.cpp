// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

namespace test {

void check_text(const std::string& expected, const std::string& actual, std::source_location where) {
  CHECK_EQUAL_LOCATION(expected, actual, nullptr, where.file_name(), where.line());
}

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
