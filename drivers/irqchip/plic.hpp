// SPDX-License-Identifier: BSD-2-Clause
// The platform-level interrupt controller (RISC-V PLIC Specification 1.0.0), as one context of it sees it.
//
// Knows no device tree. Only the context it was given is touched, besides the priorities, which all contexts share.
// attach() and detach() belong to the main loop, handle_external_interrupt() to the trap entry of the same hart.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/mmio.hpp"
#include "bsp/result.hpp"
#include "drivers/irqchip/irqchip.hpp"

namespace irqchip {

struct PlicConfig {
  std::uintptr_t base;
  std::uint64_t size;    ///< of the register window, in bytes
  std::uint32_t sources; ///< the highest source number; source 0 does not exist
  std::uint32_t context; ///< the boot hart's S-mode context
};

class Plic final : public Irqchip {
 public:
  static constexpr std::uint32_t max_sources = 1023;
  static constexpr std::uint32_t max_contexts = 15872;
  static constexpr std::size_t max_handlers = 64;
  /// Claims served in one call. A source that is still pending then would trap again before one instruction of the
  /// main loop has run, so it is switched off for storm_pause_us: a stuck line costs a few percent of the hart at most.
  static constexpr unsigned max_claims = 64;
  static constexpr std::uint64_t storm_pause_us = 10'000;

  /// Whether a controller of this description can be driven: Error::interrupt_out_of_range for the number of sources,
  /// Error::no_interrupt_context if the context's registers lie outside the window.
  [[nodiscard]] static bsp::Result<void> check(const PlicConfig& config);
  /// `config` has passed check(). Every source ends with priority 0 and disabled for the context, whose threshold is 0.
  explicit Plic(const PlicConfig& config);
  Plic(const Plic&) = delete;
  Plic& operator=(const Plic&) = delete;

  [[nodiscard]] bsp::Result<void> attach(std::uint32_t source, Handler handler, std::string_view name) override;
  void detach(std::uint32_t source, void* context) override;
  void handle_external_interrupt() override;
  void service() override;
  [[nodiscard]] bsp::Deadline next_wake() const override;
  [[nodiscard]] std::uint64_t storm_count() const override { return storms_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t spurious_count() const override { return spurious_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t unhandled_count() const override { return unhandled_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool source_info(std::size_t index, SourceInfo& out) const override;
  [[nodiscard]] std::string_view name() const override { return "plic"; }
  [[nodiscard]] std::uint32_t context() const { return config_.context; }

 private:
  /// In the order of attachment; the first `used_` are valid.
  struct Entry {
    std::uint32_t source{0};
    Handler handler{};
    std::string_view name{};
    mutable std::uint64_t count{0}; ///< through std::atomic_ref: written in interrupt context
    std::uint64_t off_until{0};     ///< ticks; 0: not switched off by a storm
  };

  [[nodiscard]] std::span<Entry> entries() { return {entries_, used_}; }
  [[nodiscard]] bool has_handler(std::uint32_t source) const;
  [[nodiscard]] bool dispatch(std::uint32_t source);
  void throttle(std::uint32_t source);
  void set_enabled(std::uint32_t source, bool on) const;

  bsp::MmioWindow registers_;
  PlicConfig config_;
  Entry entries_[max_handlers]{};
  std::size_t used_{0};
  std::atomic<bool> throttled_{false};
  std::atomic<std::uint64_t> storms_{0};
  std::atomic<std::uint64_t> spurious_{0};
  std::atomic<std::uint64_t> unhandled_{0};
};

} // namespace irqchip
