// Certificates for tests, made when they are asked for.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <string>

namespace evenkeel::test {

struct Identity {
  std::shared_ptr<X509> certificate;
  std::shared_ptr<EVP_PKEY> key;

  std::string certificate_pem() const {
    return pem([this](BIO* bio) { PEM_write_bio_X509(bio, certificate.get()); });
  }
  // Encrypted where there is a pass phrase.
  std::string key_pem(const std::string& passphrase = "") const {
    return pem([&](BIO* bio) {
      const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_128_cbc();
      const auto* bytes = reinterpret_cast<const unsigned char*>(passphrase.data());
      PEM_write_bio_PrivateKey(bio, key.get(), cipher, bytes, static_cast<int>(passphrase.size()), nullptr,
                               nullptr);
    });
  }

 private:
  template <typename Write>
  static std::string pem(Write write) {
    BIO* const bio = BIO_new(BIO_s_mem());
    write(bio);
    char* data = nullptr;
    const long length = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<size_t>(length));
    BIO_free(bio);
    return text;
  }
};

struct Wish {
  std::string name = "someone";
  std::string alternatives{};  // as "DNS:localhost,IP:127.0.0.1"
  bool is_authority = false;
  long valid_from = -3600;  // seconds from now
  long valid_until = 3600;
};

// Signed by itself where there is no issuer.
inline Identity make_identity(const Wish& wish, const Identity* issuer = nullptr) {
  const Identity made{{X509_new(), X509_free}, {EVP_EC_gen("P-256"), EVP_PKEY_free}};
  X509* const one = made.certificate.get();
  const Identity& signer = issuer != nullptr ? *issuer : made;
  static long serial = 1;
  X509_set_version(one, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(one), serial++);
  X509_gmtime_adj(X509_getm_notBefore(one), wish.valid_from);
  X509_gmtime_adj(X509_getm_notAfter(one), wish.valid_until);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(one), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
  X509_set_issuer_name(one, X509_get_subject_name(signer.certificate.get()));
  X509_set_pubkey(one, made.key.get());
  const auto extend = [one](int id, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
    X509_add_ext(one, extension, -1);
    X509_EXTENSION_free(extension);
  };
  if (wish.is_authority) extend(NID_basic_constraints, "critical,CA:TRUE");
  if (!wish.alternatives.empty()) extend(NID_subject_alt_name, wish.alternatives);
  EXPECT_GT(X509_sign(one, signer.key.get(), EVP_sha256()), 0);
  return made;
}

}  // namespace evenkeel::test
