// SPDX-License-Identifier: BSD-2-Clause
// A terminal for tests: keeps the screen that what was sent leaves behind, as xterm does it, with the wrap that waits
// for the next character once the last column is filled. It does not scroll: it has as many rows as it takes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace test {

class FakeTerminal {
 public:
  explicit FakeTerminal(std::size_t width = 80) : width_{width} {}

  void receive(std::string_view text) {
    for (const char character : text)
      receive(character);
  }

  /// A row's text without the blanks at its end.
  [[nodiscard]] std::string row(std::size_t index) const {
    std::string text = index < rows_.size() ? rows_[index] : std::string{};
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  }
  /// All rows from `first` on, joined: a wrapped line as a whole.
  [[nodiscard]] std::string text(std::size_t first = 0) const {
    std::string joined;
    for (std::size_t i = first; i < rows_.size(); i++)
      joined += rows_[i];
    joined.erase(joined.find_last_not_of(' ') + 1);
    return joined;
  }
  [[nodiscard]] std::size_t cursor_row() const { return row_; }
  [[nodiscard]] std::size_t cursor_column() const { return column_; }
  /// The cursor as an offset from the start of row `first`; a waiting wrap counts as done.
  [[nodiscard]] std::size_t cursor_offset(std::size_t first = 0) const {
    return (row_ - first) * width_ + column_ + (wrap_waits_ ? 1 : 0);
  }
  /// Escape sequences received so far, and whether all were known.
  [[nodiscard]] std::size_t sequences() const { return sequences_; }
  [[nodiscard]] bool understood() const { return understood_; }

 private:
  void receive(char character) {
    if (!sequence_.empty()) {
      sequence_ += character;
      if (sequence_.size() > 2 && character >= 0x40) run_sequence();
    } else if (character == '\x1b') {
      sequence_ = character;
    } else if (character == '\r') {
      column_ = 0;
      wrap_waits_ = false;
    } else if (character == '\n') {
      row_++;
    } else if (character == '\b') {
      if (column_ > 0) column_--;
      wrap_waits_ = false;
    } else if (character >= 0x20 && character < 0x7f) {
      print(character);
    } else {
      understood_ = false;
    }
  }

  void print(char character) {
    if (wrap_waits_) {
      row_++;
      column_ = 0;
      wrap_waits_ = false;
    }
    if (rows_.size() <= row_) rows_.resize(row_ + 1, std::string(width_, ' '));
    rows_[row_][column_] = character;
    if (column_ + 1 == width_)
      wrap_waits_ = true;
    else
      column_++;
  }

  void run_sequence() {
    sequences_++;
    const std::string parameters = sequence_.substr(2, sequence_.size() - 3);
    const std::size_t count = parameters.empty() ? 1 : std::stoul(parameters);
    switch (sequence_.back()) {
    case 'A':
      row_ -= std::min(row_, count);
      break;
    case 'B':
      row_ += count;
      break;
    case 'C':
      column_ = std::min(column_ + count, width_ - 1);
      break;
    case 'D':
      column_ -= std::min(column_, count);
      break;
    case 'H':
      row_ = column_ = 0;
      break;
    case 'J':
      erase(parameters == "2");
      break;
    default:
      understood_ = false;
    }
    if (sequence_.back() != 'J') wrap_waits_ = false;
    sequence_.clear();
  }

  void erase(bool all) {
    if (all) rows_.clear();
    if (row_ >= rows_.size()) return;
    rows_.resize(row_ + 1);
    std::fill(rows_[row_].begin() + static_cast<std::ptrdiff_t>(column_), rows_[row_].end(), ' ');
  }

  std::size_t width_;
  std::vector<std::string> rows_;
  std::size_t row_{0};
  std::size_t column_{0};
  bool wrap_waits_{false};
  std::string sequence_;
  std::size_t sequences_{0};
  bool understood_{true};
};

} // namespace test
