// SPDX-License-Identifier: BSD-2-Clause
// The firmware's services (RISC-V SBI specification 2.0). Older firmware lacks some; each call says what it does then.
// On the host ecall() is defined by the tests (tests/support/fake_sbi.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "bsp/result.hpp"

namespace bsp::sbi {

/// What a call returns in a0 and a1. Legacy calls (extensions 0 to 15) have no value, and their result in `error`.
struct Reply {
  std::int64_t error;
  std::uint64_t value;
};

enum class Extension : std::uint64_t {
  legacy_set_timer = 0x00,
  legacy_console_putchar = 0x01,
  legacy_console_getchar = 0x02,
  base = 0x10,
  debug_console = 0x4442434e, // "DBCN"
  hart_state = 0x48534d,      // "HSM"
  system_reset = 0x53525354,  // "SRST"
  time = 0x54494d45,          // "TIME"
};

#if defined(__riscv)
inline Reply ecall(Extension extension, std::uint64_t function, std::uint64_t argument0 = 0,
                   std::uint64_t argument1 = 0, std::uint64_t argument2 = 0) {
  register std::uint64_t a0 asm("a0") = argument0;
  register std::uint64_t a1 asm("a1") = argument1;
  register std::uint64_t a2 asm("a2") = argument2;
  register std::uint64_t a6 asm("a6") = function;
  register std::uint64_t a7 asm("a7") = static_cast<std::uint64_t>(extension);
  asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a6), "r"(a7) : "memory");
  return {static_cast<std::int64_t>(a0), a1};
}
#else
Reply ecall(Extension extension, std::uint64_t function, std::uint64_t argument0 = 0, std::uint64_t argument1 = 0,
            std::uint64_t argument2 = 0);
#endif

// ---- base
// ------------------------------------------------------------------------------------------------------------
/// major << 24 | minor.
[[nodiscard]] std::uint32_t spec_version();
/// 1 is OpenSBI.
[[nodiscard]] std::uint64_t implementation_id();
/// OpenSBI: major << 16 | minor.
[[nodiscard]] std::uint64_t implementation_version();
[[nodiscard]] bool has(Extension extension);

// ---- timer
// -----------------------------------------------------------------------------------------------------------
/// The next timer interrupt of this hart, in ticks of `time`; takes back a pending one. Uses the legacy call where the
/// TIME extension is missing.
void set_timer(std::uint64_t ticks);

// ---- system reset
// ----------------------------------------------------------------------------------------------------
enum class ResetType : std::uint32_t { shutdown = 0, cold_reboot = 1, warm_reboot = 2 };
enum class ResetReason : std::uint32_t { none = 0, system_failure = 1 };

/// These return only on failure: Error::not_supported_by_firmware or Error::firmware_call_failed.
[[nodiscard]] Error reset_system(ResetType type, ResetReason reason);
[[nodiscard]] Error power_off();
/// A cold reboot.
[[nodiscard]] Error reboot();

// ---- harts
// -----------------------------------------------------------------------------------------------------------
enum class HartState : std::uint8_t {
  started,
  stopped,
  start_pending,
  stop_pending,
  suspended,
  suspend_pending,
  resume_pending,
};

[[nodiscard]] Result<HartState> hart_state(std::uint64_t hart);
/// The hart enters `address` (physical) in S-mode, MMU and interrupts off, with its id in a0 and `argument` in a1.
[[nodiscard]] Result<void> start_hart(std::uint64_t hart, std::uint64_t address, std::uint64_t argument);
/// Stops the calling hart, interrupts off; returns only on failure.
[[nodiscard]] Error stop_this_hart();

// ---- console
// ---------------------------------------------------------------------------------------------------------
/// The firmware's console: the debug console extension, else the legacy calls (which firmware without them ignores).
class Console {
 public:
  constexpr Console() = default;
  /// Writes everything, waiting for the firmware; `text` as it is. Gives up on what a failing firmware refuses.
  void write(std::string_view text);
  /// One character if there is one; never waits.
  [[nodiscard]] std::optional<std::uint8_t> read();
  [[nodiscard]] bool is_debug_console();

 private:
  enum class Kind : std::uint8_t { unknown, legacy, debug };
  Kind kind_{Kind::unknown};
};

/// The one that log and panic share.
[[nodiscard]] Console& console();

} // namespace bsp::sbi
