// SPDX-License-Identifier: BSD-2-Clause
// The loops of `net bench`: what frames pass. See bench.hpp.
#include <algorithm>
#include <cstring>
#include <memory>

#include "bsp/endian.hpp"
#include "bsp/in_register.hpp"
#include "shell/bench.hpp"

namespace shell {

namespace {

/// Batches between two looks at everything else, if there is no reason to sleep.
constexpr std::size_t round_batches = 16;
/// They take somewhat longer than to sleep and wake up: a device that needs less for a batch is never slept over.
constexpr unsigned looks_instead_of_sleep = 300;
/// A millisecond or so: longer than the device's side takes to fetch more.
constexpr unsigned looks_for_frames = 20'000;
/// A tenth of a millisecond or so: several times what a device that has a core of its own takes to send an answer.
constexpr unsigned looks_at_answers = 1000;
/// Between two looks whether another frame has come meanwhile.
constexpr unsigned looks_between_frames = 16;
/// Once a device took longer than that, it is not watched for so many answers (or batches, if several go out at once).
constexpr unsigned answers_unwatched = 512;
/// Between two decisions whether to sleep or to look on.
constexpr unsigned waits_of_a_way = 16;
/// Of so many of these decisions one is for the slower way, which may have become the quicker one.
constexpr unsigned ways_between_trials = 64;

/// Frame data starts at even addresses, whatever the size of the header before it.
std::uint16_t* half_words(std::byte* at) {
  return reinterpret_cast<std::uint16_t*>(std::assume_aligned<alignof(std::uint16_t)>(at));
}

constexpr std::uint16_t big_endian(std::uint16_t value) {
  return std::endian::native == std::endian::little ? bsp::byteswap(value) : value;
}

/// Writes ascending numbers from `number` on, the first one at `at`. Most of one is settled once for 256 frames.
void number_frames(std::byte* at, std::size_t stride, std::size_t count, std::uint32_t number) {
  constexpr unsigned one = big_endian(1);
  while (count != 0) {
    const std::size_t run = std::min<std::size_t>(count, 256 - number % 256);
    const std::uint16_t high = big_endian(static_cast<std::uint16_t>(number >> 16));
    unsigned low = big_endian(static_cast<std::uint16_t>(number));
    for (const std::byte* const end = at + run * stride; at != end; at += stride, low += one) {
      half_words(at)[0] = high;
      half_words(at)[1] = static_cast<std::uint16_t>(low);
    }
    number += static_cast<std::uint32_t>(run);
    count -= run;
  }
}

} // namespace

// ---- tx

TxLoop::TxLoop(Bench& bench, const TxPool& pool, std::uint64_t count)
    : bench_{bench}, pool_{pool}, base_{bsp::clock::now_ticks()}, count_{count} {
  for (std::size_t i = 0; i < pool.requests.size(); i++)
    pool.requests[i].cookie = net::Cookie{static_cast<std::uint64_t>(base_) + i / pool.batch};
}

bool TxLoop::run() {
  const std::uint64_t patience = bsp::clock::us_to_ticks(bench_patience_ms * 1000);
  bsp::Deadline deadline = bsp::Deadline::never();
  std::uint64_t seen = UINT64_MAX; // frames given or given back when something last moved
  bool running = true;
  bench_.service.expect_completions(true);
  while (true) {
    // After Ctrl-C nothing sleeps, so nothing else would repeat a lost notification.
    if (!running) bench_.service.repeat_notifications();
    bool blocked = false;
    for (std::size_t round = 0; round < round_batches; round++) {
      const bool rest = collect();
      blocked = running && !fill();
      if (rest) continue;
      if (!blocked || !wait_briefly()) break;
      blocked = false;
    }
    const bool more = running && (prepared_ < count_ || taken_ < length_);
    if (in_flight_ == 0 && !more) break;
    if (const std::uint64_t moved = bench_.frames + bench_.frames + in_flight_; moved != seen) {
      seen = moved;
      deadline = bsp::Deadline::at_ticks(bsp::clock::now_ticks() + patience);
    } else if (deadline.expired() || !bench_.device.usable()) {
      bench_.fail("device did not complete");
      return bench_.device.usable() && bench_.device.reset().has_value();
    }
    // With nothing in flight no interrupt would come.
    if (!bench_.serve((blocked && in_flight_ != 0) || !more, deadline)) running = false;
  }
  bench_.stop();
  return true;
}

/// With the ring full: looks on for a moment instead of sleeping, if that has lately been the quicker way. It is while
/// the device's thread has a core of its own. True if a batch of frames came back.
bool TxLoop::wait_briefly() {
  if (waits_++ % waits_of_a_way == 0) choose_way();
  if (!looks_on_) return false;
  const std::uint64_t wanted = bench_.frames + pool_.batch;
  for (unsigned look = 0; look < looks_instead_of_sleep && bench_.frames < wanted; look++)
    collect();
  return bench_.frames >= wanted;
}

void TxLoop::choose_way() {
  const std::uint64_t now = bsp::clock::now_ticks();
  if (chosen_at_ != 0 && bench_.frames != done_then_)
    way_cost_[looks_on_] = (now - chosen_at_) * 1024 / (bench_.frames - done_then_);
  chosen_at_ = now;
  done_then_ = bench_.frames;
  const bool try_other = waits_ % (ways_between_trials * waits_of_a_way) == 1;
  looks_on_ = (way_cost_[true] < way_cost_[false]) != try_other;
}

/// Sends until the device takes no more or all its frames are out (false), for a while at most.
bool TxLoop::fill() {
  for (std::size_t round = 0; round < round_batches; round++) {
    if (taken_ == length_) {
      if (prepared_ == count_) return true;
      const std::size_t next = group_ + 1 < pool_.unfinished.size() ? group_ + 1 : 0;
      if (pool_.unfinished[next] != 0) return false;
      group_ = next;
      prepare();
    }
    const std::size_t first = group_ * pool_.batch + taken_;
    const std::size_t taken = bench_.device.send(pool_.requests.subspan(first, length_ - taken_));
    taken_ += taken;
    in_flight_ += taken;
    if (taken_ != length_) return false;
  }
  return true;
}

void TxLoop::prepare() {
  length_ = static_cast<std::size_t>(std::min<std::uint64_t>(pool_.batch, count_ - prepared_));
  taken_ = 0;
  pool_.unfinished[group_] = static_cast<std::uint16_t>(length_);
  std::byte* const first = pool_.requests[group_ * pool_.batch].segments[0].data;
  if (pool_.copy) {
    for (std::size_t i = 0; i < length_; i++)
      std::memcpy(first + i * pool_.stride, pool_.sample.data(), pool_.sample.size());
  }
  number_frames(first + sequence_offset, pool_.stride, length_, static_cast<std::uint32_t>(prepared_));
  prepared_ += length_;
}

/// Takes some of what was sent back; true if there may be more, which can wait until the device has new frames.
bool TxLoop::collect() {
  net::TxCompletion done[64];
  const std::size_t count = bench_.device.reclaim(done);
  for (std::size_t i = 0; i < count;) {
    const std::size_t first = i;
    bool sent = true;
    do {
      sent = sent && done[i].sent;
      i++;
    } while (i < count && done[i].cookie == done[first].cookie);
    credit(done[first].cookie, i - first, sent);
  }
  return count == std::size(done);
}

void TxLoop::credit(net::Cookie cookie, std::size_t frames, bool sent) {
  const std::uint64_t group = static_cast<std::uint64_t>(cookie) - static_cast<std::uint64_t>(base_);
  if (group >= pool_.unfinished.size()) return;
  pool_.unfinished[group] = static_cast<std::uint16_t>(pool_.unfinished[group] - frames);
  in_flight_ -= frames;
  if (!sent) {
    bench_.fail("device was reset");
    return;
  }
  bench_.frames += frames;
  bench_.bytes += frames * pool_.sample.size();
}

// ---- rx

std::uint64_t SequenceCheck::look_at(std::span<const net::RxFrame> frames) {
  constexpr std::size_t type_offset = sequence_offset - sizeof(std::uint16_t);
  constexpr std::size_t needed = sequence_offset + sizeof(std::uint32_t);
  std::uint64_t bytes = 0;
  std::uint64_t expected = expected_;
  for (const net::RxFrame& frame : frames) {
    // One branch for all that may be unusual. A buffer is longer than the header and a word, and the rounded address
    // lies in it, so the load is fine whatever the frame is.
    const std::uint64_t length = bsp::in_register(frame.first.length);
    const auto at = reinterpret_cast<std::uintptr_t>(frame.first.data) + type_offset;
    const std::uint64_t word = *reinterpret_cast<const std::uint64_t*>(at & ~std::uintptr_t{7});
    const std::uint64_t unusual =
        (word ^ expected) << 16 | expected >> 48 | (at & 7) | frame.more_count | std::uint64_t{length < needed};
    bytes += length;
    if (unusual == 0) {
      expected += step;
      continue;
    }
    expected_ = expected;
    bytes += look_at_other(frame);
    expected = expected_;
  }
  expected_ = expected;
  return bytes;
}

/// Returns the bytes that are not in its first buffer.
std::uint64_t SequenceCheck::look_at_other(const net::RxFrame& frame) {
  const std::uint16_t* const words = half_words(frame.first.data);
  if (frame.first.length >= sequence_offset + sizeof(std::uint32_t) &&
      words[6] == big_endian(net::ethertype_experimental))
    note(words[7] | std::uint32_t{words[8]} << 16);
  return frame.length() - frame.first.length;
}

void SequenceCheck::note(std::uint32_t raw) {
  const std::uint32_t next = bsp::byteswap(static_cast<std::uint32_t>((expected_ - step) >> 16)) + 1;
  const std::uint32_t ahead = seen() ? bsp::byteswap(raw) - next : 0;
  if (ahead < UINT32_MAX / 2) {
    lost += ahead;
    expected_ = (std::uint64_t{raw} << 16 | big_endian(net::ethertype_experimental)) + step;
    return;
  }
  reordered++; // what comes late was counted as lost
  if (lost != 0) lost--;
}

void run_rx_loop(Bench& bench, SequenceCheck& check, std::span<net::RxFrame> frames, std::uint64_t count,
                 std::uint64_t silence_us) {
  const std::uint64_t silence = bsp::clock::us_to_ticks(silence_us);
  std::uint64_t last = bsp::clock::now_ticks();
  bool running = true;
  while (running) {
    std::size_t got = 0;
    std::size_t round = 0;
    unsigned looks = bench.frames != 0 ? looks_for_frames : 0;
    do {
      const auto most = frames.first(static_cast<std::size_t>(std::min<std::uint64_t>(frames.size(), count)));
      got = bench.device.receive(most);
      // Frames come while this hart looks on. Asleep it would wake up to a full ring, and what has met a full ring
      // once, QEMU delivers within notifications from then on: in turn with this hart, not beside it.
      for (; got == 0 && looks != 0; looks--)
        got = bench.device.receive(most);
      if (got == 0) break;
      if (bench.frames == 0) bench.start();
      bench.bytes += check.look_at(frames.first(got));
      bench.device.release(frames.first(got));
      bench.frames += got;
      count -= got;
      bench.stop();
      if (count == 0) return;
    } while (++round < round_batches);
    if (round != 0) last = bsp::clock::now_ticks();
    const bsp::Deadline end = bsp::Deadline::at_ticks(last + silence);
    running = !(round == 0 && end.expired()) && bench.serve(got == 0, end);
  }
}

// ---- echo

EchoLoop::EchoLoop(Bench& bench, std::span<net::RxFrame> frames, std::span<bool> finished)
    : bench_{bench}, frames_{frames}, finished_{finished}, base_{bsp::clock::now_ticks()} {}

void EchoLoop::run() {
  bool running = true;
  while (running) {
    bool idle = false;
    for (std::size_t round = 0; round < round_batches && !idle; round++) {
      std::size_t moved = take();
      moved += send_back();
      const std::size_t collected = collect(); // which may have made room
      idle = moved + collected == 0 || (drained_ && unsent_ == 0 && collected < echo_batch);
    }
    // Replies need no interrupt, unless more cannot be taken or sent without them.
    bench_.service.expect_completions(unsent_ != 0 || held_ == frames_.size());
    running = bench_.serve(false, bsp::Deadline::never());
    if (!running || !idle) continue;
    // Answers first: all that runs from the wake-up to the notification counts, cold as it is. Everything else is
    // looked after when nothing comes or a batch is out.
    for (std::size_t answered = 0; answered < echo_batch;) {
      bench_.sleep();
      const std::size_t sent = take() == 0 ? 0 : send_back();
      if (sent == 0 || unsent_ != 0) break;
      answered += sent;
      watch_answers();
    }
  }
  drain();
}

/// Collects what was sent as soon as the device has taken it, which it mostly has before the next frame comes. A hart
/// that slept at once would save nothing, and a host's scheduler would move the device's thread to its core and then
/// the thread of the far end to another one, which has to be woken up first. Where the device's thread waits for this
/// hart's core, though, looking on keeps it from its work.
void EchoLoop::watch_answers() {
  if (unwatched_ != 0) {
    unwatched_--;
    return;
  }
  for (unsigned look = 1; look <= looks_at_answers; look++) {
    collect();
    if (held_ == 0) return;
    if (look % looks_between_frames == 0 && bench_.device.work_pending()) return;
  }
  unwatched_ = answers_unwatched;
}

std::size_t EchoLoop::take() {
  const std::size_t room = std::min({echo_batch, frames_.size() - head_, frames_.size() - held_});
  drained_ = false;
  if (room == 0) return 0;
  const std::span<net::RxFrame> frames = frames_.subspan(head_, room);
  const std::size_t got = bench_.device.receive(frames);
  drained_ = got < room;
  if (got == 0) return 0;
  if (bench_.frames == 0 && held_ == 0) bench_.start();
  for (const net::RxFrame& frame : frames.first(got)) {
    std::uint16_t* const address = half_words(frame.first.data);
    for (std::size_t i = 0; i < 3; i++)
      std::swap(address[i], address[i + 3]);
  }
  held_ += got;
  unsent_ += got;
  head_ = head_ + got == frames_.size() ? 0 : head_ + got;
  return got;
}

/// Sends what was taken, oldest first, as far as it lies together; the rest follows in the next round.
std::size_t EchoLoop::send_back() {
  const std::size_t first = before_head(unsent_);
  const std::size_t count = std::min({echo_batch, unsent_, frames_.size() - first});
  if (count == 0) return 0;
  const std::span requests{requests_};
  std::size_t asked = 0;
  for (; asked < count && frames_[first + asked].more_count == 0; asked++) {
    const net::RxFrame& frame = frames_[first + asked];
    requests[asked].segments = {&frame.first, 1};
    requests[asked].cookie = net::Cookie{static_cast<std::uint64_t>(base_) + first + asked};
    requests[asked].headroom = frame.headroom;
  }
  std::size_t taken = asked == 0 ? 0 : bench_.device.send(requests.first(asked));
  unsent_ -= taken;
  // A frame in several buffers, or too long to be sent, is not sent back.
  if (taken == 0 && (asked == 0 || !bench_.device.check_request(requests[0]))) {
    unsent_--;
    taken = 1;
    finish(first, 1);
  }
  return taken;
}

std::size_t EchoLoop::collect() {
  net::TxCompletion done[echo_batch];
  const std::size_t count = bench_.device.reclaim(done);
  for (std::size_t i = 0; i < count;) {
    const std::uint64_t place = static_cast<std::uint64_t>(done[i].cookie) - static_cast<std::uint64_t>(base_);
    std::size_t run = 0;
    for (; i < count && done[i].cookie == net::Cookie{static_cast<std::uint64_t>(base_) + place + run}; i++) {
      if (place + run >= frames_.size()) continue;
      if (!done[i].sent) bench_.fail("device was reset");
      bench_.bytes += frames_[place + run].length();
      run++;
    }
    if (run == 0) continue;
    bench_.frames += run;
    bench_.stop();
    finish(place, run);
  }
  return count;
}

/// Gives received frames back to the device; their places are free when all before them are.
void EchoLoop::finish(std::size_t first, std::size_t count) {
  bench_.device.release(frames_.subspan(first, count));
  std::fill_n(finished_.begin() + static_cast<std::ptrdiff_t>(first), count, true);
  std::size_t oldest = before_head(held_);
  while (held_ != 0 && finished_[oldest]) {
    finished_[oldest] = false;
    held_--;
    oldest = oldest + 1 == frames_.size() ? 0 : oldest + 1;
  }
}

void EchoLoop::drain() {
  const bsp::Deadline end = bsp::Deadline::in_ms(bench_patience_ms);
  bench_.service.expect_completions(true);
  for (; unsent_ != 0; unsent_--)
    finish(before_head(unsent_), 1);
  while (held_ != 0 && !end.expired() && bench_.device.usable()) {
    bench_.service.repeat_notifications();
    static_cast<void>(bench_.serve(true, end));
    collect();
  }
  if (held_ == 0) return;
  bench_.fail("device did not complete");
  // One that cannot be stopped has failed, and gets nothing back until it was.
  if (bench_.device.usable()) static_cast<void>(bench_.device.reset());
  while (held_ != 0)
    finish(before_head(held_), 1);
}

} // namespace shell
