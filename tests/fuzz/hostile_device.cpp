// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fuzz/hostile_device.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "tests/support/bus_trace.hpp"
#include "tests/support/fake_clock.hpp"

namespace fuzz {

using test::FakeVirtioMmio;
using virtio::Feature;
using virtio::FeatureSet;

namespace {

constexpr std::uint8_t mac[] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

} // namespace

HostileDevice::HostileDevice(Input& input, std::uint8_t kind, FeatureSet always_offered, std::span<std::byte> bytes)
    : input_{input}, bytes_{bytes}, memory_{bytes, bus_base}, rings_(queue_count, HostileRing{memory_}) {
  test::fake_bus().on_shared_load = [this](const void* address, std::size_t width) { tamper(address, width); };
  using Version = FakeVirtioMmio::Version;
  registers_ = std::make_unique<FakeVirtioMmio>((kind & 1) != 0 ? Version::legacy : Version::modern);
  registers_->queues.resize(queue_count);
  next_size_ = (kind & 0x80) != 0 ? input_.half() : 64;
  next_offer_ = input_.number(8) | always_offered.bits();
  for (std::uint32_t i = 0; i < std::size(mac); i++)
    registers_->set_config8(i, mac[i]);
  make_good();
  good_ = false;
  registers_->on_queue_ready = [this](unsigned index) { queue_ready(index); };
  registers_->on_queue_reset = [this](unsigned index) { rings_[index].stop(); };
  registers_->on_notify = [this](unsigned index) {
    if (index >= 2) answer_command();
  };
  registers_->on_generation_read = [this] {
    if (unstable_reads_ == 0) return;
    unstable_reads_--;
    registers_->generation++;
  };
  registers_->on_reset = [this] {
    late_in_ = 0;
    for (HostileRing& ring : rings_)
      ring.stop();
    registers_->offered = next_offer_;
    for (FakeVirtioMmio::Queue& queue : registers_->queues)
      queue.size_max = next_size_;
  };
}

HostileDevice::~HostileDevice() {
  test::fake_bus().on_shared_load = nullptr;
}

void HostileDevice::behave() {
  next_size_ = 64;
  make_good();
}

/// What a good device of this kind says, with the offer that the input chose.
void HostileDevice::make_good() {
  good_ = true;
  registers_->script = {};
  FeatureSet offer{next_offer_};
  offer.remove(Feature::net_standby); // the fake knows no other devices
  if (!is_legacy()) offer.add(Feature::version_1);
  next_offer_ = is_legacy() ? offer.word(0) : offer.bits();
  registers_->offered = next_offer_;
  for (FakeVirtioMmio::Queue& queue : registers_->queues)
    queue.size_max = next_size_;
  registers_->set_config16(6, 1);
  registers_->set_config16(8, 1);
  registers_->set_config16(10, 1500);
  registers_->set_config32(12, 1000);
  registers_->set_config8(16, 1);
  registers_->set_config8(17, 40);
  registers_->set_config16(18, 128);
  registers_->set_config32(20, 0x1ff);
  unstable_reads_ = tamper_in_ = late_in_ = 0;
}

void HostileDevice::queue_ready(unsigned index) {
  const FakeVirtioMmio::Queue& queue = registers_->queues[index];
  const auto size = static_cast<std::uint16_t>(queue.size);
  if (!is_legacy()) return rings_[index].go_live(registers_->accepted().has(Feature::ring_packed), size, queue.address);
  const std::uint64_t start = std::uint64_t{queue.pfn} * registers_->guest_page_size();
  const std::uint64_t available = start + 16U * size;
  const std::uint64_t used = (available + 6 + 2U * size + queue.align - 1) / queue.align * queue.align;
  rings_[index].go_live(false, size, {start, available, used});
}

bool HostileDevice::is_free(const HostileRing::Piece& piece) const {
  bool free = memory_.contains(piece.bus, piece.length) && !is_lent(piece);
  for (const HostileRing& ring : rings_)
    free = free && !ring.overlaps(piece.bus, piece.length);
  return free;
}

/// Writes `head` into the chain's writable pieces and uses it with this length.
void HostileDevice::deliver(HostileRing& ring, const HostileRing::Chain& chain, std::span<const std::uint8_t> head,
                            std::uint32_t length) {
  for (const HostileRing::Piece& piece : chain.pieces) {
    if (!piece.writable) continue;
    const bool free = is_free(piece);
    require(free || ring.scribbled() || ring.misused(chain.id), "a buffer of the device is nobody else's");
    const std::size_t count = std::min<std::size_t>(head.size(), piece.length);
    for (std::size_t i = 0; i < count && free; i++)
      memory_.store(piece.bus + i, 1, head[i]);
    head = head.subspan(count);
  }
  ring.use(chain, length);
}

void HostileDevice::answer_command() {
  HostileRing* ring = nullptr;
  for (std::size_t i = 2; i < rings_.size(); i++)
    if (rings_[i].live()) ring = &rings_[i];
  if (ring == nullptr) return;
  const std::array<std::uint8_t, 32> zeros{};
  while (const auto chain = ring->take()) {
    const std::uint8_t script = good_ ? 0 : input_.byte();
    switch (static_cast<Answer>(script & 7)) {
    case Answer::ok:
      deliver(*ring, *chain, zeros, 1);
      break;
    case Answer::refused:
      deliver(*ring, *chain, std::array<std::uint8_t, 1>{1}, 1);
      break;
    case Answer::ack:
      deliver(*ring, *chain, input_.bytes(script >> 3), 1);
      break;
    case Answer::length:
      deliver(*ring, *chain, zeros, input_.word());
      break;
    case Answer::id:
      ring->misuse(input_.half(), 1, 1);
      break;
    case Answer::late:
      late_ = *chain;
      late_in_ = std::uint32_t{script} * 8;
      break;
    case Answer::needs_reset:
      registers_->set_needs_reset();
      break;
    case Answer::silence:
      break;
    }
  }
}

/// Between two looks of the driver at shared memory.
void HostileDevice::tamper(const void* address, std::size_t width) {
  if (late_in_ != 0 && --late_in_ == 0)
    for (std::size_t i = 2; i < rings_.size(); i++)
      if (rings_[i].live()) deliver(rings_[i], late_, std::array<std::uint8_t, 8>{}, 1);
  if (tamper_in_ == 0 || --tamper_in_ != 0) return;
  const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - bytes_.data());
  if (!memory_.contains(bus_base + offset, width)) return;
  memory_.store(bus_base + offset, static_cast<unsigned>(width), tamper_value_);
  for (HostileRing& ring : rings_)
    ring.note_change(bus_base + offset);
}

// ---- steps of the device
// -------------------------------------------------------------------------------------------------

void HostileDevice::step(std::uint8_t op) {
  if (op < 0x10) return ring_step(op);
  registers_step(op);
}

void HostileDevice::ring_step(std::uint8_t op) {
  switch (op) {
  case 0x00: { // a frame, or a part of one
    HostileRing& ring = rings_[0];
    const std::uint32_t length = input_.half();
    const auto head = input_.bytes(20);
    if (const auto chain = ring.take()) deliver(ring, *chain, head, length);
    break;
  }
  case 0x01: // a good frame
    if (const auto chain = rings_[0].take()) {
      std::array<std::uint8_t, 64> head{};
      head[10] = 1;
      deliver(rings_[0], *chain, head, 60 + static_cast<std::uint32_t>(input_.byte()));
    }
    break;
  case 0x02: // all that was sent
    while (const auto chain = rings_[1].take())
      rings_[1].use(*chain, 0);
    break;
  case 0x03: // taken, and perhaps used later
    if (HostileRing& ring = any_ring(); const auto chain = ring.take()) ring.held.push_back(*chain);
    break;
  case 0x04:
    if (HostileRing& ring = any_ring(); !ring.held.empty()) {
      const std::size_t index = input_.byte() % ring.held.size();
      ring.use(ring.held[index], input_.half());
      ring.held.erase(ring.held.begin() + static_cast<std::ptrdiff_t>(index));
    }
    break;
  case 0x05:
    if (HostileRing& ring = any_ring(); true) {
      const std::uint16_t id = input_.half();
      ring.misuse(id, input_.word(), input_.byte());
    }
    break;
  case 0x06:
    if (HostileRing& ring = any_ring(); true) {
      const std::uint8_t where = input_.byte();
      const std::uint16_t offset = input_.half();
      ring.scribble(where % 3, offset, 1U << (where >> 2 & 3), input_.number(4));
    }
    break;
  case 0x07:
    if (HostileRing& ring = any_ring(); true) ring.set_suppression(input_.word());
    break;
  case 0x08:
    if (HostileRing& ring = any_ring(); true) ring.jump(input_.half());
    break;
  case 0x09:
    tamper_in_ = input_.byte();
    tamper_value_ = input_.word();
    break;
  default:
    break;
  }
}

void HostileDevice::registers_step(std::uint8_t op) {
  switch (op) {
  case 0x10:
    registers_->raise_used();
    break;
  case 0x11:
    registers_->raise_config();
    break;
  case 0x12: {
    const std::uint8_t offset = input_.byte() % 28;
    registers_->set_config8(offset, input_.byte());
    registers_->generation++;
    registers_->raise_config();
    break;
  }
  case 0x13:
    registers_->set_needs_reset();
    registers_->raise_config();
    break;
  case 0x14:
    script_step();
    break;
  case 0x15:
    next_offer_ ^= FeatureSet{static_cast<Feature>(input_.byte() & 63)}.bits();
    if (is_legacy()) next_offer_ = FeatureSet{next_offer_}.word(0);
    break;
  case 0x16:
    next_size_ = input_.half();
    break;
  case 0x17:
    test::fake_clock().advance_us(std::uint64_t{input_.half()} * 100);
    break;
  case 0x18:
    unstable_reads_ = input_.byte();
    break;
  default:
    break;
  }
}

void HostileDevice::script_step() {
  FakeVirtioMmio::Script& script = registers_->script;
  const std::uint8_t what = input_.byte();
  const auto reads = [](std::uint8_t value) { return value == 0xff ? FakeVirtioMmio::never : value; };
  const auto queue = [](std::uint8_t value) {
    return value < queue_count ? std::optional<unsigned>{value} : std::nullopt;
  };
  switch (what & 15) {
  case 0:
    script = {};
    break;
  case 1:
    script.reset_reads = reads(input_.byte());
    break;
  case 2:
    script.refuses_features = input_.flag();
    break;
  case 3:
    script.refuses_queue = queue(input_.byte());
    break;
  case 4:
    script.keeps_queue = queue(input_.byte());
    break;
  case 5:
    script.busy_queue = queue(input_.byte());
    break;
  case 6:
    script.needs_reset_at_driver_ok = input_.flag();
    break;
  case 7:
    script.queue_reset_reads = reads(input_.byte());
    break;
  case 8:
    script.lacks_queue_reset = input_.flag();
    break;
  case 9:
    script.gone = input_.flag();
    break;
  case 10:
    script.undefined_interrupt_bits = input_.byte() & 0xfcU;
    break;
  case 11:
    script.resets_on_pfn_zero = input_.flag();
    break;
  default:
    script.word_beyond_63 = input_.word();
    break;
  }
}

} // namespace fuzz
