// SPDX-License-Identifier: BSD-2-Clause
// From a line to a command and its arguments. Knows the tables, no I/O.
//
// Words are split at spaces and tabs; "..." keeps blanks together. Options may stand anywhere behind the command, "--"
// ends them, -h and --help ask for help at every level. The words are cut out of the line itself: the line must outlive
// what parse() returns, and the parser has room for as many words as a line of max_line characters can have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "shell/command.hpp"

namespace shell {

enum class ParseStatus : std::uint8_t {
  ok,
  empty,
  help, ///< -h or --help: help for `command` is asked for
  unterminated_quote,
  unknown_command,    ///< `word`
  unknown_subcommand, ///< `word`, of `command`
  missing_subcommand, ///< of `command`
  unknown_option,     ///< `word`
  missing_value,      ///< of `option`
  missing_argument,
  unexpected_argument, ///< `word`
};

struct Parsed {
  ParseStatus status{ParseStatus::empty};
  const Command* command{nullptr};
  std::span<const Command* const>
      path{};                   ///< the command and those above it, topmost first; valid until the next parse()
  std::string_view full_name{}; ///< of the command, with its parents; valid until the next parse()
  std::string_view word{};
  const Option* option{nullptr};
  std::span<const std::string_view> option_words{};
  std::span<const std::string_view> positionals{};
};

/// The row of that name; null if there is none.
[[nodiscard]] const Command* find_command(CommandTable table, std::string_view name);
[[nodiscard]] const Command* find_command(std::span<const CommandTable> tables, std::string_view name);

/// A command and the commands above it, topmost first; an option of any of them is valid.
struct CommandPath {
  static constexpr std::size_t max_depth = 4;
  const Command* commands[max_depth]{};
  std::size_t depth{0};

  [[nodiscard]] const Command* last() const { return depth == 0 ? nullptr : commands[depth - 1]; }
  void push(const Command& command);
  /// The option of that exact name, or the one whose value is attached ("-c5", "--csum=5"); null if there is none.
  [[nodiscard]] const Option* option(std::string_view word) const;
};

class Parser {
 public:
  constexpr explicit Parser(std::span<const CommandTable> tables) : tables_{tables} {}
  /// Changes the characters of `line` (quotes are squeezed out).
  [[nodiscard]] Parsed parse(std::span<char> line);

 private:
  static constexpr std::size_t max_words = (max_line + 1) / 2;

  [[nodiscard]] bool split(std::span<char> line);
  [[nodiscard]] ParseStatus enter(std::string_view word);
  [[nodiscard]] ParseStatus take_option(std::size_t& index);
  [[nodiscard]] ParseStatus take_words();
  void set_option(std::string_view name, std::string_view value);
  void append_name(std::string_view word);

  std::span<const CommandTable> tables_;
  Parsed parsed_{};
  CommandPath path_{};
  std::size_t word_count_{0};
  std::size_t option_count_{0};
  std::size_t positional_count_{0};
  std::size_t name_size_{0};
  char name_[64]{};
  std::string_view option_words_[2 * max_options]{};
  std::string_view words_[max_words]{}; ///< the positionals move to its front
};

} // namespace shell
