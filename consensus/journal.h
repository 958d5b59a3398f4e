// Journal: what this turn must make durable, and what already is.
//
// Contract      Gathers votes and changes of the hard state; Take() turns them into at most one
//               PersistRequest a turn. Ids rise by one, requests become durable in their order.
// Safety        The hard state handed out never goes down in any field.
// Thread        Core thread only.   Errors: none; a wrong id from the driver is a bug.
#ifndef SYNOD_CONSENSUS_JOURNAL_H_
#define SYNOD_CONSENSUS_JOURNAL_H_

#include <deque>
#include <optional>
#include <vector>

#include "consensus/types.h"

namespace synod::consensus {

class Journal {
 public:
  explicit Journal(const HardState& recovered)
      : last_(recovered), durable_learned_(recovered.learned) {}

  // This turn must persist. Returns the id that its request will carry.
  PersistId Dirty();
  PersistId Put(AcceptedEntry entry);

  // What an answer must wait for that stands on everything up to now.
  PersistId Barrier() const { return dirty_ ? next_ : next_ - 1; }

  // The request of this turn, if anything asked for one.
  std::optional<PersistRequest> Take(const HardState& state);
  void Persisted(PersistId upto);

  bool IsDurable(PersistId id) const { return id <= durable_; }
  Slot durable_learned() const { return durable_learned_; }
  // The learned prefix of the newest request, durable or on its way.
  Slot requested_learned() const { return last_.learned; }

 private:
  struct InFlight {
    PersistId id;
    Slot learned;
  };

  HardState last_;
  PersistId next_{1};
  PersistId durable_{0};
  Slot durable_learned_;
  bool dirty_ = false;
  std::vector<AcceptedEntry> entries_;
  std::deque<InFlight> in_flight_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_JOURNAL_H_
