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
  Journal(const HardState& recovered, size_t unsynced_bytes_max)
      : unsynced_bytes_max_(unsynced_bytes_max),
        last_(recovered),
        durable_learned_(recovered.learned) {}

  // This turn must persist. Returns the id that its request will carry.
  PersistId Dirty();
  PersistId Put(AcceptedEntry entry);

  // What an answer must wait for that stands on everything up to now.
  PersistId Barrier() const { return dirty_ ? next_ : next_ - 1; }

  // The request of this turn, if anything asked for one.
  std::optional<PersistRequest> Take(const HardState& state);
  void Persisted(PersistId upto);

  // So much is not durable yet that no value should be added: the disk stands, or is too slow.
  bool IsFull() const { return unsynced_bytes_ >= unsynced_bytes_max_; }
  bool IsDurable(PersistId id) const { return id <= durable_; }
  Slot durable_learned() const { return durable_learned_; }
  // The learned prefix of the newest request, durable or on its way.
  Slot requested_learned() const { return last_.learned; }

 private:
  struct InFlight {
    PersistId id;
    Slot learned;
    size_t bytes = 0;
  };

  const size_t unsynced_bytes_max_;
  HardState last_;
  PersistId next_{1};
  PersistId durable_{0};
  Slot durable_learned_;
  bool dirty_ = false;
  std::vector<AcceptedEntry> entries_;
  size_t entry_bytes_ = 0;
  size_t unsynced_bytes_ = 0;  // with those of entries_
  std::deque<InFlight> in_flight_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_JOURNAL_H_
