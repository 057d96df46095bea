// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_mmio.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "bsp/barrier.hpp"
#include "bsp/mmio.hpp"
#include "bsp/shared.hpp"

namespace test {

FakeBus& fake_bus() {
  static FakeBus bus;
  return bus;
}

const char* to_string(Fence fence) {
  switch (fence) {
  case Fence::before_publish:
    return "before_publish";
  case Fence::before_suppression_check:
    return "before_suppression_check";
  case Fence::after_enabling_notifications:
    return "after_enabling_notifications";
  case Fence::after_used_index:
    return "after_used_index";
  case Fence::before_doorbell:
    return "before_doorbell";
  case Fence::after_register_read:
    return "after_register_read";
  case Fence::full:
    return "full";
  }
  return "?";
}

void FakeBus::attach(std::uintptr_t base, std::size_t size, MmioDevice& device) {
  windows_.push_back({base, size, &device});
}

void FakeBus::detach(const MmioDevice& device) {
  std::erase_if(windows_, [&](const Window& window) { return window.device == &device; });
}

void FakeBus::reset() {
  *this = FakeBus{};
}

const FakeBus::Window* FakeBus::find(std::uintptr_t address) const {
  for (const Window& window : windows_)
    if (address >= window.base && address - window.base < window.size) return &window;
  std::fprintf(stderr, "access outside every register window: %#zx\n", static_cast<std::size_t>(address));
  std::abort();
}

std::size_t FakeBus::count(Event::Kind kind, std::uintptr_t address) const {
  return static_cast<std::size_t>(std::count_if(
      log.begin(), log.end(), [&](const Event& event) { return event.kind == kind && event.address == address; }));
}

std::uint64_t FakeBus::mmio_load(std::uintptr_t address, unsigned width) {
  const Window* window = find(address);
  const std::uint64_t value = window->device->load(static_cast<std::uint32_t>(address - window->base), width);
  if (log_enabled) log.push_back({Event::Kind::load, address, width, value, {}});
  return value;
}

void FakeBus::mmio_store(std::uintptr_t address, unsigned width, std::uint64_t value) {
  const Window* window = find(address);
  if (log_enabled) log.push_back({Event::Kind::store, address, width, value, {}});
  window->device->store(static_cast<std::uint32_t>(address - window->base), width, value);
}

void FakeBus::fence(Fence fence) {
  if (log_enabled) log.push_back({Event::Kind::fence, 0, 0, 0, fence});
  if (on_fence) on_fence(fence);
}

void FakeBus::shared(Event::Kind kind, const void* address, std::size_t width) {
  if (log_shared) log.push_back({kind, reinterpret_cast<std::uintptr_t>(address), static_cast<unsigned>(width), 0, {}});
  const auto& hook = kind == Event::Kind::shared_load ? on_shared_load : on_shared_store;
  if (hook) hook(address, width);
}

} // namespace test

namespace bsp {

namespace host {
std::uint64_t mmio_load(std::uintptr_t address, unsigned width) {
  return test::fake_bus().mmio_load(address, width);
}
void mmio_store(std::uintptr_t address, unsigned width, std::uint64_t value) {
  test::fake_bus().mmio_store(address, width, value);
}
void on_shared_load(const void* address, std::size_t width) {
  test::fake_bus().shared(test::Event::Kind::shared_load, address, width);
}
void on_shared_store(const void* address, std::size_t width) {
  test::fake_bus().shared(test::Event::Kind::shared_store, address, width);
}
} // namespace host

namespace barrier {
void before_publish() {
  test::fake_bus().fence(test::Fence::before_publish);
}
void before_suppression_check() {
  test::fake_bus().fence(test::Fence::before_suppression_check);
}
void after_enabling_notifications() {
  test::fake_bus().fence(test::Fence::after_enabling_notifications);
}
void after_used_index() {
  test::fake_bus().fence(test::Fence::after_used_index);
}
void before_doorbell() {
  test::fake_bus().fence(test::Fence::before_doorbell);
}
void after_register_read() {
  test::fake_bus().fence(test::Fence::after_register_read);
}
void full() {
  test::fake_bus().fence(test::Fence::full);
}
} // namespace barrier

} // namespace bsp
