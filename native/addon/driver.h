// Driver: what turns an event base on behalf of one JavaScript thread, and brings to that thread what
// happened on it.
//
//   host    the base's descriptor is watched by Node's own loop (epoll inside epoll): sockets, codecs and
//   JavaScript
//           share the thread, and nothing is locked. Linux; elsewhere a host base gets a thread of its own.
//   thread  the base turns in a LoopThread; one uv_async wake-up brings whatever has gathered meanwhile.
//
// In a worker that is being terminated any Node-API call may fail and leave its out-parameter alone. All of
// them start out as null, which every Node-API function refuses instead of reading it, so a failure runs out
// by itself.
//
// Threads: the JavaScript thread, except announce().
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

// Something that gathers news on the base's thread and tells JavaScript of it on its own.
class Messenger {
 public:
  virtual ~Messenger() = default;
  // On the JavaScript thread, inside a handle scope; may call JavaScript, once, by make_callback().
  virtual void deliver() = 0;
  // The environment or the base ends: let go of everything that lives on the base. No JavaScript any more.
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

  // Runs the task on the base's thread: now, or soon.
  void run(std::function<void()> task);
  // After JavaScript has changed something on a host base: its timers may be due earlier now.
  virtual void rearm() {}

  void add(std::shared_ptr<Messenger> messenger);
  void remove(Messenger* messenger);
  // `messenger` has news; from the base's thread.
  void announce(Messenger* messenger);

  // While references are held the driver keeps the process alive.
  void ref();
  void unref();

  // Tears every messenger down, ends the thread, and calls `done` when the loop holds nothing of this driver
  // any more.
  void close(std::function<void()> done);

 protected:
  explicit Driver(napi_env env) : env_(env) {}
  // Enters the loop. Where that is refused nothing of the driver is left in it.
  virtual Status open() = 0;
  virtual void wake() = 0;
  virtual void keep_alive(bool alive) = 0;
  virtual void stop_turning() = 0;
  virtual void close_handles(std::function<void()> done) = 0;
  // Nothing watches the base any more: destroy it.
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

// Calls `function` with what `arguments` holds and runs the microtasks after it; an exception becomes the
// process's uncaught exception, as one thrown in a timer would.
// What the function returned; nullptr when it threw, or could not be called.
napi_value make_callback(napi_env env, napi_ref function, size_t count, const napi_value* arguments);

}  // namespace evenkeel::addon
