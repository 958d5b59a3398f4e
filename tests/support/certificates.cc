#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "src/base/check.h"

namespace synod {
namespace {

constexpr long kValidSeconds = 3600;

void Extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  SYNOD_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void SetName(X509_NAME* name, const std::string& common_name) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
}

X509* Begin(const std::string& common_name, EVP_PKEY* key) {
  static long serial = 0;
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kValidSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate), kValidSeconds);
  SetName(X509_get_subject_name(certificate), common_name);
  X509_set_pubkey(certificate, key);
  return certificate;
}

std::FILE* OpenToWrite(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  SYNOD_CHECK(file != nullptr);
  return file;
}

void WriteCertificate(const std::string& path, X509* certificate) {
  std::FILE* file = OpenToWrite(path);
  PEM_write_X509(file, certificate);
  std::fclose(file);
}

}  // namespace

Certificates::Certificates(const std::string& authority)
    : authority_(authority), key_(EVP_EC_gen("P-256")), certificate_(Begin(authority, key_)) {
  char pattern[] = "/tmp/synod-test-certificates-XXXXXX";
  SYNOD_CHECK(::mkdtemp(pattern) != nullptr);
  dir_ = pattern;
  SetName(X509_get_issuer_name(certificate_), authority_);
  Extend(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  Extend(certificate_, certificate_, NID_key_usage, "critical,keyCertSign,cRLSign");
  X509_sign(certificate_, key_, EVP_sha256());
  WriteCertificate(ca_file(), certificate_);
}

Certificates::~Certificates() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
  std::filesystem::remove_all(dir_);
}

void Certificates::Issue(const std::string& name,
                         const std::string& names,
                         const std::string& another) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = Begin(name, key);
  if (!another.empty())
    SetName(X509_get_subject_name(certificate), another);
  SetName(X509_get_issuer_name(certificate), authority_);
  Extend(certificate, certificate_, NID_subject_alt_name, names);
  X509_sign(certificate, key_, EVP_sha256());
  WriteCertificate(cert_file(name), certificate);
  std::FILE* file = OpenToWrite(key_file(name));
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace synod
