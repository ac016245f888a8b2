// Backoff: the pause before the next attempt to connect to a server. Pauses double with each consecutive
// failure; half of each is random, so that many clients do not reconnect at the same time.
//
// A pause counts from the start of the failed attempt, because an attempt without an answer has already
// waited. So a server that returns is contacted within the longest pause or the time limit of an attempt,
// whichever is longer; the two do not add up.
//
// A connection that ends before it was useful counts as a failed attempt; otherwise a server that only
// completes handshakes would be contacted again and again. Connections that existed at the time of a failure
// end for the same reason sooner or later: together they count as one failure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace evenkeel::pipeline {

class Backoff {
 public:
  Backoff(base::Millis min, base::Millis max, uint64_t seed)
      : min_(min), max_(max), random_state_(seed | 1) {}

  // Continues after this many consecutive failures, the last of which is now; returns the pause, at least 1.
  base::Millis resume(base::Millis now, uint32_t failures) {
    failures_ = failures - 1;
    return next_pause(now);
  }

  // Call when an attempt starts.
  void begin(base::Millis now) { began_ = now; }
  // Call when it has failed. Returns the pause from now, at least 1.
  base::Millis fail(base::Millis now) {
    const base::Millis waited = now - began_;
    const base::Millis pause = next_pause(now);
    return std::max(pause - std::min(pause, waited), spread(min_));
  }

  // Call when a connection established at `since` has been useful.
  void prove(base::Millis since) {
    if (is_newer(since)) failures_ = 0;
  }
  // Call when a connection established at `since` has ended. Returns the pause from now, at least 1.
  base::Millis end(base::Millis now, base::Millis since) {
    if (!is_newer(since)) return spread(min_);
    if (now - since >= max_) failures_ = 0;
    return next_pause(now);
  }
  // Whether `since` is after the last failure.
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
  uint32_t failures_ = 0;  // consecutive
  base::Millis began_ = 0;
  base::Millis failed_ = 0;
};

}  // namespace evenkeel::pipeline
