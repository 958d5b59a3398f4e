// Answer: what the state machine decided about one command; also what an idempotency key records.
//
// Contract      Complete: an HTTP answer is rendered from it, the call's own rendering options and
//               nothing else. Encodes to the form in which records and snapshots keep it.
#ifndef SYNOD_MACHINE_ANSWER_H_
#define SYNOD_MACHINE_ANSWER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "src/auth/directory.h"
#include "src/auth/settings.h"
#include "src/base/codec.h"
#include "src/base/error.h"
#include "src/base/membership.h"
#include "src/base/types.h"
#include "src/machine/command.h"
#include "src/store/node.h"
#include "src/store/tree.h"

namespace synod::machine {

struct Holder {
  std::string lock;  // its path, where several locks were asked for; else empty
  FenceToken token;
  LeaseId lease;
  LockMode mode = LockMode::kExclusive;
  Bytes value;
  Revision since_revision;
  int64_t held_ms = 0;
  int64_t lease_remaining_ms = 0;
};

// Why a command was refused. `current` and the rest are filled in where docs/api.md says so.
struct Refusal {
  Error error;
  std::optional<store::NodeView> current;    // 412: the node's metadata (value not shown)
  std::vector<Holder> holders;               // 423
  std::optional<Revision> compact_revision;  // 410
  std::optional<uint64_t> limit;             // 413
  std::optional<uint32_t> index;             // a transaction's failed operation
  std::optional<FenceToken> highest;         // 412 of a fence register: what a token must reach
};

struct PutAnswer {
  store::NodeView node;
  bool created = false;
  bool with_prev = false;
  std::optional<store::NodeView> prev;
};
struct DeleteAnswer {
  uint64_t deleted = 0;
  bool with_prev = false;
  std::vector<store::NodeView> prev;
};

struct TxnPutAnswer {
  store::NodeView node;
};
struct TxnDeleteAnswer {
  uint64_t deleted = 0;
};
struct TxnGetAnswer {
  std::optional<store::NodeView> node;
};
struct TxnListAnswer {
  std::vector<store::NodeView> nodes;
  bool more = false;
  bool keys_only = false;
};
struct TxnCreateAnswer {
  store::NodeView node;
};
using TxnOpAnswer =
    std::variant<TxnPutAnswer, TxnDeleteAnswer, TxnGetAnswer, TxnListAnswer, TxnCreateAnswer>;
struct TxnAnswer {
  bool succeeded = false;
  std::vector<TxnOpAnswer> results;
};

struct LeaseView {
  LeaseId id;
  int64_t ttl_ms = 0;
  ClusterTime deadline;  // remaining_ms = deadline - now, 0 when gone
  std::string name;
};
struct LeaseAnswer {
  LeaseView lease;
  bool granted = false;  // 201 instead of 200
};
struct KeepAliveAnswer {
  std::vector<LeaseView> leases;
  std::vector<LeaseId> not_found;
};
struct RevokeAnswer {};

struct HoldAnswer {  // acquire and campaign
  LockKind kind = LockKind::kLock;
  std::string path;  // the lock's
  FenceToken token;
  LeaseId lease;
  LockMode mode = LockMode::kExclusive;
  std::string key;  // the contender's node
  Bytes value;
  ClusterTime lease_deadline;
};
struct HoldsAnswer {  // of several locks at once
  struct Hold {
    std::string path;
    FenceToken token;
    LockMode mode = LockMode::kExclusive;
    std::string key;
  };
  std::vector<Hold> holds;
  LeaseId lease;
  ClusterTime lease_deadline;
};
struct ReleaseAnswer {};  // release, resign, proclaim, transfer
struct CompactAnswer {};
struct MembersAnswer {      // ChangeMembers, UpdateMember
  std::vector<NodeId> ids;  // whom it was about; of an addition the new one's
  Membership membership;    // afterwards
};
struct QuotaView {
  std::string path;
  auth::Quota quota;
  store::Usage usage;
};
struct SettingsAnswer {
  auth::SettingValues settings;  // all there were, afterwards
};
struct QuotasAnswer {
  auth::SettingValues settings;
  std::vector<QuotaView> quotas;  // of those that were named, as they are now, but for the gone
};
struct FenceAnswer {
  FenceToken token;  // the register's, afterwards
};
struct ForgetFenceAnswer {};
struct RoleAnswer {
  auth::Role role;
  bool created = false;
};
struct UserAnswer {
  auth::User user;
  bool created = false;
};
struct TokenView {
  auth::TokenId id;
  std::string user;
  std::string name;
  ClusterTime expires;  // 0: never
};
struct TokenAnswer {  // of a token that was made; its clear text is its node's to add
  TokenView token;
};
struct GoneAnswer {};  // a role, a user, a token
struct NodeAnswer {};  // Disown, NodeGone, Adopt, SetMember: nobody is told

using AnswerBody = std::variant<Refusal,
                                PutAnswer,
                                DeleteAnswer,
                                TxnAnswer,
                                LeaseAnswer,
                                KeepAliveAnswer,
                                RevokeAnswer,
                                HoldAnswer,
                                ReleaseAnswer,
                                CompactAnswer,
                                NodeAnswer,
                                MembersAnswer,
                                HoldsAnswer,
                                SettingsAnswer,
                                FenceAnswer,
                                ForgetFenceAnswer,
                                RoleAnswer,
                                UserAnswer,
                                TokenAnswer,
                                GoneAnswer,
                                QuotasAnswer>;

struct Answer {
  // The change's own revision; of a refused or read-only command, the one it was judged at.
  Revision revision;
  ClusterTime time;       // cluster time when it was applied; of a replay: when it was replayed
  bool replayed = false;  // Synod-Replayed (not part of the encoding)
  AnswerBody body;

  bool ok() const { return !std::holds_alternative<Refusal>(body); }
};

Bytes Encode(const Answer& answer);
Result<Answer> DecodeAnswer(std::string_view bytes);

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_ANSWER_H_
