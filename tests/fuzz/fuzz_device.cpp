// SPDX-License-Identifier: BSD-2-Clause
// The input is a device, and what its driver is asked for meanwhile: see hostile_nic.hpp.
#include "tests/fuzz/hostile_nic.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  fuzz::HostileNic{input}.run(&fuzz::HostileNic::any_step);
  return 0;
}
