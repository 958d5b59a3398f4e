// Whether this node may promise and vote: what it tells others of their logs, and they of its own.
#include <utility>

#include "src/node/engine_core.h"

namespace synod::node {
namespace {

constexpr int64_t kGensEveryMs = 50;  // the whole table, to each peer
constexpr int64_t kStandingEveryMs = 500;

}  // namespace

Status Engine::Core::TakesPart() const {
  if (Participates())
    return Done();
  if (witness.trusted())
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "the disk is nearly full: this node stands aside while the others suffice, until "
                 "there is room again"};
  if (witness.lost().empty())
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "waiting for a majority of the members to say what they saw of this node's log; " +
                     std::to_string(witness.answers()) + " have"};
  return Error{Errc::kNotReady, Outcome::kNotApplied,
               "quarantined: " + witness.lost() +
                   ". This node may have forgotten a promise or a vote and never votes again: "
                   "remove this member and add a new one with an empty data directory"};
}

// A lock may be waited for all day, and its answer does not come here any more.
void Engine::Core::SendAway(const Error& why) {
  out.end_streams = why;
  reads.FailAll(why, &out.reads);
  FailChanges(why);
}

// After anything that may have changed the verdict.
void Engine::Core::CheckWitness() {
  witness.Judge(replica.membership().version, replica.membership().voters);
  if (!witness.lost().empty() && !std::exchange(lost_reported_, true)) {
    out.lost = witness.lost();
    SendAway(TakesPart().error());
  }
}

void Engine::Core::Receive(NodeId from, consensus::Message& message) {
  if (const auto* accepted = std::get_if<consensus::Accepted>(&message)) {
    witness.Saw(from, accepted->gen);
  } else if (const auto* promise = std::get_if<consensus::Promise>(&message)) {
    witness.Saw(from, promise->gen);
  } else if (const auto* accept = std::get_if<consensus::Accept>(&message)) {
    for (const consensus::MemberGen& told : accept->gens) {
      if (told.member == config.self.id)
        witness.SawMe(from, told.gen);
      else
        witness.Saw(told.member, told.gen);
    }
    CheckWitness();
  }
  // Until it is trusted this node must be as good as absent: even the answer to a heartbeat says
  // that no higher ballot was promised.
  if (Participates())
    replica.Receive(from, message);
}

void Engine::Core::State(NodeId to, bool ask) {
  Bytes item;
  const Membership& membership = replica.membership();
  AppendItem(Witness::Statement{ask, witness.GenOf(to), membership.version, membership.voters},
             &item);
  Post(to, std::move(item));
}

void Engine::Core::OnStatement(NodeId from, const Witness::Statement& statement) {
  witness.Told(from, statement);
  CheckWitness();
  if (statement.asks)
    State(from, false);
}

// `gen` is filled in when the message leaves: it must cover the record that the message waited for.
void Engine::Core::AddGens(NodeId to, consensus::Message* message) {
  if (auto* accepted = std::get_if<consensus::Accepted>(message)) {
    accepted->gen = witness.gen();
  } else if (auto* promise = std::get_if<consensus::Promise>(message)) {
    promise->gen = witness.gen();
  } else if (auto* accept = std::get_if<consensus::Accept>(message)) {
    // All of the table now and then, the own count always: nobody else hears of the leader's votes.
    int64_t& told_ms = peers[to].gens_told_ms;
    if (accept->entries.empty() || now_ms - told_ms >= kGensEveryMs) {
      told_ms = now_ms;
      accept->gens = witness.Table();
    } else {
      accept->gens = {{config.self.id, witness.gen()}};
    }
  }
}

void Engine::Core::Dispatch(NodeId to, consensus::Message message) {
  if (!Participates())
    return;
  AddGens(to, &message);
  Bytes item;
  AppendItem(message, &item);
  Post(to, std::move(item));
}

// How many voters take part and have at most this level, as they last said. One that is away counts
// as none.
size_t Engine::Core::VotersWith(DiskLevel at_most, bool with_self) const {
  size_t count = 0;
  for (const NodeId voter : replica.membership().voters) {
    if (voter == config.self.id) {
      count += with_self && witness.trusted() && disk_level <= at_most ? 1 : 0;
      continue;
    }
    const auto peer = peers.find(voter);
    if (peer == peers.end() || !peer->second.connected)
      continue;
    const Standing& said = peer->second.standing;
    const bool fits = said.disk_level <= static_cast<uint8_t>(at_most);
    // Who stands aside for its disk says so by its level.
    count += fits && (said.takes_part || said.disk_level > 0) ? 1 : 0;
  }
  return count;
}

bool Engine::Core::MayGrow() const {
  bool low = disk_level > DiskLevel::kOk && replica.membership().IsVoter(config.self.id);
  for (const NodeId voter : replica.membership().voters) {
    const auto peer = peers.find(voter);
    low |= peer != peers.end() && peer->second.standing.disk_level > 0;
  }
  return !low || VotersWith(DiskLevel::kOk, true) >= replica.membership().Majority();
}

void Engine::Core::SetDisk(DiskLevel level) {
  if (std::exchange(disk_level, level) == level)
    return;
  touched = true;
  standing_told_ms_ = 0;
  out.events.push_back({"disk_level", static_cast<uint64_t>(level)});
  JudgeStanding();
}

// A node with a full disk is of use as long as the others are no majority without it: better a vote
// that may still find room than none.
void Engine::Core::JudgeStanding() {
  const bool others_suffice = VotersWith(DiskLevel::kLow, false) >= replica.membership().Majority();
  const bool should = disk_level == DiskLevel::kFull && others_suffice;
  if (should && !aside)
    (void)TryHandOver();
  const bool now = should && (aside || replica.role() == consensus::Role::kFollower);
  if (std::exchange(aside, now) == now)
    return;
  standing_told_ms_ = 0;
  // It learns nothing meanwhile.
  if (now)
    SendAway(TakesPart().error());
  out.events.push_back({now ? "stands_aside" : "takes_part_again", 0});
}

void Engine::Core::TellStanding() {
  JudgeStanding();
  if (standing_told_ms_ != 0 && now_ms - standing_told_ms_ < kStandingEveryMs)
    return;
  standing_told_ms_ = now_ms;
  for (const auto& [id, peer] : peers) {
    if (!peer.connected)
      continue;
    Bytes item;
    AppendItem(Standing{static_cast<uint8_t>(disk_level), Participates()}, &item);
    Post(id, std::move(item));
  }
}

// An answer may be lost with its connection, or with a peer's full queue.
void Engine::Core::AskWitnesses() {
  CheckWitness();
  if (witness.trusted() || !witness.lost().empty())
    return;
  for (const auto& [id, peer] : peers)
    if (peer.connected)
      State(id, true);
}

}  // namespace synod::node
