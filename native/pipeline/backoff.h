// Backoff: how long a server waits before its next attempt to connect. Pauses double with each failure in a
// row, half of each at random, so that many clients do not come back at once.
//
// A pause counts from the beginning of an attempt that failed: one that got no answer has waited already. So
// a server that comes back is called within the longest pause, or the time an attempt may take, whichever is
// longer; the two do not add up.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace evenkeel::pipeline {

class Backoff {
 public:
  Backoff(base::Millis min, base::Millis max, uint64_t seed)
      : min_(min), max_(max), random_state_(seed | 1) {}

  // An attempt begins.
  void begin(base::Millis now) {
    began_ = now;
    is_connected_ = false;
  }
  // It has come to a connection; one that fails before it was of use counts as a failed attempt, or a server
  // that only shakes hands would be called on again and again.
  void connected(base::Millis now) {
    connected_since_ = now;
    is_connected_ = true;
  }
  // The connection has been of use.
  void prove() { failures_ = 0; }

  // The attempt or its connection has failed: how long to wait from now. At least 1.
  base::Millis fail(base::Millis now) {
    if (is_connected_ && now - connected_since_ >= max_) prove();
    const base::Millis waited = is_connected_ ? 0 : now - began_;
    const base::Millis pause = spread(std::min(max_, min_ << std::min<uint32_t>(failures_, 16)));
    ++failures_;
    return std::max(pause - std::min(pause, waited), spread(min_));
  }

 private:
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
  bool is_connected_ = false;
  base::Millis began_ = 0;
  base::Millis connected_since_ = 0;
};

}  // namespace evenkeel::pipeline
