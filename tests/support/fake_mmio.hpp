// SPDX-License-Identifier: BSD-2-Clause
// The bus of the host tests: register windows at chosen addresses, and a log of every access, barrier and mark in one
// order.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace test {

/// A fake device's registers. `offset` is from the window's start, `width` in bytes.
class MmioDevice {
 public:
  virtual ~MmioDevice() = default;
  virtual std::uint64_t load(std::uint32_t offset, unsigned width) = 0;
  virtual void store(std::uint32_t offset, unsigned width, std::uint64_t value) = 0;
};

enum class Fence {
  before_publish,
  before_suppression_check,
  after_enabling_notifications,
  after_used_index,
  before_doorbell,
  after_register_read,
  full
};
[[nodiscard]] const char* to_string(Fence fence);

struct Event {
  enum class Kind { load, store, fence, shared_load, shared_store } kind;
  std::uintptr_t address{0}; ///< load, store: absolute; shared_*: the host pointer
  unsigned width{0};
  std::uint64_t value{0}; ///< load: what was read; store: what was written
  Fence fence{};
};

class FakeBus {
 public:
  void attach(std::uintptr_t base, std::size_t size, MmioDevice& device);
  void detach(const MmioDevice& device);
  /// Forgets devices, hooks and the log. Call in setup() of a test group.
  void reset();

  /// Called at each barrier, after it was logged: where a fake device plays its half of the ring.
  std::function<void(Fence)> on_fence;
  /// Called before each access to shared memory: where a hostile device changes a word between two looks.
  std::function<void(const void*, std::size_t)> on_shared_load;
  std::function<void(const void*, std::size_t)> on_shared_store;

  std::vector<Event> log;
  bool log_shared{false}; ///< shared memory accesses fill the log quickly: off unless asked for
  bool log_enabled{true};

  [[nodiscard]] std::size_t count(Event::Kind kind, std::uintptr_t address) const;

  std::uint64_t mmio_load(std::uintptr_t address, unsigned width);
  void mmio_store(std::uintptr_t address, unsigned width, std::uint64_t value);
  void fence(Fence fence);
  void shared(Event::Kind kind, const void* address, std::size_t width);

 private:
  struct Window {
    std::uintptr_t base;
    std::size_t size;
    MmioDevice* device;
  };
  const Window* find(std::uintptr_t address) const;
  std::vector<Window> windows_;
};

FakeBus& fake_bus();

} // namespace test
