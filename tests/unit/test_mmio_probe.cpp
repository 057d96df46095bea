// SPDX-License-Identifier: BSD-2-Clause
// From the tree to the slots, on tests/fixtures/interfaces.dts: ten slots behind a bus that translates. The fake bus
// ends the test at an access where no register window is, and the hart's fake faults there.
#include <algorithm>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bsp/log.hpp"
#include "drivers/virtio/mmio_probe.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_plic.hpp"
#include "tests/support/fake_virtio_mmio.hpp"
#include "tests/unit/test_fdt_blob.hpp"

using bsp::Error;
using fdt_test::Blob;
using fdt_test::node_at;
using fdt_test::path_of;
using test::FakeVirtioMmio;
using Version = FakeVirtioMmio::Version;

namespace {

struct Place {
  std::uintptr_t base;
  std::uint32_t interrupt;
  bool operator==(const Place&) const = default;
};
const std::vector<Place> fixture_slots{{0x4000'5000, 45}, {0x4000'1000, 41}, {0x4000'9000, 49}, {0x4000'3000, 43},
                                       {0x4008'7000, 47}, {0x4000'2000, 42}, {0x4000'8000, 48}, {0x4000'4000, 44},
                                       {0x4000'6000, 46}, {0x5000'0000, 60}};
constexpr const char* first_slot = "/bus@40000000/virtio@5000";

} // namespace

TEST_GROUP(MmioProbe) {
  test::CleanBus clean;
  irqchip::IrqchipStorage storage;
  test::FakePlic plic{95, 1};
  std::map<std::uintptr_t, std::unique_ptr<FakeVirtioMmio>> devices;
  std::vector<std::string> warnings;

  void setup() override {
    test::fake_cpu().reset();
    test::fake_bus().attach(0xc00'0000, 0x60'0000, plic);
    test::fake_cpu().map(0xc00'0000, 8);
    for (const Place& place : fixture_slots)
      device(place.base);
    bsp::log::set_sink([](void* lines, bsp::log::Level,
                          std::string_view text) { static_cast<std::vector<std::string>*>(lines)->emplace_back(text); },
                       &warnings);
  }
  void teardown() override {
    bsp::log::set_sink(nullptr, nullptr);
    for (const auto& [base, device] : devices)
      STRCMP_EQUAL("", device->violations().c_str());
    STRCMP_EQUAL("", plic.error.c_str());
    test::fake_cpu().reset();
  }
  /// The device with these registers; a network device unless told otherwise.
  FakeVirtioMmio& device(std::uintptr_t base, Version version = Version::modern) {
    devices.erase(base);
    test::fake_cpu().map(base, 4);
    return *devices.emplace(base, std::make_unique<FakeVirtioMmio>(version, base)).first->second;
  }
  void unplug(std::uintptr_t base) {
    devices.erase(base);
    for (unsigned i = 0; i < 4; i++)
      test::fake_cpu().memory.erase(base + i);
  }
  std::vector<virtio::MmioSlot> probe(const Blob& blob, bool with_controller = true) {
    std::vector<virtio::MmioSlot> found;
    std::optional<irqchip::Controller> controller;
    if (with_controller) controller = irqchip::find_controller(blob.tree(), 0, storage);
    CHECK_EQUAL(with_controller, controller.has_value());
    test::fake_bus().log.clear();
    virtio::for_each_mmio_slot(
        blob.tree(), controller,
        [](void* list, const virtio::MmioSlot& slot) {
          static_cast<std::vector<virtio::MmioSlot>*>(list)->push_back(slot);
        },
        &found);
    return found;
  }
  static std::vector<Place> places(const std::vector<virtio::MmioSlot>& slots) {
    std::vector<Place> all;
    for (const virtio::MmioSlot& slot : slots)
      all.push_back({slot.base, slot.interrupt.value_or(0)});
    return all;
  }
  static std::vector<Place> fixture_without(std::size_t index) {
    std::vector<Place> rest = fixture_slots;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(index));
    return rest;
  }
  /// Every access to this device's registers, in order.
  static std::string trace_of(std::uintptr_t base) {
    std::erase_if(test::fake_bus().log,
                  [base](const test::Event& event) { return event.address < base || event.address >= base + 0x200; });
    return test::take_bus_trace(base);
  }
  void check_only_warning(const std::string& text) {
    LONGS_EQUAL(1, warnings.size());
    STRCMP_EQUAL(text.c_str(), warnings[0].c_str());
    warnings.clear();
  }
  /// The first slot is left out with this warning, and the nine others are found.
  void check_skips_first(const Blob& blob, const std::string& why) {
    CHECK(places(probe(blob)) == fixture_without(0));
    check_only_warning(first_slot + (": reg: " + why));
  }
};

// proves: MMIO-33
TEST(MmioProbe, FindsEverySlotByTheTreeInItsOrder) {
  const Blob blob = Blob::fixture("interfaces");
  const auto slots = probe(blob);
  CHECK(places(slots) == fixture_slots);
  for (const virtio::MmioSlot& slot : slots) {
    LONGS_EQUAL(2, slot.version);
    LONGS_EQUAL(1, slot.device_id);
    CHECK_FALSE(slot.error.has_value());
  }
  STRCMP_EQUAL("/bus@40000000/bridge@80000/virtio@7000", path_of(slots[4].node).c_str());
  LONGS_EQUAL(0, warnings.size());
}

// proves: MMIO-33
TEST(MmioProbe, FollowsANodeThatMovesAndForgetsOneThatGoes) {
  const Blob moved = Blob::fixture("interfaces")
                         .with_cells(first_slot, "reg", {0x2'2000, 0x200})
                         .with_cells(first_slot, "interrupts", {7});
  unplug(0x4000'5000);
  device(0x4002'2000);
  auto expected = fixture_slots;
  expected[0] = {0x4002'2000, 7};
  CHECK(places(probe(moved)) == expected);

  Blob dropped = Blob::fixture("interfaces");
  LONGS_EQUAL(0, fdt_nop_node(dropped.data(), node_at(dropped.tree(), first_slot).offset()));
  CHECK(places(probe(dropped)) == fixture_without(0));
  LONGS_EQUAL(0, warnings.size());
}

// proves: MMIO-33
TEST(MmioProbe, TakesOnlyEnabledNodesOfThisBinding) {
  const Blob fixture = Blob::fixture("interfaces");
  CHECK(places(probe(fixture.with(first_slot, "status", std::string_view{"disabled", 9}))) == fixture_without(0));
  CHECK(places(probe(fixture.with(first_slot, "status", std::string_view{"okay", 5}))) == fixture_slots);
  CHECK(places(probe(fixture.with(first_slot, "compatible", std::string_view{"virtio,pci", 11}))) ==
        fixture_without(0));
  LONGS_EQUAL(0, warnings.size());
}

// proves: MMIO-01, MMIO-04, MMIO-05
TEST(MmioProbe, ListsAnEmptySlotWithoutErrorAndTouchesNothingBehindDeviceId) {
  // Nobody needs an empty slot's interrupt.
  const Blob blob = Blob::fixture("interfaces").with_cells(first_slot, "interrupt-parent", {0x1234});
  device(0x4000'5000).device_id = 0;
  const auto slots = probe(blob);
  LONGS_EQUAL(10, slots.size());
  LONGS_EQUAL(0, slots[0].device_id);
  LONGS_EQUAL(2, slots[0].version);
  CHECK_FALSE(slots[0].error.has_value());
  CHECK_FALSE(slots[0].interrupt.has_value());
  STRCMP_EQUAL("r000 r004 r008", trace_of(0x4000'5000).c_str());
  LONGS_EQUAL(0, warnings.size());
}

TEST(MmioProbe, ReadsOnlyWhoADeviceIsWhateverItIs) {
  for (const std::uint32_t id : {1U, 2U, 4U, 16U, 0xffff'ffffU}) {
    device(0x4000'5000).device_id = id;
    const auto slots = probe(Blob::fixture("interfaces"));
    LONGS_EQUAL(id, slots[0].device_id);
    CHECK_FALSE(slots[0].error.has_value());
    STRCMP_EQUAL("r000 r004 r008", trace_of(0x4000'5000).c_str());
  }
  LONGS_EQUAL(0, warnings.size());
}

// proves: MMIO-02
TEST(MmioProbe, ListsWhatHasAWrongMagicValueAndReadsNothingElseOfIt) {
  for (const std::uint32_t magic : {0U, 0x7472'6977U, 0x7669'7274U}) {
    device(0x4000'5000).magic = magic;
    const auto slots = probe(Blob::fixture("interfaces"));
    LONGS_EQUAL(10, slots.size());
    CHECK(slots[0].error == Error::not_a_virtio_device);
    LONGS_EQUAL(0, slots[0].version);
    LONGS_EQUAL(0, slots[0].device_id);
    STRCMP_EQUAL("r000", trace_of(0x4000'5000).c_str());
  }
  device(0x4000'5000).script.gone = true;
  CHECK(probe(Blob::fixture("interfaces"))[0].error == Error::device_gone);
  STRCMP_EQUAL("r000", trace_of(0x4000'5000).c_str());
  LONGS_EQUAL(0, warnings.size());
}

// proves: MMIO-03
TEST(MmioProbe, ListsWhatHasAnUnknownVersionAndReadsNothingElseOfIt) {
  for (const std::uint32_t version : {0U, 3U, 0x0200'0000U, 0xffff'ffffU}) {
    device(0x4000'5000).version_register = version;
    const auto slots = probe(Blob::fixture("interfaces"));
    LONGS_EQUAL(10, slots.size());
    CHECK(slots[0].error == Error::unsupported_transport_version);
    LONGS_EQUAL(version, slots[0].version);
    LONGS_EQUAL(0, slots[0].device_id);
    CHECK_FALSE(slots[0].interrupt.has_value());
    STRCMP_EQUAL("r000 r004", trace_of(0x4000'5000).c_str());
  }
}

TEST(MmioProbe, SkipsRegistersThatFaultAndNamesTheNode) {
  unplug(0x4000'5000);
  check_skips_first(Blob::fixture("interfaces"), "registers cannot be reached");
}

TEST(MmioProbe, SkipsAMalformedRegAndNamesTheNode) {
  const Blob fixture = Blob::fixture("interfaces");
  check_skips_first(fixture.with(first_slot, "reg", ""), "property has a bad length");
  check_skips_first(fixture.with_cells(first_slot, "reg", {0x5000}), "property has a bad length");
  check_skips_first(fixture.with(first_slot, "reg", std::string_view{"\0\0\x50\0\0\0\x02", 7}),
                    "property has a bad length");
  check_skips_first(fixture.with_cells(first_slot, "reg", {0x20'0000, 0x200}),
                    "address is not reachable through ranges");
  check_skips_first(fixture.with_cells(first_slot, "reg", {0xf'ff00, 0x200}),
                    "address is not reachable through ranges");
  check_skips_first(fixture.with_cells(first_slot, "reg", {0x5000, 0xff}), "no room for virtio registers");
  check_skips_first(fixture.with_cells(first_slot, "reg", {0x5000, 0}), "no room for virtio registers");
  check_skips_first(fixture.with_cells(first_slot, "reg", {0x5002, 0x200}), "no room for virtio registers");

  Blob without = fixture.with(first_slot, "reg", "");
  LONGS_EQUAL(0, fdt_nop_property(without.data(), node_at(without.tree(), first_slot).offset(), "reg"));
  check_skips_first(without, "no such property");
}

// proves: CFG-06
TEST(MmioProbe, TakesAWindowThatEndsRightBehindTheRegisters) {
  // Whether a device's configuration fits is asked where its type is known.
  const auto slots = probe(Blob::fixture("interfaces").with_cells(first_slot, "reg", {0x5000, 0x100}));
  CHECK(places(slots) == fixture_slots);
  LONGS_EQUAL(0x100, slots[0].size);
  LONGS_EQUAL(0, warnings.size());
  check_skips_first(Blob::fixture("interfaces").with_cells(first_slot, "reg", {0x5000, 0xff}),
                    "no room for virtio registers");
}

TEST(MmioProbe, ListsADeviceWithoutUsableInterruptAndSaysWhy) {
  const Blob fixture = Blob::fixture("interfaces");
  const auto check = [this](const Blob& blob, const std::string& why) {
    auto expected = fixture_slots;
    expected[0].interrupt = 0;
    const auto slots = probe(blob);
    CHECK(places(slots) == expected);
    CHECK_FALSE(slots[0].interrupt.has_value());
    check_only_warning(first_slot + (": interrupts: " + why));
  };
  check(fixture.with(first_slot, "interrupts", ""), "no such entry");
  check(fixture.with(first_slot, "interrupts", std::string_view{"\0\0\x2d", 3}), "property has a bad length");
  check(fixture.with_cells(first_slot, "interrupt-parent", {0x1234}), "phandle names no node");
  check(fixture.with_cells(first_slot, "interrupt-parent", {0x77}), "not at this hart's interrupt controller");
  check(fixture.with_cells(first_slot, "interrupts-extended", {0x77, 45}), "not at this hart's interrupt controller");

  Blob without = fixture.with(first_slot, "interrupts", "");
  LONGS_EQUAL(0, fdt_nop_property(without.data(), node_at(without.tree(), first_slot).offset(), "interrupts"));
  check(without, "no such property");
}

TEST(MmioProbe, ListsEveryDeviceWithoutComplaintWhereThereIsNoController) {
  const auto slots = probe(Blob::fixture("interfaces"), false);
  LONGS_EQUAL(10, slots.size());
  for (const virtio::MmioSlot& slot : slots) {
    LONGS_EQUAL(1, slot.device_id);
    CHECK_FALSE(slot.interrupt.has_value());
  }
  LONGS_EQUAL(0, warnings.size()); // find_controller() has said it, once
}

TEST(MmioProbe, MakesTheTransportThatTheVersionRegisterAsksFor) {
  device(0x4000'1000, Version::legacy);
  const auto slots = probe(Blob::fixture("interfaces"));
  virtio::MmioTransportStorage place;
  const virtio::Transport& modern = virtio::make_transport(place, slots[0]);
  CHECK_FALSE(modern.legacy());
  LONGS_EQUAL(45, modern.interrupt());
  STRCMP_EQUAL("virtio-mmio@40005000", std::string{modern.name()}.c_str());
  const virtio::Transport& legacy = virtio::make_transport(place, slots[1]);
  CHECK(legacy.legacy());
  LONGS_EQUAL(41, legacy.interrupt());
  STRCMP_EQUAL("virtio-mmio@40001000", std::string{legacy.name()}.c_str());
}
