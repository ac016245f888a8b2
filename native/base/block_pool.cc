#include "base/block_pool.h"

#include <cstdlib>
#include <utility>

namespace evenkeel::base {

namespace {

constexpr size_t kGranule = size_t{64} << 10;

size_t round_up(size_t size) { return (size + kGranule - 1) / kGranule * kGranule; }

}  // namespace

BlockPool::Block::Block(Block&& other) noexcept { *this = std::move(other); }

BlockPool::Block& BlockPool::Block::operator=(Block&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

BlockPool::Block::~Block() {
  if (data_ != nullptr) pool_->release(data_, capacity_);
}

BlockPool::~BlockPool() {
  for (const Free& block : free_) std::free(block.data);  // NOLINT(cppcoreguidelines-owning-memory)
}

BlockPool::Block BlockPool::acquire(size_t size) {
  Block block;
  const size_t wanted = size == 0 ? kGranule : round_up(size);
  {
    const std::lock_guard guard(mutex_);
    for (Free& each : free_) {
      if (each.capacity < wanted || each.capacity / 2 > wanted) continue;
      block.data_ = each.data;
      block.capacity_ = each.capacity;
      free_bytes_ -= each.capacity;
      each = free_.back();
      free_.pop_back();
      break;
    }
  }
  if (block.data_ == nullptr) {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory)
    block.data_ = static_cast<std::byte*>(std::malloc(wanted));
    block.capacity_ = wanted;
  }
  block.size_ = size;
  block.pool_ = shared_from_this();
  return block;
}

void BlockPool::release(std::byte* data, size_t capacity) {
  {
    const std::lock_guard guard(mutex_);
    if (free_bytes_ + capacity <= limit_) {
      free_.push_back({data, capacity});
      free_bytes_ += capacity;
      return;
    }
  }
  std::free(data);  // NOLINT(cppcoreguidelines-owning-memory)
}

}  // namespace evenkeel::base
