#include "base/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/counters.h"

namespace evenkeel::base {

namespace {

void count(size_t more, size_t less) {
  counters.mapped_bytes.fetch_add(static_cast<int64_t>(more) - static_cast<int64_t>(less),
                                  std::memory_order_relaxed);
}

}  // namespace

size_t round_to_pages(size_t size) {
  static const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size == 0 ? page : (size + page - 1) & ~(page - 1);
}

std::byte* map_pages(size_t size) {
  void* const data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  count(size, 0);
  return static_cast<std::byte*>(data);
}

std::byte* resize_pages(std::byte* data, size_t size, size_t wanted) {
#if defined(__linux__)
  void* const moved = mremap(data, size, wanted, MREMAP_MAYMOVE);
  if (moved == MAP_FAILED) return nullptr;
  count(wanted, size);
  return static_cast<std::byte*>(moved);
#else
  std::byte* const copy = map_pages(wanted);
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, data, std::min(size, wanted));
  unmap_pages(data, size);
  return copy;
#endif
}

void unmap_pages(std::byte* data, size_t size) {
  count(0, size);
  // Refused where the process has as many mappings as it may and this one would be split: then the address
  // space is lost, and no more than that.
  if (munmap(data, size) != 0) madvise(data, size, MADV_DONTNEED);
}

}  // namespace evenkeel::base
