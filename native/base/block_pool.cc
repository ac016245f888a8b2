#include "base/block_pool.h"

#include <utility>

#include "base/pages.h"

namespace evenkeel::base {

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

BlockPool::~BlockPool() { close(); }

void BlockPool::close() {
  const std::lock_guard guard(mutex_);
  for (const Free& block : free_) unmap_pages(block.data, block.capacity);
  free_.clear();
  free_bytes_ = limit_ = 0;
}

BlockPool::Block BlockPool::acquire(size_t size) {
  Block block;
  const size_t wanted = round_to_pages(size);
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
    block.data_ = map_pages(wanted);
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
  unmap_pages(data, capacity);
}

}  // namespace evenkeel::base
