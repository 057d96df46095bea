// SPDX-License-Identifier: BSD-2-Clause
// Received characters between the interrupt handler and the main loop.
//
// One producer (the handler, or the main loop while a device is polled), one consumer (the main loop). Each index has
// one writer; release/acquire pairs hand the characters over. It holds a pasted line of 8,192 characters twice.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace uart {

class ReceiveRing {
 public:
  static constexpr std::uint32_t capacity = 16384;
  static_assert((capacity & (capacity - 1)) == 0, "the indices run freely and are masked");

  /// Producer.
  [[nodiscard]] bool full() const {
    return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire) == capacity;
  }
  /// Producer. Only while it is not full.
  void push(char character) {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    data_[head % capacity] = character;
    head_.store(head + 1, std::memory_order_release);
  }

  /// Consumer. Moves up to out.size() characters out, oldest first; returns the count.
  [[nodiscard]] std::size_t pop(std::span<char> out) {
    const std::uint32_t head = head_.load(std::memory_order_acquire);
    std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    std::size_t count = 0;
    while (count < out.size() && tail != head)
      out[count++] = data_[tail++ % capacity];
    tail_.store(tail, std::memory_order_release);
    return count;
  }

  [[nodiscard]] bool empty() const {
    return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint32_t> head_{0};
  std::atomic<std::uint32_t> tail_{0};
  char data_[capacity]{};
};

} // namespace uart
