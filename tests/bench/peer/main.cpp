// SPDX-License-Identifier: BSD-2-Clause
// usage: peer dgram|stream DIRECTORY sink|blast|rtt SIZE COUNT SECONDS
//
//   sink   takes COUNT frames of EtherType 0x88b5 and says how fast they came
//   blast  sends COUNT frames of SIZE bytes as fast as the machine takes them, numbered
//   rtt    sends COUNT frames one at a time, each when the last one is back, and says how long that took
//
// Prints "# bound" once QEMU may start. blast and rtt then wait for a line on stdin, begin, and print `name value`
// lines; after them the connection stays open until stdin ends, because QEMU 7.2 dies when a stream's other end leaves
// while frames wait for the guest. Nothing lasts longer than SECONDS.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string_view>
#include <unistd.h>

#include "link.hpp"

namespace {

using peer::Clock;
using Frame = std::span<const std::byte>;

constexpr std::size_t header_size = 14, sequence_offset = 14, smallest_frame = 60, largest_frame = 2000;
constexpr std::size_t frames_at_once = 64;
constexpr std::uint64_t warm_up = 50; ///< round trips that do not count
constexpr std::chrono::milliseconds silence{1500};
constexpr std::array<unsigned char, header_size> head = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x52,
                                                         0x54, 0x00, 0x00, 0x00, 0x01, 0x88, 0xb5};

struct Job {
  std::size_t size;
  std::uint64_t count;
  Clock::time_point deadline;
};

double seconds(Clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

bool is_ours(Frame frame) {
  return frame.size() >= header_size && std::memcmp(frame.data() + 12, head.data() + 12, 2) == 0;
}

void write_sequence(std::byte* frame, std::uint32_t sequence) {
  for (unsigned i = 0; i < 4; ++i)
    frame[sequence_offset + i] = static_cast<std::byte>(sequence >> (24 - 8 * i));
}

std::vector<std::byte> make_frame(std::size_t room, std::size_t size) {
  std::vector<std::byte> frame(room + size);
  std::memcpy(frame.data() + room, head.data(), head.size());
  return frame;
}

/// Until the runner has written a line, or has gone.
void wait_for_runner(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  pollfd poll{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char byte;
  while (::poll(&poll, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) > 0)
    if (read(STDIN_FILENO, &byte, 1) <= 0 || byte == '\n') return;
}

void print_rate(std::uint64_t frames, std::uint64_t bytes, Clock::duration time) {
  std::printf("host_frames %" PRIu64 "\nhost_bytes %" PRIu64 "\nhost_seconds %.6f\n", frames, bytes, seconds(time));
  if (time.count() > 0) std::printf("host_frames_per_second %.0f\n", static_cast<double>(frames) / seconds(time));
}

void sink(peer::Link& link, const Job& job) {
  std::uint64_t frames = 0, bytes = 0;
  Clock::time_point first{}, last{};
  const auto take = [&](Frame frame) {
    if (!is_ours(frame)) return;
    ++frames;
    bytes += frame.size();
  };
  while (frames < job.count) {
    if (!link.receive(frames == 0 ? std::chrono::hours{1} : silence, take)) break;
    last = Clock::now();
    if (first == Clock::time_point{} && frames > 0) first = last;
  }
  print_rate(frames, bytes, last - first);
}

void blast(peer::Link& link, const Job& job) {
  const std::vector<std::byte> frame = make_frame(link.length_room(), job.size);
  std::vector<std::byte> frames;
  for (std::size_t i = 0; i < frames_at_once; ++i)
    frames.insert(frames.end(), frame.begin(), frame.end());
  wait_for_runner(job.deadline);
  const auto begin = Clock::now();
  std::uint64_t sent = 0;
  while (sent < job.count) {
    const std::size_t now = std::min<std::uint64_t>(job.count - sent, frames_at_once);
    for (std::size_t i = 0; i < now; ++i)
      write_sequence(frames.data() + i * frame.size() + link.length_room(), static_cast<std::uint32_t>(sent + i));
    if (!link.send({frames.data(), now * frame.size()}, job.size)) break;
    sent += now;
  }
  print_rate(sent, sent * job.size, Clock::now() - begin);
}

/// Whether this very frame came back within a second, its addresses swapped.
bool is_back(peer::Link& link, const std::byte* sent) {
  const auto end = Clock::now() + std::chrono::seconds{1};
  bool back = false;
  const auto take = [&](Frame frame) {
    back |= is_ours(frame) && frame.size() >= smallest_frame && std::memcmp(frame.data(), sent + 6, 6) == 0 &&
            std::memcmp(frame.data() + sequence_offset, sent + sequence_offset, 4) == 0;
  };
  while (!back && Clock::now() < end)
    if (!link.receive(std::chrono::seconds{1}, take)) break;
  return back;
}

void round_trips(peer::Link& link, const Job& job) {
  std::vector<std::byte> frame = make_frame(link.length_room(), job.size);
  std::byte* const body = frame.data() + link.length_room();
  std::vector<double> times;
  std::uint64_t lost = 0;
  wait_for_runner(job.deadline);
  for (std::uint64_t i = 0; i < job.count + warm_up && Clock::now() < job.deadline; ++i) {
    write_sequence(body, static_cast<std::uint32_t>(i));
    const auto begin = Clock::now();
    if (!link.send(frame, job.size)) break;
    if (!is_back(link, body))
      ++lost;
    else if (i >= warm_up)
      times.push_back(seconds(Clock::now() - begin) * 1e6);
  }
  std::sort(times.begin(), times.end());
  std::printf("round_trips %zu\nlost %" PRIu64 "\n", times.size(), lost);
  if (times.empty()) return;
  std::printf("p50_us %.2f\np99_us %.2f\nmax_us %.2f\n", times[times.size() / 2], times[times.size() * 99 / 100],
              times.back());
}

std::uint64_t number(const char* text, std::uint64_t least, std::uint64_t most) {
  char* end = nullptr;
  errno = 0;
  const std::uint64_t value = std::strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || value < least || value > most)
    peer::fail(std::string{text} + ": not a number from " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

} // namespace

int main(int count, char** words) {
  if (count != 7) {
    std::fputs("usage: peer dgram|stream DIRECTORY sink|blast|rtt SIZE COUNT SECONDS\n", stderr);
    return 2;
  }
  const std::string_view kind = words[1], mode = words[3];
  const Job job{.size = number(words[4], smallest_frame, largest_frame),
                .count = number(words[5], 1, 1'000'000'000),
                .deadline = Clock::now() + std::chrono::seconds{number(words[6], 1, 3600)}};
  if (kind != "dgram" && kind != "stream") peer::fail(words[1] + std::string{": neither dgram nor stream"});
  const auto work = mode == "sink" ? sink : mode == "blast" ? blast : mode == "rtt" ? round_trips : nullptr;
  if (work == nullptr) peer::fail(words[3] + std::string{": neither sink, blast nor rtt"});
  peer::Link link{kind == "stream", words[2], job.deadline};
  std::puts("# bound");
  std::fflush(stdout);
  link.connect();
  work(link, job);
  std::puts("# done");
  std::fflush(stdout);
  wait_for_runner(job.deadline);
}
