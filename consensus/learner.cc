#include "consensus/learner.h"

#include <algorithm>
#include <utility>

namespace synod::consensus {
namespace {

bool IsContiguous(const LearnResp& response) {
  Slot expected = response.from;
  for (const Chosen& c : response.entries) {
    if (c.slot != expected)
      return false;
    ++expected;
  }
  return true;
}

}  // namespace

void Learner::Ask(NodeId peer, Slot from, uint64_t now, Outbox* outbox) {
  // A large answer over a slow link takes longer than one retry: wait twice as long each time.
  ask_after_ = now + (retry_ticks_ << std::min<size_t>(attempts_, 3));
  ++attempts_;
  outbox->To(peer, LearnReq{.from = from, .bytes_max = bytes_max_});
}

uint64_t Learner::Take(const LearnResp& response, Ballot promised, Log* log, Journal* journal) {
  if (!IsContiguous(response))
    return 0;
  uint64_t taken = 0;
  for (const Chosen& c : response.entries) {
    if (c.slot != log->learned() + 1)
      continue;
    const Record* held = log->Find(c.slot);
    const bool write = held == nullptr || !held->entry.SameValue(c.entry);
    if (write && journal->IsFull())
      break;
    PersistId id;
    if (write)
      id = journal->Put({c.slot, promised, true, c.entry});
    log->Learn(c.entry, promised, id);
    ++taken;
  }
  return taken;
}

void Learner::Serve(NodeId peer,
                    const LearnReq& request,
                    const Log& log,
                    Slot first_slot,
                    Slot commit,
                    Outbox* outbox) {
  const size_t bytes = static_cast<size_t>(std::min<uint64_t>(request.bytes_max, bytes_max_));
  LearnResp response{
      .from = request.from, .commit = commit, .first_available = first_slot, .entries = {}};
  if (request.from >= log.begin()) {
    response.entries = log.Read(request.from, bytes);
  } else if (request.from < first_slot) {
    outbox->Note("peer_needs_snapshot", peer.value);
  } else {
    if (std::find(loading_.begin(), loading_.end(), peer) == loading_.end()) {
      loading_.push_back(peer);
      outbox->out().load.push_back({peer, request.from, bytes});
    }
    return;
  }
  outbox->To(peer, std::move(response));
}

void Learner::Loaded(const LoadRequest& request,
                     std::vector<Chosen> entries,
                     const Log& log,
                     Slot commit,
                     Outbox* outbox) {
  std::erase(loading_, request.peer);
  LearnResp response{.from = request.from,
                     .commit = commit,
                     .first_available = request.from,
                     .entries = std::move(entries)};
  if (response.entries.empty()) {
    response.first_available = log.begin();
    outbox->Note("peer_needs_snapshot", request.peer.value);
  }
  outbox->To(request.peer, std::move(response));
}

}  // namespace synod::consensus
