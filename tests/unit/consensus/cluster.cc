#include "tests/unit/consensus/cluster.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "src/base/check.h"

namespace synod::consensus {

SharedBytes Payload(const std::string& text) { return std::make_shared<const std::string>(text); }

SharedBytes Payload(const Membership& membership) {
  std::string bytes;
  Writer(&bytes).String(membership.Encode());
  return Payload(bytes);
}

Cluster::Cluster(uint32_t size, uint64_t seed, const std::function<void(Config*)>& adjust)
    : adjust_(adjust), seed_(seed) {
  Membership founders;
  for (uint32_t n = 1; n <= size; ++n) founders.voters.push_back(NodeId(n));
  memberships_[Slot(1)] = founders;
  for (uint32_t n = 1; n <= size; ++n) AddNode(founders);
}

uint32_t Cluster::AddNode(const Membership& told) {
  const uint32_t n = size() + 1;
  Config& config = nodes_.emplace_back().config;
  config.self = NodeId(n);
  config.membership = told;
  config.seed = seed_ * 1000 + n;
  if (adjust_)
    adjust_(&config);
  Restart(n);
  return n;
}

void Cluster::Fault(const std::string& what) {
  if (fault_.empty())
    fault_ = what;
}

// -- inputs

void Cluster::Tick(uint32_t node) {
  PassTime(node);
  if (!IsUp(node))
    return;
  replica(node).SetTime(At(node).clock_us / 1000);
  replica(node).Tick();
  Pump(node);
}

void Cluster::PassTime(uint32_t node) { At(node).clock_us += int64_t{10} * At(node).clock_rate; }

void Cluster::TickAll() {
  for (uint32_t n = 1; n <= size(); ++n) Tick(n);
}

void Cluster::Persist(uint32_t node, size_t count) {
  Node& n = At(node);
  bool any = false;
  for (; count > 0 && !n.unsynced.empty(); --count) {
    const PersistRequest request = std::move(n.unsynced.front());
    n.unsynced.pop_front();
    n.disk = request.hard_state;
    for (const AcceptedEntry& e : request.entries) n.votes[e.slot] = e;
    n.durable = request.id;
    ++n.persist_count;
    CountDurableVotes(node, request);
    any = true;
  }
  if (!any || !IsUp(node))
    return;
  Release(node);
  replica(node).Persisted(n.durable);
  Pump(node);
}

void Cluster::Crash(uint32_t node) {
  Node& n = At(node);
  n.replica.reset();
  n.unsynced.clear();
  n.held.clear();
  n.durable = PersistId{};
  n.read_floor.clear();
  n.grants.clear();
  n.failed_reads.clear();
}

void Cluster::Restart(uint32_t node) {
  Node& n = At(node);
  SYNOD_CHECK(!n.replica.has_value());
  n.config.lease_before_ms = n.boots == 0 ? 0 : n.config.lease_ms;
  n.config.boot_id = ++n.boots;
  Recovered recovered{.hard_state = n.disk, .entries = {}, .gen = n.persist_count};
  for (const auto& [slot, vote] : n.votes) recovered.entries.push_back(vote);
  // The state machine starts from a checkpoint a little below what is learned.
  const uint64_t learned = n.disk.learned.value;
  const Slot applied(learned < 3 ? 0 : learned - 3);
  n.applied.resize(std::min<size_t>(n.applied.size(), applied.value));
  SYNOD_CHECK(n.applied.size() == applied.value);
  // As the driver does: the newer of what it was told and what the state machine holds.
  Config config = n.config;
  for (const Chosen& c : n.applied) {
    if (c.entry.kind != EntryKind::kConfig)
      continue;
    const auto membership = Membership::OfEntry(*c.entry.payload);
    if (membership->version != config.membership_held + 1)
      continue;
    config.membership_held = membership->version;
    if (membership->version > config.membership.version)
      config.membership = *membership;
  }
  n.replica.emplace(config, std::move(recovered), applied);
  Pump(node);
}

bool Cluster::Propose(uint32_t node, const std::string& payload) {
  const auto slot = replica(node).Propose(EntryKind::kCommand, Payload(payload));
  const bool accepted = slot.has_value();
  Pump(node);
  return accepted;
}

bool Cluster::ProposeMembership(uint32_t node, const Membership& membership) {
  const bool can = replica(node).CanProposeConfig();
  const auto slot = replica(node).Propose(EntryKind::kConfig, Payload(membership));
  SYNOD_CHECK(slot.has_value() == can);
  Pump(node);
  return can;
}

void Cluster::Read(uint32_t node, uint64_t id) {
  At(node).read_floor[id] = acknowledged_;
  replica(node).ReadIndex(id);
  replica(node).SetTime(At(node).clock_us / 1000);
  Pump(node);
}

void Cluster::PeerGone(uint32_t node, uint32_t peer) {
  replica(node).PeerGone(NodeId(peer));
  Pump(node);
}

Status Cluster::Transfer(uint32_t node, uint32_t to) {
  const Status status = replica(node).TransferLeadership(NodeId(to));
  Pump(node);
  return status;
}

void Cluster::Give(uint32_t from, uint32_t to, const Message& message) {
  if (!IsUp(to))
    return;
  std::string bytes;
  Writer writer(&bytes);
  Encode(message, &writer);
  Reader reader(bytes);
  const Result<Message> decoded = DecodeMessage(&reader);
  SYNOD_CHECK(decoded.has_value());
  SYNOD_CHECK(reader.Complete());
  replica(to).Receive(NodeId(from), *decoded);
  replica(to).SetTime(At(to).clock_us / 1000);
  Pump(to);
}

void Cluster::Pump(uint32_t node) {
  Node& n = At(node);
  Output out = n.replica->TakeOutput();
  n.replica->CheckInvariants();
  SYNOD_CHECK(out.persist.size() <= 1);
  for (PersistRequest& request : out.persist) n.unsynced.push_back(std::move(request));
  for (Send& send : out.send) {
    if (send.after <= n.durable)
      Emit(NodeId(node), send);
    else
      n.held.push_back(std::move(send));
  }
  TakeCommitted(node, out.committed);
  for (const ReadGrant& grant : out.reads) {
    const auto floor = n.read_floor.find(grant.read_id);
    if (floor == n.read_floor.end())
      Fault("a read was granted that was not asked, or twice");
    else if (grant.index < floor->second)
      Fault("stale read at node " + std::to_string(node));
    n.read_floor.erase(grant.read_id);
    n.grants.push_back(grant);
  }
  for (const uint64_t id : out.reads_failed) {
    if (n.read_floor.erase(id) != 1)
      Fault("a read failed that was not asked, or twice");
    n.failed_reads.push_back(id);
  }
  for (const Event& event : out.events) {
    n.events.emplace_back(event.what);
    ++event_counts_[event.what];
  }
  ServeLoads(node, out.load);
}

void Cluster::ServeLoads(uint32_t node, const std::vector<LoadRequest>& loads) {
  for (const LoadRequest& request : loads) {
    std::vector<Chosen> entries;
    size_t bytes = 0;
    for (Slot s = request.from; s <= At(node).disk.learned; ++s) {
      const auto vote = At(node).votes.find(s);
      if (vote == At(node).votes.end() || (bytes > 0 && bytes > request.bytes_max))
        break;
      bytes += vote->second.entry.ByteSize();
      entries.push_back({s, vote->second.entry});
    }
    replica(node).Loaded(request, std::move(entries));
    Pump(node);
  }
}

void Cluster::Release(uint32_t node) {
  Node& n = At(node);
  std::vector<Send> held = std::exchange(n.held, {});
  for (Send& send : held) {
    if (send.after <= n.durable)
      Emit(NodeId(node), send);
    else
      n.held.push_back(std::move(send));
  }
}

void Cluster::Emit(NodeId from, const Send& send) {
  if (!IsCut(from, send.to))
    packets_.push_back({next_packet_++, from, send.to, send.message});
}

// -- checks

void Cluster::CheckChosen(Slot slot, const Entry& entry, const std::string& who) {
  const auto [it, fresh] = chosen_.try_emplace(slot, entry);
  if (!fresh && !it->second.SameValue(entry))
    Fault("two values chosen for slot " + std::to_string(slot.value) + ", second seen by " + who);
  for (auto next = chosen_.find(all_chosen_ + 1); next != chosen_.end();
       next = chosen_.find(all_chosen_ + 1)) {
    ++all_chosen_;
    if (next->second.kind != EntryKind::kConfig)
      continue;
    const auto membership = Membership::OfEntry(*next->second.payload);
    if (membership->version == CurrentMembership().version + 1)
      memberships_[all_chosen_ + 1] = *membership;
  }
}

// A slot's votes can be counted once its membership is known: votes above a slot that is not known
// chosen wait.
void Cluster::CountVotes() {
  while (!uncounted_.empty() && uncounted_.begin()->first <= all_chosen_ + 1) {
    const std::pair<Slot, Ballot> key = *uncounted_.begin();
    uncounted_.erase(uncounted_.begin());
    const Membership& membership = std::prev(memberships_.upper_bound(key.first))->second;
    const Votes& votes = durable_votes_[key];
    size_t count = 0;
    for (const uint32_t voter : votes.voters) count += membership.IsVoter(NodeId(voter)) ? 1 : 0;
    if (count >= membership.Majority())
      CheckChosen(key.first, votes.entry, "the votes on disk");
  }
}

void Cluster::TakeCommitted(uint32_t node, const std::vector<Chosen>& committed) {
  Node& n = At(node);
  for (const Chosen& c : committed) {
    if (c.slot.value != n.applied.size() + 1)
      Fault("node " + std::to_string(node) + " handed out a gap");
    const auto known = chosen_.find(c.slot);
    if (known == chosen_.end())
      Fault("node " + std::to_string(node) + " handed out what no majority has on disk");
    CheckChosen(c.slot, c.entry, "node " + std::to_string(node));
    n.applied.push_back(c);
    // From now on it may have been acknowledged to somebody.
    acknowledged_ = std::max(acknowledged_, c.slot);
  }
}

void Cluster::CountDurableVotes(uint32_t node, const PersistRequest& request) {
  for (const AcceptedEntry& e : request.entries) {
    if (e.chosen) {
      if (!chosen_.contains(e.slot))
        Fault("a value was learned that no majority has on disk");
      continue;
    }
    Votes& votes = durable_votes_[{e.slot, e.ballot}];
    if (votes.voters.empty())
      votes.entry = e.entry;
    votes.voters.insert(node);
    uncounted_.insert({e.slot, e.ballot});
  }
  CountVotes();
}

// -- the network

bool Cluster::IsCut(NodeId from, NodeId to) const {
  return cuts_.contains({from.value, to.value}) || cuts_.contains({to.value, from.value}) ||
         one_way_.contains({from.value, to.value});
}

void Cluster::Isolate(uint32_t node) {
  for (uint32_t n = 1; n <= size(); ++n) {
    if (n != node)
      Cut(node, n);
  }
}

void Cluster::Heal() {
  cuts_.clear();
  one_way_.clear();
}

void Cluster::DeliverAt(size_t index) {
  const Packet packet = packets_.at(index);
  DropAt(index);
  if (!IsCut(packet.from, packet.to))
    Give(packet.from.value, packet.to.value, packet.message);
}

void Cluster::DropAt(size_t index) {
  packets_.erase(packets_.begin() + static_cast<ptrdiff_t>(index));
}

void Cluster::DuplicateAt(size_t index) { packets_.push_back(packets_.at(index)); }

void Cluster::DeliverAll(const std::function<bool(const Packet&)>& drop) {
  while (!packets_.empty()) {
    if (drop && drop(packets_.front()))
      packets_.pop_front();
    else
      DeliverAt(0);
  }
}

// -- moving on

void Cluster::Settle() {
  for (bool busy = true; busy;) {
    busy = !packets_.empty();
    DeliverAll();
    for (uint32_t n = 1; n <= size(); ++n) {
      if (IsUp(n) && Unsynced(n) > 0) {
        Persist(n);
        busy = true;
      }
    }
  }
}

void Cluster::Run(uint32_t ticks) {
  for (uint32_t i = 0; i < ticks; ++i) {
    TickAll();
    Settle();
  }
}

bool Cluster::RunUntil(const std::function<bool()>& done, uint32_t ticks) {
  for (uint32_t i = 0; i < ticks; ++i) {
    if (done())
      return true;
    Run(1);
  }
  return done();
}

uint32_t Cluster::Elect(uint32_t ticks) {
  const bool elected = RunUntil(
      [&] {
        const uint32_t leader = Leader();
        for (uint32_t n = 1; leader != 0 && n <= size(); ++n) {
          if (IsUp(n) && replica(n).leader() != NodeId(leader))
            return false;
        }
        return leader != 0;
      },
      ticks);
  return elected ? Leader() : 0;
}

// -- looking

uint32_t Cluster::Leader() const {
  uint32_t leader = 0;
  Ballot highest;
  for (uint32_t n = 1; n <= size(); ++n) {
    if (!IsUp(n) || !At(n).replica->IsLeader() || At(n).replica->ballot() < highest)
      continue;
    highest = At(n).replica->ballot();
    leader = n;
  }
  return leader;
}

std::vector<std::string> Cluster::Commands(uint32_t node) const {
  std::vector<std::string> commands;
  for (const Chosen& c : At(node).applied) {
    if (c.entry.kind == EntryKind::kCommand)
      commands.push_back(*c.entry.payload);
  }
  return commands;
}

std::vector<ReadGrant> Cluster::TakeGrants(uint32_t node) {
  return std::exchange(At(node).grants, {});
}

std::vector<uint64_t> Cluster::TakeFailedReads(uint32_t node) {
  return std::exchange(At(node).failed_reads, {});
}

std::vector<std::string> Cluster::TakeEvents(uint32_t node) {
  return std::exchange(At(node).events, {});
}

size_t Cluster::CountEvents(const std::string& what) const {
  const auto it = event_counts_.find(what);
  return it == event_counts_.end() ? 0 : it->second;
}

}  // namespace synod::consensus
