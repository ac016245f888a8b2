// EventBase: one loop over descriptors, timers, signals and tasks from other threads. It does not know its
// driver: a host loop that watches descriptor() and calls poll(0), or a LoopThread that calls poll(-1) for
// ever.
//
// Threads: post(), watch(), set_interest() and unwatch() on any thread; everything else, including handlers,
// on the thread that drives the base. Handlers may call anything except poll(): they may watch and unwatch
// any descriptor (including their own) and schedule and cancel any timer. They must not destroy the base.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/poller.h"
#include "base/signals.h"
#include "base/status.h"
#include "base/timer_wheel.h"

namespace evenkeel::base {

class DescriptorHandler {
 public:
  // Called only for what the descriptor is watched for. A hang-up or an error counts as both, and the next
  // read or write reports it.
  virtual void on_ready(bool readable, bool writable) = 0;

 protected:
  ~DescriptorHandler() = default;
};

// Cancels itself on destruction, so owners need no particular order of destruction.
class Timer : public TimerNode {
 public:
  virtual void on_timer() = 0;
  void cancel();

 protected:
  ~Timer();

 private:
  friend class EventBase;
  class EventBase* base_ = nullptr;  // while scheduled
};

class SignalHandler {
 public:
  virtual void on_signal(int signo) = 0;

 protected:
  ~SignalHandler() = default;
};

struct EventBaseStats {
  uint64_t polls = 0;
  uint64_t wakeups = 0;  // polls that found at least one task
  uint64_t ready_events = 0;
  uint64_t timers_fired = 0;
  uint64_t writes = 0;  // system calls that sent something over a connection
  size_t descriptors = 0;
  size_t timers = 0;
};

class EventBase {
 public:
  static std::unique_ptr<EventBase> create(Status* status);
  ~EventBase();
  EventBase(const EventBase&) = delete;
  EventBase& operator=(const EventBase&) = delete;

  int descriptor() const;

  // One turn: waits at most timeout_ms (-1: until something happens, but never past the next timer), then
  // runs signals, tasks, ready descriptors and due timers. Bounded: work that handlers add runs in the next
  // turn.
  void poll(int timeout_ms);

  // When a driver that waits elsewhere must call poll(0) again for timers; kNever without timers. May be in
  // the past (a timer is due) or before the timer's deadline (the wheel needs another look).
  Millis next_deadline() const { return wheel_.next_wakeup(); }

  // Monotonic milliseconds as of this turn; refresh_time() reads the clock again.
  Millis time() const { return time_; }
  Millis refresh_time() { return time_ = now(); }

  // The handler must stay alive, and the descriptor open, until unwatch(fd); the descriptor may be closed as
  // soon as unwatch() has returned. After that the handler is not called again, not even for readiness
  // already collected in this turn (nor if the same fd is watched again within the turn). If another thread
  // than the driving one calls unwatch(), a handler call may be in progress, so the handler must live until a
  // task posted afterwards has run. EEXIST: already watched.
  Status watch(int fd, Interest interest, DescriptorHandler* handler);
  // ENOENT: not watched.
  Status set_interest(int fd, Interest interest);
  void unwatch(int fd);

  // Schedules or reschedules a timer, which may be scheduled on another base of this thread.
  void schedule(Timer* timer, Millis deadline);

  // Signals are process-wide: every base that watches a signal is notified, and a handler installed before
  // (for instance Node's) still runs. The last unwatch restores the previous disposition. For limits see
  // base/signals.h.
  Status watch_signal(int signo, SignalHandler* handler);
  void unwatch_signal(int signo, SignalHandler* handler);

  // Runs the task on the driving thread, in the order of posting. Tasks still queued when the base is
  // destroyed are destroyed without running.
  void post(std::function<void()> task);

  void count_write() { ++stats_.writes; }
  EventBaseStats stats() const;

 private:
  friend class Timer;

  struct Descriptor {
    DescriptorHandler* handler = nullptr;
    uint32_t generation = 0;
    Interest interest = Interest::kNone;
  };
  struct SignalWatch {
    int signo;
    SignalHandler* handler;  // null: removed by a handler in this turn
  };

  explicit EventBase(std::unique_ptr<Poller> poller);

  int limit_wait(int timeout_ms) const;
  Descriptor* find(int fd);
  void run_signals();
  void sweep_signal_watches();
  void run_tasks();
  void run_ready(const Ready& ready);
  void run_timers();

  Counted<&Counters::bases> counted_;
  std::unique_ptr<Poller> poller_;
  Millis time_;
  TimerWheel wheel_;
  TimerNode end_of_turn_;                 // after the timers due this turn, before those that they schedule
  mutable std::mutex descriptors_mutex_;  // guards the two below
  std::vector<Descriptor> descriptors_;   // by descriptor number
  size_t watched_ = 0;
  std::unique_ptr<SignalSink> signals_;  // created with the first watch
  std::vector<SignalWatch> signal_watches_;
  bool running_signals_ = false;
  EventBaseStats stats_;

  std::atomic<bool> has_tasks_{false};
  std::mutex tasks_mutex_;
  std::vector<std::function<void()>> tasks_;
  std::vector<std::function<void()>> running_tasks_;  // keeps its capacity between turns
};

}  // namespace evenkeel::base
