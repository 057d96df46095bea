// SPDX-License-Identifier: BSD-2-Clause
// What a command is, and what it may use while it runs. Commands are rows of constexpr tables; help, Tab completion and
// option parsing all read the same row, so they cannot disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/format.hpp"
#include "shell/system.hpp"

namespace shell {

class Session;
class Arguments;
class History;

/// What Tab offers for an option's value or a positional argument.
enum class Completion : std::uint8_t { none, interface, command, fdt_path, log_level, offload };

struct Option {
  std::string_view name;                   ///< "-c", "--csum"; "-c5" and "--csum=5" are these with the value "5"
  std::string_view value;                  ///< what follows it, as the usage names it: "N"; empty for a flag
  std::string_view help;                   ///< one clause: "stop after N frames"
  Completion completion{Completion::none}; ///< a value of kind `interface` is checked before run()
};

inline constexpr std::uint8_t any_number = UINT8_MAX;

struct Command {
  std::string_view name;
  std::string_view usage;            ///< behind the name: "[-c N] [-g US] HEX"; empty if it takes nothing
  std::string_view summary;          ///< one clause, for `help`
  std::string_view example;          ///< a whole line that works: "net tx -c 3 ffffffffffff525400123456088b5..."
  void (*run)(Session&, Arguments&); ///< null if it has subcommands only
  std::span<const Option> options{}; ///< valid behind every subcommand too: "-i IF" stands once, in the row of `net`
  std::span<const Command> subcommands{};
  Completion positional{Completion::none};
  std::uint8_t min_positionals{0};              ///< fewer never reach run()
  std::uint8_t max_positionals{any_number};     ///< more never reach run(); 0 if `usage` is empty
  std::span<const std::string_view> suffixes{}; ///< ".b": words that may follow the name directly; see full_name()
  /// What the last of max_positionals may be; anything else never reaches run(). Tab offers them. Empty: anything.
  std::span<const std::string_view> words{};

  /// More positional arguments than these are too many.
  [[nodiscard]] constexpr std::size_t positional_limit() const {
    if (usage.empty()) return 0;
    return max_positionals == any_number ? SIZE_MAX : max_positionals;
  }
};

using CommandTable = std::span<const Command>;

inline constexpr std::size_t max_line = 8192;  ///< characters of a command line that arrive whole
inline constexpr std::size_t max_options = 16; ///< of a command and its parents together

/// The words of a line after the command's own name, already split and checked against its options: unknown options,
/// missing values and "-i" without such an interface never reach run(). Words are split at spaces and tabs; "..." keeps
/// spaces together.
class Arguments {
 public:
  [[nodiscard]] const Command& command() const { return *command_; }
  /// "net tx": the command with its parents, for messages; "md.b" if it was typed with a suffix.
  [[nodiscard]] std::string_view full_name() const { return full_name_; }
  [[nodiscard]] bool has(std::string_view option) const { return value(option).has_value(); }
  /// The option's value; "" for a flag that is set; nullopt if the option is absent. The last one wins.
  [[nodiscard]] std::optional<std::string_view> value(std::string_view option) const;
  [[nodiscard]] std::span<const std::string_view> positionals() const { return positionals_; }

  Arguments(const Command& command, std::string_view full_name, std::span<const std::string_view> option_words,
            std::span<const std::string_view> positionals)
      : command_{&command}, full_name_{full_name}, option_words_{option_words}, positionals_{positionals} {}

 private:
  const Command* command_;
  std::string_view full_name_;
  std::span<const std::string_view> option_words_; ///< name, value, name, value, ... ("" as value of a flag)
  std::span<const std::string_view> positionals_;
};

/// "123", "0x7b"; nullopt for anything else, also for what does not fit 64 bits.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text);

/// Work that goes on behind the prompt and while commands wait: interfaces are served and drained.
class Background {
 public:
  virtual void poll() = 0;
  /// When poll() has to run although nothing interrupts.
  [[nodiscard]] virtual bsp::Deadline next_wake() const { return bsp::Deadline::never(); }
  /// Last step before sleeping, interrupts off. True if there is work: do not sleep.
  [[nodiscard]] virtual bool prepare_idle() = 0;

 protected:
  ~Background() = default;
};

/// What a running command may use. All output goes through it.
class Session {
 public:
  [[nodiscard]] virtual System& system() = 0;

  /// A result line; the line end is added.
  template <class... Args> void print(fmt::format_string<Args...> format, Args&&... args) {
    vprint(format, fmt::make_format_args(args...));
  }
  /// "error: <what>: <why>" on a line of its own.
  template <class... Args> void error(std::string_view what, fmt::format_string<Args...> format, Args&&... args) {
    verror(what, format, fmt::make_format_args(args...));
  }
  /// Text as it is, without line end (long lines in pieces: at most 512 characters a call).
  virtual void write(std::string_view text) = 0;

  /// The option's value as a number between the two, `fallback` if absent; nullopt (and an error line that names the
  /// option and the range) if it is anything else.
  [[nodiscard]] std::optional<std::uint64_t> number_option(const Arguments& arguments, std::string_view option,
                                                           std::uint64_t fallback, std::uint64_t low,
                                                           std::uint64_t high);
  /// The same for a positional argument that must be there; `name` as in the usage.
  [[nodiscard]] std::optional<std::uint64_t> number_argument(const Arguments& arguments, std::size_t index,
                                                             std::string_view name, std::uint64_t low,
                                                             std::uint64_t high);

  /// The interface of "-i IF", or the one in use; null (and "error: net: no network device") if there is none.
  [[nodiscard]] virtual net::NetDevice* interface(const Arguments& arguments) = 0;
  virtual void use_interface(std::size_t index) = 0;
  [[nodiscard]] virtual std::size_t interface_in_use() const = 0;

  /// Lets the background run once and looks at the console. False once Ctrl-C was typed: the command ends then.
  /// Characters typed meanwhile are kept for the next line.
  [[nodiscard]] virtual bool pump() = 0;
  /// Sleeps until something happens or the deadline passes, then pump(). Whatever an earlier pump() brought must have
  /// been looked at before. False on Ctrl-C.
  [[nodiscard]] virtual bool wait(bsp::Deadline until) = 0;
  /// The sleep of wait() alone, for loops that look at their own device first when they wake up, and pump() before they
  /// sleep again.
  virtual void sleep(bsp::Deadline until) = 0;

  /// All tables, for `help`.
  [[nodiscard]] virtual std::span<const CommandTable> tables() const { return {}; }
  [[nodiscard]] virtual const History* history() const { return nullptr; }
  /// The line (at most 80 characters) that Enter on an empty line runs, until another command has run.
  virtual void repeat_with(std::string_view) {}

 protected:
  ~Session() = default;
  virtual void vprint(fmt::string_view format, fmt::format_args args) = 0;
  virtual void verror(std::string_view what, fmt::string_view format, fmt::format_args args) = 0;
};

/// The command tables, in the order of `help`. Each command family is one file commands_<family>.cpp.
[[nodiscard]] std::span<const Command> base_commands();   ///< help version board uptime log history reboot poweroff
[[nodiscard]] std::span<const Command> memory_commands(); ///< md mw
[[nodiscard]] std::span<const Command> tree_commands();   ///< fdt irq virtio
[[nodiscard]] std::span<const Command> net_commands();    ///< net

} // namespace shell
