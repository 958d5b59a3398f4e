#include "src/node/work.h"

#include <string>
#include <utility>
#include <variant>

namespace synod::node {
namespace {

Route RouteOf(const machine::Operation& operation) {
  struct Visitor {
    Route operator()(const machine::Put&) { return Route::kPut; }
    Route operator()(const machine::CreateSequential&) { return Route::kCreate; }
    Route operator()(const machine::Delete&) { return Route::kDelete; }
    Route operator()(const machine::Txn&) { return Route::kTxn; }
    Route operator()(const machine::LeaseGrant&) { return Route::kLease; }
    Route operator()(const machine::LeaseKeepAlive&) { return Route::kLease; }
    Route operator()(const machine::LeaseRevoke&) { return Route::kLease; }
    Route operator()(const machine::Acquire& a) { return OfKind(a.kind); }
    Route operator()(const machine::AcquireAll&) { return Route::kLock; }
    Route operator()(const machine::Release& r) { return OfKind(r.kind); }
    Route operator()(const machine::Proclaim&) { return Route::kElection; }
    Route operator()(const machine::Transfer&) { return Route::kElection; }
    Route operator()(const machine::Compact&) { return Route::kOther; }
    Route operator()(const machine::Disown&) { return Route::kOther; }
    Route operator()(const machine::NodeGone&) { return Route::kOther; }
    Route operator()(const machine::Adopt&) { return Route::kOther; }
    Route operator()(const machine::SetMember&) { return Route::kOther; }
    Route operator()(const machine::ChangeMembers&) { return Route::kOther; }
    Route operator()(const machine::UpdateMember&) { return Route::kOther; }
    Route operator()(const machine::CheckDigests&) { return Route::kOther; }
    Route operator()(const machine::ChangeSettings&) { return Route::kOther; }
    Route operator()(const machine::ChangeQuotas&) { return Route::kOther; }
    Route operator()(const machine::RaiseFence&) { return Route::kFence; }
    Route operator()(const machine::ForgetFence&) { return Route::kFence; }
    Route operator()(const machine::SetRole&) { return Route::kAuth; }
    Route operator()(const machine::DropRole&) { return Route::kAuth; }
    Route operator()(const machine::SetUser&) { return Route::kAuth; }
    Route operator()(const machine::DropUser&) { return Route::kAuth; }
    Route operator()(const machine::MakeToken&) { return Route::kAuth; }
    Route operator()(const machine::RevokeToken&) { return Route::kAuth; }
    Route operator()(const machine::SetUpAuth&) { return Route::kAuth; }
    static Route OfKind(machine::LockKind kind) {
      return kind == machine::LockKind::kLock ? Route::kLock : Route::kElection;
    }
  };
  return std::visit(Visitor{}, operation);
}

Route RouteOf(const machine::Query& query) {
  struct Visitor {
    Route operator()(const machine::GetNode&) { return Route::kGet; }
    Route operator()(const machine::ListNodes&) { return Route::kList; }
    Route operator()(const machine::GetLease&) { return Route::kLease; }
    Route operator()(const machine::ListLeases&) { return Route::kLease; }
    Route operator()(const machine::GetLock& q) {
      return q.kind == machine::LockKind::kLock ? Route::kLock : Route::kElection;
    }
    Route operator()(const machine::ListLocks&) { return Route::kLock; }
    Route operator()(const machine::GetSettings&) { return Route::kOther; }
    Route operator()(const machine::GetFence&) { return Route::kFence; }
    Route operator()(const machine::GetRoles&) { return Route::kAuth; }
    Route operator()(const machine::GetUsers&) { return Route::kAuth; }
    Route operator()(const machine::GetTokens&) { return Route::kAuth; }
  };
  return std::visit(Visitor{}, query);
}

WorkClass WorkOf(const machine::Query& query) {
  const bool list = std::holds_alternative<machine::ListNodes>(query) ||
                    std::holds_alternative<machine::ListLeases>(query) ||
                    std::holds_alternative<machine::ListLocks>(query);
  return list ? WorkClass::kCatchUp : WorkClass::kRead;
}

}  // namespace

Route RouteOf(const api::Call& call) {
  if (const auto* change = std::get_if<api::ChangeCall>(&call))
    return RouteOf(change->command.operation);
  if (const auto* read = std::get_if<api::ReadCall>(&call))
    return RouteOf(read->query);
  if (const auto* plain = std::get_if<api::PlainCall>(&call)) {
    switch (plain->kind) {
      case api::PlainCall::Kind::kStatus:
      case api::PlainCall::Kind::kCluster:
        return Route::kStatus;
      case api::PlainCall::Kind::kMetrics:
        return Route::kMetrics;
      case api::PlainCall::Kind::kVersion:
        return Route::kOther;
      case api::PlainCall::Kind::kLivez:
      case api::PlainCall::Kind::kReadyz:
      case api::PlainCall::Kind::kHealthz:
        return Route::kHealth;
    }
  }
  const bool stream = std::holds_alternative<api::WatchCall>(call) ||
                      std::holds_alternative<api::ObserveCall>(call) ||
                      std::holds_alternative<api::WatchSocketCall>(call);
  return stream ? Route::kWatch : Route::kOther;
}

api::Freshness FreshnessOf(const api::Call& call) {
  if (const auto* read = std::get_if<api::ReadCall>(&call))
    return read->fresh;
  if (const auto* snapshot = std::get_if<api::SnapshotCall>(&call))
    return snapshot->fresh;
  const auto* plain = std::get_if<api::PlainCall>(&call);
  return plain == nullptr ? api::Freshness() : plain->fresh.value_or(api::Freshness());
}

Status MayStillServe(const api::Call& call, int64_t age_ms) {
  const api::Freshness fresh = FreshnessOf(call);
  if (fresh.max_age_ms && age_ms > *fresh.max_age_ms)
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "this replica is not proven to be as fresh as max_age_ms asks"};
  if (age_ms >= TimeoutOf(call))
    return Error{Errc::kDeadlineExceeded, Outcome::kNotApplied,
                 "the request could not be served in timeout_ms"};
  return Done();
}

int64_t TimeoutOf(const api::Call& call) {
  return std::visit([](const auto& c) { return c.timeout_ms; }, call);
}

WorkClass WorkOf(const api::Call& call) {
  struct Visitor {
    WorkClass operator()(const api::ChangeCall& c) {
      return std::holds_alternative<machine::LeaseKeepAlive>(c.command.operation)
                 ? WorkClass::kVital
                 : WorkClass::kChange;
    }
    WorkClass operator()(const api::ReadCall& c) { return WorkOf(c.query); }
    WorkClass operator()(const api::WatchCall& c) { return OfStream(c.from_revision); }
    WorkClass operator()(const api::ObserveCall& c) { return OfStream(c.from_revision); }
    WorkClass operator()(const api::WatchSocketCall&) { return WorkClass::kRead; }
    WorkClass operator()(const api::SnapshotCall&) { return WorkClass::kCatchUp; }
    WorkClass operator()(const api::MoveLeaderCall&) { return WorkClass::kVital; }
    WorkClass operator()(const api::PlainCall&) { return WorkClass::kVital; }
    static WorkClass OfStream(Revision from) {
      return from == Revision() ? WorkClass::kRead : WorkClass::kCatchUp;
    }
  };
  return std::visit(Visitor{}, call);
}

bool IsHealth(const api::Call& call) {
  const auto* plain = std::get_if<api::PlainCall>(&call);
  return plain != nullptr && (plain->kind == api::PlainCall::Kind::kLivez ||
                              plain->kind == api::PlainCall::Kind::kReadyz ||
                              plain->kind == api::PlainCall::Kind::kHealthz);
}

}  // namespace synod::node
