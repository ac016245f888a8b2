// Environment: the state of this addon in one JavaScript thread. It is stored in the instance data, so that
// the main thread and its workers share nothing. An asynchronous clean-up hook tears it down: closing a libuv
// handle from a synchronous one crashes a terminated worker.
//
// Threads: only the JavaScript thread.
#pragma once

#include <node_api.h>

#include <memory>
#include <vector>

#include "addon/driver.h"

namespace evenkeel::addon {

class Environment : public std::enable_shared_from_this<Environment> {
 public:
  static void install(napi_env env);
  static std::shared_ptr<Environment> of(napi_env env);
  explicit Environment(bool frees_hooks) : frees_hooks_(frees_hooks) {}

  void add(const std::shared_ptr<Driver>& driver) { drivers_.push_back(driver); }
  // Closes the driver and calls `done` when nothing of it is left. Bun does not wait for that when it ends a
  // worker, so `done` may come when JavaScript cannot be called any more; ending() then returns true.
  void close(const std::shared_ptr<Driver>& driver, std::function<void()> done);
  bool ending() const { return ending_; }

 private:
  void end(napi_async_cleanup_hook_handle hook);
  void finish();

  const bool frees_hooks_;  // Deno frees a hook before calling it, so removing it would free it twice
  std::vector<std::shared_ptr<Driver>> drivers_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
};

}  // namespace evenkeel::addon
