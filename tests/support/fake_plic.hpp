// SPDX-License-Identifier: BSD-2-Clause
// A PLIC as the specification describes it, that refuses what a driver for one context must not do.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fake_mmio.hpp"

namespace test {

class FakePlic : public MmioDevice {
 public:
  FakePlic(std::uint32_t sources, std::uint32_t context) : sources_{sources}, context_{context} {}

  /// Level-triggered lines: a source is pending again after its completion as long as its line is up.
  std::set<std::uint32_t> lines;
  /// Returned by the next claims before anything else: what no PLIC should say.
  std::vector<std::uint32_t> bogus_claims;

  std::string error;
  std::vector<std::uint32_t> claimed;
  std::vector<std::uint32_t> completed;

  /// Whether the context's external interrupt pin is up.
  [[nodiscard]] bool pin() const { return best() != 0; }
  [[nodiscard]] bool enabled(std::uint32_t source) const { return enabled_.contains(source); }
  [[nodiscard]] std::uint32_t priority(std::uint32_t source) const { return priorities_[source]; }
  [[nodiscard]] bool in_service(std::uint32_t source) const { return in_service_.contains(source); }

  std::uint64_t load(std::uint32_t offset, unsigned width) override;
  void store(std::uint32_t offset, unsigned width, std::uint64_t value) override;

 private:
  void refuse(const std::string& why);
  [[nodiscard]] std::uint32_t best() const;
  std::uint32_t claim();
  void complete(std::uint32_t source);
  void store_enable(std::uint32_t word, std::uint32_t value);

  std::uint32_t sources_;
  std::uint32_t context_;
  std::uint32_t threshold_{7}; ///< as an earlier user left it
  std::uint32_t priorities_[1024]{};
  std::set<std::uint32_t> enabled_{1, 2, 40};
  std::set<std::uint32_t> in_service_;
};

} // namespace test
