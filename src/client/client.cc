#include "src/client/client.h"

#include <sys/random.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <thread>

#include "src/base/check.h"
#include "src/base/hash.h"

namespace synod::client {
namespace {

constexpr std::chrono::milliseconds kPauseMin{20};
constexpr std::chrono::milliseconds kPauseMax{500};

bool IsChange(const std::string& method) { return method != "GET" && method != "HEAD"; }

std::string Field(const boost::json::value& json, const char* name) {
  if (const auto* object = json.if_object())
    if (const auto* value = object->if_contains(name))
      if (const auto* text = value->if_string())
        return std::string(*text);
  return "";
}

// Not this node's fault or not now: another try may succeed, and this one changed nothing.
bool IsWorthRepeating(const Answer& answer) {
  return (answer.reply.status == 503 || answer.reply.status == 429) &&
         answer.ProblemCode() != "storage_full";
}

}  // namespace

boost::json::value Answer::Json() const {
  boost::system::error_code error;
  boost::json::value json = boost::json::parse(reply.body, error);
  return error ? boost::json::value() : json;
}
std::string Answer::ProblemCode() const { return ok() ? "" : Field(Json(), "code"); }
std::string Answer::ProblemDetail() const { return ok() ? "" : Field(Json(), "detail"); }
bool Answer::OutcomeUnknown() const { return !ok() && Field(Json(), "outcome") == "unknown"; }

Client::Client(std::vector<Endpoint> endpoints)
    : endpoints_(std::move(endpoints)), connections_(endpoints_.size()) {
  SYNOD_CHECK(!endpoints_.empty());
}

HttpConnection& Client::Current() {
  std::unique_ptr<HttpConnection>& c = connections_[current_];
  if (!c)
    c = std::make_unique<HttpConnection>(endpoints_[current_]);
  return *c;
}

Result<Answer> Client::Send(Call call) {
  const Deadline deadline = Clock::now() + call.timeout;
  const bool change = IsChange(call.method);
  const bool keyed = std::any_of(call.headers.begin(), call.headers.end(),
                                 [](const auto& h) { return h.first == "Idempotency-Key"; });
  if (change && !keyed)
    call.headers.emplace_back("Idempotency-Key", UniqueKey());
  std::chrono::milliseconds pause = kPauseMin;
  bool maybe_applied = false;
  while (true) {
    const Clock::time_point sent_at = Clock::now();
    Result<HttpReply> reply =
        Current().Roundtrip(call.method, call.target, call.headers, call.body, deadline);
    const bool late = Clock::now() + pause >= deadline;
    if (reply) {
      Answer answer{*std::move(reply), sent_at};
      if (late || !(IsWorthRepeating(answer) || answer.OutcomeUnknown()))
        return answer;
    } else {
      maybe_applied = maybe_applied || reply.error().outcome == Outcome::kUnknown;
      if (late) {
        Error error = reply.error();
        error.outcome = change && maybe_applied ? Outcome::kUnknown : Outcome::kNotApplied;
        return error;
      }
    }
    Next();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kPauseMax);
  }
}

Result<Answer> Client::Open(const Call& call) {
  const Deadline deadline = Clock::now() + call.timeout;
  std::chrono::milliseconds pause = kPauseMin;
  while (true) {
    // A stream that was left in the middle cannot be used again.
    connections_[current_].reset();
    const Clock::time_point sent_at = Clock::now();
    Result<HttpReply> reply = Current().Open(call.target, call.headers, deadline);
    const bool late = Clock::now() + pause >= deadline;
    if (reply) {
      Answer answer{*std::move(reply), sent_at};
      if (late || !IsWorthRepeating(answer))
        return answer;
    } else if (late) {
      return reply.error();
    }
    Next();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kPauseMax);
  }
}

namespace {

std::string Encode(std::string_view text, std::string_view kept) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kept.find(c) != std::string_view::npos;
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

std::string EncodePath(std::string_view path) { return Encode(path, "-._~/@:"); }
std::string EncodeQuery(std::string_view text) { return Encode(text, "-._~/"); }

std::string UniqueKey() {
  Hash128 random;
  SYNOD_CHECK_EQ(getrandom(&random, sizeof random, 0), static_cast<ssize_t>(sizeof random));
  return random.Hex();
}

}  // namespace synod::client
