// Buckets for latencies: log-linear with 16 for each power of two, so a bucket is at most a sixteenth of its
// lower bound wide. Buckets below 16 µs are exact.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "pipeline/layout.h"

namespace evenkeel::pipeline {

inline size_t latency_bucket(uint32_t micros) {
  constexpr int kBits = std::countr_zero(layout::kLatencyBucketsPerOctave);
  if (micros < layout::kLatencyBucketsPerOctave) return micros;
  const int exponent = static_cast<int>(std::bit_width(micros)) - 1 - kBits;
  return size_t{layout::kLatencyBucketsPerOctave} * static_cast<size_t>(exponent) + (micros >> exponent);
}

}  // namespace evenkeel::pipeline
