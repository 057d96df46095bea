// SPDX-License-Identifier: BSD-2-Clause
// `interrupts`, `interrupt-parent` and `interrupts-extended`.
#include "fdt/interrupt.hpp"

#include "fdt/chosen.hpp"
#include "tests/unit/test_fdt_blob.hpp"

using fdt::Error;
using fdt::Interrupt;
using fdt::Node;
using fdt::Tree;
using fdt_test::Blob;
using fdt_test::check_text;
using fdt_test::fails_with;
using fdt_test::node_at;
using fdt_test::path_of;

namespace {

void check_interrupt(const fdt::Result<Interrupt>& interrupt, std::string_view controller,
                     std::initializer_list<std::uint32_t> cells) {
  CHECK(interrupt.has_value());
  check_text(controller, path_of(interrupt->controller));
  LONGS_EQUAL(cells.size(), interrupt->cell_count);
  for (std::size_t i = 0; i < cells.size(); i++)
    UNSIGNED_LONGS_EQUAL(cells.begin()[i], interrupt->cells[i]);
}

} // namespace

TEST_GROUP(FdtInterrupt) {
  Blob virt = Blob::fixture("fdt_virt");
  Blob harts = Blob::fixture("fdt_multi_hart");
  Blob bad = Blob::fixture("fdt_malformed");

  Error error_of(const Blob& where, std::string_view path, std::size_t index = 0) {
    const auto interrupt = fdt::interrupt(node_at(where.tree(), path), index);
    CHECK_TEXT(!interrupt.has_value(), std::string{path}.c_str());
    return interrupt.error();
  }
  std::size_t count(const Blob& where, std::string_view path) {
    return fdt::interrupt_count(node_at(where.tree(), path));
  }
};

TEST(FdtInterrupt, InheritsTheParentThatABusNames) {
  const Node slot = node_at(virt.tree(), "/soc/virtio_mmio@10008000");
  check_interrupt(fdt::interrupt(slot), "/soc/plic@c000000", {8});
  LONGS_EQUAL(1, fdt::interrupt_count(slot));
  CHECK(error_of(virt, "/soc/virtio_mmio@10008000", 1) == Error::no_such_entry);
  CHECK(error_of(virt, "/soc/virtio_mmio@10008000", SIZE_MAX) == Error::no_such_entry);
}

TEST(FdtInterrupt, InheritsThroughSeveralLevels) {
  const Tree tree = bad.tree();
  check_interrupt(fdt::interrupt(node_at(tree, "/soc/named-by-bus")), "/plic@c000000", {3});
  check_interrupt(fdt::interrupt(node_at(tree, "/soc/named-by-bus/inner")), "/plic@c000000", {4});
}

TEST(FdtInterrupt, TakesTheNearestControllerOnTheWayUp) {
  check_interrupt(fdt::interrupt(node_at(bad.tree(), "/soc/nearer/inner")), "/soc/nearer", {5, 6});
}

TEST(FdtInterrupt, PrefersTheNodesOwnInterruptParent) {
  check_interrupt(fdt::interrupt(node_at(harts.tree(), "/soc/serial@10010000")), "/soc/interrupt-controller@c000000",
                  {4});
}

TEST(FdtInterrupt, LetsTheParentsCellCountDecide) {
  const Blob two = virt.with_cells("/soc/plic@c000000", "#interrupt-cells", {2})
                       .with_cells("/soc/serial@10000000", "interrupts", {10, 4, 11, 1});
  const Node uart = node_at(two.tree(), "/soc/serial@10000000");
  LONGS_EQUAL(2, fdt::interrupt_count(uart));
  check_interrupt(fdt::interrupt(uart, 0), "/soc/plic@c000000", {10, 4});
  check_interrupt(fdt::interrupt(uart, 1), "/soc/plic@c000000", {11, 1});
  CHECK(error_of(two, "/soc/virtio_mmio@10008000") == Error::bad_length);
}

TEST(FdtInterrupt, StopsAtANexusForPci) {
  check_interrupt(fdt::interrupt(node_at(virt.tree(), "/soc/pci@30000000/ethernet@1,0")), "/soc/pci@30000000", {1});
}

TEST(FdtInterrupt, ListsThePlicContextsOfEachHart) {
  const Tree tree = harts.tree();
  const Node plic = node_at(tree, "/soc/interrupt-controller@c000000");
  struct Context {
    std::uint64_t hart;
    std::uint32_t cause;
  };
  const Context contexts[] = {{0, 11}, {1, 11}, {1, 9}, {3, 0xffffffff}, {3, 9}, {4, 11}, {4, 9}};
  LONGS_EQUAL(std::size(contexts), fdt::interrupt_count(plic));
  for (std::size_t i = 0; i < std::size(contexts); i++) {
    const auto context = fdt::interrupt(plic, i);
    CHECK(context.has_value());
    CHECK(*fdt::hart_of_interrupt_controller(context->controller) == contexts[i].hart);
    UNSIGNED_LONGS_EQUAL(contexts[i].cause, context->cells[0]);
  }
  CHECK(fails_with(fdt::interrupt(plic, 7), Error::no_such_entry));
}

TEST(FdtInterrupt, ExtendedHasACellCountPerControllerAndWins) {
  const Node timer = node_at(harts.tree(), "/soc/timer@2000000");
  LONGS_EQUAL(3, fdt::interrupt_count(timer));
  check_interrupt(fdt::interrupt(timer, 0), "/cpus/cpu@1/interrupt-controller", {3});
  check_interrupt(fdt::interrupt(timer, 1), "/soc/interrupt-controller@e000000", {0, 77, 4});
  check_interrupt(fdt::interrupt(timer, 2), "/cpus/cpu@4/interrupt-controller", {7});
}

TEST(FdtInterrupt, ExtendedKeepsTheIndexOfEmptyEntries) {
  const Node node = node_at(bad.tree(), "/extended-with-gaps");
  LONGS_EQUAL(4, fdt::interrupt_count(node));
  check_interrupt(fdt::interrupt(node, 0), "/plic@c000000", {5});
  CHECK(fails_with(fdt::interrupt(node, 1), Error::empty_entry));
  CHECK(fails_with(fdt::interrupt(node, 2), Error::empty_entry));
  check_interrupt(fdt::interrupt(node, 3), "/two-cells", {6, 7});
  CHECK(fails_with(fdt::interrupt(node, 4), Error::no_such_entry));
}

TEST(FdtInterrupt, ExtendedCutShortIsAnErrorBehindGoodEntries) {
  for (const auto* path : {"/extended-cut-short", "/extended-phandle-only"}) {
    const Node node = node_at(bad.tree(), path);
    LONGS_EQUAL(1, fdt::interrupt_count(node));
    check_interrupt(fdt::interrupt(node, 0), "/plic@c000000", {5});
    CHECK(fails_with(fdt::interrupt(node, 1), Error::bad_length));
    CHECK(fails_with(fdt::interrupt(node, 2), Error::bad_length));
  }
}

TEST(FdtInterrupt, ExtendedEndsAtAPhandleThatNamesNothing) {
  const Node node = node_at(bad.tree(), "/extended-nowhere");
  LONGS_EQUAL(1, fdt::interrupt_count(node));
  check_interrupt(fdt::interrupt(node, 0), "/plic@c000000", {5});
  CHECK(fails_with(fdt::interrupt(node, 1), Error::bad_phandle));
  CHECK(fails_with(fdt::interrupt(node, 2), Error::bad_phandle));
}

TEST(FdtInterrupt, ExtendedOfBrokenLengthIsAnError) {
  CHECK(error_of(bad, "/extended-odd-bytes", 1) == Error::bad_length);
  CHECK(error_of(bad, "/extended-empty") == Error::no_such_entry);
  LONGS_EQUAL(0, count(bad, "/extended-empty"));
}

TEST(FdtInterrupt, RefusesCellCountsOutOfRange) {
  CHECK(error_of(bad, "/irq-zero-cells") == Error::bad_cells);
  CHECK(error_of(bad, "/irq-five-cells") == Error::bad_cells);
  CHECK(error_of(bad, "/irq-parent-no-controller") == Error::bad_cells);
  LONGS_EQUAL(0, count(bad, "/irq-zero-cells"));
  LONGS_EQUAL(0, count(bad, "/irq-five-cells"));
  LONGS_EQUAL(0, count(bad, "/irq-parent-no-controller"));
  const Blob odd = bad.with_cells("/plic@c000000", "#interrupt-cells", {0, 1});
  CHECK(error_of(odd, "/good@1000") == Error::bad_length);
}

TEST(FdtInterrupt, RefusesAParentThatCannotBeFound) {
  CHECK(error_of(bad, "/irq-parent-nowhere") == Error::bad_phandle);
  CHECK(error_of(bad, "/irq-parent-zero") == Error::bad_phandle);
  CHECK(error_of(bad, "/irq-parent-none") == Error::no_interrupt_parent);
  CHECK(error_of(bad.with("/good@1000", "interrupt-parent", ""), "/good@1000") == Error::bad_length);
  LONGS_EQUAL(0, count(bad, "/irq-parent-nowhere"));
}

TEST(FdtInterrupt, RefusesASpecifierThatIsCutShort) {
  const Node node = node_at(bad.tree(), "/irq-cut-short");
  LONGS_EQUAL(1, fdt::interrupt_count(node));
  check_interrupt(fdt::interrupt(node, 0), "/two-cells", {1, 2});
  CHECK(fails_with(fdt::interrupt(node, 1), Error::bad_length));
  CHECK(fails_with(fdt::interrupt(node, 2), Error::no_such_entry));
  CHECK(error_of(bad, "/irq-odd-bytes", 1) == Error::bad_length);
  CHECK(error_of(bad, "/irq-empty") == Error::no_such_entry);
  CHECK(error_of(bad, "/status-okay") == Error::no_such_property);
}
