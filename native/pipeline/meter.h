// Meter: what the connections to one server have done so far.
//
// Threads: counted on the loop's, read on any. Each number is right by itself; two of them may be of
// different moments.
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

  // `micros`: from when the loop got the operation.
  void answered(uint32_t micros) { add(layout::kMeterLatency + latency_bucket(micros), 1); }
  // What asks for a value was answered, with one or not.
  void read(bool is_hit) {
    add(layout::kMeterReads, 1);
    if (is_hit) add(layout::kMeterHits, 1);
  }

  // By how many operations there are more than at the last call: written and unanswered, and unwritten.
  void changed(int64_t in_flight, int64_t queued) {
    add(layout::kMeterInFlight, static_cast<uint64_t>(in_flight));
    add(layout::kMeterQueued, static_cast<uint64_t>(queued));
  }

  // layout::kMeterWords of them.
  void read_into(std::span<double> words) const {
    for (size_t i = 0; i < words.size() && i < words_.size(); ++i)
      words[i] = static_cast<double>(words_[i].load(std::memory_order_relaxed));
  }

 private:
  // One thread writes: nothing is locked for it.
  void add(size_t word, uint64_t count) {
    std::atomic<uint64_t>& counter = words_[word];
    counter.store(counter.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  std::array<std::atomic<uint64_t>, layout::kMeterWords> words_{};
};

}  // namespace evenkeel::pipeline
