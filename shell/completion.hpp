// SPDX-License-Identifier: BSD-2-Clause
// What Tab offers, from the same tables that run the commands. Knows the tables and the system, no terminal.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "shell/command.hpp"
#include "shell/parser.hpp"

namespace shell {

/// What could continue a line at the cursor. Quotes are taken as ordinary characters here.
class Completer {
 public:
  /// Gets each candidate: the whole word, or of a path its last component.
  using Visitor = void (*)(void* context, std::string_view candidate);

  /// Borrows all of it; `line` ends at the cursor.
  Completer(std::span<const CommandTable> tables, const System& system, std::string_view line);

  void for_each(Visitor visit, void* context) const;
  /// What can be added for sure: the candidates' common continuation, and if there is just one candidate what follows
  /// it (a space, or '/' behind a node with children). Valid as long as the completer.
  [[nodiscard]] std::string_view addition() const { return {text_, size_}; }

 private:
  void take_word(std::string_view word);
  void take_partial(std::string_view word);
  [[nodiscard]] Completion positional() const;
  [[nodiscard]] bool at_words() const;
  void find_addition();
  [[nodiscard]] char follower(std::string_view candidate) const;

  std::span<const CommandTable> tables_;
  const System& system_;
  CommandPath path_{};             ///< the commands named so far; behind `help` those that it is asked about
  bool asking_{false};             ///< behind `help`: only names can follow
  bool options_{true};             ///< no "--" yet
  bool lost_{false};               ///< a word that is no command: nothing can follow
  const Option* pending_{nullptr}; ///< the option whose value is being typed
  std::size_t positionals_{0};
  std::string_view partial_{}; ///< the beginning of the word at the cursor; of a path its last component
  std::string_view parent_{};  ///< of a path: the node that the component is looked for in
  std::size_t size_{0};
  char text_[160];
};

} // namespace shell
