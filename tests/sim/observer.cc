#include "tests/sim/observer.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "src/machine/members.h"

namespace synod::sim {
namespace {

using consensus::AcceptedEntry;
using consensus::EntryKind;

constexpr const char* kOtherValue =
    "another value than the chosen one is voted for, in a later ballot, ";

std::string At(NodeId node, Slot slot) {
  return "node " + std::to_string(node.value) + ", slot " + std::to_string(slot.value) + ": ";
}

std::string Text(const Ballot& b) {
  return std::to_string(b.round) + "." + std::to_string(b.node.value);
}

std::string Text(const RequestId& id) {
  return "request " + std::to_string(id.node.value) + "/" + std::to_string(id.boot) + "/" +
         std::to_string(id.seq);
}

machine::LogEntry ToLogEntry(Slot slot, const consensus::Entry& entry) {
  machine::LogEntry e;
  e.slot = slot;
  e.origin = entry.origin;
  if (entry.kind == EntryKind::kLeaderStart)
    e.kind = machine::LogEntry::Kind::kLeaderStart;
  if (entry.kind == EntryKind::kCommand || entry.kind == EntryKind::kConfig) {
    const bool config = entry.kind == EntryKind::kConfig;
    e.kind = config ? machine::LogEntry::Kind::kConfig : machine::LogEntry::Kind::kCommand;
    e.payload = *entry.payload;
  }
  return e;
}

// Who waits under a key, and whose place a repeat has, asks once more when the repeat's client
// leaves; that it is granted once is for the record of the key (leaving_client.h).
bool MayAskAgain(std::string_view encoded) {
  const Result<machine::Command> command = machine::DecodeCommand(encoded);
  const auto* acquire = std::get_if<machine::Acquire>(&command->operation);
  const auto* both = std::get_if<machine::AcquireAll>(&command->operation);
  const bool waits =
      (acquire != nullptr && acquire->wait_ms > 0) || (both != nullptr && both->wait_ms > 0);
  return waits && !command->idempotency_key.empty();
}

}  // namespace

Observer::Observer(const Scheduler* scheduler, const Swarm& swarm)
    : scheduler_(scheduler),
      chosen_(1),
      digests_(1),
      kinds_(1),
      disks_(kNodesMax),
      machine_(swarm.settings, kNextVersion) {
  digests_[0] = machine_.digest();
  for (uint32_t n = 1; n <= swarm.nodes; ++n) founders_.push_back(NodeId(n));
}

const std::vector<NodeId>& Observer::voters() const {
  const Membership& membership = machine_.membership();
  return membership.version == 0 ? founders_ : membership.voters;
}

bool Observer::IsMember(NodeId node) const {
  const Membership& membership = machine_.membership();
  return membership.version == 0 || membership.IsMember(node);
}

void Observer::OnDurable(NodeId node,
                         const consensus::HardState& hard_state,
                         const std::vector<AcceptedEntry>& entries) {
  Disk& disk = disks_[node.value];
  disk.promised = std::max(disk.promised, hard_state.promised);
  disk.learned = std::max(disk.learned, hard_state.learned);
  for (const AcceptedEntry& entry : entries) {
    SIM_REQUIRE(entry.entry.payload != nullptr, At(node, entry.slot) + "an entry without payload");
    if (entry.chosen) {
      disk.votes[entry.slot] = Ballot{UINT64_MAX, NodeId(0)};  // better than any vote
      continue;
    }
    Ballot& voted = disk.votes[entry.slot];
    voted = std::max(voted, entry.ballot);
    AddVote(node, entry);
  }
  ApplyChosen();
  for (const AcceptedEntry& entry : entries)
    if (entry.chosen)
      CheckLearned(node, entry);
  // What is far below cannot be told of in a message any more but as learned.
  const Slot keep(machine_.applied().value > 20'000 ? machine_.applied().value - 20'000 : 0);
  disk.votes.erase(disk.votes.begin(), disk.votes.lower_bound(keep));
}

void Observer::AddVote(NodeId node, const AcceptedEntry& vote) {
  const Hash128 hash = vote.entry.Hash();
  if (vote.slot <= machine_.applied()) {
    const Chosen& chosen = chosen_[vote.slot.value];
    SIM_REQUIRE(chosen.hash == hash || vote.ballot < chosen.ballot,
                At(node, vote.slot) + kOtherValue + Text(vote.ballot));
    return;
  }
  OpenSlot& open = open_[vote.slot];
  Vote& v = open.votes.try_emplace(vote.ballot, Vote{hash, 0}).first->second;
  SIM_REQUIRE(v.hash == hash,
              At(node, vote.slot) + "two values voted for in ballot " + Text(vote.ballot));
  v.voters |= uint32_t{1} << node.value;
  open.values.try_emplace(hash, vote.entry);
}

std::optional<Observer::Chosen> Observer::FindChosen(Slot slot, const OpenSlot& open) const {
  uint32_t counted = 0;
  for (const NodeId voter : voters()) counted |= uint32_t{1} << voter.value;
  const auto majority = static_cast<int>(voters().size() / 2 + 1);
  std::optional<Chosen> chosen;
  for (const auto& [ballot, vote] : open.votes) {
    SIM_REQUIRE(!chosen || vote.hash == chosen->hash,
                At(ballot.node, slot) + kOtherValue + Text(ballot));
    if (!chosen && std::popcount(vote.voters & counted) >= majority)
      chosen = Chosen{vote.hash, ballot};
  }
  return chosen;
}

void Observer::CheckLearned(NodeId node, const AcceptedEntry& learned) const {
  SIM_REQUIRE(learned.slot <= machine_.applied(),
              At(node, learned.slot) + "learned a value that is not chosen");
  SIM_REQUIRE(chosen_[learned.slot.value].hash == learned.entry.Hash(),
              At(node, learned.slot) + "learned another value than the chosen one");
}

// A number is never used again, whoever had it.
void Observer::CheckNumbers(const Membership& before) const {
  const Membership& now = machine_.membership();
  const auto check = [&](NodeId id) {
    SIM_REQUIRE(id < now.next_member, "a member with a number that was not given out");
    SIM_REQUIRE(before.version == 0 || before.IsMember(id) || id >= before.next_member,
                "the number " + std::to_string(id.value) + " is given out again");
  };
  std::for_each(now.voters.begin(), now.voters.end(), check);
  std::for_each(now.learners.begin(), now.learners.end(), check);
}

void Observer::ApplyChosen() {
  while (!open_.empty()) {
    const auto first = open_.begin();
    if (first->first != machine_.applied() + 1)
      return;
    const Slot slot = first->first;
    const std::optional<Chosen> chosen = FindChosen(slot, first->second);
    if (!chosen)
      return;
    const consensus::Entry entry = first->second.values.at(chosen->hash);
    open_.erase(first);
    machine::Applied applied;
    const Membership before = machine_.membership();
    machine_.Apply(ToLogEntry(slot, entry), machine::Observer{}, &applied);
    chosen_.push_back(*chosen);
    digests_.push_back(machine_.digest());
    kinds_.push_back(entry.kind);
    if (entry.kind == EntryKind::kCommand || entry.kind == EntryKind::kConfig)
      RecordCommands(slot, entry, applied.effective);
    SIM_REQUIRE(entry.kind != EntryKind::kConfig || applied.effective,
                "a membership that is not the next one is chosen");
    if (entry.kind == EntryKind::kConfig)
      CheckNumbers(before);
    for (const store::RevisionRef& r : applied.revisions) revisions_.push_back(r);
    if (hook_)
      hook_(slot, applied);
  }
}

void Observer::RecordCommands(Slot slot, const consensus::Entry& entry, bool effective) {
  if (!effective) {
    ++ignored_entries_;
    return;
  }
  std::vector<std::string_view> commands;
  if (entry.kind == EntryKind::kConfig) {
    const auto config = machine::DecodeConfigEntry(*entry.payload);
    SIM_REQUIRE(config.has_value(), "a chosen membership that cannot be decoded");
    if (!config->command.empty())
      commands.push_back(config->command);
  } else {
    const Result<machine::Batch> batch = machine::DecodeBatch(*entry.payload, kNextVersion);
    SIM_REQUIRE(batch.has_value(), "a chosen batch that cannot be decoded");
    commands = batch->commands;
  }
  for (const std::string_view command : commands) {
    const Result<RequestId> id = machine::DecodeRequestId(command);
    SIM_REQUIRE(id.has_value(), "a chosen command without a request id");
    const auto [first, fresh] = effective_.emplace(*id, slot);
    SIM_REQUIRE(fresh || spoiled_.contains(id->node) || MayAskAgain(command),
                Text(*id) + ", operation " +
                    std::to_string(machine::DecodeCommand(command)->operation.index()) +
                    ", takes effect at slot " + std::to_string(first->second.value) +
                    " and again at " + std::to_string(slot.value));
    SIM_REQUIRE(!not_applied_.contains(*id),
                Text(*id) + " takes effect although its client was promised that it would not");
    ++commands_;
  }
}

void Observer::OnAnswered(const RequestId& id) {
  SIM_REQUIRE(effective_.contains(id), Text(id) + " was answered and is not in the log");
  answered_.insert(id);
}

void Observer::OnNotApplied(const RequestId& id) {
  SIM_REQUIRE(!effective_.contains(id),
              Text(id) + " is in the log and its client was promised that it is not");
  not_applied_.insert(id);
}

void Observer::CheckRequests() const {
  for (const RequestId& id : answered_)
    SIM_REQUIRE(effective_.contains(id), Text(id) + " was answered and is not in the log");
}

void Observer::OnApplied(NodeId node, const machine::Machine& machine) {
  const Slot slot = machine.applied();
  SIM_REQUIRE(slot <= machine_.applied(), At(node, slot) + "applied a slot that is not chosen");
  SIM_REQUIRE(machine.digest() == digests_[slot.value],
              At(node, slot) + "the state's digest " + machine.digest().sum.Hex() +
                  " is not that of the log, " + digests_[slot.value].sum.Hex());
}

void Observer::OnSend(NodeId from, const consensus::Message& message) {
  const Disk& disk = disks_[from.value];
  const std::string who = "node " + std::to_string(from.value) + " sends ";
  if (const auto* prepare = std::get_if<consensus::Prepare>(&message)) {
    SIM_REQUIRE(disk.promised >= prepare->ballot,
                who + "Prepare " + Text(prepare->ballot) + " before its own promise is durable");
  } else if (const auto* promise = std::get_if<consensus::Promise>(&message)) {
    SIM_REQUIRE(disk.promised >= promise->ballot,
                who + "Promise " + Text(promise->ballot) + " before it is durable");
    for (const AcceptedEntry& e : promise->entries) {
      if (e.chosen || e.slot <= machine_.applied())
        continue;
      const auto vote = disk.votes.find(e.slot);
      SIM_REQUIRE(vote != disk.votes.end() && vote->second >= e.ballot,
                  who + "Promise with a vote that is not durable");
    }
  } else if (const auto* accepted = std::get_if<consensus::Accepted>(&message)) {
    SIM_REQUIRE(disk.promised >= accepted->ballot || accepted->ranges.empty(),
                who + "Accepted " + Text(accepted->ballot) + " before the promise is durable");
    SIM_REQUIRE(accepted->durable_learned <= disk.learned,
                who + "Accepted with a durable_learned that is not durable");
    for (const consensus::SlotRange& range : accepted->ranges)
      for (Slot s = std::max(range.first, machine_.applied() + 1); s <= range.last; ++s) {
        const auto vote = disk.votes.find(s);
        SIM_REQUIRE(
            vote != disk.votes.end() && vote->second >= accepted->ballot,
            who + "Accepted for slot " + std::to_string(s.value) + " before its vote is durable");
      }
  }
}

}  // namespace synod::sim
