// Certificates: an authority of a test's own, and what it signs.
//
// Contract      Everything is written as PEM into a directory of its own, which goes with the
//               object. Keys are of the curve P-256, valid for an hour.
#ifndef SYNOD_TESTS_SUPPORT_CERTIFICATES_H_
#define SYNOD_TESTS_SUPPORT_CERTIFICATES_H_

#include <memory>
#include <string>

#include "src/net/tls.h"

struct evp_pkey_st;
struct x509_st;

namespace synod {

class Certificates {
 public:
  explicit Certificates(const std::string& authority = "test authority");
  ~Certificates();
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;

  std::string ca_file() const { return dir_ + "/ca.pem"; }
  // Writes NAME.pem and NAME.key; `names` as in "DNS:localhost,IP:127.0.0.1". The common name is
  // NAME, and `another` if there is one.
  void Issue(const std::string& name,
             const std::string& names = "DNS:localhost,IP:127.0.0.1",
             const std::string& another = "");
  std::string cert_file(const std::string& name) const { return dir_ + "/" + name + ".pem"; }
  std::string key_file(const std::string& name) const { return dir_ + "/" + name + ".key"; }
  // Of something issued, with this authority as the one that is trusted.
  net::TlsFiles FilesOf(const std::string& name, bool require_certificate) const {
    return {cert_file(name), key_file(name), ca_file(), require_certificate};
  }

 private:
  std::string dir_;
  std::string authority_;
  evp_pkey_st* key_;
  x509_st* certificate_;
};

}  // namespace synod

#endif  // SYNOD_TESTS_SUPPORT_CERTIFICATES_H_
