// SPDX-License-Identifier: BSD-2-Clause
// Arguments and numbers of a command line (command.hpp).
#include <charconv>

#include "shell/command.hpp"

namespace shell {

std::optional<std::string_view> Arguments::value(std::string_view option) const {
  for (std::size_t i = 0; i + 1 < option_words_.size(); i += 2)
    if (option_words_[i] == option) return option_words_[i + 1];
  return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result result = std::from_chars(text.data(), end, value, base);
  if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> Session::number_option(const Arguments& arguments, std::string_view option,
                                                    std::uint64_t fallback, std::uint64_t low, std::uint64_t high) {
  const std::optional<std::string_view> text = arguments.value(option);
  if (!text) return fallback;
  const std::optional<std::uint64_t> number = parse_number(*text);
  if (number && *number >= low && *number <= high) return number;
  error(arguments.full_name(), "option '{}' takes a number from {} to {}, not '{:.64}' (try 'help {}')", option, low,
        high, *text, arguments.full_name());
  return std::nullopt;
}

std::optional<std::uint64_t> Session::number_argument(const Arguments& arguments, std::size_t index,
                                                      std::string_view name, std::uint64_t low, std::uint64_t high) {
  if (index >= arguments.positionals().size()) {
    error(arguments.full_name(), "{} is missing (try 'help {}')", name, arguments.full_name());
    return std::nullopt;
  }
  const std::string_view text = arguments.positionals()[index];
  const std::optional<std::uint64_t> number = parse_number(text);
  if (number && *number >= low && *number <= high) return number;
  error(arguments.full_name(), "{} is a number from {} to {}, not '{:.64}' (try 'help {}')", name, low, high, text,
        arguments.full_name());
  return std::nullopt;
}

} // namespace shell
