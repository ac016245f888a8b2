// What JavaScript has of TLS contexts: it makes them, keeps them and hands them to clients.
#pragma once

#include <node_api.h>

#include <memory>

#include "net/tls_context.h"

namespace evenkeel::addon {

// Of createTlsContext() (lib/native/addon.ts): a NativeTlsContext; a NativeTlsMistake; undefined where the
// process has no OpenSSL 3.
napi_value create_tls_context(napi_env env, napi_callback_info info);

// Null for what is no NativeTlsContext.
std::shared_ptr<const net::TlsContext> tls_context_of(napi_env env, napi_value value);

}  // namespace evenkeel::addon
