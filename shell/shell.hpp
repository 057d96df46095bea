// SPDX-License-Identifier: BSD-2-Clause
// The shell: prompt, line, command, prompt. Owns the main loop; everything runs in it, nothing in interrupt context.
//
// Invariants: the prompt starts a line and no other line starts so; an announcement ("# ...") starts in column 0 and is
// never printed inside a line; the background is served between any two batches of characters and while commands wait.
// All of the shell's storage is in the object: place it statically.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "bsp/log.hpp"
#include "shell/command.hpp"
#include "shell/console.hpp"
#include "shell/history.hpp"
#include "shell/line_editor.hpp"
#include "shell/line_store.hpp"
#include "shell/parser.hpp"

namespace shell {

inline constexpr std::string_view prompt = "netbsp> ";

class Shell final : public Session {
 public:
  /// Borrows all three; `tables` in the order of `help`.
  constexpr Shell(System& system, Background& background, std::span<const CommandTable> tables)
      : system_{system}, background_{background}, tables_{tables}, console_{system.console}, parser_{tables},
        editor_{prompt, history_, {put_from_editor, this}} {}
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  /// A prompt, and before it what was announced. Once before run() or step(): the first one need not wait for the
  /// background's turn.
  void open();
  /// The loop: step(), and sleep when there is nothing to do.
  [[noreturn]] void run();
  /// One turn: background, announcements, a batch of typed characters. False if none was typed.
  bool step();

  /// Queues a line (at most 200 characters of it) that comes by itself; printed behind "# " as soon as the console is
  /// between lines. When the queue is full it is dropped, and a line says how many were.
  void announce(std::string_view text);
  /// For bsp::log::set_sink(Shell::log_sink, &shell): announces the line, errors and warnings with their level.
  static void log_sink(void* shell, bsp::log::Level level, std::string_view text);

  // Session
  [[nodiscard]] System& system() override { return system_; }
  void write(std::string_view text) override;
  [[nodiscard]] net::NetDevice* interface(const Arguments& arguments) override;
  void use_interface(std::size_t index) override;
  [[nodiscard]] std::size_t interface_in_use() const override { return interface_in_use_; }
  [[nodiscard]] bool pump() override;
  [[nodiscard]] bool wait(bsp::Deadline until) override;
  void sleep(bsp::Deadline until) override;
  [[nodiscard]] std::span<const CommandTable> tables() const override { return tables_; }
  [[nodiscard]] const History* history() const override { return &history_; }
  void repeat_with(std::string_view line) override;

 private:
  static constexpr std::size_t max_print = 512;
  static constexpr std::size_t max_announcement = 200;
  static constexpr std::size_t max_repeat = 80;

  void vprint(fmt::string_view format, fmt::format_args args) override;
  void verror(std::string_view what, fmt::string_view format, fmt::format_args args) override;
  static void put_from_editor(void* shell, std::string_view text);

  void handle(LineEditor::Event event);
  void take_line();
  void run_line(std::span<char> line);
  void run_command(const Parsed& parsed);
  void report(const Parsed& parsed);
  [[nodiscard]] net::NetDevice* find_interface(std::string_view name);
  [[nodiscard]] bool interfaces_exist(const Parsed& parsed, const Arguments& arguments);
  void complete();
  [[nodiscard]] bool announcements_waiting() const { return !announcements_.empty() || lost_announcements_ != 0; }
  void print_announcements();
  void serve();

  System& system_;
  Background& background_;
  std::span<const CommandTable> tables_;
  Console console_;
  Parser parser_;
  History history_{};
  LineEditor editor_;
  LineStore<4096, 64> announcements_{};
  std::size_t lost_announcements_{0};
  std::size_t interface_in_use_{0};
  bool interrupted_{false}; ///< Ctrl-C was typed while this command runs
  bool list_on_tab_{false}; ///< the last key was a Tab that could add nothing
  std::size_t repeat_size_{0};
  char repeat_[max_repeat]{};
};

} // namespace shell
