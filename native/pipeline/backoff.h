// Backoff: how long a server waits before its next attempt to connect. Pauses double with each failure in a
// row, half of each at random, so that many clients do not come back at once.
//
// A pause counts from the beginning of an attempt that failed: one that got no answer has waited already. So
// a server that comes back is called within the longest pause, or the time an attempt may take, whichever is
// longer; the two do not add up.
//
// A connection that ends before it was of use counts as a failed attempt, or a server that only shakes hands
// would be called on again and again. Those that were there when something failed end for the same reason,
// sooner or later: however many they are, that is one failure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace evenkeel::pipeline {

class Backoff {
 public:
  Backoff(base::Millis min, base::Millis max, uint64_t seed)
      : min_(min), max_(max), random_state_(seed | 1) {}

  // Goes on after so many failures in a row, the last one now: how long to wait. At least 1.
  base::Millis resume(base::Millis now, uint32_t failures) {
    failures_ = failures - 1;
    return next_pause(now);
  }

  // An attempt begins.
  void begin(base::Millis now) { began_ = now; }
  // It has failed: how long to wait from now. At least 1.
  base::Millis fail(base::Millis now) {
    const base::Millis waited = now - began_;
    const base::Millis pause = next_pause(now);
    return std::max(pause - std::min(pause, waited), spread(min_));
  }

  // A connection that there is since then has been of use.
  void prove(base::Millis since) {
    if (is_newer(since)) failures_ = 0;
  }
  // A connection that there was since then has ended: how long to wait from now. At least 1.
  base::Millis end(base::Millis now, base::Millis since) {
    if (!is_newer(since)) return spread(min_);
    if (now - since >= max_) failures_ = 0;
    return next_pause(now);
  }
  // Than the last failure.
  bool is_newer(base::Millis since) const { return since > failed_; }

 private:
  base::Millis next_pause(base::Millis now) {
    failed_ = now;
    return spread(std::min(max_, min_ << std::min<uint32_t>(failures_++, 16)));
  }

  base::Millis spread(base::Millis ceiling) {
    return std::max<base::Millis>(ceiling / 2 + random() % (ceiling / 2 + 1), 1);
  }

  uint32_t random() {  // xorshift64*, Vigna 2016
    random_state_ ^= random_state_ >> 12;
    random_state_ ^= random_state_ << 25;
    random_state_ ^= random_state_ >> 27;
    return static_cast<uint32_t>((random_state_ * 0x2545f4914f6cdd1dULL) >> 32);
  }

  const base::Millis min_;
  const base::Millis max_;
  uint64_t random_state_;
  uint32_t failures_ = 0;  // in a row
  base::Millis began_ = 0;
  base::Millis failed_ = 0;
};

}  // namespace evenkeel::pipeline
