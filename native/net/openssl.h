// The OpenSSL 3 that is already in the process (Node contains and exports one), called through pointers that
// are looked up when the first channel needs them. Nothing is linked and no OpenSSL header is needed; a test
// compares these declarations with the headers.
#pragma once

#include <cstddef>
#include <cstdint>

// Names as in OpenSSL's headers.
struct bio_method_st;
struct bio_st;
struct evp_pkey_st;
struct ssl_ctx_st;
struct ssl_method_st;
struct ssl_st;
struct X509_VERIFY_PARAM_st;
struct x509_st;
struct x509_store_ctx_st;
struct x509_store_st;

namespace evenkeel::net {

// Members have the names of the functions that they point to.
struct OpenSsl {
  using PasswordCallback = int(char* buffer, int size, int writing, void* data);
  using VerifyCallback = int(int, x509_store_ctx_st*);

  // Null when the process has no OpenSSL or one of another major version, where functions of the same names
  // may differ; BoringSSL has most of them. Any thread.
  static const OpenSsl* find();

  unsigned long (*ERR_get_error)();
  void (*ERR_clear_error)();
  const char* (*ERR_reason_error_string)(unsigned long);

  bio_method_st* (*BIO_meth_new)(int, const char*);
  int (*BIO_meth_set_read_ex)(bio_method_st*, int (*)(bio_st*, char*, size_t, size_t*));
  int (*BIO_meth_set_write_ex)(bio_method_st*, int (*)(bio_st*, const char*, size_t, size_t*));
  int (*BIO_meth_set_ctrl)(bio_method_st*, long (*)(bio_st*, int, long, void*));
  bio_st* (*BIO_new)(const bio_method_st*);
  bio_st* (*BIO_new_mem_buf)(const void*, int);
  int (*BIO_free)(bio_st*);
  void (*BIO_set_init)(bio_st*, int);
  void (*BIO_set_data)(bio_st*, void*);
  void* (*BIO_get_data)(bio_st*);
  void (*BIO_set_flags)(bio_st*, int);
  void (*BIO_clear_flags)(bio_st*, int);

  x509_st* (*PEM_read_bio_X509)(bio_st*, x509_st**, PasswordCallback*, void*);
  evp_pkey_st* (*PEM_read_bio_PrivateKey)(bio_st*, evp_pkey_st**, PasswordCallback*, void*);
  void (*X509_free)(x509_st*);
  void (*EVP_PKEY_free)(evp_pkey_st*);
  int (*X509_STORE_add_cert)(x509_store_st*, x509_st*);
  const char* (*X509_verify_cert_error_string)(long);
  int (*X509_VERIFY_PARAM_set1_host)(X509_VERIFY_PARAM_st*, const char*, size_t);
  int (*X509_VERIFY_PARAM_set1_ip_asc)(X509_VERIFY_PARAM_st*, const char*);
  void (*X509_VERIFY_PARAM_set_hostflags)(X509_VERIFY_PARAM_st*, unsigned);

  const ssl_method_st* (*TLS_client_method)();
  ssl_ctx_st* (*SSL_CTX_new)(const ssl_method_st*);
  void (*SSL_CTX_free)(ssl_ctx_st*);
  long (*SSL_CTX_ctrl)(ssl_ctx_st*, int, long, void*);
  uint64_t (*SSL_CTX_set_options)(ssl_ctx_st*, uint64_t);
  void (*SSL_CTX_set_verify)(ssl_ctx_st*, int, VerifyCallback*);
  x509_store_st* (*SSL_CTX_get_cert_store)(const ssl_ctx_st*);
  int (*SSL_CTX_use_certificate)(ssl_ctx_st*, x509_st*);
  int (*SSL_CTX_use_PrivateKey)(ssl_ctx_st*, evp_pkey_st*);
  int (*SSL_CTX_check_private_key)(const ssl_ctx_st*);

  ssl_st* (*SSL_new)(ssl_ctx_st*);
  void (*SSL_free)(ssl_st*);
  void (*SSL_set_bio)(ssl_st*, bio_st*, bio_st*);
  void (*SSL_set_connect_state)(ssl_st*);
  long (*SSL_ctrl)(ssl_st*, int, long, void*);
  X509_VERIFY_PARAM_st* (*SSL_get0_param)(ssl_st*);
  int (*SSL_do_handshake)(ssl_st*);
  int (*SSL_read_ex)(ssl_st*, void*, size_t, size_t*);
  int (*SSL_write_ex)(ssl_st*, const void*, size_t, size_t*);
  int (*SSL_pending)(const ssl_st*);
  int (*SSL_shutdown)(ssl_st*);
  int (*SSL_get_error)(const ssl_st*, int);
  long (*SSL_get_verify_result)(const ssl_st*);

  // Macros of the headers: control, flag and result numbers.
  static constexpr int kBioSource = 0x0400;
  static constexpr int kBioControlFlush = 11;
  static constexpr int kBioRetry = 0x0f;  // why, and whether to try again
  static constexpr int kBioRetryRead = 0x09;
  static constexpr int kControlMode = 33;
  static constexpr int kControlSessionCache = 44;
  static constexpr int kControlHostName = 55;
  static constexpr int kControlChainCertificate = 89;
  static constexpr int kControlMinVersion = 123;
  static constexpr int kControlMaxVersion = 124;
  static constexpr long kModeReleaseBuffers = 0x10;
  static constexpr uint64_t kOptionNoRenegotiation = uint64_t{1} << 30;
  static constexpr unsigned kNoPartialWildcards = 4;
  static constexpr int kErrorWantRead = 2;
  static constexpr int kErrorClosed = 6;
  static constexpr long kHostMismatch = 62;
  static constexpr long kIpMismatch = 64;
  static constexpr unsigned long kReasonNoStartLine = 108;  // of PEM
  static constexpr unsigned long kReasonVerifyFailed = 134;
  static constexpr unsigned long kFirstAlert = 1000;  // reasons from here on come from the peer

  static unsigned long reason(unsigned long error) { return error & 0x7fffff; }
  // The text of an error, or its number if it has none.
  const char* describe(unsigned long error) const;
};

}  // namespace evenkeel::net
