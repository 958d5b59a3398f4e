#include "src/node/gate.h"

#include <utility>

#include "src/node/work.h"

namespace synod::node {

Gate::Gate(net::asio::io_context& io,
           const GateLimits& limits,
           std::function<net::HttpCounters()> load,
           std::function<int64_t()> clock_us)
    : load_(std::move(load)),
      clock_us_(std::move(clock_us)),
      admission_(limits.admission),
      rates_(limits.rate_per_second, limits.rate_burst),
      catch_ups_(io, clock_us_, [this] { return load_().in_line != 0; }) {}

const machine::Machine* Gate::machine() const {
  return engine_ == nullptr ? nullptr : &engine_->machine();
}

ClusterTime Gate::Now() const { return engine_ == nullptr ? ClusterTime() : engine_->Now(); }

uint64_t Gate::HeldBytes() const {
  const net::HttpCounters load = load_();
  return load.request_bytes + load.output_bytes;
}

Status Gate::Count(const Asker& asker, int64_t now_us) {
  if (!rates_.on())
    return Done();
  std::string client = machine() == nullptr ? "" : machine()->UserName(asker.who, Now());
  if (client.empty()) {
    client = asker.exchange.remote();
    client.resize(client.rfind(':'));
  }
  if (rates_.Take(client, now_us))
    return Done();
  return Error{Errc::kRateLimited, Outcome::kNotApplied,
               client + " makes more requests a second than http.rate_per_second allows"};
}

bool Gate::IsKnown(const auth::Principal& who) const {
  return machine() == nullptr || machine()->settings().auth_enabled == 0 ||
         machine()->Knows(who, Now()).has_value();
}

Result<Admission::Ticket> Gate::Admit(const api::Call& call, const Asker& asker, int64_t now_us) {
  const WorkClass work = WorkOf(call);
  // A renewal that is refused would end a lease, and with it more than its client's own work. Who
  // may only be trying tokens has none.
  const bool renewal = work == WorkClass::kVital && RouteOf(call) == Route::kLease;
  if (!IsHealth(call))
    if (Status may = Count(asker, now_us); !may && !(renewal && IsKnown(asker.who)))
      return may.error();
  return admission_.Take(work, now_us, HeldBytes());
}

Status Gate::MayServe(const api::Call& call, int64_t began_us, int64_t queued_us, int64_t now_us) {
  if (engine_ != nullptr && engine_->IsDiverged())
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "this node's state is not that of the majority"};
  if (Status still = MayStillServe(call, (now_us - began_us) / 1000); !still)
    return still;
  return admission_.MayAnswer(WorkClass::kCatchUp, now_us - queued_us, HeldBytes());
}

void Gate::Queue(const api::Call& call,
                 int64_t began_us,
                 std::function<void(const Status& may)> serve) {
  catch_ups_.Add([this, &call, began_us, serve = std::move(serve), queued_us = clock_us_()] {
    const int64_t now_us = clock_us_();
    const Status may = MayServe(call, began_us, queued_us, now_us);
    serve(may);
    if (may)
      admission_.Served(clock_us_() - now_us);
  });
}

void Gate::CountRefusal(const Error& error, WorkClass work) {
  if (error.code == Errc::kOverloaded)
    admission_.Refused(work);
  rate_limited_ += error.code == Errc::kRateLimited ? 1 : 0;
}

}  // namespace synod::node
