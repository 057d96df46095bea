// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/fake_net_control.hpp"

#include <algorithm>
#include <bit>

namespace test {

using virtio::Feature;
using virtio::FeatureSet;

namespace {
constexpr unsigned mac_table_entries = 64; // as QEMU's
constexpr std::uint16_t key_size = 40;     // rss_max_key_size

void put(Bytes& bytes, std::uint64_t value, unsigned width) {
  for (unsigned i = 0; i < width; i++)
    bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}
} // namespace

std::uint64_t number(const Bytes& bytes, std::size_t at, unsigned width) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width && at + i < bytes.size(); i++)
    value |= std::uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

Bytes FakeNetControl::Command::all_data() const {
  Bytes all;
  for (const Bytes& part : data)
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<FakeNetControl::Name> FakeNetControl::names() const {
  std::vector<Name> all;
  for (const Command& command : log)
    all.push_back(command.name);
  return all;
}

unsigned FakeNetControl::count(Name name) const {
  return static_cast<unsigned>(std::ranges::count(log, name, &Command::name));
}

void FakeNetControl::restart(FeatureSet accepted, bool framing, std::uint16_t pairs_max) {
  accepted_ = accepted;
  framing_ = framing;
  pairs_max_ = pairs_max;
  modes = {true}; // promiscuous, as QEMU's
  mac.reset();
  unicast.clear();
  multicast.clear();
  vlans.clear();
  pairs = 1;
  rss.clear();
  hash.clear();
  constexpr FeatureSet receive_offloads{Feature::net_guest_csum, Feature::net_guest_tso4, Feature::net_guest_tso6,
                                        Feature::net_guest_ecn,  Feature::net_guest_ufo,  Feature::net_guest_uso4,
                                        Feature::net_guest_uso6};
  offloads = (accepted & receive_offloads).bits();
  coalescing.clear();
  types_told_ = 0;
}

Bytes FakeNetControl::read(const FakeRingDevice::Piece& piece) {
  const auto* const from = reinterpret_cast<const std::uint8_t*>(memory_.at(piece.bus, piece.length));
  return from == nullptr ? Bytes{} : Bytes(from, from + piece.length);
}

void FakeNetControl::write(const Pieces& writable, std::size_t offset, const Bytes& bytes) {
  std::size_t start = 0;
  for (const auto& piece : writable) {
    for (std::size_t i = 0; i < piece.length; i++)
      if (start + i >= offset && start + i - offset < bytes.size())
        memory_.store(piece.bus + i, 1, bytes[start + i - offset]);
    start += piece.length;
  }
}

bool FakeNetControl::wants(bool right, const char* text) {
  if (!right) violation(text);
  return right;
}

bool FakeNetControl::needs(Feature feature, const char* command) {
  if (accepted_.has(feature)) return true;
  violation(std::string{command} + " without its feature");
  return false;
}

std::uint32_t FakeNetControl::handle(const Pieces& pieces) {
  Pieces readable;
  Pieces writable;
  for (const auto& piece : pieces)
    (piece.writable ? writable : readable).push_back(piece);
  Command command;
  Bytes all;
  for (std::size_t i = 0; i < readable.size(); i++) {
    const Bytes part = read(readable[i]);
    all.insert(all.end(), part.begin(), part.end());
    if (i != 0) command.data.push_back(part);
  }
  std::size_t room = 0;
  for (const auto& piece : writable) {
    command.writable.push_back(piece.length);
    room += piece.length;
  }
  if (!wants(all.size() >= 2 && room >= 1, "a command without header or ack")) return 0;
  command.name = {all[0], all[1]};
  check_framing(command, readable, writable);
  log.push_back(command);

  Bytes before_ack;
  Bytes after_ack;
  const std::size_t ack_at = command.name == Name{6, 3} ? 8 : 0;
  std::uint8_t ack = 1;
  const bool honest = !script.ack && !script.writes_no_ack && !(script.refuses && script.refuses(command));
  if (honest && serve(command, Bytes(all.begin() + 2, all.end()), before_ack, after_ack)) ack = 0;
  if (script.ack) ack = *script.ack;
  if (ack != 0 && script.fills_answers_on_error) {
    before_ack.assign(ack_at, 0xbd);
    after_ack.assign(room - ack_at - 1, 0xbd);
  }
  write(writable, 0, before_ack);
  if (!script.writes_no_ack) write(writable, ack_at, {ack});
  after_ack.resize(std::min(after_ack.size(), room - ack_at - 1));
  write(writable, ack_at + 1, after_ack);
  return static_cast<std::uint32_t>(before_ack.size() + 1 + after_ack.size());
}

// 5.1.6.6
void FakeNetControl::check_framing(const Command& command, const Pieces& readable, const Pieces& writable) {
  if (!framing_) return;
  if (readable[0].length != 2) violation("class and command not in one descriptor of 2 bytes");
  if (command.name == Name{1, 0}) {
    const bool two = command.data.size() == 2 && command.data[0].size() == 4 + 6 * number(command.data[0], 0, 4) &&
                     command.data[1].size() == 4 + 6 * number(command.data[1], 0, 4);
    if (!two) violation("MAC_TABLE_SET not in two descriptors, a table each");
  } else if (command.data.size() > 1) {
    violation("data in several descriptors");
  }
  if (writable.size() != 1 || writable[0].length != 1) violation("the ack is not in one descriptor of 1 byte");
}

bool FakeNetControl::serve(const Command& command, const Bytes& data, Bytes& before_ack, Bytes& after_ack) {
  const auto [command_class, name] = command.name;
  switch (command_class) {
  case 0:
    return serve_rx(name, data);
  case 1:
    return needs(Feature::net_ctrl_rx, "MAC command") && serve_mac(command, data);
  case 2:
    return needs(Feature::net_ctrl_vlan, "VLAN command") && serve_vlan(name, data);
  case 3:
    if (!needs(Feature::net_guest_announce, "ANNOUNCE_ACK")) return false;
    if (!wants(name == 0 && data.empty(), "ANNOUNCE_ACK with data")) return false;
    if (on_announce_ack) on_announce_ack();
    return true;
  case 4:
    return serve_mq(name, data);
  case 5:
    return needs(Feature::net_ctrl_guest_offloads, "GUEST_OFFLOADS_SET") && wants(name == 0, "offloads command") &&
           serve_offloads(data);
  case 6:
    return serve_coalescing(name, data, before_ack);
  case 8:
    return needs(Feature::net_device_stats, "STATS") && serve_stats(name, data, after_ack);
  default:
    violation("a command of class " + std::to_string(command_class));
    return false;
  }
}

bool FakeNetControl::serve_rx(unsigned command, const Bytes& data) {
  if (!wants(command <= 5, "RX command")) return false;
  if (!needs(command <= 1 ? Feature::net_ctrl_rx : Feature::net_ctrl_rx_extra, "RX command")) return false;
  if (!wants(data.size() == 1 && data[0] <= 1, "RX data is not one byte, 0 or 1")) return false;
  modes.at(command) = data[0] != 0;
  return true;
}

bool FakeNetControl::serve_mac(const Command& command, const Bytes& data) {
  if (command.name.second == 1) {
    if (!needs(Feature::net_ctrl_mac_addr, "MAC_ADDR_SET")) return false;
    if (!wants(data.size() == 6 && (data[0] & 1) == 0, "MAC_ADDR_SET data")) return false;
    mac.emplace();
    std::ranges::copy(data, mac->begin());
    return true;
  }
  if (!wants(command.name.second == 0, "MAC command")) return false;
  std::size_t at = 0;
  const auto take = [&](std::vector<Mac>& table, bool group) {
    const std::uint64_t count = number(data, at, 4);
    if (!wants(at + 4 <= data.size() && count <= mac_table_entries && at + 4 + 6 * count <= data.size(),
               "MAC_TABLE_SET cut off"))
      return false;
    at += 4;
    table.clear();
    for (std::uint64_t i = 0; i < count; i++, at += 6) {
      Mac one;
      std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(at), 6, one.begin());
      if (!wants(((one[0] & 1) != 0) == group, "MAC_TABLE_SET: address in the wrong table")) return false;
      table.push_back(one);
    }
    return true;
  };
  return take(unicast, false) && take(multicast, true) && wants(at == data.size(), "MAC_TABLE_SET: bytes left over");
}

bool FakeNetControl::serve_vlan(unsigned command, const Bytes& data) {
  if (!wants(command <= 1 && data.size() == 2, "VLAN data")) return false;
  const auto id = static_cast<std::uint16_t>(number(data, 0, 2));
  if (!wants(id < 4095, "VLAN id")) return false;
  if (command == 0)
    vlans.insert(id);
  else
    return vlans.erase(id) == 1;
  return true;
}

bool FakeNetControl::serve_mq(unsigned command, const Bytes& data) {
  if (command == 0) {
    if (!needs(Feature::net_mq, "VQ_PAIRS_SET") || !wants(data.size() == 2, "VQ_PAIRS_SET data")) return false;
    const std::uint64_t wanted = number(data, 0, 2);
    if (!wants(wanted >= 1 && wanted <= pairs_max_, "VQ_PAIRS_SET out of range")) return false;
    pairs = static_cast<std::uint16_t>(wanted);
    return true;
  }
  if (command == 1) {
    if (!needs(Feature::net_rss, "RSS_CONFIG")) return false;
    const std::uint64_t entries = number(data, 4, 2) + 1;
    if (!wants(std::has_single_bit(entries) && entries <= 128, "RSS table length")) return false;
    for (std::size_t i = 0; i <= entries; i++) // the unclassified queue, then the table
      if (!wants(number(data, 6 + 2 * i, 2) < pairs_max_, "RSS names a queue that is not enabled")) return false;
    const std::uint64_t tx = number(data, 8 + 2 * entries, 2);
    if (!wants(tx >= 1 && tx <= pairs_max_, "RSS max_tx_vq")) return false;
    if (!check_hash(data, 10 + 2 * entries)) return false;
    rss = data;
    return true;
  }
  if (!wants(command == 2, "MQ command") || !needs(Feature::net_hash_report, "HASH_CONFIG")) return false;
  if (!wants(number(data, 4, 8) == 0, "HASH_CONFIG reserved is not 0") || !check_hash(data, 12)) return false;
  hash = data;
  return true;
}

bool FakeNetControl::check_hash(const Bytes& data, std::size_t key_at) {
  if (!wants((number(data, 0, 4) & ~std::uint64_t{hash_types}) == 0, "hash type that the device does not have"))
    return false;
  return wants(key_at < data.size() && data[key_at] <= key_size && data.size() == key_at + 1 + data[key_at],
               "hash key length");
}

bool FakeNetControl::serve_offloads(const Bytes& data) {
  if (!wants(data.size() == 8, "GUEST_OFFLOADS_SET data")) return false;
  const std::uint64_t wanted = number(data, 0, 8);
  if (!wants((wanted & ~accepted_.bits()) == 0, "an offload that was not negotiated")) return false;
  offloads = wanted;
  return true;
}

bool FakeNetControl::serve_coalescing(unsigned command, const Bytes& data, Bytes& before_ack) {
  const auto fields = [&](std::size_t at) {
    return Coalescing{static_cast<std::uint32_t>(number(data, at, 4)),
                      static_cast<std::uint32_t>(number(data, at + 4, 4))};
  };
  if (command <= 1) {
    if (!needs(Feature::net_notf_coal, "COAL_TX_SET or RX_SET") || !wants(data.size() == 8, "COAL data")) return false;
    coalescing[command == 0 ? 1 : 0] = fields(0);
    return true;
  }
  if (!wants(command <= 3, "COAL command") || !needs(Feature::net_vq_notf_coal, "COAL_VQ command")) return false;
  if (!wants(data.size() == (command == 2 ? 12 : 4), "COAL_VQ data")) return false;
  const auto queue = static_cast<unsigned>(number(data, 0, 2));
  if (!wants(queue < 2 && number(data, 2, 2) == 0, "COAL_VQ names no enabled queue")) return false;
  if (command == 2) {
    coalescing[queue] = fields(4);
    return true;
  }
  put(before_ack, coalescing[queue].packets + script.coalescing_answer_offset, 4);
  put(before_ack, coalescing[queue].usecs + script.coalescing_answer_offset, 4);
  return true;
}

Bytes FakeNetControl::stats_entry(unsigned type, std::uint16_t queue) const {
  struct Count {
    unsigned type;
    unsigned counters;
  };
  constexpr Count counts[] = {{0, 6}, {1, 4}, {2, 4}, {3, 2}, {16, 6}, {17, 2}, {18, 6}, {19, 2}, {32, 2}};
  const auto* const known = std::ranges::find(counts, type, &Count::type);
  const unsigned counters = known == std::end(counts) ? 0 : known->counters;
  Bytes entry{static_cast<std::uint8_t>(type), 0};
  put(entry, queue, 2);
  put(entry, 0, 2);
  put(entry, 8 + 8 * counters + script.stats_extra_bytes, 2);
  for (unsigned i = 0; i < counters; i++)
    put(entry, 1000ULL * queue + 10 * type + i, 8);
  entry.resize(entry.size() + script.stats_extra_bytes, 0xee);
  return entry;
}

bool FakeNetControl::serve_stats(unsigned command, const Bytes& data, Bytes& after_ack) {
  if (command == 0) {
    put(after_ack, types_told_ = stats_types, 8);
    return wants(data.empty(), "STATS_QUERY with data");
  }
  if (!wants(command == 1 && data.size() == 16 && number(data, 2, 6) == 0, "STATS_GET data")) return false;
  const auto queue = static_cast<std::uint16_t>(number(data, 0, 2));
  const std::uint64_t types = number(data, 8, 8);
  if (!wants((types & ~types_told_) == 0, "statistics that STATS_QUERY did not tell")) return false;
  const std::uint64_t valid = queue == 0 ? 0xffff : queue == 1 ? 0xffff'0000 : std::uint64_t{1} << 32;
  if (!wants(types != 0 && (types & ~valid) == 0, "statistics that do not fit the queue")) return false;
  constexpr FeatureSet guest_gso{Feature::net_guest_tso4, Feature::net_guest_tso6};
  constexpr FeatureSet host_gso{Feature::net_host_tso4, Feature::net_host_tso6, Feature::net_host_uso};
  const auto asks = [&](unsigned type) { return (types >> type & 1) != 0; };
  const bool allowed = (!asks(1) || accepted_.has(Feature::net_guest_csum)) &&
                       (!asks(17) || accepted_.has(Feature::net_csum)) &&
                       (!asks(2) || !((accepted_ & guest_gso) == FeatureSet{})) &&
                       (!asks(18) || !((accepted_ & host_gso) == FeatureSet{}));
  if (!wants(allowed, "statistics whose feature was not negotiated")) return false;
  for (unsigned type = 0; type <= 32; type++) {
    if (!asks(type)) continue;
    const Bytes entry = stats_entry(type, queue);
    after_ack.insert(after_ack.end(), entry.begin(), entry.end());
  }
  if (script.on_result) script.on_result(after_ack);
  return true;
}

} // namespace test
