// The names in a certificate, for the error about a certificate for another name. Uses functions of OpenSSL 3
// that are not in OpenSsl: TLS works without them.
#pragma once

#include <string>

#include "net/openssl.h"

struct X509_extension_st;

namespace evenkeel::net {

// Members have the names of the functions that they point to.
struct CertificateNames {
  // Null when one of the functions is missing. Any thread.
  static const CertificateNames* find();

  int (*SSL_set_ex_data)(ssl_st*, int, void*);
  void* (*SSL_get_ex_data)(const ssl_st*, int);
  int (*SSL_get_ex_data_X509_STORE_CTX_idx)();
  int (*SSL_get_verify_mode)(const ssl_st*);
  void (*SSL_set_verify)(ssl_st*, int, OpenSsl::VerifyCallback*);
  void* (*X509_STORE_CTX_get_ex_data)(const x509_store_ctx_st*, int);
  x509_st* (*X509_STORE_CTX_get0_cert)(const x509_store_ctx_st*);
  int (*X509_get_ext_by_NID)(const x509_st*, int, int);
  X509_extension_st* (*X509_get_ext)(const x509_st*, int);
  int (*X509V3_EXT_print)(bio_st*, X509_extension_st*, unsigned long, int);
  const bio_method_st* (*BIO_s_mem)();
  long (*BIO_ctrl)(bio_st*, int, long, void*);

  static constexpr int kSubjectAlternativeName = 85;
  static constexpr int kBioInfo = 3;

  // When the session refuses the peer's certificate, stores its names in `*names`, such as
  // "DNS:cache.example, IP Address:10.0.0.1". `names` must live until the session is freed.
  void watch(ssl_st* session, std::string* names) const;

 private:
  static int on_verified(int verdict, x509_store_ctx_st* verification);
  std::string of(x509_st* certificate) const;
};

}  // namespace evenkeel::net
