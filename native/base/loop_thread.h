// LoopThread: drives an EventBase in a separate thread. stop() (and the destructor) runs what was posted
// before, ends the loop and joins the thread; tasks posted later are destroyed without running. Signals are
// blocked in the thread, so the process's handlers run elsewhere; faults are not blocked, because they
// concern the thread that caused them.
//
// Threads: start() and stop() on the owner's thread, not on the loop's.
#pragma once

#include <pthread.h>

#include <memory>
#include <string>

#include "base/counters.h"
#include "base/event_base.h"

namespace evenkeel::base {

class LoopThread {
 public:
  // `name` appears in debuggers; the kernel keeps the first 15 bytes. Null, with the reason in *status, when
  // the system refuses a descriptor or a thread.
  static std::unique_ptr<LoopThread> start(const std::string& name, Status* status);
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // While the loop runs, only post() may be called from other threads; after stop(), anything.
  EventBase& base() { return *base_; }
  void stop();

 private:
  LoopThread() = default;
  Status launch();
  void run();

  Counted<&Counters::threads> counted_;
  std::unique_ptr<EventBase> base_;
  std::string name_;
  bool stopping_ = false;  // accessed by the loop only
  // Not std::thread, which throws when no thread can be created.
  pthread_t thread_{};
  bool joinable_ = false;
};

}  // namespace evenkeel::base
