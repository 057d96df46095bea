// SPDX-License-Identifier: BSD-2-Clause
// A device that dies, or asks for a reset, at each single step of a driver's life in turn: while it comes up, in
// traffic, at configuration changes, during a reset. Over each kind of ring.
#include <functional>
#include <vector>

#include "tests/support/counting_bridge.hpp"
#include "tests/support/virtio_net_test.hpp"

using net::NetEvent;
using test::CountingBridge;
using test::fake_clock;
using virtio::Feature;

TEST_GROUP_BASE(VirtioNetEachStep, test::VirtioNetTest) {
  unsigned at{0}; ///< the access at which it happens
  bool reset_failed{false};

  /// A life: bringing up, traffic both ways with interrupts, a change of the configuration, a reset, traffic. Checks
  /// nothing, for the device may be anything.
  void live() {
    if (!create()) return;
    for (int i = 0; i < 2; i++) {
      if (!net->prepare_idle(true)) static_cast<void>(deliver(frame(60)));
      interrupt();
      received();
      send(frame(60));
      transmitted();
      reclaimed();
      device->generation++;
      device->raise_config();
      interrupt();
      go_on(5);
      if (i == 0) reset_failed = !net->reset();
    }
  }
  void interrupt() {
    for (int i = 0; i < 3 && device->line_raised(); i++) // the line of a dead device may stay up
      irq.handle_external_interrupt();
  }
  /// A main loop, for `times` rounds of up to 10 ms.
  void go_on(unsigned times) {
    for (unsigned i = 0; i < times; i++) {
      net->service();
      received();
      reclaimed();
      interrupt();
      fake_clock().advance_us(net->prepare_idle(true) ? 1000 : 10'000);
    }
  }
  /// `strike` at each access of a life in turn, then `judge`.
  template <class Strike, class Judge> void at_each_step(Strike && strike, Judge && judge) {
    for (const unsigned kind : {0U, 1U, 2U}) {
      unsigned steps = UINT32_MAX;
      for (at = 0; at < steps; at++) {
        start_over(kind == 2 ? Version::legacy : Version::modern, kind == 1);
        have_control_queue();
        offer(Feature::ring_reset);
        reset_failed = false;
        {
          CountingBridge bridge{*device};
          bridge.strikes_at = at;
          bool struck = false;
          bridge.strike = [&] {
            struck = true;
            strike();
          };
          live();
          if (!struck) steps = at;
        }
        judge();
        fake_clock().step = 10;
      }
      CHECK(steps > 100 && steps < 2000);
    }
  }
  void check_alive() {
    reclaimed();
    check_all_buffers_are_there();
    check_traffic();
  }
};

// proves: ROB-17, ROB-11
TEST(VirtioNetEachStep, TheDeviceDies) {
  at_each_step(
      [this] {
        device->script.gone = true;
        fake_clock().step = 100'000; // waits are a second long: take fewer looks
      },
      [this] {
        if (net) {
          go_on(30);
          CHECK(net->usable() != device->script.gone);
          const bool reported = !events.empty() && events.back() == NetEvent::failed;
          if (device->script.gone) {
            CHECK(reported || reset_failed); // to the listener, or to who asked for the reset
            LONGS_EQUAL(0, send(frame(60)));
          }
        }
        for (test::FakeQueue* ring : {&rings[0], &rings[1], &command_ring})
          ring->check(); // what it may still read is as it was
        device->script.gone = false;
        fake_clock().step = 10;
        if (net) CHECK(net->reset().has_value());
        if (!net) bring_up();
        check_alive();
      });
}

// proves: GEN-24
TEST(VirtioNetEachStep, TheDeviceAsksForAReset) {
  at_each_step(
      [this] {
        device->set_needs_reset();
        device->raise_config();
      },
      [this] {
        if (!net) bring_up();
        if (reset_failed) CHECK(net->reset().has_value()); // who asked for it was told, and asks again
        go_on(30);
        CHECK(net->usable());
        LONGS_EQUAL(0, device->status() & 0xc0); // it was reset, and is up again
        check_alive();
      });
}
