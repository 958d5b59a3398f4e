// Machine: the replicated state as one deterministic function of the chosen entries.
//
// Contract      Apply() takes the chosen entries in slot order and changes store, leases, records
//               and locks in one step each. Equal entries give equal states and digests on every
//               node, whatever their clocks, memory or compiler. Nothing is judged anywhere else.
// Deposed leaders  A LeaderStart counts only if its ballot is above those of all that counted
//               before. A command entry takes effect only if its origin is the ballot of the last
//               LeaderStart that counts; else it is a no-op. So whoever has applied the next
//               LeaderStart knows that a command of the old ballot it has not seen applied never
//               will be.
// Membership    A membership entry counts if its version is the next one, whoever proposed it: then
//               it becomes the membership here, as it does in every replica. Members that are gone
//               leave the member table; their uuids are remembered for ever.
// Time          Cluster time is max(T so far, T of the entry). In one entry: first leases, waits
//               and records that are due end (at most 1000 leases or 10 000 nodes an entry, by
//               deadline and id), then commands run in order. A lease is gone once T >= its
//               deadline, even if its removal is still pending.
// Versions      The version rises to that of the highest entry that took effect; what a command
//               does depends on it and not on the build. An entry above supports() must not be
//               applied (Understands): the driver stops the node.
// Permission    While authentication is on (a setting), a command is judged by the users, roles and
//               tokens of the slot that it is applied at, before anything else: unauthenticated or
//               permission_denied, and nothing happened. Every path that it names must be
//               permitted, in a transaction those of both branches; so must what it changes
//               besides: missing parents, and what hangs on a lease that it ends. What is below a
//               permitted path is permitted (src/auth/directory.h), so no list, watch or recursive
//               delete crosses a border unseen.
// Quotas        Of subtrees: judged by what a change of a client comes to in the end. What ends by
//               itself, locks and deletes only make less. They are counted here, not recorded.
// Digests       A CheckDigests entry judges what the voters computed at an earlier slot. Who was
//               not with the majority is known as diverged on every node, until a later check
//               finds it with the majority. While none agrees, commands of clients are refused.
// Thread        Core thread only.
// Errors        None: a refused command is an answer. A malformed entry is a bug or damage: it
//               aborts.
#ifndef SYNOD_MACHINE_MACHINE_H_
#define SYNOD_MACHINE_MACHINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/auth/settings.h"
#include "src/base/hash.h"
#include "src/base/membership.h"
#include "src/base/record.h"
#include "src/machine/answer.h"
#include "src/machine/command.h"
#include "src/machine/query.h"
#include "src/store/tree.h"

namespace synod::machine {

// A chosen entry as the machine sees it.
struct LogEntry {
  enum class Kind : uint8_t { kNoop, kLeaderStart, kCommand, kConfig };
  Slot slot;
  Kind kind = Kind::kNoop;
  Ballot origin;
  std::string_view payload;
};

// Whose rules the entry needs; 0 if it is malformed.
uint32_t VersionOf(const LogEntry& entry);

// The answer to a command, for the process that waits for it. A wait (acquire) completes at a later
// entry than the one that carried it.
struct Completion {
  uint64_t seq = 0;  // of the RequestId
  Answer answer;
};

// A subtree passed a soft limit of its quota, or keeps to it again.
struct QuotaCrossing {
  std::string path;
  std::string_view kind;  // "nodes" or "bytes"
  bool over = false;
  uint64_t soft = 0;  // 0: the limit was removed
  uint64_t used = 0;
};

struct Applied {
  std::vector<Completion> completions;        // for the observer only
  std::vector<store::RevisionRef> revisions;  // those that changed nodes, ascending
  std::vector<uint64_t> waiting;              // observer's acquires that now wait (seq)
  std::vector<QuotaCrossing> crossings;       // in the order that they happened
  uint32_t commands = 0;                      // run or refused
  bool effective = true;                      // false: an entry of a deposed leader
  bool checked_digests = false;               // a CheckDigests ran
  bool asked_digests = false;                 // and it asked to compare those of this slot
};

// Whose answers to hand out. Never influences the state.
struct Observer {
  NodeId node;
  uint64_t boot = 0;
};

struct MemberView {
  NodeId id;
  std::string uuid;
  std::string name;
  std::string peer_address;
  std::string client_url;
  uint32_t machine_version = 1;  // the newest that it supports, as it last said
};

// The last comparison of digests.
struct DigestCheck {
  Slot slot;                  // 0: there was none
  bool agreed = true;         // a majority had the same
  Digest digest;              // which
  std::set<NodeId> diverged;  // as of this and earlier ones
};

class Machine {
 public:
  // `supports`: the newest version of the rules; tests play other builds with it.
  explicit Machine(const auth::Settings& bootstrap, uint32_t supports = kMachineVersion);
  ~Machine();
  Machine(Machine&&) noexcept;
  Machine& operator=(Machine&&) noexcept;

  // False: the entry is of a newer version.
  bool Understands(const LogEntry& entry) const;
  // `entry.slot` is applied() + 1. Appends to *out.
  void Apply(const LogEntry& entry, const Observer& observer, Applied* out);

  // kNotFound, kLeaseNotFound, kCompacted (detail; compact_revision is tree().floor()). `now` is
  // the cluster time that remaining_ms and the like are told in.
  Result<QueryResult> Read(const Query& query, ClusterTime now) const;

  // The same for somebody, as far as he may: kUnauthenticated, kPermissionDenied. Of leases he is
  // shown his own, or all if he may administer the cluster.
  Result<QueryResult> ReadFor(const auth::Principal& reader,
                              const Query& query,
                              ClusterTime now) const;
  // What else must be permitted at a node: watches, and what an administrator does there. Also if
  // nothing more than a valid token is asked for.
  Status Permits(const auth::Principal& who, const auth::Need& need, ClusterTime now) const;
  Status Knows(const auth::Principal& who, ClusterTime now) const;
  // The name for logs: of the user that this is, else empty.
  std::string UserName(const auth::Principal& who, ClusterTime now) const;
  // Differs whenever what somebody may do may have changed. Not replicated.
  uint64_t permission_changes() const;
  const auth::Directory& directory() const;

  // Who led the election at that revision (0, before any: nobody), from the history; kCompacted.
  // Of the holder token, lease, value and since_revision are told.
  Result<std::optional<Holder>> LeaderAt(std::string_view election, Revision at) const;

  Slot applied() const;
  Revision revision() const;
  ClusterTime time() const;
  Ballot leader_start() const;  // of the last LeaderStart that counts
  Digest digest() const;
  const DigestCheck& digest_check() const;
  uint32_t version() const;   // of the rules in force
  uint32_t supports() const;  // the newest that this build knows
  const store::Tree& tree() const;
  const auth::Settings& settings() const;
  std::vector<QuotaView> quotas() const;  // in path order
  std::vector<MemberView> members() const;
  const Membership& membership() const;  // version 0: the log has none yet
  // A member with this identity was removed: it never comes back.
  bool WasRemoved(std::string_view uuid) const;
  // A ChangeMembers would change something at this time: it is neither a repeat, nor the addition
  // of a learner that is awaited already, nor refused for its key, its time or its fences. For the
  // leader, once everything that it proposed is applied.
  bool WouldRun(const Command& command, ClusterTime at) const;

  // The earliest cluster time at which something ends by itself (lease, wait, delay, record), or
  // nullopt: while there is one, the leader keeps the clock in the log going.
  std::optional<ClusterTime> NextDeadline() const;
  // Processes that waiters hang on (for NodeGone).
  std::vector<Observer> WaitingProcesses() const;
  // A wait of an observer.
  struct Wait {
    uint64_t seq = 0;
    LeaseId lease;          // that its node renews (of ttl_ms acquires), or 0
    bool disowned = false;  // its client has gone: withdrawn soon
  };
  std::vector<Wait> WaitsOf(const Observer& observer) const;
  // What has become of a keyed request that waited, and whose place a repeat of it took.
  struct Joined {
    enum class State : uint8_t {
      kGone,      // nobody has the place, and no answer is recorded that it may be told
      kWaits,     // the repeat waits
      kDisowned,  // it does, but its client has gone: withdrawn soon
      kAnswered,
    };
    State state = State::kGone;
    Answer answer = {};  // kAnswered: as another repeat would get it
  };
  Joined JoinedOf(Command command) const;

  struct Counts {
    uint64_t nodes = 0, leases = 0, locks = 0, holders = 0, waiters = 0, idempotency_records = 0;
    uint64_t fences = 0;
    uint64_t users = 0, roles = 0, tokens = 0;
    uint64_t quotas = 0;
    uint64_t quotas_warning = 0;  // above a soft limit
    uint64_t quotas_full = 0;     // at a hard limit, or above
    uint64_t logical_bytes = 0, history_bytes = 0, idempotency_bytes = 0;
    Revision floor;
  };
  Counts counts() const;

  // Checkpoints: what changed since the last call, with the meta record that names slot, revision
  // and clock. Loading all records of a state gives it back.
  Records TakeDirty();
  uint64_t dirty_bytes() const;
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  Status LoadRecord(std::string_view key, std::string_view value);
  // The same for one of a node, decoded on whichever thread (src/store/record_codec.h).
  Status LoadNode(store::EntryOwner node);
  // Checks what was loaded; kInternal with a detail if it does not fit together.
  Status FinishLoad();

  // Makes what was loaded the state that a new cluster begins with (docs/api.md, "Backups"):
  // applied is slot 1, for which no log entry exists, so that whoever has not this state cannot
  // take the new cluster's log for its own beginning. Leases end with all that hangs on them, the
  // history and the recorded answers are gone, nobody is a member, all counters are far ahead, and
  // the floor of the fence registers with them.
  void BeginNewCluster();

  void CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_MACHINE_H_
