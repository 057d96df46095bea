// SPDX-License-Identifier: BSD-2-Clause
// See parser.hpp.
#include "shell/parser.hpp"

#include <algorithm>
#include <optional>

#include "bsp/panic.hpp"

namespace shell {

namespace {

bool is_blank(char character) {
  return character == ' ' || character == '\t';
}

bool is_option(std::string_view word) {
  return word.size() > 1 && word.front() == '-';
}

bool matches(const Command& command, std::string_view word) {
  if (!word.starts_with(command.name)) return false;
  word.remove_prefix(command.name.size());
  return word.empty() || std::ranges::find(command.suffixes, word) != command.suffixes.end();
}

/// The value that the word brings along behind the option's name: "-c5", "--csum=5"; nullopt if it is another option.
std::optional<std::string_view> attached_value(const Option& option, std::string_view word) {
  if (option.value.empty() || !word.starts_with(option.name)) return std::nullopt;
  word.remove_prefix(option.name.size());
  if (option.name.size() == 2) return word;
  if (!option.name.starts_with("--") || !word.starts_with('=')) return std::nullopt;
  return word.substr(1);
}

} // namespace

const Command* find_command(CommandTable table, std::string_view name) {
  for (const Command& command : table)
    if (matches(command, name)) return &command;
  return nullptr;
}

const Command* find_command(std::span<const CommandTable> tables, std::string_view name) {
  for (const CommandTable& table : tables)
    if (const Command* const command = find_command(table, name)) return command;
  return nullptr;
}

void CommandPath::push(const Command& command) {
  if (depth == max_depth) PANIC("command tables nest too deep");
  commands[depth++] = &command;
}

const Option* CommandPath::option(std::string_view word) const {
  for (std::size_t i = depth; i-- > 0;)
    for (const Option& option : commands[i]->options)
      if (option.name == word) return &option;
  for (std::size_t i = depth; i-- > 0;)
    for (const Option& option : commands[i]->options)
      if (attached_value(option, word)) return &option;
  return nullptr;
}

Parsed Parser::parse(std::span<char> line) {
  parsed_ = Parsed{};
  path_ = CommandPath{};
  word_count_ = option_count_ = positional_count_ = name_size_ = 0;
  parsed_.status = !split(line) ? ParseStatus::unterminated_quote : take_words();
  parsed_.command = path_.last();
  parsed_.path = {path_.commands, path_.depth};
  parsed_.full_name = {name_, name_size_};
  parsed_.option_words = {option_words_, 2 * option_count_};
  parsed_.positionals = {words_, positional_count_};
  return parsed_;
}

/// Cuts the line into words_, in place: without its quotes a word is at most as long as with them.
bool Parser::split(std::span<char> line) {
  std::size_t read = 0;
  while (true) {
    while (read < line.size() && is_blank(line[read]))
      read++;
    if (read == line.size()) return true;
    if (word_count_ == max_words) PANIC("line longer than the parser's");
    const std::size_t start = read;
    std::size_t write = read;
    bool quoted = false;
    for (; read < line.size() && (quoted || !is_blank(line[read])); read++) {
      if (line[read] == '"')
        quoted = !quoted;
      else
        line[write++] = line[read];
    }
    if (quoted) return false;
    words_[word_count_++] = {line.data() + start, write - start};
  }
}

ParseStatus Parser::take_words() {
  bool options = true;
  for (std::size_t i = 0; i < word_count_; i++) {
    const std::string_view word = words_[i];
    const bool first = path_.depth == 0;
    ParseStatus status = ParseStatus::ok;
    if (!first && options && word == "--") {
      options = false;
    } else if (!first && options && is_option(word)) {
      status = take_option(i);
    } else if (first || (positional_count_ == 0 && !path_.last()->subcommands.empty())) {
      status = enter(word);
    } else {
      words_[positional_count_++] = word;
    }
    if (status != ParseStatus::ok) return status;
  }
  const Command* const command = path_.last();
  if (command == nullptr) return ParseStatus::empty;
  if (command->run == nullptr) return ParseStatus::missing_subcommand;
  if (positional_count_ < command->min_positionals) return ParseStatus::missing_argument;
  if (positional_count_ > command->positional_limit()) {
    parsed_.word = words_[command->positional_limit()];
    return ParseStatus::unexpected_argument;
  }
  if (!command->words.empty() && positional_count_ == command->max_positionals) {
    parsed_.word = words_[positional_count_ - 1];
    if (std::ranges::find(command->words, parsed_.word) == command->words.end())
      return ParseStatus::unexpected_argument;
  }
  return ParseStatus::ok;
}

/// A command's or subcommand's name; behind a command that runs by itself it may be an argument instead.
ParseStatus Parser::enter(std::string_view word) {
  const Command* const current = path_.last();
  const Command* const next =
      current == nullptr ? find_command(tables_, word) : find_command(current->subcommands, word);
  if (next != nullptr) {
    path_.push(*next);
    append_name(word);
    return ParseStatus::ok;
  }
  if (current != nullptr && current->run != nullptr) {
    words_[positional_count_++] = word;
    return ParseStatus::ok;
  }
  parsed_.word = word;
  return current == nullptr ? ParseStatus::unknown_command : ParseStatus::unknown_subcommand;
}

ParseStatus Parser::take_option(std::size_t& index) {
  const std::string_view word = words_[index];
  const Option* const option = path_.option(word);
  if (option == nullptr) {
    if (word == "-h" || word == "--help") return ParseStatus::help;
    parsed_.word = word;
    return ParseStatus::unknown_option;
  }
  if (option->value.empty()) {
    set_option(option->name, "");
  } else if (word.size() > option->name.size()) {
    set_option(option->name, *attached_value(*option, word));
  } else if (index + 1 < word_count_ && !is_option(words_[index + 1])) {
    set_option(option->name, words_[++index]);
  } else {
    parsed_.option = option;
    return ParseStatus::missing_value;
  }
  return ParseStatus::ok;
}

/// The last one wins, so each option takes one place.
void Parser::set_option(std::string_view name, std::string_view value) {
  std::size_t place = 0;
  while (place < option_count_ && option_words_[2 * place] != name)
    place++;
  if (place == max_options) PANIC("command has too many options");
  option_words_[2 * place] = name;
  option_words_[2 * place + 1] = value;
  option_count_ = std::max(option_count_, place + 1);
}

void Parser::append_name(std::string_view word) {
  if (name_size_ > 0 && name_size_ < sizeof name_) name_[name_size_++] = ' ';
  const std::size_t count = std::min(word.size(), sizeof name_ - name_size_);
  std::copy_n(word.data(), count, name_ + name_size_);
  name_size_ += count;
}

} // namespace shell
