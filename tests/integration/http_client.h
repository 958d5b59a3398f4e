// Connection, Http, Stream: a small blocking HTTP/1.1 client for tests.
//
// Contract      Independent of the code under test: plain POSIX sockets, and a parser of its own.
//               Every wait has a deadline. What cannot be done (refused, reset, deadline, bad
//               answer) is thrown as HttpFailure, so that a test fails, or a loop over faults
//               catches it.
// Thread        One connection is used by one thread.
#ifndef SYNOD_TESTS_INTEGRATION_HTTP_CLIENT_H_
#define SYNOD_TESTS_INTEGRATION_HTTP_CLIENT_H_

#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace synod::integration {

using Milliseconds = std::chrono::milliseconds;
using Headers = std::vector<std::pair<std::string, std::string>>;

class HttpFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Answer {
  int status = 0;
  Headers headers;  // names in lower case
  std::string body;

  std::string Header(std::string_view lower_case_name) const;  // empty if absent
  bool Has(std::string_view lower_case_name) const;
  boost::json::value Json() const;  // throws HttpFailure if the body is none
  // Members of the body that is a JSON object.
  std::string Text(std::string_view member) const;
  int64_t Number(std::string_view member) const;
  std::string Code() const { return Text("code"); }
  uint64_t Revision() const;  // of the Synod-Revision header
};

class Connection {
 public:
  // `receive_buffer`: of the kernel, for a client that takes little; 0: as it comes.
  explicit Connection(uint16_t port, int receive_buffer = 0);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // False if the peer no longer takes it.
  bool Send(std::string_view bytes, Milliseconds timeout = Milliseconds(10'000));
  void Request(std::string_view method,
               std::string_view target,
               std::string_view body = {},
               const Headers& headers = {});
  // The next answer, whole. `head`: it answers a HEAD request.
  Answer Read(Milliseconds timeout = Milliseconds(15'000), bool head = false);
  // Status line and headers only; then the body comes from ReadChunk().
  Answer ReadHead(Milliseconds timeout = Milliseconds(15'000));
  // Exactly `n` bytes of the body.
  std::string ReadBytes(size_t n, Milliseconds timeout = Milliseconds(15'000));
  // One chunk of a chunked body; empty at its end.
  std::string ReadChunk(Milliseconds timeout);
  // Reads and drops until the peer closes or resets; false if it does neither in time.
  bool AwaitClose(Milliseconds timeout);
  void CloseSending();
  // Closes at once; the peer sees a reset if it sent what was not read.
  void Close();

 private:
  using Time = std::chrono::steady_clock::time_point;
  // More bytes into buffer_; false at the end of the stream.
  bool Fill(Time deadline);
  std::string Line(Time deadline);
  std::string Exactly(size_t n, Time deadline);

  int fd_ = -1;
  std::string buffer_;
};

struct Call {
  std::string body = {};
  Headers headers = {};
  Milliseconds timeout = Milliseconds(15'000);
};

// One request on a connection of its own.
Answer Http(uint16_t port, std::string_view method, std::string_view target, const Call& call = {});
// The same; nothing if it fails to get an answer.
std::optional<Answer> TryHttp(uint16_t port,
                              std::string_view method,
                              std::string_view target,
                              const Call& call = {});

// A message of a watch: of SSE, or (only `data`) of NDJSON.
struct Message {
  std::string event;
  std::string id;
  std::string data;

  boost::json::value Json() const;
};

class Stream {
 public:
  Stream(uint16_t port,
         std::string_view target,
         const Headers& headers = {},
         int receive_buffer = 0);

  const Answer& head() const { return head_; }  // with its body if it is no stream
  // The next message; nothing if the stream ended. Throws HttpFailure at the deadline.
  std::optional<Message> Next(Milliseconds timeout = Milliseconds(15'000));
  uint64_t comments() const { return comments_; }
  void Close() { connection_.Close(); }

 private:
  std::optional<std::string> Line(std::chrono::steady_clock::time_point deadline);

  Connection connection_;
  Answer head_;
  bool sse_ = false;
  bool ended_ = false;
  std::string text_;
  uint64_t comments_ = 0;
};

}  // namespace synod::integration

#endif  // SYNOD_TESTS_INTEGRATION_HTTP_CLIENT_H_
