// Machine::Core: the parts of the replicated state and the steps that change them together.
//
// Contract      Every change is a Move: one revision in the making. What follows from a change (a
//               lease that ends with its last hold, the next waiter that is granted, an empty
//               parent that goes) happens in the same Move. All checks come before the first change
//               that cannot be rolled back; the edit of the tree is the only thing that can.
// Thread        Core thread only.
// Not here      The rules of queues (lock/lock_table.h) and of the tree (src/store/tree.h).
#ifndef SYNOD_MACHINE_CORE_H_
#define SYNOD_MACHINE_CORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lock/fence_table.h"
#include "lock/lock_table.h"
#include "session/idempotency.h"
#include "session/lease_table.h"
#include "src/machine/machine.h"

namespace synod::machine {

// A recorded answer may not be larger: the request is refused instead.
inline constexpr uint64_t kRecordedAnswerMax = 64 * 1024;
// How long a wait survives the client or the process that it belonged to.
inline constexpr int64_t kOrphanMs = 5000;
// What one entry ends at most; the rest follows in the next ones.
inline constexpr uint64_t kLeasesEndedMax = 1000;
inline constexpr uint64_t kNodesEndedMax = 10'000;

inline Refusal Refuse(Error error) {
  Refusal refusal;
  refusal.error = std::move(error);
  return refusal;
}
inline Refusal Refuse(Errc code, std::string detail = {}) {
  return Refuse(Error{code, Outcome::kNotApplied, std::move(detail)});
}
inline Refusal TooLarge(uint64_t limit, std::string detail) {
  Refusal refusal = Refuse(Errc::kTooLarge, std::move(detail));
  refusal.limit = limit;
  return refusal;
}

// A command on its way through the machine.
struct Call {
  Command* command = nullptr;
  std::string user;       // who asks; empty: nobody has a name, or it is the node itself
  bool tell = false;      // the observer waits for it
  Bytes request_key;      // of its idempotency record; empty: none
  Bytes encoded;          // the answer, if it was encoded to learn its size
  bool answered = false;  // by the end of its wait, or not yet

  bool keyed() const { return !request_key.empty(); }
  bool wanted() const { return tell || keyed(); }
};

class Machine::Core {
 public:
  Core(const auth::Settings& bootstrap, uint32_t supports);

  void Apply(const LogEntry& entry, const Observer& observer, Applied* out);
  Result<QueryResult> Read(const Query& query, ClusterTime now) const;
  std::optional<ClusterTime> NextDeadline() const;
  Digest digest() const;
  Records TakeDirty();
  uint64_t dirty_bytes() const;
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  Status LoadRecord(std::string_view key, std::string_view value);
  Status LoadNode(store::EntryOwner node);
  Status FinishLoad();
  void BeginNewCluster();
  void CheckInvariants() const;
  std::vector<QuotaView> QuotaViews() const;
  void CountQuotas(Counts* counts) const;
  bool WasRemoved(std::string_view uuid) const { return removed_uuids_.contains(uuid); }
  bool WouldRun(const Command& command, ClusterTime at) const;
  Joined JoinedOf(Command* command) const;
  Status Permits(const auth::Principal& who, const auth::Need& need, ClusterTime now) const;
  Result<QueryResult> ReadFor(const auth::Principal& reader,
                              const Query& query,
                              ClusterTime now) const;
  // The user that this is; empty for the node itself and while authentication is off.
  Result<std::string> UserOf(const auth::Principal& who, ClusterTime now) const;

  store::Tree tree;
  session::LeaseTable leases;
  session::IdempotencyTable idempotency;
  lock::LockTable locks;
  lock::FenceTable fences;
  auth::Settings settings;
  auth::Directory directory;
  struct KeptQuota {
    auth::Quota quota;
    Hash128 hash;  // of its record
  };
  std::map<std::string, KeptQuota, PathLess> quotas;  // their paths are those that the tree counts
  uint64_t permission_changes = 0;
  std::map<NodeId, MemberView> members;
  Membership membership;
  Slot applied;
  Revision revision;
  ClusterTime time;
  Ballot leader_start;
  const uint32_t supports;
  uint32_t version = 1;
  DigestCheck digest_check;

 private:
  // One revision in the making.
  struct Move {
    struct Ties {
      int64_t nodes = 0;
      int64_t bytes = 0;
    };
    explicit Move(Core* core);
    // Counts what one write or delete of the edit comes to: of `node`, which is there now (1) or
    // was before (-1); none: nothing.
    void Count(std::string_view path, const store::NodeRef& node, int64_t by);
    void CountPut(std::string_view path, const store::PutResult& put);
    // This lock's queue needs another look; who left it last did so for this cause.
    void Touch(const std::string& lock, store::Cause cause) {
      touched.insert_or_assign(lock, cause);
    }

    Revision revision;
    uint64_t used_before;  // logical bytes that count for the quota
    store::Edit edit;
    std::map<std::string, store::Cause, session::PathLess> touched;
    std::set<std::string, session::PathLess> announced;  // elections whose leader spoke
    std::vector<LeaseId> ended;
    std::map<LeaseId, Ties> ties;  // what the edit so far adds to each lease
    int64_t growth = 0;            // of logical bytes
    uint64_t answer_bytes = 0;     // read by a transaction
  };

  // One command (machine.cc).
  void RunBatch(std::string_view payload);
  void RaiseVersion(uint32_t to);
  void RunCommand(Command* command);
  // What the record of its key says, or what forbids to run it; nullopt: run it.
  std::optional<Answer> FindRecorded(Call* call);
  // Of a record that is pending: who waits for its answer.
  lock::Place WaiterOf(const session::IdempotencyRecord& record) const;
  // Of one that is not.
  Answer ReplayOf(const session::IdempotencyRecord& record) const;
  std::optional<Refusal> CheckBefore(const Call& call) const;
  void Conclude(Call* call, AnswerBody body);
  void Keep(std::string_view request_key,
            const Hash128& fingerprint,
            ClusterTime not_after,
            Bytes answer);
  void RefreshLeases(Answer* answer) const;
  bool IsObserver(const RequestId& id) const;

  AnswerBody Run(Call* call, Put* op);
  AnswerBody Run(Call* call, CreateSequential* op);
  AnswerBody Run(Call* call, Delete* op);
  AnswerBody Run(Call* call, Txn* op);
  AnswerBody Run(Call* call, LeaseGrant* op);
  AnswerBody Run(Call* call, LeaseKeepAlive* op);
  AnswerBody Run(Call* call, LeaseRevoke* op);
  AnswerBody Run(Call* call, Acquire* op);
  AnswerBody Run(Call* call, AcquireAll* op);
  AnswerBody Run(Call* call, Release* op);
  AnswerBody Run(Call* call, Proclaim* op);
  AnswerBody Run(Call* call, Transfer* op);
  AnswerBody Run(Call* call, Compact* op);
  AnswerBody Run(Call* call, Disown* op);
  AnswerBody Run(Call* call, NodeGone* op);
  AnswerBody Run(Call* call, Adopt* op);
  AnswerBody Run(Call* call, SetMember* op);
  AnswerBody Run(Call* call, ChangeMembers* op);
  AnswerBody Run(Call* call, UpdateMember* op);
  AnswerBody Run(Call* call, CheckDigests* op);
  AnswerBody Run(Call* call, ChangeSettings* op);
  AnswerBody Run(Call* call, RaiseFence* op);
  AnswerBody Run(Call* call, ForgetFence* op);
  AnswerBody Run(Call* call, SetRole* op);
  AnswerBody Run(Call* call, DropRole* op);
  AnswerBody Run(Call* call, SetUser* op);
  AnswerBody Run(Call* call, DropUser* op);
  AnswerBody Run(Call* call, MakeToken* op);
  AnswerBody Run(Call* call, RevokeToken* op);
  AnswerBody Run(Call* call, SetUpAuth* op);
  AnswerBody Run(Call* call, ChangeQuotas* op);
  std::optional<Refusal> CheckSettings(const auth::Settings& changed) const;
  AnswerBody CommitSettings(Call* call, const auth::Settings& changed, AnswerBody answer);

  // Who may (permits.cc). Nobody is limited while authentication is off, nor the node itself.
  bool IsLimited(const auth::Principal& who) const {
    return settings.auth_enabled != 0 && !who.node;
  }
  // Sets call->user; what forbids the command.
  std::optional<Refusal> Admit(Call* call) const;
  bool Allows(const Call& call, const auth::Need& need) const;
  void HideCurrent(const Call& call, AnswerBody* body) const;
  // A new node at `path` makes nothing outside of what the caller may write.
  std::optional<Refusal> CheckParents(const Call& call,
                                      const store::Edit& edit,
                                      std::string_view path) const;
  // All that hangs on the lease may be changed by the caller, who ends it.
  std::optional<Refusal> CheckEnd(const Call& call, const session::Lease& lease) const;
  // The same if the lease ends with this place in a queue.
  std::optional<Refusal> CheckEndWith(const Call& call, const lock::Place& place) const;
  bool MayUse(const session::Lease& lease, std::string_view user, bool limited) const;

  // The directory (directory.cc).
  std::optional<Refusal> CheckAdministrator(const auth::Directory& after) const;
  AnswerBody CommitDirectory(Call* call, auth::Directory after, AnswerBody answer);
  void SaveDirectory(auth::Directory after);
  void DropExpiredTokens();
  void EndForbiddenWaits(Move* move, bool switched_on);
  void ForEachDirectoryRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  Status LoadDirectoryRecord(std::string_view key, std::string_view value);
  Status FinishDirectory();

  // Nodes and transactions (nodes.cc).
  Refusal FromTree(const Error& error,
                   const store::Edit& edit,
                   const store::NodeRef& current,
                   std::string_view path) const;
  std::optional<Refusal> CheckLeaseOf(const Call& call, std::optional<LeaseId> lease) const;
  std::optional<Refusal> CheckWrite(std::string_view path, size_t value_bytes) const;
  // The limits of the store, of leases and of subtrees: after all writes of a move, before its
  // commit.
  std::optional<Refusal> CheckGrowth(const Call& call, const Move& move) const;
  std::optional<Refusal> CheckTies(const Move& move) const;
  uint64_t UsedBytes() const;
  AnswerBody BreakContender(Call* call, const Delete& op);
  bool Holds(const Comparison& comparison) const;
  std::optional<Refusal> RunOp(Call* call, Move* move, TxnOp* op, TxnAnswer* answer, bool* wrote);
  std::optional<Refusal> RunTxnPut(Call* call, Move* move, TxnPut* op, TxnAnswer* answer);
  std::optional<Refusal> RunTxnCreate(Call* call, Move* move, TxnCreate* op, TxnAnswer* answer);
  std::optional<Refusal> RunTxnDelete(Move* move,
                                      const TxnDelete& op,
                                      TxnAnswer* answer,
                                      bool* wrote);
  std::optional<Refusal> RunTxnList(Move* move, const TxnList& op, TxnAnswer* answer);

  // Quotas of subtrees (quotas.cc).
  // What is to become of those that are named, and of which of them something else than they are.
  std::optional<Refusal> PlanQuotas(const std::vector<auth::QuotaChange>& changes,
                                    std::vector<QuotaView>* named,
                                    std::vector<QuotaView>* changed) const;
  auth::Quota QuotaOf(std::string_view path) const;
  void SaveQuota(const QuotaView& view);
  std::optional<Refusal> CheckQuotas(const Call& call, const Move& move) const;
  void NoteCrossings(std::string_view path,
                     const auth::Quota& quota_before,
                     const store::Usage& before,
                     const auth::Quota& quota_after,
                     const store::Usage& after);
  void NoteUsage(const Move& move);
  void HideQuotas(std::string_view user, std::vector<QuotaView>* views) const;
  Status LoadQuota(std::string_view key, std::string_view value);
  void CountLoadedQuotas();
  void ForEachQuotaRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;

  // Ends of things (moves.cc).
  AnswerBody Commit(Call* call, Move* move, AnswerBody body);
  void Finish(Move* move);
  void EndWhatIsDue();
  void Retain();
  void EndDueLeases();
  void EndDueWaits();
  void EndDueDelays();
  void EndLease(Move* move, LeaseId id, store::Cause cause);
  lock::Contender RemoveContender(Move* move, const lock::Place& place, store::Cause cause);
  void Settle(Move* move);
  void GrantAll(Move* move, const std::string& path);
  void Grant(Move* move, const std::vector<lock::Place>& group);
  void Announce(Move* move, const std::string& path);
  void RemoveEmptyParents(Move* move, std::string_view path, store::Cause cause);
  // The end of a wait: tells its owner and fills the record of its key.
  void CompleteWait(const lock::Contender& waiter, Revision at, AnswerBody body);
  bool Wanted(const lock::Contender& waiter) const;

  // Who wants to hold (acquire.cc). An entry is what acquires of all kinds have in common.
  struct Entry {
    std::vector<AcquireAll::Lock> locks;
    LockKind kind = LockKind::kLock;
    LeaseId lease;
    int64_t ttl_ms = 0;
    uint32_t limit = 1;
    int64_t wait_ms = 0;
    int64_t lock_delay_ms = 0;
    std::string_view value;
    bool grouped = false;
  };
  std::optional<Refusal> CheckContender(const Call& call, LeaseId lease, int64_t ttl_ms) const;
  std::optional<Refusal> CheckAcquire(const Call& call, const Acquire& op) const;
  std::optional<Refusal> CheckAcquireAll(const Call& call, const AcquireAll& op) const;
  AnswerBody AcquireAllAgain(Call* call,
                             const AcquireAll& op,
                             const std::vector<lock::Place>& places);
  AnswerBody WaitAgain(Call* call, const lock::Place& place, int64_t wait_ms);
  AnswerBody EnterIfPossible(Call* call, const Entry& entry);
  AnswerBody EnterQueues(Call* call, const Entry& entry, bool free);
  void NoteWaiting(const Call& call);

  // Holders and leases (locks.cc).
  std::optional<Refusal> CheckReserve(uint64_t more_bytes) const;
  // The live holder with this token, or why there is none.
  Result<lock::Place> FindUsableHolder(const Call& call,
                                       LockKind kind,
                                       std::string_view path,
                                       FenceToken token) const;
  bool IsCurrentHolder(std::string_view path, FenceToken token) const;
  HoldAnswer HoldOf(const lock::Place& place, const store::NodeRef& node) const;
  using NodeFinder = std::function<store::NodeRef(std::string_view)>;
  std::vector<Holder> HoldersOf(std::string_view path,
                                ClusterTime now,
                                const NodeFinder& find) const;
  HoldsAnswer HoldsOf(const std::vector<lock::Place>& places) const;
  // A 423 with the holders of these locks.
  Refusal Unavailable(const std::vector<std::string>& paths,
                      const NodeFinder& find,
                      std::string detail) const;
  std::vector<std::string> PathsOf(const lock::Place& place) const;
  bool MayUse(const session::Lease& lease, const Call& call) const;
  // Nobody will ever learn of this one's grant.
  static bool IsLost(const lock::Contender& waiter) {
    return waiter.orphan_deadline.has_value() && waiter.lease_of_request &&
           waiter.request_key.empty();
  }

  // Reads (read.cc).
  Result<QueryResult> ReadOne(const GetNode& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const ListNodes& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetLease& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const ListLeases& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetLock& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const ListLocks& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetSettings& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetFence& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetRoles& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetUsers& query, ClusterTime now) const;
  Result<QueryResult> ReadOne(const GetTokens& query, ClusterTime now) const;
  ListLeasesResult LeasesFor(const ListLeases& query,
                             ClusterTime now,
                             const std::function<bool(const session::Lease&)>& shown) const;
  LockResult LockResultOf(const std::string& path, const lock::Lock& lock, ClusterTime now) const;

  // Members (members.cc).
  void RunConfig(std::string_view payload);
  const MemberView* FindAwaited(const ChangeMembers& change) const;
  void ForgetOthers();

  // Records (records.cc).
  void SaveMember(MemberView member);
  void DropMember(NodeId id);
  Bytes ClockRecord() const;
  Status LoadMeta(std::string_view name, std::string_view value);
  Status LoadMember(std::string_view key, std::string_view value);
  Status TieNodes();
  void ForgetMembers();

  // The start of another cluster (restore.cc).
  void EndAllLeases();

  std::vector<auth::Role> loaded_roles_;  // until FinishLoad(), as the next two
  std::vector<auth::User> loaded_users_;
  std::vector<auth::Token> loaded_tokens_;
  std::vector<std::string> loaded_with_lease_;  // paths, until FinishLoad()
  session::RecordTally member_tally_;
  std::map<NodeId, Hash128> member_hashes_;
  session::RecordTally directory_tally_;
  std::map<Bytes, Hash128, std::less<>> directory_hashes_;
  session::RecordTally quota_tally_;
  bool settings_dirty_ = true;
  std::set<std::string, std::less<>> removed_uuids_;
  bool membership_dirty_ = false;  // and the removed uuids
  // The membership before the entry being applied, if it is one of that kind.
  std::optional<Membership> changed_from_;
  bool version_dirty_ = false;
  bool digest_check_dirty_ = false;
  // Where the answers of the entry being applied go.
  const Observer* observer_ = nullptr;
  Applied* out_ = nullptr;
};

LeaseView ViewOf(const session::Lease& lease);

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_CORE_H_
