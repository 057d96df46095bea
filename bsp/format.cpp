// SPDX-License-Identifier: BSD-2-Clause
// The one file that compiles {fmt}. Floating point is left out; what {fmt} would throw ends in a panic, which cannot
// happen: format strings are checked at compile time.
#include "bsp/panic.hpp"

#define FMT_USE_FLOAT 0
#define FMT_USE_DOUBLE 0
#define FMT_USE_LONG_DOUBLE 0
#define FMT_THROW(x) PANIC("fmt: invalid format")
#define FMT_ASSERT(condition, message)                                                                                 \
  do {                                                                                                                 \
    if (!(condition)) PANIC(message);                                                                                  \
  } while (false)
#define FMT_STATIC_THOUSANDS_SEPARATOR ','
#define FMT_HEADER_ONLY
#include <fmt/format.h>
#include <new>

#include "bsp/format.hpp"

#if defined(__riscv)
// {fmt} can group digits with a std::string, which no format string here asks for. These satisfy the linker;
// scripts/check-image lets no other file refer to them. Weak: firmware that links this file may have a heap of its own.

// NOLINTBEGIN: the standard library's names
[[gnu::weak]] void* operator new(std::size_t) {
  PANIC("operator new: there is no heap");
}
[[gnu::weak]] void operator delete(void*) noexcept {}
[[gnu::weak]] void operator delete(void*, std::size_t) noexcept {}
namespace std {
void __throw_length_error(const char* what) {
  PANIC(what);
}
void __throw_logic_error(const char* what) {
  PANIC(what);
}
void __throw_bad_alloc() {
  PANIC("bad_alloc");
}
void __throw_bad_array_new_length() {
  PANIC("bad_array_new_length");
}
} // namespace std
// NOLINTEND
#endif

namespace bsp {

namespace {

/// A {fmt} buffer of fixed size that swallows what does not fit.
class FixedBuffer final : public fmt::detail::buffer<char> {
 public:
  explicit FixedBuffer(std::span<char> out) : fmt::detail::buffer<char>(out.data(), 0, out.size()), out_{out} {}
  [[nodiscard]] std::size_t written() const { return overflowed_ ? out_.size() : size(); }

 private:
  void grow(std::size_t) override {
    // {fmt} also asks ahead of need; only a full buffer counts. Then `out_` stays as it is and the rest goes to
    // scratch.
    if (size() < capacity()) return;
    overflowed_ = true;
    set(scratch_, sizeof scratch_);
    clear();
  }

  std::span<char> out_;
  char scratch_[64];
  bool overflowed_{false};
};

} // namespace

std::string_view vformat(std::span<char> out, fmt::string_view format, fmt::format_args args) {
  FixedBuffer buffer{out};
  fmt::detail::vformat_to(buffer, format, args);
  return {out.data(), buffer.written()};
}

} // namespace bsp
