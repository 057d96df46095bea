// SPDX-License-Identifier: BSD-2-Clause
// The shell's end of the serial line: CR LF on the way out, type-ahead on the way in.
//
// Invariant: at_line_start() says whether the terminal's cursor is in column 0. Type-ahead keeps what is typed while a
// command runs, Ctrl-C aside; what finds it full is dropped and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "drivers/uart/char_device.hpp"
#include "shell/command.hpp"

namespace shell {

inline constexpr char ctrl_c = 0x03;

class Console {
 public:
  /// Borrows the device.
  constexpr explicit Console(uart::CharDevice& device) : device_{device} {}

  /// Sends `text`, each LF as CR LF.
  void write(std::string_view text);
  /// Sends `text` as it is.
  void put(std::string_view text);
  [[nodiscard]] bool at_line_start() const { return at_line_start_; }
  /// Ends the line that stands unfinished, if one does.
  void start_line();

  /// The next character typed; false if there is none.
  [[nodiscard]] bool take(char& character);
  /// Collects what has been typed; true if a Ctrl-C was among it, which is taken out.
  [[nodiscard]] bool take_interrupt();
  /// Whether the device has characters that were not collected yet.
  [[nodiscard]] bool has_input() { return device_.has_input(); }
  /// Whether no interrupt tells of new characters.
  [[nodiscard]] bool is_polled() const { return device_.is_polled(); }
  /// Characters dropped since the last call.
  [[nodiscard]] std::size_t take_lost();

 private:
  static constexpr std::size_t capacity = max_line + 256; ///< a whole line, its end and a little of the next
  void append(char character);
  [[nodiscard]] bool remove_interrupt();

  uart::CharDevice& device_;
  bool at_line_start_{true};
  char typed_[capacity]{};
  std::size_t head_{0};
  std::size_t count_{0};
  std::size_t lost_{0};
  bool unsearched_{false}; ///< the type-ahead came in by take(): a Ctrl-C may be in it
};

} // namespace shell
