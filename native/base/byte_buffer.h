// ByteBuffer: bytes appended at one end, without std::vector's zeroing and exceptions. Memory needed by a
// burst is freed after a period of smaller use, and large amounts at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include "base/pages.h"

namespace evenkeel::base {

class ByteBuffer {
 public:
  ByteBuffer() = default;
  // From malloc() or, if large, from the system. Not a smart pointer, so that realloc() can be used.
  ~ByteBuffer() {
    if (capacity_ >= kWorthPages) {
      unmap_pages(data_, capacity_);
    } else {
      std::free(data_);  // NOLINT(cppcoreguidelines-owning-memory)
    }
  }
  ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    swap(other);
    return *this;
  }

  void swap(ByteBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(small_uses_, other.small_uses_);
  }

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // Room for `length` more bytes at the end, which grow() commits. Invalidates pointers into the buffer.
  std::byte* reserve(size_t length) {
    if (capacity_ - size_ < length) enlarge(length);
    return data_ + size_;
  }
  void grow(size_t length) { size_ += length; }
  void truncate(size_t size) { size_ = size; }

  void append(std::span<const std::byte> bytes) {
    if (bytes.empty()) return;
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  void clear() {
    if (capacity_ > kKept) {
      small_uses_ = size_ < capacity_ / 4 ? small_uses_ + 1 : 0;
      if (small_uses_ > kPatience || capacity_ > kMostKept) *this = ByteBuffer();
    }
    size_ = 0;
  }
  // Call when most of a burst is gone.
  void shrink() {
    if (capacity_ <= kMostKept || size_ > capacity_ / 4) return;
    const size_t wanted = round_to_pages(std::max(size_, kKept));
    std::byte* const smaller = resize_pages(data_, capacity_, wanted);
    if (smaller == nullptr) return;
    data_ = smaller;
    capacity_ = wanted;
  }

 private:
  static constexpr size_t kSmallest = 4096;
  static constexpr size_t kKept = size_t{256} << 10;
  static constexpr int kPatience = 256;

  // Running out of memory in the middle of a packet is not recoverable: the process aborts here,
  // recognisably, as V8 does.
  void enlarge(size_t length) {
    size_t wanted = capacity_ < kSmallest ? kSmallest : capacity_;
    while (wanted - size_ < length) wanted *= 2;
    std::byte* const larger = move_to(wanted);
    if (larger == nullptr) std::abort();
    data_ = larger;
    capacity_ = wanted;
  }
  std::byte* move_to(size_t capacity) {
    if (capacity_ >= kWorthPages) return resize_pages(data_, capacity_, capacity);
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory)
    if (capacity < kWorthPages) return static_cast<std::byte*>(std::realloc(data_, capacity));
    std::byte* const pages = map_pages(capacity);
    if (pages == nullptr) return nullptr;
    if (size_ > 0) std::memcpy(pages, data_, size_);
    std::free(data_);  // NOLINT(cppcoreguidelines-owning-memory)
    return pages;
  }

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
  int small_uses_ = 0;
};

}  // namespace evenkeel::base
