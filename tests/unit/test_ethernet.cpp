// SPDX-License-Identifier: BSD-2-Clause
#include "drivers/net/ethernet.hpp"

#include <set>
#include <string>

#include <CppUTest/TestHarness.h>

namespace {

std::string text_of(const net::MacAddress& mac) {
  return std::string{net::to_text(mac).view()};
}

bool tagged(unsigned type) {
  std::array<std::byte, 14> frame{};
  frame[12] = static_cast<std::byte>(type >> 8);
  frame[13] = static_cast<std::byte>(type & 0xff);
  return net::is_tagged(frame);
}

} // namespace

TEST_GROUP(Ethernet){};

TEST(Ethernet, PrintsAddressesInLowerCaseWithColons) {
  CHECK_EQUAL(std::string{"52:54:00:ab:cd:ef"}, text_of({{0x52, 0x54, 0x00, 0xab, 0xcd, 0xef}}));
}

TEST(Ethernet, ParsesWhatItPrints) {
  const net::MacAddress mac{{0x00, 0xff, 0x10, 0x0f, 0xa9, 0x9a}};
  CHECK(net::parse_mac(text_of(mac)) == mac);
}

TEST(Ethernet, ParsesUpperCaseAndHyphens) {
  const net::MacAddress mac{{0x52, 0x54, 0x00, 0xab, 0xcd, 0xef}};
  CHECK(net::parse_mac("52-54-00-AB-CD-EF") == mac);
}

TEST(Ethernet, RejectsTextThatIsNotExactlySixOctets) {
  for (const char* text : {"", "52:54:00:ab:cd", "52:54:00:ab:cd:ef:01", "52:54:00:ab:cd:e", "52:54:00:ab:cd:eg",
                           "52.54.00.ab.cd.ef", "525400abcdef", "5:254:00:ab:cd:ef", " 52:54:00:ab:cd:e"})
    CHECK_FALSE(net::parse_mac(text).has_value());
}

TEST(Ethernet, AcceptsNoZeroOrGroupAddressAsAnInterfacesOwn) {
  CHECK_FALSE(net::MacAddress{}.is_valid_unicast());
  CHECK_FALSE(net::broadcast.is_valid_unicast());
  CHECK_FALSE(net::parse_mac("01:00:5e:00:00:01")->is_valid_unicast());
  CHECK(net::parse_mac("02:00:00:00:00:00")->is_valid_unicast());
}

TEST(Ethernet, MakesLocalUnicastAddressesThatDifferBySeed) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 256; seed++) {
    const net::MacAddress mac = net::local_address(seed);
    CHECK_EQUAL(0x02, mac.octets[0] & 0x03);
    CHECK(mac == net::local_address(seed));
    seen.insert(text_of(mac));
  }
  CHECK_EQUAL(256, seen.size());
}

TEST(Ethernet, KnowsBothVlanTags) {
  CHECK(tagged(0x8100));
  CHECK(tagged(0x88a8));
  CHECK_FALSE(tagged(0x0081));
  CHECK_FALSE(tagged(0x0800));
  CHECK_FALSE(tagged(0x8101));
}

TEST(Ethernet, AddsTheHeaderAndATagToTheMtu) {
  CHECK_EQUAL(1514, net::max_frame_size(1500, false));
  CHECK_EQUAL(1518, net::max_frame_size(1500, true));
  CHECK_EQUAL(65535 + 18, net::max_frame_size(65535, true));
}
