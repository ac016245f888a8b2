#include "addon/environment.h"

#include <algorithm>
#include <string_view>

namespace evenkeel::addon {

namespace {

bool is_deno(napi_env env) {
  const napi_node_version* version = nullptr;
  napi_get_node_version(env, &version);
  return version != nullptr && version->release != nullptr && std::string_view(version->release) == "Deno";
}

}  // namespace

void Environment::install(napi_env env) {
  auto* environment = new auto(std::make_shared<Environment>(is_deno(env)));
  const auto forget = [](napi_env, void* data, void*) {
    auto* owner = static_cast<std::shared_ptr<Environment>*>(data);
    (*owner)->ending_ = true;
    (*owner)->hook_ = nullptr;
    delete owner;
  };
  napi_set_instance_data(env, environment, forget, nullptr);
  napi_add_async_cleanup_hook(
      env,
      [](napi_async_cleanup_hook_handle hook, void* data) {
        (*static_cast<std::shared_ptr<Environment>*>(data))->end(hook);
      },
      environment, nullptr);
}

std::shared_ptr<Environment> Environment::of(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<std::shared_ptr<Environment>*>(data);
}

void Environment::close(const std::shared_ptr<Driver>& driver, std::function<void()> done) {
  driver->close([self = shared_from_this(), driver, done = std::move(done)] {
    std::erase(self->drivers_, driver);
    done();
    if (self->ending_) self->finish();
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
    if (!frees_hooks_) napi_remove_async_cleanup_hook(hook_);
    hook_ = nullptr;
  }
}

}  // namespace evenkeel::addon
