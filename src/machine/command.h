// Command: one client request that may change the replicated state, as it travels in the log.
//
// Contract      Encoded once, by the node that took the request; forwarded and logged as those
//               bytes. Form was checked before (paths valid, numbers in range, sizes within
//               limits); whether it applies is judged only when it is applied. Decode refuses
//               anything malformed: log and peers are not trusted blindly.
// Order         Judged at apply in this order: permission, idempotency record, not-after, fence,
//               preconditions.
#ifndef SYNOD_MACHINE_COMMAND_H_
#define SYNOD_MACHINE_COMMAND_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lock/types.h"
#include "src/auth/directory.h"
#include "src/auth/principal.h"
#include "src/auth/quota.h"
#include "src/auth/settings.h"
#include "src/base/codec.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/store/tree.h"

namespace synod::machine {

// The newest rules that this build knows. Entries carry the version whose rules they need; it rises
// only when every member supports the new one (docs/formats.md).
inline constexpr uint32_t kMachineVersion = 1;

struct Put {
  std::string path;
  Bytes value;
  std::optional<LeaseId> lease;  // nullopt: keep; 0: detach
  store::Precondition precondition;
  bool want_prev = false;
};

struct CreateSequential {
  std::string prefix;  // full path whose last component (maybe empty) is the name's beginning
  Bytes value;
  LeaseId lease;
};

struct Delete {
  std::string path;
  bool recursive = false;
  store::Precondition precondition;
  bool want_prev = false;
  bool force = false;  // breaks a lock hold or wait: only for keys under /.synod/locks
};

struct Comparison {
  enum class Target : uint8_t {
    kExists = 0,
    kVersion = 1,
    kModRevision = 2,
    kCreateRevision = 3,
    kNumChildren = 4,
    kLease = 5,
    kValue = 6,
    kFence = 7,
  };
  enum class Op : uint8_t { kEqual = 0, kNotEqual = 1, kLess = 2, kGreater = 3 };
  std::string path;
  Target target = Target::kExists;
  Op op = Op::kEqual;
  uint64_t number = 0;  // kExists: 0 or 1; kFence: the token
  Bytes value;          // kValue
};

struct TxnPut {
  std::string path;
  Bytes value;
  std::optional<LeaseId> lease;
};
struct TxnDelete {
  std::string path;
  bool recursive = false;
};
struct TxnGet {
  std::string path;
};
struct TxnList {
  std::string path;
  store::ListScope scope = store::ListScope::kChildren;
  uint32_t limit = 1000;
  bool keys_only = false;
};
struct TxnCreate {
  std::string path;
  Bytes value;
  std::optional<LeaseId> lease;
  bool sequential = false;
};
using TxnOp = std::variant<TxnPut, TxnDelete, TxnGet, TxnList, TxnCreate>;

struct Txn {
  std::vector<Comparison> conditions;
  std::vector<TxnOp> then_ops;
  std::vector<TxnOp> else_ops;
};

struct LeaseGrant {
  int64_t ttl_ms = 0;
  std::string name;
};
struct LeaseKeepAlive {
  std::vector<LeaseId> ids;
  bool bulk = false;  // POST /v1/leases/keepalive: absent ones are listed, not an error
};
struct LeaseRevoke {
  LeaseId id;
};

using lock::LockKind;
using lock::LockMode;

struct Acquire {  // also a campaign
  LockKind kind = LockKind::kLock;
  std::string path;  // the lock's path, without /.synod/locks
  LeaseId lease;     // 0: the lease belongs to this request, of ttl_ms
  int64_t ttl_ms = 0;
  LockMode mode = LockMode::kExclusive;
  uint32_t limit = 1;
  int64_t wait_ms = 0;
  int64_t lock_delay_ms = 0;
  Bytes value;
};
// Several locks at once: all of them or none.
struct AcquireAll {
  struct Lock {
    std::string path;
    LockMode mode = LockMode::kExclusive;
  };
  std::vector<Lock> locks;  // no path twice
  LeaseId lease;            // as in Acquire
  int64_t ttl_ms = 0;
  int64_t wait_ms = 0;
};
inline constexpr size_t kLocksAtOnceMax = 128;
struct Release {  // also resign
  LockKind kind = LockKind::kLock;
  std::string path;
  FenceToken token;
};
struct Proclaim {
  std::string path;
  FenceToken token;
  Bytes value;
};
struct Transfer {
  std::string path;
  FenceToken token;
  LeaseId to;
};
struct Compact {
  Revision revision;
};
struct ChangeSettings {
  auth::SettingValues changes;  // at least one
};
struct ChangeQuotas {
  std::vector<auth::QuotaChange> quotas;  // at least one; settings change in the same step
  auth::SettingValues settings = {};
};

// A register of the highest token seen, for systems outside that cannot keep one.
struct RaiseFence {
  std::string path;  // as a lock's
  FenceToken token;
};
struct ForgetFence {
  std::string path;
};

// Users, roles and tokens (src/auth/directory.h).
struct SetRole {  // makes it, or another one of the one there is
  auth::Role role;
};
struct DropRole {
  std::string name;
};
struct SetUser {
  auth::User user;
};
struct DropUser {
  std::string name;
};
struct MakeToken {
  std::string user;
  std::string name;
  Bytes hash;
  int64_t ttl_ms = 0;  // 0: it does not expire
};
struct RevokeToken {
  auth::TokenId id;
};

// Proposed by nodes, not by clients: they carry no idempotency key, take no revision by themselves
// and are never refused; SetUpAuth alone takes one.
struct Disown {  // the client of a waiting acquire hung up: withdrawn after 5 s unless taken over
  RequestId waiter;
};
struct NodeGone {  // the process that served these waits is gone: as Disown for each of them
  NodeId node;
  uint64_t boot = 0;
};
struct Adopt {  // that process was not gone after all: its waits go on
  NodeId node;
  uint64_t boot = 0;
};
struct SetMember {  // binds an identity to a member number; again: its machine version
  NodeId id;
  std::string uuid;
  std::string name;
  std::string peer_address;
  std::string client_url;
  uint32_t machine_version = 1;  // the newest that it supports
};
struct CheckDigests {  // what voters computed at `slot`; 0: nothing yet, all are to compute it here
  Slot slot;
  uint32_t majority = 0;  // so many equal ones decide
  std::vector<std::pair<NodeId, Digest>> reports;
};

// The first administrator of a cluster that knows nobody yet: the user root, his role, and a token
// with this hash; from there on nobody gets in without one. Nothing happens if it knows somebody.
struct SetUpAuth {
  Bytes hash;
};

// A change of the membership. The leader judges it: what it admits travels in an entry of its own
// kind (members.h), what it refuses as an ordinary command that says why.
struct ChangeMembers {
  enum class Kind : uint8_t { kAdd = 0, kPromote = 1, kReplace = 2, kRemove = 3 };
  Kind kind = Kind::kAdd;
  std::vector<NodeId> ids;  // kAdd: none; kReplace: the one that goes
  NodeId with;              // kReplace: the learner that takes its place
  std::string name;         // of a new learner, as its addresses; empty: node-<id>
  std::string peer_address;
  std::string client_url;
  std::string refused;  // by the leader; empty: admitted, or not judged yet
};
struct UpdateMember {  // an empty field stays as it is
  NodeId id;
  std::string name;
  std::string peer_address;
  std::string client_url;
};

using Operation = std::variant<Put,
                               CreateSequential,
                               Delete,
                               Txn,
                               LeaseGrant,
                               LeaseKeepAlive,
                               LeaseRevoke,
                               Acquire,
                               Release,
                               Proclaim,
                               Transfer,
                               Compact,
                               Disown,
                               NodeGone,
                               Adopt,
                               SetMember,
                               ChangeMembers,
                               UpdateMember,
                               CheckDigests,
                               AcquireAll,
                               ChangeSettings,
                               RaiseFence,
                               ForgetFence,
                               SetRole,
                               DropRole,
                               SetUser,
                               DropUser,
                               MakeToken,
                               RevokeToken,
                               SetUpAuth,
                               ChangeQuotas>;

// Whichever of the two it takes.
inline Operation ChangeOf(auth::SettingValues settings, std::vector<auth::QuotaChange> quotas) {
  if (quotas.empty())
    return ChangeSettings{std::move(settings)};
  return ChangeQuotas{std::move(quotas), std::move(settings)};
}

struct Fence {
  std::string path;  // of the lock
  FenceToken token;
};

struct Command {
  RequestId id;                 // who waits for the answer
  auth::Principal principal;    // who asks
  std::string idempotency_key;  // empty: none
  Hash128 fingerprint;          // of method, path, query, body, precondition, fence, not-after
  ClusterTime not_after;        // 0: none
  std::vector<Fence> fences;
  Operation operation;
};

Bytes Encode(const Command& command);
Result<Command> DecodeCommand(std::string_view bytes);
// The id alone, without decoding the rest (for the driver).
Result<RequestId> DecodeRequestId(std::string_view command_bytes);

// The payload of a kCommand entry: cluster time and commands, in order. No commands: a tick.
struct Batch {
  uint32_t machine_version = 1;
  ClusterTime time;
  std::vector<std::string_view> commands;  // point into the payload
};
Bytes EncodeBatch(ClusterTime time, std::span<const Bytes> commands, uint32_t machine_version = 1);
// Refuses versions above `known`: what follows may have another form.
Result<Batch> DecodeBatch(std::string_view payload, uint32_t known = kMachineVersion);
// The version alone, whatever follows; 0 if there is none.
uint32_t VersionOfBatch(std::string_view payload);

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_COMMAND_H_
