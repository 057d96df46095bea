// SPDX-License-Identifier: BSD-2-Clause
#include "shell/frame_text.hpp"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using shell::HexError;

namespace {

using Words = std::vector<std::string_view>;

std::string parsed(const Words& words) {
  const shell::HexSize size = shell::hex_size(words);
  if (size.error) return "error";
  std::vector<std::byte> bytes(size.bytes);
  shell::parse_hex(words, bytes);
  std::string text;
  for (const std::byte byte : bytes)
    text += static_cast<char>(byte);
  return text;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  std::vector<std::byte> bytes;
  for (const char c : text)
    bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

std::string dump_line(const std::vector<std::byte>& frame, std::size_t offset) {
  return std::string{shell::DumpLine{frame, offset}.view()};
}

shell::CapturedFrame captured(std::span<const std::byte> bytes, std::uint64_t time_us, shell::Direction direction) {
  return {.time_us = time_us, .bytes = bytes, .notes = {.direction = direction}};
}

} // namespace

TEST_GROUP(FrameText){};

TEST(FrameText, ReadsHexOfEitherCaseWithSpacesAndColons) {
  CHECK_EQUAL(std::string{"AbJk\xff"}, parsed({"41:62", "4A", "6bfF"}));
  CHECK_EQUAL(std::string{"ABC"}, parsed({"41 42: 43"}));
  CHECK_EQUAL(std::string{"AB"}, parsed({":41:", ":", "", "42"}));
}

TEST(FrameText, ReadsEveryByteValue) {
  for (unsigned value = 0; value < 256; value++) {
    char text[3];
    snprintf(text, sizeof text, value % 2 == 0 ? "%02x" : "%02X", value);
    const std::string byte = parsed({std::string_view{text, 2}});
    CHECK_EQUAL(1, byte.size());
    CHECK_EQUAL(value, static_cast<std::uint8_t>(byte[0]));
  }
}

TEST(FrameText, ReadsNothingAsNoBytes) {
  CHECK_EQUAL(0, shell::hex_size(Words{}).bytes);
  CHECK_EQUAL(0, shell::hex_size(Words{"", ":"}).bytes);
}

TEST(FrameText, NamesTheCharacterThatIsNoDigitAndItsPlace) {
  const auto error = shell::hex_size(Words{"ffff", "f0g1"}).error;
  CHECK(error.has_value());
  CHECK(error->cause == HexError::Cause::bad_digit);
  CHECK_EQUAL('g', error->character);
  CHECK_EQUAL(8, error->position);
}

TEST(FrameText, TakesNoSignPrefixOrOtherCharacter) {
  for (const char* text : {"0x41", "+4", "-1", "4.", "4,1", "g0", "@0", "`0", "G0", "/0", "\t41", "41\xe9"}) {
    const auto error = shell::hex_size(Words{text}).error;
    CHECK(error.has_value());
    CHECK(error->cause == HexError::Cause::bad_digit);
  }
}

TEST(FrameText, NamesALoneDigitWhereverItStands) {
  const auto at_the_end = shell::hex_size(Words{"414"}).error;
  CHECK(at_the_end->cause == HexError::Cause::split_byte);
  CHECK_EQUAL(3, at_the_end->position);
  const auto between_colons = shell::hex_size(Words{"52:54:0:12:34:5"}).error;
  CHECK(between_colons->cause == HexError::Cause::split_byte);
  CHECK_EQUAL('0', between_colons->character);
  CHECK_EQUAL(7, between_colons->position);
  const auto across_words = shell::hex_size(Words{"4", "1"}).error;
  CHECK(across_words->cause == HexError::Cause::split_byte);
}

TEST(FrameText, WritesOnlyAsManyBytesAsFit) {
  std::byte two[2]{};
  shell::parse_hex(Words{"41", "42", "43"}, two);
  CHECK(two[0] == std::byte{0x41} && two[1] == std::byte{0x42});
}

TEST(FrameText, PrintsSixteenBytesALine) {
  const auto frame = bytes_of("0123456789abcdefgh");
  CHECK_EQUAL(std::string{"00000000: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|"},
              dump_line(frame, 0));
  CHECK_EQUAL(std::string{"00000010: 67 68                                            |gh|"}, dump_line(frame, 16));
}

TEST(FrameText, PrintsADotForWhatIsNotAscii) {
  CHECK(dump_line(bytes_of("\x1f ~\x7f\x80\xff\r\n"), 0).ends_with("|. ~.....|"));
}

TEST(FrameText, PrintsSecondsAndSixDigitsOfMicroseconds) {
  const auto frame = bytes_of("01234567890123");
  char text[32];
  CHECK_EQUAL(std::string{"I 12.000123"},
              std::string{shell::dump_preamble(captured(frame, 12'000'123, shell::Direction::received), text)});
  CHECK_EQUAL(std::string{"O 0.999999"},
              std::string{shell::dump_preamble(captured(frame, 999'999, shell::Direction::sent), text)});
}

TEST(FrameText, SumsAFrameUpInALine) {
  auto frame = bytes_of("\xff\xff\xff\xff\xff\xffRTxxxx");
  frame.push_back(std::byte{0x08});
  frame.push_back(std::byte{0x06});
  char text[128];
  CHECK_EQUAL(std::string{"1.000002 I 14 52:54:78:78:78:78 > ff:ff:ff:ff:ff:ff 0x0806 ARP"},
              std::string{shell::summary_line(captured(frame, 1'000'002, shell::Direction::received), text)});
  frame[12] = std::byte{0x12};
  CHECK_EQUAL(std::string{"1.000002 O 14 52:54:78:78:78:78 > ff:ff:ff:ff:ff:ff 0x1206"},
              std::string{shell::summary_line(captured(frame, 1'000'002, shell::Direction::sent), text)});
  CHECK_EQUAL(std::string{"1.000002 I 13 no Ethernet header"},
              std::string{shell::summary_line(
                  captured(std::span{frame}.first(13), 1'000'002, shell::Direction::received), text)});
}

TEST(FrameText, SumsASuperFrameUpWithItsSegmentSize) {
  auto frame = bytes_of("\xff\xff\xff\xff\xff\xffRTxxxx");
  frame.push_back(std::byte{0x08});
  frame.push_back(std::byte{0x00});
  shell::CapturedFrame super = captured(frame, 1'000'002, shell::Direction::received);
  super.notes.gso = net::Gso::tcp4;
  super.notes.gso_size = 1448;
  char text[128];
  CHECK_EQUAL(std::string{"1.000002 I 14 52:54:78:78:78:78 > ff:ff:ff:ff:ff:ff 0x0800 IPv4 gso tcp4 1448"},
              std::string{shell::summary_line(super, text)});
}

TEST(FrameText, NotesNothingOfAPlainFrame) {
  char text[128];
  CHECK(shell::note_line({}, 0, text).empty());
  CHECK(shell::note_line({.checksum = net::Checksum::valid}, 0, text).empty());
}

TEST(FrameText, NotesEachThingThatIsKnownInALine) {
  const auto note = [](const shell::FrameNotes& notes, std::size_t index) {
    char text[128];
    return std::string{shell::note_line(notes, index, text)};
  };
  const shell::FrameNotes all{.hash = 0x1234abcd,
                              .csum_start = 34,
                              .csum_offset = 16,
                              .gso_size = 1448,
                              .coalesced_segments = 3,
                              .duplicate_acks = 1,
                              .checksum = net::Checksum::partial,
                              .gso = net::Gso::tcp4,
                              .ecn = true,
                              .hash_report = 2};
  CHECK_EQUAL(std::string{"# partial checksum: sum from byte 34, goes to byte 50"}, note(all, 0));
  CHECK_EQUAL(std::string{"# super-frame: tcp4, segments of 1448 bytes, 3 segments coalesced, 1 duplicate ack(s), ECN"},
              note(all, 1));
  CHECK_EQUAL(std::string{"# hash 0x1234abcd over tcp4"}, note(all, 2));
  CHECK_EQUAL(std::string{}, note(all, 3));
  CHECK_EQUAL(std::string{"# super-frame: ufo, segments of 1480 bytes"},
              note({.gso_size = 1480, .gso = net::Gso::udp_fragments}, 0));
  CHECK_EQUAL(std::string{"# super-frame: uso, segments of unknown size"}, note({.gso = net::Gso::udp_segments}, 0));
  CHECK_EQUAL(
      std::string{"# super-frame: tcp6, segments of 65535 bytes, 65535 segments coalesced, 65535 duplicate "
                  "ack(s), ECN"},
      note(
          {.gso_size = 65535, .coalesced_segments = 65535, .duplicate_acks = 65535, .gso = net::Gso::tcp6, .ecn = true},
          0));
}

TEST(FrameText, NamesWhatAHashWasComputedOver) {
  // VIRTIO 1.3, 5.1.6.4.5.
  constexpr std::string_view names[] = {"",     "ip4",  "tcp4",   "udp4",    "ip6",
                                        "tcp6", "udp6", "ip6-ex", "tcp6-ex", "udp6-ex"};
  char text[128];
  for (std::uint8_t type = 1; type < std::size(names); type++)
    CHECK(shell::note_line({.hash = 1, .hash_report = type}, 0, text) ==
          "# hash 0x00000001 over " + std::string{names[type]});
  CHECK(shell::note_line({.hash = 1, .hash_report = 10}, 0, text) == "# hash 0x00000001 over type 10");
  CHECK(shell::note_line({.hash = 1, .hash_report = 255}, 0, text) == "# hash 0x00000001 over type 255");
}

TEST(FrameText, CallsALengthFieldLlc) {
  CHECK(shell::ethertype_name(0x05dc) == "LLC");
  CHECK(shell::ethertype_name(0x0600).empty());
  CHECK(shell::ethertype_name(0x86dd) == "IPv6");
}
