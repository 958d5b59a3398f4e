#include "src/node/engine_calls.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"

namespace synod::node {
namespace {

bool IsCounted(const PendingChange& change) {
  return !change.internal && change.lane != Lane::kKeepAlives;
}

}  // namespace

Lane LaneOf(const machine::Operation& operation) {
  if (std::holds_alternative<machine::LeaseKeepAlive>(operation))
    return Lane::kKeepAlives;
  return std::holds_alternative<machine::ChangeMembers>(operation) ? Lane::kMembers
                                                                   : Lane::kCommands;
}

PendingChange* PendingChanges::Add(uint64_t seq, PendingChange change) {
  Count(change);
  const auto [it, fresh] = changes_.emplace(seq, std::move(change));
  SYNOD_CHECK(fresh);
  queue_.push_back(seq);
  return &it->second;
}

void PendingChanges::Count(const PendingChange& change) {
  bytes_ += change.internal ? 0 : change.command.size();
  outstanding_ += IsCounted(change) ? 1 : 0;
}

void PendingChanges::Discount(const PendingChange& change) {
  bytes_ -= change.internal ? 0 : change.command.size();
  outstanding_ -= IsCounted(change) ? 1 : 0;
}

PendingChange* PendingChanges::Find(uint64_t seq) {
  const auto it = changes_.find(seq);
  return it == changes_.end() ? nullptr : &it->second;
}

void PendingChanges::Erase(uint64_t seq) {
  const auto it = changes_.find(seq);
  if (it == changes_.end())
    return;
  if (!it->second.waiting)
    Discount(it->second);
  if (it->second.sent && it->second.ballot == numbered_ballot_)
    by_number_.erase(it->second.number);
  changes_.erase(it);  // SendQueued skips it in the queue
}

std::vector<uint64_t> PendingChanges::SendQueued(Ballot ballot, int64_t now_ms) {
  if (ballot != numbered_ballot_) {
    numbered_ballot_ = ballot;
    last_number_ = 0;
    by_number_.clear();
  }
  std::vector<uint64_t> sent;
  std::deque<uint64_t> held;
  for (const uint64_t seq : queue_) {
    PendingChange* c = Find(seq);
    if (c == nullptr || c->sent || c->waiting)
      continue;  // the last two: once more in the queue since
    if (c->ballot == ballot) {
      held.push_back(seq);
      continue;
    }
    c->sent = true;
    c->ballot = ballot;
    c->number = ++last_number_;
    c->sends = 1;
    c->sent_ms = now_ms;
    by_number_[c->number] = seq;
    sent.push_back(seq);
  }
  queue_ = std::move(held);
  return sent;
}

std::vector<uint64_t> PendingChanges::Resend(Ballot ballot, int64_t sent_by, int64_t now_ms) {
  std::vector<uint64_t> again;
  if (ballot != numbered_ballot_)
    return again;
  for (const auto& [number, seq] : by_number_) {
    PendingChange* c = Find(seq);
    SYNOD_CHECK(c != nullptr);
    if (c->sent_ms > sent_by)
      continue;
    ++c->sends;
    c->sent_ms = now_ms;
    again.push_back(seq);
  }
  return again;
}

void PendingChanges::Waits(uint64_t seq, int64_t now_us) {
  PendingChange* c = Find(seq);
  if (c == nullptr)
    return;
  if (c->cancelled) {
    Erase(seq);
    return;
  }
  if (!c->waiting)
    Discount(*c);
  if (!c->keyed)
    c->command = {};
  c->waiting = true;
  c->entered = true;
  c->waits_us = now_us;
  if (c->sent && c->ballot == numbered_ballot_)
    by_number_.erase(c->number);
}

void PendingChanges::AskAgain(uint64_t seq) {
  PendingChange* c = Find(seq);
  SYNOD_CHECK(c->keyed);
  SYNOD_CHECK(c->waiting);
  Count(*c);
  c->waiting = false;
  c->sent = false;
  c->ballot = {};
  queue_.push_back(seq);
}

uint64_t PendingChanges::Base() const {
  return by_number_.empty() ? last_number_ + 1 : by_number_.begin()->first;
}

size_t PendingChanges::RequeueBelow(Ballot ballot) {
  std::vector<uint64_t> dropped;
  std::vector<uint64_t> unwanted;
  for (auto& [seq, c] : changes_) {
    if (!c.sent || c.waiting || c.ballot >= ballot)
      continue;
    if (c.cancelled) {
      unwanted.push_back(seq);
      continue;
    }
    if (c.ballot == numbered_ballot_)
      by_number_.erase(c.number);
    c.sent = false;
    dropped.push_back(seq);
  }
  for (const uint64_t seq : unwanted) Erase(seq);
  // They are older than anything that is queued now.
  queue_.insert(queue_.begin(), dropped.begin(), dropped.end());
  return dropped.size();
}

std::optional<uint64_t> PendingChanges::Rejected(Ballot ballot,
                                                 uint64_t number,
                                                 Reject::Reason reason) {
  const auto it = ballot == numbered_ballot_ ? by_number_.find(number) : by_number_.end();
  if (it == by_number_.end())
    return std::nullopt;
  const uint64_t seq = it->second;
  PendingChange* c = Find(seq);
  // A leader that has lost its ballot says "not leader" also of what it had proposed before: only
  // of a first send is that a proof. "Overloaded" it says only of what it has never seen.
  if (reason == Reject::Reason::kNotLeader && c->sends > 1)
    return std::nullopt;
  if (c->cancelled) {
    Erase(seq);
    return std::nullopt;
  }
  by_number_.erase(it);
  c->sent = false;
  queue_.push_back(seq);
  return seq;
}

}  // namespace synod::node
