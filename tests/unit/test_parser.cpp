// SPDX-License-Identifier: BSD-2-Clause
// The parser: words, options and arguments of a line; and the numbers that commands take.
#include <memory>
#include <string>
#include <string_view>

#include "shell/parser.hpp"

#include <CppUTest/TestHarness.h>

namespace {

using shell::ParseStatus;

void nothing(shell::Session&, shell::Arguments&) {}

constexpr shell::Option tx_options[] = {{"-c", "N", "count"},
                                        {"-p", "", "pad"},
                                        {"-size", "N", "a long one"},
                                        {"--csum", "A,B", "a longer one"},
                                        {"--all", "", "without value"}};
constexpr shell::Option net_options[] = {{"-i", "IF", "interface", shell::Completion::interface}};
constexpr shell::Command net_commands[] = {
    {.name = "tx", .usage = "HEX", .summary = "", .example = "", .run = nothing, .options = tx_options},
    {.name = "mac", .usage = "", .summary = "", .example = "", .run = nothing},
};
constexpr std::string_view switch_words[] = {"on", "off"};
constexpr shell::Command word_commands[] = {
    {.name = "mode",
     .usage = "[on|off]",
     .summary = "",
     .example = "",
     .run = nothing,
     .max_positionals = 1,
     .words = switch_words},
    {.name = "set",
     .usage = "[NAME on|off]",
     .summary = "",
     .example = "",
     .run = nothing,
     .max_positionals = 2,
     .words = switch_words},
};
constexpr std::string_view suffixes[] = {".b", ".l"};
constexpr shell::Command commands[] = {
    {.name = "net",
     .usage = "",
     .summary = "",
     .example = "",
     .run = nullptr,
     .options = net_options,
     .subcommands = net_commands},
    {.name = "md",
     .usage = "ADDR [COUNT]",
     .summary = "",
     .example = "",
     .run = nothing,
     .min_positionals = 1,
     .max_positionals = 2,
     .suffixes = suffixes},
    {.name = "both", .usage = "[WORD]", .summary = "", .example = "", .run = nothing, .subcommands = net_commands},
};
constexpr shell::CommandTable tables[] = {commands, word_commands};

struct Line {
  explicit Line(std::string_view line) : text{line}, parsed{parser->parse(text)} {}

  std::string status() const {
    constexpr const char* names[] = {"ok",
                                     "empty",
                                     "help",
                                     "unterminated_quote",
                                     "unknown_command",
                                     "unknown_subcommand",
                                     "missing_subcommand",
                                     "unknown_option",
                                     "missing_value",
                                     "missing_argument",
                                     "unexpected_argument"};
    return names[static_cast<int>(parsed.status)];
  }
  std::string positionals() const {
    std::string joined;
    for (const std::string_view word : parsed.positionals)
      joined += "[" + std::string{word} + "]";
    return joined;
  }
  std::string option(std::string_view name) const {
    const shell::Arguments arguments{*parsed.command, parsed.full_name, parsed.option_words, parsed.positionals};
    return arguments.value(name) ? "=" + std::string{*arguments.value(name)} : "absent";
  }

  std::string text;
  std::unique_ptr<shell::Parser> parser = std::make_unique<shell::Parser>(tables);
  shell::Parsed parsed;
};

void check_status(const char* expected, std::string_view line) {
  STRCMP_EQUAL(expected, Line{line}.status().c_str());
}

} // namespace

TEST_GROUP(Parser){};

TEST(Parser, SplitsWordsAtSpacesAndTabs) {
  const Line line{"  net \t tx  aa\tbb   cc "};
  STRCMP_EQUAL("ok", line.status().c_str());
  STRCMP_EQUAL("[aa][bb][cc]", line.positionals().c_str());
  STRCMP_EQUAL("net tx", std::string{line.parsed.full_name}.c_str());
  POINTERS_EQUAL(&net_commands[0], line.parsed.command);
}

TEST(Parser, QuotesKeepBlanksTogether) {
  STRCMP_EQUAL("[a b][cd e][]", Line{"net tx \"a b\" c\"d e\" \"\""}.positionals().c_str());
}

TEST(Parser, RefusesAQuoteThatIsNotClosed) {
  check_status("unterminated_quote", "net tx \"aa bb");
  check_status("unterminated_quote", "net tx aa\"");
}

TEST(Parser, AnEmptyLineIsNoError) {
  check_status("empty", "");
  check_status("empty", " \t ");
}

TEST(Parser, OptionsMayStandAnywhereBehindTheCommand) {
  for (const char* text : {"net tx -c 5 -i net1 aa bb", "net tx aa -c5 bb -i net1", "net -i net1 tx aa bb -c 5",
                           "net tx aa bb -i net1 -c 5"}) {
    const Line line{text};
    STRCMP_EQUAL("ok", line.status().c_str());
    STRCMP_EQUAL("[aa][bb]", line.positionals().c_str());
    STRCMP_EQUAL("=5", line.option("-c").c_str());
    STRCMP_EQUAL("=net1", line.option("-i").c_str());
    STRCMP_EQUAL("absent", line.option("-p").c_str());
  }
}

TEST(Parser, TheLastOfTwoEqualOptionsWins) {
  const Line line{"net tx -c 1 -p -c2 -p aa"};
  STRCMP_EQUAL("=2", line.option("-c").c_str());
  STRCMP_EQUAL("=", line.option("-p").c_str());
}

TEST(Parser, TwoDashesEndTheOptions) {
  STRCMP_EQUAL("[-c][--][-h]", Line{"net tx -- -c -- -h"}.positionals().c_str());
  STRCMP_EQUAL("[-]", Line{"net tx -"}.positionals().c_str());
}

TEST(Parser, NamesTheUnknownWord) {
  const Line command{"nett tx"};
  STRCMP_EQUAL("unknown_command", command.status().c_str());
  STRCMP_EQUAL("nett", std::string{command.parsed.word}.c_str());
  const Line subcommand{"net foo"};
  STRCMP_EQUAL("unknown_subcommand", subcommand.status().c_str());
  STRCMP_EQUAL("foo", std::string{subcommand.parsed.word}.c_str());
  const Line option{"net tx -z aa"};
  STRCMP_EQUAL("unknown_option", option.status().c_str());
  STRCMP_EQUAL("-z", std::string{option.parsed.word}.c_str());
  check_status("unknown_option", "net tx -pp aa");
  check_status("unknown_option", "net tx -size5 aa");
  check_status("unknown_command", "ne");
}

TEST(Parser, AnOptionsValueMustFollow) {
  const Line line{"net tx aa -c"};
  STRCMP_EQUAL("missing_value", line.status().c_str());
  STRCMP_EQUAL("-c", std::string{line.parsed.option->name}.c_str());
  check_status("missing_value", "net tx -c -p aa");
}

TEST(Parser, ALongOptionTakesItsValueBehindASpaceOrAnEqualsSign) {
  STRCMP_EQUAL("=34,16", Line{"net tx --csum 34,16 aa"}.option("--csum").c_str());
  const Line attached{"net tx --csum=34,16 aa"};
  STRCMP_EQUAL("=34,16", attached.option("--csum").c_str());
  STRCMP_EQUAL("[aa]", attached.positionals().c_str());
  STRCMP_EQUAL("=", Line{"net tx --csum= aa"}.option("--csum").c_str());
  STRCMP_EQUAL("==", Line{"net tx --csum== aa"}.option("--csum").c_str());
  check_status("unknown_option", "net tx --csum34,16");
  check_status("unknown_option", "net tx --csu=1");
  check_status("unknown_option", "net tx --all=1");
  check_status("unknown_option", "net tx -size=5");
  check_status("ok", "net tx --all");
  check_status("missing_value", "net tx --csum");
}

TEST(Parser, TheLastArgumentMayHaveToBeOneOfSomeWords) {
  check_status("ok", "mode");
  check_status("ok", "mode on");
  const Line line{"mode onn"};
  STRCMP_EQUAL("unexpected_argument", line.status().c_str());
  STRCMP_EQUAL("onn", std::string{line.parsed.word}.c_str());
  check_status("unexpected_argument", "mode \"\"");
  check_status("ok", "set anything");
  check_status("ok", "set anything off");
  check_status("unexpected_argument", "set on anything");
}

TEST(Parser, ASubcommandMustFollow) {
  check_status("missing_subcommand", "net");
  check_status("missing_subcommand", "net -i net0");
}

TEST(Parser, ACommandThatRunsByItselfTakesOtherWordsAsArguments) {
  STRCMP_EQUAL("[foo]", Line{"both foo"}.positionals().c_str());
  STRCMP_EQUAL("both mac", std::string{Line{"both mac"}.parsed.full_name}.c_str());
  STRCMP_EQUAL("[foo][mac]", Line{"both foo mac"}.positionals().c_str());
}

TEST(Parser, CountsTheArguments) {
  check_status("missing_argument", "md");
  check_status("ok", "md 1");
  check_status("ok", "md 1 2");
  const Line line{"md 1 2 3"};
  STRCMP_EQUAL("unexpected_argument", line.status().c_str());
  STRCMP_EQUAL("3", std::string{line.parsed.word}.c_str());
  check_status("unexpected_argument", "net mac aa");
}

TEST(Parser, ASuffixBelongsToTheNameThatWasTyped) {
  const Line line{"md.b 1"};
  STRCMP_EQUAL("ok", line.status().c_str());
  STRCMP_EQUAL("md.b", std::string{line.parsed.full_name}.c_str());
  check_status("unknown_command", "md.x 1");
  check_status("unknown_command", "net.b");
}

TEST(Parser, AsksForHelpAtEveryLevel) {
  const Line top{"net -h"};
  STRCMP_EQUAL("help", top.status().c_str());
  POINTERS_EQUAL(&commands[0], top.parsed.command);
  const Line sub{"net tx -c 5 --help"};
  STRCMP_EQUAL("help", sub.status().c_str());
  POINTERS_EQUAL(&net_commands[0], sub.parsed.command);
  check_status("help", "md -h");
}

TEST(Parser, TakesAsManyWordsAsTheLongestLineHolds) {
  std::string text = "net tx ";
  while (text.size() < shell::max_line)
    text += "a ";
  text.resize(shell::max_line);
  const Line line{text};
  LONGS_EQUAL((shell::max_line - 7 + 1) / 2, line.parsed.positionals.size());
  std::string words;
  while (words.size() < shell::max_line)
    words += "a ";
  check_status("unknown_command", words.substr(0, shell::max_line));
}

TEST(Parser, EveryLineEndsInAStatus) {
  const std::string alphabet = "net x-c\"i \tmdh.b5";
  unsigned state = 1;
  for (int round = 0; round < 20000; round++) {
    std::string text;
    for (unsigned length = state % 40; text.size() < length;) {
      state = state * 1103515245 + 12345;
      text += alphabet[(state >> 16) % alphabet.size()];
    }
    state = state * 1103515245 + 12345;
    const Line line{text};
    CHECK(line.parsed.status != ParseStatus::ok || line.parsed.command->run != nullptr);
    for (const std::string_view word : line.parsed.positionals)
      CHECK(word.data() >= line.text.data() && word.data() + word.size() <= line.text.data() + line.text.size());
  }
}

TEST_GROUP(ParseNumber){};

TEST(ParseNumber, TakesDecimalAndHexWithPrefix) {
  CHECK(shell::parse_number("0") == 0u);
  CHECK(shell::parse_number("0123") == 123u);
  CHECK(shell::parse_number("0x7B") == 123u);
  CHECK(shell::parse_number("0Xff") == 255u);
  CHECK(shell::parse_number("18446744073709551615") == UINT64_MAX);
  CHECK(shell::parse_number("0xffffffffffffffff") == UINT64_MAX);
}

TEST(ParseNumber, RefusesEverythingElse) {
  for (const char* text : {"", "x", "0x", "12a", "ff", "-1", "+1", " 1", "1 ", "0x1g", "1.5", "0x0x1",
                           "18446744073709551616", "0x10000000000000000"})
    CHECK_FALSE(shell::parse_number(text).has_value());
}
