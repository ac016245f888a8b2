// Log-linear latency counts: 32 buckets a power of two, so a percentile is within about 3 % of the true
// value, in fixed memory and one increment an operation.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace bench {

class LatencyHistogram {
 public:
  void record(uint64_t nanoseconds) { ++counts_[bucket(nanoseconds)]; }
  void reset() { counts_.fill(0); }

  double percentile_us(double percent) const {
    uint64_t total = 0;
    for (uint64_t c : counts_) total += c;
    const auto wanted = static_cast<uint64_t>(static_cast<double>(total) * percent / 100.0);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return static_cast<double>(middle(i)) / 1000.0;
    }
    return 0;
  }

 private:
  static constexpr unsigned kSubBits = 5;

  static size_t bucket(uint64_t v) {
    if (v < (1u << kSubBits)) return v;
    const unsigned shift = static_cast<unsigned>(std::bit_width(v)) - kSubBits - 1;
    return ((shift + 1) << kSubBits) + ((v >> shift) & ((1u << kSubBits) - 1));
  }

  static uint64_t middle(size_t i) {
    if (i < (1u << kSubBits)) return i;
    const unsigned shift = static_cast<unsigned>(i >> kSubBits) - 1;
    const uint64_t low = ((i & ((1u << kSubBits) - 1)) + (1u << kSubBits)) << shift;
    return low + (uint64_t{1} << shift) / 2;
  }

  std::array<uint64_t, 60 << kSubBits> counts_{};
};

}  // namespace bench
