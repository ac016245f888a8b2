#include "base/clock.h"

#include <time.h>

namespace evenkeel::base {

namespace {

constexpr uint64_t kNanosPerSecond = 1'000'000'000;
constexpr uint64_t kNanosPerMilli = 1'000'000;

// Both must count from the same instant, which leaves out the approximate clock of macOS.
#if defined(__linux__)
constexpr clockid_t kCoarseClock = CLOCK_MONOTONIC_COARSE;
#elif defined(__FreeBSD__)
constexpr clockid_t kCoarseClock = CLOCK_MONOTONIC_FAST;
#else
constexpr clockid_t kCoarseClock = CLOCK_MONOTONIC;
#endif

uint64_t read_nanos(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<uint64_t>(time.tv_sec) * kNanosPerSecond + static_cast<uint64_t>(time.tv_nsec);
}

}  // namespace

Millis now() { return read_nanos(CLOCK_MONOTONIC) / kNanosPerMilli; }

Millis coarse_now() { return read_nanos(kCoarseClock) / kNanosPerMilli; }

uint64_t now_nanos() { return read_nanos(CLOCK_MONOTONIC); }

}  // namespace evenkeel::base
