// SPDX-License-Identifier: BSD-2-Clause
#include <memory>
#include <optional>

#include "bsp/page_tables.hpp"

#include <CppUTest/TestHarness.h>

using bsp::PageTables;
using bsp::Permission;

namespace {

constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::uint64_t gib = 1024 * mib;
constexpr unsigned readable = 2;
constexpr unsigned writable = 4;
constexpr unsigned executable = 8;
constexpr unsigned accessed_dirty = 0xc0;

struct Translation {
  std::uint64_t physical;
  unsigned permissions; ///< R, W and X as in the entry
  std::uint64_t page;   ///< size of the page
};

/// Walks as the hardware does (privileged architecture 1.12, 4.3.2); nothing on a page fault.
std::optional<Translation> walk(const PageTables& tables, std::uint64_t address) {
  if (static_cast<std::int64_t>(address << 25) >> 25 != static_cast<std::int64_t>(address)) return std::nullopt;
  std::uint64_t table = tables.root();
  for (int level = 2; level >= 0; level--) {
    const unsigned shift = 12U + 9U * static_cast<unsigned>(level);
    const std::uint64_t entry = reinterpret_cast<const std::uint64_t*>(table)[address >> shift & 511];
    if ((entry & 1) == 0 || (entry & 6) == writable) return std::nullopt;
    const std::uint64_t target = (entry >> 10 & 0xfffffffffffULL) << 12;
    if ((entry & (readable | executable)) == 0) {
      table = target;
      continue;
    }
    const std::uint64_t page = 1ULL << shift;
    if (target % page != 0) return std::nullopt; // misaligned superpage
    if ((entry & accessed_dirty) != accessed_dirty) return std::nullopt;
    return Translation{target + address % page, static_cast<unsigned>(entry & (readable | writable | executable)),
                       page};
  }
  return std::nullopt;
}

} // namespace

TEST_GROUP(PageTables) {
  std::unique_ptr<PageTables> tables = std::make_unique<PageTables>();
  void setup() override {
    tables->map_identity();
  }
  void maps(std::uint64_t address, unsigned permissions) {
    const std::optional<Translation> translation = walk(*tables, address);
    CHECK(translation.has_value());
    UNSIGNED_LONGS_EQUAL(address, translation->physical);
    UNSIGNED_LONGS_EQUAL(permissions, translation->permissions);
  }
  void faults(std::uint64_t address) {
    CHECK_FALSE(walk(*tables, address).has_value());
  }
};

TEST(PageTables, MapTheLower256GibAndNothingElse) {
  maps(0, readable | writable);
  maps(0x1000'0000, readable | writable);
  maps(0x8000'0000, readable | writable);
  maps(256 * gib - 1, readable | writable);
  faults(256 * gib);
  faults(UINT64_MAX);
  faults(UINT64_MAX - 256 * gib + 1);
  UNSIGNED_LONGS_EQUAL(1, tables->tables_used());
  UNSIGNED_LONGS_EQUAL(gib, walk(*tables, 5 * gib)->page);
}

TEST(PageTables, UnmapPageZeroOnly) {
  tables->protect({0, 4096}, Permission::none);
  faults(0);
  faults(4095);
  maps(4096, readable | writable);
  maps(2 * mib - 1, readable | writable);
  maps(2 * mib, readable | writable);
  maps(gib, readable | writable);
  UNSIGNED_LONGS_EQUAL(3, tables->tables_used());
}

TEST(PageTables, KeepWritableAndExecutableApart) {
  tables->protect({0x8020'0000, 0x10000}, Permission::read_execute);
  tables->protect({0x8021'0000, 0x4000}, Permission::read);
  maps(0x801f'ffff, readable | writable);
  maps(0x8020'0000, readable | executable);
  maps(0x8020'ffff, readable | executable);
  maps(0x8021'0000, readable);
  maps(0x8021'3fff, readable);
  maps(0x8021'4000, readable | writable);
  maps(0x8040'0000, readable | writable);
}

TEST(PageTables, CrossTwoMegabyteBoundaries) {
  tables->protect({0x803f'f000, 0x40'2000}, Permission::read_execute);
  maps(0x803f'efff, readable | writable);
  maps(0x803f'f000, readable | executable);
  maps(0x8040'0000, readable | executable);
  maps(0x8080'0fff, readable | executable);
  maps(0x8080'1000, readable | writable);
}

TEST(PageTables, CrossAGigabyteBoundary) {
  tables->protect({3 * gib - 4096, 8192}, Permission::none);
  maps(3 * gib - 4097, readable | writable);
  faults(3 * gib - 4096);
  faults(3 * gib + 4095);
  maps(3 * gib + 4096, readable | writable);
}

TEST(PageTables, HaveRoomForPageZeroAndTheLargestImageAcrossAGigabyte) {
  tables->protect({0, 4096}, Permission::none);
  tables->protect({3 * gib - 4 * mib - 4096, 8 * mib}, Permission::read_execute);
  UNSIGNED_LONGS_EQUAL(PageTables::table_count, tables->tables_used());
  maps(3 * gib - 4 * mib - 4096, readable | executable);
  maps(3 * gib + 4 * mib - 4097, readable | executable);
  maps(3 * gib + 4 * mib - 4096, readable | writable);
}

TEST(PageTables, TakeTheLastPermissionOfAPage) {
  tables->protect({gib, 4096}, Permission::none);
  tables->protect({gib, 4096}, Permission::read_write);
  maps(gib, readable | writable);
  UNSIGNED_LONGS_EQUAL(3, tables->tables_used());
}

TEST(PageTables, ProtectTheLastPageOfTheMap) {
  tables->protect({bsp::identity_map_end - 4096, 4096}, Permission::none);
  faults(bsp::identity_map_end - 1);
  maps(bsp::identity_map_end - 4097, readable | writable);
}

TEST(PageTables, StartOverWhenBuiltAgain) {
  tables->protect({0, 4096}, Permission::none);
  tables->map_identity();
  maps(0, readable | writable);
  UNSIGNED_LONGS_EQUAL(1, tables->tables_used());
}
