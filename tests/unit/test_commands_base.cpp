// SPDX-License-Identifier: BSD-2-Clause
// help version board uptime log history reboot poweroff.
#include <string>
#include <string_view>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/shell_fixture.hpp"

#include <CppUTest/TestHarness.h>

namespace {

const shell::CommandTable tables[] = {shell::base_commands()};

/// What happened to devices and machine, in order.
std::string events;

/// An interface that only starts and stops.
class StoppableDevice final : public net::NetDevice {
 public:
  bool starts_again{true};

  bsp::Result<void> reset() override {
    events += "reset ";
    if (!starts_again) return bsp::fail(bsp::Error::reset_timed_out);
    return {};
  }
  void shut_down() override { events += "down "; }
  std::string_view name() const override { return "net0"; }

  std::size_t receive(std::span<net::RxFrame>) override { return 0; }
  void release(std::span<const net::RxFrame>) override {}
  std::size_t send(std::span<const net::TxRequest>) override { return 0; }
  std::size_t reclaim(std::span<net::TxCompletion>) override { return 0; }
  bsp::Result<void> check_request(const net::TxRequest&) const override { return {}; }
  void service() override {}
  bool work_pending() const override { return false; }
  bool prepare_idle(bool) override { return false; }
  net::MacAddress mac() const override { return {}; }
  net::Link link() const override { return {}; }
  std::uint16_t mtu() const override { return 1500; }
  std::uint16_t device_mtu() const override { return 1500; }
  bsp::Result<void> set_mtu(std::uint16_t) override { return {}; }
  net::NetStats stats() const override { return {}; }
  void clear_stats() override {}
  std::size_t tx_in_flight() const override { return 0; }
  bool usable() const override { return true; }
  void set_listener(net::NetListener) override {}
};

bsp::Error refuse_power_off() {
  events += "off ";
  return bsp::Error::not_supported_by_firmware;
}

bsp::Error refuse_reboot() {
  events += "reboot ";
  return bsp::Error::firmware_call_failed;
}

shell::BoardSource source_of(shell::BoardInfo& board) {
  return {[](void* info) { return *static_cast<shell::BoardInfo*>(info); }, &board};
}

} // namespace

TEST_GROUP(BaseCommands) {
  test::ShellFixture fixture{tables};
  StoppableDevice device{};
  net::NetDevice* const interfaces[1]{&device};

  void setup() override {
    test::fake_clock().reset();
    test::fake_cpu().reset();
  }
  void teardown() override {
    events.clear();
    events.shrink_to_fit(); // CppUTest looks for memory that is still held
  }
  std::string run(std::string_view line) {
    return fixture.run(line);
  }
};

TEST(BaseCommands, HelpListsEachCommandInALine) {
  const std::string output = run("help");
  CHECK(output.starts_with("help - list the commands, or explain one\nversion - "));
  LONGS_EQUAL(static_cast<long>(shell::base_commands().size()), std::count(output.begin(), output.end(), '\n'));
}

TEST(BaseCommands, HelpExplainsOneCommand) {
  STRCMP_EQUAL("uptime - print the time since hand-over from firmware\nusage: uptime\nexample: uptime\n",
               run("help uptime").c_str());
  STRCMP_EQUAL(run("help log").c_str(), run("log --help").c_str());
}

TEST(BaseCommands, HelpNamesWhatItDoesNotKnow) {
  STRCMP_EQUAL("error: help: no command 'foo' (try 'help')\n", run("help foo").c_str());
  STRCMP_EQUAL("error: help: 'uptime' has no subcommand 'now' (try 'help uptime')\n", run("help uptime now").c_str());
}

TEST(BaseCommands, EveryCommandHasASummaryAndAnExampleThatStartsWithIt) {
  for (const auto table : {shell::base_commands(), shell::memory_commands(), shell::tree_commands()})
    for (const shell::Command& command : table) {
      CHECK(!command.summary.empty());
      CHECK(command.example.starts_with(command.name));
      for (const shell::Command& subcommand : command.subcommands) {
        CHECK(!subcommand.summary.empty());
        CHECK(subcommand.example.starts_with(std::string{command.name} + " " + std::string{subcommand.name}));
      }
    }
}

TEST(BaseCommands, VersionNamesBuildAndCompiler) {
  STRCMP_EQUAL("netbsp test\ncompiler g++ " __VERSION__ "\n", run("version").c_str());
}

TEST(BaseCommands, BoardPrintsWhatIsKnown) {
  const bsp::MemoryRange memory[] = {{0x80000000, 128 << 20}};
  shell::BoardInfo board{.board = "qemu-virt",
                         .model = "riscv-virtio,qemu",
                         .isa = "rv64imafdc",
                         .memory = memory,
                         .mmu = "sv39",
                         .console = "ns16550a /soc/serial@10000000"};
  board.hart = 1;
  board.hart_count = 4;
  board.timebase_hz = 10'000'000;
  board.image = {0x80200000, 0x20000};
  board.sbi_version = 1 << 24;
  board.sbi_impl_id = 1;
  board.sbi_impl_version = 1 << 16 | 1;
  board.boot_us = 1234;
  fixture.system.board = source_of(board);
  STRCMP_EQUAL("board qemu-virt\nmodel riscv-virtio,qemu\nhart 1\nharts 4\nisa rv64imafdc\nmmu sv39\n"
               "timebase 10000000 Hz\nmemory 0x80000000 to 0x87ffffff (131072 KiB)\n"
               "image 0x80200000 to 0x8021ffff (128 KiB)\nconsole ns16550a /soc/serial@10000000\nsbi 1.0\n"
               "firmware OpenSBI 1.1\nboot 1234 us\n",
               run("board").c_str());
}

TEST(BaseCommands, BoardSaysUnknownForWhatIsNot) {
  shell::BoardInfo board{};
  fixture.system.board = source_of(board);
  const std::string output = run("board");
  CHECK(output.find("model unknown\n") != std::string::npos);
  CHECK(output.find("firmware SBI implementation 0 version 0x0\n") != std::string::npos);
  fixture.system.board = {};
  STRCMP_EQUAL("error: board: nothing is known\n", run("board").c_str());
}

TEST(BaseCommands, BoardShowsNoControlCharactersOfTheTree) {
  shell::BoardInfo board{
      .board = "host", .model = "\x1b[31mred\n\x7f\xff", .isa = "rv64\a", .memory = {}, .mmu = "", .console = ""};
  fixture.system.board = source_of(board);
  const std::string output = run("board");
  CHECK(output.find("model ?[31mred???\n") != std::string::npos);
  CHECK(output.find("isa rv64?\n") != std::string::npos);
}

TEST(BaseCommands, UptimeCountsFromHandOver) {
  bsp::clock::set_start(0);
  test::fake_clock().ticks = 123'000'450;
  test::fake_clock().step = 0;
  STRCMP_EQUAL("12.300045 s\n", run("uptime").c_str());
}

TEST(BaseCommands, LogPrintsTheKeptLines) {
  bsp::clock::set_start(0);
  test::fake_clock().ticks = 20'000'010;
  test::fake_clock().step = 0;
  bsp::log::warn("node skipped");
  bsp::log::debug("only kept");
  const std::string output = run("log");
  CHECK(output.ends_with("2.000001 warn node skipped\n2.000001 debug only kept\n"));
}

TEST(BaseCommands, CtrlCEndsTheLog) {
  bsp::log::info("a line");
  fixture.type("");
  STRCMP_EQUAL("log\r\nnetbsp> ", fixture.type("log\r\x03").c_str());
}

TEST(BaseCommands, LogChoosesWhatIsShown) {
  STRCMP_EQUAL("", run("log debug").c_str());
  CHECK(bsp::log::level() == bsp::log::Level::debug);
  STRCMP_EQUAL("", run("log info").c_str());
  CHECK(bsp::log::level() == bsp::log::Level::info);
  STRCMP_EQUAL("error: log: no level 'loud': error, warn, info or debug\n", run("log loud").c_str());
  CHECK(bsp::log::level() == bsp::log::Level::info);
}

TEST(BaseCommands, HistoryNumbersTheLines) {
  run("version");
  run("help \"a  b\"");
  STRCMP_EQUAL("   1  version\n   2  help \"a  b\"\n   3  history\n", run("history").c_str());
}

TEST(BaseCommands, HistoryPrintsALongLineWhole) {
  const std::string line = "help " + std::string(3000, 'x');
  run(line);
  CHECK(run("history").find("   1  " + line + "\n") != std::string::npos);
}

TEST(BaseCommands, PoweroffAndRebootStopTheDevicesFirstAndStartThemAgainIfFirmwareRefuses) {
  fixture.system.interfaces = interfaces;
  fixture.system.power = {.power_off = refuse_power_off, .reboot = refuse_reboot};
  STRCMP_EQUAL("error: poweroff: not supported by firmware\n", run("poweroff").c_str());
  STRCMP_EQUAL("down off reset ", events.c_str());
  events.clear();
  CHECK(run("reboot").starts_with("error: reboot: "));
  STRCMP_EQUAL("down reboot reset ", events.c_str());
}

TEST(BaseCommands, PoweroffSaysSoIfADeviceDoesNotStartAgain) {
  fixture.system.interfaces = interfaces;
  fixture.system.power = {.power_off = refuse_power_off, .reboot = refuse_reboot};
  device.starts_again = false;
  CHECK(run("poweroff").find("\nerror: net0: does not start again: ") != std::string::npos);
}

TEST(BaseCommands, WithoutFirmwareServicesTheDevicesGoOn) {
  fixture.system.interfaces = interfaces;
  STRCMP_EQUAL("error: poweroff: not supported by firmware\n", run("poweroff").c_str());
  STRCMP_EQUAL("error: reboot: not supported by firmware\n", run("reboot").c_str());
  STRCMP_EQUAL("", events.c_str());
}
