// Engine::Core: the engine's state and the steps of one turn (internal to engine*.cc).
//
// Contract      See engine.h. A turn is: route what is queued, propose, start reads, take the
//               replica's output, apply what was chosen; again while that made new work.
// Thread        Core thread only.
#ifndef SYNOD_NODE_ENGINE_CORE_H_
#define SYNOD_NODE_ENGINE_CORE_H_

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "src/node/engine.h"
#include "src/node/engine_calls.h"
#include "src/node/engine_clock.h"
#include "src/node/engine_digests.h"
#include "src/node/engine_frames.h"
#include "src/node/engine_pace.h"
#include "src/node/engine_reads.h"
#include "src/node/engine_snapshots.h"
#include "src/node/engine_witness.h"
#include "src/node/progress_watch.h"

namespace synod::node {

class Engine::Core {
 public:
  Core(const EngineConfig& config,
       machine::Machine machine,
       consensus::Recovered disk,
       int64_t now_ms);

  // engine.cc: time, peers, turns
  void Advance(int64_t now_ms);
  void Receive(NodeId from, std::string_view frame);
  void Persisted(PersistId upto, uint64_t gen);
  void Checkpointed(Slot slot, Slot first_kept);
  EngineOutput Take();
  bool HasOutput() const;
  Status Ready() const;
  // Calls of clients are taken at all.
  Status Serves() const;
  bool LeaderKnown() const;
  Status TransferLeadership(NodeId to);
  Status AskToLead(NodeId to);
  Status HandOver();
  bool TryHandOver();
  Status TakesPart() const;
  bool MembershipSettled() const;
  bool MembershipDurable() const { return config_at_ <= replica.durable_learned(); }
  bool Participates() const { return witness.trusted() && !aside; }
  void SetDisk(DiskLevel level);
  bool MayGrow() const;

  // engine_install.cc: snapshots
  machine::Machine InstallSnapshot(machine::Machine next);
  void Perform(SnapshotActions actions);
  SnapshotCounters snapshot_counters;
  SnapshotSource source;
  SnapshotSink sink;

  // engine_changes.cc: the way of a change
  Result<CallId> Change(machine::Command command, int64_t timeout_ms);
  void Cancel(CallId call);
  void Shutdown();

  EngineConfig config;
  machine::Machine machine;
  Witness witness;
  DiskLevel disk_level = DiskLevel::kOk;
  bool aside = false;  // for its full disk
  consensus::Replica replica;
  PendingChanges changes;
  PendingReads reads;
  DigestWatch digests;
  ClusterClock clock;
  EngineCounters counters;
  EngineOutput out;
  int64_t now_ms = 0;
  int64_t turn_us = 0;
  bool touched = true;  // something came in since the last Take()
  uint64_t last_call = 0;
  bool shutting_down = false;
  bool checkpoint_asked = false;
  bool diverged = false;
  // The state is one of another member, taken in the place of one that was discarded, or is yet to
  // come: until the others agree on its digest this node says nothing of digests, or it might make
  // a majority of a wrong one.
  bool unproven = false;

  struct Peer {
    machine::MemberView view;
    uint64_t boot = 0;
    bool connected = false;
    Slot applied;  // as it last reported
    Slot durable;
    int64_t gens_told_ms = 0;
    Standing standing;  // as it last said
  };
  std::map<NodeId, Peer> peers;
  void OnPeerUp(NodeId peer);

 private:
  // engine.cc
  void DrainReplica();
  void HandleSends(std::vector<consensus::Send> sends);
  void Post(NodeId to, Bytes item);
  void StopAt(const machine::LogEntry& entry);
  void ApplyCommitted(const std::vector<consensus::Chosen>& committed);
  void OnLeaderStart(Ballot origin);
  void OnReport(NodeId from, const Report& report);
  void OnSnapshotRequest(NodeId from, const SnapshotRequest& request);
  void MaybeCheckpoint();
  // All nodes count the same bytes, and should not all be at it in the same moment.
  uint64_t FirstCheckpointBytes() const {
    return config.checkpoint_bytes / 4 * (config.consensus.self.value % 4 + 1);
  }

  // engine_changes.cc
  void Submit(machine::Operation operation);
  void Route();
  void ForwardTo(NodeId leader, Ballot ballot, const std::vector<uint64_t>& seqs);
  void OnForward(NodeId from, const Forward& forward);
  void OnReject(const Reject& reject);
  void Propose();
  void ProposeTick();
  void Complete(machine::Completion completion);
  // Of the slots that this node proposed, when.
  void NoteProposed(Slot slot);
  void NoteSynced();
  void FindProposed(Slot chosen);
  void FailChange(uint64_t seq, Error error);
  // Those of clients: `error` with what is known of each.
  void FailChanges(const Error& error);
  void ExpireChanges();
  // Of the entries that this node proposes.
  uint32_t Version() const { return std::max(machine.version(), version_to_raise_); }
  void OpenInbox();
  void EnterInbox(Bytes command, Lane lane);
  // Whether one more of this lane is refused where so much waits.
  bool IsFull(Lane lane, uint64_t bytes, uint64_t changes_waiting) const;
  ClusterTime ProposalTime() const { return std::max(clock.time(), machine.time()); }

  bool IsConnected(NodeId member) const;
  // engine_members.cc: changes of the membership
  bool ProposeMembers();
  Bytes FirstSettings() const;
  void ProposeMembership(const Membership& membership, const Bytes& command);
  void RefuseMembers(const std::string& why);
  std::string WhyNot(const Membership& after, const machine::ChangeMembers& change) const;
  void ReleaseAnswers(Slot applying);
  bool IsHeldByMajority(Slot slot) const;

  // engine_trust.cc: whether this node may promise and vote
  void Receive(NodeId from, consensus::Message& message);
  void OnStatement(NodeId from, const Witness::Statement& statement);
  void State(NodeId to, bool ask);
  void CheckWitness();
  // All clients: this node has nothing for them any more.
  void SendAway(const Error& why);
  void AddGens(NodeId to, consensus::Message* message);
  void AskWitnesses();
  void TellStanding();
  void JudgeStanding();
  size_t VotersWith(DiskLevel at_most, bool with_self) const;
  void Dispatch(NodeId to, consensus::Message message);
  // engine_install.cc
  void MoveSnapshots();
  void OnSnapshotAnswer(NodeId from, const FrameItem& item);
  void FailSentChanges();

  // engine_upkeep.cc: what nodes propose by themselves
  void Upkeep();
  void TendStandingLog();
  void ReportProgress();
  void SendAgain();
  void TendWaits();
  // `shown`: what the machine has of this process's waits.
  void FailLostWaits(const std::vector<machine::Machine::Wait>& shown);
  void OnLostWait(uint64_t seq);
  // Whether what is done for `id` every so often is to be done now; `now` notes when it was last.
  template <typename Id>
  bool IsDue(Id id,
             int64_t every_ms,
             const std::map<Id, int64_t>& before,
             std::map<Id, int64_t>* now) const;
  void AnnounceMembers();
  void ReportGoneProcesses();
  void ChooseVersion();

  // engine_digests.cc
  void NoteDigest(const machine::Applied& applied);
  void JudgeOwnState();
  // By the last comparison and what this node computed itself at that slot.
  bool FoundWrong() const;
  void CompareDigests();
  void AskComparison();
  // The state is another than before: what was computed of the old one says nothing of it.
  void TakeOverDigests();
  Error Diverged() const;

  friend class Engine;

  PersistId last_persist_;
  std::vector<consensus::PersistRequest> withheld_;  // wait until this node is trusted
  PersistId persisted_;
  struct HeldSend {
    NodeId to;
    PersistId after;
    consensus::Message message;
  };
  ProgressWatch syncing_;                    // the own log
  ProgressWatch choosing_;                   // what was proposed
  std::deque<HeldSend> held_;                // by `after`, ascending
  std::map<NodeId, Bytes> frames_;           // this turn's, a peer's last one
  std::optional<CheckpointJob> checkpoint_;  // taken, waits for `learned` to be durable
  bool checkpoint_out_ = false;
  bool lost_reported_ = false;
  int64_t standing_told_ms_ = 0;
  int64_t hand_over_ms_ = 0;
  int64_t checkpoint_at_ms_ = 0;
  uint64_t checkpoint_bytes_ = FirstCheckpointBytes();  // of changes that make the next one due
  int64_t ticked_ms_ = 0;

  // Leader: what is to be proposed, and what each process handed on in this ballot.
  std::deque<Bytes> inbox_;
  size_t inbox_bytes_ = 0;
  std::deque<Bytes> keepalives_;
  std::deque<Bytes> member_changes_;
  int64_t keepalives_flushed_ms_ = 0;
  Ballot inbox_ballot_;
  Ballot old_ballot_;  // promised by the process before: what that took in it is not known
  struct Forwarded {
    uint64_t base = 1;        // below it nothing is taken any more
    std::set<uint64_t> seen;  // from base on
  };
  std::map<std::pair<NodeId, uint64_t>, Forwarded> forwarded_;  // by process
  int64_t proposed_ms_ = 0;
  ClusterTime proposed_time_;
  struct Proposed {
    Slot slot;
    PersistId persist;  // 0: not known yet
    ChangeTimes times;
  };
  std::deque<Proposed> proposed_;  // not chosen yet, ascending
  ProposalPace pace_;
  ChangeTimes applying_;  // of the slot that is being applied

  struct HeldAnswer {
    Slot slot;
    machine::Completion completion;
  };
  std::deque<HeldAnswer> held_answers_;  // to changes of the membership, ascending
  Slot config_at_;                       // the newest membership applied here is of it or below
  Slot durable_told_;
  bool digests_agreed_ = true;
  bool ask_comparison_ = false;  // the state is from a disk: nobody has compared it yet
  int64_t comparison_asked_ms_ = 0;
  bool stopped_ = false;           // an entry was not understood: nothing more is applied
  uint32_t version_to_raise_ = 0;  // leader: what all members support

  int64_t upkeep_ms_ = 0;
  int64_t reported_ms_ = 0;
  int64_t members_proposed_ms_ = 0;
  std::map<LeaseId, int64_t> renewed_ms_;
  std::map<uint64_t, int64_t> disowned_ms_;
  int64_t adopted_ms_ = 0;
  int64_t followed_ms_ = 0;  // the last time that this node did not lead
  std::map<std::pair<NodeId, uint64_t>, int64_t> missing_since_ms_;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_CORE_H_
