// SignalSink: the signals that one event base watches. A signal's disposition belongs to the process, so a
// table in static storage counts the watchers of all sinks: the first watcher of a signal installs a handler,
// the last one restores the previous disposition. The handler records the signal in every sink that watches
// it, wakes that sink's poller, and then calls the previously installed handler.
//
// Two limits. The default disposition (usually: to terminate) does not take effect while a signal is watched.
// And a handler that other code installs over this one is left in place at the end; if it chains to this one,
// the same signal must not be watched again.
//
// Threads: watch(), unwatch() and take() on the thread of the sink's base; sinks on different threads are
// independent.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/poller.h"
#include "base/status.h"

namespace evenkeel::base {

class SignalSink {
 public:
  // Signals up to this number, including Linux's real-time signals, fit in the set that take() returns.
  static constexpr int kMaxSignal = 64;
  static constexpr uint64_t bit(int signo) { return uint64_t{1} << (signo - 1); }

  // `poller` must outlive the sink.
  explicit SignalSink(Poller* poller);
  // Ends every watch; no handler accesses the sink afterwards.
  ~SignalSink();
  SignalSink(const SignalSink&) = delete;
  SignalSink& operator=(const SignalSink&) = delete;

  // EINVAL for signals that cannot be watched: SIGKILL, SIGSTOP, and faults, whose handler must not simply
  // return.
  Status watch(int signo);
  void unwatch(int signo);

  // The signals since the last call, as a set of bit(signo). Several of the same number may count as one.
  uint64_t take() {
    return pending_.load(std::memory_order_relaxed) == 0 ? 0
                                                         : pending_.exchange(0, std::memory_order_acquire);
  }

 private:
  friend struct SignalTable;

  Poller* const poller_;
  std::atomic<uint64_t> watched_{0};
  std::atomic<uint64_t> pending_{0};
  std::atomic<SignalSink*> next_{nullptr};
};

}  // namespace evenkeel::base
