// SPDX-License-Identifier: BSD-2-Clause
// `net bench echo`: what goes back, when, and what is kept until it has.
#include <algorithm>

#include "tests/support/net_bench_test.hpp"

using test::Bytes;
using test::ctrl_c;
using test::number_of;
using test::numbered;
using test::value_names;
using Completes = test::FakeNetDevice::Completes;

namespace {

Bytes swapped(Bytes frame) {
  std::swap_ranges(frame.begin(), frame.begin() + 6, frame.begin() + 6);
  return frame;
}

} // namespace

TEST_GROUP_BASE(NetBenchEcho, test::NetBenchTest){};

TEST(NetBenchEcho, SendsEveryFrameBackWithItsAddressesSwapped) {
  std::vector<Bytes> frames;
  for (std::uint32_t i = 0; i < 300; i++)
    frames.push_back(numbered(i, 60 + i));
  std::vector<std::function<void()>> events;
  for (std::size_t i = 0; i < 3; i++)
    events.emplace_back([this, &frames, i] { net.net0.arrive(frames[i]); }); // one at a time, then many
  events.emplace_back([this, &frames] {
    for (std::size_t i = 3; i < 200; i++)
      net.net0.arrive(frames[i]);
  });
  events.emplace_back([this, &frames] {
    for (std::size_t i = 200; i < 300; i++)
      net.net0.arrive(frames[i]);
  });
  while_idle(events);
  run("net bench echo");
  CHECK(names == value_names);
  STRCMP_EQUAL("300", values["frames"].c_str());
  STRCMP_EQUAL("echoing on net0", notes.at(0).c_str());
  CHECK_EQUAL(300, net.net0.wire.size());
  for (std::size_t i = 0; i < 300; i++)
    CHECK(net.net0.wire[i] == swapped(frames[i]));
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBenchEcho, EchoesNothingThatCannotBeSentAsItLies) {
  while_idle({[this] {
    net.net0.arrive(numbered(0));
    net.net0.arrive_in_pieces(numbered(1, 1000), 400);
    net.net0.arrive(numbered(2));
    net.net0.arrive(numbered(3, 1515));
    net.net0.arrive_in_pieces(numbered(4, 1000), 400);
    net.net0.arrive(numbered(5));
  }});
  run("net bench echo");
  STRCMP_EQUAL("3", values["frames"].c_str());
  STRCMP_EQUAL("180", values["bytes"].c_str());
  CHECK_EQUAL(3, net.net0.wire.size());
  CHECK_EQUAL(5, number_of(net.net0.wire[2]));
}

TEST(NetBenchEcho, KeepsReceivedFramesUntilTheirReplyIsOut) {
  net.net0.completes = Completes::never;
  net.net0.rx_ring = 256;
  std::uint32_t sent = 0;
  const auto flood = [this, &sent] {
    while (net.net0.arrive(numbered(sent)))
      sent++;
  };
  while_idle({flood,
              [&] {
                CHECK_EQUAL(256, net.net0.frames_out()); // nothing was released
                net.net0.complete(100);
              },
              flood, // for which there is room in two places
              [&] { net.net0.complete(10); }, [this] { net.net0.completes = Completes::when_idle_is_prepared; }});
  run("net bench echo");
  CHECK_EQUAL(sent, std::stoul(values["frames"]));
  CHECK_EQUAL(sent, net.net0.wire.size());
  for (std::uint32_t i = 0; i < sent; i++)
    CHECK_EQUAL(i, number_of(net.net0.wire[i]));
  CHECK(sent >= 356);
}

TEST(NetBenchEcho, GivesReceivedFramesBackAlthoughTheirRepliesAreStuck) {
  net.net0.completes = Completes::never;
  while_idle({[this] {
    for (std::uint32_t i = 0; i < 40; i++)
      net.net0.arrive(numbered(i));
  }});
  check_error("net bench echo", "net bench echo: device did not complete");
  CHECK_EQUAL(1, net.net0.resets);
  CHECK_EQUAL(0, net.net0.frames_out());
  CHECK_EQUAL(0, net.arena.used());
}

TEST(NetBenchEcho, ReleasesWhatATooFullRingKeptFromBeingSent) {
  net.net0.completes = Completes::never;
  net.net0.tx_ring = 10;
  while_idle({[this] {
                for (std::uint32_t i = 0; i < 40; i++)
                  net.net0.arrive(numbered(i));
              },
              [this] { net.net0.complete(10); },
              [this] {
                net.console.type(ctrl_c);
                net.net0.completes = Completes::when_serviced;
              }});
  run("net bench echo");
  STRCMP_EQUAL("20", values["frames"].c_str());
}

TEST(NetBenchEcho, GivesAFrameBackAsSoonAsTheDeviceHasItsReply) {
  net.net0.completes = Completes::never;
  std::size_t looks = 0;
  net.net0.on_reclaim = [&] {
    if (net.net0.tx_in_flight() != 0 && ++looks % 100 == 0) net.net0.complete(1);
  };
  std::uint32_t sent = 0;
  test::fake_cpu().on_idle = [&](bsp::Deadline) {
    CHECK_EQUAL(100 * sent, looks);
    CHECK_EQUAL(0, net.net0.frames_out());
    sent < 100 ? static_cast<void>(net.net0.arrive(numbered(sent++))) : net.console.type(ctrl_c);
  };
  run("net bench echo");
  STRCMP_EQUAL("100", values["frames"].c_str());
}

TEST(NetBenchEcho, LooksAtEverythingElseAfterABatchOfReplies) {
  std::uint64_t served = 0;
  net.net0.on_service = [&] { served++; };
  std::uint32_t sent = 0;
  std::uint64_t served_before = 0;
  test::fake_cpu().on_idle = [&](bsp::Deadline) {
    if (sent == 0) served_before = served;
    sent < 320 ? static_cast<void>(net.net0.arrive(numbered(sent++))) : net.console.type(ctrl_c);
  };
  run("net bench echo");
  STRCMP_EQUAL("320", values["frames"].c_str());
  CHECK(served - served_before >= 10);
  CHECK(served - served_before < 30);
}

TEST(NetBenchEcho, AnswersAFrameThatComesBeforeTheDeviceHasTheLastReply) {
  net.net0.completes = Completes::never;
  std::uint64_t looks = 0;
  net.net0.on_reclaim = [&] {
    if (net.net0.tx_in_flight() == 0) return;
    looks++;
    if (looks == 100) net.net0.arrive(numbered(1));

    if (looks == 120) {
      CHECK_EQUAL(2, net.net0.sends);
      net.net0.complete(2);
    }
  };
  while_idle({[this] { net.net0.arrive(numbered(0)); }});
  run("net bench echo");
  STRCMP_EQUAL("2", values["frames"].c_str());
  CHECK_EQUAL(120, looks);
}

// Its thread may be waiting for this hart's core.
TEST(NetBenchEcho, LeavesADeviceThatTakesLongAloneForAWhile) {
  net.net0.completes = Completes::never;
  std::uint64_t looks = 0;
  net.net0.on_reclaim = [&] { looks++; };
  std::vector<std::uint64_t> looks_for; // by frame, from its arrival to the next sleep
  std::uint64_t before = 0;
  test::fake_cpu().on_idle = [&](bsp::Deadline) {
    if (net.net0.frames_waiting() == 0 && before != 0) looks_for.push_back(looks - before);
    net.net0.complete(256); // what it did while the hart slept
    before = looks;
    looks_for.size() < 600 ? static_cast<void>(net.net0.arrive(numbered(0))) : net.console.type(ctrl_c);
  };
  run("net bench echo");
  std::vector<std::size_t> watched;
  for (std::size_t frame = 0; frame < looks_for.size(); frame++)
    if (looks_for[frame] >= 1000)
      watched.push_back(frame);
    else
      CHECK(looks_for[frame] < 10);
  CHECK_EQUAL(2, watched.size());
  CHECK_EQUAL(0, watched[0]);
  CHECK_EQUAL(513, watched[1]);
}
