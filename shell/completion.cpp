// SPDX-License-Identifier: BSD-2-Clause
// See completion.hpp.
#include "shell/completion.hpp"

#include <algorithm>

#include "bsp/log.hpp"

namespace shell {

namespace {

/// Lets through what starts with the word at the cursor and can be typed.
struct Filter {
  std::string_view partial;
  Completer::Visitor visit;
  void* context;

  void offer(std::string_view candidate) const {
    const auto is_word = [](char character) { return character > 0x20 && character < 0x7f; };
    if (candidate.starts_with(partial) && std::ranges::all_of(candidate, is_word)) visit(context, candidate);
  }
};

void offer_names(const Filter& filter, CommandTable table) {
  for (const Command& command : table)
    filter.offer(command.name);
}

void offer_options(const Filter& filter, const CommandPath& path) {
  for (std::size_t i = 0; i < path.depth; i++)
    for (const Option& option : path.commands[i]->options)
      filter.offer(option.name);
}

void offer_nodes(const Filter& filter, const System& system, std::string_view parent) {
  if (system.tree == nullptr) return;
  const fdt::Result<fdt::Node> node = system.tree->find(parent);
  if (!node) return;
  for (std::optional<fdt::Node> child = node->first_child(); child; child = child->next_sibling())
    filter.offer(child->name());
}

/// What CTRL_GUEST_OFFLOADS can change (VIRTIO 1.3, 5.1.6.5.8.1), as `net offload` names it.
constexpr std::string_view offload_names[] = {"guest_csum", "guest_tso4", "guest_tso6", "guest_ecn",
                                              "guest_ufo",  "guest_uso4", "guest_uso6"};

void offer_words(const Filter& filter, std::span<const std::string_view> words) {
  for (const std::string_view word : words)
    filter.offer(word);
}

void offer_values(const Filter& filter, const System& system, Completion kind) {
  if (kind == Completion::interface)
    for (const net::NetDevice* const device : system.interfaces)
      filter.offer(device->name());
  if (kind == Completion::log_level) offer_words(filter, bsp::log::level_names);
  if (kind == Completion::offload) offer_words(filter, offload_names);
}

/// The beginning that all candidates share.
struct Common {
  char* text;
  std::size_t capacity;
  std::size_t size{0};
  std::size_t candidates{0};

  static void visit(void* context, std::string_view candidate) {
    Common& self = *static_cast<Common*>(context);
    if (self.candidates++ == 0) {
      self.size = candidate.copy(self.text, self.capacity);
      return;
    }
    const std::string_view shared{self.text, self.size};
    self.size = static_cast<std::size_t>(std::ranges::mismatch(shared, candidate).in1 - shared.begin());
  }
};

} // namespace

Completer::Completer(std::span<const CommandTable> tables, const System& system, std::string_view line)
    : tables_{tables}, system_{system} {
  constexpr std::string_view blanks = " \t";
  while (true) {
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    const std::size_t end = line.find_first_of(blanks);
    if (end == std::string_view::npos) break;
    take_word(line.substr(0, end));
    line.remove_prefix(end);
  }
  take_partial(line);
  find_addition();
}

void Completer::take_word(std::string_view word) {
  const Command* const current = path_.last();
  if (pending_ != nullptr) {
    pending_ = nullptr;
  } else if (current == nullptr) {
    const Command* const command = find_command(tables_, word);
    if (command == nullptr)
      lost_ = true;
    else if (command->positional == Completion::command && !asking_)
      asking_ = true;
    else
      path_.push(*command);
  } else if (options_ && !asking_ && word.starts_with('-')) {
    if (word == "--") options_ = false;
    const Option* const option = path_.option(word);
    if (option != nullptr && !option->value.empty() && option->name == word) pending_ = option;
  } else if (const Command* const next = find_command(current->subcommands, word);
             next != nullptr && positionals_ == 0) {
    path_.push(*next);
  } else {
    positionals_++;
  }
}

void Completer::take_partial(std::string_view word) {
  partial_ = word;
  if (positional() != Completion::fdt_path) return;
  const std::size_t slash = word.rfind('/');
  if (slash == std::string_view::npos) return;
  parent_ = slash == 0 ? "/" : word.substr(0, slash);
  partial_.remove_prefix(slash + 1);
}

/// What kind of value may stand at the cursor.
Completion Completer::positional() const {
  if (pending_ != nullptr) return pending_->completion;
  const Command* const command = path_.last();
  if (command == nullptr || asking_ || positionals_ >= command->positional_limit() || at_words())
    return Completion::none;
  return command->positional;
}

/// Whether one of the command's own words stands at the cursor.
bool Completer::at_words() const {
  const Command* const command = path_.last();
  return pending_ == nullptr && !asking_ && command != nullptr && !command->words.empty() &&
         positionals_ + 1 == command->max_positionals;
}

void Completer::for_each(Visitor visit, void* context) const {
  const Filter filter{partial_, visit, context};
  if (lost_) return;
  if (path_.depth == 0) {
    for (const CommandTable table : tables_)
      offer_names(filter, table);
    return;
  }
  const Completion kind = positional();
  if (kind == Completion::fdt_path) {
    if (parent_.empty())
      filter.offer("/");
    else
      offer_nodes(filter, system_, parent_);
  }
  offer_values(filter, system_, kind);
  if (pending_ != nullptr) return;
  if (at_words()) offer_words(filter, path_.last()->words);
  if (positionals_ == 0) offer_names(filter, path_.last()->subcommands);
  if (options_ && !asking_ && partial_.starts_with('-')) offer_options(filter, path_);
}

void Completer::find_addition() {
  Common common{text_, sizeof text_ - 1};
  for_each(Common::visit, &common);
  if (common.candidates == 0) return;
  if (common.candidates == 1 && common.size < sizeof text_ - 1) {
    if (const char next = follower({text_, common.size}); next != '\0') text_[common.size++] = next;
  }
  size_ = common.size - partial_.size();
  std::copy_n(text_ + partial_.size(), size_, text_);
}

/// What is typed behind the only candidate.
char Completer::follower(std::string_view candidate) const {
  if (candidate == "/") return '\0';
  if (parent_.empty()) return ' ';
  const fdt::Result<fdt::Node> parent = system_.tree->find(parent_);
  const std::optional<fdt::Node> node = parent ? parent->child(candidate) : std::nullopt;
  return node && node->first_child() ? '/' : ' ';
}

} // namespace shell
