// Observer: sees every disk of the cluster and knows what is chosen before any node does.
//
// Contract      Told of every vote when it becomes durable, it decides by itself which value of a
//               slot is chosen (a majority voted for it in one ballot), applies the log to a state
//               machine of its own and remembers the digest of every slot. Votes of a slot count by
//               the membership that the slots below it make. Throws Violation:
//               (1) two values chosen for a slot, or voted for in one ballot of it, or another
//               value voted for in a ballot above the one that chose; (2) a node that learned
//               another value than the chosen one, or one that is not chosen; (3) a node whose
//               state at a slot differs from the log's; (4) a message that left before what it
//               stands on was durable; (5) a command that takes effect twice (a keyed wait may ask
//               again), or after its client was promised that it never would; (6) a member number
//               that is given out again.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_OBSERVER_H_
#define SYNOD_TESTS_SIM_OBSERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/message.h"
#include "consensus/types.h"
#include "src/machine/machine.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/swarm.h"
#include "tests/sim/trace.h"

namespace synod::sim {

class Observer {
 public:
  Observer(const Scheduler* scheduler, const Swarm& swarm);

  // Called after each slot that was applied to the observer's machine.
  using AppliedHook = std::function<void(Slot, const machine::Applied&)>;
  void SetAppliedHook(AppliedHook hook) { hook_ = std::move(hook); }

  // What `node` has on its disk from now on. `hard_state` is null for single entries of a recovery.
  void OnDurable(NodeId node,
                 const consensus::HardState& hard_state,
                 const std::vector<consensus::AcceptedEntry>& entries);
  void OnSend(NodeId from, const consensus::Message& message);
  void OnApplied(NodeId node, const machine::Machine& machine);
  // The state of `node` is not what its log says: it may take for lost what it has proposed, and
  // propose it again.
  void OnSpoiled(NodeId node) { spoiled_.insert(node); }
  // The client of this request got an answer, or the promise that it was not and will not be
  // applied.
  void OnAnswered(const RequestId& id);
  void OnNotApplied(const RequestId& id);
  // At the end: every promise and every answer against the log.
  void CheckRequests() const;

  Slot chosen() const { return machine_.applied(); }
  // Whose votes choose the next slot.
  const std::vector<NodeId>& voters() const;
  bool IsMember(NodeId node) const;
  const machine::Machine& machine() const { return machine_; }
  const std::vector<store::RevisionRef>& revisions() const { return revisions_; }
  Digest DigestAt(Slot slot) const { return digests_[slot.value]; }
  consensus::EntryKind KindAt(Slot slot) const { return kinds_[slot.value]; }
  uint64_t commands() const { return commands_; }
  uint64_t ignored_entries() const { return ignored_entries_; }

 private:
  struct Chosen {
    Hash128 hash;
    Ballot ballot;  // the first that is known to have chosen it
  };
  struct Vote {
    Hash128 hash;
    uint32_t voters = 0;  // bit set
  };
  struct OpenSlot {
    std::map<Ballot, Vote> votes;
    std::map<Hash128, consensus::Entry> values;
  };
  struct Disk {
    Ballot promised;
    Slot learned;
    std::map<Slot, Ballot> votes;  // above what the observer's machine has applied and a margin
  };

  void AddVote(NodeId node, const consensus::AcceptedEntry& vote);
  void CheckLearned(NodeId node, const consensus::AcceptedEntry& learned) const;
  // What the votes of the slot that is next have chosen by now.
  std::optional<Chosen> FindChosen(Slot slot, const OpenSlot& open) const;
  void CheckNumbers(const Membership& before) const;
  void ApplyChosen();
  void RecordCommands(Slot slot, const consensus::Entry& entry, bool effective);

  const Scheduler* scheduler_;
  std::vector<NodeId> founders_;
  AppliedHook hook_;
  std::map<Slot, OpenSlot> open_;            // above the machine's applied slot
  std::vector<Chosen> chosen_;               // by slot
  std::vector<Digest> digests_;              // by slot
  std::vector<consensus::EntryKind> kinds_;  // by slot
  std::vector<Disk> disks_;                  // by node
  machine::Machine machine_;
  std::vector<store::RevisionRef> revisions_;
  std::map<RequestId, Slot> effective_;  // where
  std::set<NodeId> spoiled_;
  std::set<RequestId> answered_;
  std::set<RequestId> not_applied_;
  uint64_t commands_ = 0;
  uint64_t ignored_entries_ = 0;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_OBSERVER_H_
