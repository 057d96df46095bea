// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/sbi.hpp"

namespace bsp::sbi {

namespace {

// Function numbers, by extension.
constexpr std::uint64_t base_spec_version = 0;
constexpr std::uint64_t base_implementation_id = 1;
constexpr std::uint64_t base_implementation_version = 2;
constexpr std::uint64_t base_probe_extension = 3;
constexpr std::uint64_t time_set_timer = 0;
constexpr std::uint64_t reset_system_reset = 0;
constexpr std::uint64_t hart_start = 0;
constexpr std::uint64_t hart_stop = 1;
constexpr std::uint64_t hart_get_status = 2;
constexpr std::uint64_t console_write = 0;
constexpr std::uint64_t console_read = 1;
constexpr std::uint64_t console_write_byte = 2;

constexpr std::int64_t not_supported = -2;

Error error_of(const Reply& reply) {
  return reply.error == not_supported ? Error::not_supported_by_firmware : Error::firmware_call_failed;
}

std::uint64_t base_call(std::uint64_t function) {
  return ecall(Extension::base, function).value;
}

std::uint64_t address_of(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

constinit Console shared_console{};

} // namespace

std::uint32_t spec_version() {
  return static_cast<std::uint32_t>(base_call(base_spec_version));
}

std::uint64_t implementation_id() {
  return base_call(base_implementation_id);
}

std::uint64_t implementation_version() {
  return base_call(base_implementation_version);
}

bool has(Extension extension) {
  const Reply reply = ecall(Extension::base, base_probe_extension, static_cast<std::uint64_t>(extension));
  return reply.error == 0 && reply.value != 0;
}

void set_timer(std::uint64_t ticks) {
  // A missing extension answers at once and changes nothing, so there is no need to probe or to remember.
  if (ecall(Extension::time, time_set_timer, ticks).error != 0) ecall(Extension::legacy_set_timer, 0, ticks);
}

Error reset_system(ResetType type, ResetReason reason) {
  // Not probed: firmware may call the extension absent because one type is, while another works.
  return error_of(ecall(Extension::system_reset, reset_system_reset, static_cast<std::uint64_t>(type),
                        static_cast<std::uint64_t>(reason)));
}

Error power_off() {
  return reset_system(ResetType::shutdown, ResetReason::none);
}

Error reboot() {
  return reset_system(ResetType::cold_reboot, ResetReason::none);
}

Result<HartState> hart_state(std::uint64_t hart) {
  const Reply reply = ecall(Extension::hart_state, hart_get_status, hart);
  if (reply.error != 0) return fail(error_of(reply));
  if (reply.value > static_cast<std::uint64_t>(HartState::resume_pending)) return fail(Error::firmware_call_failed);
  return static_cast<HartState>(reply.value);
}

Result<void> start_hart(std::uint64_t hart, std::uint64_t address, std::uint64_t argument) {
  const Reply reply = ecall(Extension::hart_state, hart_start, hart, address, argument);
  if (reply.error != 0) return fail(error_of(reply));
  return {};
}

Error stop_this_hart() {
  return error_of(ecall(Extension::hart_state, hart_stop));
}

bool Console::is_debug_console() {
  if (kind_ == Kind::unknown) kind_ = has(Extension::debug_console) ? Kind::debug : Kind::legacy;
  return kind_ == Kind::debug;
}

void Console::write(std::string_view text) {
  if (!is_debug_console()) {
    for (const char c : text)
      ecall(Extension::legacy_console_putchar, 0, static_cast<std::uint8_t>(c));
    return;
  }
  // console_write may take a part, or nothing while the firmware is busy; console_write_byte waits
  // (SBI 2.0, 12.1, 12.3).
  while (!text.empty()) {
    const Reply reply = ecall(Extension::debug_console, console_write, text.size(), address_of(text.data()), 0);
    if (reply.error != 0 || reply.value > text.size()) return;
    text.remove_prefix(reply.value);
    if (reply.value != 0) continue;
    if (ecall(Extension::debug_console, console_write_byte, static_cast<std::uint8_t>(text.front())).error != 0) return;
    text.remove_prefix(1);
  }
}

std::optional<std::uint8_t> Console::read() {
  if (!is_debug_console()) {
    const std::int64_t character = ecall(Extension::legacy_console_getchar, 0).error;
    if (character < 0) return std::nullopt;
    return static_cast<std::uint8_t>(character);
  }
  std::uint8_t character = 0;
  const Reply reply = ecall(Extension::debug_console, console_read, 1, address_of(&character), 0);
  if (reply.error != 0 || reply.value != 1) return std::nullopt;
  return character;
}

Console& console() {
  return shared_console;
}

} // namespace bsp::sbi
