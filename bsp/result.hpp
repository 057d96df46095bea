// SPDX-License-Identifier: BSD-2-Clause
// Result<T>: what set-up and control paths return. The data path returns counts instead (docs/architecture.md).
#pragma once

#include <tl/expected.hpp>

#include <utility>

#include "bsp/error.hpp"

namespace bsp {

template <class T> using Result = tl::expected<T, Error>;

using tl::unexpected;

/// Shorthand for the failure branch: `return fail(Error::timed_out);`
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>{error};
}

namespace detail {
template <class T> T&& unwrap(tl::expected<T, Error>& result) {
  return std::move(*result);
}
inline void unwrap(tl::expected<void, Error>&) {}
} // namespace detail

} // namespace bsp

/// Yields the value of a Result, or returns its error from the enclosing function.
#define TRY(expression)                                                                                                \
  __extension__({                                                                                                      \
    auto try_result = (expression);                                                                                    \
    if (!try_result) return ::tl::unexpected<::bsp::Error>{try_result.error()};                                        \
    ::bsp::detail::unwrap(try_result);                                                                                 \
  })
