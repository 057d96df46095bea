// SPDX-License-Identifier: BSD-2-Clause
// An interrupt controller as drivers and the trap entry see it.
#pragma once

#include <cstdint>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/result.hpp"

namespace irqchip {

/// Runs in interrupt context: acknowledge, mask, flag; nothing else.
struct Handler {
  void (*function)(void* context){nullptr};
  void* context{nullptr};
};

/// One registered handler, for the `irq` command.
struct SourceInfo {
  std::uint32_t source;
  std::string_view name;
  std::uint64_t count; ///< interrupts of this source since boot
};

class Irqchip {
 public:
  /// Adds a handler and enables the source. Several handlers may share one source: all are called on each interrupt.
  /// `name` must outlive the controller. Error::interrupt_out_of_range, Error::interrupt_table_full.
  [[nodiscard]] virtual bsp::Result<void> attach(std::uint32_t source, Handler handler, std::string_view name) = 0;
  /// Removes every handler with this context from the source; disables the source if it was the last.
  virtual void detach(std::uint32_t source, void* context) = 0;
  /// The trap entry calls this for a supervisor external interrupt: claims, dispatches and completes until nothing is
  /// pending (bounded).
  virtual void handle_external_interrupt() = 0;
  /// A source that stays pending through a whole call is switched off for a while, so that the main loop gets its turn
  /// and looks at the devices by itself. service() switches it on again once that time is over: the main loop calls it
  /// in every round and sleeps no longer than until next_wake(), which is never when nothing is off.
  virtual void service() {}
  [[nodiscard]] virtual bsp::Deadline next_wake() const { return bsp::Deadline::never(); }
  /// How often that happened since boot.
  [[nodiscard]] virtual std::uint64_t storm_count() const { return 0; }
  /// Claims that returned 0 (spurious), and claims of a source without handler, since boot.
  [[nodiscard]] virtual std::uint64_t spurious_count() const = 0;
  [[nodiscard]] virtual std::uint64_t unhandled_count() const = 0;
  /// Handlers in the order of attachment: index 0, 1, ... until false.
  [[nodiscard]] virtual bool source_info(std::size_t index, SourceInfo& out) const = 0;
  [[nodiscard]] virtual std::string_view name() const = 0;

 protected:
  ~Irqchip() = default;
};

} // namespace irqchip
