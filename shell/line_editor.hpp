// SPDX-License-Identifier: BSD-2-Clause
// Edits one command line. Pure: characters go in one by one, what the terminal has to show comes out of a callback.
//
// Invariants: cursor_ <= size_ <= max_line. Appending at the line's end sends just the character; escape sequences are
// sent only while the line is edited inside, or where text that spans several rows is taken back. The terminal's width
// is unknown: a line that fits one row is drawn right on any terminal, a longer one on 80 columns that wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "shell/command.hpp"
#include "shell/history.hpp"

namespace shell {

class LineEditor {
 public:
  /// Gets what the terminal shall receive, as it is.
  struct Output {
    void (*function)(void* context, std::string_view text);
    void* context;
  };

  enum class Event : std::uint8_t {
    none,
    line,      ///< Enter: line() is ready
    cancelled, ///< Ctrl-C
    complete,  ///< Tab: look at before_cursor(), then insert()
  };

  /// Borrows the history; `prompt` must outlive the editor and be printable.
  constexpr LineEditor(std::string_view prompt, const History& history, Output output)
      : prompt_{prompt}, history_{history}, output_{output} {}

  /// Starts an empty line: draws the prompt. The cursor is in column 0 before.
  void begin();
  Event feed(char character);

  /// The line after Event::line, until begin(). The caller may change its characters.
  [[nodiscard]] std::span<char> line() { return {text_, size_}; }
  /// More than max_line characters were typed into this line; those beyond are gone.
  [[nodiscard]] bool overflowed() const { return overflowed_; }
  [[nodiscard]] std::string_view before_cursor() const { return {text_, cursor_}; }
  /// Types `text` at the cursor; printable characters only.
  void insert(std::string_view text);

  /// Leaves the line standing and goes to column 0 below it, so that others may print whole lines.
  void suspend();
  /// Draws prompt and text again, after suspend(). The cursor is in column 0 before.
  void resume();

 private:
  enum class State : std::uint8_t { ground, escape, csi, ss3, one_more, string, string_escape };

  Event control(char character);
  void escape(char character);
  void sequence(char character);
  void run_csi(char final);
  void word_key(char character);
  void move(std::size_t to);
  void erase(std::size_t from, std::size_t to);
  void replace(std::string_view text);
  void browse(bool older);
  void clear_screen();
  [[nodiscard]] std::size_t word_left() const;
  [[nodiscard]] std::size_t word_right() const;

  void put(std::string_view text) { output_.function(output_.context, text); }
  void put_text(std::size_t from);
  void put_move(char direction, std::size_t count);
  void settle();
  void move_on_screen(std::size_t from, std::size_t to);

  std::string_view prompt_;
  const History& history_;
  Output output_;
  State state_{State::ground};
  bool after_cr_{false};
  bool overflowed_{false};
  bool wrap_pending_{false}; ///< the last column was just filled: the terminal wraps with the next character
  std::uint16_t parameters_[2]{};
  std::size_t parameter_{0};
  std::size_t size_{0};
  std::size_t cursor_{0};
  std::size_t browsed_{0}; ///< 0: the line being typed, n: the n-th newest of the history
  std::size_t stash_size_{0};
  char text_[max_line]{};
  char stash_[max_line]{}; ///< the line being typed, while the history is browsed
};

} // namespace shell
