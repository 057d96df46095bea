// SPDX-License-Identifier: BSD-2-Clause
// The input is typed: byte by byte at the whole shell, all its commands, on fake interfaces. The bytes 0xf8 to 0xff,
// which no terminal sends, are what happens meanwhile: frames arrive, links change, sends finish, the log says
// something.
//
// Whatever comes, nothing but printable text, line ends and the editor's escape sequences goes out, every command ends
// (at the latest by Ctrl-C), no frame is kept, and at the end there is a prompt.
#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bsp/log.hpp"
#include "shell/net_service.hpp"
#include "shell/shell.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_cpu.hpp"
#include "tests/support/fake_net_device.hpp"

namespace {

using fuzz::require;

/// Types the input. A command that goes on when all of it is typed gets Ctrl-C.
class Typist final : public uart::CharDevice {
 public:
  void (*on_event)(void* context, std::uint8_t event, fuzz::Input& input){nullptr};
  void* context{nullptr};

  explicit Typist(fuzz::Input& input) : input_{input} {}

  std::size_t read(std::span<char> out) override {
    std::size_t count = 0;
    while (count < out.size() && has_input()) {
      if (impatience_ >= patience) {
        impatience_ = 0;
        out[count++] = '\x03';
        break;
      }
      const std::uint8_t byte = input_.byte();
      if (byte >= first_event)
        on_event(context, byte, input_);
      else
        out[count++] = static_cast<char>(byte);
    }
    if (count == 0) impatience_++;
    return count;
  }
  bool has_input() override { return !input_.empty() || impatience_ >= patience; }
  void interrupt() { impatience_ = patience; }

  void write(std::string_view text) override {
    for (const char character : text) {
      const bool plain = character >= 0x20 && character < 0x7f;
      require(plain || character == '\r' || character == '\n' || character == '\b' || character == '\a' ||
                  character == '\x1b',
              "only text, line ends and the editor's sequences go out");
    }
    written_ += text.size();
    tail_.append(text);
    if (tail_.size() > 64) tail_.erase(0, tail_.size() - 32);
  }
  void handle_interrupt() override {}
  void enable_receive_interrupt() override {}
  std::string_view name() const override { return "fuzz"; }
  std::uint64_t receive_overruns() const override { return 0; }
  [[nodiscard]] std::string_view tail() const { return tail_; }
  [[nodiscard]] std::size_t written() const { return written_; }

 private:
  static constexpr std::uint8_t first_event = 0xf8;
  static constexpr unsigned patience = 40;

  fuzz::Input& input_;
  unsigned impatience_{0}; ///< looks that found nothing since the last character
  std::string tail_;
  std::size_t written_{0};
};

class TwoSources final : public irqchip::Irqchip {
 public:
  bsp::Result<void> attach(std::uint32_t, irqchip::Handler, std::string_view) override { return {}; }
  void detach(std::uint32_t, void*) override {}
  void handle_external_interrupt() override {}
  std::uint64_t spurious_count() const override { return 3; }
  std::uint64_t unhandled_count() const override { return 4; }
  bool source_info(std::size_t index, irqchip::SourceInfo& out) const override {
    if (index == 0) out = {.source = 10, .name = "ns16550a", .count = 42};
    if (index == 1) out = {.source = 8, .name = "net0", .count = 5'000'000'000};
    return index < 2;
  }
  std::string_view name() const override { return "fake"; }
};

/// The tree that `fdt` commands look at.
const std::vector<char>& tree_blob() {
  static const std::vector<char> blob = [] {
    std::ifstream file{FIXTURE_DIR "/shell.dtb", std::ios::binary};
    return std::vector<char>(std::istreambuf_iterator<char>{file}, {});
  }();
  return blob;
}

constexpr shell::VirtioSlot slots[] = {
    {0x1000'8000, 2, 1, "net0", ""}, {0x1000'7000, 1, 1, "net1", ""}, {0x1000'6000, 2, 0, "", "empty slot"}};
constexpr bsp::MemoryRange memory[] = {{0x8000'0000, 0x800'0000}};
constexpr std::uintptr_t mapped_address = 0x8000'0000; ///< where md and mw reach a few bytes

class Machine {
 public:
  explicit Machine(fuzz::Input& input) : console_{input} {
    test::fake_cpu().reset();
    test::fake_clock().reset();
    test::fake_clock().ticks = bsp::clock::us_to_ticks(12'000'000);
    test::fake_clock().step = 100;
    test::fake_cpu().map(mapped_address, 24, 0x41);
    test::fake_cpu().on_idle = [this](bsp::Deadline until) { idle(until); };
    console_.on_event = [](void* machine, std::uint8_t event, fuzz::Input& rest) {
      static_cast<Machine*>(machine)->happen(event, rest);
    };
    console_.context = this;
    bsp::log::set_level(bsp::log::Level::info);
    bsp::log::set_sink(shell::Shell::log_sink, shell_.get());
    const fdt::Result<fdt::Tree> tree = fdt::Tree::create(tree_blob().data(), tree_blob().size());
    require(tree.has_value(), "build/host/fixtures/shell.dtb is a tree");
    tree_.emplace(*tree);
    system_.tree = &*tree_;
    net0_.diagnostics_values.queues.resize(3);
    net0_.diagnostics_values.queues[1].packed = true;
    net0_.diagnostics_values.registers = {{"MagicValue", 0, 0x7472'6976}, {"Status", 0x70, 15}};
  }
  ~Machine() {
    bsp::log::set_sink(nullptr, nullptr);
    test::fake_cpu().reset();
  }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  void run() {
    shell_->open();
    while (shell_->step()) {
    }
    // Twice: the first may end an escape sequence that was typed in part.
    for (int i = 0; i < 2; i++) {
      console_.interrupt();
      while (shell_->step()) {
      }
    }
    require(console_.tail().ends_with(shell::prompt), "there is a prompt at the end");
    for (const test::FakeNetDevice* device : {&net0_, &net1_}) {
      require(device->faults.empty(), "the shell keeps the contract of net::NetDevice");
      require(device->frames_out() == 0, "every frame was released");
    }
  }

 private:
  void idle(bsp::Deadline until) {
    net0_.complete(1000);
    net1_.complete(1000);
    // Nothing else happens: sleep to the deadline, or until someone loses patience.
    if (until.ticks() == UINT64_MAX)
      console_.interrupt();
    else if (until.ticks() > test::fake_clock().ticks)
      test::fake_clock().ticks = until.ticks();
  }

  void happen(std::uint8_t event, fuzz::Input& input) {
    const std::uint8_t detail = input.byte();
    test::FakeNetDevice& device = (detail & 0x80) != 0 ? net1_ : net0_;
    using Completes = test::FakeNetDevice::Completes;
    switch (event) {
    case 0xff: {
      const auto head = input.bytes(16);
      test::Bytes frame(head.begin(), head.end());
      frame.resize(std::max<std::size_t>(14, (detail & 0x7fU) * 16));
      if ((detail & 3) == 3)
        device.arrive_in_pieces(frame, 64);
      else
        device.arrive(frame, static_cast<net::Checksum>(detail % 3));
      break;
    }
    case 0xfe:
      device.link_state.state = static_cast<net::LinkState>(detail % 3);
      device.raise(net::NetEvent::link_changed);
      break;
    case 0xfd:
      device.complete(detail & 7, (detail & 8) != 0);
      break;
    case 0xfc:
      device.reset_fails = (detail & 1) != 0;
      device.is_usable = (detail & 2) == 0;
      break;
    case 0xfb:
      device.raise(static_cast<net::NetEvent>(detail % 6));
      break;
    case 0xfa:
      bsp::log::warn("something happened: {}", std::string_view{"\x1b[31m\xff text", detail % 12U});
      break;
    case 0xf9:
      device.completes = static_cast<Completes>(detail & 3);
      break;
    default:
      test::fake_clock().advance_us(std::uint64_t{detail} * 10'000);
      break;
    }
  }

  Typist console_;
  test::FakeNetDevice net0_{"net0"};
  test::FakeNetDevice net1_{"net1"};
  std::array<net::NetDevice*, 2> devices_{&net0_, &net1_};
  std::vector<std::byte> capture_ = std::vector<std::byte>(8192);
  shell::NetService service_{devices_, capture_};
  std::vector<std::byte> dma_ = std::vector<std::byte>(16384);
  bsp::DmaArena arena_{dma_, bsp::BusAddress{0x4000'0000}};
  TwoSources irqchip_;
  std::optional<fdt::Tree> tree_;
  shell::BoardInfo board_{.board = "fuzz",
                          .model = "\x1b[31mmodel\xff",
                          .isa = "rv64gc\n",
                          .memory = memory,
                          .console = "ns16550a /soc/\x07serial"};
  shell::System system_{.console = console_,
                        .interfaces = devices_,
                        .virtio_slots = slots,
                        .irqchip = &irqchip_,
                        .board = {[](void* info) { return *static_cast<shell::BoardInfo*>(info); }, &board_},
                        .arena = &arena_,
                        .power = {[] { return bsp::Error::not_supported_by_firmware; },
                                  [] { return bsp::Error::not_supported_by_firmware; }},
                        .net = &service_};
  std::array<shell::CommandTable, 4> tables_{shell::base_commands(), shell::memory_commands(), shell::tree_commands(),
                                             shell::net_commands()};
  std::unique_ptr<shell::Shell> shell_ = std::make_unique<shell::Shell>(system_, service_, tables_);
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input{data, size};
  Machine machine{input};
  machine.run();
  return 0;
}
