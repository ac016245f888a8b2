#include "net/openssl.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <type_traits>

#include "net/certificate_names.h"

namespace evenkeel::net {
namespace {

// What is declared by hand is what OpenSSL's own headers declare.
#define EXPECT_DECLARED(name) static_assert(std::is_same_v<decltype(OpenSsl::name), decltype(&::name)>, #name)
EXPECT_DECLARED(ERR_get_error);
EXPECT_DECLARED(ERR_clear_error);
EXPECT_DECLARED(ERR_reason_error_string);
EXPECT_DECLARED(BIO_meth_new);
EXPECT_DECLARED(BIO_meth_set_read_ex);
EXPECT_DECLARED(BIO_meth_set_write_ex);
EXPECT_DECLARED(BIO_meth_set_ctrl);
EXPECT_DECLARED(BIO_new);
EXPECT_DECLARED(BIO_new_mem_buf);
EXPECT_DECLARED(BIO_free);
EXPECT_DECLARED(BIO_set_init);
EXPECT_DECLARED(BIO_set_data);
EXPECT_DECLARED(BIO_get_data);
EXPECT_DECLARED(BIO_set_flags);
EXPECT_DECLARED(BIO_clear_flags);
EXPECT_DECLARED(PEM_read_bio_X509);
EXPECT_DECLARED(PEM_read_bio_PrivateKey);
EXPECT_DECLARED(X509_free);
EXPECT_DECLARED(EVP_PKEY_free);
EXPECT_DECLARED(X509_STORE_add_cert);
EXPECT_DECLARED(X509_verify_cert_error_string);
EXPECT_DECLARED(X509_VERIFY_PARAM_set1_host);
EXPECT_DECLARED(X509_VERIFY_PARAM_set1_ip_asc);
EXPECT_DECLARED(X509_VERIFY_PARAM_set_hostflags);
EXPECT_DECLARED(TLS_client_method);
EXPECT_DECLARED(SSL_CTX_new);
EXPECT_DECLARED(SSL_CTX_free);
EXPECT_DECLARED(SSL_CTX_ctrl);
EXPECT_DECLARED(SSL_CTX_set_options);
EXPECT_DECLARED(SSL_CTX_set_verify);
EXPECT_DECLARED(SSL_CTX_get_cert_store);
EXPECT_DECLARED(SSL_CTX_use_certificate);
EXPECT_DECLARED(SSL_CTX_use_PrivateKey);
EXPECT_DECLARED(SSL_CTX_check_private_key);
EXPECT_DECLARED(SSL_new);
EXPECT_DECLARED(SSL_free);
EXPECT_DECLARED(SSL_set_bio);
EXPECT_DECLARED(SSL_set_connect_state);
EXPECT_DECLARED(SSL_ctrl);
EXPECT_DECLARED(SSL_get0_param);
EXPECT_DECLARED(SSL_do_handshake);
EXPECT_DECLARED(SSL_read_ex);
EXPECT_DECLARED(SSL_write_ex);
EXPECT_DECLARED(SSL_pending);
EXPECT_DECLARED(SSL_shutdown);
EXPECT_DECLARED(SSL_get_error);
EXPECT_DECLARED(SSL_get_verify_result);
#undef EXPECT_DECLARED

#define EXPECT_DECLARED(name) \
  static_assert(std::is_same_v<decltype(CertificateNames::name), decltype(&::name)>, #name)
EXPECT_DECLARED(SSL_set_ex_data);
EXPECT_DECLARED(SSL_get_ex_data);
EXPECT_DECLARED(SSL_get_ex_data_X509_STORE_CTX_idx);
EXPECT_DECLARED(SSL_get_verify_mode);
EXPECT_DECLARED(SSL_set_verify);
EXPECT_DECLARED(X509_STORE_CTX_get_ex_data);
EXPECT_DECLARED(X509_STORE_CTX_get0_cert);
EXPECT_DECLARED(X509_get_ext_by_NID);
EXPECT_DECLARED(X509_get_ext);
EXPECT_DECLARED(X509V3_EXT_print);
EXPECT_DECLARED(BIO_s_mem);
EXPECT_DECLARED(BIO_ctrl);
#undef EXPECT_DECLARED

static_assert(CertificateNames::kSubjectAlternativeName == NID_subject_alt_name);
static_assert(CertificateNames::kBioInfo == BIO_CTRL_INFO);

static_assert(OpenSsl::kBioSource == BIO_TYPE_SOURCE_SINK);
static_assert(OpenSsl::kBioControlFlush == BIO_CTRL_FLUSH);
static_assert(OpenSsl::kBioRetry == (BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY));
static_assert(OpenSsl::kBioRetryRead == (BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY));
static_assert(OpenSsl::kControlMode == SSL_CTRL_MODE);
static_assert(OpenSsl::kControlSessionCache == SSL_CTRL_SET_SESS_CACHE_MODE);
static_assert(OpenSsl::kControlHostName == SSL_CTRL_SET_TLSEXT_HOSTNAME);
static_assert(OpenSsl::kControlChainCertificate == SSL_CTRL_CHAIN_CERT);
static_assert(OpenSsl::kControlMinVersion == SSL_CTRL_SET_MIN_PROTO_VERSION);
static_assert(OpenSsl::kControlMaxVersion == SSL_CTRL_SET_MAX_PROTO_VERSION);
static_assert(OpenSsl::kModeReleaseBuffers == SSL_MODE_RELEASE_BUFFERS);
static_assert(OpenSsl::kOptionNoRenegotiation == SSL_OP_NO_RENEGOTIATION);
static_assert(OpenSsl::kNoPartialWildcards == X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
static_assert(OpenSsl::kErrorWantRead == SSL_ERROR_WANT_READ);
static_assert(OpenSsl::kErrorClosed == SSL_ERROR_ZERO_RETURN);
static_assert(OpenSsl::kReasonVerifyFailed == SSL_R_CERTIFICATE_VERIFY_FAILED);
static_assert(OpenSsl::kReasonNoStartLine == PEM_R_NO_START_LINE);
static_assert(OpenSsl::kFirstAlert == SSL_AD_REASON_OFFSET);
static_assert(OpenSsl::kHostMismatch == X509_V_ERR_HOSTNAME_MISMATCH);
static_assert(OpenSsl::kIpMismatch == X509_V_ERR_IP_ADDRESS_MISMATCH);

TEST(OpenSslTable, IsFoundInTheProcess) {
  const OpenSsl* const ssl = OpenSsl::find();
  ASSERT_NE(ssl, nullptr);
  EXPECT_EQ(ssl, OpenSsl::find());
  EXPECT_EQ(ssl->SSL_CTX_new, &::SSL_CTX_new);
}

TEST(OpenSslTable, DescribesErrors) {
  const OpenSsl& ssl = *OpenSsl::find();
  ssl.SSL_CTX_free(ssl.SSL_CTX_new(ssl.TLS_client_method()));  // OpenSSL begins by that
  EXPECT_STREQ(ssl.describe(ERR_PACK(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED)),
               "certificate verify failed");
  EXPECT_STREQ(ssl.describe(0), "an error without a text");
  EXPECT_EQ(OpenSsl::reason(ERR_PACK(ERR_LIB_PEM, 0, PEM_R_NO_START_LINE)), OpenSsl::kReasonNoStartLine);
}

}  // namespace
}  // namespace evenkeel::net
