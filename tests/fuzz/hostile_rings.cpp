// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fuzz/hostile_rings.hpp"

namespace fuzz {

namespace {
constexpr std::uint16_t next_flag = 1;
constexpr std::uint16_t write_flag = 2;
constexpr std::uint16_t indirect_flag = 4;
constexpr std::uint16_t avail_flag = 0x80;
constexpr std::uint16_t used_flag = 0x8000;
constexpr std::uint32_t max_indirect = 64;
} // namespace

void HostileRing::go_live(bool packed, std::uint16_t size, const std::uint64_t (&areas)[3]) {
  stop();
  live_ = size != 0;
  packed_ = packed;
  size_ = size;
  for (unsigned i = 0; i < 3; i++)
    areas_[i] = areas[i];
}

void HostileRing::stop() {
  live_ = false;
  scribbled_ = false;
  misused_.clear();
  next_ = used_ = 0;
  next_wrap_ = used_wrap_ = true;
  held.clear();
}

std::uint64_t HostileRing::area_size(unsigned area) const {
  if (area == 0) return 16U * size_;
  if (packed_) return 4;
  return area == 1 ? 6 + 2U * size_ : 6 + 8U * size_;
}

bool HostileRing::overlaps(std::uint64_t bus, std::uint64_t length) const {
  for (unsigned i = 0; live_ && i < 3; i++)
    if (bus < areas_[i] + area_size(i) && areas_[i] < bus + length) return true;
  return false;
}

// Outside of the memory there is nothing.
std::uint64_t HostileRing::load(std::uint64_t bus, unsigned width) const {
  return memory_->contains(bus, width) ? memory_->load(bus, width) : 0;
}

void HostileRing::store(std::uint64_t bus, unsigned width, std::uint64_t value) {
  if (memory_->contains(bus, width)) memory_->store(bus, width, value);
}

// ---- as it should be

void HostileRing::add_descriptor(Chain& chain, std::uint64_t at, std::uint16_t flags) const {
  const std::uint64_t address = load(at, 8);
  const auto length = static_cast<std::uint32_t>(load(at + 8, 4));
  if ((flags & indirect_flag) == 0) {
    chain.pieces.push_back({address, length, (flags & write_flag) != 0});
    return;
  }
  const std::uint32_t count = length / 16 < max_indirect ? length / 16 : max_indirect;
  for (std::uint32_t i = 0; i < count; i++) {
    const std::uint64_t entry = address + 16U * i;
    const auto inner = static_cast<std::uint16_t>(load(entry + (packed_ ? 14 : 12), 2));
    chain.pieces.push_back({load(entry, 8), static_cast<std::uint32_t>(load(entry + 8, 4)), (inner & write_flag) != 0});
    if (!packed_ && (inner & next_flag) == 0) break;
  }
}

std::optional<HostileRing::Chain> HostileRing::take() {
  if (!live_) return std::nullopt;
  return packed_ ? take_packed() : take_split();
}

std::optional<HostileRing::Chain> HostileRing::take_split() {
  if (next_ == static_cast<std::uint16_t>(load(areas_[1] + 2, 2))) return std::nullopt;
  auto at = static_cast<std::uint16_t>(load(areas_[1] + 4 + 2U * (next_++ % size_), 2));
  Chain chain;
  chain.id = at;
  for (std::uint16_t i = 0; i < size_ && at < size_; i++) {
    const std::uint64_t descriptor = areas_[0] + 16U * at;
    const auto flags = static_cast<std::uint16_t>(load(descriptor + 12, 2));
    add_descriptor(chain, descriptor, flags);
    if ((flags & next_flag) == 0) break;
    at = static_cast<std::uint16_t>(load(descriptor + 14, 2));
  }
  return chain;
}

std::optional<HostileRing::Chain> HostileRing::take_packed() {
  const auto flags_at = [this](std::uint16_t slot) {
    return static_cast<std::uint16_t>(load(areas_[0] + 16U * slot + 14, 2));
  };
  const std::uint16_t first = flags_at(next_);
  if (((first & avail_flag) != 0) != next_wrap_ || ((first & used_flag) != 0) == next_wrap_) return std::nullopt;
  Chain chain;
  for (chain.slots = 1;; chain.slots++) {
    const std::uint16_t flags = flags_at(next_);
    add_descriptor(chain, areas_[0] + 16U * next_, flags);
    chain.id = static_cast<std::uint16_t>(load(areas_[0] + 16U * next_ + 12, 2));
    if (++next_ == size_) {
      next_ = 0;
      next_wrap_ = !next_wrap_;
    }
    if ((flags & next_flag) == 0 || chain.slots == size_) return chain;
  }
}

void HostileRing::put(std::uint16_t id, std::uint32_t length, std::uint16_t slots) {
  if (!live_) return;
  if (!packed_) {
    store(areas_[2] + 4 + 8U * (used_ % size_), 4, id);
    store(areas_[2] + 8 + 8U * (used_ % size_), 4, length);
    store(areas_[2] + 2, 2, ++used_);
    return;
  }
  const std::uint64_t descriptor = areas_[0] + 16U * (used_ % size_);
  store(descriptor + 8, 4, length);
  store(descriptor + 12, 2, id);
  store(descriptor + 14, 2, used_wrap_ ? avail_flag | used_flag : 0);
  used_ = static_cast<std::uint16_t>(used_ % size_ + slots % size_);
  if (used_ < size_) return;
  used_ = static_cast<std::uint16_t>(used_ - size_);
  used_wrap_ = !used_wrap_;
}

// ---- as it should not be

// The descriptors of a packed ring are overwritten by used ones: by those that nobody had, too. On a split ring the
// driver takes back what the device may yet find in the available ring.
void HostileRing::misuse(std::uint16_t id, std::uint32_t length, std::uint16_t slots) {
  if (packed_) scribbled_ = true;
  misused_.insert(id);
  put(id, length, slots);
}

void HostileRing::note_change(std::uint64_t bus) {
  const unsigned area = packed_ ? 0 : 2; // where used entries are
  if (live_ && bus >= areas_[area] && bus < areas_[area] + area_size(area)) scribbled_ = true;
}

void HostileRing::scribble(unsigned area, std::uint32_t offset, unsigned width, std::uint64_t value) {
  if (!live_) return;
  scribbled_ = true; // in the used ring, too: it may say of any chain that it was used
  store(areas_[area] + offset % area_size(area), width, value);
}

void HostileRing::set_suppression(std::uint32_t value) {
  if (!live_) return;
  if (packed_) return store(areas_[2], 4, value);
  store(areas_[2], 2, value & 1);
  store(areas_[2] + 4 + 8U * size_, 2, value >> 16);
}

void HostileRing::jump(std::uint16_t to) {
  if (!live_) return;
  scribbled_ = true;
  used_ = packed_ ? static_cast<std::uint16_t>(to % size_) : to;
  used_wrap_ = (to & 0x8000) == 0;
  if (!packed_) store(areas_[2] + 2, 2, to);
}

} // namespace fuzz
