// SPDX-License-Identifier: BSD-2-Clause
// A network interface as stacks and the shell see it. Frames move in batches and ownership is explicit:
//
//   receive() hands frames out -> the consumer reads them -> release() takes them back, in any order.
//   send() takes requests -> the device reads their segments -> reclaim() gives the cookies back.
//
// Owner: one hart's main loop. No call waits, but for a reset (reset(), or a recovery inside service()), which waits
// for the device up to a second, and for the commands of NetControl. None is for interrupt context. Between send() and
// reclaim() the caller leaves the segments' memory alone, between release() and the next receive() the frame's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "bsp/clock.hpp"
#include "bsp/dma.hpp"
#include "bsp/result.hpp"
#include "drivers/net/ethernet.hpp"
#include "drivers/net/net_stats.hpp"

namespace virtio {
class Diagnostics;
}

namespace net {

/// Bytes that lie together, with the address the device uses for them.
struct Segment {
  std::byte* data{nullptr};
  bsp::BusAddress bus{};
  std::uint32_t length{0};
};

/// What is known about the checksums of a received frame (VIRTIO 1.3, 5.1.6.4). Judging them is the consumer's
/// business.
enum class Checksum : std::uint8_t {
  none,    ///< nothing known: check in software
  valid,   ///< the device checked one level of checksum
  partial, ///< data vouched for, but the field holds only the pseudo-header sum: complete from csum_start/csum_offset
};

/// How a received super-frame was coalesced, or one to be sent shall be segmented (VIRTIO 1.3, 5.1.6).
enum class Gso : std::uint8_t {
  none,
  tcp4,
  tcp6,
  udp_fragments, ///< UFO: IPv4 fragments of one datagram
  udp_segments,  ///< USO: datagrams of their own
};

/// A received frame, Ethernet header first, without virtio header and FCS.
struct RxFrame {
  Segment first;           ///< the frame's first bytes; all of them unless it came in several buffers
  std::uint64_t handle{0}; ///< the driver's; not for the consumer
  std::uint16_t more_count{0};
  std::uint16_t coalesced_segments{0}; ///< with RSC_EXT: how many segments the device merged; 0 if it does not say
  std::uint8_t headroom{0};            ///< of a TxRequest that sends the frame on from where it lies
  std::uint8_t hash_report{0}; ///< with HASH_REPORT: what `hash` was computed over (5.1.6.4.5); 0: there is none
  Checksum checksum{Checksum::none};
  Gso gso{Gso::none};
  // What follows means something only if one of these says so.
  std::uint16_t csum_start{0};           ///< with partial: where summing starts, in bytes from the frame's start
  std::uint16_t csum_offset{0};          ///< with partial: where the sum goes, from csum_start
  std::uint16_t gso_size{0};             ///< with gso: payload bytes of one segment; 0 if the device did not say
  bool ecn{false};                       ///< with gso tcp4 or tcp6: congestion was signalled in it
  std::uint16_t duplicate_acks{0};       ///< with coalesced_segments: duplicate ACKs that the device merged
  std::uint32_t hash{0};                 ///< with hash_report
  const Segment* more_segments{nullptr}; ///< with more_count

  /// The rest of a frame that came in several buffers.
  [[nodiscard]] std::span<const Segment> more() const {
    return {more_count == 0 ? nullptr : more_segments, more_count};
  }
  void set_more(std::span<const Segment> segments) {
    more_segments = segments.data();
    more_count = static_cast<std::uint16_t>(segments.size());
  }
  /// Bytes of the whole frame: above mtu + 18 only with a gso other than none, or for a jumbo frame.
  [[nodiscard]] std::uint32_t length() const {
    std::uint32_t bytes = first.length;
    for (const Segment& segment : more())
      bytes += segment.length;
    return bytes;
  }
  [[nodiscard]] std::span<const std::byte> head() const { return {first.data, first.length}; }
};

/// What the device shall do to a frame on the way out (VIRTIO 1.3, 5.1.6.2). Only what check_request() grants.
///
/// With `checksum` the device sums from csum_start to the frame's end and stores the result at csum_start +
/// csum_offset; the caller has put the pseudo-header's sum there, and filled in every checksum before it (the IPv4
/// header's). `gso` asks for segments of gso_size payload bytes each, and needs `checksum` and all headers in the first
/// segment. prepare_offload() (offload.hpp) fills this in from a frame.
struct Offload {
  bool checksum{false};
  Gso gso{Gso::none};
  std::uint16_t csum_start{0};
  std::uint16_t csum_offset{0};
  std::uint16_t gso_size{0};
  std::uint16_t header_length{0}; ///< with gso: of all headers, the transport's included

  [[nodiscard]] bool any() const { return checksum || gso != Gso::none; }
};

/// The caller's word for one of its requests; the driver only carries it. UINT64_MAX is the driver's own.
enum class Cookie : std::uint64_t {};

/// Segments a request may have.
inline constexpr std::size_t max_tx_segments = 16;

struct TxRequest {
  std::span<const Segment> segments; ///< 1 to max_tx_segments, none of length 0; copied by send(), may go after it
  Cookie cookie{};
  std::uint16_t headroom{0}; ///< writable bytes before the first segment that belong to this request alone; 0 is fine
  Offload offload{};
};

struct TxCompletion {
  Cookie cookie;
  bool sent; ///< false: the device was reset with the frame in flight, nobody knows whether it went out
};

enum class LinkState : std::uint8_t { down, up, assumed_up /**< the device has no STATUS */ };

inline constexpr std::uint32_t speed_unknown = UINT32_MAX;
enum class Duplex : std::uint8_t { half = 0, full = 1, unknown = 0xff };

struct Link {
  LinkState state{LinkState::assumed_up};
  std::uint32_t speed_mbps{speed_unknown};
  Duplex duplex{Duplex::unknown};
};

/// Events that service() reports to the composition root's listener, in main-loop context.
class NetDevice;
enum class NetEvent : std::uint8_t {
  link_changed,
  mtu_changed,
  announced,  ///< the device asked for it, and peers were told where this address is; a stack may add its own ARP
  tx_timeout, ///< frames in flight made no progress; they come back as not sent
  recovered,
  failed,
};
struct NetListener {
  void (*function)(void* context, NetDevice& device, NetEvent event){nullptr};
  void* context{nullptr};
};

class NetControl;

class NetDevice {
 public:
  /// Fills `out` with frames that have arrived and returns their count; 0 says that nothing is waiting.
  [[nodiscard]] virtual std::size_t receive(std::span<RxFrame> out) = 0;
  /// Takes frames back, in any order, each exactly once; their buffers go to the device again.
  virtual void release(std::span<const RxFrame> frames) = 0;
  /// Queues requests in order; returns how many were taken: fewer than offered means that the ring is full (try again
  /// after reclaim), or that the next one is invalid (check_request() says why).
  [[nodiscard]] virtual std::size_t send(std::span<const TxRequest> requests) = 0;
  /// Gives back finished requests; returns the count.
  [[nodiscard]] virtual std::size_t reclaim(std::span<TxCompletion> out) = 0;
  /// Why send() would refuse the request for good: frame_too_short, frame_too_long, offload_not_supported, chain_empty,
  /// chain_too_long, invalid_argument (an offload that points outside the frame).
  [[nodiscard]] virtual bsp::Result<void> check_request(const TxRequest& request) const = 0;

  /// Deals with what the interrupt handler has flagged: configuration changes, recovery. Bounded; call it in every
  /// loop.
  virtual void service() = 0;
  /// Whether service() or receive() has something to do; for the check before idling, interrupts off.
  [[nodiscard]] virtual bool work_pending() const = 0;
  /// When service() has to be called although nothing interrupts: a recovery that waits its turn, a deferred look.
  [[nodiscard]] virtual bsp::Deadline next_wake() const { return bsp::Deadline::never(); }
  /// Last step before going idle, interrupts off: asks for interrupts for the receive queue (and the transmit queue if
  /// `for_completions`), looks again, re-kicks lost notifications. True: something is pending after all, do not sleep.
  [[nodiscard]] virtual bool prepare_idle(bool for_completions) = 0;
  /// Full reset and re-initialisation. Requests in flight come back from reclaim() as not sent; the statistics stay.
  [[nodiscard]] virtual bsp::Result<void> reset() = 0;
  /// Stops the device for good, before reboot or power-off: after it the device touches no memory.
  virtual void shut_down() = 0;

  [[nodiscard]] virtual std::string_view name() const = 0; ///< "net0"
  [[nodiscard]] virtual MacAddress mac() const = 0;
  [[nodiscard]] virtual Link link() const = 0;
  /// The limit in use: at most device_mtu().
  [[nodiscard]] virtual std::uint16_t mtu() const = 0;
  [[nodiscard]] virtual std::uint16_t device_mtu() const = 0;
  /// Lowers (or raises again) the limit in use: 68 to device_mtu(), else Error::invalid_argument.
  [[nodiscard]] virtual bsp::Result<void> set_mtu(std::uint16_t mtu) = 0;
  [[nodiscard]] virtual NetStats stats() const = 0;
  virtual void clear_stats() = 0;
  [[nodiscard]] virtual std::size_t tx_in_flight() const = 0;
  /// False after recovery was given up, until reset() succeeds.
  [[nodiscard]] virtual bool usable() const = 0;
  virtual void set_listener(NetListener listener) = 0;
  /// Receive filters, offloads, coalescing; null for a device that has none of it.
  [[nodiscard]] virtual NetControl* control() { return nullptr; }
  /// What `net info`, `net regs` and `net queue` show; null for a device that is not virtio.
  [[nodiscard]] virtual const virtio::Diagnostics* diagnostics() const { return nullptr; }

 protected:
  ~NetDevice() = default; // never deleted through the interface
};

/// Receives up to `budget` frames in batches, calls `handler(const RxFrame&)` for each and releases them. Returns the
/// count.
template <class Handler> std::size_t poll(NetDevice& device, std::size_t budget, Handler&& handler) {
  constexpr std::size_t batch = 32;
  RxFrame frames[batch];
  std::size_t done = 0;
  while (done < budget) {
    const std::size_t want = budget - done < batch ? budget - done : batch;
    const std::size_t count = device.receive({frames, want});
    if (count == 0) break;
    for (std::size_t i = 0; i < count; i++)
      handler(static_cast<const RxFrame&>(frames[i]));
    device.release({frames, count});
    done += count;
  }
  return done;
}

} // namespace net
