#include "src/client/claim.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "src/client/core.h"
#include "src/client/json.h"

namespace synod::client {
namespace {

// How long after the wait its last answer may take.
constexpr Milliseconds kGrace{10'000};

std::vector<Fence> FencesOf(const boost::json::object& answer, const std::string& path) {
  std::vector<Fence> fences;
  const auto* holds = answer.if_contains("holds");
  if (holds == nullptr || !holds->is_array())
    return {{path, NumberOf(answer, "token")}};
  for (const auto& hold : holds->get_array())
    if (hold.is_object())
      fences.push_back({TextOf(hold.get_object(), "lock"), NumberOf(hold.get_object(), "token")});
  return fences;
}

}  // namespace

Waiting ClaimState::Start(Client& client, ClaimRequest request, Callback<Hold> done) {
  auto claim = std::make_shared<ClaimState>(client, std::move(request), std::move(done));
  client.core().runtime().Post([claim] { claim->Begin(); });
  return Waiting(client, std::move(claim));
}

Result<Hold> ClaimState::Run(Client& client, ClaimRequest request) {
  return Await<Hold>(client, [&](Callback<Hold> done) {
    std::make_shared<ClaimState>(client, std::move(request), std::move(done))->Begin();
  });
}

Waiting& Waiting::operator=(Waiting&& other) noexcept {
  if (this != &other) {
    Cancel();
    client_ = other.client_;
    claim_ = std::move(other.claim_);
  }
  return *this;
}
Waiting::~Waiting() { Cancel(); }
void Waiting::Cancel() {
  if (claim_)
    RunOnLoop(*client_, [this] { claim_->Cancel(); });
}

void ClaimState::Begin() {
  if (!done_)
    return;  // cancelled before it began
  give_up_ = client_.core().runtime().Now() + request_.wait;
  LeaseOptions lease;
  lease.ttl = request_.options.ttl;
  lease.name = request_.path;
  lease.on_lost = [weak = weak_from_this(), on_lost = request_.options.on_lost] {
    // Once it is granted the claim is gone or finished, and the loss is the holder's.
    const auto self = weak.lock();
    if (self && !self->granted_)
      self->OnLeaseLost();
    else if (on_lost)
      on_lost();
  };
  Lease::Grant(client_, std::move(lease), [self = shared_from_this()](Result<Lease> granted) {
    self->OnLease(std::move(granted));
  });
}

void ClaimState::Cancel() {
  Stop();
  done_ = nullptr;
  lease_.reset();
}

void ClaimState::Stop() {
  if (call_)
    client_.core().calls.Cancel(*call_);
  call_.reset();
  if (timer_)
    client_.core().runtime().Cancel(*timer_);
  timer_.reset();
}

void ClaimState::OnLease(Result<Lease> lease) {
  if (!done_)
    return;
  if (!lease)
    return Finish(lease.error());
  lease_.emplace(*std::move(lease));
  Ask();
}

void ClaimState::OnLeaseLost() {
  Stop();
  Finish(Error{Errc::kLeaseNotFound, Outcome::kNotApplied,
               "the lease, and with it the place in the queue, was lost while waiting"});
}

void ClaimState::Ask() {
  const auto now = client_.core().runtime().Now();
  const auto left = std::chrono::ceil<Milliseconds>(std::max(give_up_ - now, Clock::duration(0)));
  boost::json::object body = request_.body;
  body["lease"] = lease_->id();
  body["wait_ms"] = std::min<int64_t>(left.count(), 86'400'000);
  Call call;
  call.method = "POST";
  call.target = request_.target;
  call.headers = {{"Content-Type", "application/json"}};
  call.body = boost::json::serialize(body);
  // On a lease it is the same hold however often it is asked for.
  call.repeatable = true;
  call.timeout = call.attempt_timeout = kStep;
  call_ = client_.core().calls.Start(
      std::move(call),
      [self = shared_from_this()](const Result<Answer>& answer) { self->OnAnswer(answer); });
}

void ClaimState::OnAnswer(const Result<Answer>& answer) {
  call_.reset();
  if (answer && answer->ok())
    return Granted(*answer);
  const Error error = answer ? answer->ToError() : answer.error();
  const HttpReply none;
  const HttpReply& reply = answer ? answer->reply : none;
  Runtime& runtime = client_.core().runtime();
  const auto at = runtime.Now() + PauseMin(reply);
  // A wait that was broken before its time is refused as one that is over: 423 always ends it.
  if (!MayPass(reply.status, Name(error.code)) || at >= give_up_ + kGrace)
    return Finish(error);
  timer_ = runtime.At(at, [self = shared_from_this()] {
    self->timer_.reset();
    self->Ask();
  });
}

void ClaimState::Granted(const Answer& answer) {
  std::vector<Fence> fences = FencesOf(JsonObject(answer.reply.body), request_.path);
  // Somebody answered who is no node: the lease goes, and with it whatever a node has granted.
  if (fences.empty() || fences.front().token == 0)
    return Finish(Error{Errc::kInternal, Outcome::kUnknown, "no token in the answer"});
  granted_ = true;
  Lease lease = std::move(*lease_);
  lease_.reset();
  Finish(Hold(std::move(lease), std::move(fences)));
}

void ClaimState::Finish(Result<Hold> result) {
  const Callback<Hold> done = std::move(done_);
  done_ = nullptr;
  // Not granted: with the lease goes the place, whatever is still under way.
  lease_.reset();
  done(std::move(result));
}

}  // namespace synod::client
