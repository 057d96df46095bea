// SPDX-License-Identifier: BSD-2-Clause
// What nearly every unit test includes, precompiled: it halves the time to build them. Tests still include what they
// use.
#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/core.h>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include <CppUTest/TestHarness.h>
