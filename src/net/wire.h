// Wire: a connected socket as bytes in and out, in the clear or under TLS.
//
// Contract      Read and Write never wait. The handshake of TLS happens within them, so that the
//               first writes may have to wait for what the other side says: then WritesAfterRead().
// Thread        The loop's.
// Errors        A failed handshake is a failed Read or Write; error() says why, once.
#ifndef SYNOD_NET_WIRE_H_
#define SYNOD_NET_WIRE_H_

#include <cstdint>
#include <string>

#include "src/net/asio.h"
#include "src/net/output_queue.h"
#include "src/net/tls.h"

namespace synod::net {

class Wire {
 public:
  enum class Got { kBytes, kBlocked, kEnd, kFailed };

  Wire(Socket socket, const Tls* tls);                           // that accepted; tls may be null
  Wire(Socket socket, const Tls* tls, const std::string& host);  // that dialed `host`

  // At least 16 KiB of room; `*n` is what came.
  Got Read(char* to, size_t room, size_t* n);
  // As OutputQueue::WriteTo.
  OutputQueue::Written Write(OutputQueue* queue, uint64_t* sent);
  // The last Write was blocked until something was read: try again after the next Read.
  bool WritesAfterRead() const { return writes_after_read_; }
  // A Read that left room in the buffer has taken all there was.
  bool ShortReadIsAll() const { return ssl_ == nullptr; }
  // Says that nothing more comes.
  void EndOutput();
  void Close();

  Socket& socket() { return socket_; }
  // Whom the other side's certificate names, once something was read; empty: nobody.
  std::string CertifiedName() const {
    return ssl_ == nullptr ? "" : net::CertifiedName(ssl_.get());
  }
  // Why a handshake failed; empty if none has.
  const std::string& error() const { return error_; }

 private:
  // What became of a call of OpenSSL that gave `result`.
  int Verdict(int result);

  Socket socket_;
  Ssl ssl_;
  bool writes_after_read_ = false;
  bool failed_ = false;
  std::string error_;
};

}  // namespace synod::net

#endif  // SYNOD_NET_WIRE_H_
