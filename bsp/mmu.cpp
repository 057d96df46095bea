// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/mmu.hpp"

#include "bsp/csr.hpp"
#include "bsp/image.hpp"
#include "bsp/log.hpp"
#include "bsp/page_tables.hpp"

namespace bsp::mmu {

namespace {
constinit PageTables tables{};

/// The tables' contents are ordered before their use, and nothing translated or fetched earlier survives (4.2.1).
void flush() {
  asm volatile("sfence.vma\n\tfence.i" ::: "memory");
}

bool is_on() {
  return (csr::read<csr::Csr::satp>() & csr::satp_mode_mask) == csr::satp_mode_sv39;
}
} // namespace

void enable() {
  tables.map_identity();
  tables.protect({0, page_size}, Permission::none);
  tables.protect(image::between(text_start, text_end), Permission::read_execute);
  tables.protect(image::between(rodata_start, rodata_end), Permission::read);
  for (unsigned i = 0; i < image::stack_count; i++)
    tables.protect(image::stack(i).guard, Permission::none);

  csr::write<csr::Csr::satp>(csr::satp_mode_sv39 | tables.root() / page_size);
  flush();
  // A write with a mode that the hart lacks has no effect at all (4.1.11).
  if (!is_on()) log::warn("no Sv39: running without memory protection");
}

std::string_view name() {
  return is_on() ? "sv39" : "bare";
}

} // namespace bsp::mmu
