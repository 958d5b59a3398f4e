#include "src/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "src/base/check.h"

namespace synod::net {
namespace {

Error Wrong(const std::string& file, const std::string& why) {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, file + ": " + why};
}

// What differs after a file was replaced; empty if there is none.
std::string Signature(const std::string& file) {
  struct stat s {};
  if (file.empty() || ::stat(file.c_str(), &s) != 0)
    return "";
  return std::to_string(s.st_ino) + " " + std::to_string(s.st_size) + " " +
         std::to_string(s.st_mtim.tv_sec) + " " + std::to_string(s.st_mtim.tv_nsec);
}

// OpenSSL's own writes with write(2), which ends the process when the other side has gone.
int Send(BIO* bio, const char* data, int size) {
  int fd = -1;
  BIO_get_fd(bio, &fd);
  BIO_clear_retry_flags(bio);
  const ssize_t n = ::send(fd, data, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    BIO_set_retry_write(bio);
  return static_cast<int>(n);
}

BIO_METHOD* MakeSocketMethod() {
  BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOCKET, "socket without signals");
  const BIO_METHOD* plain = BIO_s_socket();
  SYNOD_CHECK(method != nullptr);
  BIO_meth_set_write(method, Send);
  BIO_meth_set_read(method, BIO_meth_get_read(plain));
  BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(plain));
  BIO_meth_set_create(method, BIO_meth_get_create(plain));
  BIO_meth_set_destroy(method, BIO_meth_get_destroy(plain));
  return method;
}

Ssl Begin(ssl_ctx_st* context, int fd) {
  static BIO_METHOD* const kMethod = MakeSocketMethod();
  Ssl ssl(SSL_new(context));
  BIO* bio = BIO_new(kMethod);
  SYNOD_CHECK(ssl != nullptr && bio != nullptr);
  BIO_set_fd(bio, fd, BIO_NOCLOSE);
  SSL_set_bio(ssl.get(), bio, bio);
  return ssl;
}

Status UseFiles(const TlsFiles& files, ssl_ctx_st* context) {
  if (!files.cert_file.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context, files.cert_file.c_str()) != 1)
      return Wrong(files.cert_file, "no certificate can be read: " + SslErrorText());
    if (SSL_CTX_use_PrivateKey_file(context, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
      return Wrong(files.key_file,
                   "no key of " + files.cert_file + " can be read: " + SslErrorText());
    if (SSL_CTX_check_private_key(context) != 1)
      return Wrong(files.key_file, "not the key of " + files.cert_file);
  }
  if (files.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
    return Done();
  }
  if (SSL_CTX_load_verify_locations(context, files.ca_file.c_str(), nullptr) != 1)
    return Wrong(files.ca_file, "no authority's certificate can be read: " + SslErrorText());
  // Which certificates are asked for, so that a client with several shows the right one.
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files.ca_file.c_str()));
  return Done();
}

}  // namespace

void SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }
void SslDeleter::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }

std::string SslErrorText() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code))
    return std::generic_category().message(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "no reason is given" : reason;
}

std::string CertifiedName(const ssl_st* ssl) {
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK)
    return "";
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  // Of several each reader could take another.
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
    return "";
  unsigned char* text = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) {
    ERR_clear_error();
    return "";
  }
  std::string name(reinterpret_cast<const char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return name;
}

Result<std::shared_ptr<Tls>> Tls::Load(const TlsFiles& files) {
  std::shared_ptr<Tls> tls(new Tls(files));
  if (const Result<bool> loaded = tls->Refresh(); !loaded)
    return loaded.error();
  return tls;
}

Result<bool> Tls::Refresh() {
  // Taken before they are read: what is replaced meanwhile is read again the next time.
  std::vector<std::string> now = {Signature(files_.cert_file), Signature(files_.key_file),
                                  Signature(files_.ca_file)};
  if (context_ != nullptr && now == seen_)
    return false;
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_method()));
  SYNOD_CHECK(context != nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  // A connection that breaks off without a word ends as one without TLS does: what was sent on it
  // says by itself whether it is whole.
  // Sessions that were judged by certificates of before are not resumed: each is made anew. Without
  // the cache there are still tickets of TLS 1.2, and where certificates of clients are asked for
  // OpenSSL ends every connection that brings one.
  SSL_CTX_set_options(context.get(),
                      SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  // Written from a queue that moves; idle connections keep no buffers.
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  if (Status used = UseFiles(files_, context.get()); !used)
    return used.error();
  context_ = std::move(context);
  seen_ = std::move(now);
  return true;
}

Ssl Tls::Accept(int fd) const {
  Ssl ssl = Begin(context_.get(), fd);
  if (!files_.ca_file.empty())
    SSL_set_verify(
        ssl.get(),
        SSL_VERIFY_PEER | (files_.require_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        nullptr);
  SSL_set_accept_state(ssl.get());
  return ssl;
}

Ssl Tls::Connect(int fd, const std::string& host) const {
  Ssl ssl = Begin(context_.get(), fd);
  SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
  in6_addr address{};
  if (::inet_pton(AF_INET, host.c_str(), &address) == 1 ||
      ::inet_pton(AF_INET6, host.c_str(), &address) == 1) {
    SYNOD_CHECK_EQ(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str()), 1);
  } else {
    SYNOD_CHECK_EQ(SSL_set1_host(ssl.get(), host.c_str()), 1);
    SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

}  // namespace synod::net
