// Core: the parts of a replica and how an input runs through them. Private to replica.cc,
// campaign.cc (phase 1), steady.cc (phase 2, learning, reads) and membership.cc.
//
// Contract      replica.h has it; this is where its parts meet.
// Phases        follower -> pre-vote -> prepare -> fetch -> lead. A majority of promises ends
//               prepare; fetch gets values that are chosen but not held here; lead proposes.
//               A leader whose membership entry was chosen runs phase 1 again, in the same ballot
//               and above that slot, with the new voters, while it stays in the phase lead.
// Thread        Core thread only.
#ifndef SYNOD_CONSENSUS_CORE_H_
#define SYNOD_CONSENSUS_CORE_H_

#include <optional>
#include <vector>

#include "consensus/acceptor.h"
#include "consensus/election.h"
#include "consensus/journal.h"
#include "consensus/leader.h"
#include "consensus/learner.h"
#include "consensus/lease.h"
#include "consensus/log.h"
#include "consensus/outbox.h"
#include "consensus/reads.h"
#include "consensus/replica.h"
#include "consensus/takeover.h"

namespace synod::consensus {

enum class Phase { kFollower, kPreVote, kPrepare, kFetch, kLead };

class Replica::Core {
 public:
  Core(const Config& config, Recovered disk, Slot applied);

  void Tick();
  void SetTime(uint64_t now_ms);
  void Persisted(PersistId upto);
  Output TakeOutput();
  Result<Slot> Propose(EntryKind kind, SharedBytes payload);
  bool CanPropose() const;
  bool CanProposeConfig() const;
  void PeerGone(NodeId peer);
  Status Transfer(NodeId to);
  void SetMayLead(bool may);
  void PersistLearned();
  void Truncate(Slot first);
  bool InstallSnapshot(Slot slot, const Membership& membership);
  Slot InstallsAbove() const;
  bool QuorumFresh() const;
  HardState CurrentHardState() const;
  void CheckInvariants() const;
  // What must not go down from one output to the next.
  void CheckSteps();

  // -- campaign.cc
  void StartPreVote();
  // `released`: what the last leader gave up for this campaign; zero: it did not ask for it.
  void StartPrepare(Ballot released);
  void OnOwnPromiseDurable();
  void CheckPromises();
  void LeadIfFetched();
  void Lead();
  // Phase 1 is done for every slot from the leader's next one on: proposes what it found.
  void ProposeBound();
  void PrepareTo(NodeId voter);
  void PrepareToMissing();
  void StepDown(const char* why);
  void TickCandidate();
  void On(NodeId from, const PreVote& m);
  void On(NodeId from, const PreVoteReply& m);
  void On(NodeId from, const Prepare& m);
  void On(NodeId from, const Promise& m);
  void On(NodeId from, const TimeoutNow& m);

  // -- membership.cc
  void TakeConfigs();
  void OnMembership();
  void StartSwitch();
  void TryEndSwitch();
  void HandOver();
  void AskAnyMember();
  bool IsFetching() const;
  bool HasStarted() const;
  bool MayCampaign() const;
  bool MustSpreadConfig() const;
  bool KnowsBetter(NodeId from, uint64_t config_version) const;
  void RefuseStale(NodeId to, Ballot refused, uint64_t config_version, Slot learned);

  // -- steady.cc
  void On(NodeId from, const Accept& m);
  void On(NodeId from, const Accepted& m);
  void On(NodeId from, const Nack& m);
  void On(NodeId from, const LearnReq& m);
  void On(NodeId from, const LearnResp& m);
  void On(NodeId from, const ReadIndexReq& m);
  void On(NodeId from, const ReadIndexResp& m);
  bool IsPlausible(Slot claimed) const;
  void Follow(NodeId leader, const Accept& m);
  void TakeCommit(const Accept& m);
  void Commit();
  void TickLeader();
  void FlushLeader();
  void FlushTransfer();
  void AskForMissing();

  bool MayRead() const;
  bool IsSticky(NodeId candidate) const;
  void NackTo(NodeId to, Ballot refused, NackReason reason);

  const Config config_;
  Membership membership_;
  uint64_t held_version_;  // of the memberships that the learned prefix holds, the newest
  Slot configs_taken_;     // learned slots up to here were looked at for memberships
  Slot config_at_;         // of the newest membership entry, or of a state that may end with it
  uint64_t now_ = 0;       // ticks
  Phase phase_ = Phase::kFollower;
  Slot commit_;  // highest slot known chosen without a gap, held or not
  Slot first_slot_;
  Slot handed_out_;  // in Output::committed
  bool awaits_state_;
  std::optional<Slot> needs_snapshot_;
  int64_t stamp_ = 0;

  // The ballot followed, what its leader said is chosen, and its newest round that was answered.
  Ballot followed_;
  Slot followed_commit_;
  uint64_t answered_round_ = 0;

  Journal journal_;
  Log log_;
  Acceptor acceptor_;
  Election election_;
  Reads reads_;
  Learner learner_;
  LeaseHold lease_;
  Outbox outbox_;

  std::optional<Takeover> takeover_;             // prepare, fetch; lead: of a switch
  std::vector<consensus::Promise> own_promise_;  // waits for its persist
  std::vector<NodeId> refused_by_;               // in this prepare, for stickiness
  Ballot released_;                              // as StartPrepare() was told
  uint64_t fetch_progress_at_ = 0;
  std::optional<Leader> leader_;  // fetch, lead

  // Leader: the membership entry above which nothing is proposed before its switch has passed; 0:
  // none.
  Slot switch_at_;

  bool may_lead_ = true;
  NodeId transfer_to_;  // 0: none
  uint64_t transfer_deadline_ = 0;
  Slot transfer_asked_;  // commit for which the target was asked how far it is

  HardState last_seen_;  // CheckSteps
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_CORE_H_
