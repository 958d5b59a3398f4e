#include "src/client/lease_keeper.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <set>

#include "src/client/json.h"

namespace synod::client {
namespace {

// Two clocks that are each right to half a percent, which is worse than any that works.
constexpr int64_t kDriftPart = 100;
// For the holder to be told in.
constexpr Milliseconds kMarginMin{25};
constexpr Milliseconds kMarginMax{500};
constexpr int64_t kMarginPart = 20;
constexpr Milliseconds kAttemptMin{100};
constexpr Milliseconds kAttemptMax{3000};

}  // namespace

Clock::time_point SafeUntil(Clock::time_point sent_at, Milliseconds remaining, Milliseconds ttl) {
  return sent_at + remaining - remaining / kDriftPart -
         std::clamp(ttl / kMarginPart, kMarginMin, kMarginMax);
}

std::shared_ptr<LeaseBelief> LeaseKeeper::Keep(const Answer& grant, std::function<void()> on_lost) {
  const boost::json::object json = JsonObject(grant.reply.body);
  const auto lease = std::make_shared<LeaseBelief>(
      NumberOf(json, "id"), Milliseconds(static_cast<int64_t>(NumberOf(json, "ttl_ms"))));
  const Milliseconds remaining(static_cast<int64_t>(NumberOf(json, "remaining_ms")));
  lease->on_lost_ = std::move(on_lost);
  lease->until_ = SafeUntil(grant.sent_at, remaining, lease->ttl_).time_since_epoch().count();
  if (!lease->Alive(runtime_.Now()))
    return nullptr;
  lease->renew_at_ = grant.sent_at + lease->ttl_ / 3;
  leases_[lease->id_] = lease;
  Arm();
  return lease;
}

void LeaseKeeper::Drop(LeaseBelief& lease) {
  lease.over_ = true;
  leases_.erase(lease.id_);
  Arm();
}

void LeaseKeeper::Arm() {
  if (timer_)
    runtime_.Cancel(*timer_);
  timer_.reset();
  if (leases_.empty())
    return;
  auto next = Clock::time_point::max();
  for (const auto& [id, lease] : leases_) {
    next = std::min(next, lease->safe_until());
    if (!lease->renewing_)
      next = std::min(next, lease->renew_at_);
  }
  timer_ = runtime_.At(next, [this] {
    timer_.reset();
    Tick();
  });
}

void LeaseKeeper::Tick() {
  const Clock::time_point now = runtime_.Now();
  std::vector<std::shared_ptr<LeaseBelief>> lost;
  Batch due;
  for (const auto& [id, lease] : leases_) {
    if (!lease->Alive(now))
      lost.push_back(lease);
    // What is due soon goes along: one request for all.
    else if (!lease->renewing_ && now + lease->ttl_ / 12 >= lease->renew_at_)
      due.push_back(lease);
  }
  for (size_t begin = 0; begin < due.size(); begin += kIdsMax) {
    const size_t end = std::min(begin + kIdsMax, due.size());
    Renew(Batch(due.begin() + static_cast<ptrdiff_t>(begin),
                due.begin() + static_cast<ptrdiff_t>(end)));
  }
  for (const auto& lease : lost) Lose(lease);
  Arm();
}

void LeaseKeeper::Renew(const Batch& batch) {
  boost::json::array ids;
  auto until = Clock::time_point::max();
  Milliseconds ttl = batch.front()->ttl_;
  for (const auto& lease : batch) {
    lease->renewing_ = true;
    ids.emplace_back(lease->id_);
    until = std::min(until, lease->safe_until());
    ttl = std::min(ttl, lease->ttl_);
  }
  Call call;
  call.method = "POST";
  call.target = "/v1/leases/keepalive";
  call.headers = {{"Content-Type", "application/json"}};
  call.body = boost::json::serialize(boost::json::object{{"ids", std::move(ids)}});
  // A key would have the cluster remember every renewal, and an old answer come back.
  call.repeatable = true;
  call.timeout = std::chrono::duration_cast<Milliseconds>(until - runtime_.Now());
  call.attempt_timeout = std::clamp(ttl / 6, kAttemptMin, kAttemptMax);
  calls_.Start(std::move(call),
               [this, batch](const Result<Answer>& answer) { OnRenewed(batch, answer); });
}

void LeaseKeeper::OnRenewed(const Batch& batch, const Result<Answer>& answer) {
  const bool ok = answer && answer->ok();
  const boost::json::object json = ok ? JsonObject(answer->reply.body) : boost::json::object();
  std::map<uint64_t, Milliseconds> renewed;
  std::set<uint64_t> gone;
  if (const auto* list = json.if_contains("leases"); list != nullptr && list->is_array())
    for (const auto& item : list->get_array())
      if (item.is_object())
        renewed[NumberOf(item.get_object(), "id")] =
            Milliseconds(static_cast<int64_t>(NumberOf(item.get_object(), "remaining_ms")));
  if (const auto* list = json.if_contains("not_found"); list != nullptr && list->is_array())
    for (const auto& item : list->get_array())
      if (item.is_number())
        gone.insert(item.to_number<uint64_t>());
  const Clock::time_point now = runtime_.Now();
  for (const auto& lease : batch) {
    lease->renewing_ = false;
    if (lease->over_)
      continue;
    lease->renew_at_ = now + lease->ttl_ / 12;
    if (const auto it = renewed.find(lease->id_); it != renewed.end())
      if (Extend(*lease, answer->sent_at, it->second))
        continue;
    // Over for the cluster, or this answer came when the holder had already stopped believing.
    if (gone.contains(lease->id_) || !lease->Alive(now))
      Lose(lease);
  }
  Arm();
}

bool LeaseKeeper::Extend(LeaseBelief& lease, Clock::time_point sent_at, Milliseconds remaining) {
  if (!lease.Alive(runtime_.Now()))
    return false;
  const Clock::time_point until =
      std::max(lease.safe_until(), SafeUntil(sent_at, remaining, lease.ttl_));
  lease.until_ = until.time_since_epoch().count();
  lease.renew_at_ = sent_at + lease.ttl_ / 3;
  return true;
}

void LeaseKeeper::Lose(const std::shared_ptr<LeaseBelief>& lease) {
  leases_.erase(lease->id_);
  if (!lease->over_.exchange(true) && lease->on_lost_)
    lease->on_lost_();
}

}  // namespace synod::client
