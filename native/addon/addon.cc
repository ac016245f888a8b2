// The addon's entry: createBase() and counters(). Everything else hangs on what createBase() returns.
#include <napi.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "addon/base_object.h"
#include "addon/environment.h"
#include "addon/functions.h"
#include "addon/tls_object.h"
#include "addon/version.h"
#include "base/counters.h"
#include "base/held_locks.h"
#include "base/resources.h"

namespace evenkeel::addon {

namespace {

// createBase(threaded, name, dispatch): a NativeBase, or the errno for which there is none.
Napi::Value create_base(const Napi::CallbackInfo& info) {
  Status status;
  const napi_value base = BaseObject::create(info.Env(), info[0].As<Napi::Boolean>(),
                                             info[1].As<Napi::String>().Utf8Value(), info[2], &status);
  if (base == nullptr) return Napi::Number::New(info.Env(), status.error());
  return Napi::Value(info.Env(), base);
}

Napi::Value read_counters(const Napi::CallbackInfo& info) {
  const base::Counters& now = base::counters;
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("bases", static_cast<double>(now.bases));
  result.Set("threads", static_cast<double>(now.threads));
  result.Set("pipelines", static_cast<double>(now.pipelines));
  result.Set("streams", static_cast<double>(now.streams));
  result.Set("payloads", static_cast<double>(now.payloads));
  result.Set("largeValues", static_cast<double>(now.large_values));
  result.Set("mappedBytes", static_cast<double>(now.mapped_bytes));
  result.Set("unsettled", static_cast<double>(now.unsettled));
  return result;
}

// exitNow(code): ends the process without waiting for its threads. One of them may wait for this one, for
// ever.
void exit_now(const Napi::CallbackInfo& info) { ::_exit(info[0].As<Napi::Number>().Int32Value()); }

template <void (base::HeldLocks::*method)()>
napi_value call_locks(napi_env, Arguments arguments, const std::shared_ptr<base::HeldLocks>& locks) {
  (locks.get()->*method)();
  return arguments.undefined();
}

// holdLocks(file): a NativeLocks.
Napi::Value hold_locks(const Napi::CallbackInfo& info) {
  const auto locks = std::make_shared<base::HeldLocks>(info[0].As<Napi::String>().Utf8Value());
  Napi::Object result = Napi::Object::New(info.Env());
  define<base::HeldLocks, call_locks<&base::HeldLocks::take>>(info.Env(), result, "take", locks);
  define<base::HeldLocks, call_locks<&base::HeldLocks::loosen>>(info.Env(), result, "loosen", locks);
  define<base::HeldLocks, call_locks<&base::HeldLocks::release>>(info.Env(), result, "release", locks);
  return result;
}

// canMap(bytes), canStartThreads(count, stackBytes): what there is room for at this moment.
Napi::Value can_map(const Napi::CallbackInfo& info) {
  const auto bytes = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  return Napi::Boolean::New(info.Env(), base::can_map(bytes));
}

Napi::Value can_start_threads(const Napi::CallbackInfo& info) {
  const uint32_t count = info[0].As<Napi::Number>();
  const uint32_t stack_bytes = info[1].As<Napi::Number>();
  return Napi::Boolean::New(info.Env(), base::can_start_threads(count, stack_bytes));
}

// attempt(object, method, ...arguments): calls a method of another addon, and says whether it was called. It
// is not in a worker that is being terminated: Node-API refuses then what could run JavaScript, this call as
// well as the unwrapping of the object, which an addon may not survive. So the look for the one is as near as
// can be to the other.
napi_value attempt(napi_env env, napi_callback_info info) {
  napi_value arguments[4] = {};
  size_t count = 4;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_value result = nullptr;
  const napi_status status = napi_call_function(env, arguments[0], arguments[1], 2, arguments + 2, &result);
  bool has_thrown = false;
  if (status != napi_ok) napi_is_exception_pending(env, &has_thrown);
  if (has_thrown) return nullptr;
  napi_get_boolean(env, status == napi_ok, &result);
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  Environment::install(env);
  exports.Set("version", kVersion);
  exports.Set("createBase", Napi::Function::New<create_base>(env, "createBase"));
  exports.Set("exitNow", Napi::Function::New<exit_now>(env, "exitNow"));
  exports.Set("holdLocks", Napi::Function::New<hold_locks>(env, "holdLocks"));
  exports.Set("canMap", Napi::Function::New<can_map>(env, "canMap"));
  exports.Set("canStartThreads", Napi::Function::New<can_start_threads>(env, "canStartThreads"));
  napi_value function = nullptr;
  napi_create_function(env, "attempt", NAPI_AUTO_LENGTH, attempt, nullptr, &function);
  exports.Set("attempt", function);
  napi_create_function(env, "createTlsContext", NAPI_AUTO_LENGTH, create_tls_context, nullptr, &function);
  exports.Set("createTlsContext", function);
  exports.Set("counters", Napi::Function::New<read_counters>(env, "counters"));
  return exports;
}

}  // namespace

}  // namespace evenkeel::addon

Napi::Object Init(Napi::Env env, Napi::Object exports) { return evenkeel::addon::initialise(env, exports); }

NODE_API_MODULE(evenkeel, Init)
