#include "net/certificate_names.h"

#include <dlfcn.h>

#include <algorithm>
#include <optional>

namespace evenkeel::net {

namespace {

constexpr int kApplicationData = 0;
constexpr size_t kMostTold = 160;

template <typename Function>
bool look_up(const char* name, Function** function) {
  *function = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  return *function != nullptr;
}

std::optional<CertificateNames> load() {
  CertificateNames names{};
  const bool is_complete =
      look_up("SSL_set_ex_data", &names.SSL_set_ex_data) &&
      look_up("SSL_get_ex_data", &names.SSL_get_ex_data) &&
      look_up("SSL_get_ex_data_X509_STORE_CTX_idx", &names.SSL_get_ex_data_X509_STORE_CTX_idx) &&
      look_up("SSL_get_verify_mode", &names.SSL_get_verify_mode) &&
      look_up("SSL_set_verify", &names.SSL_set_verify) &&
      look_up("X509_STORE_CTX_get_ex_data", &names.X509_STORE_CTX_get_ex_data) &&
      look_up("X509_STORE_CTX_get0_cert", &names.X509_STORE_CTX_get0_cert) &&
      look_up("X509_get_ext_by_NID", &names.X509_get_ext_by_NID) &&
      look_up("X509_get_ext", &names.X509_get_ext) && look_up("X509V3_EXT_print", &names.X509V3_EXT_print) &&
      look_up("BIO_s_mem", &names.BIO_s_mem) && look_up("BIO_ctrl", &names.BIO_ctrl);
  return is_complete ? std::optional(names) : std::nullopt;
}

}  // namespace

const CertificateNames* CertificateNames::find() {
  static const std::optional<CertificateNames> found = load();
  return found.has_value() ? &*found : nullptr;
}

void CertificateNames::watch(ssl_st* session, std::string* names) const {
  if (SSL_set_ex_data(session, kApplicationData, names) == 1)
    SSL_set_verify(session, SSL_get_verify_mode(session), on_verified);
}

int CertificateNames::on_verified(int verdict, x509_store_ctx_st* verification) {
  if (verdict == 1) return verdict;
  const CertificateNames& self = *find();
  void* const session =
      self.X509_STORE_CTX_get_ex_data(verification, self.SSL_get_ex_data_X509_STORE_CTX_idx());
  void* const names = self.SSL_get_ex_data(static_cast<ssl_st*>(session), kApplicationData);
  *static_cast<std::string*>(names) = self.of(self.X509_STORE_CTX_get0_cert(verification));
  return verdict;
}

std::string CertificateNames::of(x509_st* certificate) const {
  const OpenSsl& ssl = *OpenSsl::find();
  const int at = certificate == nullptr ? -1 : X509_get_ext_by_NID(certificate, kSubjectAlternativeName, -1);
  bio_st* const text = at < 0 ? nullptr : ssl.BIO_new(BIO_s_mem());
  if (text == nullptr) return "";
  std::string names;
  char* bytes = nullptr;
  if (X509V3_EXT_print(text, X509_get_ext(certificate, at), 0, 0) == 1) {
    const long length = BIO_ctrl(text, kBioInfo, 0, &bytes);
    if (length > 0) names.assign(bytes, std::min(static_cast<size_t>(length), kMostTold));
    if (static_cast<size_t>(length) > kMostTold) names += "...";
  }
  ssl.BIO_free(text);
  return names;
}

}  // namespace evenkeel::net
