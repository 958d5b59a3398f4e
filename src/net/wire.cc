#include "src/net/wire.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace synod::net {
namespace {

constexpr size_t kRecordBytes = size_t{16} << 10;

}  // namespace

Wire::Wire(Socket socket, const Tls* tls) : socket_(std::move(socket)) {
  if (tls != nullptr)
    ssl_ = tls->Accept(socket_.native_handle());
}

Wire::Wire(Socket socket, const Tls* tls, const std::string& host) : socket_(std::move(socket)) {
  if (tls != nullptr)
    ssl_ = tls->Connect(socket_.native_handle(), host);
}

int Wire::Verdict(int result) {
  const int outcome = SSL_get_error(ssl_.get(), result);
  if (outcome == SSL_ERROR_SSL || outcome == SSL_ERROR_SYSCALL) {
    failed_ = true;
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (!SSL_is_init_finished(ssl_.get()) && error_.empty())
      error_ = verdict == X509_V_OK ? SslErrorText() : X509_verify_cert_error_string(verdict);
  }
  return outcome;
}

Wire::Got Wire::Read(char* to, size_t room, size_t* n) {
  *n = 0;
  if (ssl_ == nullptr) {
    ssize_t got = 0;
    do {
      got = ::recv(socket_.native_handle(), to, room, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK ? Got::kBlocked : Got::kFailed;
    *n = static_cast<size_t>(got);
    return got == 0 ? Got::kEnd : Got::kBytes;
  }
  if (failed_)
    return Got::kFailed;
  ERR_clear_error();
  const int result = SSL_read_ex(ssl_.get(), to, room, n);
  if (result == 1)
    return Got::kBytes;
  switch (Verdict(result)) {
    case SSL_ERROR_WANT_READ:
    // An answer of the protocol's own does not fit into the socket: it leaves with what is written.
    case SSL_ERROR_WANT_WRITE:
      return Got::kBlocked;
    case SSL_ERROR_ZERO_RETURN:
      return Got::kEnd;
    default:
      return Got::kFailed;
  }
}

OutputQueue::Written Wire::Write(OutputQueue* queue, uint64_t* sent) {
  using Written = OutputQueue::Written;
  if (ssl_ == nullptr)
    return queue->WriteTo(socket_.native_handle(), sent);
  writes_after_read_ = false;
  while (!queue->empty()) {
    if (failed_)
      return Written::kFailed;
    const std::string_view piece = queue->Front().substr(0, kRecordBytes);
    size_t n = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_.get(), piece.data(), piece.size(), &n);
    if (result != 1) {
      const int outcome = Verdict(result);
      writes_after_read_ = outcome == SSL_ERROR_WANT_READ;
      return writes_after_read_ || outcome == SSL_ERROR_WANT_WRITE ? Written::kBlocked
                                                                   : Written::kFailed;
    }
    *sent += n;
    queue->Consume(n);
  }
  return Written::kAll;
}

void Wire::EndOutput() {
  if (ssl_ != nullptr && !failed_ && SSL_is_init_finished(ssl_.get())) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(socket_.native_handle(), SHUT_WR);
}

void Wire::Close() {
  // What is left of TLS refers to the descriptor, whose number may soon be another's.
  ssl_.reset();
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace synod::net
