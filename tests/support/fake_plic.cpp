// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_plic.hpp"

namespace test {

void FakePlic::refuse(const std::string& why) {
  if (error.empty()) error = why;
}

/// Highest priority first, then the lowest number; masked unless above the threshold.
std::uint32_t FakePlic::best() const {
  std::uint32_t result = 0;
  for (const std::uint32_t source : lines) {
    if (!enabled_.contains(source) || in_service_.contains(source) || priorities_[source] <= threshold_) continue;
    if (result == 0 || priorities_[source] > priorities_[result]) result = source;
  }
  return result;
}

std::uint32_t FakePlic::claim() {
  if (!bogus_claims.empty()) {
    const std::uint32_t source = bogus_claims.front();
    bogus_claims.erase(bogus_claims.begin());
    if (source != 0) in_service_.insert(source);
    if (source != 0 && source <= sources_) enabled_.insert(source);
    return source;
  }
  const std::uint32_t source = best();
  if (source == 0) return 0;
  in_service_.insert(source);
  claimed.push_back(source);
  return source;
}

void FakePlic::complete(std::uint32_t source) {
  if (!in_service_.contains(source)) return refuse("completion of a source that was not claimed");
  if (source <= sources_ && !enabled_.contains(source)) return; // ignored: the source stays blocked
  in_service_.erase(source);
  completed.push_back(source);
}

void FakePlic::store_enable(std::uint32_t word, std::uint32_t value) {
  for (std::uint32_t bit = 0; bit < 32; bit++) {
    const std::uint32_t source = word * 32 + bit;
    if ((value >> bit & 1) == 0)
      enabled_.erase(source);
    else if (source == 0 || source > sources_)
      refuse("a source that does not exist was enabled");
    else
      enabled_.insert(source);
  }
}

std::uint64_t FakePlic::load(std::uint32_t offset, unsigned width) {
  if (width != 4) refuse("load of a wrong width");
  if (offset == 0x200000 + 0x1000 * context_ + 4) return claim();
  const std::uint32_t enables = 0x2000 + 0x80 * context_;
  if (offset >= enables && offset < enables + 0x80) {
    std::uint32_t value = 0;
    for (std::uint32_t bit = 0; bit < 32; bit++)
      if (enabled_.contains((offset - enables) / 4 * 32 + bit)) value |= 1u << bit;
    return value;
  }
  refuse("load of " + std::to_string(offset));
  return 0;
}

void FakePlic::store(std::uint32_t offset, unsigned width, std::uint64_t value) {
  if (width != 4) refuse("store of a wrong width");
  const auto word = static_cast<std::uint32_t>(value);
  const std::uint32_t enables = 0x2000 + 0x80 * context_;
  const std::uint32_t context = 0x200000 + 0x1000 * context_;
  if (offset >= 4 && offset <= 4 * sources_)
    priorities_[offset / 4] = word;
  else if (offset >= enables && offset < enables + (sources_ + 31) / 32 * 4) // no word for a last source of 32, 64, ...
    store_enable((offset - enables) / 4, word);
  else if (offset == context)
    threshold_ = word;
  else if (offset == context + 4)
    complete(word);
  else
    refuse("store outside the context's registers: " + std::to_string(offset));
}

} // namespace test
