// What nodes propose by themselves: renewals for requests that wait here, the members' identities
// and addresses, and the news that a client or a process is gone.
#include <algorithm>

#include "src/node/engine_core.h"

namespace synod::node {
namespace {

constexpr int64_t kRenewEveryMs = 150;  // of waiting requests' leases: the shortest TTL is 500 ms
constexpr int64_t kReportEveryMs = 500;
constexpr int64_t kSendAgainMs = 1000;
constexpr int64_t kMissingMs = 500;         // a process is reported gone after so long
constexpr int64_t kAnnounceMs = 250;        // between announcements of members
constexpr int64_t kLogStandsMs = 2'000;     // a leader hands over when its log stands for so long
constexpr int64_t kProposeAgainMs = 2'000;  // if a proposal had no effect

}  // namespace

void Engine::Core::Upkeep() {
  if (shutting_down)
    return;
  AskWitnesses();
  TellStanding();
  ReportProgress();
  SendAgain();
  TendWaits();
  AskComparison();
  TendStandingLog();
  if (replica.IsLeader() && clock.leading()) {
    AnnounceMembers();
    ReportGoneProcesses();
    CompareDigests();
    ChooseVersion();
  } else {
    followed_ms_ = now_ms;
    missing_since_ms_.clear();
    version_to_raise_ = 0;
  }
}

// The others choose without this node's vote what it proposes; but it proposes little, and only
// they can say how their disks are.
void Engine::Core::TendStandingLog() {
  if (!replica.IsLeader() || syncing_.StandsFor(now_ms) < kLogStandsMs)
    return;
  if (TryHandOver())
    out.events.push_back({"log_stands", static_cast<uint64_t>(syncing_.StandsFor(now_ms))});
}

template <typename Id>
bool Engine::Core::IsDue(Id id,
                         int64_t every_ms,
                         const std::map<Id, int64_t>& before,
                         std::map<Id, int64_t>* now) const {
  const auto last = before.find(id);
  const bool due = last == before.end() || now_ms - last->second >= every_ms;
  now->emplace(id, due ? now_ms : last->second);
  return due;
}

void Engine::Core::ReportProgress() {
  const Slot durable = replica.durable_learned();
  const bool news = durable_told_ < config_at_ && MembershipDurable();
  if (!news && now_ms - reported_ms_ < kReportEveryMs)
    return;
  reported_ms_ = now_ms;
  // Nothing else makes it durable in a cluster that is idle, or that waits for just that.
  replica.PersistLearned();
  durable_told_ = durable;
  for (const auto& [id, peer] : peers) {
    if (!peer.connected)
      continue;
    Bytes item;
    Report report{machine.applied(), {}, durable};
    if (!unproven)
      report.digests = digests.Unchecked(machine.digest_check().slot);
    AppendItem(report, &item);
    Post(id, std::move(item));
  }
}

// A frame may have been dropped because the queue to the peer was full; connections that break are
// seen at once (OnPeerUp).
void Engine::Core::SendAgain() {
  if (replica.IsLeader() || !LeaderKnown() || replica.ballot().node != *replica.leader())
    return;
  const Ballot ballot = replica.ballot();
  ForwardTo(*replica.leader(), ballot, changes.Resend(ballot, now_ms - kSendAgainMs, now_ms));
}

// Whoever still waits here need not renew the lease of its request. Who has gone is told by what
// the machine shows, and again until it shows no such wait: what is told once can be lost, or come
// before the wait that it is of. As is that this process has not gone, whatever the others said of
// it while they could not reach it: then those who have gone are told of anew.
void Engine::Core::TendWaits() {
  const machine::Observer self{config.self.id, config.boot};
  const std::vector<machine::Machine::Wait> waits = machine.WaitsOf(self);
  std::map<LeaseId, int64_t> renewed;
  std::map<uint64_t, int64_t> disowned;
  machine::LeaseKeepAlive renewal;
  renewal.bulk = true;
  bool adopt = false;
  for (const machine::Machine::Wait& wait : waits) {
    const PendingChange* c = changes.Find(wait.seq);
    if (c == nullptr || c->cancelled) {
      if (!wait.disowned && IsDue(wait.seq, kProposeAgainMs, disowned_ms_, &disowned))
        Submit(machine::Disown{{self.node, self.boot, wait.seq}});
      continue;
    }
    adopt |= wait.disowned;
    if (wait.lease != LeaseId() && IsDue(wait.lease, kRenewEveryMs, renewed_ms_, &renewed))
      renewal.ids.push_back(wait.lease);
  }
  renewed_ms_ = std::move(renewed);
  disowned_ms_ = std::move(disowned);
  if (!renewal.ids.empty())
    Submit(std::move(renewal));
  if (adopt && now_ms - adopted_ms_ >= kProposeAgainMs) {
    adopted_ms_ = now_ms;
    Submit(machine::Adopt{self.node, self.boot});
  }
  FailLostWaits(waits);
}

// They were withdrawn because this process could not be reached for so long, or a repeat has their
// places.
void Engine::Core::FailLostWaits(const std::vector<machine::Machine::Wait>& shown) {
  if (!held_answers_.empty())
    return;  // theirs may be among these
  std::vector<uint64_t> lost;
  auto wait = shown.begin();
  for (const auto& [seq, c] : changes.all()) {
    while (wait != shown.end() && wait->seq < seq) ++wait;
    if (c.waiting && (wait == shown.end() || wait->seq != seq))
      lost.push_back(seq);
  }
  for (const uint64_t seq : lost) OnLostWait(seq);
}

// Whoever waits with a repeat is told what that is told, and takes the place back when the repeat's
// client goes first. Not before: two that wait would take it from each other for ever.
void Engine::Core::OnLostWait(uint64_t seq) {
  using State = machine::Machine::Joined::State;
  const PendingChange& c = *changes.Find(seq);
  machine::Machine::Joined joined;
  if (c.keyed)
    joined = machine.JoinedOf(machine::DecodeCommand(c.command).value());
  switch (joined.state) {
    case State::kWaits:
      return;
    case State::kDisowned:
      changes.AskAgain(seq);
      return;
    case State::kAnswered:
      Complete({seq, std::move(joined.answer)});
      return;
    case State::kGone:
      FailChange(seq,
                 {Errc::kNoLeader, Outcome::kUnknown,
                  "this node was cut off from the others, and the place in the queue is gone"});
  }
}

void Engine::Core::AnnounceMembers() {
  if (now_ms - members_proposed_ms_ < kAnnounceMs)
    return;
  const std::vector<machine::MemberView> known = machine.members();
  // Binds an identity to its number, once: another uuid under a bound number is refused at its
  // Hello. Names and addresses of a member that was entered are changed by UpdateMember alone.
  // Which rules it knows may change with every start.
  const auto announce = [&](const machine::MemberView& m) {
    const auto it = std::find_if(known.begin(), known.end(),
                                 [&](const machine::MemberView& k) { return k.id == m.id; });
    if (machine.WasRemoved(m.uuid) ||
        (it != known.end() && !it->uuid.empty() &&
         (it->uuid != m.uuid || it->machine_version == m.machine_version)))
      return;
    members_proposed_ms_ = now_ms;
    Submit(
        machine::SetMember{m.id, m.uuid, m.name, m.peer_address, m.client_url, m.machine_version});
  };
  announce(config.self);
  for (const auto& [id, peer] : peers)
    if (peer.connected && replica.membership().IsMember(id))
      announce(peer.view);
}

// The newest version that every member has said it supports: a node that does not would have to
// stop.
void Engine::Core::ChooseVersion() {
  uint32_t common = machine.supports();
  const Membership& membership = replica.membership();
  size_t known = 0;
  for (const machine::MemberView& member : machine.members()) {
    if (!membership.IsMember(member.id))
      continue;
    ++known;
    common = std::min(common, member.machine_version);
  }
  const bool all = known == membership.voters.size() + membership.learners.size();
  version_to_raise_ = all ? common : 0;
}

void Engine::Core::ReportGoneProcesses() {
  std::map<std::pair<NodeId, uint64_t>, int64_t> missing;
  for (const machine::Observer& process : machine.WaitingProcesses()) {
    const auto peer = peers.find(process.node);
    const bool alive =
        process.node == config.self.id
            ? process.boot == config.boot
            : peer != peers.end() && peer->second.connected && peer->second.boot == process.boot;
    if (alive)
      continue;
    const std::pair key{process.node, process.boot};
    const auto since = missing_since_ms_.find(key);
    missing[key] = since == missing_since_ms_.end() ? now_ms : since->second;
    if (now_ms - missing[key] >= kMissingMs) {
      missing[key] = now_ms + kProposeAgainMs;
      Submit(machine::NodeGone{process.node, process.boot});
    }
  }
  missing_since_ms_ = std::move(missing);
}

}  // namespace synod::node
