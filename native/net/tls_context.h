// TlsContext: what TLS connections share: trusted authorities, own certificate, and protocol versions.
// Creating it takes milliseconds when there are many authorities, so it is created once and shared.
//
// Threads: created on any thread, used on any number of them at the same time; immutable.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/openssl.h"

namespace evenkeel::net {

enum class TlsVersion : uint16_t { k12 = 0x0303, k13 = 0x0304 };

struct TlsOptions {
  // The only trusted authorities, in PEM; each text may contain any number of certificates.
  std::vector<std::string> authorities{};
  // The own certificate and key for servers that require them, in PEM; intermediate certificates follow the
  // certificate. Both or neither.
  std::string certificate{};
  std::string key{};
  std::string passphrase{};
  TlsVersion min_version = TlsVersion::k12;
  TlsVersion max_version = TlsVersion::k13;
  // False: accepts any server without verification.
  bool verifies = true;
};

// The invalid option and the reason, as a message.
struct TlsMistake {
  enum class Option { kNone, kAuthorities, kCertificate, kKey, kVersions };
  Option option = Option::kNone;  // kNone: the options are not to blame
  std::string text;
};

class TlsContext {
 public:
  // Null, with the reason in *mistake, when an option is invalid or there is no memory.
  static std::shared_ptr<const TlsContext> create(const OpenSsl& ssl, const TlsOptions& options,
                                                  TlsMistake* mistake);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  const OpenSsl& ssl() const { return ssl_; }
  ssl_ctx_st* handle() const { return handle_; }

 private:
  TlsContext(const OpenSsl& ssl, ssl_ctx_st* handle) : ssl_(ssl), handle_(handle) {}

  const OpenSsl& ssl_;
  ssl_ctx_st* const handle_;
};

}  // namespace evenkeel::net
