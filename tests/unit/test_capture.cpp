// SPDX-License-Identifier: BSD-2-Clause
#include "shell/capture.hpp"

#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include <CppUTest/TestHarness.h>

namespace {

using Frame = std::vector<std::byte>;

Frame make_frame(std::size_t size, unsigned seed) {
  Frame frame(size);
  for (std::size_t i = 0; i < size; i++)
    frame[i] = static_cast<std::byte>(i * 7 + seed);
  return frame;
}

net::RxFrame received(Frame& frame) {
  net::RxFrame handle;
  handle.first = {frame.data(), {}, static_cast<std::uint32_t>(frame.size())};
  return handle;
}

bool same(std::span<const std::byte> bytes, const Frame& frame) {
  return bytes.size() == frame.size() && std::memcmp(bytes.data(), frame.data(), frame.size()) == 0;
}

} // namespace

TEST_GROUP(CaptureRing) {
  // Storage of exact size on the heap, so that the sanitizer sees a step outside.
  std::vector<std::byte> storage = std::vector<std::byte>(4096);
  shell::CaptureRing ring{storage};

  bool push(Frame frame, std::uint64_t time = 0) {
    return ring.push(received(frame), time);
  }
};

TEST(CaptureRing, GivesFramesBackInOrderWithTimeAndDirection) {
  CHECK(push(make_frame(14, 1), 1000));
  CHECK(ring.push_sent(make_frame(60, 2), 2000));
  CHECK_EQUAL(2, ring.size());
  CHECK(same(ring.front().bytes, make_frame(14, 1)));
  CHECK_EQUAL(1000, ring.front().time_us);
  CHECK(ring.front().notes.direction == shell::Direction::received);
  ring.pop();
  CHECK(same(ring.front().bytes, make_frame(60, 2)));
  CHECK_EQUAL(2000, ring.front().time_us);
  CHECK(ring.front().notes.direction == shell::Direction::sent);
  ring.pop();
  CHECK(ring.empty());
}

TEST(CaptureRing, KeepsTheChecksumState) {
  Frame frame = make_frame(60, 1);
  net::RxFrame handle = received(frame);
  handle.checksum = net::Checksum::partial;
  handle.csum_start = 34;
  handle.csum_offset = 16;
  CHECK(ring.push(handle, 0));
  CHECK(ring.front().notes.checksum == net::Checksum::partial);
  CHECK_EQUAL(34, ring.front().notes.csum_start);
  CHECK_EQUAL(16, ring.front().notes.csum_offset);
}

TEST(CaptureRing, KeepsAllThatIsKnownOfAFrame) {
  Frame frame = make_frame(60, 1);
  net::RxFrame handle = received(frame);
  handle.gso = net::Gso::tcp6;
  handle.gso_size = 1428;
  handle.ecn = true;
  handle.hash_report = 5;
  handle.hash = 0x89abcdef;
  handle.coalesced_segments = 40'000;
  handle.duplicate_acks = 50'000;
  CHECK(ring.push(handle, 0));
  const shell::FrameNotes notes = ring.front().notes;
  CHECK(notes.gso == net::Gso::tcp6);
  CHECK_EQUAL(1428, notes.gso_size);
  CHECK(notes.ecn);
  CHECK_EQUAL(5, notes.hash_report);
  CHECK_EQUAL(0x89abcdef, notes.hash);
  CHECK_EQUAL(40'000, notes.coalesced_segments);
  CHECK_EQUAL(50'000, notes.duplicate_acks);
}

TEST(CaptureRing, KeepsWhatWasAskedForASentFrame) {
  CHECK(
      ring.push_sent(make_frame(60, 2), 0,
                     {.checksum = true, .gso = net::Gso::tcp4, .csum_start = 34, .csum_offset = 16, .gso_size = 536}));
  const shell::FrameNotes notes = ring.front().notes;
  CHECK(notes.direction == shell::Direction::sent);
  CHECK(notes.checksum == net::Checksum::partial);
  CHECK(notes.gso == net::Gso::tcp4);
  CHECK_EQUAL(34, notes.csum_start);
  CHECK_EQUAL(16, notes.csum_offset);
  CHECK_EQUAL(536, notes.gso_size);
}

TEST(CaptureRing, JoinsTheSegmentsOfAFrame) {
  Frame frame = make_frame(1000, 3);
  net::RxFrame handle = received(frame);
  const net::Segment rest[] = {{frame.data() + 100, {}, 500}, {frame.data() + 600, {}, 400}};
  handle.first.length = 100;
  handle.set_more(rest);
  CHECK(ring.push(handle, 0));
  CHECK(same(ring.front().bytes, frame));
}

TEST(CaptureRing, CountsWhatFindsItFullAndOverwritesNothing) {
  std::size_t kept = 0;
  while (push(make_frame(200, static_cast<unsigned>(kept))))
    kept++;
  CHECK_EQUAL(1, ring.dropped());
  CHECK_FALSE(push(make_frame(200, 99)));
  CHECK_EQUAL(2, ring.dropped());
  CHECK_EQUAL(kept, ring.size());
  for (std::size_t i = 0; i < kept; i++, ring.pop())
    CHECK(same(ring.front().bytes, make_frame(200, static_cast<unsigned>(i))));
}

TEST(CaptureRing, UsesNearlyAllOfItsStorage) {
  while (push(make_frame(60, 0))) {
  }
  CHECK(ring.size() >= storage.size() / (60 + 40));
}

TEST(CaptureRing, DropsAFrameLargerThanItself) {
  CHECK_FALSE(push(make_frame(5000, 0)));
  CHECK_EQUAL(1, ring.dropped());
  CHECK(push(make_frame(60, 0)));
}

TEST(CaptureRing, LeavesTheFrontInPlaceWhileOthersArrive) {
  CHECK(push(make_frame(100, 1)));
  const std::span<const std::byte> front = ring.front().bytes;
  while (push(make_frame(100, 2))) {
  }
  CHECK(same(front, make_frame(100, 1)));
  POINTERS_EQUAL(front.data(), ring.front().bytes.data());
}

TEST(CaptureRing, ForgetsEverythingOnClear) {
  while (push(make_frame(100, 2))) {
  }
  ring.clear();
  CHECK(ring.empty());
  CHECK_EQUAL(0, ring.dropped());
  CHECK(push(make_frame(100, 3)));
  CHECK(same(ring.front().bytes, make_frame(100, 3)));
}

TEST(CaptureRing, HoldsNothingWithoutStorage) {
  shell::CaptureRing none{{}};
  Frame frame = make_frame(60, 0);
  CHECK_FALSE(none.push(received(frame), 0));
  CHECK_EQUAL(1, none.dropped());
}

TEST(CaptureRing, BehavesLikeAQueueForAnySequence) {
  std::mt19937 random{12345};
  std::deque<Frame> model;
  std::uint64_t refused = 0;
  for (int step = 0; step < 20000; step++) {
    if (random() % 2 == 0) {
      Frame frame = make_frame(14 + random() % 1600, static_cast<unsigned>(random()));
      if (ring.push(received(frame), static_cast<std::uint64_t>(step))) {
        model.push_back(frame);
      } else {
        refused++;
      }
    } else if (!model.empty()) {
      CHECK(same(ring.front().bytes, model.front()));
      ring.pop();
      model.pop_front();
    }
    CHECK_EQUAL(model.size(), ring.size());
  }
  CHECK_EQUAL(refused, ring.dropped());
  CHECK(refused > 100);
}
