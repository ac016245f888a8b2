// Live counts of what the native core holds, over the whole process. Every one of them reads zero once all
// clients and bases are closed: tests assert it, and it is far cheaper than a leak detector and exact. Plain
// atomics: nothing here has a destructor that could race with the exit of a thread.
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
  std::atomic<int64_t> mapped_bytes{0};  // of memory straight from the system (base/pages.h)
  std::atomic<int64_t> unsettled{0};     // operations that went down with their pipeline: always a fault
};

inline Counters counters;

// Counts its own lifetime; a member of whatever is counted. Copies and moves count as one more.
template <std::atomic<int64_t> Counters::*Field>
class Counted {
 public:
  Counted() { (counters.*Field).fetch_add(1, std::memory_order_relaxed); }
  Counted(const Counted&) : Counted() {}
  Counted& operator=(const Counted&) = default;
  ~Counted() { (counters.*Field).fetch_sub(1, std::memory_order_relaxed); }
};

}  // namespace evenkeel::base
