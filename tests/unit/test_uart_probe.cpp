// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <string>
#include <vector>

#include "bsp/log.hpp"
#include "drivers/uart/uart_probe.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_mmio.hpp"
#include "tests/support/fake_sbi.hpp"
#include "tests/support/fake_uart.hpp"
#include "tests/unit/test_fdt_blob.hpp"

using fdt_test::Blob;
using fdt_test::path_of;

TEST_GROUP(UartProbe) {
  uart::UartStorage storage;
  std::vector<std::string> warnings;
  test::FakeNs16550 ns16550;
  test::FakeSifiveUart sifive;

  void setup() override {
    test::fake_bus().reset();
    test::fake_cpu().reset();
    test::fake_clock().reset();
    test::fake_sbi().reset();
    bsp::log::set_sink([](void* lines, bsp::log::Level,
                          std::string_view text) { static_cast<std::vector<std::string>*>(lines)->emplace_back(text); },
                       &warnings);
  }
  void teardown() override {
    bsp::log::set_sink(nullptr, nullptr);
    test::fake_bus().reset();
    test::fake_cpu().reset();
    STRCMP_EQUAL("", ns16550.error.c_str());
    STRCMP_EQUAL("", sifive.error.c_str());
  }
  void attach(std::uintptr_t base, std::size_t size, test::MmioDevice & device) {
    test::fake_bus().attach(base, size, device);
    test::fake_cpu().map(base, size);
  }
  uart::Console select(const Blob& blob) {
    return uart::select_console(blob.tree(), storage);
  }
  bool warned(const std::string& text) {
    return std::any_of(warnings.begin(), warnings.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }
};

TEST(UartProbe, FollowsStdoutPathThroughAnAliasAndKeepsItsOptions) {
  const auto blob = Blob::fixture("fdt_virt");
  attach(0x10000000, 0x100, ns16550);
  const uart::Console console = select(blob);
  CHECK(console.device->name() == "ns16550a");
  CHECK(path_of(*console.node) == "/soc/serial@10000000");
  CHECK(console.options == "115200n8");
  CHECK(console.interrupt.has_value());
  CHECK(path_of(console.interrupt->controller) == "/soc/plic@c000000");
  LONGS_EQUAL(10, console.interrupt->cells[0]);
  LONGS_EQUAL(0, warnings.size());
  console.device->write("up");
  STRCMP_EQUAL("up", ns16550.sent.c_str());
}

TEST(UartProbe, FindsTheSifiveUart) {
  const auto blob = Blob::fixture("fdt_multi_hart");
  attach(0x10010000, 0x1000, sifive);
  const uart::Console console = select(blob);
  CHECK(console.device->name() == "sifive,uart0");
  LONGS_EQUAL(4, console.interrupt->cells[0]);
  CHECK(console.options.empty());
}

TEST(UartProbe, TakesTheFirstUsableUartWithoutStdoutPathAndNamesTheBadOnes) {
  const auto blob = Blob::fixture("probe_console");
  ns16550.shift = 2;
  ns16550.width = 4;
  ns16550.designware = true;
  // Those before it could answer, but for the one whose registers fault.
  for (std::uintptr_t address = 0x2000; address < 0x9000; address += 0x100)
    test::fake_cpu().map(address, 0x100);
  test::fake_bus().attach(0xa100, 0x80, ns16550);
  test::fake_cpu().map(0xa100, 0x80);
  const uart::Console console = select(blob);
  CHECK(path_of(*console.node) == "/soc/serial@a000");
  CHECK(console.device->name() == "dw-apb-uart");
  console.device->write("x");
  STRCMP_EQUAL("x", ns16550.sent.c_str());

  for (const char* path : {"/soc/no-reg: ", "/soc/serial@3000: ", "/soc/serial@4000: ", "/soc/serial@5000: ",
                           "/soc/serial@6002: ", "/soc/serial@7000: ", "/soc/serial@8000: ", "/soc/serial@9000: "})
    CHECK_TEXT(warned(path), path);
  CHECK_FALSE(warned("serial@1000")); // unknown kinds and disabled nodes are nothing to warn about
  CHECK_FALSE(warned("serial@2000"));
  CHECK_FALSE(warned("serial@b000"));
}

TEST(UartProbe, PollsAUartWithoutInterruptAndSaysSo) {
  const auto blob = Blob::fixture("probe_console");
  ns16550.shift = 2;
  ns16550.width = 4;
  attach(0xa100, 0x80, ns16550);
  const uart::Console console = select(blob);
  CHECK_FALSE(console.interrupt.has_value());
  CHECK(console.device->is_polled());
  CHECK(warned("/soc/serial@a000: no usable interrupt"));
}

TEST(UartProbe, TakesAnotherUartWhenStdoutPathNamesOneThatCannotBeUsed) {
  const auto blob = Blob::fixture("probe_stdout");
  attach(0x1000, 0x1000, sifive);
  const uart::Console console = select(blob);
  CHECK(path_of(*console.node) == "/serial@1000");
  CHECK(warned("/serial@2000: stdout-path names it, but it cannot be used"));
}

TEST(UartProbe, FallsBackToTheFirmwareConsoleWhenNoUartAnswers) {
  const auto blob = Blob::fixture("fdt_virt");
  const uart::Console console = select(blob);
  CHECK(console.device->name() == "sbi");
  CHECK(console.device->is_polled());
  CHECK_FALSE(console.node.has_value());
  CHECK_FALSE(console.interrupt.has_value());
  CHECK(warned("/soc/serial@10000000: its registers cannot be read"));
}

TEST(UartProbe, ReadsNoCharacterAwayWhileProbing) {
  const auto blob = Blob::fixture("fdt_multi_hart");
  attach(0x10010000, 0x1000, sifive);
  sifive.type("typed early");
  char text[16];
  const uart::Console console = select(blob);
  CHECK(std::string(text, console.device->read(text)) == "typed ea"); // the eight that its FIFO holds
}
