// TlsContext: what TLS connections have in common: whom they trust, who they say they are, what they speak.
// Made once, which costs milliseconds where many authorities are trusted, and then shared.
//
// Threads: made on any, used on any number of them at once; unchanging.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/openssl.h"

namespace evenkeel::net {

enum class TlsVersion : uint16_t { k12 = 0x0303, k13 = 0x0304 };

struct TlsOptions {
  // The authorities, PEM, each text with any number of certificates; nobody else is trusted.
  std::vector<std::string> authorities{};
  // Of this side, for servers that ask: PEM, the own certificate first and then those between it and the
  // authority. Both or neither.
  std::string certificate{};
  std::string key{};
  std::string passphrase{};
  TlsVersion min_version = TlsVersion::k12;
  TlsVersion max_version = TlsVersion::k13;
  // False: whoever answers is taken for the server.
  bool verifies = true;
};

// Which of the options is wrong, and why; for people.
struct TlsMistake {
  enum class Option { kNone, kAuthorities, kCertificate, kKey, kVersions };
  Option option = Option::kNone;  // kNone: it is no fault of the options
  std::string text;
};

class TlsContext {
 public:
  // Null, with the reason in *mistake, when an option is wrong or there is no memory.
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
