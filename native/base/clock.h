// Monotonic time in milliseconds. coarse_now() may lag now() by a few milliseconds (Linux: 1/HZ, at most 10
// ms, read without a system call at about a quarter of the cost); whoever turns it into a deadline adds
// kCoarseSlack.
#pragma once

#include <cstdint>

namespace evenkeel::base {

using Millis = uint64_t;

inline constexpr Millis kCoarseSlack = 10;
inline constexpr Millis kNever = UINT64_MAX;

Millis now();
Millis coarse_now();
// For measurements.
uint64_t now_nanos();

}  // namespace evenkeel::base
