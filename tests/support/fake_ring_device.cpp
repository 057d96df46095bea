// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_ring_device.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace test {

namespace {
constexpr std::uint16_t next_flag = 1;
constexpr std::uint16_t write_flag = 2;
constexpr std::uint16_t distance(std::uint16_t from, std::uint16_t to) {
  return static_cast<std::uint16_t>(to - from);
}
} // namespace

std::uint32_t FakeRingDevice::Chain::length(bool writable) const {
  std::uint32_t sum = 0;
  for (const Piece& piece : pieces)
    if (piece.writable == writable) sum += piece.length;
  return sum;
}

FakeRingDevice::Areas FakeRingDevice::legacy_areas(std::uint64_t page_address, std::uint16_t size,
                                                   std::uint32_t align) {
  const std::uint64_t available = page_address + 16U * size;
  const std::uint64_t end = available + 6 + 2U * size;
  return {size, page_address, available, (end + align - 1) / align * align};
}

void FakeRingDevice::go_live(const Areas& areas, bool event_idx) {
  areas_ = areas;
  event_idx_ = event_idx;
  last_avail_ = used_idx_ = used_next_ = 0;
  in_flight_.clear();
  live_ = false;
  if (areas.descriptors % 16 != 0 || areas.available % 2 != 0 || areas.used % 4 != 0)
    violation("an area is misaligned");
  const std::uint64_t descriptors_end = areas.descriptors + 16U * areas.size;
  const std::uint64_t available_end = areas.available + 6 + 2U * areas.size;
  if (descriptors_end > areas.available || available_end > areas.used) violation("areas overlap");
  const Bytes used = bytes_at(areas.used, used_area_size());
  const Bytes table = bytes_at(areas.descriptors, 16 * std::size_t{areas.size});
  if (used.empty() || table.empty() || !memory_.contains(areas.available, available_end - areas.available)) return;
  const auto not_zero = [](std::uint8_t byte) { return byte != 0; };
  if (std::ranges::any_of(used, not_zero)) violation("the used area is not zeroed");
  if (avail_idx() == 0 && std::ranges::any_of(table, not_zero)) violation("the descriptor area is not zeroed");
  used_mirror_ = used;
  live_ = true;
}

Bytes FakeRingDevice::bytes_at(std::uint64_t bus, std::size_t length) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(memory_.at(bus, length));
  return bytes == nullptr ? Bytes{} : Bytes(bytes, bytes + length);
}

std::string FakeRingDevice::take_violations() {
  return std::exchange(violations_, {});
}

void FakeRingDevice::check() {
  if (!live_) return;
  const std::uint16_t flags = avail_flags();
  if (event_idx_ ? flags != 0 : flags > 1) violation("avail.flags is " + std::to_string(flags)); // 2.7.7.1
  if (distance(last_avail_, avail_idx()) > areas_.size - in_flight_.size()) violation("the available index jumped");
  const auto changed = [this](std::uint64_t bus, const Bytes& before) {
    return std::memcmp(memory_.at(bus, before.size()), before.data(), before.size()) != 0;
  };
  if (changed(areas_.used, used_mirror_)) violation("the driver wrote the used area");
  for (const auto& [head, record] : in_flight_)
    for (const auto& [index, before] : record.descriptors)
      if (changed(areas_.descriptors + 16U * index, before))
        violation("descriptor " + std::to_string(index) + " changed while in flight");
}

// ---- honest
// ----------------------------------------------------------------------------------------------------------

std::vector<FakeRingDevice::Chain> FakeRingDevice::take_available() {
  std::vector<Chain> chains;
  if (!live_) return chains;
  check();
  while (last_avail_ != avail_idx() && chains.size() < areas_.size) {
    const std::uint16_t head = avail_entry(last_avail_ & static_cast<std::uint16_t>(areas_.size - 1));
    last_avail_++;
    InFlight record = walk(head);
    chains.push_back(record.chain);
    in_flight_[head] = std::move(record);
  }
  if (event_idx_ && wants_notifications_) set_avail_event(last_avail_);
  return chains;
}

FakeRingDevice::InFlight FakeRingDevice::walk(std::uint16_t head) {
  InFlight record;
  record.chain.head = head;
  std::vector<bool> taken(areas_.size);
  for (const auto& [other, in_flight] : in_flight_)
    for (const auto& [index, bytes] : in_flight.descriptors)
      taken[index] = true;
  std::uint16_t at = head;
  std::uint64_t total = 0;
  while (true) {
    if (at >= areas_.size) {
      violation("descriptor index " + std::to_string(at) + " is beyond the table");
      break;
    }
    if (taken[at]) {
      violation("descriptor " + std::to_string(at) + " is in flight already, or the chain loops");
      break;
    }
    taken[at] = true;
    const std::uint64_t entry = areas_.descriptors + 16U * at;
    const std::uint16_t flags = load16(entry + 12);
    const Piece piece{memory_.load(entry, 8), static_cast<std::uint32_t>(memory_.load(entry + 8, 4)),
                      (flags & write_flag) != 0};
    if ((flags & ~(next_flag | write_flag)) != 0) violation("descriptor flags " + std::to_string(flags)); // 2.7.5.3.1
    if (piece.length == 0) violation("a descriptor of length 0");
    if (!record.chain.pieces.empty() && record.chain.pieces.back().writable && !piece.writable)
      violation("a readable descriptor after a writable one"); // 2.7.4.2
    static_cast<void>(memory_.at(piece.bus, piece.length));
    total += piece.length;
    record.chain.pieces.push_back(piece);
    record.descriptors[at] = bytes_at(entry, 16);
    if ((flags & next_flag) == 0) break;
    at = load16(entry + 14);
  }
  if (total > UINT32_MAX) violation("a chain above 2^32 bytes"); // 2.7.5.2
  longest_chain_ = std::max(longest_chain_, record.chain.pieces.size());
  return record;
}

Bytes FakeRingDevice::read(const Chain& chain) {
  Bytes all;
  for (const Piece& piece : chain.pieces) {
    if (piece.writable) continue;
    const Bytes part = bytes_at(piece.bus, piece.length);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::uint32_t FakeRingDevice::write(const Chain& chain, const Bytes& bytes) {
  std::size_t done = 0;
  for (const Piece& piece : chain.pieces) {
    if (!piece.writable) continue;
    const std::size_t count = std::min<std::size_t>(piece.length, bytes.size() - done);
    std::byte* const to = memory_.at(piece.bus, piece.length);
    if (to == nullptr) break;
    std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()) + done, count, to);
    done += count;
  }
  return static_cast<std::uint32_t>(done);
}

void FakeRingDevice::retire(const Chain& chain) {
  if (in_flight_.erase(chain.head) == 0) violation("the test completes a chain that is not in flight");
}

void FakeRingDevice::complete(const Chain& chain, std::uint32_t length) {
  complete_batch({chain}, length);
}

void FakeRingDevice::complete_batch(const std::vector<Chain>& chains, std::uint32_t length) {
  if (!live_) return;
  check();
  for (const Chain& chain : chains) {
    retire(chain);
    place_used(chain.head, length);
  }
  publish_used();
}

void FakeRingDevice::want_notifications(bool on) {
  wants_notifications_ = on;
  if (event_idx_)
    set_avail_event(on ? last_avail_ : static_cast<std::uint16_t>(last_avail_ - 1));
  else
    set_used_flags(on ? 0 : 1);
}

void FakeRingDevice::interrupt_if_wanted(std::uint16_t old_idx) {
  // The entry at used_event was among those just placed (2.7.7.2).
  const bool wanted =
      event_idx_ ? distance(used_event(), static_cast<std::uint16_t>(used_idx_ - 1)) < distance(old_idx, used_idx_)
                 : (avail_flags() & 1) == 0;
  if (!wanted && !ignores_suppression) return;
  interrupts++;
  if (on_interrupt) on_interrupt();
}

// ---- hostile
// ---------------------------------------------------------------------------------------------------------

void FakeRingDevice::store_used(std::size_t offset, unsigned width, std::uint32_t value) {
  memory_.store(areas_.used + offset, width, value);
  for (unsigned i = 0; i < width; i++)
    used_mirror_[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

void FakeRingDevice::place_used(std::uint32_t id, std::uint32_t length) {
  rewrite_used(used_next_ & static_cast<std::uint16_t>(areas_.size - 1), id, length);
  used_next_++;
}

void FakeRingDevice::rewrite_used(std::uint16_t slot, std::uint32_t id, std::uint32_t length) {
  store_used(4 + 8 * std::size_t{slot}, 4, id);
  store_used(8 + 8 * std::size_t{slot}, 4, length);
}

void FakeRingDevice::publish_used() {
  const std::uint16_t old_idx = used_idx_;
  set_used_idx(used_next_);
  if (old_idx != used_idx_) interrupt_if_wanted(old_idx);
}

void FakeRingDevice::set_used_idx(std::uint16_t idx) {
  used_idx_ = used_next_ = idx;
  store_used(2, 2, idx);
}

void FakeRingDevice::set_used_flags(std::uint16_t flags) {
  store_used(0, 2, flags);
}

void FakeRingDevice::set_avail_event(std::uint16_t event) {
  store_used(4 + 8 * std::size_t{areas_.size}, 2, event);
}

void FakeRingDevice::scribble_descriptors(std::uint8_t fill) {
  for (std::uint32_t i = 0; i < 16U * areas_.size; i++)
    memory_.store(areas_.descriptors + i, 1, fill);
  for (auto& [head, record] : in_flight_)
    record.descriptors.clear();
}

} // namespace test
