// SPDX-License-Identifier: BSD-2-Clause
// `net dump`, and the printing of captures that `net tx -w` shares.
//
// Invariant: every line that is not part of a frame starts with "# ", so that text2pcap passes over it; and the
// driver's rings are drained between any two lines, however slow the console is.
#include "shell/commands_net.hpp"
#include "shell/frame_text.hpp"

namespace shell {

namespace {

constexpr std::uint64_t max_seconds = 31'536'000; // a year

/// False if Ctrl-C was typed meanwhile; the frame is printed whole then, too.
bool print_bytes(Session& session, const CapturedFrame& frame) {
  bool running = true;
  char text[32];
  session.print("{}", dump_preamble(frame, text));
  for (std::size_t offset = 0; offset < frame.bytes.size(); offset += dump_bytes_per_line) {
    session.print("{}", DumpLine{frame.bytes, offset}.view());
    if (!session.pump()) running = false;
  }
  return running;
}

bool print_frame(Session& session, const CapturedFrame& frame, bool quiet) {
  bool running = true;
  if (quiet) {
    char text[128];
    session.print("{}", summary_line(frame, text));
    running = session.pump();
  } else {
    running = print_bytes(session, frame);
  }
  char note[128];
  for (std::size_t i = 0;; i++) {
    const std::string_view line = note_line(frame.notes, i, note);
    if (line.empty()) return running;
    session.print("{}", line);
  }
}

} // namespace

void show_capture(Session& session, NetService& service, const net::NetDevice& device, bool quiet) {
  session.print("# listening on {}", device.name());
  CaptureRing& ring = service.captured();
  std::uint64_t shown = 0;
  bool running = true;
  while (running) {
    if (!ring.empty()) {
      running = print_frame(session, ring.front(), quiet);
      ring.pop();
      shown++;
    } else if (service.capturing()) {
      running = session.wait(service.capture_end());
    } else {
      break;
    }
  }
  service.stop_capture();
  // What Ctrl-C left unprinted is lost to the user like what found no room.
  const std::uint64_t dropped = ring.dropped() + ring.size();
  ring.clear();
  session.print("# captured {} frame(s), dropped {}", shown, dropped);
}

void run_net_dump(Session& session, Arguments& arguments) {
  net::NetDevice* device = session.interface(arguments);
  if (device == nullptr) return;
  const auto frames = session.number_option(arguments, "-c", UINT64_MAX, 1, UINT64_MAX);
  if (!frames) return;
  const auto seconds = session.number_option(arguments, "-t", 0, 1, max_seconds);
  if (!seconds) return;
  NetService& service = *session.system().net;
  const bsp::Deadline end = *seconds == 0 ? bsp::Deadline::never() : bsp::Deadline::in_ms(*seconds * 1000);
  service.start_capture(*device, {.limit = *frames, .until = end, .sent = arguments.has("-o")});
  show_capture(session, service, *device, arguments.has("-q"));
}

} // namespace shell
