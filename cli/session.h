// Session: what every command of the CLI shares: the client, the form of output, exit codes.
//
// Contract      Commands return one of the exit codes below. What goes wrong is told on stderr in
//               one line, with the API's code and, for changes, whether anything may have happened.
// Thread        One.
#ifndef SYNOD_CLI_SESSION_H_
#define SYNOD_CLI_SESSION_H_

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "src/client/client.h"
#include "src/client/json.h"

namespace synod::cli {

using client::FromBase64;
using client::ValueOf;

enum Exit : int {
  kOk = 0,
  kError = 1,
  kUsage = 2,
  kNotFound = 3,
  kConflict = 4,     // a precondition, a fence or the state of the tree speaks against it
  kNotAcquired = 5,  // lock or election: somebody else holds it
  kUnavailable = 6,  // nobody answered, or no leader
  kUnknown = 7,      // the change may or may not have been applied
  kLost = 9,         // lock run, elect run: the hold was lost while the command ran
};

enum class Format { kTable, kJson };

class Session {
 public:
  Session(std::vector<client::Endpoint> endpoints,
          client::Credentials credentials,
          Format format,
          std::chrono::milliseconds timeout)
      : endpoints_(std::move(endpoints)),
        credentials_(std::move(credentials)),
        client_(endpoints_, credentials_),
        format_(format),
        timeout_(timeout) {}

  client::Client& client() { return client_; }
  const std::vector<client::Endpoint>& endpoints() const { return endpoints_; }
  const client::Credentials& credentials() const { return credentials_; }
  bool json() const { return format_ == Format::kJson; }
  std::chrono::milliseconds timeout() const { return timeout_; }

  // Sends, and prints what went wrong if it did. `*answer` is set if somebody answered; the exit
  // code is kOk for a 2xx. `waits`: what the request itself has the service wait for.
  int Send(client::Call call, client::Answer* answer, std::chrono::milliseconds waits = {});
  int Get(const std::string& target, client::Answer* answer);
  int Post(const std::string& target, const boost::json::value& body, client::Answer* answer) {
    return Change("POST", target, body, answer);
  }
  // `body`: null for none.
  int Change(const std::string& method,
             const std::string& target,
             const boost::json::value& body,
             client::Answer* answer);
  // The exit code for a refusal, printed.
  int Explain(const client::Answer& answer) const;
  int Explain(const Error& error) const;

 private:
  const std::vector<client::Endpoint> endpoints_;
  const client::Credentials credentials_;
  client::Client client_;
  Format format_;
  std::chrono::milliseconds timeout_;
};

// Columns aligned by the widest cell; the last is not padded.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

void PrintJson(const boost::json::value& value);
// A field as text for a table; empty if it is absent.
std::string Text(const boost::json::object& object, std::string_view name);
int64_t Number(const boost::json::object& object, std::string_view name);
// Escapes what a terminal must not be sent.
std::string Printable(std::string_view bytes);
// "10s", "500ms", "2m", "1h" or plain milliseconds; negative if it is none of these.
int64_t ParseDurationMs(const std::string& text);

}  // namespace synod::cli

#endif  // SYNOD_CLI_SESSION_H_
