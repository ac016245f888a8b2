// TLS contexts as JavaScript objects, which JavaScript creates, keeps and passes to clients.
#pragma once

#include <node_api.h>

#include <memory>

#include "net/tls_context.h"

namespace evenkeel::addon {

// createTlsContext() (lib/native/addon.ts): returns a NativeTlsContext, a NativeTlsMistake, or undefined when
// the process has no OpenSSL 3.
napi_value create_tls_context(napi_env env, napi_callback_info info);

// Null for anything but a NativeTlsContext.
std::shared_ptr<const net::TlsContext> tls_context_of(napi_env env, napi_value value);

}  // namespace evenkeel::addon
