#include "src/client/lease.h"

#include <boost/json/serialize.hpp>

#include "src/client/core.h"
#include "src/client/json.h"

namespace synod::client {
namespace {

void StartRevoke(Client& client, const std::shared_ptr<LeaseBelief>& belief, Callback<Unit> done) {
  client.core().leases.Drop(*belief);
  Call call;
  call.method = "DELETE";
  call.target = "/v1/leases/" + std::to_string(belief->id());
  call.repeatable = true;
  // It ends by itself later.
  call.timeout = std::min(call.timeout, belief->ttl());
  client.core().calls.Start(std::move(call), [done = std::move(done)](Result<Answer> answer) {
    const Result<Answer> revoked = OkOrError(std::move(answer));
    const bool gone = revoked || revoked.error().code == Errc::kLeaseNotFound;
    done(gone ? Done() : Status(revoked.error()));
  });
}

}  // namespace

void Lease::Grant(Client& client, LeaseOptions options, Callback<Lease> done) {
  Call call;
  call.method = "POST";
  call.target = "/v1/leases";
  call.headers = {{"Content-Type", "application/json"}};
  call.body = boost::json::serialize(
      boost::json::object{{"ttl_ms", options.ttl.count()}, {"name", options.name}});
  client.Send(std::move(call), [&client, on_lost = std::move(options.on_lost),
                                done = std::move(done)](Result<Answer> result) {
    const Result<Answer> answer = OkOrError(std::move(result));
    if (!answer)
      return done(answer.error());
    std::shared_ptr<LeaseBelief> belief = client.core().leases.Keep(*answer, on_lost);
    if (!belief)
      return done(Error{Errc::kLeaseNotFound, Outcome::kUnknown,
                        "the grant's answer came too late to be believed"});
    done(Lease(client, std::move(belief)));
  });
}

Result<Lease> Lease::Grant(Client& client, LeaseOptions options) {
  return Await<Lease>(
      client, [&](Callback<Lease> done) { Grant(client, std::move(options), std::move(done)); });
}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other)
    return *this;
  End();
  client_ = other.client_;
  belief_ = std::move(other.belief_);
  return *this;
}

Lease::~Lease() { End(); }

void Lease::End() {
  if (!belief_ || belief_->given_back() || client_->closing())
    return;
  // What is lost need not be waited for; the cluster may not be there.
  if (client_->core().runtime().OnLoop() || !Alive())
    Revoke([](const Status&) {});
  else
    (void)Revoke();
}

uint64_t Lease::id() const { return belief_ ? belief_->id() : 0; }
bool Lease::Alive() const { return belief_ && belief_->Alive(client_->core().runtime().Now()); }
Clock::time_point Lease::safe_until() const {
  return belief_ ? belief_->safe_until() : Clock::time_point();
}

void Lease::Revoke(Callback<Unit> done) {
  const bool first = belief_ && belief_->GiveBack();
  client_->core().runtime().Post(
      [client = client_, belief = belief_, first, done = std::move(done)] {
        if (first)
          StartRevoke(*client, belief, done);
        else
          done(Done());
      });
}

Status Lease::Revoke() {
  return Await<Unit>(*client_, [this](Callback<Unit> done) { Revoke(std::move(done)); });
}

}  // namespace synod::client
