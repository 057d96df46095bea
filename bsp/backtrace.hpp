// SPDX-License-Identifier: BSD-2-Clause
// Who called whom, read from a stack without frame pointers or unwind tables: each word that points behind a call
// instruction is a return address, either of a caller or left behind by a call that has ended. A direct call tells
// whom it called, which tells the ones from the others.
//
// Frame pointers in every function would cost a tenth of the image and of the instructions a frame.
#pragma once

#include <cstdint>

#include "bsp/memory_map.hpp"

namespace bsp {

class Backtrace {
 public:
  /// `text` is where code lies. `load` reads 2 or 8 bytes (aligned); false where there is nothing to read.
  Backtrace(MemoryRange text, bool (*load)(std::uintptr_t address, unsigned width, std::uint64_t& value))
      : text_{text}, load_{load} {}

  struct Caller {
    std::uint64_t return_address;
    bool certain; ///< its call leads to the caller found before it, or to the start
  };
  /// Where the innermost function is, and the return address that it may still hold in ra (else 0).
  void start_at(std::uint64_t pc, std::uint64_t ra);

  /// The callers on a part of a stack, innermost first. A return address that follows itself (recursion) shows once.
  template <class Visit> void scan(MemoryRange stack, Visit&& visit) {
    for (std::uint64_t at = (stack.address + 7) & ~std::uint64_t{7}; at + 8 <= stack.address + stack.size; at += 8) {
      std::uint64_t word = 0;
      Caller caller{};
      if (load_(at, 8, word) && examine(word, caller)) visit(caller);
    }
  }
  /// Whether `word` is a return address; each call goes one step outwards.
  bool examine(std::uint64_t word, Caller& caller);

 private:
  [[nodiscard]] bool direct_call_into(std::uint64_t target, std::uint64_t pc) const;
  [[nodiscard]] std::uint64_t code(std::uint64_t address, unsigned halves) const;

  MemoryRange text_;
  bool (*load_)(std::uintptr_t, unsigned, std::uint64_t&);
  std::uint64_t certain_pc_{0};   ///< in the outermost function that is certain
  std::uint64_t uncertain_pc_{0}; ///< the last one that is not
  std::uint64_t last_{0};
};

} // namespace bsp
