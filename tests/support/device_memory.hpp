// SPDX-License-Identifier: BSD-2-Clause
// The DMA memory of a test as a device sees it: by bus address, little-endian, and nothing outside of it. A CPU pointer
// given to a device, or a bus address past the arena, is a breach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

namespace test {

class DeviceMemory {
 public:
  /// `bus` is the address of the first byte as the device sees it: not the CPU's, so that mixing them up shows.
  DeviceMemory(std::span<std::byte> memory, std::uint64_t bus) : memory_{memory}, bus_{bus} {}

  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length) const {
    return address >= bus_ && address - bus_ <= memory_.size() && length <= memory_.size() - (address - bus_);
  }
  /// Null, and a breach, unless all of [address, address + length) is there.
  [[nodiscard]] std::byte* at(std::uint64_t address, std::uint64_t length) {
    if (contains(address, length)) return memory_.data() + (address - bus_);
    char line[100];
    std::snprintf(line, sizeof line, "the device was given %#llx + %llu, which is no DMA memory\n",
                  static_cast<unsigned long long>(address), static_cast<unsigned long long>(length));
    breaches_ += line;
    return nullptr;
  }
  [[nodiscard]] std::uint64_t load(std::uint64_t address, unsigned width) {
    const std::byte* const bytes = at(address, width);
    std::uint64_t value = 0;
    for (unsigned i = 0; bytes != nullptr && i < width; i++)
      value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    return value;
  }
  void store(std::uint64_t address, unsigned width, std::uint64_t value) {
    std::byte* const bytes = at(address, width);
    for (unsigned i = 0; bytes != nullptr && i < width; i++)
      bytes[i] = static_cast<std::byte>(value >> (8 * i));
  }
  [[nodiscard]] const std::string& breaches() const { return breaches_; }
  void forget_breaches() { breaches_.clear(); }

 private:
  std::span<std::byte> memory_;
  std::uint64_t bus_;
  std::string breaches_;
};

} // namespace test
