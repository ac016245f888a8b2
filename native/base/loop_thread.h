// LoopThread: drives an EventBase in a thread of its own. stop() (and the destructor) runs what was posted
// before it, ends the loop and joins; tasks posted later are destroyed unrun. Signals are blocked in the
// thread, so the process's handlers run elsewhere; only faults are not, since those concern the thread that
// caused them.
//
// Threads: start() and stop() from the owner's thread, which is not the loop's.
#pragma once

#include <pthread.h>

#include <memory>
#include <string>

#include "base/counters.h"
#include "base/event_base.h"

namespace evenkeel::base {

class LoopThread {
 public:
  // `name` is shown by debuggers; the kernel keeps its first 15 bytes. Null, with the reason in *status, when
  // the system refuses a descriptor or a thread.
  static std::unique_ptr<LoopThread> start(const std::string& name, Status* status);
  ~LoopThread();
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // While the loop runs only post() may be called from outside it; after stop(), anything.
  EventBase& base() { return *base_; }
  void stop();

 private:
  LoopThread() = default;
  Status launch();
  void run();

  Counted<&Counters::threads> counted_;
  std::unique_ptr<EventBase> base_;
  std::string name_;
  bool stopping_ = false;  // the loop's own
  // Not std::thread, which reports a refused thread by an exception.
  pthread_t thread_{};
  bool joinable_ = false;
};

}  // namespace evenkeel::base
