#include "addon/base_object.h"

#include <sys/stat.h>

#include <cerrno>

#include "addon/client_object.h"
#include "addon/environment.h"
#include "addon/functions.h"
#include "pipeline/layout.h"

namespace evenkeel::addon {

struct BaseObject::JsTimer final : base::Timer {
  JsTimer(BaseObject& owner, uint32_t id) : owner_(owner), id_(id) {}
  void on_timer() override {
    BaseObject& owner = owner_;
    const uint32_t id = id_;
    owner.timers_.erase(id);  // destroys this
    owner.report({layout::kEventTimer, id, 0});
  }
  BaseObject& owner_;
  const uint32_t id_;
};

// A descriptor is told of once and then unwatched until JavaScript has heard of it: level-triggered readiness
// would spin a thread whose JavaScript is busy. arm() and end() are the JavaScript thread's: what it cancels
// it may close at once.
struct BaseObject::JsWatch final : base::DescriptorHandler {
  JsWatch(BaseObject& owner, uint32_t id, int fd, base::Interest interest)
      : owner_(owner), id_(id), fd_(fd), interest_(interest) {}
  Status arm() {
    const std::lock_guard guard(mutex_);
    if (armed_) return Status::ok();
    const Status status = owner_.driver_->base().watch(fd_, interest_, this);
    armed_ = status.is_ok();
    return status;
  }
  void end() { disarm(); }
  void on_ready(bool readable, bool writable) override {
    if (!disarm()) return;
    const uint32_t wanted = static_cast<uint32_t>(interest_);
    const uint32_t ready = ((readable ? 1u : 0u) | (writable ? 2u : 0u)) & wanted;
    owner_.report({layout::kEventReady, id_, ready == 0 ? wanted : ready});
  }

 private:
  // False when it was not armed.
  bool disarm() {
    const std::lock_guard guard(mutex_);
    if (!armed_) return false;
    owner_.driver_->base().unwatch(fd_);
    armed_ = false;
    return true;
  }

  BaseObject& owner_;
  const uint32_t id_;
  const int fd_;
  const base::Interest interest_;
  std::mutex mutex_;  // of what follows
  bool armed_ = false;
};

struct BaseObject::JsSignal final : base::SignalHandler {
  JsSignal(BaseObject& owner, uint32_t id, int signo) : owner_(owner), id_(id), signo_(signo) {
    const Status status = owner_.driver_->base().watch_signal(signo, this);
    if (!status.is_ok())
      owner_.report({layout::kEventWatchFailed, id_, static_cast<uint32_t>(status.error())});
  }
  ~JsSignal() { owner_.driver_->base().unwatch_signal(signo_, this); }
  void on_signal(int signo) override {
    owner_.report({layout::kEventSignal, id_, static_cast<uint32_t>(signo)});
  }
  BaseObject& owner_;
  const uint32_t id_;
  const int signo_;
};

BaseObject::BaseObject(std::shared_ptr<Driver> driver, napi_ref dispatch)
    : driver_(std::move(driver)), dispatch_(dispatch) {}

BaseObject::~BaseObject() {
  if (dispatch_ != nullptr) napi_delete_reference(driver_->env(), dispatch_);
}

template <typename Task>
void BaseObject::run(Task task) {
  driver_->run([self = shared_from_this(), task = std::move(task)] { task(*self); });
}

void BaseObject::report(const Event& event) {
  {
    const std::lock_guard guard(mutex_);
    events_.push_back(event);
    if (events_.size() > 1) return;
  }
  driver_->announce(this);
}

void BaseObject::set_timer(uint32_t id, uint32_t delay) {
  run([id, delay](BaseObject& self) {
    auto& timer = self.timers_[id];
    timer = std::make_unique<JsTimer>(self, id);
    base::EventBase& base = self.driver_->base();
    // The clock tells whole milliseconds that have passed: without one more the timer could come a part of
    // one early.
    base.schedule(timer.get(), base.refresh_time() + delay + (delay > 0 ? 1 : 0));
  });
}

void BaseObject::clear_timer(uint32_t id) {
  run([id](BaseObject& self) { self.timers_.erase(id); });
}

int BaseObject::watch(uint32_t id, int fd, base::Interest interest) {
  struct stat info;
  if (fstat(fd, &info) != 0) return errno;
  if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return EPERM;  // always ready: nothing to wait for
  auto watch = std::make_shared<JsWatch>(*this, id, fd, interest);
  const Status status = watch->arm();
  if (status.is_ok()) watches_[id] = std::move(watch);
  return status.error();
}

void BaseObject::unwatch(uint32_t id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  const std::shared_ptr<JsWatch> watch = std::move(found->second);
  watches_.erase(found);
  watch->end();
  run([watch](BaseObject&) {});  // its thread may be in the middle of a call of it
}

void BaseObject::watch_signal(uint32_t id, int signo) {
  run([id, signo](BaseObject& self) { self.signals_[id] = std::make_unique<JsSignal>(self, id, signo); });
}

void BaseObject::unwatch_signal(uint32_t id) {
  run([id](BaseObject& self) { self.signals_.erase(id); });
}

void BaseObject::request_stats(uint32_t id) {
  run([id](BaseObject& self) {
    {
      const std::lock_guard guard(self.mutex_);
      self.stats_ = self.driver_->base().stats();
    }
    self.report({layout::kEventStats, id, 0});
  });
}

base::EventBaseStats BaseObject::last_stats() {
  const std::lock_guard guard(mutex_);
  return stats_;
}

void BaseObject::deliver() {
  std::vector<Event> events;
  {
    const std::lock_guard guard(mutex_);
    events.swap(events_);
  }
  const napi_env env = driver_->env();
  for (const Event& event : events) {
    if (driver_->closing() || dispatch_ == nullptr) return;
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    napi_value arguments[3] = {};
    napi_create_uint32(env, event.kind, &arguments[0]);
    napi_create_uint32(env, event.id, &arguments[1]);
    napi_create_uint32(env, event.argument, &arguments[2]);
    make_callback(env, dispatch_, 3, arguments);
    napi_close_handle_scope(env, scope);
    if (event.kind != layout::kEventReady) continue;
    const auto found = watches_.find(event.id);
    if (found == watches_.end()) continue;
    const Status status = found->second->arm();
    if (!status.is_ok()) report({layout::kEventWatchFailed, event.id, static_cast<uint32_t>(status.error())});
  }
}

void BaseObject::tear_down() {
  timers_.clear();
  for (const auto& [id, watch] : watches_) watch->end();
  watches_.clear();
  signals_.clear();
  if (dispatch_ != nullptr) napi_delete_reference(driver_->env(), dispatch_);
  dispatch_ = nullptr;
}

namespace calls {

using Self = std::shared_ptr<BaseObject>;

static napi_value ref(napi_env, Arguments arguments, const Self& self) {
  self->driver()->ref();
  return arguments.undefined();
}

static napi_value unref(napi_env, Arguments arguments, const Self& self) {
  self->driver()->unref();
  return arguments.undefined();
}

static napi_value set_timer(napi_env, Arguments arguments, const Self& self) {
  self->set_timer(arguments.u32(0), arguments.u32(1));
  return arguments.undefined();
}

static napi_value clear_timer(napi_env, Arguments arguments, const Self& self) {
  self->clear_timer(arguments.u32(0));
  return arguments.undefined();
}

static napi_value watch(napi_env, Arguments arguments, const Self& self) {
  const auto interest = static_cast<base::Interest>(arguments.u32(2) & 3);
  return arguments.number(self->watch(arguments.u32(0), arguments.i32(1), interest));
}

static napi_value unwatch(napi_env, Arguments arguments, const Self& self) {
  self->unwatch(arguments.u32(0));
  return arguments.undefined();
}

static napi_value watch_signal(napi_env, Arguments arguments, const Self& self) {
  self->watch_signal(arguments.u32(0), arguments.i32(1));
  return arguments.undefined();
}

static napi_value unwatch_signal(napi_env, Arguments arguments, const Self& self) {
  self->unwatch_signal(arguments.u32(0));
  return arguments.undefined();
}

static napi_value request_stats(napi_env, Arguments arguments, const Self& self) {
  self->request_stats(arguments.u32(0));
  return arguments.undefined();
}

static napi_value last_stats(napi_env env, Arguments, const Self& self) {
  const base::EventBaseStats stats = self->last_stats();
  napi_value result = nullptr;
  napi_create_object(env, &result);
  set_number(env, result, "polls", static_cast<double>(stats.polls));
  set_number(env, result, "wakeups", static_cast<double>(stats.wakeups));
  set_number(env, result, "readyEvents", static_cast<double>(stats.ready_events));
  set_number(env, result, "timersFired", static_cast<double>(stats.timers_fired));
  set_number(env, result, "writes", static_cast<double>(stats.writes));
  set_number(env, result, "descriptors", static_cast<double>(stats.descriptors));
  set_number(env, result, "timers", static_cast<double>(stats.timers));
  return result;
}

static napi_value close(napi_env env, Arguments arguments, const Self& self) {
  if (self->driver()->closing()) return arguments.undefined();
  napi_ref done = nullptr;
  napi_create_reference(env, arguments[0], 1, &done);
  const std::shared_ptr<Environment> environment = Environment::of(env);
  environment->close(self->driver(), [env, done, environment] {
    if (environment->ending()) return;
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env, &scope);
    make_callback(env, done, 0, nullptr);
    napi_delete_reference(env, done);
    napi_close_handle_scope(env, scope);
  });
  return arguments.undefined();
}

static napi_value create_client(napi_env env, Arguments arguments, const Self& self) {
  return ClientObject::create(env, self->driver(), arguments);
}

}  // namespace calls

napi_value BaseObject::create(napi_env env, bool threaded, const std::string& name, napi_value dispatch,
                              Status* status) {
  std::shared_ptr<Driver> driver = Driver::create(env, threaded, name, status);
  if (driver == nullptr) return nullptr;
  Environment::of(env)->add(driver);
  napi_ref reference = nullptr;
  napi_create_reference(env, dispatch, 1, &reference);
  const auto self = std::make_shared<BaseObject>(driver, reference);
  driver->add(self);
  napi_value object = nullptr;
  napi_create_object(env, &object);
  define<BaseObject, calls::ref>(env, object, "ref", self);
  define<BaseObject, calls::unref>(env, object, "unref", self);
  define<BaseObject, calls::set_timer>(env, object, "setTimer", self);
  define<BaseObject, calls::clear_timer>(env, object, "clearTimer", self);
  define<BaseObject, calls::watch>(env, object, "watch", self);
  define<BaseObject, calls::unwatch>(env, object, "unwatch", self);
  define<BaseObject, calls::watch_signal>(env, object, "watchSignal", self);
  define<BaseObject, calls::unwatch_signal>(env, object, "unwatchSignal", self);
  define<BaseObject, calls::request_stats>(env, object, "requestStats", self);
  define<BaseObject, calls::last_stats>(env, object, "lastStats", self);
  define<BaseObject, calls::close>(env, object, "close", self);
  define<BaseObject, calls::create_client>(env, object, "createClient", self);
  return object;
}

}  // namespace evenkeel::addon
