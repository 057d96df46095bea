// SPDX-License-Identifier: BSD-2-Clause
#include "shell/net_service.hpp"

#include <algorithm>

#include "bsp/cpu.hpp"
#include "bsp/log.hpp"

namespace shell {

namespace {

constexpr std::size_t batch_size = 32;
/// Frames that one poll() takes from an interface: a flood must not keep the console waiting.
constexpr std::size_t poll_budget = 512;

} // namespace

NetService::NetService(std::span<net::NetDevice* const> interfaces, std::span<std::byte> capture_storage)
    : interfaces_{interfaces}, ring_{capture_storage} {
  for (net::NetDevice* device : interfaces_)
    device->set_listener({.function = on_event, .context = this});
}

NetService::~NetService() {
  for (net::NetDevice* device : interfaces_)
    device->set_listener({});
}

void NetService::poll() {
  for (net::NetDevice* device : interfaces_) {
    device->service();
    if (device != attended_.device || !attended_.receives) drain(*device);
  }
}

void NetService::drain(net::NetDevice& device) {
  net::RxFrame frames[batch_size];
  for (std::size_t done = 0; done < poll_budget;) {
    const std::size_t count = device.receive(frames);
    if (count == 0) return;
    const std::span<const net::RxFrame> batch{frames, count};
    if (capturing_ == &device) record(batch);
    device.release(batch);
    done += count;
  }
}

void NetService::record(std::span<const net::RxFrame> frames) {
  if (!capturing()) return;
  const std::uint64_t now = bsp::clock::uptime_us();
  for (const net::RxFrame& frame : frames) {
    if (recorded_ == filter_.limit) return;
    if (ring_.push(frame, now)) recorded_++;
  }
}

bsp::Deadline NetService::next_wake() const {
  bsp::Deadline wake = bsp::Deadline::never();
  for (const net::NetDevice* device : interfaces_)
    wake = wake.earlier_of(device->next_wake());
  return wake;
}

bool NetService::prepare_idle() {
  bool pending = false;
  for (net::NetDevice* device : interfaces_) {
    // Every interface is asked: each has its own notifications to enable and to repeat.
    if (device->prepare_idle(completions_expected_)) pending = true;
  }
  return pending;
}

void NetService::repeat_notifications() {
  const bsp::cpu::InterruptGuard guard; // one between the request and the look would be taken for none
  static_cast<void>(prepare_idle());
}

void NetService::start_capture(net::NetDevice& device, const Filter& filter) {
  ring_.clear();
  recorded_ = 0;
  filter_ = filter;
  capturing_ = &device;
}

bool NetService::capturing() const {
  return capturing_ != nullptr && recorded_ < filter_.limit && !filter_.until.expired();
}

void NetService::record_sent(const net::NetDevice& device, std::span<const std::byte> frame,
                             const net::Offload& offload) {
  if (capturing_ != &device || !filter_.sent || !capturing()) return;
  if (ring_.push_sent(frame, bsp::clock::uptime_us(), offload)) recorded_++;
}

void NetService::on_event(void* context, net::NetDevice& device, net::NetEvent event) {
  using enum net::NetEvent;
  auto& attended = static_cast<NetService*>(context)->attended_;
  if (attended.device == &device && (event == tx_timeout || event == recovered || event == failed))
    attended.disturbed = true;
  switch (event) {
  case net::NetEvent::link_changed:
    // Not a warning: unplugging a cable is no fault.
    bsp::log::info("{}: link is {}", device.name(), device.link().state == net::LinkState::down ? "down" : "up");
    return;
  case net::NetEvent::mtu_changed:
    bsp::log::info("{}: mtu is {}", device.name(), device.mtu());
    return;
  case net::NetEvent::announced:
    bsp::log::info("{}: announced", device.name());
    return;
  case net::NetEvent::tx_timeout:
    bsp::log::warn("{}: frames in flight made no progress, taken back as not sent", device.name());
    return;
  case net::NetEvent::recovered:
    bsp::log::warn("{}: device was reset after an error, traffic goes on", device.name());
    return;
  case net::NetEvent::failed:
    bsp::log::error("{}: recovery given up, 'net reset' tries again", device.name());
    return;
  }
}

} // namespace shell
