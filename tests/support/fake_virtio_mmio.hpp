// SPDX-License-Identifier: BSD-2-Clause
// A virtio-mmio network device at register level, Version 2 or Version 1, that checks what the standard asks of a
// driver (VIRTIO 1.3, 3.1, 4.2.2, 4.2.4) and notes each breach in violations(). By default it is a good device;
// `script` and the hooks make it a bad one. Registers only: what happens in the rings is FakeRingDevice's part.
//
// Invariant: whatever a driver does, the fake never aborts; a breach is a line of text, and the access has no effect.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "drivers/virtio/features.hpp"
#include "tests/support/fake_mmio.hpp"

namespace test {

class FakeVirtioMmio final : public MmioDevice {
 public:
  enum class Version : std::uint32_t { legacy = 1, modern = 2 };
  static constexpr std::uintptr_t default_base = 0x1000'8000;

  struct Queue {
    std::uint32_t size_max{256};
    // What the driver wrote; addresses start with garbage, each half has to be written.
    std::uint32_t size{0};
    std::uint64_t address[3]{garbage, garbage, garbage}; ///< descriptor, driver and device area
    unsigned halves_written{0};                          ///< bit 2 * area + half
    std::uint32_t align{0};                              ///< legacy
    std::uint32_t pfn{0};                                ///< legacy
    bool ready{false};
    bool reset_alone{false};        ///< by QueueReset, and not enabled since
    std::optional<int> resetting{}; ///< QueueReset reads until that reset is done

    static constexpr std::uint64_t garbage = 0xdead'beef'dead'beef;
  };

  static constexpr int never = -1;
  /// How the device misbehaves.
  struct Script {
    int reset_reads{0};                    ///< Status reads that still show the old value after a reset, or never
    bool refuses_features{false};          ///< FEATURES_OK does not stick
    std::optional<unsigned> refuses_queue; ///< QueueReady or QueuePFN of this queue stays 0
    std::optional<unsigned> keeps_queue;   ///< QueueReady or QueuePFN of this queue does not go back to 0
    std::optional<unsigned> busy_queue;    ///< QueueReady or QueuePFN of this queue is not 0 after a reset
    bool needs_reset_at_driver_ok{false};  ///< NEEDS_RESET as soon as the driver is ready, each time
    bool resets_on_pfn_zero{false};        ///< as QEMU's legacy device does
    int queue_reset_reads{0};              ///< QueueReset reads that still show 1 after a queue reset, or never
    bool lacks_queue_reset{false}; ///< offers RING_RESET without the register, as QEMU 7.2: reads 0, does nothing
    bool gone{false};              ///< every register reads all ones
    std::uint32_t undefined_interrupt_bits{0};
    std::uint32_t word_beyond_63{0}; ///< feature words 2, 3, ...; on legacy also word 1
  };

  explicit FakeVirtioMmio(Version version, std::uintptr_t base = default_base);
  ~FakeVirtioMmio() override { fake_bus().detach(*this); }

  // ---- what it is ----
  std::uint32_t magic{0x7472'6976};
  std::uint32_t version_register;
  std::uint32_t device_id{1};
  std::uint32_t vendor_id{0x554d'4551};
  std::uint64_t offered{0};
  std::vector<Queue> queues{2};
  std::vector<std::uint8_t> config;
  std::uint32_t generation{0};
  Script script;

  // ---- hooks: each is called after the register's own effect, unless it says before ----
  std::function<void(unsigned queue)> on_notify;
  std::function<void(unsigned queue)> on_queue_ready;
  std::function<void(unsigned queue)> on_queue_reset; ///< when it is done
  std::function<void()> on_driver_ok;
  std::function<void()> on_reset;                           ///< when the reset is done
  std::function<void(std::uint32_t offset)> on_config_read; ///< before
  std::function<void()> on_generation_read;                 ///< before
  std::function<void()> on_interrupt_ack;                   ///< before

  // ---- what a device does by itself ----
  void raise_used() { interrupt_ |= 1; }
  void raise_config() { interrupt_ |= 2; }
  void set_needs_reset() { status_ |= 64; }
  /// The selectors hold something else than the driver wrote: an access without a selector write is a breach.
  void scramble_selectors();
  void set_config8(std::uint32_t offset, std::uint8_t value) { config[offset] = value; }
  void set_config16(std::uint32_t offset, std::uint16_t value);
  void set_config32(std::uint32_t offset, std::uint32_t value);
  /// As if firmware had left the device with this status.
  void set_status(std::uint8_t value) { status_ = value; }

  // ---- what tests look at ----
  [[nodiscard]] bool line_raised() const { return (interrupt_ | script.undefined_interrupt_bits) != 0; }
  [[nodiscard]] std::uint8_t status() const { return static_cast<std::uint8_t>(status_); }
  [[nodiscard]] virtio::FeatureSet accepted() const { return virtio::FeatureSet{accepted_}; }
  [[nodiscard]] std::uint32_t guest_page_size() const { return guest_page_size_; }
  [[nodiscard]] std::uintptr_t base() const { return base_; }
  /// Status writes in order; a reset is a 0.
  std::vector<std::uint32_t> status_writes;
  std::vector<std::uint32_t> feature_words_written; ///< the selectors of DriverFeatures writes
  std::vector<std::uint32_t> notifications;         ///< values of QueueNotify writes, NOTIFICATION_DATA and all
  std::vector<std::uint32_t> interrupt_acks;
  unsigned resets{0};

  /// All breaches so far, a line each; empty is what a good driver leaves. take_ also forgets them.
  [[nodiscard]] std::string violations() const;
  std::string take_violations();
  void violation(const std::string& text) { violations_.push_back(text); }

  // MmioDevice
  std::uint64_t load(std::uint32_t offset, unsigned width) override;
  void store(std::uint32_t offset, unsigned width, std::uint64_t value) override;

 private:
  [[nodiscard]] bool legacy() const { return version_ == Version::legacy; }
  [[nodiscard]] bool has_status(std::uint32_t bits) const { return (status_ & bits) == bits; }
  [[nodiscard]] bool has(virtio::Feature feature) const { return accepted().has(feature); }
  bool breach(bool wrong, const std::string& text);
  bool may_access(std::uint32_t offset, unsigned width, bool writing);
  bool phase_allows(std::uint32_t offset, bool writing, const std::string& name);
  std::uint64_t load_config(std::uint32_t offset, unsigned width);
  std::uint32_t load_status();
  std::uint32_t load_features();
  std::uint32_t load_queue(std::uint32_t offset);
  std::uint32_t load_queue_reset(Queue& queue);
  void store_status(std::uint32_t value);
  void store_features(std::uint32_t value);
  void store_queue(std::uint32_t offset, std::uint32_t value);
  void store_queue_size(Queue& queue, std::uint32_t value);
  void store_queue_ready(Queue& queue, std::uint32_t value);
  void store_queue_reset(Queue& queue, std::uint32_t value);
  void store_queue_pfn(Queue& queue, std::uint32_t value);
  void store_notify(std::uint32_t value);
  void store_interrupt_ack(std::uint32_t value);
  Queue* selected_queue();
  void finish_reset();

  Version version_;
  std::uintptr_t base_;
  std::uint32_t status_{0};
  std::uint32_t status_seen_{0}; ///< as the driver last read it
  std::uint32_t driver_status_{0};
  std::optional<int> resetting_; ///< Status reads until the reset is done
  bool was_reset_{false};
  bool must_read_back_{false}; ///< QueueReady or QueuePFN was cleared and not read since
  std::uint64_t accepted_{0};
  std::optional<std::uint32_t> device_features_sel_;
  std::optional<std::uint32_t> driver_features_sel_;
  std::optional<std::uint32_t> queue_sel_;
  std::uint32_t guest_page_size_{0};
  std::uint32_t interrupt_{0};
  std::uint32_t interrupt_seen_{0}; ///< InterruptStatus as the driver last read it, less what it acknowledged
  std::vector<std::string> violations_;
};

} // namespace test
