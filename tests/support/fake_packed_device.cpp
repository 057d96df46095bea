// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_packed_device.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace test {

namespace {
/// Counts through two laps: the wrap counter tells them apart.
unsigned lap_slot(std::uint16_t off_wrap, std::uint16_t size) {
  return (off_wrap & 0x7fffU) + ((off_wrap & 0x8000U) != 0 ? 0U : size);
}
} // namespace

void FakePackedDevice::Position::advance(std::size_t count, std::uint16_t size) {
  for (std::size_t i = 0; i < count; i++) {
    slot++;
    if (slot < size) continue;
    slot = 0;
    wrap = !wrap;
  }
}

void FakePackedDevice::go_live(const Areas& areas, const Features& features) {
  areas_ = areas;
  features_ = features;
  avail_ = used_ = announced_ = {};
  in_flight_.clear();
  order_.clear();
  staged_.clear();
  owned_.assign(areas.size, false);
  mirror_.assign(16 * std::size_t{areas.size}, 0);
  slots_in_flight_ = 0;
  live_ = false;
  if (areas.descriptors % 16 != 0 || areas.available % 4 != 0 || areas.used % 4 != 0)
    violation("an area is misaligned"); // 2.8.10.1
  const std::uint64_t end = areas.descriptors + 16U * areas.size;
  const auto inside = [&](std::uint64_t event) { return event + 4 > areas.descriptors && event < end; };
  const bool same = areas.available + 4 > areas.used && areas.available < areas.used + 4;
  if (inside(areas.available) || inside(areas.used) || same) violation("areas overlap");
  const Bytes ring = bytes_at(areas.descriptors, 16 * std::size_t{areas.size});
  event_mirror_ = bytes_at(areas.used, 4);
  if (ring.empty() || event_mirror_.empty() || !memory_.contains(areas.available, 4)) return;
  const auto not_zero = [](std::uint8_t byte) { return byte != 0; };
  if (std::ranges::any_of(ring, not_zero)) violation("the descriptor ring is not zeroed"); // 2.8.13
  if (std::ranges::any_of(event_mirror_, not_zero)) violation("the device area is not zeroed");
  live_ = true;
  want_notifications(wants_notifications_);
}

Bytes FakePackedDevice::bytes_at(std::uint64_t bus, std::size_t length) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(memory_.at(bus, length));
  return bytes == nullptr ? Bytes{} : Bytes(bytes, bytes + length);
}

FakePackedDevice::Descriptor FakePackedDevice::load_descriptor(std::uint64_t bus) {
  return {memory_.load(bus, 8), static_cast<std::uint32_t>(memory_.load(bus + 8, 4)), load16(bus + 12),
          load16(bus + 14)};
}

std::string FakePackedDevice::take_violations() {
  return std::exchange(violations_, {});
}

void FakePackedDevice::check() {
  if (!live_) return;
  const std::uint16_t flags = driver_flags();
  if (flags > 2 || (flags == 2 && !features_.event_idx)) violation("driver event flags " + std::to_string(flags));
  if (flags == 2 && (driver_off_wrap() & 0x7fff) >= areas_.size) violation("the driver's event is beyond the ring");
  const auto changed = [this](std::uint64_t bus, const Bytes& before) {
    return std::memcmp(memory_.at(bus, before.size()), before.data(), before.size()) != 0;
  };
  if (changed(areas_.used, event_mirror_)) violation("the driver wrote the device area");
  const std::byte* const ring = memory_.at(areas_.descriptors, mirror_.size());
  for (std::size_t slot = 0; slots_in_flight_ != 0 && slot < areas_.size; slot++)
    if (owned_[slot] && std::memcmp(ring + 16 * slot, &mirror_[16 * slot], 16) != 0)
      violation("slot " + std::to_string(slot) + " changed while in flight");
  for (const auto& [id, record] : in_flight_)
    for (const auto& [bus, before] : record.table)
      if (changed(bus, before)) violation("the table of " + std::to_string(id) + " changed while in flight");
}

// ---- honest --------------------------------------------------------------------------------------------------------

bool FakePackedDevice::available_at(const Position& at) {
  const std::uint16_t flags = load16(slot_address(at.slot) + 14);
  return ((flags & avail_flag) != 0) == at.wrap && ((flags & used_flag) != 0) != at.wrap;
}

std::vector<FakePackedDevice::Chain> FakePackedDevice::take_available() {
  std::vector<Chain> chains;
  if (!live_) return chains;
  check();
  while (!owned_[avail_.slot] && available_at(avail_)) {
    walk();
    chains.push_back(in_flight_[order_.back()].chain);
  }
  if (features_.event_idx && wants_notifications_) want_notifications(true);
  return chains;
}

/// Reads one list; its buffer id is in the last descriptor (2.8.6).
void FakePackedDevice::walk() {
  InFlight record;
  Descriptor descriptor{};
  do {
    if (owned_[avail_.slot]) {
      violation("a list runs into slot " + std::to_string(avail_.slot) + ", which is in flight");
      break;
    }
    if (!available_at(avail_)) violation("slot " + std::to_string(avail_.slot) + " of a list is not available");
    descriptor = load_descriptor(slot_address(avail_.slot));
    const bool in_list = record.slots != 0 || (descriptor.flags & next_flag) != 0;
    constexpr std::uint16_t known = next_flag | write_flag | indirect_flag | avail_flag | used_flag;
    if ((descriptor.flags & ~known) != 0) violation("descriptor flags " + std::to_string(descriptor.flags));
    if ((descriptor.flags & indirect_flag) == 0) {
      add_piece(descriptor, record.chain);
    } else {
      if (in_list) violation("an indirect descriptor in a list"); // 2.8.19
      walk_table(descriptor, record);
    }
    own(avail_.slot);
    record.slots++;
    avail_.advance(1, areas_.size);
  } while ((descriptor.flags & next_flag) != 0);

  std::uint64_t total = 0;
  for (const Piece& piece : record.chain.pieces)
    total += piece.length;
  if (total > UINT32_MAX) violation("a list above 2^32 bytes");
  if (record.chain.pieces.size() > areas_.size) violation("a list longer than the queue"); // 2.8.17
  if (descriptor.id >= areas_.size) violation("buffer id " + std::to_string(descriptor.id));
  if (in_flight_.count(descriptor.id) != 0) violation("buffer id " + std::to_string(descriptor.id) + " is in flight");
  longest_chain_ = std::max(longest_chain_, record.chain.pieces.size());
  record.chain.head = descriptor.id;
  order_.push_back(descriptor.id);
  in_flight_[descriptor.id] = std::move(record);
}

void FakePackedDevice::own(std::uint16_t slot) {
  std::memcpy(&mirror_[16 * std::size_t{slot}], memory_.at(slot_address(slot), 16), 16);
  owned_[slot] = true;
  slots_in_flight_++;
}

void FakePackedDevice::walk_table(const Descriptor& descriptor, InFlight& record) {
  indirect_chains_++;
  if (!features_.indirect) violation("an indirect descriptor without the feature"); // 2.8.19
  if ((descriptor.flags & write_flag) != 0) violation("an indirect descriptor with WRITE");
  if (descriptor.len == 0 || descriptor.len % 16 != 0) violation("a table of " + std::to_string(descriptor.len));
  const Bytes table = bytes_at(descriptor.addr, descriptor.len);
  for (std::size_t at = 0; at + 16 <= table.size(); at += 16) {
    const Descriptor entry = load_descriptor(descriptor.addr + at);
    if ((entry.flags & ~write_flag) != 0) violation("flags " + std::to_string(entry.flags) + " in a table"); // 2.8.19
    if (entry.id != 0) violation("a buffer id in a table"); // reserved (2.8.7)
    add_piece(entry, record.chain);
  }
  record.table[descriptor.addr] = table;
}

void FakePackedDevice::add_piece(const Descriptor& descriptor, Chain& chain) {
  const Piece piece{descriptor.addr, descriptor.len, (descriptor.flags & write_flag) != 0};
  if (piece.length == 0) violation("a descriptor of length 0");
  if (!chain.pieces.empty() && chain.pieces.back().writable && !piece.writable)
    violation("a readable descriptor after a writable one"); // 2.8.17
  static_cast<void>(memory_.at(piece.bus, piece.length));
  chain.pieces.push_back(piece);
}

Bytes FakePackedDevice::read(const Chain& chain) {
  Bytes all;
  for (const Piece& piece : chain.pieces) {
    if (piece.writable) continue;
    const Bytes part = bytes_at(piece.bus, piece.length);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::uint32_t FakePackedDevice::write(const Chain& chain, const Bytes& bytes) {
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

/// Takes the chain off the device's books; how many slots it had.
std::size_t FakePackedDevice::retire(const Chain& chain) {
  const auto record = in_flight_.find(chain.head);
  if (record == in_flight_.end()) {
    violation("the test completes a chain that is not in flight");
    return 1;
  }
  if (features_.in_order && order_.front() != chain.head) violation("the test completes out of order");
  const std::size_t slots = record->second.slots;
  std::erase(order_, chain.head);
  in_flight_.erase(record);
  return slots;
}

void FakePackedDevice::complete(const Chain& chain, std::uint32_t length) {
  complete_batch({chain}, length);
}

void FakePackedDevice::complete_batch(const std::vector<Chain>& chains, std::uint32_t length) {
  if (!live_) return;
  check();
  for (const Chain& chain : chains) {
    const bool wrote = chain.length(true) != 0 && length != 0;
    stage(chain.head, length, wrote && sets_write_flag ? write_flag : 0, retire(chain));
  }
  publish_used();
}

void FakePackedDevice::complete_as_one(const std::vector<Chain>& chains, std::uint32_t length) {
  if (!live_ || chains.empty()) return;
  check();
  std::size_t slots = 0;
  for (const Chain& chain : chains)
    slots += retire(chain);
  const Chain& last = chains.back();
  const bool wrote = last.length(true) != 0 && length != 0;
  stage(last.head, length, wrote && sets_write_flag ? write_flag : 0, slots);
  publish_used();
}

void FakePackedDevice::want_notifications(bool on) {
  wants_notifications_ = on;
  if (!on)
    set_device_event(0, 1);
  else if (features_.event_idx)
    set_device_event(avail_.off_wrap(), 2);
  else
    set_device_event(0, 0);
}

void FakePackedDevice::interrupt_if_wanted(const Position& before) {
  bool wanted = driver_flags() != 1;
  if (driver_flags() == 2) { // the slot is among those just used (2.8.10)
    const unsigned laps = 2U * areas_.size;
    const unsigned old = lap_slot(before.off_wrap(), areas_.size);
    const unsigned slots = (lap_slot(used_.off_wrap(), areas_.size) + laps - old) % laps;
    wanted = (lap_slot(driver_off_wrap(), areas_.size) + laps - old) % laps < slots;
  }
  if (!wanted && !ignores_suppression) return;
  interrupts++;
  if (on_interrupt) on_interrupt();
}

// ---- hostile -------------------------------------------------------------------------------------------------------

void FakePackedDevice::stage(std::uint16_t id, std::uint32_t length, std::uint16_t flags, std::size_t slots) {
  rewrite_used(used_.slot, id, length);
  const std::uint16_t lap = used_.wrap ? avail_flag | used_flag : 0;
  staged_.push_back({used_.slot, static_cast<std::uint16_t>(flags | extra_used_flags | lap)});
  for (std::size_t i = 0; i < slots; i++) { // they are the driver's from here on
    slots_in_flight_ -= owned_[used_.slot] ? 1 : 0;
    owned_[used_.slot] = false;
    used_.advance(1, areas_.size);
  }
}

void FakePackedDevice::place_used(std::uint16_t id, std::uint32_t length) {
  const auto record = in_flight_.find(id);
  stage(id, length, write_flag, record == in_flight_.end() ? 1 : record->second.slots);
}

void FakePackedDevice::publish_used() {
  if (staged_.empty()) return;
  for (auto staged = staged_.rbegin(); staged != staged_.rend(); ++staged)
    memory_.store(slot_address(staged->slot) + 14, 2, staged->flags);
  staged_.clear();
  interrupt_if_wanted(std::exchange(announced_, used_));
}

void FakePackedDevice::rewrite_used(std::uint16_t slot, std::uint16_t id, std::uint32_t length) {
  memory_.store(slot_address(slot) + 8, 4, length);
  memory_.store(slot_address(slot) + 12, 2, id);
  std::memcpy(&mirror_[16 * std::size_t{slot}], memory_.at(slot_address(slot), 16), 16);
}

void FakePackedDevice::set_flags(std::uint16_t slot, std::uint16_t flags) {
  memory_.store(slot_address(slot) + 14, 2, flags);
  std::memcpy(&mirror_[16 * std::size_t{slot}], memory_.at(slot_address(slot), 16), 16);
}

void FakePackedDevice::set_device_event(std::uint16_t off_wrap, std::uint16_t flags) {
  memory_.store(areas_.used, 4, std::uint32_t{flags} << 16 | off_wrap);
  event_mirror_ = bytes_at(areas_.used, 4);
}

void FakePackedDevice::scribble_descriptors(std::uint8_t fill) {
  for (std::uint32_t i = 0; i < 16U * areas_.size; i++)
    memory_.store(areas_.descriptors + i, 1, fill);
  owned_.assign(areas_.size, false);
  slots_in_flight_ = 0;
  for (auto& [id, record] : in_flight_)
    for (const auto& [bus, table] : std::exchange(record.table, {}))
      for (std::size_t i = 0; i < table.size(); i++)
        memory_.store(bus + i, 1, fill);
}

} // namespace test
