// Whether this node may promise and vote: what it tells others of their logs, and they of its own.
#include <utility>

#include "src/node/engine_core.h"

namespace synod::node {
namespace {

constexpr int64_t kGensEveryMs = 50;  // the whole table, to each peer

}  // namespace

Status Engine::Core::TakesPart() const {
  if (witness.trusted())
    return Done();
  if (witness.lost().empty())
    return Error{Errc::kNotReady, Outcome::kNotApplied,
                 "waiting for a majority of the members to say what they saw of this node's log; " +
                     std::to_string(witness.answers()) + " have"};
  return Error{Errc::kNotReady, Outcome::kNotApplied,
               "quarantined: " + witness.lost() +
                   ". This node may have forgotten a promise or a vote and never votes again: "
                   "remove this member and add a new one with an empty data directory"};
}

// After anything that may have changed the verdict.
void Engine::Core::CheckWitness() {
  witness.Judge(replica.membership().version, replica.membership().voters);
  if (!witness.lost().empty() && !std::exchange(lost_reported_, true)) {
    out.lost = witness.lost();
    reads.FailAll(TakesPart().error(), &out.reads);
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
  if (witness.trusted())
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
  if (!witness.trusted())
    return;
  AddGens(to, &message);
  Bytes item;
  AppendItem(message, &item);
  Post(to, std::move(item));
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
