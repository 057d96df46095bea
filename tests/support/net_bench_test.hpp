// SPDX-License-Identifier: BSD-2-Clause
// Running `net bench` in a shell with two fake interfaces, and reading what it prints.
#pragma once

#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

namespace test {

inline constexpr char ctrl_c[] = "\x03";
inline const std::vector<std::string> value_names{
    "frames",           "bytes",         "seconds",    "frames_per_second",
    "bytes_per_second", "notifications", "interrupts", "instructions_per_frame"};

inline Bytes numbered(std::uint32_t number, std::size_t size = 60) {
  Bytes frame = ethernet_frame(size);
  for (std::size_t i = 0; i < 4; i++)
    frame[14 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  return frame;
}

inline std::uint32_t number_of(const Bytes& frame) {
  return std::uint32_t{frame[14]} << 24 | std::uint32_t{frame[15]} << 16 | std::uint32_t{frame[16]} << 8 | frame[17];
}

struct NetBenchTest : Utest {
  NetShell net{2};
  std::vector<std::string> names;            ///< of the values printed, in order
  std::map<std::string, std::string> values; ///< as text
  std::vector<std::string> notes;

  void setup() override {
    // Room for a ring of frames of any size, as on a real board.
    net.dma.resize(1024 * 1024);
    net.arena.assign(net.dma, bsp::BusAddress{0x4000'0000});
  }

  /// Runs the line, and expects results.
  void run(const std::string& line) {
    read(net.run(line));
    CHECK(!values.empty());
  }

  void read(const std::string& output) {
    names.clear();
    values.clear();
    notes.clear();
    std::istringstream lines{output};
    for (std::string text; std::getline(lines, text);) {
      const std::size_t space = text.find(' ');
      if (text.starts_with("# ")) {
        notes.push_back(text.substr(2));
      } else {
        CHECK_TEXT(space != std::string::npos && text.find(' ', space + 1) == std::string::npos, text.c_str());
        names.push_back(text.substr(0, space));
        values[names.back()] = text.substr(space + 1);
      }
    }
  }

  void check_error(const std::string& line, const std::string& why) {
    const std::string output = net.run(line);
    const std::size_t start = output.rfind('\n', output.size() - 2) + 1; // 0 if it is the only line
    check_text("error: " + why + "\n", output.substr(start));
    std::istringstream lines{output.substr(0, start)};
    for (std::string text; std::getline(lines, text);)
      CHECK_TEXT(text.starts_with("# "), text.c_str());
  }

  /// Each time the machine has nothing to do, the next of these happens; then Ctrl-C is typed.
  void while_idle(std::vector<std::function<void()>> events) {
    fake_cpu().on_idle = [this, events = std::move(events), next = std::size_t{0}](bsp::Deadline) mutable {
      if (next < events.size())
        events[next++]();
      else
        net.console.type(ctrl_c);
    };
  }

  void teardown() override {
    for (const std::string& fault : net.net0.faults)
      FAIL(fault.c_str());
    CHECK_EQUAL(0, net.net0.frames_out());
    CHECK_EQUAL(0, net.net1.frames_out());
  }
};

} // namespace test
