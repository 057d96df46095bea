// SPDX-License-Identifier: BSD-2-Clause
// `reg` and its way through `ranges`.
#include "fdt/address.hpp"

#include "tests/unit/test_fdt_blob.hpp"

using fdt::Error;
using fdt::Region;
using fdt::Tree;
using fdt_test::Blob;
using fdt_test::node_at;

namespace {

void check_region(const fdt::Result<Region>& region, std::uint64_t address, std::uint64_t size) {
  CHECK(region.has_value());
  CHECK(region->address == address);
  CHECK(region->size == size);
}

} // namespace

TEST_GROUP(FdtAddress) {
  Blob blob = Blob::fixture("fdt_ranges");
  Blob bad = Blob::fixture("fdt_malformed");
  Blob virt = Blob::fixture("fdt_virt");

  fdt::Result<Region> reg(std::string_view path, std::size_t index = 0) {
    return fdt::reg(node_at(blob.tree(), path), index);
  }
  Error reg_error(const Blob& where, std::string_view path, std::size_t index = 0) {
    const auto region = fdt::reg(node_at(where.tree(), path), index);
    CHECK_TEXT(!region.has_value(), std::string{path}.c_str());
    return region.error();
  }
  /// The error of a node that is wrong from its first entry on: it counts as having none.
  Error malformed(const Blob& where, std::string_view path) {
    LONGS_EQUAL(0, fdt::reg_count(node_at(where.tree(), path)));
    return reg_error(where, path);
  }
};

TEST(FdtAddress, ReadsTwoCellAddressesOfTheRoot) {
  check_region(reg("/bus@40000000"), 0x4000'0000, 0x1000);
  check_region(fdt::reg(node_at(virt.tree(), "/soc/virtio_mmio@10008000")), 0x1000'8000, 0x1000);
}

TEST(FdtAddress, TranslatesThroughEveryEntryOfRanges) {
  check_region(reg("/bus@40000000/first@1000"), 0x4000'1000, 0x100);
  check_region(reg("/bus@40000000/second@10000000"), 0x8'0000'0000, 0x100'0000);
  check_region(reg("/bus@40000000/second@10000000", 1), 0x8'00ff'fff0, 0x10);
  check_region(reg("/bus@40000000/third@f0000000"), 0x9000'0000, 0x1000'0000);
}

TEST(FdtAddress, TranslatesThroughEveryLevel) {
  check_region(reg("/bus@40000000/bus@20000/deep@40"), 0x4002'0040, 0x10);
  check_region(reg("/bus@40000000/bus@20000/deep@8100"), 0x8'0080'0100, 0x100);
  check_region(reg("/bus@40000000/bus@20000/deep@8100", 1), 0x8'0080'0700, 0x100);
  check_region(reg("/bus@40000000/bus@20000/bus@0/deepest@100000020"), 0x8'0080'0020, 8);
}

TEST(FdtAddress, RefusesRegionsThatNoEntryCoversWhole) {
  CHECK(reg_error(blob, "/bus@40000000/straddles@ff000") == Error::not_translatable);
  CHECK(reg_error(blob, "/bus@40000000/between@200000") == Error::not_translatable);
  CHECK(reg_error(blob, "/bus@40000000/bus@20000/deep@8100", 2) == Error::not_translatable);
  CHECK(reg_error(blob, "/bus@40000000/bus@20000/bus@0/deepest@20") == Error::not_translatable);
}

TEST(FdtAddress, TakesAnEmptyRangesAsTheIdentityAndNoneAsAnEnd) {
  check_region(reg("/identity/here@1234"), 0x1234, 0);
  CHECK(reg_error(blob, "/closed/hidden@0") == Error::not_translatable);
  check_region(fdt::bus_reg(node_at(blob.tree(), "/closed/hidden@0")), 0, 0x10);
}

TEST(FdtAddress, RefusesARangesOfBrokenLength) {
  CHECK(reg_error(blob, "/odd/child@0") == Error::bad_length);
  for (std::size_t length : {1u, 15u, 17u, 19u}) {
    const Blob cut = blob.with("/odd", "ranges", std::string(length, '\0'));
    CHECK(reg_error(cut, "/odd/child@0") == Error::bad_length);
  }
  const Blob whole = blob.with_cells("/odd", "ranges", {0, 5, 0, 0x10});
  check_region(fdt::reg(node_at(whole.tree(), "/odd/child@0")), 0x5'0000'0000, 0x10);
}

TEST(FdtAddress, NeverWrapsPast64Bits) {
  check_region(reg("/high/last-page@0"), 0xffff'ffff'ffff'f000, 0x1000);
  check_region(reg("/high/last-byte@100000000"), 0xffff'ffff'ffff'ffff, 1);
  CHECK(reg_error(blob, "/high/wraps@800") == Error::not_translatable);
  CHECK(reg_error(blob, "/high/beyond@1800") == Error::not_translatable);
  check_region(reg("/whole@0"), 0, 0xffff'ffff'ffff'ffff);
  check_region(reg("/whole@0", 1), 0xffff'ffff'ffff'ffff, 1);
  CHECK(reg_error(blob, "/whole@0", 2) == Error::not_translatable);
  check_region(reg("/whole@0", 3), 0x10, 0x20); // the neighbours of a bad entry stay readable
}

TEST(FdtAddress, RefusesARegionBelowAnEntryThatIsNearlyAllSpace) {
  const Blob wide = blob.with_cells("/high", "ranges", {0, 0x2000, 0, 0, 0xffffffff, 0xffffffff});
  CHECK(reg_error(wide, "/high/beyond@1800") == Error::not_translatable);
}

TEST(FdtAddress, AssumesTwoAddressCellsAndOneSizeCell) {
  check_region(reg("/defaults/child@1"), 0x1'0000'0002, 3);
}

TEST(FdtAddress, CountsEntriesAndEndsBehindTheLast) {
  LONGS_EQUAL(2, fdt::reg_count(node_at(blob.tree(), "/bus@40000000/second@10000000")));
  LONGS_EQUAL(1, fdt::reg_count(node_at(blob.tree(), "/bus@40000000")));
  CHECK(reg_error(blob, "/bus@40000000/second@10000000", 2) == Error::no_such_entry);
  CHECK(reg_error(blob, "/bus@40000000", SIZE_MAX) == Error::no_such_entry);
}

TEST(FdtAddress, RefusesAThreeCellPciAddress) {
  CHECK(malformed(virt, "/soc/pci@30000000/ethernet@1,0") == Error::bad_cells);
  // A bus below has cells of its own; the level above cannot be read all the same.
  LONGS_EQUAL(1, fdt::reg_count(node_at(virt.tree(), "/soc/pci@30000000/ethernet@1,0/bridge@0/deep@0")));
  CHECK(reg_error(virt, "/soc/pci@30000000/ethernet@1,0/bridge@0/deep@0") == Error::not_translatable);
  const Blob mapped = virt.with("/soc/pci@30000000/ethernet@1,0/bridge@0", "ranges", "")
                          .with_cells("/soc/pci@30000000/ethernet@1,0", "ranges", {0, 0, 0, 0, 0});
  CHECK(reg_error(mapped, "/soc/pci@30000000/ethernet@1,0/bridge@0/deep@0") == Error::bad_cells);
}

TEST(FdtAddress, RefusesARegOfBrokenLength) {
  CHECK(malformed(bad, "/reg-too-short") == Error::bad_length);
  CHECK(malformed(bad, "/reg-one-cell-more") == Error::bad_length);
  CHECK(malformed(bad, "/reg-odd-bytes") == Error::bad_length);
  CHECK(malformed(bad, "/reg-empty") == Error::bad_length);
  CHECK(malformed(bad, "/reg-none") == Error::no_such_property);
  CHECK(malformed(bad.with_cells("/", "reg", {0, 0, 0, 1}), "/") == Error::no_such_node); // the root is on no bus
}

TEST(FdtAddress, RefusesCellCountsOutOfRange) {
  CHECK(malformed(bad, "/no-address-cells/child") == Error::bad_cells);
  CHECK(malformed(bad, "/five-address-cells/child") == Error::bad_cells);
  CHECK(malformed(bad, "/five-size-cells/child") == Error::bad_cells);
  const Blob odd = bad.with_cells("/five-size-cells", "#size-cells", {0, 1});
  CHECK(malformed(odd, "/five-size-cells/child") == Error::bad_length);
  const Blob huge = bad.with_cells("/five-size-cells", "#size-cells", {0xffffffff});
  CHECK(malformed(huge, "/five-size-cells/child") == Error::bad_cells);
}

TEST(FdtAddress, RefusesCellCountsOutOfRangeAboveTheBus) {
  for (const std::uint32_t cells : {0u, 3u, 0xffffffffu}) {
    const Blob odd = blob.with_cells("/", "#address-cells", {cells});
    CHECK(reg_error(odd, "/bus@40000000/first@1000") == Error::bad_cells);
  }
}

TEST(FdtAddress, GoodNodesStayReadableBesideMalformedOnes) {
  check_region(fdt::reg(node_at(bad.tree(), "/good@1000")), 0x1000, 0x100);
}
