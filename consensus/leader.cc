#include "consensus/leader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <utility>

#include "consensus/lease.h"
#include "src/base/check.h"

namespace synod::consensus {
namespace {

constexpr size_t kMembersMax = 32;  // one bit each in Record::votes
constexpr size_t kRoundsRemembered = 1024;

}  // namespace

Leader::Leader(const Config& config, const Membership& membership, Ballot ballot, uint64_t now)
    : config_(config), config_version_(membership.version), ballot_(ballot) {
  Adopt(membership, 0);
  StartRound(now);
}

void Leader::Adopt(const Membership& membership, uint64_t now) {
  SYNOD_CHECK(membership.voters.size() + membership.learners.size() <= kMembersMax);
  const std::vector<Peer> before = std::exchange(peers_, {});
  config_version_ = membership.version;
  majority_ = static_cast<int>(membership.Majority());
  self_bit_ = 0;
  voter_bits_ = 0;
  uint32_t bit = 1;
  const auto add = [&](NodeId id, bool voter) {
    voter_bits_ |= voter ? bit : 0;
    if (id != config_.self) {
      const auto old =
          std::find_if(before.begin(), before.end(), [&](const Peer& p) { return p.id == id; });
      Peer& peer = peers_.emplace_back(
          old != before.end() ? *old : Peer{.id = id, .learned = {}, .durable_learned = {}});
      peer.bit = bit;
      if (voter && !peer.voter)
        peer.heard_at = std::max(peer.heard_at, now);
      peer.voter = voter;
    } else if (voter) {
      self_bit_ = bit;
    }
    bit <<= 1;
  };
  for (const NodeId voter : membership.voters) add(voter, true);
  for (const NodeId learner : membership.learners) add(learner, false);
}

void Leader::Dismiss(const Membership& membership,
                     const Log& log,
                     uint64_t now,
                     Outbox* outbox) const {
  for (const Peer& p : peers_) {
    if (!membership.IsMember(p.id))
      outbox->To(p.id, Frame(log, now));
  }
}

const Leader::Peer* Leader::Find(NodeId id) const {
  const auto it =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) { return p.id == id; });
  return it == peers_.end() ? nullptr : &*it;
}

void Leader::Promised(NodeId peer, uint64_t now) {
  for (Peer& p : peers_) {
    if (p.id == peer)
      p.heard_at = now;
  }
}

void Leader::Begin(Slot base) {
  base_ = base;
  next_ = base;
  own_next_ = base;
  unsent_ = base;
}

bool Leader::HasRoom(const Log& log) const {
  return InFlight(log) < config_.window_slots && open_bytes_ < config_.window_bytes;
}

Slot Leader::Propose(const Entry& entry, Log* log, Journal* journal) {
  const Slot slot = next_;
  ++next_;
  open_bytes_ += entry.ByteSize();
  log->Vote(slot, ballot_, entry, journal->Put({slot, ballot_, false, entry}));
  return slot;
}

void Leader::SkipTo(Slot learned) {
  SYNOD_CHECK(next_ <= learned + 1);
  next_ = learned + 1;
  own_next_ = next_;
  unsent_ = next_;
  open_bytes_ = 0;
}

bool Leader::OnAccepted(NodeId from, const Accepted& answer, Log* log) {
  const auto it =
      std::find_if(peers_.begin(), peers_.end(), [&](const Peer& p) { return p.id == from; });
  if (it == peers_.end())
    return false;
  Peer& peer = *it;
  peer.learned = std::max(peer.learned, answer.learned);
  peer.durable_learned = std::max(peer.durable_learned, answer.durable_learned);
  if (answer.read_seq <= read_seq_) {
    peer.read_seq = std::max(peer.read_seq, answer.read_seq);
    const Moment sent = SentAt(answer.read_seq);
    peer.heard_at = std::max(peer.heard_at, sent.tick);
    if (answer.lease_ms != 0)
      peer.leased_until = std::max(peer.leased_until, sent.ms + UsableLease(answer.lease_ms));
  }
  for (const SlotRange& range : answer.ranges) {
    const Slot first = std::max(range.first, log->learned() + 1);
    for (Slot s = first; s <= range.last && s < next_; ++s) {
      Record* record = log->Find(s);
      SYNOD_CHECK(record != nullptr);
      SYNOD_CHECK(record->ballot == ballot_);
      record->votes |= peer.bit;
    }
  }
  return true;
}

void Leader::CountOwnVotes(Log* log, const Journal& journal) {
  while (own_next_ < next_) {
    if (own_next_ > log->learned()) {
      Record* record = log->Find(own_next_);
      SYNOD_CHECK(record != nullptr);
      if (!journal.IsDurable(record->persist))
        return;
      record->votes |= self_bit_;
    }
    ++own_next_;
  }
}

bool Leader::AdvanceCommit(Log* log) {
  bool moved = false;
  while (log->learned() + 1 < next_) {
    const Record* record = log->Find(log->learned() + 1);
    SYNOD_CHECK(record != nullptr);
    SYNOD_CHECK(record->ballot == ballot_);
    if (std::popcount(record->votes & voter_bits_) < majority_)
      break;
    open_bytes_ -= record->entry.ByteSize();
    log->ChooseNext();
    moved = true;
  }
  return moved;
}

uint64_t Leader::StartRound(uint64_t now) {
  round_due_ = true;
  sent_at_.push_back({now, time_ms_});
  if (sent_at_.size() > kRoundsRemembered) {
    sent_at_.pop_front();
    ++sent_first_;
  }
  return ++read_seq_;
}

Leader::Moment Leader::SentAt(uint64_t read_seq) const {
  return read_seq < sent_first_ ? Moment() : sent_at_[read_seq - sent_first_];
}

template <typename Reached>
uint64_t Leader::MajorityReached(uint64_t own, Reached reached) const {
  std::array<uint64_t, kMembersMax> values{};
  size_t count = 0;
  if (self_bit_ != 0)
    values[count++] = own;
  for (const Peer& p : peers_) {
    if (p.voter)
      values[count++] = reached(p);
  }
  std::sort(values.begin(), values.begin() + count, std::greater<>());
  return values[static_cast<size_t>(majority_ - 1)];
}

uint64_t Leader::ConfirmedRound() const {
  return MajorityReached(read_seq_, [](const Peer& p) { return p.read_seq; });
}

uint64_t Leader::QuorumContact(uint64_t now) const {
  return MajorityReached(now, [](const Peer& p) { return p.heard_at; });
}

uint64_t Leader::LeasedUntil() const {
  return MajorityReached(UINT64_MAX, [](const Peer& p) { return p.leased_until; });
}

Slot Leader::MajorityLearned(Slot own_durable) const {
  return Slot(
      MajorityReached(own_durable.value, [](const Peer& p) { return p.durable_learned.value; }));
}

void Leader::Heartbeat(uint64_t now) {
  StartRound(now);
  heartbeat_due_ = true;
}

Accept Leader::Frame(const Log& log, uint64_t now) const {
  Accept accept;
  accept.ballot = ballot_;
  accept.commit = log.learned();
  accept.read_seq = read_seq_;
  accept.quorum_age = static_cast<uint32_t>(now - QuorumContact(now));
  accept.config_version = config_version_;
  accept.lease_ms = config_.lease_ms;
  return accept;
}

void Leader::Broadcast(const Accept& accept, Outbox* outbox) const {
  for (const Peer& p : peers_) outbox->To(p.id, accept);
}

void Leader::SendNew(Log* log, uint64_t now, Outbox* outbox) {
  Accept accept = Frame(*log, now);
  size_t bytes = 0;
  for (; unsent_ < next_; ++unsent_) {
    Record* record = log->Find(unsent_);
    SYNOD_CHECK(record != nullptr);
    const size_t size = record->entry.ByteSize();
    if (!accept.entries.empty() && bytes + size > config_.message_bytes_max) {
      Broadcast(accept, outbox);
      accept.entries.clear();
      bytes = 0;
    }
    bytes += size;
    record->sent_at = now;
    accept.entries.push_back({unsent_, record->entry});
  }
  Broadcast(accept, outbox);
}

Accept Leader::Repeat(Peer* peer, const Log& log, uint64_t now) const {
  Accept accept = Frame(log, now);
  // A peer that answers nothing gets heartbeats alone: values would only fill its queue. One whose
  // disk is busy needs no second copy soon: two heartbeats of patience.
  const uint64_t patience = uint64_t{2} * config_.heartbeat_ticks;
  const bool silent = now - std::min(now, peer->heard_at) >= config_.election_ticks_min;
  if (silent || now < peer->repeat_after)
    return accept;
  size_t bytes = 0;
  for (Slot s = log.learned() + 1; s < unsent_; ++s) {
    const Record* record = log.Find(s);
    SYNOD_CHECK(record != nullptr);
    if ((record->votes & peer->bit) != 0)
      continue;
    if (now - record->sent_at < patience)
      break;
    bytes += record->entry.ByteSize();
    if (!accept.entries.empty() && bytes > config_.message_bytes_max)
      break;
    accept.entries.push_back({s, record->entry});
  }
  if (!accept.entries.empty())
    peer->repeat_after = now + patience;
  return accept;
}

void Leader::Flush(Log* log, uint64_t now, Outbox* outbox) {
  const bool new_entries = unsent_ < next_;
  const bool idle = next_ == log->learned() + 1;
  const bool news = told_commit_ < log->learned() && idle;
  if (new_entries)
    SendNew(log, now, outbox);
  if (heartbeat_due_) {
    for (Peer& p : peers_) {
      Accept accept = Repeat(&p, *log, now);
      if (!new_entries || !accept.entries.empty())
        outbox->To(p.id, std::move(accept));
    }
  } else if (!new_entries && (round_due_ || news)) {
    Broadcast(Frame(*log, now), outbox);
  }
  if (new_entries || heartbeat_due_ || round_due_ || news)
    told_commit_ = log->learned();
  heartbeat_due_ = false;
  round_due_ = false;
}

}  // namespace synod::consensus
