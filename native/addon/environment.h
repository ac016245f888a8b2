// Environment: what one JavaScript thread has of this addon. It lives in the instance data, so that nothing
// is shared between the main thread and its workers, and is taken down by an asynchronous clean-up hook:
// closing a libuv handle from a synchronous one crashes a terminated worker.
//
// Threads: the JavaScript thread's only.
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
  // worker: `done` may come when there is no JavaScript any more, which ending() tells.
  void close(const std::shared_ptr<Driver>& driver, std::function<void()> done);
  bool ending() const { return ending_; }

 private:
  void end(napi_async_cleanup_hook_handle hook);
  void finish();

  const bool frees_hooks_;  // Deno frees a hook before it calls it: to remove it would free it again
  std::vector<std::shared_ptr<Driver>> drivers_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
};

}  // namespace evenkeel::addon
