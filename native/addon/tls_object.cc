#include "addon/tls_object.h"

#include <string>

namespace evenkeel::addon {

namespace {

using Context = std::shared_ptr<const net::TlsContext>;
using Option = net::TlsMistake::Option;

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  napi_get_named_property(env, object, name, &value);
  return value;
}

std::string text(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return {};
  std::string result(length, '\0');
  napi_get_value_string_utf8(env, value, result.data(), length + 1, &length);
  return result;
}

net::TlsVersion version(napi_env env, napi_value value) {
  uint32_t number = 0;
  napi_get_value_uint32(env, value, &number);
  return static_cast<net::TlsVersion>(number);
}

net::TlsOptions read_options(napi_env env, napi_value given) {
  net::TlsOptions options;
  const napi_value authorities = property(env, given, "ca");
  uint32_t count = 0;
  napi_get_array_length(env, authorities, &count);
  for (uint32_t i = 0; i < count; ++i) {
    napi_value one = nullptr;
    napi_get_element(env, authorities, i, &one);
    options.authorities.push_back(text(env, one));
  }
  options.certificate = text(env, property(env, given, "cert"));
  options.key = text(env, property(env, given, "key"));
  options.passphrase = text(env, property(env, given, "passphrase"));
  options.min_version = version(env, property(env, given, "minVersion"));
  options.max_version = version(env, property(env, given, "maxVersion"));
  napi_get_value_bool(env, property(env, given, "rejectUnauthorized"), &options.verifies);
  return options;
}

const char* name_of(Option option) {
  switch (option) {
    case Option::kAuthorities:
      return "ca";
    case Option::kCertificate:
      return "cert";
    case Option::kKey:
      return "key";
    case Option::kVersions:
      return "minVersion";
    case Option::kNone:
      break;
  }
  return "";
}

napi_value describe(napi_env env, const net::TlsMistake& mistake) {
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_value word = nullptr;
  napi_create_string_utf8(env, name_of(mistake.option), NAPI_AUTO_LENGTH, &word);
  napi_set_named_property(env, result, "option", word);
  napi_create_string_utf8(env, mistake.text.data(), mistake.text.size(), &word);
  napi_set_named_property(env, result, "text", word);
  return result;
}

}  // namespace

napi_value create_tls_context(napi_env env, napi_callback_info info) {
  napi_value given = nullptr;
  size_t count = 1;
  napi_get_cb_info(env, info, &count, &given, nullptr, nullptr);
  const net::OpenSsl* const ssl = net::OpenSsl::find();
  if (ssl == nullptr) return nullptr;
  net::TlsMistake mistake;
  Context context = net::TlsContext::create(*ssl, read_options(env, given), &mistake);
  if (context == nullptr) return describe(env, mistake);
  auto* const owner = new Context(std::move(context));
  const auto release = [](napi_env, void* data, void*) { delete static_cast<Context*>(data); };
  napi_value result = nullptr;
  if (napi_create_external(env, owner, release, nullptr, &result) == napi_ok) return result;
  delete owner;  // the environment ends
  return nullptr;
}

std::shared_ptr<const net::TlsContext> tls_context_of(napi_env env, napi_value value) {
  void* data = nullptr;
  if (napi_get_value_external(env, value, &data) != napi_ok) return nullptr;
  return *static_cast<Context*>(data);
}

}  // namespace evenkeel::addon
