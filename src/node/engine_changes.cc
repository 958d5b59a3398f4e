// The way of a change: queued here, proposed here or handed to the leader, answered when applied.
#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/check.h"
#include "src/node/engine_core.h"

namespace synod::node {
namespace {

constexpr size_t kBatchBytesMax = size_t{128} << 10;
constexpr size_t kBatchCommandsMax = 1024;
constexpr size_t kForwardBytesMax = size_t{1} << 20;  // and one command more
constexpr int64_t kKeepAliveEveryMs = 100;
constexpr int64_t kTickEveryMs = 500;
constexpr int64_t kInternalTimeoutMs = 10'000;

bool IsGrowth(const machine::TxnOp& op) {
  return std::holds_alternative<machine::TxnPut>(op) ||
         std::holds_alternative<machine::TxnCreate>(op);
}

// What leaves the state larger. The rest makes it smaller, or keeps leases and members going.
bool GrowsState(const machine::Operation& operation) {
  if (const auto* txn = std::get_if<machine::Txn>(&operation))
    return std::any_of(txn->then_ops.begin(), txn->then_ops.end(), IsGrowth) ||
           std::any_of(txn->else_ops.begin(), txn->else_ops.end(), IsGrowth);
  return std::holds_alternative<machine::Put>(operation) ||
         std::holds_alternative<machine::CreateSequential>(operation) ||
         std::holds_alternative<machine::Acquire>(operation) ||
         std::holds_alternative<machine::AcquireAll>(operation) ||
         std::holds_alternative<machine::Proclaim>(operation) ||
         std::holds_alternative<machine::RaiseFence>(operation);
}

}  // namespace

Result<CallId> Engine::Core::Change(machine::Command command, int64_t timeout_ms) {
  touched = true;
  if (const Status serves = Serves(); !serves)
    return serves.error();
  if (!witness.lost().empty() || aside)
    return TakesPart().error();
  if (GrowsState(command.operation) && !MayGrow())
    return Error{Errc::kStorageFull, Outcome::kNotApplied,
                 "the disks of the members are nearly full: only what does not grow the state is "
                 "taken until there is room again"};
  if (!machine.digest_check().agreed)
    return Ready().error();
  const Lane lane = LaneOf(command.operation);
  if (IsFull(lane, changes.bytes(), changes.outstanding()))
    return Error{Errc::kOverloaded, Outcome::kNotApplied, "too many changes wait at this node"};
  const CallId call = ++last_call;
  command.id = {config.self.id, config.boot, call};
  PendingChange change;
  change.deadline_ms = now_ms + timeout_ms;
  change.keyed = !command.idempotency_key.empty();
  change.lane = lane;
  change.command = machine::Encode(command);
  changes.Add(call, std::move(change));
  return call;
}

void Engine::Core::Submit(machine::Operation operation) {
  touched = true;
  machine::Command command;
  command.principal = auth::OfNode();
  const CallId call = ++last_call;
  command.id = {config.self.id, config.boot, call};
  PendingChange change;
  change.deadline_ms = now_ms + kInternalTimeoutMs;
  change.internal = true;
  change.lane = LaneOf(operation);
  command.operation = std::move(operation);
  change.command = machine::Encode(command);
  changes.Add(call, std::move(change));
}

void Engine::Core::Cancel(CallId call) {
  touched = true;
  reads.Cancel(call);
  PendingChange* c = changes.Find(call);
  if (c == nullptr || c->cancelled)
    return;
  if (!c->sent || c->waiting)
    changes.Erase(call);  // what waits is disowned (TendWaits)
  else
    c->cancelled = true;
}

void Engine::Core::Route() {
  if (!changes.HasQueued() || !LeaderKnown())
    return;
  const Ballot ballot = replica.ballot();
  // A candidate has our promise, but the leader we know is an older one.
  if (ballot.node != *replica.leader())
    return;
  if (!replica.IsLeader()) {
    ForwardTo(*replica.leader(), ballot, changes.SendQueued(ballot, now_ms));
    return;
  }
  for (const uint64_t seq : changes.SendQueued(ballot, now_ms)) {
    PendingChange* c = changes.Find(seq);
    c->sent_us = turn_us;
    EnterInbox(c->command, c->lane);
  }
}

void Engine::Core::ForwardTo(NodeId leader, Ballot ballot, const std::vector<uint64_t>& seqs) {
  Forward forward{ballot, config.boot, changes.Base(), {}};
  size_t bytes = 0;
  const auto post = [&] {
    if (forward.items.empty())
      return;
    Bytes item;
    AppendItem(forward, &item);
    Post(leader, std::move(item));
    forward.items.clear();
    bytes = 0;
  };
  for (const uint64_t seq : seqs) {
    PendingChange* c = changes.Find(seq);
    if (c->sent_us == 0)
      c->sent_us = turn_us;
    forward.items.push_back({c->number, c->command});
    bytes += c->command.size();
    if (bytes >= kForwardBytesMax)
      post();
  }
  post();
  counters.forwarded += seqs.size();
}

void Engine::Core::OpenInbox() {
  if (inbox_ballot_ == replica.ballot())
    return;
  // What is left is from an older ballot of ours: its senders hand it on again once it is proven
  // that it was not applied.
  inbox_ballot_ = replica.ballot();
  inbox_.clear();
  keepalives_.clear();
  member_changes_.clear();
  inbox_bytes_ = 0;
  forwarded_.clear();
}

void Engine::Core::EnterInbox(Bytes command, Lane lane) {
  OpenInbox();
  inbox_bytes_ += command.size();
  std::deque<Bytes>& queue = lane == Lane::kKeepAlives ? keepalives_
                             : lane == Lane::kMembers  ? member_changes_
                                                       : inbox_;
  queue.push_back(std::move(command));
}

bool Engine::Core::IsFull(Lane lane, uint64_t bytes, uint64_t changes_waiting) const {
  if (lane == Lane::kKeepAlives)
    return bytes >= config.pending_bytes_max + config.pending_bytes_max / 4;
  return bytes >= config.pending_bytes_max || changes_waiting >= config.pending_changes_max;
}

void Engine::Core::OnForward(NodeId from, const Forward& forward) {
  Reject reject{forward.ballot, forward.boot, Reject::Reason::kNotLeader, {}};
  // Taken also before this node has begun to lead, while it fetches what it lacks; if it never
  // does, the next LeaderStart tells the senders. A restart keeps the ballot as its promise and not
  // what it took in it: of that only the next leader can tell.
  const bool by_this_process =
      forward.ballot > old_ballot_ &&
      (replica.role() != consensus::Role::kFollower || inbox_ballot_ == forward.ballot);
  const bool ours = forward.ballot.node == config.self.id && replica.ballot() == forward.ballot &&
                    by_this_process;
  if (!ours || shutting_down) {
    for (const Forward::Item& item : forward.items) reject.numbers.push_back(item.number);
  } else {
    OpenInbox();
    reject.reason = Reject::Reason::kOverloaded;
    Forwarded& known = forwarded_[{from, forward.boot}];
    known.base = std::max(known.base, forward.base);
    known.seen.erase(known.seen.begin(), known.seen.lower_bound(known.base));
    for (const Forward::Item& item : forward.items) {
      const Result<machine::Command> command = machine::DecodeCommand(item.command);
      if (!command) {
        out.events.push_back({"malformed_command", from.value});
        return;
      }
      const Lane lane = LaneOf(command->operation);
      const bool full = IsFull(lane, inbox_bytes_, inbox_.size());
      if (item.number < known.base || !known.seen.insert(item.number).second)
        continue;
      if (full)
        reject.numbers.push_back(item.number);
      else
        EnterInbox(Bytes(item.command), lane);
    }
  }
  if (reject.numbers.empty())
    return;
  counters.forwards_rejected += reject.numbers.size();
  Bytes item;
  AppendItem(reject, &item);
  Post(from, std::move(item));
}

void Engine::Core::OnReject(const Reject& reject) {
  if (reject.boot != config.boot)
    return;
  for (const uint64_t number : reject.numbers) {
    const std::optional<uint64_t> seq = changes.Rejected(reject.ballot, number, reject.reason);
    if (!seq || reject.reason != Reject::Reason::kOverloaded)
      continue;
    // Whose place another request has asks once more soon (FailLostWaits).
    if (changes.Find(*seq)->entered)
      changes.Waits(*seq, turn_us);
    else
      FailChange(*seq,
                 {Errc::kOverloaded, Outcome::kNotApplied, "the leader has no room for more"});
  }
}

void Engine::Core::Propose() {
  if (replica.IsLeader() && ProposeMembers())
    return;
  if (!replica.IsLeader() || inbox_ballot_ != replica.ballot()) {
    ProposeTick();
    return;
  }
  if (!keepalives_.empty() && now_ms - keepalives_flushed_ms_ >= kKeepAliveEveryMs) {
    keepalives_flushed_ms_ = now_ms;
    // Before the changes that wait: those can be late.
    inbox_.insert(inbox_.begin(), std::make_move_iterator(keepalives_.begin()),
                  std::make_move_iterator(keepalives_.end()));
    keepalives_.clear();
  }
  bool waits = last_persist_ > persisted_ || (pace_.AwaitsChosen() && replica.InFlight() > 0);
  while (!inbox_.empty() && replica.CanPropose()) {
    // While one is on its way the next batch fills; a full one need not wait.
    if (waits && inbox_bytes_ < kBatchBytesMax && inbox_.size() < kBatchCommandsMax)
      break;
    std::vector<Bytes> batch;
    size_t bytes = 0;
    while (!inbox_.empty() && batch.size() < kBatchCommandsMax &&
           (batch.empty() || bytes + inbox_.front().size() <= kBatchBytesMax)) {
      bytes += inbox_.front().size();
      batch.push_back(std::move(inbox_.front()));
      inbox_.pop_front();
    }
    inbox_bytes_ -= bytes;
    const ClusterTime time = ProposalTime();
    const Result<Slot> slot = replica.Propose(
        consensus::EntryKind::kCommand,
        std::make_shared<const Bytes>(machine::EncodeBatch(time, batch, Version())));
    SYNOD_CHECK(slot.has_value());
    NoteProposed(*slot);
    ++counters.proposals;
    counters.proposed_commands += batch.size();
    proposed_ms_ = now_ms;
    proposed_time_ = time;
    waits = true;
  }
  ProposeTick();
}

// Keeps cluster time in the log going while anything has a deadline: so that what is due ends, and
// so that a failover after idle hours loses at most half a second.
void Engine::Core::ProposeTick() {
  if (!replica.IsLeader() || !clock.leading() || !replica.CanPropose())
    return;
  const std::optional<ClusterTime> deadline = machine.NextDeadline();
  // An entry raises the version, whatever else it carries.
  const bool raise = Version() > machine.version();
  if (!deadline && !raise)
    return;
  const bool due = (raise || clock.time() >= *deadline) && replica.InFlight() == 0;
  if (!due && (!deadline || now_ms - proposed_ms_ < kTickEveryMs || clock.time() <= proposed_time_))
    return;
  const Result<Slot> slot = replica.Propose(
      consensus::EntryKind::kCommand,
      std::make_shared<const Bytes>(machine::EncodeBatch(clock.time(), {}, Version())));
  if (!slot)
    return;
  ++counters.ticks_proposed;
  proposed_ms_ = now_ms;
  proposed_time_ = clock.time();
}

void Engine::Core::Complete(machine::Completion completion) {
  const PendingChange* c = changes.Find(completion.seq);
  if (c == nullptr)
    return;
  const bool wanted = !c->internal && !c->cancelled;
  ChangeTimes times = c->waiting ? ChangeTimes() : applying_;
  times.sent_us = c->sent_us;
  times.waits_us = c->waits_us;
  changes.Erase(completion.seq);
  if (wanted)
    out.changes.push_back({completion.seq, std::move(completion.answer), times});
}

void Engine::Core::NoteProposed(Slot slot) {
  proposed_.push_back({slot, PersistId(), {0, turn_us, 0, 0}});
}

// The requests that the replica gave out since hold what was proposed since.
void Engine::Core::NoteSynced() {
  for (Proposed& p : proposed_) {
    if (p.persist == PersistId())
      p.persist = last_persist_;
    else if (p.times.synced_us == 0 && p.persist <= persisted_)
      p.times.synced_us = turn_us;
  }
}

void Engine::Core::FindProposed(Slot chosen) {
  while (!proposed_.empty() && proposed_.front().slot < chosen) proposed_.pop_front();
  applying_ = {};
  if (proposed_.empty() || proposed_.front().slot != chosen)
    return;
  applying_ = proposed_.front().times;
  if (applying_.synced_us != 0)
    pace_.Note(applying_.synced_us - applying_.proposed_us, turn_us - applying_.proposed_us);
  proposed_.pop_front();
}

void Engine::Core::FailChange(uint64_t seq, Error error) {
  const PendingChange* c = changes.Find(seq);
  const bool wanted = !c->internal && !c->cancelled;
  const ChangeTimes times{c->sent_us, 0, 0, c->waits_us};
  changes.Erase(seq);
  if (wanted)
    out.changes.push_back({seq, std::move(error), times});
}

void Engine::Core::ExpireChanges() {
  std::vector<std::pair<uint64_t, bool>> late;
  for (const auto& [seq, c] : changes.all())
    if (now_ms >= c.deadline_ms)
      late.emplace_back(seq, c.MayBeApplied());
  for (const auto& [seq, maybe_applied] : late) {
    if (maybe_applied)
      FailChange(seq, {Errc::kDeadlineExceeded, Outcome::kUnknown,
                       "no answer in timeout_ms; the change may still be applied"});
    else
      FailChange(seq, {Errc::kNoLeader, Outcome::kNotApplied, "no leader was found in timeout_ms"});
  }
}

void Engine::Core::FailChanges(const Error& error) {
  std::vector<std::pair<uint64_t, bool>> all;
  for (const auto& [seq, c] : changes.all())
    if (!c.internal)
      all.emplace_back(seq, c.MayBeApplied());
  for (const auto& [seq, maybe_applied] : all)
    FailChange(
        seq, {error.code, maybe_applied ? Outcome::kUnknown : Outcome::kNotApplied, error.detail});
}

void Engine::Core::Shutdown() {
  touched = true;
  shutting_down = true;
  FailChanges({Errc::kShuttingDown, Outcome::kUnknown, "the node is stopping"});
  reads.FailAll({Errc::kShuttingDown, Outcome::kNotApplied, "the node is stopping"}, &out.reads);
}

}  // namespace synod::node
