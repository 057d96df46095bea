// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/backtrace.hpp"

#include <optional>

namespace bsp {

namespace {

/// No function is longer: a call that leads farther before a place does not lead to the function around it.
constexpr std::uint64_t longest_function = 4096;

// The calls of RV64GC, all of which write ra (x1): jal, jalr, auipc + jalr, c.jalr.
constexpr std::uint32_t ra = 1;

constexpr std::uint32_t opcode(std::uint32_t instruction) {
  return instruction & 0x7f;
}
constexpr std::uint32_t rd(std::uint32_t instruction) {
  return instruction >> 7 & 31;
}
constexpr std::uint32_t rs1(std::uint32_t instruction) {
  return instruction >> 15 & 31;
}
constexpr std::uint64_t sign_extend(std::uint64_t value, unsigned bits) {
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return (value ^ sign) - sign;
}
constexpr std::uint64_t jal_offset(std::uint32_t instruction) {
  return sign_extend((instruction >> 31 & 1) << 20 | (instruction >> 12 & 0xff) << 12 | (instruction >> 20 & 1) << 11 |
                         (instruction >> 21 & 0x3ff) << 1,
                     21);
}
constexpr bool is_jal(std::uint32_t instruction) {
  return opcode(instruction) == 0x6f && rd(instruction) == ra;
}
constexpr bool is_jalr(std::uint32_t instruction) {
  return (instruction & 0x707f) == 0x67 && rd(instruction) == ra;
}
constexpr bool is_auipc(std::uint32_t instruction) {
  return opcode(instruction) == 0x17;
}
constexpr bool is_c_jalr(std::uint32_t instruction) {
  return (instruction & 0xf07f) == 0x9002 && rd(instruction) != 0;
}

} // namespace

void Backtrace::start_at(std::uint64_t pc, std::uint64_t ra_then) {
  certain_pc_ = pc;
  uncertain_pc_ = ra_then - 1;
}

/// `halves` 16-bit parcels of code; 0, which is no instruction, where there is none.
std::uint64_t Backtrace::code(std::uint64_t address, unsigned halves) const {
  std::uint64_t all = 0;
  for (unsigned i = 0; i < halves; i++) {
    std::uint64_t half = 0;
    if (!text_.contains(address + 2 * i) || !load_(address + 2 * i, 2, half)) return 0;
    all |= half << 16 * i;
  }
  return all;
}

bool Backtrace::direct_call_into(std::uint64_t target, std::uint64_t pc) const {
  return text_.contains(target) && pc >= target && pc - target < longest_function;
}

bool Backtrace::examine(std::uint64_t word, Caller& caller) {
  if (word % 2 != 0 || word == last_ || !text_.contains(word - 2)) return false;
  const auto before = static_cast<std::uint32_t>(code(word - 4, 2));
  std::optional<std::uint64_t> target;
  if (is_jal(before)) {
    target = word - 4 + jal_offset(before);
  } else if (is_jalr(before)) {
    const auto first = static_cast<std::uint32_t>(code(word - 8, 2));
    if (is_auipc(first) && rd(first) == rs1(before))
      target = word - 8 + sign_extend(first & 0xffff'f000, 32) + sign_extend(before >> 20, 12);
  } else if (!is_c_jalr(static_cast<std::uint32_t>(code(word - 2, 1)))) {
    return false;
  }
  last_ = word;
  const bool certain = target && (direct_call_into(*target, certain_pc_) || direct_call_into(*target, uncertain_pc_));
  // A call that does not return may be the last instruction of its function: what is behind it is another one.
  if (certain) certain_pc_ = word - 1;
  uncertain_pc_ = certain ? 0 : word - 1;
  caller = {word, certain};
  return true;
}

} // namespace bsp
