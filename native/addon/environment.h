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

class Environment {
 public:
  static void install(napi_env env);
  static Environment& of(napi_env env);

  void add(const std::shared_ptr<Driver>& driver) { drivers_.push_back(driver); }
  // Closes the driver and calls `done` when nothing of it is left.
  void close(const std::shared_ptr<Driver>& driver, std::function<void()> done);
  bool ending() const { return ending_; }

 private:
  void end(napi_async_cleanup_hook_handle hook);
  void finish();

  std::vector<std::shared_ptr<Driver>> drivers_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
};

}  // namespace evenkeel::addon
