// SPDX-License-Identifier: BSD-2-Clause
#include "shell/capture.hpp"

#include <cstring>

namespace shell {

namespace {

/// Records start at multiples of this, so that copies into them are aligned.
constexpr std::size_t grain = 8;

constexpr std::size_t round_up(std::size_t size) {
  return (size + grain - 1) / grain * grain;
}

} // namespace

std::byte* CaptureRing::reserve(const Header& header) {
  const std::size_t need = round_up(sizeof(Header) + header.length);
  const std::size_t end = wrapped_ ? head_ : storage_.size();
  if (end - tail_ < need) {
    if (wrapped_ || head_ < need) {
      dropped_++;
      return nullptr;
    }
    wrap_ = tail_;
    tail_ = 0;
    wrapped_ = true;
  }
  std::byte* const record = storage_.data() + tail_;
  std::memcpy(record, &header, sizeof header);
  tail_ += need;
  count_++;
  return record + sizeof header;
}

bool CaptureRing::push(const net::RxFrame& frame, std::uint64_t time_us) {
  std::byte* to = reserve({.time_us = time_us,
                           .length = frame.length(),
                           .notes = {.hash = frame.hash,
                                     .csum_start = frame.csum_start,
                                     .csum_offset = frame.csum_offset,
                                     .gso_size = frame.gso_size,
                                     .coalesced_segments = frame.coalesced_segments,
                                     .duplicate_acks = frame.duplicate_acks,
                                     .direction = Direction::received,
                                     .checksum = frame.checksum,
                                     .gso = frame.gso,
                                     .ecn = frame.ecn,
                                     .hash_report = frame.hash_report}});
  if (to == nullptr) return false;
  std::memcpy(to, frame.first.data, frame.first.length);
  to += frame.first.length;
  for (const net::Segment& segment : frame.more()) {
    std::memcpy(to, segment.data, segment.length);
    to += segment.length;
  }
  return true;
}

bool CaptureRing::push_sent(std::span<const std::byte> frame, std::uint64_t time_us, const net::Offload& offload) {
  std::byte* const to = reserve({.time_us = time_us,
                                 .length = static_cast<std::uint32_t>(frame.size()),
                                 .notes = {.csum_start = offload.csum_start,
                                           .csum_offset = offload.csum_offset,
                                           .gso_size = offload.gso_size,
                                           .direction = Direction::sent,
                                           .checksum = offload.checksum ? net::Checksum::partial : net::Checksum::none,
                                           .gso = offload.gso}});
  if (to == nullptr) return false;
  std::memcpy(to, frame.data(), frame.size());
  return true;
}

CaptureRing::Header CaptureRing::header_at(std::size_t position) const {
  Header header;
  std::memcpy(&header, storage_.data() + position, sizeof header);
  return header;
}

CapturedFrame CaptureRing::front() const {
  const Header header = header_at(head_);
  return {.time_us = header.time_us,
          .bytes = {storage_.data() + head_ + sizeof(Header), header.length},
          .notes = header.notes};
}

void CaptureRing::pop() {
  if (count_ == 0) return;
  head_ += round_up(sizeof(Header) + header_at(head_).length);
  count_--;
  if (wrapped_ && head_ == wrap_) {
    head_ = 0;
    wrapped_ = false;
  }
  if (count_ == 0) {
    head_ = 0;
    tail_ = 0;
    wrapped_ = false;
  }
}

void CaptureRing::clear() {
  head_ = 0;
  tail_ = 0;
  wrapped_ = false;
  count_ = 0;
  dropped_ = 0;
}

} // namespace shell
