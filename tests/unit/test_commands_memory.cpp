// SPDX-License-Identifier: BSD-2-Clause
// md and mw.
#include <string>
#include <string_view>

#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/shell_fixture.hpp"

#include <CppUTest/TestHarness.h>

namespace {

const shell::CommandTable tables[] = {shell::memory_commands()};
constexpr std::uintptr_t base = 0x80200000;

} // namespace

TEST_GROUP(MemoryCommands) {
  test::ShellFixture fixture{tables};

  void setup() override {
    test::fake_clock().reset();
    test::fake_cpu().reset();
    test::fake_cpu().map(base, 1024);
    for (std::uint8_t i = 0; i < 64; i++)
      test::fake_cpu().memory[base + i] = static_cast<std::uint8_t>(0x30 + i);
  }
  void teardown() override {
    test::fake_cpu().reset();
  }
  std::string run(std::string_view line) {
    return fixture.run(line);
  }
};

TEST(MemoryCommands, MdPrintsUnitsOfEachWidthAndTheirCharacters) {
  STRCMP_EQUAL("80200000: 30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f  0123456789:;<=>?\n",
               run("md.b 0x80200000 16").c_str());
  STRCMP_EQUAL("80200000: 3130 3332 3534 3736 3938 3b3a 3d3c 3f3e  0123456789:;<=>?\n",
               run("md.w 0x80200000 8").c_str());
  STRCMP_EQUAL("80200000: 33323130 37363534 3b3a3938 3f3e3d3c  0123456789:;<=>?\n", run("md.l 0x80200000 4").c_str());
  STRCMP_EQUAL("80200000: 33323130 37363534 3b3a3938 3f3e3d3c  0123456789:;<=>?\n", run("md 0x80200000 4").c_str());
  STRCMP_EQUAL("80200000: 3736353433323130 3f3e3d3c3b3a3938  0123456789:;<=>?\n", run("md.q 0x80200000 2").c_str());
}

TEST(MemoryCommands, MdAlignsTheCharactersOfAShortLine) {
  STRCMP_EQUAL("80200000: 33323130 37363534 3b3a3938 3f3e3d3c  0123456789:;<=>?\n"
               "80200010: 43424140                             @ABC\n",
               run("md 0x80200000 5").c_str());
}

TEST(MemoryCommands, MdTakesPlainNumbersAsDecimal) {
  STRCMP_EQUAL(run("md.b 0x80200000 1").c_str(), run("md.b 2149580800 0x1").c_str());
}

TEST(MemoryCommands, MdPrints64UnitsUnlessToldOtherwise) {
  const std::string output = run("md 0x80200000");
  LONGS_EQUAL(16, std::count(output.begin(), output.end(), '\n'));
  CHECK(output.find("\n802000f0: ") != std::string::npos);
}

TEST(MemoryCommands, EnterGoesOnAtTheNextAddress) {
  run("md.b 0x80200000 2");
  STRCMP_EQUAL("80200002: 32 33                                            23\n", run("").c_str());
  STRCMP_EQUAL("80200004: 34 35                                            45\n", run("").c_str());
  run("mw.b 0x80200000 0x30");
  STRCMP_EQUAL("", run("").c_str());
}

TEST(MemoryCommands, MdReportsAFaultBehindWhatItCouldRead) {
  STRCMP_EQUAL("error: md: fault at 0x0\n", run("md 0x0").c_str());
  STRCMP_EQUAL("802003f8: 00000000 00000000                    ........\nerror: md: fault at 0x80200400\n",
               run("md 0x802003f8 64").c_str());
  STRCMP_EQUAL("", run("").c_str());
}

TEST(MemoryCommands, RefuseMisalignedAddressesAndAreasBeyondTheLastAddress) {
  STRCMP_EQUAL("error: md: address 0x80200001 is not a multiple of 4 (try 'md.b')\n", run("md 0x80200001").c_str());
  STRCMP_EQUAL("error: mw: address 0x80200004 is not a multiple of 8 (try 'mw.b')\n", run("mw.q 0x80200004 0").c_str());
  STRCMP_EQUAL("error: md: 2 units from 0xfffffffffffffffc go beyond the last address\n",
               run("md 0xfffffffffffffffc 2").c_str());
  STRCMP_EQUAL("error: md: fault at 0xfffffffffffffffc\n", run("md 0xfffffffffffffffc 1").c_str());
  STRCMP_EQUAL("error: md.b: COUNT is a number from 1 to 18446744073709551615, not '0' (try 'help md.b')\n",
               run("md.b 0x80200000 0").c_str());
}

TEST(MemoryCommands, ReadingTheLastAddressDoesNotWrapAround) {
  test::fake_cpu().map(0xfffffffffffffff0, 16, 0x41);
  STRCMP_EQUAL("fffffffffffffff8: 4141414141414141                   AAAAAAAA\n",
               run("md.q 0xfffffffffffffff8 1").c_str());
}

TEST(MemoryCommands, MwWritesUnitsOfEachWidth) {
  STRCMP_EQUAL("", run("mw.b 0x80200000 0x61").c_str());
  STRCMP_EQUAL("", run("mw.w 0x80200002 0x6362").c_str());
  STRCMP_EQUAL("", run("mw 0x80200004 0x67666564").c_str());
  STRCMP_EQUAL("", run("mw.q 0x80200008 0x6f6e6d6c6b6a6968").c_str());
  STRCMP_EQUAL("80200000: 61 31 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f  a1bcdefghijklmno\n",
               run("md.b 0x80200000 16").c_str());
}

TEST(MemoryCommands, MwRepeatsTheValue) {
  run("mw.w 0x80200000 0x4141 3");
  STRCMP_EQUAL("80200000: 41 41 41 41 41 41 36 37                          AAAAAA67\n",
               run("md.b 0x80200000 8").c_str());
}

TEST(MemoryCommands, MwRefusesAValueThatDoesNotFit) {
  STRCMP_EQUAL("error: mw.b: VALUE is a number from 0 to 255, not '256' (try 'help mw.b')\n",
               run("mw.b 0x80200000 256").c_str());
  STRCMP_EQUAL("", run("mw.q 0x80200000 0xffffffffffffffff").c_str());
}

TEST(MemoryCommands, MwReportsAFault) {
  STRCMP_EQUAL("error: mw: fault at 0x80200400\n", run("mw 0x802003fc 0x11223344 2").c_str());
  STRCMP_EQUAL("802003fc: 11223344                             D3\".\n", run("md 0x802003fc 1").c_str());
}

TEST(MemoryCommands, CtrlCEndsALongDump) {
  fixture.type("");
  STRCMP_EQUAL("md 0x80200000\r\nnetbsp> ", fixture.type("md 0x80200000\r\x03").c_str());
}

TEST(MemoryCommands, NameMissingArguments) {
  STRCMP_EQUAL("error: md: argument is missing: md ADDR [COUNT]\n", run("md").c_str());
  STRCMP_EQUAL("error: mw.l: argument is missing: mw.l ADDR VALUE [COUNT]\n", run("mw.l 0x80200000").c_str());
}
