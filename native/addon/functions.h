// Native functions bound to a C++ object: one JavaScript function for each method and object, with the
// object's pointer in its data, so that a call neither unwraps nor looks anything up (see Arguments for the
// cost of a call).
#pragma once

#include <node_api.h>

#include <cstdint>
#include <memory>

namespace evenkeel::addon {

inline constexpr size_t kMostArguments = 5;

class Arguments {
 public:
  Arguments(napi_env env, const napi_value* values) : env_(env), values_(values) {}

  napi_value operator[](size_t index) const { return values_[index]; }
  // 0 for anything but a number: lib/ has already checked the user's input.
  uint32_t u32(size_t index) const {
    uint32_t value = 0;
    napi_get_value_uint32(env_, values_[index], &value);
    return value;
  }
  int32_t i32(size_t index) const {
    int32_t value = 0;
    napi_get_value_int32(env_, values_[index], &value);
    return value;
  }
  double f64(size_t index) const {
    double value = 0;
    napi_get_value_double(env_, values_[index], &value);
    return value;
  }
  // false for anything but a boolean.
  bool flag(size_t index) const {
    bool value = false;
    napi_get_value_bool(env_, values_[index], &value);
    return value;
  }
  napi_value boolean(bool value) const {
    napi_value result = nullptr;
    napi_get_boolean(env_, value, &result);
    return result;
  }
  napi_value number(int32_t value) const {
    napi_value result = nullptr;
    napi_create_int32(env_, value, &result);
    return result;
  }
  napi_value undefined() const {
    napi_value result = nullptr;
    napi_get_undefined(env_, &result);
    return result;
  }

 private:
  napi_env env_;
  const napi_value* values_;
};

template <typename Object>
using Method = napi_value (*)(napi_env env, Arguments arguments, const std::shared_ptr<Object>& self);

// Missing arguments are undefined, up to `most`; each one adds a little to the cost of a call. The function
// keeps the object alive.
template <typename Object, Method<Object> method, size_t most = kMostArguments>
void define(napi_env env, napi_value target, const char* name, const std::shared_ptr<Object>& self) {
  const auto callback = [](napi_env caller, napi_callback_info info) -> napi_value {
    napi_value values[most] = {};
    size_t count = most;
    void* data = nullptr;
    napi_get_cb_info(caller, info, &count, values, nullptr, &data);
    return method(caller, Arguments(caller, values), *static_cast<std::shared_ptr<Object>*>(data));
  };
  auto* owner = new std::shared_ptr<Object>(self);
  napi_value function = nullptr;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, owner, &function);
  const napi_status status = napi_add_finalizer(
      env, function, owner,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Object>*>(data); }, nullptr,
      nullptr);
  if (status != napi_ok) {  // the environment ends, so nobody will call the function
    delete owner;
    return;
  }
  // Defined instead of set: V8 turns an object with more than about a dozen set properties into a slow
  // dictionary.
  napi_property_descriptor property{};
  property.utf8name = name;
  property.value = function;
  property.attributes = napi_default_jsproperty;
  napi_define_properties(env, target, 1, &property);
}

inline void set_number(napi_env env, napi_value target, const char* name, double value) {
  napi_value number = nullptr;
  napi_create_double(env, value, &number);
  napi_set_named_property(env, target, name, number);
}

}  // namespace evenkeel::addon
