// SPDX-License-Identifier: BSD-2-Clause
// The net commands as a user meets them: a real shell on a fake console, the real net service behind it, fake
// interfaces. run("net mac") types the line and returns what it printed.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bsp/dma.hpp"
#include "bsp/log.hpp"
#include "shell/net_service.hpp"
#include "shell/shell.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_console.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_net_device.hpp"

namespace test {

struct NetShell {
  /// With the first `count` of net0, net1. Boot was 12 s ago.
  explicit NetShell(std::size_t count = 1, std::size_t capture_size = 65536)
      : capture(capture_size), service{std::span{devices}.first(count), capture} {
    fake_cpu().reset();
    fake_clock().reset();
    fake_clock().ticks = bsp::clock::us_to_ticks(12'000'000);
    system.interfaces = std::span{devices}.first(count);
    bsp::log::set_sink(shell::Shell::log_sink, shell.get());
    shell->open();
  }
  ~NetShell() {
    bsp::log::set_sink(nullptr, nullptr);
    fake_cpu().reset();
  }
  NetShell(const NetShell&) = delete;
  NetShell& operator=(const NetShell&) = delete;

  /// Everything that the console got for the characters typed.
  std::string type(std::string_view text) {
    console.type(text);
    while (shell->step()) {
    }
    return console.take_output();
  }

  /// What the console printed from behind the echoed command to the next prompt, CR LF and all.
  std::string raw(std::string_view line) {
    type("");
    std::string output = type(std::string{line} + "\r");
    const std::string echo = std::string{line} + "\r\n";
    if (output.starts_with(echo)) output.erase(0, echo.size());
    if (output.ends_with(shell::prompt)) output.erase(output.size() - shell::prompt.size());
    return output;
  }

  /// The same with LF as line end.
  std::string run(std::string_view line) {
    std::string output = raw(line);
    std::erase(output, '\r');
    return output;
  }

  FakeConsole console{};
  FakeNetDevice net0{"net0"};
  FakeNetDevice net1{"net1"};
  std::array<net::NetDevice*, 2> devices{&net0, &net1};
  std::vector<std::byte> capture;
  shell::NetService service;
  std::vector<std::byte> dma = std::vector<std::byte>(128 * 1024);
  bsp::DmaArena arena{dma, bsp::BusAddress{0x40000000}};
  shell::System system{.console = console, .interfaces = {}, .virtio_slots = {}, .arena = &arena, .net = &service};
  std::array<shell::CommandTable, 1> tables{shell::net_commands()};
  std::unique_ptr<shell::Shell> shell = std::make_unique<shell::Shell>(system, service, tables);
};

/// Fails the test where it stands unless both are the same. (CHECK_EQUAL would run a command in its arguments again.)
void check_text(const std::string& expected, const std::string& actual,
                std::source_location where = std::source_location::current());

/// A frame with an Ethernet header of this type and `size` bytes in all, filled from `seed`.
Bytes ethernet_frame(std::size_t size, unsigned type = 0x88b5, unsigned seed = 0);
/// "ffffffffffff..." as one would type it.
std::string hex(const Bytes& frame);

} // namespace test
