// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_virtio_mmio.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <utility>

namespace test {

namespace {

enum In : unsigned { v1 = 1, v2 = 2, both = 3 };
enum Use : unsigned { r = 1, w = 2, rw = 3 };
struct Rule {
  std::uint32_t offset;
  const char* name;
  Use use;
  In in;
};
/// The register tables of 4.2.2 and 4.2.4. What is not here does not exist: neither the shared-memory registers, which
/// a network device has no use for, nor QueueReset without RING_RESET accepted.
constexpr Rule rules[] = {
    {0x000, "MagicValue", r, both},     {0x004, "Version", r, both},           {0x008, "DeviceID", r, both},
    {0x00c, "VendorID", r, both},       {0x010, "DeviceFeatures", r, both},    {0x014, "DeviceFeaturesSel", w, both},
    {0x020, "DriverFeatures", w, both}, {0x024, "DriverFeaturesSel", w, both}, {0x028, "GuestPageSize", w, v1},
    {0x030, "QueueSel", w, both},       {0x034, "QueueSizeMax", r, both},      {0x038, "QueueSize", w, both},
    {0x03c, "QueueAlign", w, v1},       {0x040, "QueuePFN", rw, v1},           {0x044, "QueueReady", rw, v2},
    {0x050, "QueueNotify", w, both},    {0x060, "InterruptStatus", r, both},   {0x064, "InterruptACK", w, both},
    {0x070, "Status", rw, both},        {0x080, "QueueDescLow", w, v2},        {0x084, "QueueDescHigh", w, v2},
    {0x090, "QueueDriverLow", w, v2},   {0x094, "QueueDriverHigh", w, v2},     {0x0a0, "QueueDeviceLow", w, v2},
    {0x0a4, "QueueDeviceHigh", w, v2},  {0x0c0, "QueueReset", rw, v2},         {0x0fc, "ConfigGeneration", r, v2},
};

struct Field {
  std::uint32_t offset;
  unsigned width;
  int feature;   ///< that brings the field; -1: always there
  int other{-1}; ///< that brings it too
};
/// struct virtio_net_config (5.1.4). `mac` always exists, byte by byte.
constexpr Field fields[] = {
    {0, 1, -1}, {1, 1, -1},  {2, 1, -1},  {3, 1, -1},      {4, 1, -1},  {5, 1, -1},      {6, 2, 16},  {8, 2, 22, 60},
    {10, 2, 3}, {12, 4, 63}, {16, 1, 63}, {17, 1, 60, 57}, {18, 2, 60}, {20, 4, 60, 57}, {24, 4, 51},
};

std::string text(const char* format, const std::string& name, std::uint64_t value) {
  char buffer[120];
  std::snprintf(buffer, sizeof buffer, format, name.c_str(), static_cast<unsigned long long>(value));
  return buffer;
}

const Rule* find_rule(std::uint32_t offset, FakeVirtioMmio::Version version) {
  for (const Rule& rule : rules)
    if (rule.offset == offset && (rule.in & static_cast<unsigned>(version)) != 0) return &rule;
  return nullptr;
}

constexpr std::uint32_t config_start = 0x100;
constexpr std::uint32_t status_offset = 0x070;
constexpr std::uint32_t queue_reset_offset = 0x0c0;
constexpr bool is_queue_register(std::uint32_t offset) {
  return (offset >= 0x030 && offset <= 0x044) || (offset >= 0x080 && offset <= queue_reset_offset);
}

} // namespace

FakeVirtioMmio::FakeVirtioMmio(Version version, std::uintptr_t base)
    : version_register{static_cast<std::uint32_t>(version)}, config(0x100), version_{version}, base_{base} {
  offered = version == Version::modern ? std::uint64_t{1} << 32 : 0;
  fake_bus().attach(base, 0x200, *this);
}

// ---- checks
// ----------------------------------------------------------------------------------------------------------

bool FakeVirtioMmio::breach(bool wrong, const std::string& text) {
  if (wrong) violation(text);
  return wrong;
}

std::string FakeVirtioMmio::violations() const {
  std::string all;
  for (const std::string& line : violations_)
    all += line + "\n";
  return all;
}

std::string FakeVirtioMmio::take_violations() {
  std::string all = violations();
  violations_.clear();
  return all;
}

bool FakeVirtioMmio::may_access(std::uint32_t offset, unsigned width, bool writing) {
  const bool missing = offset == queue_reset_offset && !has(virtio::Feature::ring_reset);
  const Rule* const rule = missing ? nullptr : find_rule(offset, version_);
  const std::string verb = writing ? "write" : "read";
  if (breach(rule == nullptr, text("%s of offset %#llx, which is no register", verb, offset))) return false;
  const std::string name = rule->name;
  if (breach(width != 4, text("%s accessed with width %llu", name, width))) return false;
  if (breach((rule->use & (writing ? w : r)) == 0, name + (writing ? " is read-only" : " is write-only"))) return false;
  return phase_allows(offset, writing, name);
}

bool FakeVirtioMmio::phase_allows(std::uint32_t offset, bool writing, const std::string& name) {
  const bool identified = magic == 0x7472'6976 && version_register == static_cast<std::uint32_t>(version_);
  if (breach(!identified && offset > 0x004, name + " accessed though this is no virtio device")) return false;
  if (breach(device_id == 0 && offset > 0x008, name + " accessed though the slot is empty")) return false;
  if (breach(resetting_.has_value() && offset != status_offset, name + " accessed before the reset was done"))
    return false;
  const bool reads_back = !writing && (offset == 0x040 || offset == 0x044);
  if (breach(must_read_back_ && !reads_back, name + " accessed before the queue stop was read back")) return false;
  if (breach(writing && !was_reset_ && offset != status_offset, name + " written before the first reset")) return false;
  const bool ends_it = offset == status_offset || offset == 0x064;
  if (breach(writing && has_status(128) && !ends_it, name + " written after FAILED")) return false;
  const bool queue_phase = legacy() ? has_status(2) : has_status(8);
  if (must_read_back_ && reads_back) return true; // also from a legacy device that resets when a queue is stopped
  return !breach(is_queue_register(offset) && !queue_phase, name + " accessed before the features were settled");
}

// ---- loads
// -----------------------------------------------------------------------------------------------------------

std::uint64_t FakeVirtioMmio::load(std::uint32_t offset, unsigned width) {
  const std::uint64_t all_ones = width == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * width)) - 1;
  if (script.gone) return all_ones;
  if (offset >= config_start) return load_config(offset - config_start, width);
  if (offset == status_offset && width == 4 && resetting_) return load_status(); // read in a loop: keep it cheap
  if (!may_access(offset, width, false)) return all_ones;
  switch (offset) {
  case 0x000:
    return magic;
  case 0x004:
    return version_register;
  case 0x008:
    return device_id;
  case 0x00c:
    return vendor_id;
  case 0x010:
    return load_features();
  case 0x060:
    return interrupt_seen_ = interrupt_ | script.undefined_interrupt_bits;
  case status_offset:
    return load_status();
  case 0x0fc:
    if (on_generation_read) on_generation_read();
    return generation;
  default:
    return load_queue(offset);
  }
}

std::uint32_t FakeVirtioMmio::load_status() {
  if (resetting_ && *resetting_ != never && (*resetting_)-- == 0) finish_reset();
  return status_seen_ = status_;
}

std::uint32_t FakeVirtioMmio::load_features() {
  if (breach(!has_status(2), "DeviceFeatures read before DRIVER")) return ~0U;
  const std::optional<std::uint32_t> word = std::exchange(device_features_sel_, std::nullopt);
  if (breach(!word, "DeviceFeatures read without DeviceFeaturesSel")) return ~0U;
  if (*word >= (legacy() ? 1U : 2U)) return script.word_beyond_63;
  return static_cast<std::uint32_t>(offered >> (32 * *word));
}

FakeVirtioMmio::Queue* FakeVirtioMmio::selected_queue() {
  if (breach(!queue_sel_, "queue register accessed without QueueSel")) return nullptr;
  return *queue_sel_ < queues.size() ? &queues[*queue_sel_] : nullptr;
}

std::uint32_t FakeVirtioMmio::load_queue(std::uint32_t offset) {
  Queue* const queue = selected_queue();
  if (queue == nullptr) return 0;
  if (offset == queue_reset_offset) return load_queue_reset(*queue);
  const bool busy = script.busy_queue == queue_sel_;
  if (offset == 0x034) {
    const bool in_use = legacy() && queue->pfn != 0;
    return breach(in_use, "QueueSizeMax read while QueuePFN is not 0") ? 0 : queue->size_max;
  }
  must_read_back_ = false;
  if (offset == 0x040) return busy ? 0x80000 : queue->pfn;
  return queue->ready || busy ? 1 : 0;
}

std::uint32_t FakeVirtioMmio::load_queue_reset(Queue& queue) {
  if (!queue.resetting) return 0;
  if (*queue.resetting == never || (*queue.resetting)-- > 0) return 1;
  queue = Queue{.size_max = queue.size_max};
  queue.reset_alone = true;
  if (on_queue_reset) on_queue_reset(*queue_sel_);
  return 0;
}

std::uint64_t FakeVirtioMmio::load_config(std::uint32_t offset, unsigned width) {
  const std::string name = text("%s %llu", "config offset", offset);
  if (breach(device_id == 0 || resetting_.has_value(), name + " read from a device that is not there")) return 0;
  const auto* const field = std::ranges::find(fields, offset, &Field::offset);
  if (breach(field == std::end(fields), name + " is not the start of a field")) return 0;
  if (breach(field->width != width, text("%s read with width %llu", name, width))) return 0;
  const auto offers = [this](int feature) { return feature >= 0 && (offered >> feature & 1) != 0; };
  const bool there = field->feature < 0 || offers(field->feature) || offers(field->other);
  if (breach(!there, name + " read though its feature is not offered")) return 0;
  if (on_config_read) on_config_read(offset);
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; i++)
    value |= std::uint64_t{config[offset + i]} << (8 * i);
  return value;
}

// ---- stores
// ----------------------------------------------------------------------------------------------------------

void FakeVirtioMmio::store(std::uint32_t offset, unsigned width, std::uint64_t wide) {
  const auto value = static_cast<std::uint32_t>(wide);
  if (script.gone) return;
  if (breach(offset >= config_start, text("%s %llu written", "config offset", offset - config_start))) return;
  if (!may_access(offset, width, true)) return;
  switch (offset) {
  case 0x014:
    device_features_sel_ = value;
    return;
  case 0x020:
    return store_features(value);
  case 0x024:
    driver_features_sel_ = value;
    return;
  case 0x028:
    breach(!std::has_single_bit(value), text("%s %llu is not a power of two", "GuestPageSize", value));
    guest_page_size_ = value;
    return;
  case 0x030:
    queue_sel_ = value;
    return;
  case 0x050:
    return store_notify(value);
  case 0x064:
    return store_interrupt_ack(value);
  case status_offset:
    return store_status(value);
  default:
    return store_queue(offset, value);
  }
}

void FakeVirtioMmio::store_status(std::uint32_t value) {
  status_writes.push_back(value);
  if (value == 0) {
    resetting_ = status_ == 0 ? 0 : script.reset_reads; // what reads 0 says that it is done (2.4.2)
    was_reset_ = true;
    driver_status_ = 0;
    return;
  }
  if (breach(resetting_.has_value(), "Status written before the reset was done")) return;
  breach(!was_reset_, "Status written before the first reset");
  breach((driver_status_ & ~value) != 0, text("%s %llu drops a bit", "Status", value));
  breach((status_seen_ & ~value & 64) != 0, text("%s %llu drops NEEDS_RESET, which was seen", "Status", value));
  breach(has_status(128), text("%s %llu written after FAILED", "Status", value));
  const std::uint32_t added = value & ~driver_status_;
  breach((value & 0x30) != 0 || value > 0xff,
         text("%s %llu sets a bit that the driver does not have", "Status", value));
  breach((added & 2) != 0 && !has_status(1), "DRIVER set before ACKNOWLEDGE");
  breach((added & 8) != 0 && (legacy() || !has_status(3)), "FEATURES_OK set out of order");
  breach((added & 4) != 0 && !has_status(legacy() ? 3 : 11), "DRIVER_OK set out of order");
  breach((added & 12) != 0 && (value & 128) != 0, "FEATURES_OK or DRIVER_OK set together with FAILED");
  driver_status_ = value;
  status_ = (status_ & 64) | value;
  if ((added & 8) != 0 && script.refuses_features) status_ = driver_status_ &= ~8U;
  if ((added & 4) == 0) return;
  if (script.needs_reset_at_driver_ok) status_ |= 64;
  if (on_driver_ok) on_driver_ok();
}

void FakeVirtioMmio::finish_reset() {
  resetting_.reset();
  status_ = 0;
  status_seen_ = 0;
  accepted_ = 0;
  guest_page_size_ = 0;
  interrupt_ = 0;
  interrupt_seen_ = 0;
  must_read_back_ = false;
  scramble_selectors();
  for (Queue& queue : queues)
    queue = Queue{.size_max = queue.size_max};
  resets++;
  if (on_reset) on_reset();
}

void FakeVirtioMmio::scramble_selectors() {
  device_features_sel_.reset();
  driver_features_sel_.reset();
  queue_sel_.reset();
}

void FakeVirtioMmio::store_features(std::uint32_t value) {
  const std::optional<std::uint32_t> word = std::exchange(driver_features_sel_, std::nullopt);
  if (breach(!word, "DriverFeatures written without DriverFeaturesSel")) return;
  if (breach(!has_status(2), "DriverFeatures written before DRIVER")) return;
  if (breach(has_status(8) || has_status(4), "DriverFeatures written after negotiation was over")) return;
  feature_words_written.push_back(*word);
  const bool exists = *word < (legacy() ? 1U : 2U);
  if (breach(!exists && value != 0, text("%s %llu accepted from", "feature word", *word)) || !exists) return;
  const std::uint64_t bits = std::uint64_t{value} << (32 * *word);
  breach((bits & ~offered) != 0, text("%s %#llx accepted, which were not offered", "features", bits & ~offered));
  const std::uint64_t mask = std::uint64_t{0xffff'ffff} << (32 * *word);
  accepted_ = (accepted_ & ~mask) | (bits & offered);
}

void FakeVirtioMmio::store_queue(std::uint32_t offset, std::uint32_t value) {
  Queue* const queue = selected_queue();
  if (queue == nullptr) return violation("queue register written for a queue that is not there");
  const bool stops = (offset == 0x040 || offset == 0x044) && value == 0;
  if (offset == queue_reset_offset) return store_queue_reset(*queue, value);
  if (breach(queue->resetting.has_value(), "queue register written before the queue's reset was done")) return;
  if (breach(has_status(4) && !stops && !queue->reset_alone, "queue set up after DRIVER_OK")) return;
  const bool in_use = legacy() ? queue->pfn != 0 : queue->ready;
  if (breach(in_use && !stops, "queue register written while the queue is in use")) return;
  switch (offset) {
  case 0x038:
    return store_queue_size(*queue, value);
  case 0x03c:
    breach(!std::has_single_bit(value), text("%s %llu is not a power of two", "QueueAlign", value));
    queue->align = value;
    return;
  case 0x040:
    return store_queue_pfn(*queue, value);
  case 0x044:
    return store_queue_ready(*queue, value);
  default: // the halves of three addresses, 16 bytes apart
    break;
  }
  const unsigned area = (offset - 0x080) / 0x10;
  const unsigned half = (offset >> 2) & 1;
  const std::uint64_t keep = half == 0 ? 0xffff'ffff'0000'0000 : 0xffff'ffff;
  queue->address[area] = (queue->address[area] & keep) | std::uint64_t{value} << (32 * half);
  queue->halves_written |= 1U << (2 * area + half);
}

void FakeVirtioMmio::store_queue_size(Queue& queue, std::uint32_t value) {
  breach(value > queue.size_max, text("%s %llu is above QueueSizeMax", "QueueSize", value));
  const bool any_size = has(virtio::Feature::ring_packed) && value != 0; // 2.8 against 2.7
  breach(!any_size && !std::has_single_bit(value), text("%s %llu is not a power of two", "QueueSize", value));
  queue.size = value;
}

void FakeVirtioMmio::store_queue_ready(Queue& queue, std::uint32_t value) {
  if (breach(value > 1, text("%s %llu", "QueueReady", value))) return;
  if (value == 0) {
    must_read_back_ = true;
    if (script.keeps_queue != queue_sel_) queue.ready = false;
    return;
  }
  breach(queue.size == 0, "QueueReady set without QueueSize");
  breach(queue.halves_written != 0x3f, "QueueReady set before both halves of all addresses");
  const unsigned alignment[] = {16, has(virtio::Feature::ring_packed) ? 4U : 2U, 4}; // 2.7.1, 2.8.11
  for (unsigned area = 0; area < 3; area++)
    breach(queue.address[area] % alignment[area] != 0, text("%s %#llx is misaligned", "area", queue.address[area]));
  if (script.refuses_queue == queue_sel_) return;
  queue.ready = true;
  queue.reset_alone = false;
  if (on_queue_ready) on_queue_ready(*queue_sel_);
}

void FakeVirtioMmio::store_queue_reset(Queue& queue, std::uint32_t value) {
  if (breach(value != 1, text("%s %llu", "QueueReset", value))) return;
  if (breach(!has_status(4), "QueueReset before DRIVER_OK")) return;
  if (!script.lacks_queue_reset) queue.resetting = script.queue_reset_reads;
}

void FakeVirtioMmio::store_queue_pfn(Queue& queue, std::uint32_t value) {
  if (value == 0) {
    if (script.keeps_queue != queue_sel_) queue.pfn = 0;
    const std::optional<std::uint32_t> selected = queue_sel_;
    if (script.resets_on_pfn_zero) finish_reset();
    queue_sel_ = selected;
    must_read_back_ = true;
    return;
  }
  breach(guest_page_size_ == 0, "QueuePFN written before GuestPageSize");
  breach(queue.size == 0, "QueuePFN written before QueueSize");
  breach(queue.align == 0, "QueuePFN written before QueueAlign");
  if (script.refuses_queue == queue_sel_) return;
  queue.pfn = value;
  if (on_queue_ready) on_queue_ready(*queue_sel_);
}

void FakeVirtioMmio::store_notify(std::uint32_t value) {
  notifications.push_back(value);
  if (breach(!has_status(4), "notification before DRIVER_OK")) return;
  // 4.2.3.3: 16 bits, or with NOTIFICATION_DATA what 2.9 puts above them.
  const std::uint32_t index = has(virtio::Feature::notification_data) ? value & 0xffff : value;
  if (breach(index >= queues.size(), text("%s %#llx names no queue", "notification", value))) return;
  const Queue& queue = queues[index];
  if (breach(queue.resetting.has_value(), "notification for a queue that is being reset")) return;
  if (breach(legacy() ? queue.pfn == 0 : !queue.ready, "notification for a queue that is not set up")) return;
  if (on_notify) on_notify(index);
}

void FakeVirtioMmio::store_interrupt_ack(std::uint32_t value) {
  if (on_interrupt_ack) on_interrupt_ack();
  interrupt_acks.push_back(value);
  breach((value & ~3U) != 0, text("%s %#llx has undefined bits", "InterruptACK", value));
  breach((value & ~interrupt_seen_ & 3) != 0, text("%s %#llx names events that were not seen", "InterruptACK", value));
  interrupt_ &= ~value;
  interrupt_seen_ &= ~value;
}

void FakeVirtioMmio::set_config16(std::uint32_t offset, std::uint16_t value) {
  for (unsigned i = 0; i < 2; i++)
    config[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

void FakeVirtioMmio::set_config32(std::uint32_t offset, std::uint32_t value) {
  for (unsigned i = 0; i < 4; i++)
    config[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

} // namespace test
