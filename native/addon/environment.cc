#include "addon/environment.h"

#include <algorithm>

namespace evenkeel::addon {

void Environment::install(napi_env env) {
  auto* environment = new Environment();
  napi_set_instance_data(
      env, environment, [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); }, nullptr);
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle hook, void* data) { static_cast<Environment*>(data)->end(hook); },
      environment, nullptr);
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<Environment*>(data);
}

void Environment::close(const std::shared_ptr<Driver>& driver, std::function<void()> done) {
  driver->close([this, driver, done = std::move(done)] {
    std::erase(drivers_, driver);
    done();
    if (ending_) finish();
  });
}

void Environment::end(napi_async_cleanup_hook_handle hook) {
  hook_ = hook;
  ending_ = true;
  const std::vector<std::shared_ptr<Driver>> drivers = drivers_;
  for (const auto& driver : drivers) {
    if (!driver->closing()) close(driver, [] {});
  }
  finish();
}

void Environment::finish() {
  if (drivers_.empty() && hook_ != nullptr) {
    napi_remove_async_cleanup_hook(hook_);
    hook_ = nullptr;
  }
}

}  // namespace evenkeel::addon
