// Memory directly from the system, for large and short-lived data: freeing it returns it at once. An
// allocator does not guarantee that, and with each large block freed, glibc's raises the size up to which it
// keeps freed memory of the whole process.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <vector>

namespace evenkeel::base {

// Smaller amounts are better left to the allocator.
inline constexpr size_t kWorthPages = size_t{128} << 10;

// `size` in bytes rounded up to whole pages; at least one page.
size_t round_to_pages(size_t size);

// Zeroed memory; null when the system has no more. Here and below, `size` is a multiple of the page size.
std::byte* map_pages(size_t size);
// Resizes the memory, and moves it if necessary. Null, without any change, when there is no more.
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
    // Not recoverable in the middle of a packet: the process aborts here, recognisably, as V8 does.
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

// At most this much is kept for the next burst.
inline constexpr size_t kMostKept = size_t{4} << 20;

// Empties the vector, and frees its memory if there is much.
template <typename T>
void clear(BulkVector<T>& vector) {
  vector.clear();
  if (vector.capacity() * sizeof(T) > kMostKept) BulkVector<T>().swap(vector);
}

// Call when most of a burst is gone. Not shrink_to_fit(), which has no effect when exceptions are disabled.
template <typename T>
void shrink(BulkVector<T>& vector) {
  if (vector.capacity() * sizeof(T) <= kMostKept || vector.size() > vector.capacity() / 4) return;
  BulkVector<T>(std::make_move_iterator(vector.begin()), std::make_move_iterator(vector.end())).swap(vector);
}

}  // namespace evenkeel::base
