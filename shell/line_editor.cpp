// SPDX-License-Identifier: BSD-2-Clause
// See line_editor.hpp. Keys are taken apart in feed() and below, the line is changed in the middle, drawn at the end.
#include "shell/line_editor.hpp"

#include <cstring>

#include "bsp/format.hpp"

namespace shell {

namespace {

constexpr char key(char letter) {
  return static_cast<char>(letter & 0x1f); // what the terminal sends for Ctrl and this letter
}

constexpr char bell = 0x07;
constexpr char escape_character = 0x1b;
constexpr char delete_character = 0x7f;
constexpr std::size_t columns = 80;

bool is_printable(char character) {
  return character >= 0x20 && character < 0x7f;
}

bool is_control(char character) {
  return static_cast<unsigned char>(character) < 0x20;
}

} // namespace

void LineEditor::begin() {
  size_ = cursor_ = browsed_ = 0;
  overflowed_ = false;
  state_ = State::ground;
  resume();
}

LineEditor::Event LineEditor::feed(char character) {
  const bool second_half = after_cr_ && character == '\n';
  after_cr_ = character == '\r';
  if (second_half) return Event::none;
  if (state_ != State::ground) {
    const bool belongs = character == escape_character || (state_ == State::string && character == bell) ||
                         (state_ == State::escape && character == key('H'));
    if (is_control(character) && !belongs) {
      state_ = State::ground; // a key that came in between cuts the sequence off
    } else {
      sequence(character);
      return Event::none;
    }
  }
  if (is_printable(character)) {
    insert({&character, 1});
    return Event::none;
  }
  return control(character);
}

LineEditor::Event LineEditor::control(char character) {
  switch (character) {
  case '\r':
  case '\n':
    suspend();
    return Event::line;
  case '\t':
    return Event::complete;
  case key('C'):
    move(size_);
    put("^C\r\n");
    return Event::cancelled;
  case escape_character:
    state_ = State::escape;
    break;
  case key('H'):
  case delete_character:
    if (cursor_ > 0) erase(cursor_ - 1, cursor_);
    break;
  case key('D'):
    if (cursor_ < size_) erase(cursor_, cursor_ + 1);
    break;
  case key('A'):
    move(0);
    break;
  case key('E'):
    move(size_);
    break;
  case key('B'):
    move(cursor_ > 0 ? cursor_ - 1 : 0);
    break;
  case key('F'):
    move(cursor_ < size_ ? cursor_ + 1 : size_);
    break;
  case key('K'):
    erase(cursor_, size_);
    break;
  case key('U'):
    erase(0, cursor_);
    break;
  case key('W'):
    erase(word_left(), cursor_);
    break;
  case key('L'):
    clear_screen();
    break;
  case key('P'):
    browse(true);
    break;
  case key('N'):
    browse(false);
    break;
  default:
    break; // other control characters and all beyond ASCII do nothing
  }
  return Event::none;
}

/// One character behind ESC. What is not known is swallowed up to its end as ECMA-48 defines it (5.3 to 5.6).
void LineEditor::sequence(char character) {
  switch (state_) {
  case State::ground:
    break;
  case State::escape:
    escape(character);
    break;
  case State::one_more:
    state_ = State::ground;
    break;
  case State::string:
    if (character == bell) state_ = State::ground;
    if (character == escape_character) state_ = State::string_escape;
    break;
  case State::string_escape:
    state_ = character == '\\' ? State::ground : State::string;
    break;
  case State::csi:
  case State::ss3:
    if (character == escape_character) {
      state_ = State::escape;
    } else if (character >= '0' && character <= '9') {
      std::uint16_t& value = parameters_[parameter_];
      if (value < 1000) value = static_cast<std::uint16_t>(value * 10 + (character - '0'));
    } else if (character == ';') {
      if (parameter_ == 0) parameter_ = 1;
    } else if (character == '[' && state_ == State::csi) {
      state_ = State::one_more; // the Linux console's function keys: ESC [ [ A
    } else if (character >= 0x40 && character < 0x7f) {
      state_ = State::ground;
      run_csi(character);
    }
    break;
  }
}

void LineEditor::escape(char character) {
  parameters_[0] = parameters_[1] = 0;
  parameter_ = 0;
  switch (character) {
  case '[':
    state_ = State::csi;
    return;
  case 'O':
    state_ = State::ss3;
    return;
  case ']':
  case 'P':
  case 'X':
  case '^':
  case '_':
    state_ = State::string;
    return;
  case escape_character:
    return;
  default:
    break;
  }
  if (character >= 0x20 && character <= 0x2f) {
    state_ = State::one_more; // an intermediate: the final one follows
    return;
  }
  state_ = State::ground;
  word_key(character);
}

void LineEditor::word_key(char character) {
  switch (character) {
  case 'b':
    move(word_left());
    break;
  case 'f':
    move(word_right());
    break;
  case 'd':
    erase(cursor_, word_right());
    break;
  case key('H'):
  case delete_character:
    erase(word_left(), cursor_);
    break;
  default:
    break;
  }
}

void LineEditor::run_csi(char final) {
  const bool by_word = parameters_[1] == 3 || parameters_[1] == 5; // with Alt or Ctrl
  switch (final) {
  case 'A':
    browse(true);
    break;
  case 'B':
    browse(false);
    break;
  case 'C':
    move(by_word ? word_right() : cursor_ < size_ ? cursor_ + 1 : size_);
    break;
  case 'D':
    move(by_word ? word_left() : cursor_ > 0 ? cursor_ - 1 : 0);
    break;
  case 'H':
    move(0);
    break;
  case 'F':
    move(size_);
    break;
  case '~':
    if (parameters_[0] == 1 || parameters_[0] == 7) move(0);
    if (parameters_[0] == 4 || parameters_[0] == 8) move(size_);
    if (parameters_[0] == 3 && cursor_ < size_) erase(cursor_, cursor_ + 1);
    break;
  default:
    break;
  }
}

// ---- the line

void LineEditor::insert(std::string_view text) {
  if (text.size() > max_line - size_) {
    overflowed_ = true;
    text = text.substr(0, max_line - size_);
  }
  if (text.empty()) return;
  std::memmove(text_ + cursor_ + text.size(), text_ + cursor_, size_ - cursor_);
  std::memcpy(text_ + cursor_, text.data(), text.size());
  size_ += text.size();
  put_text(cursor_);
  cursor_ += text.size();
  if (cursor_ < size_) move_on_screen(size_, cursor_);
}

void LineEditor::move(std::size_t to) {
  if (to != cursor_) move_on_screen(cursor_, to);
  cursor_ = to;
}

void LineEditor::erase(std::size_t from, std::size_t to) {
  if (from == to) return;
  const std::size_t start = prompt_.size() + from;
  const std::size_t end = prompt_.size() + cursor_;
  const bool at_end_of_row = to == size_ && cursor_ == size_ && start / columns == end / columns;
  if (!at_end_of_row) move(from);
  std::memmove(text_ + from, text_ + to, size_ - to);
  size_ -= to - from;
  cursor_ = from;
  if (size_ == 0) overflowed_ = false;
  if (at_end_of_row) {
    for (std::size_t i = from; i < to; i++)
      put("\b \b");
    return;
  }
  put_text(from);
  settle();
  put("\x1b[J"); // erase to the end of the screen: the rest of a longer line may fill rows
  if (from < size_) move_on_screen(size_, from);
}

void LineEditor::replace(std::string_view text) {
  move(size_);
  erase(0, size_);
  overflowed_ = false;
  insert(text);
}

void LineEditor::browse(bool older) {
  if (older ? browsed_ == history_.size() : browsed_ == 0) return;
  if (browsed_ == 0) {
    std::memcpy(stash_, text_, size_);
    stash_size_ = size_;
  }
  browsed_ = older ? browsed_ + 1 : browsed_ - 1;
  replace(browsed_ == 0 ? std::string_view{stash_, stash_size_} : history_[history_.size() - browsed_]);
}

std::size_t LineEditor::word_left() const {
  std::size_t position = cursor_;
  while (position > 0 && text_[position - 1] == ' ')
    position--;
  while (position > 0 && text_[position - 1] != ' ')
    position--;
  return position;
}

std::size_t LineEditor::word_right() const {
  std::size_t position = cursor_;
  while (position < size_ && text_[position] == ' ')
    position++;
  while (position < size_ && text_[position] != ' ')
    position++;
  return position;
}

// ---- the screen; places count from the first character of the prompt, in rows of `columns`

void LineEditor::suspend() {
  put_text(cursor_);
  put("\r\n");
  wrap_pending_ = false;
}

void LineEditor::resume() {
  wrap_pending_ = false;
  put(prompt_);
  put_text(0);
  if (cursor_ < size_) move_on_screen(size_, cursor_);
}

void LineEditor::clear_screen() {
  put("\x1b[H\x1b[2J");
  resume();
}

/// Draws the text from there to its end; the screen's cursor stands there before, and behind the text after.
void LineEditor::put_text(std::size_t from) {
  if (from == size_) return;
  put({text_ + from, size_ - from});
  wrap_pending_ = (prompt_.size() + size_) % columns == 0;
}

/// With the last column filled the cursor still stands on it: makes it go on to the next row.
void LineEditor::settle() {
  if (!wrap_pending_) return;
  put(" \b");
  wrap_pending_ = false;
}

void LineEditor::move_on_screen(std::size_t from, std::size_t to) {
  settle();
  from += prompt_.size();
  to += prompt_.size();
  const std::size_t from_row = from / columns;
  const std::size_t to_row = to / columns;
  const std::size_t from_column = from % columns;
  const std::size_t to_column = to % columns;
  if (to_row < from_row) put_move('A', from_row - to_row);
  if (to_row > from_row) put_move('B', to_row - from_row);
  if (to_column < from_column) put_move('D', from_column - to_column);
  if (to_column > from_column) put_move('C', to_column - from_column);
}

void LineEditor::put_move(char direction, std::size_t count) {
  put(bsp::Text<24>{"\x1b[{}{}", count, direction});
}

} // namespace shell
