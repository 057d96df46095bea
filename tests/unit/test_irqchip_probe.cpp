// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>
#include <string>
#include <vector>

#include "bsp/log.hpp"
#include "drivers/irqchip/irqchip_probe.hpp"
#include "drivers/irqchip/plic.hpp"
#include "fdt/interrupt.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_mmio.hpp"
#include "tests/support/fake_plic.hpp"
#include "tests/unit/test_fdt_blob.hpp"

using fdt_test::Blob;
using fdt_test::node_at;
using fdt_test::path_of;

TEST_GROUP(IrqchipProbe) {
  irqchip::IrqchipStorage storage;
  std::vector<std::string> warnings;

  void setup() override {
    test::fake_bus().reset();
    test::fake_cpu().reset();
    bsp::log::set_sink([](void* lines, bsp::log::Level,
                          std::string_view text) { static_cast<std::vector<std::string>*>(lines)->emplace_back(text); },
                       &warnings);
  }
  void teardown() override {
    bsp::log::set_sink(nullptr, nullptr);
    test::fake_bus().reset();
    test::fake_cpu().reset();
  }
  /// The context that is found for a hart; -1 if none. The register file refuses every other context's registers.
  int context_of(const Blob& blob, std::uint64_t hart, std::uintptr_t base, std::uint32_t sources,
                 std::uint32_t expected) {
    test::FakePlic hardware{sources, expected};
    test::fake_bus().reset();
    test::fake_bus().attach(base, 0x4000000, hardware);
    test::fake_cpu().map(base, 8);
    const auto controller = irqchip::find_controller(blob.tree(), hart, storage);
    test::fake_bus().reset();
    STRCMP_EQUAL("", hardware.error.c_str());
    return controller ? static_cast<int>(static_cast<irqchip::Plic*>(controller->chip)->context()) : -1;
  }
  bool warned(const std::string& text) {
    return std::any_of(warnings.begin(), warnings.end(),
                       [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }
};

TEST(IrqchipProbe, FindsTheContextOfEachHartThatMayBoot) {
  const auto blob = Blob::fixture("fdt_multi_hart");
  LONGS_EQUAL(2, context_of(blob, 1, 0xc000000, 53, 2));
  LONGS_EQUAL(4, context_of(blob, 3, 0xc000000, 53, 4));
  LONGS_EQUAL(6, context_of(blob, 4, 0xc000000, 53, 6));
  LONGS_EQUAL(1, context_of(Blob::fixture("fdt_virt"), 0, 0xc000000, 95, 1));
  LONGS_EQUAL(0, warnings.size());
}

TEST(IrqchipProbe, FindsNothingForAHartWithoutSupervisorContext) {
  const auto blob = Blob::fixture("fdt_multi_hart");
  LONGS_EQUAL(-1, context_of(blob, 0, 0xc000000, 53, 0)); // machine mode only
  CHECK(warned("no usable interrupt controller for hart 0: everything is polled"));
  LONGS_EQUAL(-1, context_of(blob, 2, 0xc000000, 53, 0)); // no such hart
}

TEST(IrqchipProbe, SkipsBadControllersAndNamesThem) {
  const auto blob = Blob::fixture("probe_plic");
  for (const std::uintptr_t base : {0x1000000, 0x2000000, 0x3000000, 0x4000000, 0x5000000, 0x6000000})
    test::fake_cpu().map(base, 8);
  LONGS_EQUAL(6, context_of(blob, 1, 0x9000000, 40, 6));
  for (const char* path : {"/plic@2000000: ", "/plic@3000000: ", "/plic@4000000: ", "/plic@5000000: ",
                           "/plic@7000000: ", "/plic@8000000: "})
    CHECK_TEXT(warned(path), path);
  CHECK_FALSE(warned("/plic@1000000")); // disabled
  CHECK_FALSE(warned("/plic@6000000")); // another socket's: nothing is wrong with it
  CHECK(warned("/plic@9000000: interrupts-extended names a node that is no CPU's interrupt controller"));
}

TEST(IrqchipProbe, AttachesADeviceOfThisControllerAndNoOther) {
  const auto blob = Blob::fixture("probe_plic");
  test::FakePlic hardware{40, 6};
  test::fake_bus().attach(0x9000000, 0x400000, hardware);
  test::fake_cpu().map(0x9000000, 8);
  const auto controller = irqchip::find_controller(blob.tree(), 1, storage);
  CHECK(controller.has_value());
  CHECK(path_of(controller->node) == "/plic@9000000");

  unsigned calls = 0;
  const irqchip::Handler handler{[](void* count) { ++*static_cast<unsigned*>(count); }, &calls};
  const auto near = fdt::interrupt(node_at(blob.tree(), "/device@1"));
  CHECK(irqchip::attach(*controller, *near, handler, "near").has_value());
  CHECK(hardware.enabled(33));
  const auto far = fdt::interrupt(node_at(blob.tree(), "/device@2"));
  CHECK(irqchip::attach(*controller, *far, handler, "far").error() == bsp::Error::no_interrupt_context);
  irqchip::SourceInfo info{};
  CHECK_FALSE(controller->chip->source_info(1, info));
  STRCMP_EQUAL("", hardware.error.c_str());
}
