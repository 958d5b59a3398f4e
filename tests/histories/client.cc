#include "tests/histories/client.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "tests/integration/process.h"

namespace synod::histories {
namespace {

using integration::HttpFailure;
using integration::Milliseconds;

constexpr const char* kTimeout = "timeout_ms=1500";
constexpr Milliseconds kPatience(2500);
constexpr int kTriesMax = 6;

// A node that is down refuses at once: asked no more often than this, so that clients do not spin.
constexpr Milliseconds kToConnect(30);

std::unique_ptr<integration::Connection> Connect(uint16_t port) {
  std::unique_ptr<integration::Connection> connection;
  integration::Eventually(kToConnect, [&] {
    try {
      connection = std::make_unique<integration::Connection>(port);
    } catch (const HttpFailure&) {
      return false;
    }
    return true;
  });
  return connection ? std::move(connection) : throw HttpFailure("refused");
}

Reply::Outcome OutcomeOf(const integration::Answer& answer) {
  if (answer.status != 429 && answer.status < 500)
    return Reply::Outcome::kAnswered;
  return answer.Text("outcome") == "not_applied" ? Reply::Outcome::kNotApplied
                                                 : Reply::Outcome::kUnknown;
}

}  // namespace

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Client::Client(int number, std::vector<uint16_t> ports, uint64_t seed)
    : number_(number), ports_(std::move(ports)), random_(seed), connections_(ports_.size()) {}

Client::~Client() = default;

std::string Client::UniqueText() {
  return std::to_string(number_) + "-" + std::to_string(++texts_);
}

Reply Client::Try(size_t node, const Request& request) {
  std::unique_ptr<integration::Connection>& connection = connections_[node];
  const std::string target =
      request.target + (request.target.find('?') == std::string::npos ? "?" : "&") + kTimeout;
  Reply reply;
  reply.called = Now();
  try {
    if (!connection) {
      reply.outcome = Reply::Outcome::kNotApplied;  // unless it is sent
      connection = Connect(ports_[node]);
      reply.outcome = Reply::Outcome::kUnknown;
    }
    connection->Request(request.method, target, request.body, request.headers);
    reply.answer = connection->Read(kPatience);
    reply.outcome = OutcomeOf(reply.answer);
    if (reply.answered())
      revision_ = std::max(revision_, reply.answer.Revision());
    if (reply.answer.Header("connection") == "close")
      connection.reset();
  } catch (const HttpFailure&) {
    connection.reset();
  }
  reply.returned = Now();
  return reply;
}

Reply Client::Read(size_t node, const std::string& target) { return Try(node, {.target = target}); }

Reply Client::Change(const Request& request, bool keyed) {
  if (!keyed)
    return Try(AnyNode(), request);
  Request with_key = request;
  with_key.headers.emplace_back("Idempotency-Key", UniqueText());
  std::optional<int64_t> called;
  bool maybe_applied = false;
  for (int tries = 1;; ++tries) {
    Reply reply = Try(AnyNode(), with_key);
    reply.called = *(called = called.value_or(reply.called));
    if (reply.answered())
      return reply;
    maybe_applied = maybe_applied || reply.outcome == Reply::Outcome::kUnknown;
    if (tries == kTriesMax) {
      reply.outcome = maybe_applied ? Reply::Outcome::kUnknown : Reply::Outcome::kNotApplied;
      return reply;
    }
  }
}

}  // namespace synod::histories
