#include "net/tls_context.h"

#include <algorithm>
#include <climits>
#include <string_view>
#include <utility>

namespace evenkeel::net {

namespace {

using Option = TlsMistake::Option;

// Without a callback OpenSSL would ask for the pass phrase on the terminal.
int give_passphrase(char* buffer, int size, int /*writing*/, void* data) {
  const auto& passphrase = *static_cast<const std::string*>(data);
  if (passphrase.empty() || passphrase.size() > static_cast<size_t>(size)) return -1;
  std::ranges::copy(passphrase, buffer);
  return static_cast<int>(passphrase.size());
}

// Reads the options into a context; the first mistake ends it.
class Reader {
 public:
  Reader(const OpenSsl& ssl, ssl_ctx_st* context, TlsMistake* mistake)
      : ssl_(ssl), context_(context), mistake_(mistake) {}

  bool trust(const std::string& pem) {
    x509_store_st* const store = ssl_.SSL_CTX_get_cert_store(context_);
    return for_each_certificate(Option::kAuthorities, pem,
                                [&](x509_st* one) { return ssl_.X509_STORE_add_cert(store, one) == 1; });
  }

  bool identify(const TlsOptions& options) {
    bool is_first = true;
    const bool is_read = for_each_certificate(Option::kCertificate, options.certificate, [&](x509_st* one) {
      if (std::exchange(is_first, false)) return ssl_.SSL_CTX_use_certificate(context_, one) == 1;
      return ssl_.SSL_CTX_ctrl(context_, OpenSsl::kControlChainCertificate, 1, one) == 1;
    });
    return is_read && take_key(options);
  }

  bool limit(const TlsOptions& options) {
    const bool are_set = options.min_version <= options.max_version &&
                         control(OpenSsl::kControlMinVersion, static_cast<long>(options.min_version)) &&
                         control(OpenSsl::kControlMaxVersion, static_cast<long>(options.max_version));
    return are_set || fail(Option::kVersions, "no version is left between the lowest and the highest");
  }

 private:
  template <typename Take>
  bool for_each_certificate(Option option, const std::string& pem, Take take) {
    bio_st* const source = open(pem);
    if (source == nullptr) return fail(Option::kNone, "out of memory");
    size_t count = 0;
    bool is_taken = true;
    ssl_.ERR_clear_error();
    while (is_taken) {
      x509_st* const one =
          ssl_.PEM_read_bio_X509(source, nullptr, give_passphrase, const_cast<std::string*>(&nothing_));
      if (one == nullptr) break;
      is_taken = take(one);
      ssl_.X509_free(one);
      ++count;
    }
    ssl_.BIO_free(source);
    const unsigned long error = ssl_.ERR_get_error();
    ssl_.ERR_clear_error();
    if (!is_taken) return fail(option, ssl_.describe(error));
    if (OpenSsl::reason(error) != OpenSsl::kReasonNoStartLine) return fail(option, ssl_.describe(error));
    return count > 0 || fail(option, "there is no certificate in PEM form in it");
  }

  bool take_key(const TlsOptions& options) {
    bio_st* const source = open(options.key);
    if (source == nullptr) return fail(Option::kNone, "out of memory");
    ssl_.ERR_clear_error();
    evp_pkey_st* const key = ssl_.PEM_read_bio_PrivateKey(source, nullptr, give_passphrase,
                                                          const_cast<std::string*>(&options.passphrase));
    ssl_.BIO_free(source);
    const bool is_read = key != nullptr;
    const bool is_taken = is_read && ssl_.SSL_CTX_use_PrivateKey(context_, key) == 1 &&
                          ssl_.SSL_CTX_check_private_key(context_) == 1;
    ssl_.EVP_PKEY_free(key);
    const unsigned long error = ssl_.ERR_get_error();
    ssl_.ERR_clear_error();
    return is_taken || fail(Option::kKey, ssl_.describe(error));
  }

  bio_st* open(const std::string& pem) {
    return ssl_.BIO_new_mem_buf(pem.data(), static_cast<int>(std::min<size_t>(pem.size(), INT_MAX)));
  }
  bool control(int number, long value) { return ssl_.SSL_CTX_ctrl(context_, number, value, nullptr) == 1; }
  bool fail(Option option, std::string_view text) {
    *mistake_ = {option, std::string(text)};
    return false;
  }

  const OpenSsl& ssl_;
  ssl_ctx_st* const context_;
  TlsMistake* const mistake_;
  const std::string nothing_;
};

}  // namespace

std::shared_ptr<const TlsContext> TlsContext::create(const OpenSsl& ssl, const TlsOptions& options,
                                                     TlsMistake* mistake) {
  constexpr int kVerifyNone = 0;
  constexpr int kVerifyPeer = 1;
  ssl_ctx_st* const handle = ssl.SSL_CTX_new(ssl.TLS_client_method());
  if (handle == nullptr) {
    ssl.ERR_clear_error();
    *mistake = {Option::kNone, "out of memory"};
    return nullptr;
  }
  std::shared_ptr<const TlsContext> context(new TlsContext(ssl, handle));
  // A connection that waits needs none of the 34 KB that OpenSSL would keep for it.
  ssl.SSL_CTX_ctrl(handle, OpenSsl::kControlMode, OpenSsl::kModeReleaseBuffers, nullptr);
  ssl.SSL_CTX_ctrl(handle, OpenSsl::kControlSessionCache, 0, nullptr);
  ssl.SSL_CTX_set_options(handle, OpenSsl::kOptionNoRenegotiation);
  ssl.SSL_CTX_set_verify(handle, options.verifies ? kVerifyPeer : kVerifyNone, nullptr);
  Reader reader(ssl, handle, mistake);
  if (!reader.limit(options)) return nullptr;
  if (!std::ranges::all_of(options.authorities, [&](const std::string& pem) { return reader.trust(pem); }))
    return nullptr;
  const bool is_anonymous = options.certificate.empty() && options.key.empty();
  if (!is_anonymous && !reader.identify(options)) return nullptr;
  return context;
}

TlsContext::~TlsContext() { ssl_.SSL_CTX_free(handle_); }

}  // namespace evenkeel::net
