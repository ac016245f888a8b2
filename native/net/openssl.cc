#include "net/openssl.h"

#include <dlfcn.h>

#include <optional>

namespace evenkeel::net {

namespace {

constexpr unsigned kMajor = 3;

template <typename Function>
bool look_up(const char* name, Function** function) {
  *function = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

bool is_right_version() {
  unsigned (*major)() = nullptr;
  unsigned long (*number)() = nullptr;
  // One from each of the two: what calls itself OpenSSL for compatibility has only the second, with a 1.
  return look_up("OPENSSL_version_major", &major) && major() == kMajor &&
         look_up("OpenSSL_version_num", &number) && number() >> 28 == kMajor;
}

std::optional<OpenSsl> load() {
  OpenSsl ssl{};
  const bool is_complete =
      look_up("ERR_get_error", &ssl.ERR_get_error) && look_up("ERR_clear_error", &ssl.ERR_clear_error) &&
      look_up("ERR_reason_error_string", &ssl.ERR_reason_error_string) &&
      look_up("BIO_meth_new", &ssl.BIO_meth_new) &&
      look_up("BIO_meth_set_read_ex", &ssl.BIO_meth_set_read_ex) &&
      look_up("BIO_meth_set_write_ex", &ssl.BIO_meth_set_write_ex) &&
      look_up("BIO_meth_set_ctrl", &ssl.BIO_meth_set_ctrl) && look_up("BIO_new", &ssl.BIO_new) &&
      look_up("BIO_new_mem_buf", &ssl.BIO_new_mem_buf) && look_up("BIO_free", &ssl.BIO_free) &&
      look_up("BIO_set_init", &ssl.BIO_set_init) && look_up("BIO_set_data", &ssl.BIO_set_data) &&
      look_up("BIO_get_data", &ssl.BIO_get_data) && look_up("BIO_set_flags", &ssl.BIO_set_flags) &&
      look_up("BIO_clear_flags", &ssl.BIO_clear_flags) &&
      look_up("PEM_read_bio_X509", &ssl.PEM_read_bio_X509) &&
      look_up("PEM_read_bio_PrivateKey", &ssl.PEM_read_bio_PrivateKey) &&
      look_up("X509_free", &ssl.X509_free) && look_up("EVP_PKEY_free", &ssl.EVP_PKEY_free) &&
      look_up("X509_STORE_add_cert", &ssl.X509_STORE_add_cert) &&
      look_up("X509_verify_cert_error_string", &ssl.X509_verify_cert_error_string) &&
      look_up("X509_VERIFY_PARAM_set1_host", &ssl.X509_VERIFY_PARAM_set1_host) &&
      look_up("X509_VERIFY_PARAM_set1_ip_asc", &ssl.X509_VERIFY_PARAM_set1_ip_asc) &&
      look_up("X509_VERIFY_PARAM_set_hostflags", &ssl.X509_VERIFY_PARAM_set_hostflags) &&
      look_up("TLS_client_method", &ssl.TLS_client_method) && look_up("SSL_CTX_new", &ssl.SSL_CTX_new) &&
      look_up("SSL_CTX_free", &ssl.SSL_CTX_free) && look_up("SSL_CTX_ctrl", &ssl.SSL_CTX_ctrl) &&
      look_up("SSL_CTX_set_options", &ssl.SSL_CTX_set_options) &&
      look_up("SSL_CTX_set_verify", &ssl.SSL_CTX_set_verify) &&
      look_up("SSL_CTX_get_cert_store", &ssl.SSL_CTX_get_cert_store) &&
      look_up("SSL_CTX_use_certificate", &ssl.SSL_CTX_use_certificate) &&
      look_up("SSL_CTX_use_PrivateKey", &ssl.SSL_CTX_use_PrivateKey) &&
      look_up("SSL_CTX_check_private_key", &ssl.SSL_CTX_check_private_key) &&
      look_up("SSL_new", &ssl.SSL_new) && look_up("SSL_free", &ssl.SSL_free) &&
      look_up("SSL_set_bio", &ssl.SSL_set_bio) &&
      look_up("SSL_set_connect_state", &ssl.SSL_set_connect_state) && look_up("SSL_ctrl", &ssl.SSL_ctrl) &&
      look_up("SSL_get0_param", &ssl.SSL_get0_param) && look_up("SSL_do_handshake", &ssl.SSL_do_handshake) &&
      look_up("SSL_read_ex", &ssl.SSL_read_ex) && look_up("SSL_write_ex", &ssl.SSL_write_ex) &&
      look_up("SSL_pending", &ssl.SSL_pending) && look_up("SSL_shutdown", &ssl.SSL_shutdown) &&
      look_up("SSL_get_error", &ssl.SSL_get_error) &&
      look_up("SSL_get_verify_result", &ssl.SSL_get_verify_result);
  if (!is_complete || !is_right_version()) return std::nullopt;
  return ssl;
}

}  // namespace

const OpenSsl* OpenSsl::find() {
  static const std::optional<OpenSsl> found = load();
  return found.has_value() ? &*found : nullptr;
}

const char* OpenSsl::describe(unsigned long error) const {
  const char* const text = ERR_reason_error_string(error);
  return text != nullptr ? text : "an error without a text";
}

}  // namespace evenkeel::net
