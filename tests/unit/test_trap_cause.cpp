// SPDX-License-Identifier: BSD-2-Clause
#include <string>

#include "bsp/trap.hpp"

#include <CppUTest/TestHarness.h>

using bsp::trap::diagnose;
using bsp::trap::exception_name;
using bsp::trap::Place;

namespace {
void says(const char* expected, std::string_view text) {
  STRCMP_EQUAL(expected, std::string{text}.c_str());
}
} // namespace

TEST_GROUP(TrapCause){};

TEST(TrapCause, NamesExceptionsByTheirCode) {
  says("instruction address misaligned", exception_name(0));
  says("illegal instruction", exception_name(2));
  says("load access fault", exception_name(5));
  says("store access fault", exception_name(7));
  says("instruction page fault", exception_name(12));
  says("load page fault", exception_name(13));
  says("store page fault", exception_name(15));
}

TEST(TrapCause, NamesReservedCodesUnknown) {
  for (const std::uint64_t code : {std::uint64_t{10}, std::uint64_t{14}, std::uint64_t{16}, UINT64_MAX})
    says("unknown exception", exception_name(code));
}

TEST(TrapCause, RecognisesJumpsToNullWithAndWithoutPaging) {
  says("jump to null", diagnose(12, Place::page_zero, Place::page_zero));
  says("jump to null", diagnose(1, Place::page_zero, Place::page_zero));
  says("jump out of the text", diagnose(12, Place::writable, Place::writable));
}

TEST(TrapCause, RecognisesStackOverflowByLoadAndStore) {
  says("stack overflow", diagnose(15, Place::text, Place::stack_guard));
  says("stack overflow", diagnose(13, Place::text, Place::stack_guard));
}

TEST(TrapCause, RecognisesNullPointersWithAndWithoutPaging) {
  for (const unsigned code : {5U, 7U, 13U, 15U})
    says("null pointer", diagnose(code, Place::text, Place::page_zero));
}

TEST(TrapCause, RecognisesStoresToWhatIsReadOnly) {
  says("store to text", diagnose(15, Place::text, Place::text));
  says("store to read-only data", diagnose(15, Place::text, Place::rodata));
  says("", diagnose(13, Place::text, Place::text));
}

TEST(TrapCause, SaysNothingWhereTheAddressMeansNothing) {
  // stval of an illegal instruction is the instruction, that of a breakpoint an address of text.
  says("", diagnose(2, Place::text, Place::page_zero));
  says("", diagnose(3, Place::text, Place::page_zero));
  says("", diagnose(9, Place::text, Place::page_zero));
  says("", diagnose(15, Place::text, Place::elsewhere));
}
