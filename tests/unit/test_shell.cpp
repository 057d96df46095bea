// SPDX-License-Identifier: BSD-2-Clause
// The shell's loop: prompt, errors, announcements, Ctrl-C, type-ahead, sleeping. What the console contract says of
// them.
#include <random>
#include <string>
#include <string_view>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_net_device.hpp"
#include "tests/support/fake_terminal.hpp"
#include "tests/support/shell_fixture.hpp"

#include <CppUTest/TestHarness.h>

namespace {

using shell::Arguments;
using shell::Session;

void run_show(Session& session, Arguments& arguments) {
  session.print("{}: {} words", arguments.full_name(), arguments.positionals().size());
}

void run_count(Session& session, Arguments& arguments) {
  if (const auto number = session.number_option(arguments, "-c", 7, 1, 100)) session.print("count {}", *number);
}

void run_need(Session& session, Arguments& arguments) {
  if (const auto number = session.number_argument(arguments, 0, "N", 5, 9)) session.print("need {}", *number);
}

void run_forever(Session& session, Arguments&) {
  int rounds = 0;
  while (session.pump() && rounds < 1000)
    rounds++;
  session.print("{}", rounds < 1000 ? "ended by Ctrl-C" : "ended by itself");
}

void run_wait(Session& session, Arguments&) {
  const bool went_on = session.wait(bsp::Deadline::in_ms(5));
  session.print("{}", went_on ? "waited" : "interrupted");
}

void run_pieces(Session& session, Arguments&) {
  session.write("one ");
  (void)session.pump();
  session.write("two\n");
  (void)session.pump();
  session.print("three");
}

void run_log(Session& session, Arguments&) {
  session.print("before");
  bsp::log::info("in between");
  session.print("after");
}

void run_unfinished(Session& session, Arguments&) {
  session.write("no line end");
}

void run_half_error(Session& session, Arguments&) {
  session.write("half");
  session.error("half", "gone wrong");
}

void run_which(Session& session, Arguments& arguments) {
  if (const net::NetDevice* const device = session.interface(arguments)) session.print("{}", device->name());
}

void run_use(Session& session, Arguments&) {
  session.use_interface(1);
  session.use_interface(9);
}

void run_again(Session& session, Arguments& arguments) {
  session.print("again {}", arguments.positionals()[0]);
  session.repeat_with(bsp::Text<80>{"again {}x", arguments.positionals()[0]});
}

constexpr shell::Option count_options[] = {{"-c", "N", "how many"}};
constexpr shell::Option interface_options[] = {{"-i", "IF", "interface", shell::Completion::interface}};
constexpr shell::Command net_commands[] = {
    {.name = "which", .usage = "", .summary = "say which", .example = "net which", .run = run_which},
    {.name = "second", .usage = "", .summary = "use the second", .example = "net second", .run = run_use},
};
constexpr shell::Command commands[] = {
    {.name = "show", .usage = "[WORD...]", .summary = "count words", .example = "show a b", .run = run_show},
    {.name = "count",
     .usage = "[-c N]",
     .summary = "a number",
     .example = "count -c 5",
     .run = run_count,
     .options = count_options},
    {.name = "need", .usage = "N", .summary = "a number", .example = "need 5", .run = run_need},
    {.name = "forever", .usage = "", .summary = "wait for Ctrl-C", .example = "forever", .run = run_forever},
    {.name = "wait", .usage = "", .summary = "sleep", .example = "wait", .run = run_wait},
    {.name = "pieces", .usage = "", .summary = "a line in pieces", .example = "pieces", .run = run_pieces},
    {.name = "unfinished", .usage = "", .summary = "half a line", .example = "unfinished", .run = run_unfinished},
    {.name = "half", .usage = "", .summary = "half a line, then an error", .example = "half", .run = run_half_error},
    {.name = "again",
     .usage = "WORD",
     .summary = "repeatable",
     .example = "again a",
     .run = run_again,
     .min_positionals = 1,
     .max_positionals = 1},
    {.name = "net",
     .usage = "",
     .summary = "interfaces",
     .example = "net which",
     .run = nullptr,
     .options = interface_options,
     .subcommands = net_commands},
    {.name = "logs", .usage = "", .summary = "log between two lines", .example = "logs", .run = run_log},
    {.name = "one-more-name", .usage = "", .summary = "", .example = "", .run = run_unfinished},
};
constexpr shell::CommandTable tables[] = {commands};

} // namespace

TEST_GROUP(Shell) {
  test::ShellFixture fixture{tables};
  test::FakeNetDevice first{"net0"};
  test::FakeNetDevice second{"net1"};
  net::NetDevice* const interfaces[2]{&first, &second};

  void setup() override {
    test::fake_clock().reset();
    test::fake_cpu().reset();
  }
  void teardown() override {
    test::fake_cpu().reset();
  }
  std::string run(std::string_view line) {
    return fixture.run(line);
  }
  void announce(std::string_view text) {
    fixture.shell->announce(text);
  }
};

TEST(Shell, PromptsAndRunsALine) {
  STRCMP_EQUAL("netbsp> ", fixture.type("").c_str());
  STRCMP_EQUAL("show a b\r\nshow: 2 words\r\nnetbsp> ", fixture.type("show a b\r").c_str());
  STRCMP_EQUAL("\r\nnetbsp> ", fixture.type("\r").c_str());
  STRCMP_EQUAL("  \r\nnetbsp> ", fixture.type("  \r").c_str());
}

TEST(Shell, ShowsTheFirstPromptBeforeAnythingElse) {
  fixture.background.on_poll = [&] { announce("link is up"); };
  STRCMP_EQUAL("netbsp> ", fixture.console.take_output().c_str());
  CHECK_EQUAL(0, fixture.background.polls);
  (void)fixture.shell->step();
  STRCMP_EQUAL("\r\n# link is up\r\nnetbsp> ", fixture.console.take_output().c_str());
}

TEST(Shell, AnswersAMistakeInOneLineThatNamesItAndTheWayToHelp) {
  STRCMP_EQUAL("error: nett: command not found (try 'help')\n", run("nett").c_str());
  STRCMP_EQUAL("error: net: no subcommand 'foo' (try 'help net')\n", run("net foo").c_str());
  STRCMP_EQUAL("error: net: subcommand is missing (try 'help net')\n", run("net").c_str());
  STRCMP_EQUAL("error: count: unknown option '-z' (try 'help count')\n", run("count -z").c_str());
  STRCMP_EQUAL("error: count: option '-c' takes a value N (try 'help count')\n", run("count -c").c_str());
  STRCMP_EQUAL("error: count: option '-c' takes a number from 1 to 100, not '101' (try 'help count')\n",
               run("count -c 101").c_str());
  STRCMP_EQUAL("error: need: N is missing (try 'help need')\n", run("need").c_str());
  STRCMP_EQUAL("error: need: N is a number from 5 to 9, not 'x' (try 'help need')\n", run("need x").c_str());
  STRCMP_EQUAL("error: again: argument is missing: again WORD\n", run("again").c_str());
  STRCMP_EQUAL("error: forever: unexpected argument 'now' (try 'help forever')\n", run("forever now").c_str());
  STRCMP_EQUAL("error: shell: a quote is not closed\n", run("show \"a").c_str());
}

TEST(Shell, AHugeWordDoesNotHideWhatIsWrongWithIt) {
  const std::string huge(3000, 'x');
  const std::string cut(64, 'x');
  STRCMP_EQUAL(("error: " + cut + ": command not found (try 'help')\n").c_str(), run(huge).c_str());
  STRCMP_EQUAL(("error: net: no subcommand '" + cut + "' (try 'help net')\n").c_str(), run("net " + huge).c_str());
  STRCMP_EQUAL(("error: need: N is a number from 5 to 9, not '" + cut + "' (try 'help need')\n").c_str(),
               run("need " + huge).c_str());
}

TEST(Shell, ChecksNumbersOfOptionsAndArguments) {
  STRCMP_EQUAL("count 7\n", run("count").c_str());
  STRCMP_EQUAL("count 100\n", run("count -c 0x64").c_str());
  STRCMP_EQUAL("need 5\n", run("need 5").c_str());
}

TEST(Shell, DashHPrintsHelpAtEveryLevelAndRunsNothing) {
  STRCMP_EQUAL("count - a number\nusage: count [-c N]\noptions:\n  -c N  how many\nexample: count -c 5\n",
               run("count -c 3 -h").c_str());
  STRCMP_EQUAL("net - interfaces\nusage: net SUBCOMMAND ...\noptions:\n  -i IF  interface\nsubcommands:\n"
               "  net which - say which\n  net second - use the second\nexample: net which\n",
               run("net --help").c_str());
  STRCMP_EQUAL("net which - say which\nusage: net which\nexample: net which\n", run("net which --help").c_str());
}

TEST(Shell, TakesALineOf8192CharactersAndAnswersALongerOneByAnError) {
  std::string longest = "show";
  while (longest.size() + 2 <= shell::max_line)
    longest += " a";
  longest.resize(shell::max_line, ' ');
  STRCMP_EQUAL("show: 4094 words\n", run(longest).c_str());
  const std::string output = fixture.type(longest + "b and more\rshow\r");
  STRCMP_EQUAL((longest + "\r\nerror: shell: line longer than 8192 characters, not run\r\nnetbsp> show\r\n"
                          "show: 0 words\r\nnetbsp> ")
                   .c_str(),
               output.c_str());
}

TEST(Shell, ServesTheBackgroundWhileALongLineIsPasted) {
  run("show");
  const std::size_t before = fixture.background.polls;
  run(std::string(6400, 'x'));
  CHECK(fixture.background.polls >= before + 100);
}

TEST(Shell, ServesTheBackgroundBeforeEachOfTheLinesPastedAtOnce) {
  fixture.type("");
  const std::size_t before = fixture.background.polls;
  fixture.type("show\rshow\rshow\r");
  LONGS_EQUAL(3, fixture.background.polls - before - 2); // and one for each of the two steps
}

TEST(Shell, CtrlCAtThePromptGivesAFreshOne) {
  fixture.type("");
  STRCMP_EQUAL("half^C\r\nnetbsp> ", fixture.type("half\x03").c_str());
  STRCMP_EQUAL("show: 0 words\n", run("show").c_str());
}

TEST(Shell, CtrlCEndsACommandAndPrintsNothingItself) {
  fixture.type("");
  fixture.background.on_poll = [&] {
    if (fixture.background.polls == 20) fixture.console.type("\x03");
  };
  STRCMP_EQUAL("ended by Ctrl-C\n", run("forever").c_str());
  STRCMP_EQUAL("ended by itself\n", run("forever").c_str());
}

TEST(Shell, ACtrlCBehindTheLineInTheSameBatchEndsTheCommand) {
  fixture.type("");
  STRCMP_EQUAL("forever\r\nended by Ctrl-C\r\nnetbsp> show\r\nshow: 0 words\r\nnetbsp> ",
               fixture.type("forever\r\x03show\r").c_str());
  STRCMP_EQUAL("wait\r\ninterrupted\r\nnetbsp> ", fixture.type("wait\r\x03").c_str());
  LONGS_EQUAL(0, test::fake_cpu().idles);
}

TEST(Shell, KeepsWhatIsTypedWhileACommandRunsForTheNextLine) {
  fixture.type("");
  fixture.background.on_poll = [&] {
    if (fixture.background.polls == 20) fixture.console.type("show a\x03 b");
  };
  STRCMP_EQUAL("forever\r\nended by Ctrl-C\r\nnetbsp> show a b", fixture.type("forever\r").c_str());
}

TEST(Shell, SaysSoWhenTooMuchWasTypedAhead) {
  fixture.type("");
  fixture.background.on_poll = [&] {
    if (fixture.background.polls == 20) fixture.console.type(std::string(9000, ' ') + "\x03");
  };
  const std::string output = fixture.type("forever\r");
  CHECK(output.find("\r\n# console: 552 typed character(s) lost while a command ran\r\nnetbsp> ") != std::string::npos);
}

TEST(Shell, AnnouncesInColumn0AndDrawsPromptAndHalfTypedTextAgain) {
  fixture.type("net ma");
  announce("net0: link is down");
  STRCMP_EQUAL("\r\n# net0: link is down\r\nnetbsp> net ma", fixture.type("").c_str());
  announce("net0: link is up");
  announce("second");
  STRCMP_EQUAL("\r\n# net0: link is up\r\n# second\r\nnetbsp> net ma", fixture.type("").c_str());
}

TEST(Shell, AnAnnouncementLeavesTheCursorInsideTheLineWhereItWas) {
  test::FakeTerminal terminal;
  terminal.receive(fixture.type("sow a b\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D"));
  announce("link");
  terminal.receive(fixture.type("h"));
  STRCMP_EQUAL("netbsp> sow a b", terminal.row(0).c_str());
  STRCMP_EQUAL("# link", terminal.row(1).c_str());
  STRCMP_EQUAL("netbsp> show a b", terminal.row(2).c_str());
  CHECK(fixture.type("\r").find("show: 2 words\r\n") != std::string::npos);
}

TEST(Shell, AnnouncesWhileACommandRunsButNeverInsideALine) {
  fixture.type("");
  int polls = 0;
  fixture.background.on_poll = [&] { announce("event " + std::to_string(++polls)); };
  fixture.console.type("pieces\r");
  (void)fixture.shell->step();
  STRCMP_EQUAL("\r\n# event 1\r\nnetbsp> pieces\r\n# event 2\r\none two\r\n# event 3\r\n# event 4\r\nthree\r\nnetbsp> ",
               fixture.console.take_output().c_str());
}

TEST(Shell, PrintsAnAnnouncementBeforeTheNextLineOfOutput) {
  fixture.type("show");
  announce("in between");
  fixture.console.type("\r");
  (void)fixture.shell->step();
  STRCMP_EQUAL("\r\n# in between\r\nnetbsp> show\r\nshow: 0 words\r\nnetbsp> ", fixture.console.take_output().c_str());
}

TEST(Shell, ShowsALogLineBetweenTheLinesOfTheCommandThatCausedIt) {
  fixture.type("");
  bsp::log::set_level(bsp::log::Level::info);
  bsp::log::set_sink(shell::Shell::log_sink, fixture.shell.get());
  const std::string output = run("logs");
  bsp::log::set_sink(nullptr, nullptr);
  STRCMP_EQUAL("before\n# in between\nafter\n", output.c_str());
}

TEST(Shell, CountsAnnouncementsThatFindTheQueueFull) {
  fixture.type("");
  for (int i = 0; i < 70; i++)
    announce("line " + std::to_string(i));
  const std::string output = fixture.type("");
  CHECK(output.find("# line 63\r\n# 6 line(s) lost here\r\nnetbsp> ") != std::string::npos);
  const std::string wide(200, 'w');
  for (int i = 0; i < 21; i++)
    announce(wide);
  announce("short");
  CHECK(fixture.type("").ends_with("# " + wide + "\r\n# 2 line(s) lost here\r\nnetbsp> "));
  announce("later");
  STRCMP_EQUAL("\r\n# later\r\nnetbsp> ", fixture.type("").c_str());
}

TEST(Shell, AnAnnouncementIsOneLineOfPrintableCharacters) {
  fixture.type("");
  announce("node 'a\nnetbsp> \x1b[2J\xff'");
  STRCMP_EQUAL("\r\n# node 'a?netbsp> ?[2J?'\r\nnetbsp> ", fixture.type("").c_str());
}

TEST(Shell, AnnouncesLogLinesWithTheLevelOfWarningsAndErrors) {
  fixture.type("");
  bsp::log::set_level(bsp::log::Level::info);
  bsp::log::set_sink(shell::Shell::log_sink, fixture.shell.get());
  bsp::log::info("net0: link is up");
  bsp::log::warn("node skipped");
  bsp::log::debug("not shown");
  bsp::log::set_sink(nullptr, nullptr);
  STRCMP_EQUAL("\r\n# net0: link is up\r\n# warn: node skipped\r\nnetbsp> ", fixture.type("").c_str());
}

TEST(Shell, TheFirstPromptFollowsWhatWasAnnouncedBefore) {
  static_cast<void>(fixture.console.take_output());
  const auto other = std::make_unique<shell::Shell>(fixture.system, fixture.background, tables);
  other->announce("early");
  other->open();
  STRCMP_EQUAL("# early\r\nnetbsp> ", fixture.console.take_output().c_str());
}

TEST(Shell, ThePromptStartsALineEvenBehindHalfALine) {
  STRCMP_EQUAL("no line end\n", run("unfinished").c_str());
  STRCMP_EQUAL("half\nerror: half: gone wrong\n", run("half").c_str());
}

TEST(Shell, RunsACommandOnTheInterfaceThatIsAskedForOrInUse) {
  fixture.system.interfaces = interfaces;
  STRCMP_EQUAL("net0\n", run("net which").c_str());
  STRCMP_EQUAL("net1\n", run("net which -i net1").c_str());
  STRCMP_EQUAL("net1\n", run("net which -i 1").c_str());
  STRCMP_EQUAL("", run("net second").c_str());
  LONGS_EQUAL(1, fixture.shell->interface_in_use());
  STRCMP_EQUAL("net1\n", run("net which").c_str());
  STRCMP_EQUAL("net0\n", run("net which -i0").c_str());
}

TEST(Shell, AnUnknownInterfaceIsOneErrorAndRunsNothing) {
  fixture.system.interfaces = interfaces;
  STRCMP_EQUAL("error: net: no interface 'net9' (try 'net list')\n", run("net second -i net9").c_str());
  STRCMP_EQUAL("error: net: no interface '2' (try 'net list')\n", run("net which -i 2").c_str());
  LONGS_EQUAL(0, fixture.shell->interface_in_use());
}

TEST(Shell, WithoutInterfacesEveryUseIsAnError) {
  STRCMP_EQUAL("error: net: no network device\n", run("net which").c_str());
  STRCMP_EQUAL("error: net: no network device\n", run("net which -i net0").c_str());
}

TEST(Shell, SurvivesAnythingThatIsTyped) {
  constexpr std::string_view likely = "\r\r\t\t\x1b[ABCDHF~13;5 shownetwhich -i\"\x03\x7f\x01\x0b\x17";
  std::minstd_rand random{7};
  std::string output;
  for (int round = 0; round < 2000; round++) {
    std::string text;
    for (unsigned i = random() % 40; i > 0; i--)
      text += random() % 8 == 0 ? static_cast<char>(random() % 256) : likely[random() % likely.size()];
    output += fixture.type(text);
  }
  for (std::size_t at = output.find('\n'); at != std::string::npos; at = output.find('\n', at + 1))
    CHECK(at > 0 && output[at - 1] == '\r');
  fixture.type("\x03");
  STRCMP_EQUAL("show: 2 words\n", run("show a b").c_str());
}

TEST(Shell, EnterOnAnEmptyLineRepeatsWhatTheLastCommandLeft) {
  run("again a");
  STRCMP_EQUAL("again ax\n", run("").c_str());
  STRCMP_EQUAL("again axx\n", run("  ").c_str());
  run("show");
  STRCMP_EQUAL("", run("").c_str());
  LONGS_EQUAL(2, fixture.shell->history()->size());
}

TEST(Shell, SleepsInAWaitUntilTheDeadline) {
  fixture.type("");
  STRCMP_EQUAL("waited\n", run("wait").c_str());
  LONGS_EQUAL(1, test::fake_cpu().idles);
  CHECK_TRUE(test::fake_cpu().interrupts_on);
}

TEST(Shell, AWaitEndsWithCtrlC) {
  fixture.type("");
  test::fake_cpu().on_idle = [&](bsp::Deadline) {
    CHECK_FALSE(test::fake_cpu().interrupts_on);
    fixture.console.type("\x03");
  };
  STRCMP_EQUAL("interrupted\n", run("wait").c_str());
}

TEST(Shell, DoesNotSleepOverPendingWork) {
  fixture.type("");
  fixture.background.refuse_idle = true;
  run("wait");
  LONGS_EQUAL(1, fixture.background.idle_preparations);
  LONGS_EQUAL(0, test::fake_cpu().idles);
  CHECK_TRUE(test::fake_cpu().interrupts_on);
}

TEST(Shell, WakesUpForTheBackgroundThoughNothingInterrupts) {
  fixture.type("");
  fixture.background.wake = bsp::Deadline::in_us(2000);
  const std::uint64_t start = test::fake_clock().ticks;
  run("wait");
  CHECK(bsp::clock::ticks_to_us(test::fake_clock().ticks - start) < 3000);
  LONGS_EQUAL(1, test::fake_cpu().idles);
}

TEST(Shell, LooksAtAConsoleWithoutInterruptsNowAndThen) {
  fixture.type("");
  fixture.console.polled = true;
  const std::uint64_t start = test::fake_clock().ticks;
  run("wait");
  const std::uint64_t slept_us = bsp::clock::ticks_to_us(test::fake_clock().ticks - start);
  CHECK(slept_us >= 1000 && slept_us < 5000);
}

TEST_GROUP(ShellTab) {
  test::ShellFixture fixture{tables};

  void setup() override {
    fixture.type("");
  }
};

TEST(ShellTab, CompletesTheOnlyCandidateWithASpace) {
  STRCMP_EQUAL("forever ", fixture.type("fo\t").c_str());
}

TEST(ShellTab, CompletesWhatTheCandidatesShareAndListsThemOnTheSecondTab) {
  STRCMP_EQUAL("ne", fixture.type("ne\t").c_str());
  STRCMP_EQUAL("\r\nneed  net\r\nnetbsp> ne", fixture.type("\t").c_str());
  STRCMP_EQUAL("\r\nneed  net\r\nnetbsp> ne", fixture.type("\t").c_str());
  STRCMP_EQUAL("t ", fixture.type("t\t").c_str());
}

TEST(ShellTab, AKeyInBetweenMakesItAFirstTabAgain) {
  STRCMP_EQUAL("nex\b \b", fixture.type("ne\tx\b\t").c_str());
}

TEST(ShellTab, CompletesInsideTheLine) {
  const std::string output = fixture.type("fo a\x1b[D\x1b[D\t\r");
  CHECK(output.find("error: forever: unexpected argument 'a'") != std::string::npos);
}

TEST(ShellTab, BreaksALongListIntoRows) {
  const std::string output = fixture.type("\t\t");
  STRCMP_EQUAL("\r\nshow  count  need  forever  wait  pieces  unfinished  half  again  net  logs\r\n"
               "one-more-name\r\nnetbsp> ",
               output.c_str());
}
