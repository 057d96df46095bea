// SPDX-License-Identifier: BSD-2-Clause
// See shell.hpp.
#include "shell/shell.hpp"

#include <algorithm>

#include "bsp/cpu.hpp"
#include "shell/completion.hpp"
#include "shell/help.hpp"

namespace shell {

namespace {

constexpr std::size_t batch = 64;               ///< characters between two looks at the background
constexpr std::size_t max_quoted = 64;          ///< of a user's word in a message
constexpr std::uint64_t console_poll_us = 1000; ///< 16 characters, a usual FIFO, take longer at 115,200 baud

/// A line may quote what a device or a tree says, and a terminal obeys control characters.
void make_printable(std::span<char> text) {
  std::ranges::replace_if(
      text, [](char character) { return character < 0x20 || character >= 0x7f; }, '?');
}

/// Prints Tab's candidates in rows of at most 78 columns.
struct CandidateList {
  Console& console;
  std::size_t column{0};

  static void visit(void* context, std::string_view candidate) {
    CandidateList& self = *static_cast<CandidateList*>(context);
    if (self.column != 0 && self.column + 2 + candidate.size() > 78) {
      self.console.start_line();
      self.column = 0;
    }
    if (self.column != 0) self.console.put("  ");
    self.console.put(candidate);
    self.column += (self.column != 0 ? 2 : 0) + candidate.size();
  }
};

} // namespace

void Shell::run() {
  while (true) {
    if (!step()) sleep(bsp::Deadline::never());
  }
}

bool Shell::step() {
  serve();
  if (announcements_waiting()) {
    editor_.suspend();
    print_announcements();
    editor_.resume();
  }
  char character = 0;
  std::size_t count = 0;
  while (count < batch && console_.take(character)) {
    handle(editor_.feed(character));
    count++;
  }
  return count > 0;
}

void Shell::open() {
  if (const std::size_t lost = console_.take_lost(); lost != 0)
    announce(bsp::Text<>{"console: {} typed character(s) lost while a command ran", lost});
  console_.start_line();
  print_announcements();
  editor_.begin();
}

void Shell::handle(LineEditor::Event event) {
  if (event == LineEditor::Event::complete) {
    complete();
    return;
  }
  list_on_tab_ = false;
  if (event == LineEditor::Event::none) return;
  if (event == LineEditor::Event::line) {
    serve(); // what happened before the line came is known to its command, however fast lines follow each other
    take_line();
  }
  open();
}

// ---- lines

void Shell::take_line() {
  const std::span<char> line = editor_.line();
  const std::string_view text{line.data(), line.size()};
  if (editor_.overflowed()) {
    error("shell", "line longer than {} characters, not run", max_line);
  } else if (text.find_first_not_of(" \t") != std::string_view::npos) {
    history_.add(text);
    run_line(line);
  } else if (repeat_size_ != 0) {
    char copy[max_repeat]; // the command may set the next line while it still reads this one
    std::copy_n(repeat_, repeat_size_, copy);
    run_line({copy, repeat_size_});
  }
}

void Shell::run_line(std::span<char> line) {
  repeat_size_ = 0;
  interrupted_ = false;
  const Parsed parsed = parser_.parse(line);
  if (parsed.status == ParseStatus::ok)
    run_command(parsed);
  else if (parsed.status == ParseStatus::help)
    print_help(*this, *parsed.command, parsed.full_name);
  else
    report(parsed);
}

void Shell::run_command(const Parsed& parsed) {
  Arguments arguments{*parsed.command, parsed.full_name, parsed.option_words, parsed.positionals};
  if (!interfaces_exist(parsed, arguments)) return;
  parsed.command->run(*this, arguments);
}

void Shell::report(const Parsed& parsed) {
  const std::string_view name = parsed.full_name;
  switch (parsed.status) {
  case ParseStatus::ok:
  case ParseStatus::empty:
  case ParseStatus::help:
    return;
  case ParseStatus::unterminated_quote:
    error("shell", "a quote is not closed");
    return;
  case ParseStatus::unknown_command:
    error(parsed.word.substr(0, max_quoted), "command not found (try 'help')");
    return;
  case ParseStatus::unknown_subcommand:
    error(name, "no subcommand '{:.64}' (try 'help {}')", parsed.word, name);
    return;
  case ParseStatus::missing_subcommand:
    error(name, "subcommand is missing (try 'help {}')", name);
    return;
  case ParseStatus::unknown_option:
    error(name, "unknown option '{:.64}' (try 'help {}')", parsed.word, name);
    return;
  case ParseStatus::missing_value:
    error(name, "option '{}' takes a value {} (try 'help {}')", parsed.option->name, parsed.option->value, name);
    return;
  case ParseStatus::missing_argument:
    error(name, "argument is missing: {} {}", name, parsed.command->usage);
    return;
  case ParseStatus::unexpected_argument:
    error(name, "unexpected argument '{:.64}' (try 'help {}')", parsed.word, name);
    return;
  }
}

// ---- completion

void Shell::complete() {
  const Completer completer{tables_, system_, editor_.before_cursor()};
  const std::string_view addition = completer.addition();
  if (!addition.empty()) {
    editor_.insert(addition);
    list_on_tab_ = false;
  } else if (!list_on_tab_) {
    list_on_tab_ = true;
  } else {
    editor_.suspend();
    CandidateList list{console_};
    completer.for_each(CandidateList::visit, &list);
    console_.start_line();
    editor_.resume();
  }
}

// ---- announcements

void Shell::announce(std::string_view text) {
  char line[max_announcement];
  const std::size_t size = text.copy(line, max_announcement);
  make_printable({line, size});
  if (lost_announcements_ != 0 || !announcements_.push({line, size})) lost_announcements_++;
}

void Shell::log_sink(void* shell, bsp::log::Level level, std::string_view text) {
  Shell& self = *static_cast<Shell*>(shell);
  if (level == bsp::log::Level::info)
    self.announce(text);
  else
    self.announce(bsp::Text<max_announcement>{"{}: {}", bsp::log::level_names[static_cast<std::size_t>(level)], text});
}

/// The console is in column 0 before and after.
void Shell::print_announcements() {
  for (; !announcements_.empty(); announcements_.pop()) {
    console_.put("# ");
    console_.put(announcements_[0]);
    console_.put("\r\n");
  }
  if (lost_announcements_ == 0) return;
  console_.put(bsp::Text<>{"# {} line(s) lost here\r\n", lost_announcements_});
  lost_announcements_ = 0;
}

// ---- what commands use

void Shell::write(std::string_view text) {
  if (console_.at_line_start()) print_announcements();
  console_.write(text);
}

void Shell::vprint(fmt::string_view format, fmt::format_args args) {
  char line[max_print];
  const std::size_t size = bsp::vformat(line, format, args).size();
  make_printable({line, size});
  write({line, size});
  console_.write("\n");
}

void Shell::verror(std::string_view what, fmt::string_view format, fmt::format_args args) {
  console_.start_line();
  char why[max_print];
  print("error: {}: {}", what, bsp::vformat(why, format, args));
}

void Shell::repeat_with(std::string_view line) {
  if (line.size() <= max_repeat) repeat_size_ = line.copy(repeat_, max_repeat);
}

void Shell::serve() {
  if (system_.irqchip != nullptr) system_.irqchip->service();
  background_.poll();
}

bool Shell::pump() {
  serve();
  if (announcements_waiting() && console_.at_line_start()) print_announcements();
  interrupted_ = console_.take_interrupt() || interrupted_;
  return !interrupted_;
}

bool Shell::wait(bsp::Deadline until) {
  interrupted_ = console_.take_interrupt() || interrupted_;
  if (!interrupted_) sleep(until);
  return pump();
}

/// Interrupts stay off from the checks to the sleep, so that nothing is slept over: wfi wakes up on what is pending.
void Shell::sleep(bsp::Deadline until) {
  const bsp::cpu::InterruptGuard guard;
  if (until.expired() || console_.has_input() || background_.prepare_idle()) return;
  // Asked last: reading a UART that stopped interrupting is what makes it a polled one.
  if (console_.is_polled()) until = until.earlier_of(bsp::Deadline::in_us(console_poll_us));
  if (system_.irqchip != nullptr) until = until.earlier_of(system_.irqchip->next_wake());
  bsp::cpu::wait_for_interrupt(until.earlier_of(background_.next_wake()));
}

// ---- interfaces

void Shell::use_interface(std::size_t index) {
  if (index < system_.interfaces.size()) interface_in_use_ = index;
}

net::NetDevice* Shell::find_interface(std::string_view name) {
  const std::optional<std::uint64_t> number = parse_number(name);
  for (std::size_t i = 0; i < system_.interfaces.size(); i++)
    if (system_.interfaces[i]->name() == name || number == i) return system_.interfaces[i];
  if (system_.interfaces.empty())
    error("net", "no network device");
  else
    error("net", "no interface '{:.64}' (try 'net list')", name);
  return nullptr;
}

net::NetDevice* Shell::interface(const Arguments& arguments) {
  if (const std::optional<std::string_view> name = arguments.value("-i")) return find_interface(*name);
  if (interface_in_use_ < system_.interfaces.size()) return system_.interfaces[interface_in_use_];
  error("net", "no network device");
  return nullptr;
}

/// Whether every option that names an interface names one that is there; says so if not.
bool Shell::interfaces_exist(const Parsed& parsed, const Arguments& arguments) {
  return std::ranges::all_of(parsed.path, [&](const Command* command) {
    return std::ranges::all_of(command->options, [&](const Option& option) {
      const std::optional<std::string_view> name = arguments.value(option.name);
      return option.completion != Completion::interface || !name || find_interface(*name) != nullptr;
    });
  });
}

void Shell::put_from_editor(void* shell, std::string_view text) {
  static_cast<Shell*>(shell)->console_.put(text);
}

} // namespace shell
