// SPDX-License-Identifier: BSD-2-Clause
// From start.S to main: the boot hart's context, the early log, memory protection.
#include <cstdint>

#include "bsp/clock.hpp"
#include "bsp/hart.hpp"
#include "bsp/log.hpp"
#include "bsp/mmu.hpp"
#include "bsp/sbi.hpp"

/// The composition root. Interrupts are off, traps and the memory map are in place, log lines go to the firmware
/// console. `dtb` is as the firmware gave it, not checked.
extern "C" [[noreturn]] void netbsp_main(std::uint64_t hart_id, const void* dtb);

namespace bsp {

extern "C" {
constinit HartContext boot_hart{};
}

namespace {

/// Until a UART is known: lines that come by themselves, as the console contract has them.
void early_sink(void*, log::Level level, std::string_view text) {
  sbi::Console& console = sbi::console();
  console.write("# ");
  console.write(log::level_names[static_cast<unsigned>(level)]);
  console.write(": ");
  console.write(text);
  console.write("\r\n");
}

} // namespace

/// Called by start.S on the main stack, with tp, sscratch and stvec set. `ticks` is the time of the hand-over.
extern "C" [[noreturn]] void bsp_boot(std::uint64_t hart_id, const void* dtb, std::uint64_t ticks) {
  boot_hart.id = hart_id;
  clock::set_start(ticks);
  log::set_sink(early_sink, nullptr);
  mmu::enable();
  netbsp_main(hart_id, dtb);
}

} // namespace bsp
