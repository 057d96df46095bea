// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/irqchip/plic.hpp"

#include <algorithm>

#include "bsp/cpu.hpp"

namespace irqchip {

namespace {

using bsp::Access;
template <Access A> using Reg32 = bsp::Reg<std::uint32_t, A>;

// PLIC Specification 1.0.0, chapter 3 "Memory Map".
constexpr std::uint32_t context_base = 0x200000;
constexpr std::uint32_t context_stride = 0x1000;

constexpr Reg32<Access::rw> priority(std::uint32_t source) {
  return {4 * source};
}
constexpr Reg32<Access::rw> enable(std::uint32_t context, std::uint32_t source) {
  return {0x2000 + 0x80 * context + source / 32 * 4};
}
constexpr Reg32<Access::rw> threshold(std::uint32_t context) {
  return {context_base + context_stride * context};
}
/// A load claims the pending source of the highest priority, a store completes.
constexpr Reg32<Access::rw> claim(std::uint32_t context) {
  return {context_base + context_stride * context + 4};
}

} // namespace

bsp::Result<void> Plic::check(const PlicConfig& config) {
  if (config.sources == 0 || config.sources > max_sources) return bsp::fail(bsp::Error::interrupt_out_of_range);
  if (config.context >= max_contexts || claim(config.context).offset + 4 > config.size)
    return bsp::fail(bsp::Error::no_interrupt_context);
  return {};
}

Plic::Plic(const PlicConfig& config) : registers_{config.base}, config_{config} {
  // Not the word behind them that a last source of 32, 64, ... would open: QEMU counts source 0 in riscv,ndev and has
  // no such word. A source of priority 0 never interrupts anyway.
  for (std::uint32_t source = 0; source < config_.sources; source += 32)
    registers_.write(enable(config_.context, source), 0u);
  for (std::uint32_t source = 1; source <= config_.sources; source++)
    registers_.write(priority(source), 0u);
  registers_.write(threshold(config_.context), 0u);
}

bsp::Result<void> Plic::attach(std::uint32_t source, Handler handler, std::string_view name) {
  if (source == 0 || source > config_.sources) return bsp::fail(bsp::Error::interrupt_out_of_range);
  if (handler.function == nullptr) return bsp::fail(bsp::Error::invalid_argument);
  const bsp::cpu::InterruptGuard guard;
  if (used_ == max_handlers) return bsp::fail(bsp::Error::interrupt_table_full);
  entries_[used_++] = {.source = source, .handler = handler, .name = name};
  registers_.write(priority(source), 1u);
  set_enabled(source, true);
  return {};
}

void Plic::detach(std::uint32_t source, void* context) {
  const bsp::cpu::InterruptGuard guard;
  const auto matches = [&](const Entry& entry) { return entry.source == source && entry.handler.context == context; };
  const auto kept = std::remove_if(entries().begin(), entries().end(), matches);
  const auto left = static_cast<std::size_t>(kept - entries().begin());
  if (left == used_) return;
  used_ = left;
  if (has_handler(source)) return;
  set_enabled(source, false);
  registers_.write(priority(source), 0u);
}

void Plic::handle_external_interrupt() {
  std::uint32_t source = 0;
  for (unsigned claims = 0; claims < max_claims; claims++) {
    source = registers_.read(claim(config_.context));
    if (source == 0) {
      if (claims == 0) spurious_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    const bool handled = dispatch(source);
    registers_.write(claim(config_.context), source);
    if (!handled) {
      unhandled_.fetch_add(1, std::memory_order_relaxed);
      // Nobody will quiet its device: it would interrupt for ever. Only now, because a completion is ignored while the
      // source is disabled for the context, and the source would stay blocked ("Interrupt Completion").
      if (source <= config_.sources) set_enabled(source, false);
    }
    // Another claim would say the same, at the price of one more access to the controller.
    if (!bsp::cpu::external_interrupt_pending()) return;
  }
  throttle(source);
}

void Plic::throttle(std::uint32_t source) {
  if (!has_handler(source)) return; // switched off for good already
  const std::uint64_t on_again = bsp::Deadline::in_us(storm_pause_us).ticks();
  for (Entry& entry : entries())
    if (entry.source == source) entry.off_until = on_again;
  set_enabled(source, false);
  storms_.fetch_add(1, std::memory_order_relaxed);
  throttled_.store(true, std::memory_order_relaxed);
}

void Plic::service() {
  if (!throttled_.load(std::memory_order_relaxed)) return;
  const bsp::cpu::InterruptGuard guard;
  const std::uint64_t now = bsp::clock::now_ticks();
  bool some_left = false;
  for (Entry& entry : entries()) {
    if (entry.off_until == 0) continue;
    if (now < entry.off_until) {
      some_left = true;
    } else {
      entry.off_until = 0;
      set_enabled(entry.source, true);
    }
  }
  throttled_.store(some_left, std::memory_order_relaxed);
}

bsp::Deadline Plic::next_wake() const {
  bsp::Deadline wake = bsp::Deadline::never();
  if (!throttled_.load(std::memory_order_relaxed)) return wake;
  const bsp::cpu::InterruptGuard guard;
  for (std::size_t i = 0; i < used_; i++)
    if (entries_[i].off_until != 0) wake = wake.earlier_of(bsp::Deadline::at_ticks(entries_[i].off_until));
  return wake;
}

bool Plic::dispatch(std::uint32_t source) {
  bool handled = false;
  for (Entry& entry : entries()) {
    if (entry.source != source) continue;
    std::atomic_ref{entry.count}.fetch_add(1, std::memory_order_relaxed);
    entry.handler.function(entry.handler.context);
    handled = true;
  }
  return handled;
}

bool Plic::has_handler(std::uint32_t source) const {
  return std::any_of(entries_, entries_ + used_, [&](const Entry& entry) { return entry.source == source; });
}

void Plic::set_enabled(std::uint32_t source, bool on) const {
  const auto word = enable(config_.context, source);
  const std::uint32_t bit = 1u << source % 32;
  const std::uint32_t value = registers_.read(word);
  registers_.write(word, on ? value | bit : value & ~bit);
}

bool Plic::source_info(std::size_t index, SourceInfo& out) const {
  if (index >= used_) return false;
  const Entry& entry = entries_[index];
  out = {entry.source, entry.name, std::atomic_ref{entry.count}.load(std::memory_order_relaxed)};
  return true;
}

} // namespace irqchip
