#include "src/client/calls.h"

#include <algorithm>
#include <charconv>

#include "src/base/check.h"
#include "src/client/json.h"

namespace synod::client {
namespace {

constexpr Milliseconds kPauseMin{20};
constexpr Milliseconds kPauseMax{1000};
constexpr int kDoublingsMax = 6;
constexpr uint64_t kNotAfterMs = 15'000;
constexpr std::chrono::seconds kTimeAgeMax{60};
// Below this an attempt cannot succeed over any network.
constexpr Milliseconds kAttemptMin{1};

bool IsChange(const std::string& method) { return method != "GET" && method != "HEAD"; }

uint64_t ToNumber(std::string_view text) {
  uint64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

// Changes of the membership are not commands of the state machine: it does not judge their time.
bool TakesNotAfter(const std::string& target) { return !target.starts_with("/v1/cluster/"); }

// Did the state machine judge this and record it, having found no record of the key? Then no
// attempt from before was applied, or ever will be; or this is its answer. By the code, as a proxy
// has the same statuses, and only by those that no node gives by itself: limits are each node's
// own, and nodes of two versions differ in what they can read. quota_exceeded is not recorded, and
// the record of idempotency_key_reused may be an earlier attempt's.
bool IsDecided(const AttemptEnd& end) {
  static constexpr std::string_view kMachineCodes[] = {
      "precondition_failed", "fenced",         "lock_unavailable", "lease_not_found",
      "lock_not_held",       "not_empty",      "managed_node",     "leased_parent",
      "wrong_kind",          "held_otherwise", "limit_mismatch"};
  return end.replayed || (end.status >= 200 && end.status < 300) ||
         std::find(std::begin(kMachineCodes), std::end(kMachineCodes), end.code) !=
             std::end(kMachineCodes);
}

Milliseconds RetryAfter(const HttpReply& reply) {
  return std::chrono::seconds(std::min<uint64_t>(ToNumber(reply.Header("retry-after")), 60));
}

}  // namespace

bool MayPass(int status, std::string_view code) {
  switch (status) {
    case 0:
    case 408:
    case 429:
    case 500:
    case 502:
    case 504:
      return true;
    case 503:
      // Nobody makes room while a client waits.
      return code != "storage_full";
    default:
      return false;
  }
}

bool MayPass(Errc code) {
  switch (code) {
    case Errc::kRequestTimeout:
    case Errc::kOverloaded:
    case Errc::kRateLimited:
    case Errc::kNoLeader:
    case Errc::kNoQuorum:
    case Errc::kNotReady:
    case Errc::kShuttingDown:
    case Errc::kDeadlineExceeded:
    case Errc::kInternal:
      return true;
    default:
      return false;
  }
}

Milliseconds PauseMin(const HttpReply& reply) {
  return reply.status == 429 ? std::max(RetryAfter(reply), kPauseMin) : kPauseMin;
}

Milliseconds BackOff(Runtime& runtime, int failures, Milliseconds at_least) {
  const Milliseconds full =
      std::min(kPauseMin * (1 << std::min(failures, kDoublingsMax)), kPauseMax);
  const auto half = static_cast<uint64_t>(full.count()) / 2;
  return std::max(Milliseconds(half + runtime.Random(half + 1)), at_least);
}

Verdict Judge(const AttemptEnd& end, bool change, bool own_key, bool maybe_applied_before) {
  Verdict v;
  v.maybe_applied = change && (maybe_applied_before || end.outcome == Outcome::kUnknown);
  v.repeat = MayPass(end.status, end.code);
  if (v.repeat)
    return v;
  if (end.code == "request_expired") {
    // Its outcome is unknown only because of attempts before this one.
    v.maybe_applied = change && maybe_applied_before;
    v.anew = v.repeat = change && !own_key && !maybe_applied_before;
  } else if (IsDecided(end)) {
    v.maybe_applied = false;
  }
  return v;
}

Calls::Calls(Runtime& runtime, size_t endpoints) : runtime_(runtime), endpoints_(endpoints) {
  SYNOD_CHECK(endpoints_ > 0);
}

Calls::Id Calls::Start(Call call, Callback<Answer> done, OnData on_data) {
  const Id id = ++last_id_;
  Pending& p = pending_[id];
  p.call = std::move(call);
  p.done = std::move(done);
  if (on_data)
    p.on_data = std::make_shared<OnData>(std::move(on_data));
  p.deadline = runtime_.Now() + p.call.timeout;
  p.change = IsChange(p.call.method);
  p.own_key = std::any_of(p.call.headers.begin(), p.call.headers.end(),
                          [](const auto& h) { return h.first == "Idempotency-Key"; });
  p.timer = runtime_.At(runtime_.Now(), [this, id] { Attempt(id); });
  return id;
}

void Calls::Cancel(Id id) {
  const auto it = pending_.find(id);
  if (it == pending_.end())
    return;
  if (it->second.exchange)
    runtime_.Abandon(*it->second.exchange);
  if (it->second.timer)
    runtime_.Cancel(*it->second.timer);
  pending_.erase(it);
}

bool Calls::KnowsTime() const {
  return cluster_time_.has_value() && runtime_.Now() - time_seen_at_ < kTimeAgeMax;
}

Clock::time_point Calls::AttemptDeadline(const Pending& p) const {
  return std::min(p.deadline, runtime_.Now() + p.call.attempt_timeout);
}

void Calls::Attempt(Id id) {
  Pending& p = pending_.at(id);
  p.timer.reset();
  p.asked = endpoint_;
  const bool guarded = p.change && !p.own_key && !p.call.repeatable && TakesNotAfter(p.call.target);
  if (guarded && p.not_after == 0 && !KnowsTime())
    AskTime(id, p);
  else
    Send(id, p);
}

void Calls::AskTime(Id id, Pending& p) {
  Exchange exchange;
  exchange.endpoint = p.asked;
  // A linearizable read: a node that was idle or cut off tells an old time.
  exchange.request.target = "/v1/settings";  // whoever is known may
  exchange.deadline = AttemptDeadline(p);
  exchange.on_end = [this, id](Result<HttpReply> result) {
    Pending& asking = pending_.at(id);
    asking.exchange.reset();
    if (result)
      Learn(*result);
    if (KnowsTime())
      return Send(id, asking);
    // Nothing of the call itself has been sent.
    OnEnd(id, result ? Error{Errc::kInternal, Outcome::kNotApplied, "a node without Synod-Time"}
                     : Error{result.error().code, Outcome::kNotApplied, result.error().detail});
  };
  p.exchange = runtime_.Start(std::move(exchange));
}

void Calls::Send(Id id, Pending& p) {
  Exchange exchange;
  exchange.endpoint = p.asked;
  exchange.request = {p.call.method, p.call.target, p.call.headers, p.call.body};
  exchange.deadline = AttemptDeadline(p);
  if (p.change && !p.own_key && !p.call.repeatable) {
    if (p.key.empty())
      p.key = UniqueKey();
    exchange.request.headers.emplace_back("Idempotency-Key", p.key);
    if (TakesNotAfter(p.call.target)) {
      if (p.not_after == 0) {
        const auto since = std::chrono::duration_cast<Milliseconds>(runtime_.Now() - time_seen_at_);
        p.not_after = *cluster_time_ + static_cast<uint64_t>(since.count()) + kNotAfterMs;
      }
      exchange.request.headers.emplace_back("Synod-Not-After", std::to_string(p.not_after));
    }
  }
  p.sent_at = runtime_.Now();
  if (p.attempts++ == 0)
    p.first_sent_at = p.sent_at;
  if (p.on_data)
    exchange.on_data = [this, id](std::string_view bytes) {
      pending_.at(id).data_seen = true;
      // Kept: what it does may cancel the call. Not copied: it may count.
      const std::shared_ptr<OnData> kept = pending_.at(id).on_data;
      (*kept)(bytes);
    };
  exchange.on_end = [this, id](Result<HttpReply> result) {
    pending_.at(id).exchange.reset();
    OnEnd(id, std::move(result));
  };
  p.exchange = runtime_.Start(std::move(exchange));
}

void Calls::OnEnd(Id id, Result<HttpReply> result) {
  Pending& p = pending_.at(id);
  AttemptEnd end;
  Answer answer;
  std::string detail;
  if (result) {
    Learn(*result);
    answer.reply = *std::move(result);
    end.replayed = answer.reply.Header("synod-replayed") == "true";
    answer.sent_at = end.replayed ? p.first_sent_at : p.sent_at;
    end.status = answer.reply.status;
    if (!answer.ok() && end.status >= 400) {
      const boost::json::object problem = JsonObject(answer.reply.body);
      end.code = TextOf(problem, "code");
      detail = TextOf(problem, "detail");
      // Without the member: something that is no node of ours answered.
      if (TextOf(problem, "outcome") == "unknown" || (end.code.empty() && end.status >= 500))
        end.outcome = Outcome::kUnknown;
    }
  } else {
    end.outcome = result.error().outcome;
  }
  // The last attempt may have been cut short: why those before it failed says more.
  if (result)
    p.trouble = std::move(detail);
  else if (p.trouble.empty() || result.error().code != Errc::kDeadlineExceeded)
    p.trouble = result.error().detail;
  const Verdict v = Judge(end, p.change, p.own_key, p.maybe_applied);
  p.maybe_applied = v.maybe_applied;
  if (v.anew) {
    p.key.clear();
    p.not_after = 0;
  }
  if (v.repeat)
    Leave(p.asked);
  const Milliseconds pause_min = PauseMin(answer.reply);
  const bool late = runtime_.Now() + pause_min + kAttemptMin >= p.deadline;
  if (v.repeat && !late && !p.data_seen)
    return Repeat(id, p, pause_min);
  const Outcome outcome = p.maybe_applied ? Outcome::kUnknown : Outcome::kNotApplied;
  if (result) {
    answer.change = p.change;
    answer.outcome = outcome;
    Finish(id, std::move(answer));
  } else {
    Finish(id, Error{result.error().code, outcome, p.trouble});
  }
}

void Calls::Repeat(Id id, Pending& p, Milliseconds pause_min) {
  const Clock::time_point at = runtime_.Now() + BackOff(runtime_, p.attempts, pause_min);
  p.timer = runtime_.At(std::min(at, p.deadline - kAttemptMin), [this, id] { Attempt(id); });
}

void Calls::Finish(Id id, Result<Answer> result) {
  // Out of the table first: the callback may start and cancel calls.
  const Callback<Answer> done = std::move(pending_.at(id).done);
  pending_.erase(id);
  done(std::move(result));
}

// Only if nobody has left it before: calls that failed together move on by one.
void Calls::Leave(size_t endpoint) {
  if (endpoint == endpoint_)
    endpoint_ = (endpoint_ + 1) % endpoints_;
}

void Calls::Learn(const HttpReply& reply) {
  const std::string_view told = reply.Header("synod-time");
  const uint64_t time = ToNumber(told);
  // A node that lags behind tells an old time; the same time again says that it stands still. The
  // first second of a cluster is at 0.
  if (told.empty() || (KnowsTime() && time < *cluster_time_))
    return;
  cluster_time_ = time;
  time_seen_at_ = runtime_.Now();
}

}  // namespace synod::client
