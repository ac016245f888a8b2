// SignalSink: an event base's share of the process's signals. A signal's disposition belongs to the process,
// so one table, in static storage, counts who watches what over all sinks: the first watcher of a signal
// installs a handler, the last one brings the previous disposition back. The handler notes the signal in
// every sink that watches it, wakes that sink's poller, and then runs the handler that was installed before
// it.
//
// Two limits: where the previous disposition was the default one, that (usually: to die) does not happen
// while the signal is watched. And a handler that somebody installs over this one is left in place at the
// end; if it chains to this one, the same signal must not be watched anew.
//
// Threads: watch(), unwatch() and take() from the thread of the sink's base; sinks on different threads are
// independent.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/poller.h"
#include "base/status.h"

namespace evenkeel::base {

class SignalSink {
 public:
  // Signals up to this number fit in the set that take() returns; real-time signals of Linux included.
  static constexpr int kMaxSignal = 64;
  static constexpr uint64_t bit(int signo) { return uint64_t{1} << (signo - 1); }

  // `poller` must outlive the sink.
  explicit SignalSink(Poller* poller);
  // Ends every watch. No handler touches the sink afterwards.
  ~SignalSink();
  SignalSink(const SignalSink&) = delete;
  SignalSink& operator=(const SignalSink&) = delete;

  // EINVAL for what cannot be watched: SIGKILL, SIGSTOP, and faults, whose handler must not simply return.
  Status watch(int signo);
  void unwatch(int signo);

  // The signals that came since the last call, as a set of bit(signo). Two of one number may count as one.
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
