// SPDX-License-Identifier: BSD-2-Clause
// Where the frame of `net tx` comes from: typed, generated, or in memory. Nothing is kept but the way to write it, so
// that its size can be judged before there is memory for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "drivers/net/net_device.hpp"
#include "shell/command.hpp"

namespace shell {

/// Where the frame's bytes come from.
struct FrameSource {
  enum class Kind : std::uint8_t { hex, generated, memory };
  Kind kind{Kind::hex};
  std::size_t size{0}; ///< of the frame, without padding
  std::span<const std::string_view> words{};
  std::uint64_t address{0};
  std::array<std::byte, net::ethernet_header_size> header{}; ///< generated
  std::optional<std::byte> payload{};                        ///< generated: every byte; else 0, 1, 2, ...
};

/// Finds out which of the three forms was typed. False after an error line.
bool choose_source(Session& session, const Arguments& arguments, const net::NetDevice& device, FrameSource& source);

/// Writes the first `out.size()` bytes of the frame; false after an error line.
bool fill_frame(Session& session, const Arguments& arguments, const FrameSource& source, std::span<std::byte> out);

} // namespace shell
