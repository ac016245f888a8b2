#include "addon/driver.h"

#include <algorithm>
#include <utility>

namespace evenkeel::addon {

namespace {

uv_loop_t* loop_of(napi_env env) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return loop;
}

// The C++ object behind a handle lives until its last close callback: `open` counts those to come.
struct Closing {
  int open;
  std::function<void()> done;
};

void close_handle(uv_handle_t* handle, Closing* closing) {
  handle->data = closing;
  uv_close(handle, [](uv_handle_t* closed) {
    auto* all = static_cast<Closing*>(closed->data);
    if (--all->open > 0) return;
    const std::unique_ptr<Closing> owned(all);
    owned->done();
  });
}

class HostDriver final : public Driver {
 public:
  HostDriver(napi_env env, std::unique_ptr<base::EventBase> base) : Driver(env), base_(std::move(base)) {}

  base::EventBase& base() override { return *base_; }
  bool threaded() const override { return false; }

  Status open() override {
    uv_loop_t* loop = loop_of(env_);
    const int error = uv_poll_init(loop, &poll_, base_->descriptor());
    if (error != 0) return Status::from_errno(-error);
    uv_timer_init(loop, &timer_);
    poll_.data = timer_.data = this;
    uv_poll_start(&poll_, UV_READABLE,
                  [](uv_poll_t* poll, int, int) { static_cast<HostDriver*>(poll->data)->turn(); });
    keep_alive(false);
    return Status::ok();
  }

  void rearm() override {
    if (closing()) return;
    const base::Millis deadline = base_->next_deadline();
    if (deadline == armed_) return;
    const base::Millis now = base::now();
    if (deadline <= now) {
      // Not by a timer of 0 ms: one started from a timer's callback comes before anything else, again and
      // again.
      if (!std::exchange(overdue_, true)) wake();
      return;
    }
    armed_ = deadline;
    if (deadline == base::kNever) {
      uv_timer_stop(&timer_);
      return;
    }
    // libuv counts from the start of its turn, so the timer may come early; the turn then sets it anew.
    uv_timer_start(
        &timer_,
        [](uv_timer_t* timer) {
          auto* self = static_cast<HostDriver*>(timer->data);
          self->armed_ = base::kNever;
          self->turn();
        },
        deadline - now, 0);
  }

 protected:
  void wake() override {
    if (polling_) return;  // deliver() comes next
    base_->post([] {});    // makes the descriptor readable, so that the loop comes round
  }

  void keep_alive(bool alive) override {
    for (auto* handle : {reinterpret_cast<uv_handle_t*>(&poll_), reinterpret_cast<uv_handle_t*>(&timer_)}) {
      alive ? uv_ref(handle) : uv_unref(handle);
    }
  }

  void stop_turning() override {
    uv_poll_stop(&poll_);
    uv_timer_stop(&timer_);
  }

  void close_handles(std::function<void()> done) override {
    auto* closing = new Closing{2, std::move(done)};
    close_handle(reinterpret_cast<uv_handle_t*>(&poll_), closing);
    close_handle(reinterpret_cast<uv_handle_t*>(&timer_), closing);
  }

  void destroy_base() override { base_.reset(); }

 private:
  void turn() {
    napi_handle_scope scope = nullptr;
    napi_open_handle_scope(env_, &scope);
    overdue_ = false;
    polling_ = true;
    base_->poll(0);
    polling_ = false;
    deliver();
    rearm();
    napi_close_handle_scope(env_, scope);
  }

  std::unique_ptr<base::EventBase> base_;
  uv_poll_t poll_;
  uv_timer_t timer_;
  base::Millis armed_ = base::kNever;
  bool polling_ = false;
  bool overdue_ = false;  // a turn is on its way for a deadline that has passed
};

class ThreadDriver final : public Driver {
 public:
  ThreadDriver(napi_env env, std::unique_ptr<base::LoopThread> thread)
      : Driver(env), thread_(std::move(thread)) {}

  base::EventBase& base() override { return thread_->base(); }
  bool threaded() const override { return true; }

  Status open() override {
    const int error = uv_async_init(loop_of(env_), &async_, [](uv_async_t* async) {
      auto* self = static_cast<ThreadDriver*>(async->data);
      napi_handle_scope scope = nullptr;
      napi_open_handle_scope(self->env_, &scope);
      self->deliver();
      napi_close_handle_scope(self->env_, scope);
    });
    if (error != 0) return Status::from_errno(-error);
    async_.data = this;
    keep_alive(false);
    return Status::ok();
  }

 protected:
  void wake() override { uv_async_send(&async_); }

  void keep_alive(bool alive) override {
    auto* handle = reinterpret_cast<uv_handle_t*>(&async_);
    alive ? uv_ref(handle) : uv_unref(handle);
  }

  void stop_turning() override { thread_->stop(); }

  void close_handles(std::function<void()> done) override {
    close_handle(reinterpret_cast<uv_handle_t*>(&async_), new Closing{1, std::move(done)});
  }

  void destroy_base() override { thread_.reset(); }

 private:
  std::unique_ptr<base::LoopThread> thread_;
  uv_async_t async_;
};

}  // namespace

std::shared_ptr<Driver> Driver::create(napi_env env, bool threaded, const std::string& name, Status* status) {
#if !defined(__linux__)
  threaded = true;  // a kqueue inside another may never fire
#endif
  std::shared_ptr<Driver> driver;
  if (threaded) {
    auto thread = base::LoopThread::start(name, status);
    if (thread == nullptr) return nullptr;
    driver = std::make_shared<ThreadDriver>(env, std::move(thread));
  } else {
    auto base = base::EventBase::create(status);
    if (base == nullptr) return nullptr;
    driver = std::make_shared<HostDriver>(env, std::move(base));
  }
  *status = driver->open();
  return status->is_ok() ? driver : nullptr;
}

void Driver::run(std::function<void()> task) {
  if (closing_) return;
  if (threaded()) {
    base().post(std::move(task));
  } else {
    task();
    rearm();
  }
}

void Driver::add(std::shared_ptr<Messenger> messenger) { messengers_.push_back(std::move(messenger)); }

void Driver::remove(Messenger* messenger) {
  std::erase_if(messengers_, [messenger](const auto& each) { return each.get() == messenger; });
}

void Driver::announce(Messenger* messenger) {
  {
    const std::lock_guard guard(mutex_);
    announced_.push_back(messenger);
    if (announced_.size() > 1) return;
  }
  wake();
}

void Driver::deliver() {
  std::vector<Messenger*> announced;
  {
    const std::lock_guard guard(mutex_);
    announced.swap(announced_);
  }
  for (Messenger* each : announced) {
    // JavaScript may have closed it, or the whole driver, since it announced itself.
    const auto found = std::find_if(messengers_.begin(), messengers_.end(),
                                    [each](const auto& messenger) { return messenger.get() == each; });
    if (closing_ || found == messengers_.end()) continue;
    const std::shared_ptr<Messenger> alive = *found;
    alive->deliver();
  }
}

void Driver::ref() {
  if (++references_ == 1 && !closing_) keep_alive(true);
}

void Driver::unref() {
  if (--references_ == 0 && !closing_) keep_alive(false);
}

void Driver::close(std::function<void()> done) {
  if (closing_) return;
  stop_turning();
  for (const auto& messenger : messengers_) messenger->tear_down();
  messengers_.clear();
  closing_ = true;
  close_handles([this, done = std::move(done)] {
    destroy_base();
    done();
  });
}

napi_value make_callback(napi_env env, napi_ref function, size_t count, const napi_value* arguments) {
  napi_value callback = nullptr;
  napi_value receiver = nullptr;
  napi_value result = nullptr;  // Deno writes it without asking whether it is wanted
  if (napi_get_reference_value(env, function, &callback) != napi_ok || callback == nullptr) return nullptr;
  if (napi_get_global(env, &receiver) != napi_ok) return nullptr;
  const napi_status status = napi_make_callback(env, nullptr, receiver, callback, count, arguments, &result);
  if (status == napi_ok) return result;
  napi_value error = nullptr;
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
  return nullptr;
}

}  // namespace evenkeel::addon
