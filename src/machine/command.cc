#include "src/machine/command.h"

#include <bit>
#include <set>
#include <type_traits>
#include <utility>

#include "src/base/path.h"

namespace synod::machine {
namespace {

// Which optional parts of the head follow; a part that would be empty has no flag, so that there is
// one spelling of each command.
constexpr uint8_t kHasUser = 1;
constexpr uint8_t kHasKey = 2;
constexpr uint8_t kHasNotAfter = 4;
constexpr uint8_t kHasFences = 8;
constexpr uint8_t kHasToken = 16;
constexpr uint8_t kOfNode = 32;

constexpr int64_t kWaitMsMax = 86'400'000;
constexpr int64_t kLockDelayMsMax = 60'000;
constexpr int64_t kNumberMax = int64_t{1} << 53;
constexpr std::string_view kSequenceDigits = "0000000000";
constexpr std::string_view kContenderSuffix = "/@0000000000";

// --- writing ---

void Write(Writer& w, const store::Precondition& p) {
  w.U8(static_cast<uint8_t>(p.kind));
  w.Varint(p.number);
}

void Write(Writer& w, const std::optional<LeaseId>& lease) {
  w.Bool(lease.has_value());
  if (lease.has_value())
    w.Number(*lease);
}

void Write(Writer& w, const Put& op) {
  w.String(op.path);
  w.String(op.value);
  Write(w, op.lease);
  Write(w, op.precondition);
  w.Bool(op.want_prev);
}

void Write(Writer& w, const CreateSequential& op) {
  w.String(op.prefix);
  w.String(op.value);
  w.Number(op.lease);
}

void Write(Writer& w, const Delete& op) {
  w.String(op.path);
  w.Bool(op.recursive);
  Write(w, op.precondition);
  w.Bool(op.want_prev);
  w.Bool(op.force);
}

void Write(Writer& w, const Comparison& c) {
  w.String(c.path);
  w.U8(static_cast<uint8_t>(c.target));
  w.U8(static_cast<uint8_t>(c.op));
  w.Varint(c.number);
  w.String(c.value);
}

void Write(Writer& w, const TxnPut& op) {
  w.String(op.path);
  w.String(op.value);
  Write(w, op.lease);
}
void Write(Writer& w, const TxnDelete& op) {
  w.String(op.path);
  w.Bool(op.recursive);
}
void Write(Writer& w, const TxnGet& op) { w.String(op.path); }
void Write(Writer& w, const TxnList& op) {
  w.String(op.path);
  w.U8(static_cast<uint8_t>(op.scope));
  w.Varint(op.limit);
  w.Bool(op.keys_only);
}
void Write(Writer& w, const TxnCreate& op) {
  w.String(op.path);
  w.String(op.value);
  Write(w, op.lease);
  w.Bool(op.sequential);
}

void Write(Writer& w, const std::vector<TxnOp>& ops) {
  w.Varint(ops.size());
  for (const TxnOp& op : ops) {
    w.U8(static_cast<uint8_t>(op.index()));
    std::visit([&](const auto& o) { Write(w, o); }, op);
  }
}

void Write(Writer& w, const Txn& op) {
  w.Varint(op.conditions.size());
  for (const Comparison& c : op.conditions) Write(w, c);
  Write(w, op.then_ops);
  Write(w, op.else_ops);
}

void Write(Writer& w, const LeaseGrant& op) {
  w.Signed(op.ttl_ms);
  w.String(op.name);
}
void Write(Writer& w, const LeaseKeepAlive& op) {
  w.Varint(op.ids.size());
  for (LeaseId id : op.ids) w.Number(id);
  w.Bool(op.bulk);
}
void Write(Writer& w, const LeaseRevoke& op) { w.Number(op.id); }

void Write(Writer& w, const Acquire& op) {
  w.U8(static_cast<uint8_t>(op.kind));
  w.String(op.path);
  w.Number(op.lease);
  w.Signed(op.ttl_ms);
  w.U8(static_cast<uint8_t>(op.mode));
  w.Varint(op.limit);
  w.Signed(op.wait_ms);
  w.Signed(op.lock_delay_ms);
  w.String(op.value);
}
void Write(Writer& w, const AcquireAll& op) {
  w.Varint(op.locks.size());
  for (const AcquireAll::Lock& lock : op.locks) {
    w.String(lock.path);
    w.U8(static_cast<uint8_t>(lock.mode));
  }
  w.Number(op.lease);
  w.Signed(op.ttl_ms);
  w.Signed(op.wait_ms);
}
void Write(Writer& w, const Release& op) {
  w.U8(static_cast<uint8_t>(op.kind));
  w.String(op.path);
  w.Number(op.token);
}
void Write(Writer& w, const Proclaim& op) {
  w.String(op.path);
  w.Number(op.token);
  w.String(op.value);
}
void Write(Writer& w, const Transfer& op) {
  w.String(op.path);
  w.Number(op.token);
  w.Number(op.to);
}
void Write(Writer& w, const Compact& op) { w.Number(op.revision); }
void Write(Writer& w, const ChangeSettings& op) { auth::Write(w, op.changes); }
void Write(Writer& w, const ChangeQuotas& op) {
  auth::Write(w, op.quotas);
  auth::Write(w, op.settings);
}
void Write(Writer& w, const RaiseFence& op) {
  w.String(op.path);
  w.Number(op.token);
}
void Write(Writer& w, const ForgetFence& op) { w.String(op.path); }
void Write(Writer& w, const SetRole& op) { auth::Write(w, op.role); }
void Write(Writer& w, const DropRole& op) { w.String(op.name); }
void Write(Writer& w, const SetUser& op) { auth::Write(w, op.user); }
void Write(Writer& w, const DropUser& op) { w.String(op.name); }
void Write(Writer& w, const MakeToken& op) {
  w.String(op.user);
  w.String(op.name);
  w.String(op.hash);
  w.Signed(op.ttl_ms);
}
void Write(Writer& w, const RevokeToken& op) { w.Number(op.id); }
void Write(Writer& w, const SetUpAuth& op) { w.String(op.hash); }
void Write(Writer& w, const Disown& op) { w.Write(op.waiter); }
void Write(Writer& w, const NodeGone& op) {
  w.Number(op.node);
  w.Fixed64(op.boot);
}
void Write(Writer& w, const Adopt& op) {
  w.Number(op.node);
  w.Fixed64(op.boot);
}
void Write(Writer& w, const SetMember& op) {
  w.Number(op.id);
  w.String(op.uuid);
  w.String(op.name);
  w.String(op.peer_address);
  w.String(op.client_url);
  w.Varint(op.machine_version);
}
void Write(Writer& w, const CheckDigests& op) {
  w.Number(op.slot);
  w.Varint(op.majority);
  w.Varint(op.reports.size());
  for (const auto& [id, digest] : op.reports) {
    w.Number(id);
    w.Fixed64(digest.sum.hi);
    w.Fixed64(digest.sum.lo);
  }
}

void Write(Writer& w, const ChangeMembers& op) {
  w.U8(static_cast<uint8_t>(op.kind));
  w.Varint(op.ids.size());
  for (const NodeId id : op.ids) w.Number(id);
  w.Number(op.with);
  w.String(op.name);
  w.String(op.peer_address);
  w.String(op.client_url);
  w.String(op.refused);
}
void Write(Writer& w, const UpdateMember& op) {
  w.Number(op.id);
  w.String(op.name);
  w.String(op.peer_address);
  w.String(op.client_url);
}

// --- reading ---

template <typename Enum>
void ReadEnum(Reader& r, Enum last, Enum* out) {
  const uint8_t v = r.U8();
  if (v > static_cast<uint8_t>(last))
    r.Fail();
  else
    *out = static_cast<Enum>(v);
}

// The tree takes it for granted that paths are well-formed, so they are checked again here, where
// the log and other nodes come in.
void ReadPath(Reader& r, std::string* path) {
  const std::string_view s = r.String();
  if (!r.ok() || ValidatePath(s).has_error())
    r.Fail();
  else
    path->assign(s);
}

void ReadPrefix(Reader& r, std::string* prefix) {
  const std::string_view s = r.String();
  std::string first(s);
  first.append(kSequenceDigits);
  if (!r.ok() || ValidatePath(first).has_error())
    r.Fail();
  else
    prefix->assign(s);
}

// A contender's node must fit below the lock, and no lock may lie below a contender's node.
bool IsLockPath(std::string_view path) {
  if (path == "/" || path.find("/@") != std::string_view::npos)
    return false;
  std::string key(kLocksRoot);
  key.append(path).append(kContenderSuffix);
  return !ValidatePath(path).has_error() && !ValidatePath(key).has_error();
}

void ReadLockPath(Reader& r, std::string* path) {
  const std::string_view s = r.String();
  if (!r.ok() || !IsLockPath(s))
    r.Fail();
  else
    path->assign(s);
}

void ReadVersion(Reader& r, uint32_t* out) {
  const uint64_t version = r.Varint();
  if (version == 0 || version > UINT32_MAX)
    r.Fail();
  *out = static_cast<uint32_t>(version);
}

void ReadDuration(Reader& r, int64_t max, int64_t* out) {
  *out = r.Signed();
  if (*out < 0 || *out > max)
    r.Fail();
}

void Read(Reader& r, store::Precondition* p) {
  ReadEnum(r, store::Precondition::Kind::kVersion, &p->kind);
  p->number = r.Varint();
}

void Read(Reader& r, std::optional<LeaseId>* lease) {
  if (r.Bool())
    *lease = r.Number<LeaseId>();
}

void Read(Reader& r, Put* op) {
  ReadPath(r, &op->path);
  op->value = r.String();
  Read(r, &op->lease);
  Read(r, &op->precondition);
  op->want_prev = r.Bool();
}

void Read(Reader& r, CreateSequential* op) {
  ReadPrefix(r, &op->prefix);
  op->value = r.String();
  op->lease = r.Number<LeaseId>();
}

void Read(Reader& r, Delete* op) {
  ReadPath(r, &op->path);
  op->recursive = r.Bool();
  Read(r, &op->precondition);
  op->want_prev = r.Bool();
  op->force = r.Bool();
}

void Read(Reader& r, Comparison* c) {
  ReadPath(r, &c->path);
  ReadEnum(r, Comparison::Target::kFence, &c->target);
  ReadEnum(r, Comparison::Op::kGreater, &c->op);
  c->number = r.Varint();
  c->value = r.String();
}

void Read(Reader& r, TxnPut* op) {
  ReadPath(r, &op->path);
  op->value = r.String();
  Read(r, &op->lease);
}
void Read(Reader& r, TxnDelete* op) {
  ReadPath(r, &op->path);
  op->recursive = r.Bool();
}
void Read(Reader& r, TxnGet* op) { ReadPath(r, &op->path); }
void Read(Reader& r, TxnList* op) {
  ReadPath(r, &op->path);
  ReadEnum(r, store::ListScope::kSubtree, &op->scope);
  const uint64_t limit = r.Varint();
  if (limit > UINT32_MAX)
    r.Fail();
  op->limit = static_cast<uint32_t>(limit);
  op->keys_only = r.Bool();
}
void Read(Reader& r, TxnCreate* op) {
  const std::string_view path = r.String();
  op->value = r.String();
  Read(r, &op->lease);
  op->sequential = r.Bool();
  std::string checked(path);
  if (op->sequential)
    checked.append(kSequenceDigits);
  if (!r.ok() || ValidatePath(checked).has_error())
    r.Fail();
  op->path = path;
}

void Read(Reader& r, LeaseGrant* op) {
  ReadDuration(r, kNumberMax, &op->ttl_ms);
  op->name = r.String();
}
void Read(Reader& r, LeaseKeepAlive* op) {
  const uint64_t n = r.Count(1);
  for (uint64_t i = 0; i < n && r.ok(); ++i) op->ids.push_back(r.Number<LeaseId>());
  op->bulk = r.Bool();
  if (!op->bulk && op->ids.size() != 1)
    r.Fail();
}
void Read(Reader& r, LeaseRevoke* op) { op->id = r.Number<LeaseId>(); }

void Read(Reader& r, Acquire* op) {
  ReadEnum(r, LockKind::kElection, &op->kind);
  ReadLockPath(r, &op->path);
  op->lease = r.Number<LeaseId>();
  ReadDuration(r, kNumberMax, &op->ttl_ms);
  ReadEnum(r, LockMode::kShared, &op->mode);
  const uint64_t limit = r.Varint();
  if (limit == 0 || limit > UINT32_MAX)
    r.Fail();
  op->limit = static_cast<uint32_t>(limit);
  ReadDuration(r, kWaitMsMax, &op->wait_ms);
  ReadDuration(r, kLockDelayMsMax, &op->lock_delay_ms);
  op->value = r.String();
}
void Read(Reader& r, AcquireAll* op) {
  const uint64_t n = r.Count(2);
  if (n == 0 || n > kLocksAtOnceMax)
    r.Fail();
  std::set<std::string_view> paths;
  op->locks.resize(r.ok() ? n : 0);
  for (AcquireAll::Lock& lock : op->locks) {
    ReadLockPath(r, &lock.path);
    ReadEnum(r, LockMode::kShared, &lock.mode);
    if (!paths.insert(lock.path).second)
      r.Fail();
  }
  op->lease = r.Number<LeaseId>();
  ReadDuration(r, kNumberMax, &op->ttl_ms);
  ReadDuration(r, kWaitMsMax, &op->wait_ms);
}
void Read(Reader& r, Release* op) {
  ReadEnum(r, LockKind::kElection, &op->kind);
  ReadLockPath(r, &op->path);
  op->token = r.Number<FenceToken>();
}
void Read(Reader& r, Proclaim* op) {
  ReadLockPath(r, &op->path);
  op->token = r.Number<FenceToken>();
  op->value = r.String();
}
void Read(Reader& r, Transfer* op) {
  ReadLockPath(r, &op->path);
  op->token = r.Number<FenceToken>();
  op->to = r.Number<LeaseId>();
}
void Read(Reader& r, Compact* op) { op->revision = r.Number<Revision>(); }
void Read(Reader& r, ChangeSettings* op) {
  op->changes = auth::ReadValues(r);
  if (op->changes.empty())
    r.Fail();
}
void Read(Reader& r, ChangeQuotas* op) {
  auth::Read(r, &op->quotas);
  op->settings = auth::ReadValues(r);
}
void Read(Reader& r, RaiseFence* op) {
  ReadLockPath(r, &op->path);
  op->token = r.Number<FenceToken>();
}
void Read(Reader& r, ForgetFence* op) { ReadLockPath(r, &op->path); }

void ReadName(Reader& r, std::string* name) {
  *name = r.String();
  if (auth::ValidateName(*name).has_error())
    r.Fail();
}
void ReadTokenHash(Reader& r, Bytes* hash) {
  *hash = r.String();
  if (hash->size() != auth::kTokenHashBytes)
    r.Fail();
}
void Read(Reader& r, SetRole* op) { auth::Read(r, &op->role); }
void Read(Reader& r, DropRole* op) { ReadName(r, &op->name); }
void Read(Reader& r, SetUser* op) { auth::Read(r, &op->user); }
void Read(Reader& r, DropUser* op) { ReadName(r, &op->name); }
void Read(Reader& r, MakeToken* op) {
  ReadName(r, &op->user);
  op->name = r.String();
  if (op->name.size() > auth::kNameBytesMax)
    r.Fail();
  ReadTokenHash(r, &op->hash);
  ReadDuration(r, kNumberMax, &op->ttl_ms);
}
void Read(Reader& r, RevokeToken* op) { op->id = r.Number<auth::TokenId>(); }
void Read(Reader& r, SetUpAuth* op) { ReadTokenHash(r, &op->hash); }
void Read(Reader& r, Disown* op) { op->waiter = r.ReadRequestId(); }
void Read(Reader& r, NodeGone* op) {
  op->node = r.Number<NodeId>();
  op->boot = r.Fixed64();
}
void Read(Reader& r, Adopt* op) {
  op->node = r.Number<NodeId>();
  op->boot = r.Fixed64();
}
void Read(Reader& r, SetMember* op) {
  op->id = r.Number<NodeId>();
  op->uuid = r.String();
  op->name = r.String();
  op->peer_address = r.String();
  op->client_url = r.String();
  ReadVersion(r, &op->machine_version);
}
void Read(Reader& r, CheckDigests* op) {
  op->slot = r.Number<Slot>();
  const uint64_t majority = r.Varint();
  if (majority > UINT32_MAX)
    r.Fail();
  op->majority = static_cast<uint32_t>(majority);
  const uint64_t n = r.Count(17);
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    auto& [id, digest] = op->reports.emplace_back();
    id = r.Number<NodeId>();
    digest.sum.hi = r.Fixed64();
    digest.sum.lo = r.Fixed64();
  }
}

void Read(Reader& r, ChangeMembers* op) {
  ReadEnum(r, ChangeMembers::Kind::kRemove, &op->kind);
  const uint64_t n = r.Count(1);
  for (uint64_t i = 0; i < n && r.ok(); ++i) op->ids.push_back(r.Number<NodeId>());
  op->with = r.Number<NodeId>();
  op->name = r.String();
  op->peer_address = r.String();
  op->client_url = r.String();
  op->refused = r.String();
}
void Read(Reader& r, UpdateMember* op) {
  op->id = r.Number<NodeId>();
  op->name = r.String();
  op->peer_address = r.String();
  op->client_url = r.String();
}

void Read(Reader& r, Txn* op);

// The variant's alternative number `index`; fails the reader if there is none.
template <typename Variant, size_t I = 0>
void ReadAlternative(Reader& r, size_t index, Variant* out) {
  if constexpr (I == std::variant_size_v<Variant>) {
    r.Fail();
  } else if (index == I) {
    Read(r, &out->template emplace<I>());
  } else {
    ReadAlternative<Variant, I + 1>(r, index, out);
  }
}

void Read(Reader& r, std::vector<TxnOp>* ops) {
  const uint64_t n = r.Count(2);
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    const uint8_t index = r.U8();
    ReadAlternative(r, index, &ops->emplace_back());
  }
}

void Read(Reader& r, Txn* op) {
  const uint64_t n = r.Count(5);
  for (uint64_t i = 0; i < n && r.ok(); ++i) Read(r, &op->conditions.emplace_back());
  Read(r, &op->then_ops);
  Read(r, &op->else_ops);
}

uint8_t FlagsOf(const Command& c) {
  return static_cast<uint8_t>(
      (c.principal.user.empty() ? 0 : kHasUser) | (c.idempotency_key.empty() ? 0 : kHasKey) |
      (c.not_after.value == 0 ? 0 : kHasNotAfter) | (c.fences.empty() ? 0 : kHasFences) |
      (c.principal.token_hash.empty() ? 0 : kHasToken) | (c.principal.node ? kOfNode : 0));
}

void ReadHead(Reader& r, Command* c) {
  c->id = r.ReadRequestId();
  const uint8_t flags = r.U8();
  if (flags > (kHasUser | kHasKey | kHasNotAfter | kHasFences | kHasToken | kOfNode))
    r.Fail();
  if ((flags & kHasUser) != 0)
    c->principal.user = r.String();
  if ((flags & kHasToken) != 0)
    ReadTokenHash(r, &c->principal.token_hash);
  c->principal.node = (flags & kOfNode) != 0;
  if ((flags & kHasKey) != 0) {
    c->idempotency_key = r.String();
    c->fingerprint.hi = r.Fixed64();
    c->fingerprint.lo = r.Fixed64();
  }
  if ((flags & kHasNotAfter) != 0)
    c->not_after = r.Number<ClusterTime>();
  if ((flags & kHasFences) != 0) {
    const uint64_t n = r.Count(2);
    for (uint64_t i = 0; i < n && r.ok(); ++i) {
      Fence& fence = c->fences.emplace_back();
      ReadPath(r, &fence.path);
      fence.token = r.Number<FenceToken>();
    }
  }
  // A flag without its part would be a second spelling; and somebody is one of the three.
  const bool one =
      std::popcount(static_cast<unsigned>(flags & (kHasUser | kHasToken | kOfNode))) < 2;
  if (flags != FlagsOf(*c) || c->not_after.value < 0 || !one)
    r.Fail();
}

}  // namespace

Bytes Encode(const Command& command) {
  Bytes out;
  Writer w(&out);
  w.Write(command.id);
  w.U8(FlagsOf(command));
  if (!command.principal.user.empty())
    w.String(command.principal.user);
  if (!command.principal.token_hash.empty())
    w.String(command.principal.token_hash);
  if (!command.idempotency_key.empty()) {
    w.String(command.idempotency_key);
    w.Fixed64(command.fingerprint.hi);
    w.Fixed64(command.fingerprint.lo);
  }
  if (command.not_after.value != 0)
    w.Number(command.not_after);
  if (!command.fences.empty()) {
    w.Varint(command.fences.size());
    for (const Fence& fence : command.fences) {
      w.String(fence.path);
      w.Number(fence.token);
    }
  }
  w.U8(static_cast<uint8_t>(command.operation.index()));
  std::visit([&](const auto& op) { Write(w, op); }, command.operation);
  return out;
}

Result<Command> DecodeCommand(std::string_view bytes) {
  Reader r(bytes);
  Command command;
  ReadHead(r, &command);
  const uint8_t index = r.U8();
  if (r.ok())
    ReadAlternative(r, index, &command.operation);
  if (!r.Complete())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "malformed command"};
  return command;
}

Result<RequestId> DecodeRequestId(std::string_view command_bytes) {
  Reader r(command_bytes);
  const RequestId id = r.ReadRequestId();
  if (!r.ok())
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "malformed command"};
  return id;
}

Bytes EncodeBatch(ClusterTime time, std::span<const Bytes> commands, uint32_t machine_version) {
  size_t size = 32;
  for (const Bytes& command : commands) size += command.size() + 5;
  Bytes out;
  out.reserve(size);
  Writer w(&out);
  w.Varint(machine_version);
  w.Number(time);
  w.Varint(commands.size());
  for (const Bytes& command : commands) w.String(command);
  return out;
}

uint32_t VersionOfBatch(std::string_view payload) {
  Reader r(payload);
  uint32_t version = 0;
  ReadVersion(r, &version);
  return r.ok() ? version : 0;
}

Result<Batch> DecodeBatch(std::string_view payload, uint32_t known) {
  Reader r(payload);
  Batch batch;
  ReadVersion(r, &batch.machine_version);
  if (batch.machine_version > known)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "unknown machine version"};
  batch.time = r.Number<ClusterTime>();
  const uint64_t n = r.Count(1);
  batch.commands.reserve(static_cast<size_t>(n));
  for (uint64_t i = 0; i < n && r.ok(); ++i) batch.commands.push_back(r.String());
  const bool in_range = batch.time.value >= 0 && batch.time.value <= kNumberMax;
  if (!r.Complete() || !in_range)
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied, "malformed batch"};
  return batch;
}

}  // namespace synod::machine
