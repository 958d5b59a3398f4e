// Outbox: what one turn of a replica produces, gathered by its parts.
//
// Contract      A builder of Output. A message that waits for a persist which is already durable
//               leaves at once.
// Thread        Core thread only.
#ifndef SYNOD_CONSENSUS_OUTBOX_H_
#define SYNOD_CONSENSUS_OUTBOX_H_

#include <utility>

#include "consensus/journal.h"
#include "consensus/replica.h"

namespace synod::consensus {

class Outbox {
 public:
  void To(NodeId to, Message message) {
    out_.send.push_back({to, std::move(message), PersistId{}});
  }
  void ToAfter(NodeId to, Message message, PersistId after, const Journal& journal) {
    const PersistId wait = journal.IsDurable(after) ? PersistId{} : after;
    out_.send.push_back({to, std::move(message), wait});
  }
  void Note(const char* what, uint64_t number = 0) { out_.events.push_back({what, number}); }

  Output& out() { return out_; }
  Output Take() { return std::exchange(out_, Output{}); }

 private:
  Output out_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_OUTBOX_H_
