// SPDX-License-Identifier: BSD-2-Clause
// A shell on a fake console, for tests of commands: run("net mac") types the line and returns what the command printed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "shell/shell.hpp"
#include "tests/support/fake_console.hpp"

namespace test {

/// Background work that a test can hook into: on_poll runs whenever the shell or a command pumps.
class FakeBackground final : public shell::Background {
 public:
  std::function<void()> on_poll{};
  bool refuse_idle{false};
  std::size_t polls{0};
  std::size_t idle_preparations{0};

  void poll() override {
    polls++;
    if (on_poll) on_poll();
  }
  bsp::Deadline wake{bsp::Deadline::never()};

  bsp::Deadline next_wake() const override { return wake; }
  bool prepare_idle() override {
    idle_preparations++;
    return refuse_idle;
  }
};

/// Set `system` up before the first run(); `tables` must outlive the fixture.
struct ShellFixture {
  explicit ShellFixture(std::span<const shell::CommandTable> tables)
      : shell{std::make_unique<shell::Shell>(system, background, tables)} {
    shell->open();
  }

  /// Everything that the console got for the characters typed, as they are (prompt, echo, CR LF).
  std::string type(std::string_view text) {
    console.type(text);
    while (shell->step()) {
    }
    return console.take_output();
  }

  /// What the line printed: without its echo and the prompts, and with LF as line end.
  std::string run(std::string_view line) {
    type("");
    std::string output = type(std::string{line} + "\r");
    const std::string echo = std::string{line} + "\r\n";
    if (output.starts_with(echo)) output.erase(0, echo.size());
    if (output.ends_with(shell::prompt)) output.erase(output.size() - shell::prompt.size());
    std::erase(output, '\r');
    return output;
  }

  FakeConsole console{};
  FakeBackground background{};
  shell::System system{.console = console, .interfaces = {}, .virtio_slots = {}};
  std::unique_ptr<shell::Shell> shell;
};

} // namespace test
