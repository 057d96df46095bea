// SPDX-License-Identifier: BSD-2-Clause
// What a virtio transport offers its drivers: status, features, queues, interrupt causes, configuration space.
// A transport knows registers; it knows no device type and no ring format. Owner: the driver that was given it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bsp/barrier.hpp"
#include "bsp/dma.hpp"
#include "bsp/mmio.hpp"
#include "bsp/result.hpp"
#include "drivers/virtio/diagnostics.hpp"
#include "drivers/virtio/features.hpp"

namespace virtio {

/// Where and how wide to store to notify the device of one queue: a kick is one store on every transport.
struct Doorbell {
  std::uintptr_t address{0};
  std::uint8_t width{4}; ///< bytes: 2 or 4

  void ring(std::uint32_t value) const {
    bsp::barrier::before_doorbell(); // 4.2.3.3: what the notification announces is visible before it
    if (width == 2)
      bsp::mmio_store<std::uint16_t>(address, static_cast<std::uint16_t>(value));
    else
      bsp::mmio_store<std::uint32_t>(address, value);
  }
};

/// Why the device interrupted (4.2.3.4.1). Both may be set, or neither: a shared or spurious interrupt.
struct InterruptCauses {
  bool used_buffer{false};
  bool config_change{false};
  [[nodiscard]] bool any() const { return used_buffer || config_change; }
};

/// The memory of one virtqueue, as the device addresses it.
struct QueueMemory {
  std::uint16_t size; ///< entries
  bsp::BusAddress descriptor_area;
  bsp::BusAddress driver_area; ///< available ring
  bsp::BusAddress device_area; ///< used ring
};

class Transport {
 public:
  /// True: the legacy rules apply throughout (2.2.3).
  [[nodiscard]] virtual bool legacy() const = 0;
  /// The features that this transport can carry at all; one allow-list per transport (2.2.1).
  [[nodiscard]] virtual FeatureSet allowed_features() const = 0;

  [[nodiscard]] virtual std::uint8_t status() const = 0;
  /// A non-zero value; reset() is the only way to 0.
  virtual void set_status(std::uint8_t value) = 0;
  /// Writes 0 and waits until status reads 0 (2.4.2). Error::reset_timed_out after reset_timeout_ms.
  [[nodiscard]] virtual bsp::Result<void> reset() = 0;

  [[nodiscard]] virtual FeatureSet offered_features() const = 0;
  virtual void accept_features(FeatureSet features) = 0;

  /// The largest size of queue `index`; checks that the queue is not in use. Error::queue_not_available,
  /// queue_already_in_use.
  [[nodiscard]] virtual bsp::Result<std::uint16_t> max_queue_size(std::uint16_t index) = 0;
  /// Alignment that the device area needs: 4 bytes, or a page with the legacy layout (2.7, 2.7.2).
  [[nodiscard]] virtual std::uint32_t device_area_alignment() const = 0;
  /// Gives the queue to the device and binds it to the device's interrupt. Error::address_not_reachable,
  /// queue_rejected.
  [[nodiscard]] virtual bsp::Result<Doorbell> enable_queue(std::uint16_t index, const QueueMemory& memory) = 0;
  /// Takes the queue back. Only on the way to a reset: some legacy devices reset wholly on it. Error::queue_rejected if
  /// the device keeps it.
  [[nodiscard]] virtual bsp::Result<void> disable_queue(std::uint16_t index) = 0;

  /// Resets one queue and waits until the device says that it did (2.6.1.1.2); only with RING_RESET accepted. It is set
  /// up again as at first. Error::queue_reset_failed: only a device reset makes the queue's memory ours.
  [[nodiscard]] virtual bsp::Result<void> reset_queue(std::uint16_t index) = 0;

  /// For interrupt context: reads the causes and acknowledges exactly those that it returns.
  [[nodiscard]] virtual InterruptCauses acknowledge() = 0;

  /// Device configuration by field width (4.2.2.2): 8-bit fields by 8-bit reads, and so on. Offsets in bytes.
  [[nodiscard]] virtual std::uint8_t config8(std::uint32_t offset) const = 0;
  [[nodiscard]] virtual std::uint16_t config16(std::uint32_t offset) const = 0;
  [[nodiscard]] virtual std::uint32_t config32(std::uint32_t offset) const = 0;
  /// ConfigGeneration; nullopt where the transport has none (legacy).
  [[nodiscard]] virtual std::optional<std::uint32_t> config_generation() const = 0;

  // For people.
  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::uint32_t version() const = 0;
  [[nodiscard]] virtual std::string_view version_reason() const = 0;
  [[nodiscard]] virtual std::uint32_t vendor_id() const = 0;
  [[nodiscard]] virtual std::uint32_t interrupt() const = 0;
  [[nodiscard]] virtual bool register_value(std::size_t index, RegisterValue& out) const = 0;

 protected:
  ~Transport() = default; // never deleted through the interface
};

inline constexpr std::uint64_t reset_timeout_ms = 1000;
/// How often an unsettled configuration is read again before giving up.
inline constexpr int config_read_attempts = 16;

/// Reads a snapshot of several configuration fields that belong together. `read()` returns it as a value with ==.
///
/// With a generation counter: until the counter is the same before and after (2.5.1). Without one: until two reads in a
/// row agree (2.5.4). Error::config_unstable after config_read_attempts.
template <class Read> auto read_stable_config(const Transport& transport, Read read) -> bsp::Result<decltype(read())> {
  std::optional<std::uint32_t> before = transport.config_generation();
  auto snapshot = read();
  for (int attempt = 0; attempt < config_read_attempts; attempt++) {
    if (before.has_value()) {
      const std::optional<std::uint32_t> after = transport.config_generation();
      if (after == before) return snapshot;
      before = after;
      snapshot = read();
    } else {
      auto again = read();
      if (again == snapshot) return snapshot;
      snapshot = again;
    }
  }
  return bsp::fail(bsp::Error::config_unstable);
}

} // namespace virtio
