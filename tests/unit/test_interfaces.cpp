// SPDX-License-Identifier: BSD-2-Clause
// The composition of slots and interfaces, with the real probe, transports, driver and PLIC on tests/fixtures/
// interfaces.dts; only registers and rings are fakes, and both check the driver.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bsp/log.hpp"
#include "shell/interfaces.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_plic.hpp"
#include "tests/support/fake_ring_device.hpp"
#include "tests/support/fake_virtio_mmio.hpp"
#include "tests/unit/test_fdt_blob.hpp"

using fdt_test::Blob;
using fdt_test::node_at;
using test::Bytes;
using test::FakeRingDevice;
using test::FakeVirtioMmio;
using Version = FakeVirtioMmio::Version;

namespace {

/// The fixture's slots in tree order; the n-th interrupts at sources[n].
constexpr std::array<std::uintptr_t, 10> bases{0x4000'5000, 0x4000'1000, 0x4000'9000, 0x4000'3000, 0x4008'7000,
                                               0x4000'2000, 0x4000'8000, 0x4000'4000, 0x4000'6000, 0x5000'0000};
constexpr std::array<std::uint32_t, 10> sources{45, 41, 49, 43, 47, 42, 48, 44, 46, 60};
constexpr std::array<const char*, 10> paths{"/bus@40000000/virtio@5000",
                                            "/bus@40000000/virtio@1000",
                                            "/bus@40000000/virtio@9000",
                                            "/bus@40000000/virtio@3000",
                                            "/bus@40000000/bridge@80000/virtio@7000",
                                            "/bus@40000000/virtio@2000",
                                            "/bus@40000000/virtio@8000",
                                            "/bus@40000000/virtio@4000",
                                            "/bus@40000000/virtio@6000",
                                            "/virtio@50000000"};

/// A slot with a network device in it, rings included. Its address ends in the number of the slot.
struct Nic {
  FakeVirtioMmio registers;
  FakeRingDevice rings[2];

  Nic(Version version, std::size_t slot, test::DeviceMemory& memory)
      : registers{version, bases[slot]}, rings{FakeRingDevice{memory}, FakeRingDevice{memory}} {
    registers.offered |= (virtio::FeatureSet{virtio::Feature::net_mac, virtio::Feature::net_status}).bits();
    for (std::uint32_t i = 0; i < 6; i++)
      registers.set_config8(i, std::array<std::uint8_t, 6>{0x52, 0x54, 0, 0, 0, static_cast<std::uint8_t>(slot)}[i]);
    registers.set_config16(6, 1);
    registers.on_queue_ready = [this](unsigned index) { queue_ready(index); };
    registers.on_reset = [this] {
      for (FakeRingDevice& ring : rings)
        ring.stop();
    };
    for (FakeRingDevice& ring : rings)
      ring.on_interrupt = [this] { registers.raise_used(); };
  }
  void queue_ready(unsigned index) {
    const FakeVirtioMmio::Queue& queue = registers.queues[index];
    const auto size = static_cast<std::uint16_t>(queue.size);
    const bool legacy = registers.version_register == 1;
    rings[index].go_live(
        legacy ? FakeRingDevice::legacy_areas(std::uint64_t{queue.pfn} * registers.guest_page_size(), size, queue.align)
               : FakeRingDevice::Areas{size, queue.address[0], queue.address[1], queue.address[2]},
        registers.accepted().has(virtio::Feature::event_idx));
  }
};

} // namespace

TEST_GROUP(Interfaces) {
  static constexpr std::uint64_t bus_base = 0x8000'0000;
  struct alignas(4096) Page {
    std::byte bytes[4096];
  };

  test::CleanBus clean;
  std::vector<Page> pages{std::vector<Page>(160)};
  std::span<std::byte> bytes{pages.data()->bytes, pages.size() * sizeof(Page)};
  bsp::DmaArena arena{bytes, bsp::BusAddress{bus_base}};
  test::DeviceMemory memory{bytes, bus_base};
  irqchip::IrqchipStorage storage;
  test::FakePlic plic{95, 1};
  std::map<std::size_t, std::unique_ptr<Nic>> nics;
  std::unique_ptr<shell::Interfaces> interfaces{std::make_unique<shell::Interfaces>()};
  std::optional<irqchip::Controller> controller;
  std::vector<std::string> log;

  void setup() override {
    test::fake_cpu().reset();
    test::fake_bus().attach(0xc00'0000, 0x60'0000, plic);
    test::fake_cpu().map(0xc00'0000, 8);
    for (std::size_t slot = 0; slot < bases.size(); slot++) {
      plug(slot).registers.device_id = 0;
      test::fake_cpu().map(bases[slot], 4);
    }
    bsp::log::set_sink([](void* lines, bsp::log::Level,
                          std::string_view text) { static_cast<std::vector<std::string>*>(lines)->emplace_back(text); },
                       &log);
  }
  void teardown() override {
    bsp::log::set_sink(nullptr, nullptr);
    for (const auto& [slot, nic] : nics) {
      STRCMP_EQUAL("", nic->registers.violations().c_str());
      for (FakeRingDevice& ring : nic->rings) {
        ring.check();
        STRCMP_EQUAL("", ring.violations().c_str());
      }
    }
    STRCMP_EQUAL("", memory.breaches().c_str());
    STRCMP_EQUAL("", plic.error.c_str());
    interfaces.reset();
    test::fake_cpu().reset();
  }
  /// Puts a network device into a slot.
  Nic& plug(std::size_t slot, Version version = Version::modern) {
    nics.erase(slot);
    return *nics.emplace(slot, std::make_unique<Nic>(version, slot, memory)).first->second;
  }
  void bring_up(const Blob& blob, bool with_controller = true) {
    if (with_controller) controller = irqchip::find_controller(blob.tree(), 0, storage);
    CHECK_EQUAL(with_controller, controller.has_value());
    test::fake_bus().log.clear();
    interfaces->bring_up(blob.tree(), controller, arena, {.queue_size = 8, .mac_seed = 42});
  }
  void bring_up() {
    bring_up(Blob::fixture("interfaces"));
  }
  /// The slots of net0, net1, ... by the address each shows; "name" of each is checked.
  std::vector<std::size_t> order() const {
    std::vector<std::size_t> slots;
    for (const net::NetDevice* device : interfaces->devices()) {
      STRCMP_EQUAL(("net" + std::to_string(slots.size())).c_str(), std::string{device->name()}.c_str());
      slots.push_back(device->mac().octets[5]);
    }
    return slots;
  }
  /// "net0" or why nothing drives the slot.
  std::string listed(std::size_t slot) const {
    const shell::VirtioSlot& line = interfaces->slots()[slot];
    CHECK_EQUAL(bases[slot], line.address);
    CHECK(line.driver.empty() != line.reason.empty());
    return std::string{line.driver.empty() ? line.reason : line.driver};
  }
  /// All that was done to the slot's registers.
  static std::string trace_of(std::size_t slot) {
    std::string all;
    char word[32];
    for (const test::Event& event : test::fake_bus().log) {
      const bool load = event.kind == test::Event::Kind::load;
      if ((!load && event.kind != test::Event::Kind::store) || event.address - bases[slot] >= 0x200) continue;
      std::snprintf(word, sizeof word, "%s%c%03zx", all.empty() ? "" : " ", load ? 'r' : 'w',
                    static_cast<std::size_t>(event.address - bases[slot]));
      all += word;
    }
    return all;
  }
  /// A frame comes in at the slot's device and reaches this interface and no other; with an interrupt if there is a
  /// controller.
  void check_receives(std::size_t slot, std::size_t number) {
    Nic& nic = *nics[slot];
    const std::size_t header = nic.registers.version_register == 1 ? 10 : 12;
    Bytes frame(header + 60, static_cast<std::uint8_t>(0x40 + slot));
    std::fill_n(frame.begin(), header, std::uint8_t{0});
    const auto chains = nic.rings[0].take_available();
    CHECK(!chains.empty());
    for (net::NetDevice* device : interfaces->devices())
      CHECK_FALSE(device->prepare_idle(false));
    nic.rings[0].write(chains[0], frame);
    nic.rings[0].complete(chains[0], static_cast<std::uint32_t>(frame.size()));
    if (controller) {
      CHECK(nic.registers.line_raised());
      plic.lines.insert(sources[slot]);
      CHECK(plic.pin());
      const std::uint64_t before = interfaces->devices()[number]->stats().interrupts;
      raise_until_quiet(nic, slot);
      LONGS_EQUAL(before + 1, interfaces->devices()[number]->stats().interrupts);
    }
    for (std::size_t i = 0; i < interfaces->devices().size(); i++)
      LONGS_EQUAL(i == number ? 1 : 0, received(*interfaces->devices()[i], static_cast<std::uint8_t>(0x40 + slot)));
  }
  /// One interrupt; the line falls as the handler acknowledges.
  void raise_until_quiet(Nic & nic, std::size_t slot) {
    nic.registers.on_interrupt_ack = [this, slot] { plic.lines.erase(sources[slot]); };
    controller->chip->handle_external_interrupt();
    nic.registers.on_interrupt_ack = nullptr;
    CHECK_FALSE(plic.pin());
  }
  static std::size_t received(net::NetDevice & device, std::uint8_t fill) {
    return net::poll(device, 8, [fill](const net::RxFrame& frame) {
      LONGS_EQUAL(60, frame.length());
      LONGS_EQUAL(fill, std::to_integer<int>(frame.first.data[59]));
    });
  }
};

TEST(Interfaces, NumbersDevicesInTreeOrderAndConnectsEachToItsOwnInterrupt) {
  for (const std::size_t slot : {1, 4, 8})
    plug(slot);
  bring_up();
  CHECK((order() == std::vector<std::size_t>{1, 4, 8}));
  LONGS_EQUAL(10, interfaces->slots().size());
  STRCMP_EQUAL("net0", listed(1).c_str());
  STRCMP_EQUAL("net1", listed(4).c_str());
  STRCMP_EQUAL("net2", listed(8).c_str());
  check_receives(8, 2);
  check_receives(1, 0);
  check_receives(4, 1);
  LONGS_EQUAL(0, log.size());
}

// proves: MMIO-05
TEST(Interfaces, ListsEmptySlotsWithoutALineInTheLog) {
  bring_up();
  LONGS_EQUAL(0, interfaces->devices().size());
  LONGS_EQUAL(10, interfaces->slots().size());
  for (std::size_t slot = 0; slot < bases.size(); slot++) {
    STRCMP_EQUAL("empty slot", listed(slot).c_str());
    LONGS_EQUAL(2, interfaces->slots()[slot].version);
    LONGS_EQUAL(0, interfaces->slots()[slot].device_id);
    STRCMP_EQUAL("r000 r004 r008", trace_of(slot).c_str());
  }
  LONGS_EQUAL(0, log.size());
}

// proves: MMIO-33
TEST(Interfaces, DrivesADeviceWhereverTheTreePutsIt) {
  plug(0);
  bring_up(Blob::fixture("interfaces").with_cells(paths[0], "interrupts", {33}));
  CHECK(plic.enabled(33));
  CHECK_FALSE(plic.enabled(45));
  CHECK((order() == std::vector<std::size_t>{0}));
}

TEST(Interfaces, NumbersWhatAliasesNameFirst) {
  for (std::size_t slot = 0; slot < 6; slot++)
    plug(slot);
  const auto alias = [](const Blob& blob, const char* name, std::size_t slot) {
    return blob.with("/aliases", name, std::string_view{paths[slot], std::strlen(paths[slot]) + 1});
  };
  Blob blob = alias(Blob::fixture("interfaces"), "ethernet7", 1);
  blob = alias(blob, "ethernet0", 5);
  blob = alias(blob, "ethernet1", 9); // an empty slot takes no number
  blob = alias(blob, "ethernet2", 3);
  bring_up(blob);
  CHECK((order() == std::vector<std::size_t>{5, 3, 1, 0, 2, 4}));
  STRCMP_EQUAL("net5", listed(4).c_str());
  check_receives(5, 0);
}

TEST(Interfaces, BringsUpBothVersionsSideBySide) {
  plug(2, Version::legacy);
  plug(3);
  plug(9, Version::legacy);
  bring_up();
  CHECK((order() == std::vector<std::size_t>{2, 3, 9}));
  LONGS_EQUAL(1, interfaces->slots()[2].version);
  LONGS_EQUAL(2, interfaces->slots()[3].version);
  check_receives(2, 0);
  check_receives(3, 1);
  check_receives(9, 2);
}

TEST(Interfaces, LeavesDevicesOfOtherTypesAlone) {
  plug(0).registers.device_id = 2; // block
  plug(1);
  plug(2).registers.device_id = 4; // entropy
  bring_up();
  CHECK((order() == std::vector<std::size_t>{1}));
  for (const std::size_t slot : {0, 2}) {
    STRCMP_EQUAL("no driver for this device type", listed(slot).c_str());
    STRCMP_EQUAL("r000 r004 r008", trace_of(slot).c_str());
  }
  LONGS_EQUAL(2, interfaces->slots()[0].device_id);
  LONGS_EQUAL(4, interfaces->slots()[2].device_id);
  LONGS_EQUAL(0, log.size());
}

TEST(Interfaces, ListsWhatIsNoVirtioDeviceWithItsReason) {
  plug(0).registers.magic = 0;
  plug(1).registers.version_register = 3;
  plug(2);
  bring_up();
  STRCMP_EQUAL("MagicValue is not 0x74726976", listed(0).c_str());
  LONGS_EQUAL(0, interfaces->slots()[0].version);
  STRCMP_EQUAL("unsupported transport version", listed(1).c_str());
  LONGS_EQUAL(3, interfaces->slots()[1].version);
  CHECK((order() == std::vector<std::size_t>{2}));
}

TEST(Interfaces, GoesOnBehindADeviceThatFails) {
  plug(0);
  plug(1).registers.script.refuses_features = true;
  plug(2).registers.set_status(7); // live, and it stays so
  nics[2]->registers.script.reset_reads = FakeVirtioMmio::never;
  plug(3);
  bring_up();
  CHECK((order() == std::vector<std::size_t>{0, 3}));
  STRCMP_EQUAL("device rejected the features", listed(1).c_str());
  STRCMP_EQUAL("device did not finish its reset", listed(2).c_str());
  LONGS_EQUAL(2, log.size());
  STRCMP_EQUAL("virtio-mmio@40009000: device did not finish its reset", log[0].c_str());
  STRCMP_EQUAL("virtio-mmio@40001000: device rejected the features", log[1].c_str());
  CHECK((nics[1]->registers.status() & 128) != 0); // FAILED
  CHECK_FALSE(plic.enabled(sources[1]));
  check_receives(0, 0);
  check_receives(3, 1);
}

TEST(Interfaces, GoesOnBehindAMalformedNode) {
  for (std::size_t slot = 0; slot < 4; slot++)
    plug(slot);
  Blob blob = Blob::fixture("interfaces").with(paths[0], "reg", "");
  blob = blob.with_cells(paths[1], "interrupt-parent", {0x77});
  blob = blob.with_cells(paths[2], "interrupts", {0});
  bring_up(blob);
  CHECK((order() == std::vector<std::size_t>{3}));
  LONGS_EQUAL(9, interfaces->slots().size());
  STRCMP_EQUAL("no usable interrupt", std::string{interfaces->slots()[0].reason}.c_str());
  STRCMP_EQUAL("interrupt number out of range", std::string{interfaces->slots()[1].reason}.c_str());
  LONGS_EQUAL(3, log.size());
  STRCMP_EQUAL("/bus@40000000/virtio@5000: reg: property has a bad length", log[0].c_str());
  STRCMP_EQUAL("/bus@40000000/virtio@1000: interrupts: not at this hart's interrupt controller", log[1].c_str());
  STRCMP_EQUAL("virtio-mmio@40009000: interrupt number out of range", log[2].c_str());
  STRCMP_EQUAL("r000 r004 r008 w070 r070", trace_of(1).c_str()); // stopped, as every network device, and left so
  check_receives(3, 0);
}

TEST(Interfaces, LeavesADeviceAloneWhoseRegistersHaveNoRoomForItsConfiguration) {
  plug(0);
  plug(1);
  bring_up(Blob::fixture("interfaces").with_cells(paths[0], "reg", {0x5000, 0x110}));
  STRCMP_EQUAL("no room for its configuration", listed(0).c_str());
  STRCMP_EQUAL("r000 r004 r008 w070 r070", trace_of(0).c_str());
  CHECK((order() == std::vector<std::size_t>{1}));
}

TEST(Interfaces, StopsEveryLiveDeviceBeforeAnyMemoryIsHandedOut) {
  for (const std::size_t slot : {0, 1, 2})
    plug(slot).registers.set_status(7); // as U-Boot leaves them
  for (const std::size_t slot : {0, 1, 2})
    nics[slot]->registers.on_queue_ready = [this, slot](unsigned index) {
      for (const std::size_t other : {0, 1, 2})
        CHECK(nics[other]->registers.resets > 0);
      nics[slot]->queue_ready(index);
    };
  bring_up();
  CHECK((order() == std::vector<std::size_t>{0, 1, 2}));
}

TEST(Interfaces, StopsDevicesBeyondTheEighthAndLeavesThemAlone) {
  for (std::size_t slot = 0; slot < bases.size(); slot++)
    plug(slot);
  const Blob blob =
      Blob::fixture("interfaces").with("/aliases", "ethernet0", std::string_view{paths[9], std::strlen(paths[9]) + 1});
  bring_up(blob);
  CHECK((order() == std::vector<std::size_t>{9, 0, 1, 2, 3, 4, 5, 6}));
  for (const std::size_t slot : {7, 8}) {
    STRCMP_EQUAL("more network devices than interfaces", listed(slot).c_str());
    STRCMP_EQUAL("r000 r004 r008 w070 r070", trace_of(slot).c_str());
  }
  check_receives(9, 0);
  check_receives(6, 7);
}

TEST(Interfaces, GoesOnWhenMemoryRunsOut) {
  arena.assign(bytes.first(0x10000), bsp::BusAddress{bus_base}); // enough for one device
  plug(0);
  plug(1);
  bring_up();
  CHECK((order() == std::vector<std::size_t>{0}));
  STRCMP_EQUAL("out of DMA memory", listed(1).c_str());
  check_receives(0, 0);
}

TEST(Interfaces, PollsDevicesWhereThereIsNoController) {
  plug(0);
  plug(1, Version::legacy);
  bring_up(Blob::fixture("interfaces"), false);
  CHECK((order() == std::vector<std::size_t>{0, 1}));
  check_receives(0, 0);
  check_receives(1, 1);
  LONGS_EQUAL(0, log.size());
}

TEST(Interfaces, SaysWhichSlotsItHasNoRoomFor) {
  constexpr std::size_t more = shell::Interfaces::max_slots - bases.size() + 2;
  std::string room(32768, '\0');
  const Blob fixture = Blob::fixture("interfaces");
  LONGS_EQUAL(0, fdt_open_into(fixture.data(), room.data(), static_cast<int>(room.size())));
  for (std::size_t i = 0; i < more; i++) { // subnodes are put in front: the fixture's slots come last
    const int node = fdt_add_subnode(room.data(), 0, ("extra@" + std::to_string(i)).c_str());
    LONGS_EQUAL(0, fdt_setprop_string(room.data(), node, "compatible", "virtio,mmio"));
    LONGS_EQUAL(0, fdt_setprop_u64(room.data(), node, "reg", bases[0]));
    LONGS_EQUAL(0, fdt_appendprop_u64(room.data(), node, "reg", 0x200));
  }
  LONGS_EQUAL(0, fdt_pack(room.data()));
  bring_up(Blob{std::string_view{room}.substr(0, fdt_totalsize(room.data()))});
  LONGS_EQUAL(64, interfaces->slots().size());
  LONGS_EQUAL(2, log.size());
  STRCMP_EQUAL("virtio-mmio@40006000: left out, only 64 slots are looked at", log[0].c_str());
  STRCMP_EQUAL("virtio-mmio@50000000: left out, only 64 slots are looked at", log[1].c_str());
}
