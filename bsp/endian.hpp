// SPDX-License-Identifier: BSD-2-Clause
// Little-endian words as VIRTIO 1.x lays them out (VIRTIO 1.3, 2.7.3), and host order for network headers (big-endian).
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

#include "bsp/shared.hpp"

namespace bsp {

template <std::unsigned_integral T> [[nodiscard]] constexpr T byteswap(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <std::unsigned_integral T> [[nodiscard]] constexpr T little_endian(T value) {
  return std::endian::native == std::endian::little ? value : byteswap(value);
}

/// A little-endian word in memory shared with a device: every load and store is explicit and happens once.
template <std::unsigned_integral T> class Le {
 public:
  constexpr Le() = default;
  constexpr explicit Le(T value) : raw_{little_endian(value)} {}
  [[nodiscard]] T load() const { return little_endian(load_once(raw_)); }
  /// As load(), and store() of the low bits, for loops where each instruction counts (shared.hpp).
  [[nodiscard]] std::uint64_t load_wide() const requires(sizeof(T) == 2 || sizeof(T) == 4) {
    static_assert(std::endian::native == std::endian::little);
    return load_once_wide(raw_);
  }
  void store_low(std::uint64_t value) requires(sizeof(T) == 2) {
    static_assert(std::endian::native == std::endian::little);
    store_once_low(raw_, value);
  }
  void store(T value) { store_once(raw_, little_endian(value)); }

 private:
  T raw_{0};
};

using le16 = Le<std::uint16_t>;
using le32 = Le<std::uint32_t>;
using le64 = Le<std::uint64_t>;
static_assert(sizeof(le16) == 2 && sizeof(le32) == 4 && sizeof(le64) == 8);

} // namespace bsp
