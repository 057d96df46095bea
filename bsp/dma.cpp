// SPDX-License-Identifier: BSD-2-Clause
#include "bsp/dma.hpp"

#include <bit>
#include <cstring>
#include <utility>

#include "bsp/panic.hpp"

namespace bsp {

DmaBuffer& DmaBuffer::operator=(DmaBuffer&& other) noexcept {
  if (this == &other) return *this;
  if (arena_ != nullptr) arena_->give_back(data_, size_);
  arena_ = std::exchange(other.arena_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  bus_ = std::exchange(other.bus_, BusAddress{});
  return *this;
}

DmaBuffer::~DmaBuffer() {
  if (arena_ != nullptr) arena_->give_back(data_, size_);
}

void DmaBuffer::quarantine() {
  if (arena_ != nullptr) arena_->stranded_ += size_;
  arena_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

void DmaArena::assign(std::span<std::byte> memory, BusAddress bus) {
  if (top_ != 0) PANIC("DMA arena assigned while in use");
  memory_ = memory;
  bus_ = bus;
}

Result<void> DmaArena::allocate(DmaBuffer& place, std::size_t size, std::size_t alignment, Content content) {
  if (size == 0 || !std::has_single_bit(alignment)) return fail(Error::invalid_argument);
  // Aligning the bus address aligns the CPU address too as long as both ranges share the alignment of a page.
  const std::uint64_t start = raw(bus_) + top_;
  const std::uint64_t aligned = (start + alignment - 1) & ~(std::uint64_t{alignment} - 1);
  const std::size_t offset = static_cast<std::size_t>(aligned - raw(bus_));
  if (offset > memory_.size() || size > memory_.size() - offset) return fail(Error::out_of_dma_memory);
  top_ = offset + size;
  std::byte* const data = memory_.data() + offset;
  if (content == Content::zeros) std::memset(data, 0, size);
  place = DmaBuffer{this, {data, size}, bus_ + offset};
  return {};
}

Result<DmaBuffer> DmaArena::allocate(std::size_t size, std::size_t alignment, Content content) {
  DmaBuffer buffer;
  TRY(allocate(buffer, size, alignment, content));
  return buffer;
}

void DmaArena::give_back(std::byte* block, std::size_t size) {
  const auto offset = static_cast<std::size_t>(block - memory_.data());
  if (offset + size == top_)
    top_ = offset;
  else
    stranded_ += size;
}

} // namespace bsp
