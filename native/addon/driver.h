// Driver: drives an event base for one JavaScript thread, and reports to that thread what happened on the
// base.
//
//   host    Node's own loop watches the base's descriptor (epoll inside epoll): sockets, codecs and
//           JavaScript share the thread without locks. Linux; elsewhere a host base has its own thread.
//   thread  a LoopThread drives the base; one uv_async wake-up delivers whatever has accumulated.
//
// In a worker that is being terminated, any Node-API call may fail without setting its out-parameter. All of
// them are initialised to null, which every Node-API function rejects instead of dereferencing, so a failure
// is harmless.
//
// Threads: the JavaScript thread, except for announce().
#pragma once

#include <node_api.h>
#include <uv.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/event_base.h"
#include "base/loop_thread.h"

namespace evenkeel::addon {

// Collects news on the base's thread and reports it to JavaScript.
class Messenger {
 public:
  virtual ~Messenger() = default;
  // Called on the JavaScript thread, inside a handle scope. May call JavaScript once, with make_callback().
  virtual void deliver() = 0;
  // Called when the environment or the base ends: release everything on the base, without calling JavaScript.
  virtual void tear_down() = 0;
};

class Driver {
 public:
  // Null, with the reason in *status, when the system refuses a descriptor, a thread or memory.
  static std::shared_ptr<Driver> create(napi_env env, bool threaded, const std::string& name, Status* status);
  virtual ~Driver() = default;

  virtual base::EventBase& base() = 0;
  virtual bool threaded() const = 0;
  napi_env env() const { return env_; }
  bool closing() const { return closing_; }

  // Runs the task on the base's thread, now or soon.
  void run(std::function<void()> task);
  // Call after JavaScript has changed something on a host base, because its timers may now be due earlier.
  virtual void rearm() {}

  void add(std::shared_ptr<Messenger> messenger);
  void remove(Messenger* messenger);
  // Reports that `messenger` has news; called on the base's thread.
  void announce(Messenger* messenger);

  // The driver keeps the process alive while it has references.
  void ref();
  void unref();

  // Tears all messengers down, ends the thread, and calls `done` when nothing of this driver is left in the
  // loop.
  void close(std::function<void()> done);

 protected:
  explicit Driver(napi_env env) : env_(env) {}
  // Registers with the loop. If that fails, nothing of the driver is left in it.
  virtual Status open() = 0;
  virtual void wake() = 0;
  virtual void keep_alive(bool alive) = 0;
  virtual void stop_turning() = 0;
  virtual void close_handles(std::function<void()> done) = 0;
  // Destroys the base, when nothing watches it any more.
  virtual void destroy_base() = 0;
  void deliver();

  const napi_env env_;

 private:
  std::vector<std::shared_ptr<Messenger>> messengers_;
  std::mutex mutex_;  // of announced_
  std::vector<Messenger*> announced_;
  int references_ = 0;
  bool closing_ = false;
};

// Calls `function` with the arguments, then runs the microtasks. An exception becomes an uncaught exception
// of the process, like one thrown in a timer. Returns the result, or nullptr when the function threw or could
// not be called.
napi_value make_callback(napi_env env, napi_ref function, size_t count, const napi_value* arguments);

}  // namespace evenkeel::addon
