// Memory straight from the system, for what is large and passing: it is given back the moment it is freed. An
// allocator promises no such thing, and glibc's, for each large block that is freed, raises the size up to
// which it keeps what the whole process frees.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <vector>

namespace evenkeel::base {

// Smaller than this is better off with the allocator.
inline constexpr size_t kWorthPages = size_t{128} << 10;

// The least whole number of pages that hold `size` bytes, in bytes; one page at least.
size_t round_to_pages(size_t size);

// Zeroed; null when the system has no more. `size` is a multiple of the page's, here and below.
std::byte* map_pages(size_t size);
// The same memory with another size, moved if need be; null, with nothing changed, when there is no more.
std::byte* resize_pages(std::byte* data, size_t size, size_t wanted);
void unmap_pages(std::byte* data, size_t size);

// For containers that a burst makes large.
template <typename T>
struct PageAllocator {
  using value_type = T;
  PageAllocator() = default;
  template <typename Other>
  explicit PageAllocator(const PageAllocator<Other>&) {}

  T* allocate(size_t count) {
    const size_t size = count * sizeof(T);
    if (size < kWorthPages) return std::allocator<T>().allocate(count);
    std::byte* const data = map_pages(round_to_pages(size));
    // Not survivable half-way through a packet: the process ends here, with a name, as V8 does.
    if (data == nullptr) std::abort();
    return reinterpret_cast<T*>(data);
  }
  void deallocate(T* data, size_t count) {
    const size_t size = count * sizeof(T);
    if (size < kWorthPages) return std::allocator<T>().deallocate(data, count);
    unmap_pages(reinterpret_cast<std::byte*>(data), round_to_pages(size));
  }
  bool operator==(const PageAllocator&) const { return true; }
};

template <typename T>
using BulkVector = std::vector<T, PageAllocator<T>>;

// More than this is not kept for the next burst.
inline constexpr size_t kMostKept = size_t{4} << 20;

// Empties the vector, and gives its memory back when that is much.
template <typename T>
void clear(BulkVector<T>& vector) {
  vector.clear();
  if (vector.capacity() * sizeof(T) > kMostKept) BulkVector<T>().swap(vector);
}

// After most of a burst is gone. Not by shrink_to_fit(), which does nothing where exceptions are off.
template <typename T>
void shrink(BulkVector<T>& vector) {
  if (vector.capacity() * sizeof(T) <= kMostKept || vector.size() > vector.capacity() / 4) return;
  BulkVector<T>(std::make_move_iterator(vector.begin()), std::make_move_iterator(vector.end())).swap(vector);
}

}  // namespace evenkeel::base
