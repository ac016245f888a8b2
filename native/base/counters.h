// Process-wide counts of live objects of the native core. All are zero once all clients and bases are closed;
// tests assert this, which is exact and far cheaper than a leak detector. Plain atomics: nothing here has a
// destructor that could race with the exit of a thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace evenkeel::base {

struct Counters {
  std::atomic<int64_t> bases{0};
  std::atomic<int64_t> threads{0};
  std::atomic<int64_t> pipelines{0};
  std::atomic<int64_t> streams{0};
  std::atomic<int64_t> payloads{0};
  std::atomic<int64_t> large_values{0};
  std::atomic<int64_t> mapped_bytes{0};  // of memory mapped directly from the system (base/pages.h)
  std::atomic<int64_t> unsettled{0};     // operations destroyed with their pipeline: always a bug
};

inline Counters counters;

// Counts its own lifetime; a member of the class to count. Copies and moves count as additional objects.
template <std::atomic<int64_t> Counters::*Field>
class Counted {
 public:
  Counted() { (counters.*Field).fetch_add(1, std::memory_order_relaxed); }
  Counted(const Counted&) : Counted() {}
  Counted& operator=(const Counted&) = default;
  ~Counted() { (counters.*Field).fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace evenkeel::base
