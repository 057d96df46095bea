// SPDX-License-Identifier: BSD-2-Clause
// Frames as text: hex as it is typed, and dumps that both people and text2pcap read.
//
// Invariant of the dump form: text2pcap takes nothing for bytes but the bytes. Each line starts with an offset of eight
// digits, every byte is two digits and a space, and the ASCII column starts with '|': that ends text2pcap's
// interest in the line, whatever the frame's bytes look like as text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shell/capture.hpp"

namespace shell {

/// Why words are not the hex text of a frame.
struct HexError {
  enum class Cause : std::uint8_t { bad_digit, split_byte };
  Cause cause;
  char character;       ///< bad_digit: what stands there
  std::size_t position; ///< of it, from 1, in the words joined by single spaces; split_byte: of the lone digit
};

struct HexSize {
  std::size_t bytes{0};
  std::optional<HexError> error{};
};

/// How many bytes the words spell. Digits of either case come in pairs; colons may stand between pairs.
[[nodiscard]] HexSize hex_size(std::span<const std::string_view> words);
/// Their bytes, as many as fit `out`. The words have passed hex_size().
void parse_hex(std::span<const std::string_view> words, std::span<std::byte> out);

inline constexpr std::size_t dump_bytes_per_line = 16;

/// The line before a frame: "I 12.000123". `out` holds 32 characters at least.
std::string_view dump_preamble(const CapturedFrame& frame, std::span<char> out);

/// "00000010: 41 42 ...  |AB...|" for at most dump_bytes_per_line bytes from `offset` on.
class DumpLine {
 public:
  DumpLine(std::span<const std::byte> frame, std::size_t offset);
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 10 + 3 * dump_bytes_per_line + 3 + dump_bytes_per_line> text_;
  std::size_t size_;
};

/// The whole frame in one line: time, direction, length, source > destination, EtherType, and of a super-frame how it
/// is segmented. `out` holds 128 characters.
std::string_view summary_line(const CapturedFrame& frame, std::span<char> out);

/// What is known about a frame beside its bytes, a "# " line each; index 0, 1, ... until it is empty. `out` holds 128
/// characters.
std::string_view note_line(const FrameNotes& notes, std::size_t index, std::span<char> out);

/// "ARP", "IPv4", ...; empty if the name is not known.
[[nodiscard]] std::string_view ethertype_name(std::uint16_t type);

} // namespace shell
