// SPDX-License-Identifier: BSD-2-Clause
// Stands on the bus before a FakeVirtioMmio, for as long as it lives, and counts the accesses to it.
#pragma once

#include <cstdint>
#include <functional>

#include "tests/support/fake_virtio_mmio.hpp"

namespace test {

class CountingBridge final : public MmioDevice {
 public:
  explicit CountingBridge(FakeVirtioMmio& device) : device_{device} {
    fake_bus().detach(device);
    fake_bus().attach(device.base(), 0x200, *this);
  }
  ~CountingBridge() override {
    fake_bus().detach(*this);
    fake_bus().attach(device_.base(), 0x200, device_);
  }
  CountingBridge(const CountingBridge&) = delete;
  CountingBridge& operator=(const CountingBridge&) = delete;

  std::uint64_t load(std::uint32_t offset, unsigned width) override {
    count();
    return device_.load(offset, width);
  }
  void store(std::uint32_t offset, unsigned width, std::uint64_t value) override {
    count();
    device_.store(offset, width, value);
  }

  unsigned accesses{0};
  unsigned strikes_at{UINT32_MAX}; ///< the number of the access before which `strike` is called
  std::function<void()> strike;

 private:
  void count() {
    if (accesses++ == strikes_at) strike();
  }
  FakeVirtioMmio& device_;
};

} // namespace test
