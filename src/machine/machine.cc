#include "src/machine/machine.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "src/base/check.h"
#include "src/machine/core.h"
#include "src/machine/members.h"

namespace synod::machine {
namespace {

// What the state machine did not decide, or decides anew each time: a repeat runs again.
bool IsRecorded(const AnswerBody& body) {
  const Refusal* refusal = std::get_if<Refusal>(&body);
  if (refusal == nullptr)
    return true;
  switch (refusal->error.code) {
    case Errc::kUnauthenticated:
    case Errc::kPermissionDenied:
    case Errc::kOverloaded:
    case Errc::kRateLimited:
    case Errc::kStorageFull:
    case Errc::kQuotaExceeded:
    case Errc::kRequestExpired:
    case Errc::kNotReady:
      return false;
    default:
      return true;
  }
}

bool IsFromNode(const Operation& operation) {
  return std::holds_alternative<Disown>(operation) || std::holds_alternative<NodeGone>(operation) ||
         std::holds_alternative<Adopt>(operation) || std::holds_alternative<SetMember>(operation) ||
         std::holds_alternative<CheckDigests>(operation) ||
         std::holds_alternative<SetUpAuth>(operation);
}

}  // namespace

Machine::Core::Core(const auth::Settings& bootstrap, uint32_t newest)
    : settings(bootstrap), supports(newest) {}

void Machine::Core::Apply(const LogEntry& entry, const Observer& observer, Applied* out) {
  SYNOD_CHECK_EQ(entry.slot, applied + 1);
  applied = entry.slot;
  switch (entry.kind) {
    case LogEntry::Kind::kNoop:
      return;
    case LogEntry::Kind::kLeaderStart:
      out->effective = entry.origin > leader_start;
      if (out->effective)
        leader_start = entry.origin;
      return;
    case LogEntry::Kind::kCommand:
      out->effective = entry.origin == leader_start;
      if (!out->effective)
        return;
      break;
    case LogEntry::Kind::kConfig:
      break;
  }
  observer_ = &observer;
  out_ = out;
  if (entry.kind == LogEntry::Kind::kCommand)
    RunBatch(entry.payload);
  else
    RunConfig(entry.payload);
  observer_ = nullptr;
  out_ = nullptr;
}

void Machine::Core::RunBatch(std::string_view payload) {
  const Result<Batch> batch = DecodeBatch(payload, supports);
  SYNOD_CHECK(batch.has_value());
  RaiseVersion(batch->machine_version);
  time = std::max(time, batch->time);
  EndWhatIsDue();
  for (const std::string_view bytes : batch->commands) {
    Result<Command> command = DecodeCommand(bytes);
    SYNOD_CHECK(command.has_value());
    RunCommand(&*command);
    ++out_->commands;
  }
}

void Machine::Core::RaiseVersion(uint32_t to) {
  version_dirty_ |= to > version;
  version = std::max(version, to);
}

bool Machine::Core::IsObserver(const RequestId& id) const {
  return id.node == observer_->node && id.boot == observer_->boot;
}

void Machine::Core::RunCommand(Command* command) {
  Call call;
  call.command = command;
  const auto run = [&](auto& op) { return Run(&call, &op); };
  if (IsFromNode(command->operation)) {
    std::visit(run, command->operation);
    if (IsObserver(command->id))
      out_->completions.push_back({command->id.seq, {revision, time, false, NodeAnswer{}}});
    return;
  }
  call.tell = IsObserver(command->id);
  if (std::optional<Refusal> refused = Admit(&call)) {
    Conclude(&call, std::move(*refused));
    return;
  }
  if (!command->idempotency_key.empty()) {
    call.request_key = session::RequestKey(call.user, command->idempotency_key);
    if (std::optional<Answer> recorded = FindRecorded(&call)) {
      if (call.tell)
        out_->completions.push_back({command->id.seq, std::move(*recorded)});
      return;
    }
    if (call.answered)
      return;
  }
  if (std::optional<Refusal> refused = CheckBefore(call)) {
    Conclude(&call, std::move(*refused));
    return;
  }
  AnswerBody body = std::visit(run, command->operation);
  HideCurrent(call, &body);
  Conclude(&call, std::move(body));
}

// Who may write a node, but not read it, is not told what is there.
void Machine::Core::HideCurrent(const Call& call, AnswerBody* body) const {
  Refusal* refusal = std::get_if<Refusal>(body);
  if (refusal == nullptr || !refusal->current.has_value() || !IsLimited(call.command->principal))
    return;
  if (!Allows(call, auth::NeedOf(auth::Verb::kRead, refusal->current->path)))
    refusal->current.reset();
}

std::optional<Answer> Machine::Core::FindRecorded(Call* call) {
  const Command& command = *call->command;
  const session::IdempotencyRecord* record = idempotency.Find(call->request_key, time);
  Answer answer{revision, time, false, Refusal{}};
  if (record == nullptr) {
    // Judged here, since neither is recorded: a key without a record says nothing about an earlier
    // attempt once the time for it is over.
    if (command.not_after.value != 0 && command.not_after < time) {
      Refusal expired = Refuse(Errc::kRequestExpired, "Synod-Not-After has passed");
      expired.error.outcome = Outcome::kUnknown;
      answer.body = std::move(expired);
      return answer;
    }
    if (command.not_after > time + settings.idempotency_retention_ms) {
      answer.body = Refuse(Errc::kInvalidRequest, "Synod-Not-After is too far ahead");
      return answer;
    }
    if (idempotency.bytes() >= settings.idempotency_bytes_max) {
      answer.body = Refuse(Errc::kOverloaded, "the table of idempotency records is full");
      return answer;
    }
    return std::nullopt;
  }
  if (record->fingerprint != command.fingerprint) {
    answer.body =
        Refuse(Errc::kIdempotencyKeyReused, "the Idempotency-Key came with another request before");
    return answer;
  }
  if (record->pending) {
    const lock::Place place = WaiterOf(*record);
    const bool other_wait = locks.FindOwner(command.id).value_or(place) != place;
    if (other_wait) {
      answer.body = Refuse(Errc::kInvalidRequest, "the request id waits already");
      return answer;
    }
    locks.TakeOver(place, command.id, locks.Find(place)->wait_deadline, call->request_key);
    call->answered = true;
    NoteWaiting(*call);
    return std::nullopt;
  }
  return call->tell ? ReplayOf(*record) : answer;
}

lock::Place Machine::Core::WaiterOf(const session::IdempotencyRecord& record) const {
  std::optional<lock::Place> place = lock::PlaceOf(record.contender);
  SYNOD_CHECK(place.has_value());
  SYNOD_CHECK(locks.Find(*place) != nullptr);
  return *std::move(place);
}

Answer Machine::Core::ReplayOf(const session::IdempotencyRecord& record) const {
  Result<Answer> answer = DecodeAnswer(record.answer);
  SYNOD_CHECK(answer.has_value());
  answer->time = time;
  answer->replayed = true;
  RefreshLeases(&*answer);
  return *std::move(answer);
}

// As a repeat of it would be judged: whoever has lost his permission is told nothing.
Machine::Joined Machine::Core::JoinedOf(Command* command) const {
  Call call;
  call.command = command;
  if (Admit(&call))
    return {};
  const session::IdempotencyRecord* record =
      idempotency.Find(session::RequestKey(call.user, command->idempotency_key), time);
  if (record == nullptr || record->fingerprint != command->fingerprint)
    return {};
  if (!record->pending)
    return {Joined::State::kAnswered, ReplayOf(*record)};
  const bool disowned = locks.Find(WaiterOf(*record))->orphan_deadline.has_value();
  return {disowned ? Joined::State::kDisowned : Joined::State::kWaits};
}

// A recorded answer tells what its lease has left now, nothing if it is gone, nor if what was held
// on it is: somebody else may hold that by now.
void Machine::Core::RefreshLeases(Answer* answer) const {
  const auto deadline_of = [this](LeaseId id) {
    const session::Lease* lease = leases.FindLive(id, time);
    return lease != nullptr ? lease->deadline : time;
  };
  const auto held = [this](const auto& hold) { return IsCurrentHolder(hold.path, hold.token); };
  if (auto* granted = std::get_if<LeaseAnswer>(&answer->body)) {
    granted->lease.deadline = deadline_of(granted->lease.id);
  } else if (auto* renewed = std::get_if<KeepAliveAnswer>(&answer->body)) {
    for (LeaseView& lease : renewed->leases) lease.deadline = deadline_of(lease.id);
  } else if (auto* hold = std::get_if<HoldAnswer>(&answer->body)) {
    hold->lease_deadline = held(*hold) ? deadline_of(hold->lease) : time;
  } else if (auto* all = std::get_if<HoldsAnswer>(&answer->body)) {
    all->lease_deadline = std::ranges::all_of(all->holds, held) ? deadline_of(all->lease) : time;
  }
}

std::optional<Refusal> Machine::Core::CheckBefore(const Call& call) const {
  const Command& command = *call.command;
  if (!digest_check.agreed)
    return Refuse(Errc::kNotReady, "the voters disagree about the state: see /v1/status");
  if (!call.keyed() && command.not_after.value != 0) {
    if (command.not_after < time)
      return Refuse(Errc::kRequestExpired, "Synod-Not-After has passed");
    if (command.not_after > time + settings.idempotency_retention_ms)
      return Refuse(Errc::kInvalidRequest, "Synod-Not-After is too far ahead");
  }
  for (const Fence& fence : command.fences) {
    if (!IsCurrentHolder(fence.path, fence.token))
      return Refuse(Errc::kFenced, "the token of " + fence.path + " is not a current holder's");
  }
  return std::nullopt;
}

void Machine::Core::Conclude(Call* call, AnswerBody body) {
  if (call->answered || !call->wanted())
    return;
  const Command& command = *call->command;
  Answer answer{revision, time, false, std::move(body)};
  if (call->keyed() && IsRecorded(answer.body)) {
    if (call->encoded.empty())
      call->encoded = Encode(answer);
    // Only what changed nothing can still be too large here: Commit() looked before it changed.
    if (call->encoded.size() > kRecordedAnswerMax) {
      answer.body = TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
      call->encoded = Encode(answer);
    }
    Keep(call->request_key, command.fingerprint, command.not_after, std::move(call->encoded));
  }
  if (call->tell)
    out_->completions.push_back({command.id.seq, std::move(answer)});
}

void Machine::Core::Keep(std::string_view request_key,
                         const Hash128& fingerprint,
                         ClusterTime not_after,
                         Bytes answer) {
  // The answer to a wait may come after the Not-After: then the retention counts from here, so that
  // the client still finds it.
  const ClusterTime expires =
      not_after > time ? not_after : time + settings.idempotency_retention_ms;
  idempotency.Keep(request_key, fingerprint, not_after, expires, std::move(answer));
}

AnswerBody Machine::Core::Run(Call*, Compact* op) {
  if (op->revision > revision)
    return Refuse(Errc::kInvalidRequest, "the revision is in the future");
  tree.Compact(op->revision);
  return CompactAnswer{};
}

AnswerBody Machine::Core::Run(Call* call, ChangeSettings* op) {
  const Result<auth::Settings> changed = auth::Changed(settings, op->changes);
  if (!changed)
    return Refuse(changed.error());
  SettingsAnswer answer{auth::AllOf(*changed)};
  if (*changed == settings)
    return answer;
  if (std::optional<Refusal> refused = CheckSettings(*changed))
    return std::move(*refused);
  return CommitSettings(call, *changed, std::move(answer));
}

std::optional<Refusal> Machine::Core::CheckSettings(const auth::Settings& changed) const {
  if (changed.auth_enabled == 0 || settings.auth_enabled != 0)
    return std::nullopt;
  return CheckAdministrator(directory);
}

AnswerBody Machine::Core::CommitSettings(Call* call,
                                         const auth::Settings& changed,
                                         AnswerBody answer) {
  const bool switched = changed.auth_enabled != settings.auth_enabled;
  Move move(this);
  settings_dirty_ |= changed != settings;
  settings = changed;
  if (switched) {
    ++permission_changes;
    EndForbiddenWaits(&move, true);
  }
  AnswerBody body = Commit(call, &move, std::move(answer));
  Retain();
  return body;
}

AnswerBody Machine::Core::Run(Call*, Disown* op) {
  if (const std::optional<lock::Place> place = locks.FindOwner(op->waiter))
    locks.Disown(*place, time + kOrphanMs);
  return NodeAnswer{};
}

AnswerBody Machine::Core::Run(Call*, NodeGone* op) {
  locks.DisownProcess(op->node, op->boot, time + kOrphanMs);
  return NodeAnswer{};
}

AnswerBody Machine::Core::Run(Call*, Adopt* op) {
  locks.AdoptProcess(op->node, op->boot);
  return NodeAnswer{};
}

AnswerBody Machine::Core::Run(Call*, CheckDigests* op) {
  out_->checked_digests = true;
  out_->asked_digests = op->slot == Slot();
  if (op->slot <= digest_check.slot)
    return NodeAnswer{};
  digest_check_dirty_ = true;
  digest_check.slot = op->slot;
  std::map<Digest, uint32_t> votes;
  for (const auto& [id, digest] : op->reports) ++votes[digest];
  const auto most = std::find_if(votes.begin(), votes.end(),
                                 [&](const auto& v) { return v.second >= op->majority; });
  digest_check.agreed = most != votes.end();
  // Nobody is right or wrong without a majority: who was known to be wrong still is.
  if (!digest_check.agreed)
    return NodeAnswer{};
  digest_check.digest = most->first;
  for (const auto& [id, digest] : op->reports) {
    if (digest == most->first)
      digest_check.diverged.erase(id);
    else
      digest_check.diverged.insert(id);
  }
  return NodeAnswer{};
}

// --- the public class ---

Machine::Machine(const auth::Settings& bootstrap, uint32_t supports)
    : core_(std::make_unique<Core>(bootstrap, supports)) {}
Machine::~Machine() = default;
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;

uint32_t VersionOf(const LogEntry& entry) {
  switch (entry.kind) {
    case LogEntry::Kind::kCommand:
      return VersionOfBatch(entry.payload);
    case LogEntry::Kind::kConfig:
      return VersionOfConfigEntry(entry.payload);
    default:
      return 1;
  }
}

bool Machine::Understands(const LogEntry& entry) const {
  return VersionOf(entry) <= core_->supports;
}
void Machine::Apply(const LogEntry& entry, const Observer& observer, Applied* out) {
  core_->Apply(entry, observer, out);
}
Result<QueryResult> Machine::Read(const Query& query, ClusterTime now) const {
  return core_->Read(query, now);
}
Slot Machine::applied() const { return core_->applied; }
Revision Machine::revision() const { return core_->revision; }
ClusterTime Machine::time() const { return core_->time; }
Ballot Machine::leader_start() const { return core_->leader_start; }
Digest Machine::digest() const { return core_->digest(); }
const DigestCheck& Machine::digest_check() const { return core_->digest_check; }
uint32_t Machine::version() const { return core_->version; }
uint32_t Machine::supports() const { return core_->supports; }
const store::Tree& Machine::tree() const { return core_->tree; }
const auth::Settings& Machine::settings() const { return core_->settings; }
std::vector<QuotaView> Machine::quotas() const { return core_->QuotaViews(); }
const auth::Directory& Machine::directory() const { return core_->directory; }
uint64_t Machine::permission_changes() const { return core_->permission_changes; }
Result<QueryResult> Machine::ReadFor(const auth::Principal& reader,
                                     const Query& query,
                                     ClusterTime now) const {
  return core_->ReadFor(reader, query, now);
}
Status Machine::Permits(const auth::Principal& who, const auth::Need& need, ClusterTime now) const {
  return core_->Permits(who, need, now);
}
Status Machine::Knows(const auth::Principal& who, ClusterTime now) const {
  const Result<std::string> user = core_->UserOf(who, std::max(now, core_->time));
  return user ? Done() : Status(user.error());
}
std::string Machine::UserName(const auth::Principal& who, ClusterTime now) const {
  const Result<std::string> user = core_->UserOf(who, std::max(now, core_->time));
  return user ? *user : std::string();
}
std::optional<ClusterTime> Machine::NextDeadline() const { return core_->NextDeadline(); }

const Membership& Machine::membership() const { return core_->membership; }
bool Machine::WasRemoved(std::string_view uuid) const { return core_->WasRemoved(uuid); }
bool Machine::WouldRun(const Command& command, ClusterTime at) const {
  return core_->WouldRun(command, at);
}

std::vector<MemberView> Machine::members() const {
  std::vector<MemberView> members;
  for (const auto& [id, member] : core_->members) members.push_back(member);
  return members;
}

std::vector<Observer> Machine::WaitingProcesses() const {
  std::vector<Observer> processes;
  const auto& owners = core_->locks.owners();
  for (auto it = owners.begin(); it != owners.end();) {
    const RequestId& id = it->first;
    processes.push_back({id.node, id.boot});
    it = owners.upper_bound({id.node, id.boot, UINT64_MAX});
  }
  return processes;
}

std::vector<Machine::Wait> Machine::WaitsOf(const Observer& observer) const {
  std::vector<Wait> waits;
  const auto& owners = core_->locks.owners();
  for (auto it = owners.lower_bound({observer.node, observer.boot, 0});
       it != owners.end() && it->first.node == observer.node && it->first.boot == observer.boot;
       ++it) {
    const lock::Contender* waiter = core_->locks.Find(it->second);
    waits.push_back({it->first.seq, waiter->lease_of_request ? waiter->lease : LeaseId(),
                     waiter->orphan_deadline.has_value()});
  }
  return waits;
}

Machine::Joined Machine::JoinedOf(Command command) const { return core_->JoinedOf(&command); }

Machine::Counts Machine::counts() const {
  Counts counts;
  counts.nodes = core_->tree.node_count();
  counts.leases = core_->leases.size();
  counts.locks = core_->locks.locks().size();
  counts.fences = core_->fences.size();
  counts.users = core_->directory.users().size();
  counts.roles = core_->directory.roles().size();
  counts.tokens = core_->directory.tokens().size();
  core_->CountQuotas(&counts);
  counts.holders = core_->locks.holder_count();
  counts.waiters = core_->locks.waiter_count();
  counts.idempotency_records = core_->idempotency.size();
  counts.logical_bytes = core_->tree.logical_bytes();
  counts.history_bytes = core_->tree.history_bytes();
  counts.idempotency_bytes = core_->idempotency.bytes();
  counts.floor = core_->tree.floor();
  return counts;
}

Records Machine::TakeDirty() { return core_->TakeDirty(); }
uint64_t Machine::dirty_bytes() const { return core_->dirty_bytes(); }
void Machine::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  core_->ForEachRecord(each);
}
Status Machine::LoadRecord(std::string_view key, std::string_view value) {
  return core_->LoadRecord(key, value);
}
Status Machine::LoadNode(store::EntryOwner node) { return core_->LoadNode(std::move(node)); }
Status Machine::FinishLoad() { return core_->FinishLoad(); }
void Machine::BeginNewCluster() { core_->BeginNewCluster(); }
void Machine::CheckInvariants() const { core_->CheckInvariants(); }

}  // namespace synod::machine
