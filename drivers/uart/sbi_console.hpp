// SPDX-License-Identifier: BSD-2-Clause
// The firmware's console as a CharDevice, for machines whose tree names no UART that we can drive. Always polled.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bsp/sbi.hpp"
#include "drivers/uart/char_device.hpp"

namespace uart {

class SbiConsole final : public CharDevice {
 public:
  explicit SbiConsole(bsp::sbi::Console& console = bsp::sbi::console()) : console_{console} {}

  [[nodiscard]] std::size_t read(std::span<char> out) override;
  [[nodiscard]] bool has_input() override;
  void write(std::string_view text) override { console_.write(text); }
  void handle_interrupt() override {}
  void enable_receive_interrupt() override {}
  [[nodiscard]] bool is_polled() const override { return true; }
  [[nodiscard]] std::string_view name() const override { return "sbi"; }
  [[nodiscard]] std::uint64_t receive_overruns() const override { return 0; } // the firmware does not tell

 private:
  bsp::sbi::Console& console_;
  /// What has_input() found: the firmware has no way to look without taking.
  std::optional<std::uint8_t> next_{};
};

} // namespace uart
