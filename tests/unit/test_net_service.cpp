// SPDX-License-Identifier: BSD-2-Clause
#include "shell/net_service.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "tests/support/fake_clock.hpp"
#include "tests/support/net_shell.hpp"

#include <CppUTest/TestHarness.h>

using test::ethernet_frame;

namespace {

struct LogLines {
  std::vector<std::string> lines;
  LogLines() { bsp::log::set_sink(add, this); }
  ~LogLines() { bsp::log::set_sink(nullptr, nullptr); }
  static void add(void* context, bsp::log::Level, std::string_view text) {
    static_cast<LogLines*>(context)->lines.emplace_back(text);
  }
};

bool same(std::span<const std::byte> bytes, const test::Bytes& frame) {
  return bytes.size() == frame.size() && std::memcmp(bytes.data(), frame.data(), frame.size()) == 0;
}

} // namespace

TEST_GROUP(NetService) {
  test::FakeNetDevice net0{"net0"};
  test::FakeNetDevice net1{"net1"};
  std::vector<net::NetDevice*> devices{&net0, &net1};
  std::vector<std::byte> storage = std::vector<std::byte>(65536);
  shell::NetService service{devices, storage};

  void setup() override {
    test::fake_clock().reset();
  }
  void teardown() override {
    CHECK(net0.faults.empty());
    CHECK(net1.faults.empty());
    CHECK_EQUAL(0, net0.frames_out());
    CHECK_EQUAL(0, net1.frames_out());
  }
};

TEST(NetService, ServesAndDrainsEveryInterface) {
  for (int i = 0; i < 100; i++) {
    CHECK(net0.arrive(ethernet_frame(60)));
    CHECK(net1.arrive(ethernet_frame(60)));
  }
  service.poll();
  CHECK_EQUAL(0, net0.frames_waiting());
  CHECK_EQUAL(0, net1.frames_waiting());
  CHECK_EQUAL(1, net0.service_calls);
  CHECK_EQUAL(1, net1.service_calls);
  CHECK(service.captured().empty());
}

TEST(NetService, EndsATurnThoughFramesKeepComing) {
  net0.rx_ring = 5000;
  for (int i = 0; i < 4000; i++)
    CHECK(net0.arrive(ethernet_frame(60)));
  service.poll();
  CHECK(net0.frames_waiting() > 2000);
  CHECK(service.prepare_idle());
  while (service.prepare_idle())
    service.poll();
  CHECK_EQUAL(0, net0.frames_waiting());
}

TEST(NetService, AsksForFramesInBatches) {
  for (int i = 0; i < 96; i++)
    CHECK(net0.arrive(ethernet_frame(60)));
  service.poll();
  CHECK(net0.statistics.polls <= 4);
}

TEST(NetService, CapturesOnlyTheInterfaceThatWasAskedFor) {
  service.start_capture(net1, {});
  CHECK(net0.arrive(ethernet_frame(60, 0x0800)));
  CHECK(net1.arrive(ethernet_frame(61, 0x0806)));
  service.poll();
  CHECK_EQUAL(1, service.captured().size());
  CHECK(same(service.captured().front().bytes, ethernet_frame(61, 0x0806)));
}

TEST(NetService, CapturesAFrameInPiecesWhole) {
  service.start_capture(net0, {});
  CHECK(net0.arrive_in_pieces(ethernet_frame(1500), 333));
  service.poll();
  CHECK(same(service.captured().front().bytes, ethernet_frame(1500)));
}

TEST(NetService, CapturesNothingBeyondTheLimitAndCallsNothingDropped) {
  service.start_capture(net0, {.limit = 3});
  for (int i = 0; i < 10; i++)
    CHECK(net0.arrive(ethernet_frame(60)));
  CHECK(service.capturing());
  service.poll();
  CHECK_FALSE(service.capturing());
  CHECK_EQUAL(3, service.captured().size());
  CHECK_EQUAL(0, service.captured().dropped());
  CHECK_EQUAL(0, net0.frames_waiting());
}

TEST(NetService, CapturesNothingAfterTheDeadline) {
  service.start_capture(net0, {.until = bsp::Deadline::in_ms(10)});
  CHECK(net0.arrive(ethernet_frame(60)));
  service.poll();
  test::fake_clock().advance_us(10'000);
  CHECK_FALSE(service.capturing());
  CHECK(net0.arrive(ethernet_frame(60)));
  service.poll();
  CHECK_EQUAL(1, service.captured().size());
  CHECK_EQUAL(0, net0.frames_waiting());
}

TEST(NetService, DrainsTheDriverThoughTheCaptureRingIsFull) {
  service.start_capture(net0, {});
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < 200; i++)
      CHECK(net0.arrive(ethernet_frame(1514)));
    service.poll();
  }
  CHECK_EQUAL(0, net0.overruns);
  CHECK(service.captured().dropped() > 0);
  CHECK_EQUAL(2000, service.captured().size() + service.captured().dropped());
}

TEST(NetService, RecordsSentFramesOnlyWhereAsked) {
  const std::vector<std::byte> frame(60);
  service.record_sent(net0, frame);
  service.start_capture(net0, {});
  service.record_sent(net0, frame);
  CHECK(service.captured().empty());
  service.start_capture(net0, {.sent = true});
  service.record_sent(net1, frame);
  CHECK(service.captured().empty());
  service.record_sent(net0, frame);
  CHECK_EQUAL(1, service.captured().size());
  CHECK(service.captured().front().notes.direction == shell::Direction::sent);
}

TEST(NetService, StartsACaptureEmpty) {
  service.start_capture(net0, {});
  CHECK(net0.arrive(ethernet_frame(60)));
  service.poll();
  service.stop_capture();
  CHECK_FALSE(service.capturing());
  service.start_capture(net0, {});
  CHECK(service.captured().empty());
}

TEST(NetService, StampsFramesWithTheTimeSinceBoot) {
  test::fake_clock().ticks = bsp::clock::us_to_ticks(7'000'123);
  test::fake_clock().step = 0;
  service.start_capture(net0, {});
  CHECK(net0.arrive(ethernet_frame(60)));
  service.poll();
  CHECK_EQUAL(7'000'123, service.captured().front().time_us);
}

TEST(NetService, DoesNotSleepWhileAnInterfaceHasWork) {
  CHECK_FALSE(service.prepare_idle());
  CHECK(net1.arrive(ethernet_frame(60)));
  CHECK(service.prepare_idle());
}

TEST(NetService, WaitsForCompletionsOnlyWhileACommandExpectsThem) {
  CHECK_FALSE(service.prepare_idle());
  CHECK_EQUAL(0, net0.idle_preparations_for_completions);
  service.expect_completions(true);
  CHECK_FALSE(service.prepare_idle());
  CHECK_EQUAL(1, net0.idle_preparations_for_completions);
  service.expect_completions(false);
  CHECK_FALSE(service.prepare_idle());
  CHECK_EQUAL(1, net0.idle_preparations_for_completions);
}

TEST(NetService, LogsLinkChangesAndRecoveries) {
  LogLines log;
  net0.link_state.state = net::LinkState::down;
  net0.raise(net::NetEvent::link_changed);
  net0.link_state.state = net::LinkState::up;
  net0.raise(net::NetEvent::link_changed);
  net1.raise(net::NetEvent::recovered);
  net1.raise(net::NetEvent::failed);
  CHECK_EQUAL(4, log.lines.size());
  CHECK_EQUAL(std::string{"net0: link is down"}, log.lines[0]);
  CHECK_EQUAL(std::string{"net0: link is up"}, log.lines[1]);
  CHECK_EQUAL(std::string{"net1: device was reset after an error, traffic goes on"}, log.lines[2]);
  CHECK_EQUAL(std::string{"net1: recovery given up, 'net reset' tries again"}, log.lines[3]);
}

TEST(NetService, LogsMtuChangesAnnouncementsAndLostFrames) {
  LogLines log;
  CHECK(net0.set_mtu(1400).has_value());
  net0.raise(net::NetEvent::mtu_changed);
  net1.raise(net::NetEvent::announced);
  net1.raise(net::NetEvent::tx_timeout);
  CHECK_EQUAL(3, log.lines.size());
  CHECK_EQUAL(std::string{"net0: mtu is 1400"}, log.lines[0]);
  CHECK_EQUAL(std::string{"net1: announced"}, log.lines[1]);
  CHECK_EQUAL(std::string{"net1: frames in flight made no progress, taken back as not sent"}, log.lines[2]);
}

TEST(NetService, LetsGoOfItsInterfacesAtTheEnd) {
  LogLines log;
  std::vector<std::byte> other_storage(64);
  { shell::NetService other{devices, other_storage}; }
  net0.raise(net::NetEvent::link_changed);
  CHECK(log.lines.empty());
}
