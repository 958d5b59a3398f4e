// Tls: the certificate of one port, and how the other side of a connection is judged.
//
// Contract      TLS 1.2 and later, with OpenSSL's own choice of ciphers. The files are PEM: a chain
//               that begins with the own certificate, its key, and the authorities that sign the
//               other side's. Refresh() takes up files that have changed; connections that are up
//               keep what they began with, and files that do not fit together leave all as it is.
// Judgement     Who connects checks the certificate against `ca_file` (without one: against the
//               system's authorities) and the name or address that it dialed. Who accepts asks for
//               a certificate if there is a `ca_file`, and insists on one if told to.
// Thread        One at a time.
// Errors        kInvalidRequest: names the file and says what is wrong with it.
#ifndef SYNOD_NET_TLS_H_
#define SYNOD_NET_TLS_H_

#include <memory>
#include <string>
#include <vector>

#include "src/base/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace synod::net {

struct TlsFiles {
  std::string cert_file;  // empty: who connects shows none
  std::string key_file;
  std::string ca_file;
  bool require_certificate = false;  // of those who connect
};

struct SslDeleter {
  void operator()(ssl_st* ssl) const;
  void operator()(ssl_ctx_st* context) const;
};
using Ssl = std::unique_ptr<ssl_st, SslDeleter>;
using SslContext = std::unique_ptr<ssl_ctx_st, SslDeleter>;

class Tls {
 public:
  static Result<std::shared_ptr<Tls>> Load(const TlsFiles& files);

  // True if there was something new and it is in use from now on.
  Result<bool> Refresh();

  // One side of a connection over `fd`, which is non-blocking and not closed with it.
  Ssl Accept(int fd) const;
  Ssl Connect(int fd, const std::string& host) const;

 private:
  explicit Tls(TlsFiles files) : files_(std::move(files)) {}

  const TlsFiles files_;
  std::vector<std::string> seen_;  // what tells the files in use from later ones
  SslContext context_;
};

// The common name of the other side's certificate, if it showed one that was found good; empty if
// it has none or several. After the handshake.
std::string CertifiedName(const ssl_st* ssl);

// The oldest of OpenSSL's errors of this thread, in words; the others are forgotten.
std::string SslErrorText();

}  // namespace synod::net

#endif  // SYNOD_NET_TLS_H_
