// BlockPool: large blocks of memory, a few of which are reused instead of freed. The system zeroes new memory
// page by page on first access, which for a megabyte costs more than copying it. A block only takes the pages
// that it needs, and is returned to the system when the pool holds enough.
//
// Threads: any. Blocks keep their pool alive.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace evenkeel::base {

class BlockPool : public std::enable_shared_from_this<BlockPool> {
 public:
  class Block {
   public:
    Block() = default;
    ~Block();
    Block(Block&& other) noexcept;
    Block& operator=(Block&& other) noexcept;

    bool is_valid() const { return data_ != nullptr; }
    std::span<std::byte> bytes() const { return {data_, size_}; }
    // `size` is at most bytes().size().
    void shorten(size_t size) { size_ = size; }

   private:
    friend class BlockPool;
    std::shared_ptr<BlockPool> pool_;
    std::byte* data_ = nullptr;
    size_t size_ = 0;
    size_t capacity_ = 0;
  };

  // Keeps at most `limit` bytes in free blocks.
  explicit BlockPool(size_t limit) : limit_(limit) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Returns an invalid block when there is no memory.
  Block acquire(size_t size);
  // Frees what it keeps, and keeps nothing from now on.
  void close();

 private:
  struct Free {
    std::byte* data;
    size_t capacity;
  };
  void release(std::byte* data, size_t capacity);

  std::mutex mutex_;  // guards everything below
  size_t limit_;
  std::vector<Free> free_;
  size_t free_bytes_ = 0;
};

}  // namespace evenkeel::base
