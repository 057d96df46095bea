// SPDX-License-Identifier: BSD-2-Clause
// The line editor: what keys do to the line, and what the terminal shows after each of them.
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "shell/line_editor.hpp"
#include "tests/support/fake_terminal.hpp"

#include <CppUTest/TestHarness.h>

namespace {

using shell::LineEditor;
constexpr std::string_view prompt = "> ";

struct Editor {
  Editor() { editor->begin(); }

  LineEditor::Event type(std::string_view keys) {
    LineEditor::Event event = LineEditor::Event::none;
    for (const char key : keys) {
      event = editor->feed(key);
      if (event != LineEditor::Event::none) events++;
    }
    return event;
  }
  /// Types the keys and Enter; returns the line.
  std::string line(std::string_view keys) {
    type(keys);
    LONGS_EQUAL(static_cast<int>(LineEditor::Event::line), static_cast<int>(type("\r")));
    return text();
  }
  std::string text() {
    const std::span<char> line = editor->line();
    return {line.begin(), line.end()};
  }
  std::string take_output() { return std::exchange(output, {}); }

  static void receive(void* context, std::string_view text) {
    Editor& self = *static_cast<Editor*>(context);
    self.output += text;
    self.terminal.receive(text);
  }

  shell::History history{};
  std::string output{};
  test::FakeTerminal terminal{};
  std::size_t events{0};
  std::unique_ptr<LineEditor> editor = std::make_unique<LineEditor>(prompt, history, LineEditor::Output{receive, this});
};

std::string after(std::string_view keys) {
  return Editor{}.line(keys);
}

} // namespace

TEST_GROUP(LineEditor){};

TEST(LineEditor, EchoesJustTheCharacterAtTheEndOfTheLine) {
  Editor editor;
  STRCMP_EQUAL("> ", editor.take_output().c_str());
  editor.type("n");
  STRCMP_EQUAL("n", editor.take_output().c_str());
  editor.type("et mac");
  STRCMP_EQUAL("et mac", editor.take_output().c_str());
  editor.type("\r");
  STRCMP_EQUAL("\r\n", editor.take_output().c_str());
}

TEST(LineEditor, SendsNoEscapeSequenceWhileTheEndOfALineIsEdited) {
  Editor editor;
  editor.history.add("version");
  editor.type("net mtu 1500\b\b\x7f\x7f ab cd\x17\x17\x15help\x1b[A\x1b[B\r");
  LONGS_EQUAL(0, editor.terminal.sequences());
  STRCMP_EQUAL("help", editor.text().c_str());
}

TEST(LineEditor, CrLfAndCrLfEachEndTheLineOnce) {
  Editor editor;
  editor.type("a\r\nb\nc\r\r\n\n");
  LONGS_EQUAL(5, editor.events);
}

TEST(LineEditor, InsertsAndDeletesInsideTheLine) {
  STRCMP_EQUAL("net mac", after("nt mac\x1b[D\x1b[D\x1b[D\x1b[D\x1b[De").c_str());
  STRCMP_EQUAL("ac", after("abc\x1b[D\b").c_str());
  STRCMP_EQUAL("ac", after("abc\x1b[D\x1b[D\x1b[3~").c_str());
  STRCMP_EQUAL("ac", after("abc\x02\x02\x04").c_str());
  STRCMP_EQUAL("abXc", after("abc\x01\x06\x1b[CX").c_str());
}

TEST(LineEditor, KnowsHomeAndEndOfAllCommonTerminals) {
  for (const std::string home : {"\x01", "\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~", "\x1b[1;5H"})
    STRCMP_EQUAL("Xabc", after("abc" + home + "X").c_str());
  for (const std::string end : {"\x05", "\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"})
    STRCMP_EQUAL("abcX", after("abc\x01" + end + "X").c_str());
}

TEST(LineEditor, ArrowsOfApplicationModeMoveTheCursor) {
  STRCMP_EQUAL("aYbXc", after("abc\x1bODX\x1bOD\x1bODY").c_str());
  STRCMP_EQUAL("abX", after("ab\x01\x1bOC\x1bOCX").c_str());
}

TEST(LineEditor, KillsToTheEndToTheStartAndTheWordBefore) {
  STRCMP_EQUAL("ab", after("abcd\x02\x02\x0b").c_str());
  STRCMP_EQUAL("cd", after("abcd\x02\x02\x15").c_str());
  STRCMP_EQUAL("net ", after("net stats  \x17").c_str());
  STRCMP_EQUAL("", after("abc\x15").c_str());
}

TEST(LineEditor, MovesAndDeletesByWords) {
  for (const std::string left : {"\x1b"
                                 "b",
                                 "\x1b[1;5D", "\x1b[1;3D"})
    STRCMP_EQUAL("net Xmac", after("net mac" + left + "X").c_str());
  for (const std::string right : {"\x1b"
                                  "f",
                                  "\x1b[1;5C", "\x1b[1;3C"})
    STRCMP_EQUAL("netX mac", after("net mac\x01" + right + "X").c_str());
  STRCMP_EQUAL(" mac", after("net mac\x01\x1b"
                             "d")
                           .c_str());
  STRCMP_EQUAL("net ", after("net mac\x1b\x7f").c_str());
  STRCMP_EQUAL("net ", after("net mac\x1b\b").c_str());
}

TEST(LineEditor, SwallowsUnknownSequencesWhole) {
  for (const std::string unknown :
       {"\x1b[15~", "\x1b[200~", "\x1b[[A", "\x1bOP", "\x1b[?1;2c", "\x1b[24;80R", "\x1b]0;title\x07",
        "\x1b]11;rgb:0/0/0\x1b\\", "\x1b(B", "\x1bP1$r0m\x1b\\", "\x1b[999999999999;5;7z", "\x1b[1\x1b[2~"})
    STRCMP_EQUAL("ab", after("a" + unknown + "b").c_str());
}

TEST(LineEditor, AControlKeyCutsASequenceOff) {
  STRCMP_EQUAL("Xab", after("ab\x1b[1;\x01X").c_str());
  Editor editor;
  STRCMP_EQUAL("ab", editor.line("ab\x1b[1;").c_str());
  editor.editor->begin();
  STRCMP_EQUAL("x", editor.line("x\x1b").c_str());
}

TEST(LineEditor, IgnoresControlCharactersAndBytesBeyondAscii) {
  STRCMP_EQUAL("ab", after("a\x07\x0f\x11\x14\x1d\x80\xc3\xa4\xff"
                           "b")
                         .c_str());
  STRCMP_EQUAL("ab", after(std::string("a\0b", 3)).c_str());
}

TEST(LineEditor, KeysAtTheEdgesDoNothing) {
  Editor editor;
  editor.take_output();
  editor.type("\b\x7f\x04\x0b\x15\x17\x1b[D\x1b[C\x1b[A\x1b[B\x1b[3~\x1b\x7f\x1b"
              "d\x01\x05");
  STRCMP_EQUAL("", editor.take_output().c_str());
}

TEST(LineEditor, CtrlCGivesTheLineUpAndShowsIt) {
  Editor editor;
  editor.type("half\x01");
  editor.take_output();
  LONGS_EQUAL(static_cast<int>(LineEditor::Event::cancelled), static_cast<int>(editor.type("\x03")));
  STRCMP_EQUAL("> half^C", editor.terminal.row(0).c_str());
  LONGS_EQUAL(1, editor.terminal.cursor_row());
  LONGS_EQUAL(0, editor.terminal.cursor_column());
  editor.editor->begin();
  STRCMP_EQUAL("", editor.line("").c_str());
}

TEST(LineEditor, CtrlLClearsTheScreenAndDrawsTheLineAgain) {
  Editor editor;
  editor.type("one\r");
  editor.editor->begin();
  editor.type("two\x02\x0c");
  STRCMP_EQUAL("> two", editor.terminal.row(0).c_str());
  LONGS_EQUAL(4, editor.terminal.cursor_column());
}

TEST(LineEditor, HistoryKeepsTheHalfTypedLine) {
  Editor editor;
  editor.history.add("first");
  editor.history.add("second");
  editor.type("half");
  editor.type("\x1b[A");
  STRCMP_EQUAL("second", editor.text().c_str());
  editor.type("\x10\x10\x10");
  STRCMP_EQUAL("first", editor.text().c_str());
  STRCMP_EQUAL("> first", editor.terminal.row(0).c_str());
  editor.type("\x0e\x1bOB\x0e");
  STRCMP_EQUAL("half", editor.text().c_str());
  STRCMP_EQUAL("> half", editor.terminal.row(0).c_str());
  STRCMP_EQUAL("half!", editor.line("!").c_str());
}

TEST(LineEditor, TakesALineOf8192CharactersWhole) {
  Editor editor;
  const std::string longest(shell::max_line, 'x');
  STRCMP_EQUAL(longest.c_str(), editor.line(longest).c_str());
  CHECK_FALSE(editor.editor->overflowed());
  LONGS_EQUAL(prompt.size() + longest.size() + 2, editor.output.size()); // a character each, whatever the length
}

TEST(LineEditor, ConsumesALongerLineWholeAndSaysSo) {
  Editor editor;
  editor.line(std::string(shell::max_line + 1000, 'x'));
  CHECK_TRUE(editor.editor->overflowed());
  LONGS_EQUAL(1, editor.events);
  editor.editor->begin();
  CHECK_FALSE(editor.editor->overflowed());
  editor.type(std::string(shell::max_line + 1, 'x'));
  editor.type("\x15ok");
  CHECK_FALSE(editor.editor->overflowed());
}

TEST(LineEditor, OtherLinesFitBetweenSuspendAndResume) {
  Editor editor;
  editor.type("half typed\x02\x02");
  editor.editor->suspend();
  LONGS_EQUAL(0, editor.terminal.cursor_column());
  Editor::receive(&editor, "# link up\r\n");
  editor.editor->resume();
  STRCMP_EQUAL("> half typed", editor.terminal.row(0).c_str());
  STRCMP_EQUAL("# link up", editor.terminal.row(1).c_str());
  STRCMP_EQUAL("> half typed", editor.terminal.row(2).c_str());
  LONGS_EQUAL(prompt.size() + 8, editor.terminal.cursor_column());
}

TEST(LineEditor, TheScreenShowsTheLineAfterAnyKeys) {
  const std::string keys[] = {"a",
                              "b ",
                              "xyz",
                              " ",
                              "\b",
                              "\x1b[D",
                              "\x1b[C",
                              "\x01",
                              "\x05",
                              "\x0b",
                              "\x15",
                              "\x17",
                              "\x04",
                              "\x1b[A",
                              "\x1b[B",
                              "\x1b"
                              "b",
                              "\x1b"
                              "f",
                              "\x1b"
                              "d",
                              "\x1b\x7f",
                              "long words and more of them ",
                              std::string(77, '-'),
                              std::string(90, '=')};
  std::minstd_rand random{1};
  for (int round = 0; round < 200; round++) {
    Editor editor;
    editor.history.add(std::string(78, 'h'));
    editor.history.add("short");
    editor.history.add(std::string(200, 'H'));
    for (int i = 0; i < 60; i++) {
      editor.type(keys[random() % std::size(keys)]);
      std::string expected = std::string{prompt} + editor.text();
      expected.erase(expected.find_last_not_of(' ') + 1);
      std::string shown = editor.terminal.text();
      STRCMP_EQUAL(expected.c_str(), shown.c_str());
      LONGS_EQUAL(prompt.size() + editor.editor->before_cursor().size(), editor.terminal.cursor_offset());
    }
    CHECK_TRUE(editor.terminal.understood());
  }
}

TEST_GROUP(History){};

TEST(History, KeepsNoRepeatsNoEmptyLinesAndNoneThatStartWithASpace) {
  shell::History history;
  history.add("one");
  history.add("one");
  history.add("");
  history.add(" secret");
  history.add("two");
  history.add("one");
  LONGS_EQUAL(3, history.size());
  STRCMP_EQUAL("two", std::string{history[1]}.c_str());
}

TEST(History, DropsTheOldestBeyond32LinesAndKeepsTheNumbers) {
  shell::History history;
  for (int i = 1; i <= 40; i++)
    history.add("line " + std::to_string(i));
  LONGS_EQUAL(32, history.size());
  STRCMP_EQUAL("line 9", std::string{history[0]}.c_str());
  LONGS_EQUAL(9, history.number(0));
  STRCMP_EQUAL("line 40", std::string{history[31]}.c_str());
}

TEST(History, LeavesOutALineThatIsLargerThanItsStore) {
  shell::History history;
  history.add("kept");
  history.add(std::string(4097, 'x'));
  LONGS_EQUAL(1, history.size());
  history.add(std::string(4096, 'y'));
  LONGS_EQUAL(1, history.size());
  LONGS_EQUAL(4096, history[0].size());
}
