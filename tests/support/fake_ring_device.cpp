// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_ring_device.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace test {

namespace {
constexpr std::uint16_t next_flag = 1;
constexpr std::uint16_t write_flag = 2;
constexpr std::uint16_t indirect_flag = 4;
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

void FakeRingDevice::go_live(const Areas& areas, const Rules& rules) {
  areas_ = areas;
  rules_ = rules;
  last_avail_ = used_idx_ = used_next_ = next_head_ = 0;
  in_flight_.clear();
  taken_.assign(areas.size, false);
  order_.clear();
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
  if (rules_.event_idx ? flags != 0 : flags > 1) violation("avail.flags is " + std::to_string(flags)); // 2.7.7.1
  if (distance(last_avail_, avail_idx()) > areas_.size - in_flight_.size()) violation("the available index jumped");
  const auto changed = [this](std::uint64_t bus, const Bytes& before) {
    return std::memcmp(memory_.at(bus, before.size()), before.data(), before.size()) != 0;
  };
  if (changed(areas_.used, used_mirror_)) violation("the driver wrote the used area");
  for (const auto& [head, record] : in_flight_)
    for (const auto& [bus, before] : record.contents)
      if (changed(bus, before)) violation("a descriptor of chain " + std::to_string(head) + " changed while in flight");
}

void FakeRingDevice::check_notification(std::uint32_t value) {
  if (value >> 16 != avail_idx()) violation("a notification tells the available index " + std::to_string(value >> 16));
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
    order_.push_back(head);
    in_flight_[head] = std::move(record);
  }
  if (rules_.event_idx && wants_notifications_) set_avail_event(last_avail_);
  return chains;
}

FakeRingDevice::InFlight FakeRingDevice::walk(std::uint16_t head) {
  InFlight record;
  record.chain.head = head;
  for (std::uint16_t at = head; walk_slot(record, at);)
    at = load16(areas_.descriptors + 16U * at + 14);
  record.chain.descriptors = static_cast<std::uint16_t>(record.slots.size());
  if (rules_.in_order) check_order(record);

  const std::vector<Piece>& pieces = record.chain.pieces;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < pieces.size(); i++) {
    total += pieces[i].length;
    if (pieces[i].length == 0) violation("a descriptor of length 0");
    static_cast<void>(memory_.at(pieces[i].bus, pieces[i].length));
    if (i > 0 && pieces[i - 1].writable && !pieces[i].writable)
      violation("a readable descriptor after a writable one"); // 2.7.4.2
  }
  if (total > UINT32_MAX) violation("a chain above 2^32 bytes");               // 2.7.5.2
  if (pieces.size() > areas_.size) violation("a chain longer than the queue"); // 2.7.5.3.1
  longest_chain_ = std::max(longest_chain_, pieces.size());
  return record;
}

/// Takes one descriptor of the ring into the chain; whether it names another.
bool FakeRingDevice::walk_slot(InFlight& record, std::uint16_t slot) {
  if (slot >= areas_.size) {
    violation("descriptor index " + std::to_string(slot) + " is beyond the table");
    return false;
  }
  if (taken_[slot]) {
    violation("descriptor " + std::to_string(slot) + " is in flight already, or the chain loops");
    return false;
  }
  taken_[slot] = true;
  record.slots.push_back(slot);
  const std::uint64_t entry = areas_.descriptors + 16U * slot;
  record.contents[entry] = bytes_at(entry, 16);
  const std::uint16_t flags = load16(entry + 12);
  const unsigned known = next_flag | write_flag | (rules_.indirect ? indirect_flag : 0U);
  if ((flags & ~known) != 0) violation("descriptor flags " + std::to_string(flags)); // 2.7.5.3.1
  if ((flags & known & indirect_flag) == 0) {
    take_piece(record, entry);
    return (flags & next_flag) != 0;
  }
  if ((flags & next_flag) != 0) violation("INDIRECT together with NEXT"); // 2.7.5.3.1
  walk_table(record, memory_.load(entry, 8), static_cast<std::uint32_t>(memory_.load(entry + 8, 4)));
  return false;
}

void FakeRingDevice::walk_table(InFlight& record, std::uint64_t table, std::uint32_t length) {
  record.chain.indirect = true;
  if (length == 0 || length % 16 != 0) return violation("an indirect table of " + std::to_string(length) + " bytes");
  if (!memory_.contains(table, length)) return violation("an indirect table outside of DMA memory");
  record.contents[table] = bytes_at(table, length);
  std::vector<bool> seen(length / 16);
  std::uint16_t at = 0;
  while (true) {
    if (at >= seen.size()) return violation("an indirect chain leaves its table");
    if (seen[at]) return violation("an indirect chain loops");
    seen[at] = true;
    const std::uint64_t entry = table + 16U * at;
    const std::uint16_t flags = load16(entry + 12);
    if ((flags & ~(next_flag | write_flag)) != 0) violation("indirect descriptor flags " + std::to_string(flags));
    take_piece(record, entry);
    if ((flags & next_flag) == 0) return;
    const std::uint16_t next = load16(entry + 14);
    if (rules_.in_order && next != at + 1) violation("an indirect table out of sequence"); // 2.7.5.3.1
    at = next;
  }
}

void FakeRingDevice::take_piece(InFlight& record, std::uint64_t entry) {
  record.chain.pieces.push_back({memory_.load(entry, 8), static_cast<std::uint32_t>(memory_.load(entry + 8, 4)),
                                 (load16(entry + 12) & write_flag) != 0});
}

/// 2.7.5, 2.7.5.2: in table order from 0, and around its end.
void FakeRingDevice::check_order(const InFlight& record) {
  for (const std::uint16_t slot : record.slots) {
    if (slot != next_head_) return violation("descriptor " + std::to_string(slot) + " is out of table order");
    next_head_ = static_cast<std::uint16_t>((slot + 1) % areas_.size);
  }
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
  const auto record = in_flight_.find(chain.head);
  if (record == in_flight_.end()) return violation("the test completes a chain that is not in flight");
  for (const std::uint16_t slot : record->second.slots)
    taken_[slot] = false;
  in_flight_.erase(record);
  if (rules_.in_order && order_.front() != chain.head) violation("the test completes chains out of order");
  std::erase(order_, chain.head);
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

void FakeRingDevice::complete_by_one_entry(const std::vector<Chain>& chains, std::uint32_t length) {
  if (!live_ || chains.empty()) return;
  if (!rules_.in_order) return violation("the test skips used elements without IN_ORDER");
  check();
  for (const Chain& chain : chains)
    retire(chain);
  place_used(chains.back().head, length);
  used_next_ = static_cast<std::uint16_t>(used_next_ + chains.size() - 1);
  publish_used();
}

void FakeRingDevice::want_notifications(bool on) {
  wants_notifications_ = on;
  if (rules_.event_idx)
    set_avail_event(on ? last_avail_ : static_cast<std::uint16_t>(last_avail_ - 1));
  else
    set_used_flags(on ? 0 : 1);
}

void FakeRingDevice::interrupt_if_wanted(std::uint16_t old_idx) {
  // The entry at used_event was among those just placed (2.7.7.2).
  const bool wanted = rules_.event_idx ? distance(used_event(), static_cast<std::uint16_t>(used_idx_ - 1)) <
                                             distance(old_idx, used_idx_)
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
  for (auto& [head, record] : in_flight_) {
    for (const auto& [bus, before] : record.contents)
      for (std::size_t i = 0; i < before.size(); i++)
        memory_.store(bus + i, 1, fill);
    record.contents.clear();
  }
}

} // namespace test
