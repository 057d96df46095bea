// SPDX-License-Identifier: BSD-2-Clause
// The fake device itself: that it does refuse what the standard refuses, so that its silence in other tests means
// something.
#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "bsp/mmio.hpp"
#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_ring_device.hpp"
#include "tests/support/fake_virtio_mmio.hpp"

#include <CppUTest/TestHarness.h>

using test::FakeVirtioMmio;

TEST_GROUP(FakeVirtioMmio) {
  test::CleanBus clean;
  FakeVirtioMmio device{FakeVirtioMmio::Version::modern};
  std::uint64_t accepts{std::uint64_t{1} << 32};

  void accept(unsigned bit) {
    accepts |= std::uint64_t{1} << bit;
    device.offered |= accepts;
  }
  void write(std::uint32_t offset, std::uint32_t value) {
    bsp::mmio_store<std::uint32_t>(device.base() + offset, value);
  }
  std::uint32_t read(std::uint32_t offset) {
    return bsp::mmio_load<std::uint32_t>(device.base() + offset);
  }
  void reach(std::uint32_t status) {
    write(0x70, 0);
    while (read(0x70) != 0) {
    }
    for (const std::uint32_t step : {1U, 3U, 11U, 15U}) {
      if (step > status) break;
      write(0x70, step);
      if (step != 3) continue;
      write(0x24, 1);
      write(0x20, static_cast<std::uint32_t>(accepts >> 32));
    }
    device.take_violations();
  }
  void set_queue_up() {
    write(0x30, 0);
    write(0x38, 8);
    for (const std::uint32_t area : {0x80U, 0x90U, 0xa0U}) {
      write(area, 0x8000'0000);
      write(area + 4, 0);
    }
    write(0x44, 1);
  }
  void refuses(std::uint32_t status, const char* complaint, const std::function<void()>& access) {
    reach(status);
    access();
    const std::string said = device.take_violations();
    if (said.find(complaint) == std::string::npos) FAIL((std::string{complaint} + " expected, got: " + said).c_str());
  }
};

TEST(FakeVirtioMmio, TakesAnOrderlyDriverSilently) {
  reach(11);
  set_queue_up();
  write(0x70, 15);
  write(0x50, 0);
  device.raise_used();
  LONGS_EQUAL(1, read(0x60));
  write(0x64, 1);
  STRCMP_EQUAL("", device.violations().c_str());
}

TEST(FakeVirtioMmio, RefusesAccessesThatTheRegisterTableDoesNotHave) {
  refuses(11, "which is no register", [&] { read(0xac); });
  refuses(11, "which is no register", [&] { read(0xc0); });
  refuses(11, "which is no register", [&] { write(0x28, 4096); });
  refuses(11, "which is no register", [&] { write(0x40, 1); });
  refuses(11, "with width", [&] { static_cast<void>(bsp::mmio_load<std::uint8_t>(device.base() + 0x70)); });
  refuses(11, "with width", [&] { static_cast<void>(bsp::mmio_load<std::uint64_t>(device.base() + 0x60)); });
  refuses(11, "is read-only", [&] { write(0x60, 1); });
  refuses(11, "is write-only", [&] { read(0x30); });
  refuses(11, "is write-only", [&] { read(0x80); });
}

TEST(FakeVirtioMmio, RefusesAWrongOrderOfTheInitialization) {
  refuses(0, "DRIVER set before ACKNOWLEDGE", [&] { write(0x70, 2); });
  refuses(1, "FEATURES_OK set out of order", [&] { write(0x70, 9); });
  refuses(3, "DRIVER_OK set out of order", [&] { write(0x70, 7); });
  refuses(11, "drops a bit", [&] { write(0x70, 5); });
  refuses(11, "does not have", [&] { write(0x70, 27); });
  refuses(1, "DeviceFeatures read before DRIVER", [&] { read(0x10); });
  refuses(3, "DeviceFeatures read without", [&] { read(0x10); });
  refuses(3, "DriverFeatures written without", [&] { write(0x20, 0); });
  refuses(11, "after negotiation was over", [&] {
    write(0x24, 0);
    write(0x20, 0);
  });
  refuses(3, "which were not offered", [&] {
    write(0x24, 0);
    write(0x20, 1);
  });
  refuses(3, "before the features were settled", [&] { write(0x30, 0); });
  refuses(15, "queue set up after DRIVER_OK", [&] {
    write(0x30, 0);
    write(0x38, 8);
  });
  refuses(11, "notification before DRIVER_OK", [&] { write(0x50, 0); });
  refuses(11, "after FAILED", [&] {
    write(0x70, 11 | 128);
    write(0x30, 0);
  });
  refuses(11, "before the reset was done", [&] {
    device.script.reset_reads = 3;
    write(0x70, 0);
    write(0x24, 0);
    device.script.reset_reads = 0;
  });
}

TEST(FakeVirtioMmio, RefusesQueuesThatAreSetUpWrongly) {
  refuses(11, "without QueueSel", [&] { read(0x34); });
  refuses(11, "is above QueueSizeMax", [&] {
    write(0x30, 0);
    write(0x38, 512);
  });
  refuses(11, "is not a power of two", [&] {
    write(0x30, 0);
    write(0x38, 6);
  });
  refuses(11, "before both halves", [&] {
    write(0x30, 0);
    write(0x38, 8);
    write(0x44, 1);
  });
  refuses(11, "while the queue is in use", [&] {
    set_queue_up();
    write(0x80, 0);
  });
  refuses(11, "was read back", [&] {
    set_queue_up();
    write(0x44, 0);
    write(0x30, 1);
  });
}

TEST(FakeVirtioMmio, RefusesNotificationsThatNameNoQueue) {
  const auto notify = [&](std::uint32_t value) {
    set_queue_up();
    write(0x70, 15);
    write(0x50, value);
  };
  refuses(11, "names no queue", [&] { notify(2); });
  refuses(11, "names no queue", [&] { notify(0x0001'0000); }); // NOTIFICATION_DATA was not accepted
  refuses(11, "not set up", [&] { notify(1); });
  accept(38);
  refuses(11, "names no queue", [&] { notify(0x0001'0002); });
  unsigned notified = 99;
  device.on_notify = [&](unsigned queue) { notified = queue; };
  reach(11);
  notify(0x8001'0000);
  LONGS_EQUAL(0, notified);
  STRCMP_EQUAL("", device.violations().c_str());
}

TEST(FakeVirtioMmio, RefusesAQueueResetThatIsNotWaitedFor) {
  device.script.queue_reset_reads = 2;
  const auto reset_queue = [&] {
    set_queue_up();
    write(0x70, 15);
    write(0xc0, 1);
  };
  accept(40);
  refuses(11, "QueueReset 2", [&] {
    write(0x30, 0);
    write(0x70, 15);
    write(0xc0, 2);
  });
  refuses(11, "before the queue's reset was done", [&] {
    reset_queue();
    LONGS_EQUAL(1, read(0xc0));
    write(0x38, 8);
  });
  refuses(11, "is being reset", [&] {
    reset_queue();
    write(0x50, 0);
  });
  refuses(11, "before both halves", [&] { // nothing of the old set-up is left
    reset_queue();
    while (read(0xc0) != 0) {
    }
    LONGS_EQUAL(0, read(0x44));
    write(0x38, 8);
    write(0x44, 1);
  });
}

TEST(FakeVirtioMmio, TakesAQueueSizeThatIsNoPowerOfTwoOnlyForPackedRings) {
  const auto set_size = [&] {
    write(0x30, 0);
    write(0x38, 100);
  };
  refuses(11, "is not a power of two", set_size);
  accept(34);
  reach(11);
  set_size();
  STRCMP_EQUAL("", device.violations().c_str());
}

TEST(FakeVirtioMmio, RefusesWrongAccessesToTheConfiguration) {
  refuses(3, "is not the start of a field",
          [&] { static_cast<void>(bsp::mmio_load<std::uint8_t>(device.base() + 0x107)); });
  refuses(3, "with width", [&] { read(0x100); });
  refuses(3, "feature is not offered",
          [&] { static_cast<void>(bsp::mmio_load<std::uint16_t>(device.base() + 0x106)); });
  refuses(3, "written", [&] { bsp::mmio_store<std::uint8_t>(device.base() + 0x100, 0); });
}

TEST(FakeVirtioMmio, RefusesAcknowledgesOfWhatWasNotSeen) {
  refuses(11, "undefined bits", [&] { write(0x64, 4); });
  refuses(11, "not seen", [&] {
    device.raise_used();
    write(0x64, 1);
  });
}

TEST(FakeVirtioMmio, RefusesToBeTouchedInAnEmptySlot) {
  device.device_id = 0;
  read(0x0c);
  CHECK(device.take_violations().find("slot is empty") != std::string::npos);
}

TEST_GROUP(FakeRingDevice) {
  std::vector<std::byte> bytes = std::vector<std::byte>(4096);
  test::DeviceMemory memory{bytes, 0x8000'0000};
  test::FakeRingDevice ring{memory};

  void setup() override {
    ring.go_live({4, 0x8000'0000, 0x8000'0040, 0x8000'0050}, false);
  }
  void descriptor(unsigned index, std::uint64_t address, std::uint32_t length, unsigned flags, unsigned next) {
    const std::uint64_t at = 0x8000'0000U + 16U * index;
    memory.store(at, 8, address);
    memory.store(at + 8, 4, length);
    memory.store(at + 12, 2, flags);
    memory.store(at + 14, 2, next);
  }
  void expose(unsigned head) {
    const std::uint16_t idx = ring.avail_idx();
    memory.store(0x8000'0044U + 2U * (idx & 3U), 2, head);
    memory.store(0x8000'0042U, 2, idx + 1U);
    ring.take_available();
  }
  void refuses(const char* complaint) {
    const std::string said = ring.take_violations() + memory.breaches();
    if (said.find(complaint) == std::string::npos) FAIL((std::string{complaint} + " expected, got: " + said).c_str());
  }
};

TEST(FakeRingDevice, RefusesAChainThatLoops) {
  descriptor(0, 0x8000'0200, 16, 1, 0);
  expose(0);
  refuses("the chain loops");
}

TEST(FakeRingDevice, RefusesAReadableDescriptorAfterAWritableOne) {
  descriptor(0, 0x8000'0200, 16, 3, 1);
  descriptor(1, 0x8000'0300, 16, 0, 0);
  expose(0);
  refuses("after a writable one");
}

TEST(FakeRingDevice, RefusesAddressesOutsideItsMemoryAndIndirectDescriptors) {
  descriptor(0, reinterpret_cast<std::uintptr_t>(bytes.data()), 16, 0, 0);
  expose(0);
  refuses("which is no DMA memory");
  descriptor(1, 0x8000'0200, 16, 4, 0);
  expose(1);
  refuses("descriptor flags 4");
}

TEST(FakeRingDevice, RefusesIndirectTablesThatBreakTheirRules) {
  const auto table = [&](unsigned index, unsigned flags, unsigned next) {
    const std::uint64_t at = 0x8000'0400U + 16U * index;
    memory.store(at, 8, 0x8000'0200);
    memory.store(at + 8, 4, 16);
    memory.store(at + 12, 2, flags);
    memory.store(at + 14, 2, next);
  };
  const auto refuses_table = [&](const char* complaint, std::uint32_t length, unsigned flags = 4,
                                 bool in_order = false) {
    std::ranges::fill(bytes, std::byte{0});
    ring.go_live({4, 0x8000'0000, 0x8000'0040, 0x8000'0050}, {.indirect = true, .in_order = in_order});
    for (unsigned i = 0; i < 8; i++)
      table(i, i < 7, i + 1);
    descriptor(0, 0x8000'0400, length, flags, 0);
    if (std::string_view{complaint} == "flags 4") table(1, 4, 0);
    if (std::string_view{complaint} == "an indirect chain loops") table(1, 1, 0);
    if (std::string_view{complaint} == "out of sequence") table(0, 1, 2);
    expose(0);
    refuses(complaint);
  };
  refuses_table("INDIRECT together with NEXT", 32, 5);
  refuses_table("an indirect table of 0 bytes", 0);
  refuses_table("an indirect table of 40 bytes", 40);
  refuses_table("leaves its table", 48);
  refuses_table("longer than the queue", 128);
  refuses_table("an indirect chain loops", 64);
  refuses_table("out of sequence", 64, 4, true);
  refuses_table("flags 4", 64);
}

TEST(FakeRingDevice, RefusesChainsOutOfTableOrder) {
  ring.go_live({4, 0x8000'0000, 0x8000'0040, 0x8000'0050}, {.in_order = true});
  descriptor(0, 0x8000'0200, 16, 1, 2);
  descriptor(2, 0x8000'0200, 16, 0, 0);
  expose(0);
  refuses("descriptor 2 is out of table order");
}

TEST(FakeRingDevice, RefusesATestThatCompletesOutOfOrder) {
  ring.go_live({4, 0x8000'0000, 0x8000'0040, 0x8000'0050}, {.in_order = true});
  descriptor(0, 0x8000'0200, 16, 0, 0);
  descriptor(1, 0x8000'0200, 16, 0, 0);
  expose(0);
  expose(1);
  STRCMP_EQUAL("", ring.violations().c_str());
  ring.complete({.head = 1, .pieces = {}}, 0);
  refuses("out of order");
}

TEST(FakeRingDevice, RefusesANotificationWithAnotherAvailableIndex) {
  descriptor(0, 0x8000'0200, 16, 0, 0);
  expose(0);
  ring.check_notification(0x0001'0000);
  STRCMP_EQUAL("", ring.violations().c_str());
  ring.check_notification(0x0002'0000);
  refuses("available index 2");
}

TEST(FakeRingDevice, NoticesWritesToWhatItOwns) {
  descriptor(0, 0x8000'0200, 16, 0, 0);
  expose(0);
  STRCMP_EQUAL("", ring.violations().c_str());
  memory.store(0x8000'0008, 4, 17);
  ring.check();
  refuses("changed while in flight");
  memory.store(0x8000'0008, 4, 16);
  memory.store(0x8000'0052, 2, 1);
  ring.check();
  refuses("wrote the used area");
}

TEST(FakeRingDevice, NoticesAnIndexThatJumps) {
  memory.store(0x8000'0042, 2, 5);
  ring.check();
  refuses("the available index jumped");
}
