// SPDX-License-Identifier: BSD-2-Clause
#include "shell/frame_sender.hpp"

#include <algorithm>

namespace shell {

namespace {

/// Shorter gaps are spent awake: going to sleep and waking up takes a good part of them.
constexpr std::uint64_t shortest_sleep_us = 1000;

} // namespace

SendOutcome FrameSender::run(const SendPlan& plan) {
  // Completions that an earlier command left behind carry another cookie.
  cookie_ = net::Cookie{bsp::clock::now_ticks()};
  service_.expect_completions(true);
  bsp::Deadline patience = bsp::Deadline::in_ms(patience_ms);
  bool running = true;
  while (true) {
    // After Ctrl-C wait() does not sleep, so it would not repeat a lost notification either.
    if (!running) service_.repeat_notifications();
    bool progress = collect();
    const bool more = running && submitted_ < plan.count;
    const bool paced = more && !due_.expired();
    if (more && !paced && submit(plan)) progress = true;
    if (in_flight() == 0 && !(running && submitted_ < plan.count)) break;
    if (progress || (paced && in_flight() == 0)) patience = bsp::Deadline::in_ms(patience_ms);
    if (!progress && (patience.expired() || !device_.usable())) {
      give_up();
      break;
    }
    const bool awake = progress || (paced && plan.gap_us < shortest_sleep_us);
    const bsp::Deadline until = paced && due_.ticks() < patience.ticks() ? due_ : patience;
    if (!(awake ? session_.pump() : session_.wait(until))) running = false;
  }
  service_.expect_completions(false);
  return outcome_;
}

bool FrameSender::collect() {
  net::TxCompletion done[batch_size];
  bool any = false;
  while (true) {
    const std::size_t count = device_.reclaim(done);
    for (std::size_t i = 0; i < count; i++) {
      if (done[i].cookie != cookie_) continue;
      any = true;
      finished_++;
      if (done[i].sent) {
        outcome_.sent++;
      } else {
        outcome_.complete = false;
      }
    }
    if (count < batch_size) return any;
  }
}

/// Offers the next frames; false if the device took none.
bool FrameSender::submit(const SendPlan& plan) {
  net::TxRequest requests[batch_size];
  const std::size_t most = plan.gap_us == 0 ? batch_size : 1;
  const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(most, plan.count - submitted_));
  for (std::size_t i = 0; i < count; i++)
    requests[i] = {.segments = {&plan.frame, 1}, .cookie = cookie_, .offload = plan.offload};
  const std::size_t taken = device_.send({requests, count});
  if (taken == 0) return false;
  submitted_ += taken;
  if (plan.gap_us != 0) due_ = bsp::Deadline::in_us(plan.gap_us);
  for (std::size_t i = 0; i < taken; i++)
    service_.record_sent(device_, {plan.frame.data, plan.frame.length}, plan.offload);
  return true;
}

/// Takes the memory back from a device that does not give it back. One whose recovery has failed before is left alone.
void FrameSender::give_up() {
  outcome_.complete = false;
  const bool stopped = device_.usable() && device_.reset().has_value();
  collect();
  outcome_.memory_owned = !stopped || in_flight() != 0;
}

} // namespace shell
