// SPDX-License-Identifier: BSD-2-Clause
// What Tab offers at every place of a line.
#include <string>
#include <string_view>

#include "shell/completion.hpp"
#include "tests/support/fake_console.hpp"
#include "tests/support/fake_net_device.hpp"
#include "tests/unit/test_fdt_blob.hpp"

#include <CppUTest/TestHarness.h>

namespace {

void nothing(shell::Session&, shell::Arguments&) {}

constexpr shell::Option tx_options[] = {
    {"-c", "N", "count"}, {"-d", "LEVEL", "level", shell::Completion::log_level}, {"-p", "", "pad"}};
constexpr std::string_view switch_words[] = {"on", "off"};
constexpr shell::Option net_options[] = {{"-i", "IF", "interface", shell::Completion::interface}};
constexpr shell::Command net_commands[] = {
    {.name = "tx", .usage = "HEX", .summary = "", .example = "", .run = nothing, .options = tx_options},
    {.name = "offload",
     .usage = "[NAME on|off]",
     .summary = "",
     .example = "",
     .run = nothing,
     .positional = shell::Completion::offload,
     .max_positionals = 2,
     .words = switch_words},
    {.name = "use",
     .usage = "IF",
     .summary = "",
     .example = "",
     .run = nothing,
     .positional = shell::Completion::interface,
     .max_positionals = 1},
};
constexpr shell::Command commands[] = {
    {.name = "help",
     .usage = "[COMMAND]",
     .summary = "",
     .example = "",
     .run = nothing,
     .positional = shell::Completion::command},
    {.name = "history", .usage = "", .summary = "", .example = "", .run = nothing},
    {.name = "net",
     .usage = "",
     .summary = "",
     .example = "",
     .run = nullptr,
     .options = net_options,
     .subcommands = net_commands},
    {.name = "ls",
     .usage = "[PATH]",
     .summary = "",
     .example = "",
     .run = nothing,
     .positional = shell::Completion::fdt_path,
     .max_positionals = 1},
};
constexpr shell::CommandTable tables[] = {commands};

} // namespace

TEST_GROUP(Completer) {
  fdt_test::Blob blob = fdt_test::Blob::fixture("shell");
  fdt::Tree tree = blob.tree();
  test::FakeConsole console{};
  test::FakeNetDevice first{"net0"};
  test::FakeNetDevice second{"net1"};
  net::NetDevice* const interfaces[2]{&first, &second};
  shell::System system{.console = console, .interfaces = interfaces, .virtio_slots = {}, .tree = &tree};

  void check(const char* added, std::string_view line) {
    const shell::Completer completer{tables, system, line};
    STRCMP_EQUAL(added, std::string{completer.addition()}.c_str());
  }
  void check_list(const char* expected, std::string_view line) {
    std::string list;
    const shell::Completer completer{tables, system, line};
    completer.for_each(
        [](void* context, std::string_view candidate) {
          *static_cast<std::string*>(context) += std::string{candidate} + " ";
        },
        &list);
    STRCMP_EQUAL(expected, list.c_str());
  }
};

TEST(Completer, OffersCommandsAndSubcommands) {
  check_list("help history net ls ", "");
  check_list("help history ", "  h");
  check("lp ", "he");
  check("et ", "n");
  check_list("tx offload use ", "net ");
  check("se ", "net u");
  check(" ", "net use");
}

TEST(Completer, OffersTheOptionsOfACommandAndItsParents) {
  check_list("-i -c -d -p ", "net tx -");
  check_list("-i -c -d -p ", "net tx aabb -p -");
  check(" ", "net tx -c");
  check_list("", "net tx -- -");
}

TEST(Completer, OffersTheValuesOfAnOption) {
  check_list("net0 net1 ", "net tx -i ");
  check_list("net0 net1 ", "net -i ");
  check("net", "net tx -i ");
  check(" ", "net tx -i net1");
  check("g ", "net tx -d debu");
  check_list("", "net tx -c ");
  check_list("tx ", "net -i net0 t");
}

TEST(Completer, OffersAnArgumentOnlyAsOftenAsItMayStand) {
  check_list("net0 net1 ", "net use ");
  check_list("", "net use net0 ");
}

TEST(Completer, OffersTheWordsOfTheLastArgumentOnlyThere) {
  check_list("guest_csum guest_tso4 guest_tso6 guest_ecn guest_ufo guest_uso4 guest_uso6 ", "net offload ");
  check_list("guest_uso4 guest_uso6 ", "net offload guest_us");
  check_list("on off ", "net offload guest_csum ");
  check("f ", "net offload guest_csum of");
  check_list("", "net offload guest_csum on ");
  check_list("net0 net1 ", "net offload guest_csum -i ");
  check_list("", "help net offload guest_csum ");
}

TEST(Completer, OffersCommandsToHelp) {
  check_list("help history ", "help h");
  check_list("tx offload use ", "help net ");
  check_list("", "help net tx ");
  check_list("", "help net -");
}

TEST(Completer, OffersNothingBehindAnUnknownWord) {
  check_list("", "foo ");
  check_list("", "history ");
  check_list("", "net tx ");
  check("", "x");
}

TEST(Completer, WalksThePathsOfTheDeviceTree) {
  check("/", "ls ");
  check_list("chosen soc ", "ls /");
  check("c/", "ls /so");
  check("hosen ", "ls /c");
  check_list("serial@10000000 sound ", "ls /soc/");
  check("rial@10000000 ", "ls /soc/se");
  check("und/", "ls /soc/so");
  check("ner ", "ls /soc/sound/in");
  check_list("", "ls /nothing/");
  check_list("", "ls /soc ");
}

TEST(Completer, WithoutATreeOffersNoPath) {
  system.tree = nullptr;
  check_list("", "ls /");
}
