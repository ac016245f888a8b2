// Meter: counters of the connections to one server.
//
// Threads: written on the loop's, read on any. Each number is consistent; two of them may be from different
// moments.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "pipeline/latency.h"
#include "pipeline/layout.h"

namespace evenkeel::pipeline {

class Meter {
 public:
  void sent(size_t bytes) { add(layout::kMeterSent, bytes); }
  void received(size_t bytes) { add(layout::kMeterReceived, bytes); }

  // `micros` counts from when the loop received the operation.
  void answered(uint32_t micros) { add(layout::kMeterLatency + latency_bucket(micros), 1); }
  // So many operations that read a value were answered, and some of them with one.
  void read(size_t reads, size_t hits) {
    add(layout::kMeterReads, reads);
    add(layout::kMeterHits, hits);
  }

  // The changes since the last call in the numbers of operations that are written but unanswered, and
  // unwritten.
  void changed(int64_t in_flight, int64_t queued) {
    add(layout::kMeterInFlight, static_cast<uint64_t>(in_flight));
    add(layout::kMeterQueued, static_cast<uint64_t>(queued));
  }

  // Fills layout::kMeterWords words.
  void read_into(std::span<double> words) const {
    for (size_t i = 0; i < words.size() && i < words_.size(); ++i)
      words[i] = static_cast<double>(words_[i].load(std::memory_order_relaxed));
  }

 private:
  // Only one thread writes, so no lock or read-modify-write is needed.
  void add(size_t word, uint64_t count) {
    std::atomic<uint64_t>& counter = words_[word];
    counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, layout::kMeterWords> words_{};
};

}  // namespace evenkeel::pipeline
