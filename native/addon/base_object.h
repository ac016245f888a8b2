// BaseObject: an event base as JavaScript uses it: timers, descriptors, signals and statistics, each
// identified by an id that JavaScript chooses. News is delivered by calling one dispatch function: (kind, id,
// argument).
#pragma once

#include <node_api.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "addon/driver.h"

namespace evenkeel::addon {

class BaseObject final : public Messenger, public std::enable_shared_from_this<BaseObject> {
 public:
  // An object with the methods of NativeBase (lib/native/addon.ts).
  static napi_value create(napi_env env, bool threaded, const std::string& name, napi_value dispatch,
                           Status* status);

  BaseObject(std::shared_ptr<Driver> driver, napi_ref dispatch);
  ~BaseObject() override;

  const std::shared_ptr<Driver>& driver() const { return driver_; }

  void set_timer(uint32_t id, uint32_t delay);
  void clear_timer(uint32_t id);
  // Returns an errno for a descriptor that cannot be watched, else 0.
  int watch(uint32_t id, int fd, base::Interest interest);
  void unwatch(uint32_t id);
  void watch_signal(uint32_t id, int signo);
  void unwatch_signal(uint32_t id);
  void request_stats(uint32_t id);
  base::EventBaseStats last_stats();

  void deliver() override;
  void tear_down() override;

 private:
  struct Event {
    uint32_t kind;
    uint32_t id;
    uint32_t argument;
  };
  struct JsTimer;
  struct JsWatch;
  struct JsSignal;

  void report(const Event& event);
  // Runs the task on the base's thread and keeps this object alive until then.
  template <typename Task>
  void run(Task task);

  const std::shared_ptr<Driver> driver_;
  napi_ref dispatch_;

  std::unordered_map<uint32_t, std::shared_ptr<JsWatch>> watches_;
  // Used on the base's thread only.
  std::unordered_map<uint32_t, std::unique_ptr<JsTimer>> timers_;
  std::unordered_map<uint32_t, std::unique_ptr<JsSignal>> signals_;

  std::mutex mutex_;  // of the two below
  std::vector<Event> events_;
  base::EventBaseStats stats_;
};

}  // namespace evenkeel::addon
