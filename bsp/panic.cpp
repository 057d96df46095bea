// SPDX-License-Identifier: BSD-2-Clause
// Panics and exceptions: the report, the backtrace, the end. trap.S calls trap_exception() on the panic stack; panic()
// goes there by itself.
#include "bsp/panic.hpp"

#include <string_view>

#include "bsp/backtrace.hpp"
#include "bsp/cpu.hpp"
#include "bsp/hart.hpp"
#include "bsp/image.hpp"
#include "bsp/sbi.hpp"
#include "bsp/trap.hpp"

extern "C" [[noreturn]] void call_on_panic_stack(void (*function)(const void*), const void* argument);

namespace bsp {

namespace {

struct State {
  std::uintptr_t exit_register{0};
  unsigned entered{0};
};
constinit State state{};

/// A line at a time, so that firmware with a debug console gets few calls.
class Printer {
 public:
  Printer& operator<<(std::string_view text) {
    for (const char c : text) {
      if (size_ == sizeof line_) flush();
      line_[size_++] = c;
    }
    return *this;
  }
  Printer& hex(std::uint64_t value) {
    *this << "0x";
    for (int shift = 60; shift >= 0; shift -= 4)
      *this << std::string_view{&"0123456789abcdef"[value >> shift & 15], 1};
    return *this;
  }
  Printer& decimal(std::uint64_t value) {
    if (value >= 10) decimal(value / 10);
    return *this << std::string_view{&"0123456789"[value % 10], 1};
  }
  void end_line() {
    *this << "\r\n";
    flush();
  }

 private:
  void flush() {
    sbi::console().write({line_, size_});
    size_ = 0;
  }
  char line_[120];
  std::size_t size_{0};
};

[[noreturn]] void halt() {
  for (;;)
    asm volatile("wfi");
}

/// Ends the machine: the exit device, else the firmware, else nothing moves any more.
[[noreturn]] void end_machine() {
  constexpr std::uint32_t fail_with_status_1 = 1U << 16 | 0x3333U; // finisher of the sifive,test1 device
  if (state.exit_register != 0) (void)cpu::try_store(state.exit_register, 4, fail_with_status_1);
  (void)sbi::reset_system(sbi::ResetType::shutdown, sbi::ResetReason::system_failure);
  sbi::console().write("panic: the firmware cannot power off: halted\r\n");
  halt();
}

/// The first to come reports. The second (a bug in the report) says so and ends; a third would be a bug in ending.
void enter() {
  const unsigned depth = __atomic_fetch_add(&state.entered, 1, __ATOMIC_RELAXED);
  if (depth == 0) return;
  if (depth > 1) halt();
  sbi::console().write("\r\npanic: again, while reporting a panic\r\n");
  end_machine();
}

// ---- backtrace
// ---------------------------------------------------------------------------------------------------------

void print_frame(unsigned index, std::uint64_t pc, std::string_view note) {
  Printer printer;
  (printer << "  #").decimal(index) << " ";
  printer.hex(pc) << note;
  printer.end_line();
}

/// The part of its stack that a function at `sp` and its callers use; all of the stack if it has overflowed.
MemoryRange used_stack(std::uint64_t sp) {
  for (unsigned i = 0; i < image::stack_count; i++) {
    const image::Stack stack = image::stack(i);
    // An empty stack's sp is its end, where the next one's guard begins.
    if (stack.memory.contains(sp - 1)) return {sp, stack.memory.address + stack.memory.size - sp};
    if (stack.guard.contains(sp)) return stack.memory;
  }
  return {};
}

/// Prints the callers of the function at `pc`, from #`index` on; below an interrupt handler the interrupted code too.
void print_callers(std::uint64_t pc, std::uint64_t ra, std::uint64_t sp, unsigned index) {
  constexpr unsigned line_limit = 24;
  Backtrace backtrace{image::between(text_start, text_end), cpu::try_load};
  const auto print = [&](const Backtrace::Caller& caller) {
    if (index < line_limit) print_frame(index++, caller.return_address, caller.certain ? "" : " ?");
  };
  backtrace.start_at(pc, ra);
  backtrace.scan(used_stack(sp), print);
  if (!image::stack(1).memory.contains(sp - 1)) return;
  const TrapFrame& interrupted = this_hart().frame;
  print_frame(index++, interrupted.sepc, " (interrupted)");
  backtrace.start_at(interrupted.sepc, interrupted.x[1]);
  backtrace.scan(used_stack(interrupted.x[2]), print);
}

void print_advice() {
  sbi::console().write(
      "  (names: addr2line -fe netbsp.elf ADDRESS; ? marks what may be left from an earlier call)\r\n");
}

// ---- panic()
// -----------------------------------------------------------------------------------------------------------

struct Request {
  const char* message;
  const char* file;
  int line;
  std::uint64_t caller;
  std::uint64_t sp;
};

void report(const void* argument) {
  const Request& request = *static_cast<const Request*>(argument);
  Printer printer;
  printer << "\r\npanic: " << request.message << " at " << request.file << ":";
  printer.decimal(static_cast<unsigned>(request.line)) << " (hart ";
  printer.decimal(cpu::hart_id()) << ")";
  printer.end_line();
  sbi::console().write("backtrace:\r\n");
  print_frame(0, request.caller, "");
  print_callers(request.caller - 1, 0, request.sp, 1);
  print_advice();
  end_machine();
}

// ---- exceptions
// --------------------------------------------------------------------------------------------------------

trap::Place place_of(std::uint64_t address) {
  if (address < page_size) return trap::Place::page_zero;
  for (unsigned i = 0; i < image::stack_count; i++)
    if (image::stack(i).guard.contains(address)) return trap::Place::stack_guard;
  if (image::between(text_start, text_end).contains(address)) return trap::Place::text;
  if (image::between(rodata_start, rodata_end).contains(address)) return trap::Place::rodata;
  if (image::whole().contains(address)) return trap::Place::writable;
  return trap::Place::elsewhere;
}

constexpr std::string_view register_names[32] = {"zero", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
                                                 "a1",   "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
                                                 "s6",   "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};

void print_registers(const TrapFrame& frame) {
  constexpr unsigned per_line = 4;
  for (unsigned first = 0; first < 32; first += per_line) {
    Printer printer;
    for (unsigned i = first; i < first + per_line; i++) {
      printer << std::string_view{"     "}.substr(register_names[i].size() - 1) << register_names[i] << " ";
      printer.hex(i == 0 ? 0 : frame.x[i]);
    }
    printer.end_line();
  }
}

void print_cause(const TrapFrame& frame) {
  const std::string_view meaning = trap::diagnose(frame.scause, place_of(frame.sepc), place_of(frame.stval));
  Printer printer;
  printer << "\r\npanic: ";
  if (!meaning.empty()) printer << meaning << ": ";
  printer << trap::exception_name(frame.scause) << " (hart ";
  printer.decimal(cpu::hart_id()) << ")";
  printer.end_line();
  (printer << "  sepc ").hex(frame.sepc) << " stval ";
  printer.hex(frame.stval) << " scause ";
  printer.hex(frame.scause) << " sstatus ";
  printer.hex(frame.sstatus);
  printer.end_line();
}

} // namespace

void panic(const char* message, const char* file, int line) {
  cpu::disable_interrupts();
  enter();
  // The main stack stays as it is while the report is printed on the panic stack, so the request may live here.
  const Request request{message, file, line, reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)),
                        reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))};
  call_on_panic_stack(report, &request);
}

void panic_set_exit(std::uintptr_t sifive_test_address) {
  state.exit_register = sifive_test_address;
}

extern "C" [[noreturn]] void trap_exception(const TrapFrame& frame) {
  enter();
  print_cause(frame);
  print_registers(frame);
  sbi::console().write("backtrace:\r\n");
  print_frame(0, frame.sepc, " (sepc)");
  print_frame(1, frame.x[1], " (ra)");
  print_callers(frame.sepc, frame.x[1], frame.x[2], 2);
  print_advice();
  end_machine();
}

} // namespace bsp
