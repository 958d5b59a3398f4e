#include "tests/sim/observer.h"

#include <bit>
#include <utility>

#include "src/machine/members.h"

namespace synod::sim {
namespace {

using consensus::AcceptedEntry;
using consensus::EntryKind;

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

}  // namespace

Observer::Observer(const Scheduler* scheduler, const Swarm& swarm)
    : scheduler_(scheduler),
      majority_(swarm.nodes / 2 + 1),
      chosen_(1),
      digests_(1),
      kinds_(1),
      disks_(swarm.nodes + 1),
      machine_(swarm.settings, kNextVersion) {
  digests_[0] = machine_.digest();
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
      AddLearned(node, entry);
      disk.votes[entry.slot] = Ballot{UINT64_MAX, NodeId(0)};  // better than any vote
      continue;
    }
    Ballot& voted = disk.votes[entry.slot];
    voted = std::max(voted, entry.ballot);
    AddVote(node, entry);
  }
  ApplyChosen();
  // What is far below cannot be told of in a message any more but as learned.
  const Slot keep(machine_.applied().value > 20'000 ? machine_.applied().value - 20'000 : 0);
  disk.votes.erase(disk.votes.begin(), disk.votes.lower_bound(keep));
}

void Observer::AddVote(NodeId node, const AcceptedEntry& vote) {
  const Hash128 hash = vote.entry.Hash();
  const auto fits = [&](const Chosen& chosen) {
    return chosen.hash == hash || vote.ballot < chosen.ballot;
  };
  const std::string second = "another value than the chosen one is voted for, in a later ballot, ";
  if (vote.slot <= machine_.applied()) {
    SIM_REQUIRE(fits(chosen_[vote.slot.value]), At(node, vote.slot) + second + Text(vote.ballot));
    return;
  }
  OpenSlot& open = open_[vote.slot];
  Vote& v = open.votes.try_emplace(vote.ballot, Vote{hash, 0}).first->second;
  SIM_REQUIRE(v.hash == hash,
              At(node, vote.slot) + "two values voted for in ballot " + Text(vote.ballot));
  v.voters |= uint32_t{1} << node.value;
  open.values.try_emplace(hash, vote.entry);
  SIM_REQUIRE(!open.chosen || fits(*open.chosen), At(node, vote.slot) + second + Text(vote.ballot));
  if (static_cast<uint32_t>(std::popcount(v.voters)) < majority_)
    return;
  SIM_REQUIRE(!open.chosen || open.chosen->hash == hash,
              At(node, vote.slot) + "a second value is chosen, in ballot " + Text(vote.ballot));
  if (!open.chosen || vote.ballot < open.chosen->ballot)
    open.chosen = Chosen{hash, vote.ballot};
}

void Observer::AddLearned(NodeId node, const AcceptedEntry& learned) {
  const Hash128 hash = learned.entry.Hash();
  const OpenSlot* open = nullptr;
  if (const auto it = open_.find(learned.slot); it != open_.end())
    open = &it->second;
  const bool applied = learned.slot <= machine_.applied();
  SIM_REQUIRE(applied || (open != nullptr && open->chosen),
              At(node, learned.slot) + "learned a value that is not chosen");
  const Chosen& chosen = applied ? chosen_[learned.slot.value] : *open->chosen;
  SIM_REQUIRE(chosen.hash == hash,
              At(node, learned.slot) + "learned another value than the chosen one");
}

void Observer::ApplyChosen() {
  while (!open_.empty()) {
    const auto first = open_.begin();
    if (first->first != machine_.applied() + 1 || !first->second.chosen)
      return;
    const Slot slot = first->first;
    const Chosen chosen = *first->second.chosen;
    const consensus::Entry entry = first->second.values.at(chosen.hash);
    open_.erase(first);
    machine::Applied applied;
    machine_.Apply(ToLogEntry(slot, entry), machine::Observer{}, &applied);
    chosen_.push_back(chosen);
    digests_.push_back(machine_.digest());
    kinds_.push_back(entry.kind);
    if (entry.kind == EntryKind::kCommand || entry.kind == EntryKind::kConfig)
      RecordCommands(slot, entry, applied.effective);
    SIM_REQUIRE(entry.kind != EntryKind::kConfig || applied.effective,
                "a membership that is not the next one is chosen");
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
    SIM_REQUIRE(fresh, Text(*id) + ", operation " +
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
