// SPDX-License-Identifier: BSD-2-Clause
#include "link.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace peer {

namespace {

constexpr std::size_t datagrams_at_once = 64;
constexpr std::size_t datagram_room = 2048; ///< longer frames than the benchmark's own are cut
constexpr std::size_t stream_room = 1 << 20;
constexpr int socket_buffer = 8 << 20;

sockaddr_un address(const std::string& path) {
  sockaddr_un result{};
  result.sun_family = AF_UNIX;
  if (path.size() >= sizeof result.sun_path) fail(path + ": path too long");
  path.copy(result.sun_path, path.size());
  return result;
}

const sockaddr* generic(const sockaddr_un& name) {
  return reinterpret_cast<const sockaddr*>(&name);
}

} // namespace

void fail(const std::string& what) {
  std::fprintf(stderr, "peer: %s%s%s\n", what.c_str(), errno ? ": " : "", errno ? std::strerror(errno) : "");
  std::exit(1);
}

Link::Link(bool stream, const std::string& directory, Clock::time_point deadline)
    : stream_{stream}, directory_{directory}, deadline_{deadline},
      buffer_(stream ? stream_room : datagrams_at_once * datagram_room) {
  const int bound = ::socket(AF_UNIX, stream ? SOCK_STREAM : SOCK_DGRAM, 0);
  const auto name = address(directory + "/host");
  if (bound < 0 || bind(bound, generic(name), sizeof name) != 0) fail(directory + "/host");
  (stream ? listener_ : socket_) = bound;
  if (stream && listen(bound, 1) != 0) fail("listen");
}

Link::~Link() {
  for (const int descriptor : {socket_, listener_})
    if (descriptor >= 0) close(descriptor);
}

bool Link::wait(short events, std::chrono::milliseconds patience) const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
  const auto time = std::clamp(patience, std::chrono::milliseconds{0}, std::max(left, std::chrono::milliseconds{0}));
  pollfd poll{.fd = socket_ >= 0 ? socket_ : listener_, .events = events, .revents = 0};
  return ::poll(&poll, 1, static_cast<int>(time.count())) > 0;
}

void Link::connect() {
  if (stream_) {
    if (!wait(POLLIN, std::chrono::hours{1})) fail("QEMU does not connect");
    socket_ = accept(listener_, nullptr, nullptr);
    if (socket_ < 0) fail("accept");
  } else {
    const auto name = address(directory_ + "/machine");
    while (::connect(socket_, generic(name), sizeof name) != 0) {
      if (Clock::now() > deadline_) fail("QEMU does not bind its end");
      usleep(1000);
    }
  }
  for (const int option : {SO_SNDBUF, SO_RCVBUF})
    setsockopt(socket_, SOL_SOCKET, option, &socket_buffer, sizeof socket_buffer);
}

bool Link::send(std::span<std::byte> frames, std::size_t size) {
  if (!stream_) return send_datagrams(frames, size);
  const std::uint32_t length = htonl(static_cast<std::uint32_t>(size));
  for (std::size_t at = 0; at < frames.size(); at += sizeof length + size)
    std::memcpy(frames.data() + at, &length, sizeof length);
  while (!frames.empty()) {
    const ssize_t sent = ::send(socket_, frames.data(), frames.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
      frames = frames.subspan(static_cast<std::size_t>(sent));
    else if (errno != EAGAIN)
      fail("send");
    else if (!wait(POLLOUT, std::chrono::hours{1}))
      return false;
  }
  return true;
}

bool Link::send_datagrams(std::span<std::byte> frames, std::size_t size) {
  std::array<mmsghdr, datagrams_at_once> messages{};
  std::array<iovec, datagrams_at_once> parts{};
  for (std::size_t first = 0; first < frames.size();) {
    const std::size_t count = std::min((frames.size() - first) / size, datagrams_at_once);
    for (std::size_t i = 0; i < count; ++i) {
      parts[i] = {frames.data() + first + i * size, size};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(socket_, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (sent > 0)
      first += static_cast<std::size_t>(sent) * size;
    else if (errno != EAGAIN && errno != ENOBUFS)
      fail("send");
    else if (!wait(POLLOUT, std::chrono::hours{1}))
      return false;
  }
  return true;
}

bool Link::fill(std::chrono::milliseconds patience) {
  arrived_.clear();
  while (arrived_.empty()) {
    const ssize_t count = stream_ ? fill_stream() : fill_datagrams();
    if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
    if (count < 0 && !wait(POLLIN, patience)) return false;
  }
  return true;
}

ssize_t Link::fill_datagrams() {
  std::array<mmsghdr, datagrams_at_once> messages{};
  std::array<iovec, datagrams_at_once> parts{};
  for (std::size_t i = 0; i < datagrams_at_once; ++i) {
    parts[i] = {buffer_.data() + i * datagram_room, datagram_room};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = recvmmsg(socket_, messages.data(), datagrams_at_once, MSG_DONTWAIT, nullptr);
  for (std::size_t i = 0; static_cast<ssize_t>(i) < count; ++i)
    arrived_.emplace_back(buffer_.data() + i * datagram_room, messages[i].msg_len);
  return count;
}

/// What is left of the last frame moves to the buffer's start before more is read.
ssize_t Link::fill_stream() {
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.begin() + static_cast<std::ptrdiff_t>(end_),
            buffer_.begin());
  end_ -= begin_;
  begin_ = 0;
  const ssize_t count = recv(socket_, buffer_.data() + end_, buffer_.size() - end_, MSG_DONTWAIT);
  if (count <= 0) return count;
  end_ += static_cast<std::size_t>(count);
  split_stream();
  return count;
}

void Link::split_stream() {
  std::uint32_t length;
  while (end_ - begin_ >= sizeof length) {
    std::memcpy(&length, buffer_.data() + begin_, sizeof length);
    length = ntohl(length);
    if (length > max_frame) fail("QEMU sent a frame of " + std::to_string(length) + " bytes");
    if (end_ - begin_ - sizeof length < length) return;
    arrived_.emplace_back(buffer_.data() + begin_ + sizeof length, length);
    begin_ += sizeof length + length;
  }
}

} // namespace peer
