// Learner: fetches chosen values that this replica lacks, and serves them to others.
//
// Contract      As a client: one question outstanding, asked again after `retry_ticks` without
//               progress, then after twice as long each time, up to eight times `retry_ticks`. As a
//               server: answers from the log in memory, else asks the driver to read the disk, one
//               request outstanding per peer.
// Safety        Serves only the learned prefix, without gaps; takes only what continues its own.
// Thread        Core thread only.
#ifndef SYNOD_CONSENSUS_LEARNER_H_
#define SYNOD_CONSENSUS_LEARNER_H_

#include <cstdint>
#include <vector>

#include "consensus/log.h"
#include "consensus/outbox.h"

namespace synod::consensus {

class Learner {
 public:
  Learner(size_t bytes_max, uint64_t retry_ticks)
      : bytes_max_(bytes_max), retry_ticks_(retry_ticks) {}

  // -- client
  bool MayAsk(uint64_t now) const { return now >= ask_after_; }
  void Ask(NodeId peer, Slot from, uint64_t now, Outbox* outbox);
  // How often was asked since something was learned: to try another source.
  size_t attempts() const { return attempts_; }
  void Progressed() {
    ask_after_ = 0;
    attempts_ = 0;
  }
  // Takes what continues the learned prefix. Returns how many slots it moved.
  uint64_t Take(const LearnResp& response, Ballot promised, Log* log, Journal* journal);

  // -- server
  void Serve(NodeId peer,
             const LearnReq& request,
             const Log& log,
             Slot first_slot,
             Slot commit,
             Outbox* outbox);
  void Loaded(const LoadRequest& request,
              std::vector<Chosen> entries,
              const Log& log,
              Slot commit,
              Outbox* outbox);

 private:
  size_t bytes_max_;
  uint64_t retry_ticks_;
  uint64_t ask_after_ = 0;
  size_t attempts_ = 0;
  std::vector<NodeId> loading_;
};

}  // namespace synod::consensus

#endif  // SYNOD_CONSENSUS_LEARNER_H_
