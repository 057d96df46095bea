// SPDX-License-Identifier: BSD-2-Clause
// fdt irq virtio.
#include <string>
#include <string_view>

#include "tests/support/shell_fixture.hpp"
#include "tests/unit/test_fdt_blob.hpp"

#include <CppUTest/TestHarness.h>

namespace {

const shell::CommandTable tables[] = {shell::tree_commands()};

class TwoSources final : public irqchip::Irqchip {
 public:
  bsp::Result<void> attach(std::uint32_t, irqchip::Handler, std::string_view) override { return {}; }
  void detach(std::uint32_t, void*) override {}
  void handle_external_interrupt() override {}
  std::uint64_t spurious_count() const override { return 3; }
  std::uint64_t unhandled_count() const override { return 4; }
  bool source_info(std::size_t index, irqchip::SourceInfo& out) const override {
    if (index == 0) out = {.source = 10, .name = "ns16550a", .count = 42};
    if (index == 1) out = {.source = 8, .name = "net0", .count = 5'000'000'000};
    return index < 2;
  }
  std::string_view name() const override { return "fake"; }
};

} // namespace

TEST_GROUP(TreeCommands) {
  test::ShellFixture fixture{tables};
  fdt_test::Blob blob = fdt_test::Blob::fixture("shell");
  fdt::Tree tree = blob.tree();

  void setup() override {
    fixture.system.tree = &tree;
  }
  std::string run(std::string_view line) {
    return fixture.run(line);
  }
};

TEST(TreeCommands, FdtPrintShowsANodeAndAllInIt) {
  STRCMP_EQUAL("soc {\n"
               "  ranges;\n"
               "  serial@10000000 {\n"
               "    reg = <0x00000000 0x10000000 0x00000000 0x00000100>;\n"
               "  };\n"
               "  sound {\n"
               "    inner {\n"
               "      deep = <0x00000001>;\n"
               "    };\n"
               "  };\n"
               "};\n",
               run("fdt print /soc").c_str());
}

TEST(TreeCommands, FdtShowsStringsCellsBytesAndFlags) {
  STRCMP_EQUAL("chosen {\n"
               "  stdout-path = \"/soc/serial@10000000:115200n8\";\n"
               "  quoted = \"a \\\"b\\\" \\\\c\";\n"
               "  rng-seed = [01 02 ff];\n"
               "  flag;\n"
               "  padded = [61 00 00 62 00];\n"
               "};\n",
               run("fdt print /chosen").c_str());
}

TEST(TreeCommands, FdtLsShowsOneLevel) {
  STRCMP_EQUAL("/ {\n"
               "  #address-cells = <0x00000002>;\n"
               "  #size-cells = <0x00000002>;\n"
               "  compatible = \"test,shell\", \"test,board\";\n"
               "  chosen {\n"
               "  };\n"
               "  soc {\n"
               "  };\n"
               "};\n",
               run("fdt ls").c_str());
  STRCMP_EQUAL(run("fdt ls").c_str(), run("fdt ls /").c_str());
  STRCMP_EQUAL(run("fdt ls /soc").c_str(), run("fdt ls /soc/").c_str());
}

TEST(TreeCommands, FdtPrintOfTheRootIsTheWholeTree) {
  const std::string output = run("fdt print");
  CHECK(output.starts_with("/ {\n"));
  CHECK(output.find("\n      inner {\n        deep = <0x00000001>;\n") != std::string::npos);
  CHECK(output.ends_with("\n  };\n};\n"));
  LONGS_EQUAL(std::count(output.begin(), output.end(), '{'), std::count(output.begin(), output.end(), '}'));
}

TEST(TreeCommands, FdtNamesAPathThatIsNotThere) {
  CHECK(run("fdt ls /nothing").starts_with("error: fdt ls: '/nothing': "));
  fixture.system.tree = nullptr;
  STRCMP_EQUAL("error: fdt: no device tree\n", run("fdt print").c_str());
}

TEST(TreeCommands, FdtShowsALongPropertyWholeAndNoControlCharacter) {
  fdt_test::Blob edited = blob.with("/chosen", "long", std::string(3001, '\x80'));
  const fdt::Tree changed = edited.tree();
  fixture.system.tree = &changed;
  const std::string output = run("fdt print /chosen");
  std::string expected = "  long = [80";
  for (int i = 1; i < 3001; i++)
    expected += " 80";
  CHECK(output.find(expected + "];\n") != std::string::npos);
  edited = blob.with("/chosen", "esc", std::string_view{"\x1b[2Jabc", 8});
  const fdt::Tree escaped = edited.tree();
  fixture.system.tree = &escaped;
  CHECK(run("fdt print /chosen").find("  esc = <0x1b5b324a 0x61626300>;\n") != std::string::npos);
}

TEST(TreeCommands, CtrlCEndsAPrint) {
  fixture.type("");
  STRCMP_EQUAL("fdt print\r\nnetbsp> ", fixture.type("fdt print\r\x03").c_str());
}

TEST(TreeCommands, TabFindsNodes) {
  fixture.type("");
  STRCMP_EQUAL("fdt ls /soc/", fixture.type("fdt ls /so\t").c_str());
  STRCMP_EQUAL("rial@10000000 ", fixture.type("se\t").substr(2).c_str());
}

TEST(TreeCommands, IrqPrintsSourcesAndStrays) {
  TwoSources chip;
  fixture.system.irqchip = &chip;
  STRCMP_EQUAL("10 42 ns16550a\n8 5000000000 net0\nspurious 3\nunhandled 4\nstorms 0\n", run("irq").c_str());
  fixture.system.irqchip = nullptr;
  STRCMP_EQUAL("error: irq: no interrupt controller\n", run("irq").c_str());
}

TEST(TreeCommands, VirtioListNamesEverySlot) {
  const shell::VirtioSlot slots[] = {
      {0x10008000, 2, 1, "net0", ""},      {0x10007000, 2, 0, "", "empty slot"},
      {0x10006000, 1, 4, "", "no driver"}, {0x10005000, 2, 1, "", "device rejected features"},
      {0x10004000, 2, 99, "", ""},         {0x10003000, 0, 0, "", "not a virtio device"},
  };
  fixture.system.virtio_slots = slots;
  STRCMP_EQUAL("virtio-mmio@10008000 version 2 device 1 (network) net0\n"
               "virtio-mmio@10007000 version 2 device 0 (empty slot)\n"
               "virtio-mmio@10006000 version 1 device 4 (entropy source): no driver\n"
               "virtio-mmio@10005000 version 2 device 1 (network): device rejected features\n"
               "virtio-mmio@10004000 version 2 device 99 (unknown): no driver\n"
               "virtio-mmio@10003000 version 0 device 0 (not a virtio device)\n",
               run("virtio list").c_str());
  fixture.system.virtio_slots = {};
  STRCMP_EQUAL("no virtio slot\n", run("virtio list").c_str());
}
