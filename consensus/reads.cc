#include "consensus/reads.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace synod::consensus {

void Reads::Ask(uint64_t read_id, uint64_t now) {
  waiting_.push_back({.read_id = read_id, .peer = {}, .request = {}, .since = now});
}

void Reads::AskFor(NodeId peer, const ReadIndexReq& request, uint64_t now) {
  waiting_.push_back({.read_id = 0, .peer = peer, .request = request, .since = now});
}

Reads::Round Reads::TakeWaiting(Slot index, int64_t stamp) {
  Round round{.index = index, .stamp = stamp, .reads = {waiting_.begin(), waiting_.end()}};
  waiting_.clear();
  return round;
}

void Reads::StartRound(uint64_t seq, Slot index, int64_t stamp, uint64_t now) {
  const uint64_t since = waiting_.empty() ? now : waiting_.front().since;
  Round& round = rounds_.emplace_back(TakeWaiting(index, stamp));
  round.seq = seq;
  round.since = since;
}

void Reads::Grant(Slot index, int64_t stamp, Ballot ballot, Outbox* outbox) {
  Serve(TakeWaiting(index, stamp), ballot, outbox);
}

void Reads::Serve(const Round& round, Ballot ballot, Outbox* outbox) {
  for (const Waiting& read : round.reads) {
    if (read.peer.value == 0) {
      outbox->out().reads.push_back({read.read_id, round.index, round.stamp});
    } else {
      outbox->To(read.peer, ReadIndexResp{.boot = read.request.boot,
                                          .id = read.request.id,
                                          .granted = true,
                                          .ballot = ballot,
                                          .index = round.index,
                                          .stamp = round.stamp});
    }
  }
}

void Reads::Confirm(uint64_t seq, Ballot ballot, Outbox* outbox) {
  while (!rounds_.empty() && rounds_.front().seq <= seq) {
    Serve(rounds_.front(), ballot, outbox);
    rounds_.pop_front();
  }
}

std::optional<ReadIndexReq> Reads::AskLeader(uint64_t now) {
  Asked asked;
  std::deque<Waiting> others;
  for (Waiting& read : waiting_) {
    if (read.peer.value == 0)
      asked.read_ids.push_back(read.read_id);
    else
      others.push_back(std::move(read));
  }
  if (asked.read_ids.empty())
    return std::nullopt;
  waiting_ = std::move(others);
  asked.id = next_id_++;
  asked.since = now;
  asked_.push_back(std::move(asked));
  return ReadIndexReq{.boot = boot_, .id = asked_.back().id};
}

void Reads::OnResponse(const ReadIndexResp& response, Outbox* outbox) {
  if (response.boot != boot_)
    return;  // asked by an earlier process of this node
  const auto it = std::find_if(asked_.begin(), asked_.end(),
                               [&](const Asked& a) { return a.id == response.id; });
  if (it == asked_.end())
    return;
  if (response.granted) {
    for (const uint64_t id : it->read_ids)
      outbox->out().reads.push_back({id, response.index, response.stamp});
  } else {
    Fail(*it, outbox);
  }
  asked_.erase(it);
}

void Reads::Fail(const Waiting& read, Outbox* outbox) const {
  if (read.peer.value == 0)
    outbox->out().reads_failed.push_back(read.read_id);
  else
    outbox->To(read.peer, ReadIndexResp{.boot = read.request.boot,
                                        .id = read.request.id,
                                        .granted = false,
                                        .ballot = {},
                                        .index = {}});
}

void Reads::Fail(const Asked& asked, Outbox* outbox) const {
  auto& failed = outbox->out().reads_failed;
  failed.insert(failed.end(), asked.read_ids.begin(), asked.read_ids.end());
}

void Reads::FailAsked(Outbox* outbox) {
  for (const Round& round : rounds_) {
    for (const Waiting& read : round.reads) Fail(read, outbox);
  }
  rounds_.clear();
  for (const Asked& asked : asked_) Fail(asked, outbox);
  asked_.clear();
  // Own reads that were not asked yet may wait for the next leader; a peer's may not: it will ask
  // that leader itself.
  std::deque<Waiting> own;
  for (Waiting& read : waiting_) {
    if (read.peer.value == 0)
      own.push_back(std::move(read));
    else
      Fail(read, outbox);
  }
  waiting_ = std::move(own);
}

void Reads::Expire(uint64_t now, Outbox* outbox) {
  const auto is_old = [&](uint64_t since) { return now - since >= timeout_; };
  while (!waiting_.empty() && is_old(waiting_.front().since)) {
    Fail(waiting_.front(), outbox);
    waiting_.pop_front();
  }
  while (!rounds_.empty() && is_old(rounds_.front().since)) {
    for (const Waiting& read : rounds_.front().reads) Fail(read, outbox);
    rounds_.pop_front();
  }
  while (!asked_.empty() && is_old(asked_.front().since)) {
    Fail(asked_.front(), outbox);
    asked_.pop_front();
  }
}

}  // namespace synod::consensus
