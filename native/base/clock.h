// Monotonic time in milliseconds. coarse_now() may lag behind now() by a few milliseconds (Linux: 1/HZ, at
// most 10 ms; it needs no system call and costs about a quarter). Callers that turn it into a deadline add
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
