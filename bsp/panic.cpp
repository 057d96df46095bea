// SPDX-License-Identifier: BSD-2-Clause
// Panics and exceptions: the report, the backtrace, the end. trap.S calls trap_exception() on the panic stack; panic()
// goes there by itself.
#include "bsp/panic.hpp"

#include <string_view>

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

bool on_a_stack(std::uint64_t address) {
  for (unsigned i = 0; i < image::stack_count; i++)
    if (image::stack(i).memory.contains(address)) return true;
  return false;
}

void print_frame(unsigned index, std::uint64_t pc, std::string_view note) {
  Printer printer;
  (printer << "  #").decimal(index) << " ";
  printer.hex(pc) << note;
  printer.end_line();
}

/// One step up the chain of saved frame pointers. A function keeps its return address at fp - 8 and its caller's fp at
/// fp - 16; a leaf keeps only its caller's fp, at fp - 8.
struct Frame {
  std::uint64_t return_address;
  std::uint64_t caller_fp;
};
bool load_frame(std::uint64_t fp, Frame& frame) {
  if (fp % 16 != 0 || !on_a_stack(fp - 16)) return false;
  if (!cpu::try_load(fp - 8, 8, frame.return_address) || !cpu::try_load(fp - 16, 8, frame.caller_fp)) return false;
  if (on_a_stack(frame.return_address - 1)) frame = {0, frame.return_address};
  // Frames of one stack lie upwards; only an interrupt handler's chain goes on at a lower address, on the main stack.
  return frame.caller_fp > fp || image::stack(0).memory.contains(frame.caller_fp - 1) || frame.caller_fp == 0;
}

/// Prints the callers of the function whose frame pointer is `fp`; a recursion shows once.
void print_callers(std::uint64_t fp, unsigned index) {
  constexpr unsigned line_limit = 24;
  constexpr unsigned step_limit = 4096;
  const MemoryRange text = image::between(text_start, text_end);
  std::uint64_t last = 0;
  Frame frame{};
  for (unsigned step = 0; step < step_limit && index < line_limit && load_frame(fp, frame); step++) {
    fp = frame.caller_fp;
    if (frame.return_address == 0) continue;
    if (!text.contains(frame.return_address)) return;
    if (frame.return_address != last) print_frame(index++, frame.return_address, "");
    last = frame.return_address;
  }
}

void print_advice() {
  sbi::console().write("  (names: addr2line -fe netbsp.elf ADDRESS)\r\n");
}

// ---- panic()
// -----------------------------------------------------------------------------------------------------------

struct Request {
  const char* message;
  const char* file;
  int line;
  std::uint64_t fp;
};

void report(const void* argument) {
  const Request& request = *static_cast<const Request*>(argument);
  Printer printer;
  printer << "\r\npanic: " << request.message << " at " << request.file << ":";
  printer.decimal(static_cast<unsigned>(request.line)) << " (hart ";
  printer.decimal(cpu::hart_id()) << ")";
  printer.end_line();
  sbi::console().write("backtrace:\r\n");
  print_callers(request.fp, 0);
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
  const Request request{message, file, line, reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0))};
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
  print_callers(frame.x[8], 2);
  print_advice();
  end_machine();
}

} // namespace bsp
