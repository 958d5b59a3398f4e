#include "tests/sim/nemesis.h"

#include <algorithm>
#include <utility>

namespace synod::sim {

Nemesis::Nemesis(World* world, ClientPort* port, Random random)
    : world_(world),
      port_(port),
      random_(random),
      closed_(kNodesMax, std::vector<int>(kNodesMax)) {}

void Nemesis::Start() {
  for (int i = 0; i < kFaultCount; ++i)
    if (const auto fault = static_cast<Fault>(i);
        fault != Fault::kChurn && world_->swarm.IsOn(fault))  // that is the operator's
      Schedule(fault);
  if (world_->swarm.upgrade)
    for (const auto& [id, host] : world_->hosts) UpgradeLater(*host);
}

void Nemesis::Schedule(Fault fault) {
  const auto mean = static_cast<uint64_t>(world_->swarm.fault_every[static_cast<size_t>(fault)]);
  world_->scheduler.After(static_cast<Time>(random_.Between(mean / 4, mean * 7 / 4)),
                          [this, fault] {
                            if (healed_)
                              return;
                            Inflict(fault);
                            Schedule(fault);
                          });
}

void Nemesis::MendLater(Time longest, std::function<void()> mend) {
  const auto delay =
      static_cast<Time>(random_.Between(20 * kMillisecond, static_cast<uint64_t>(longest)));
  world_->scheduler.After(delay, [this, mend = std::move(mend)] {
    if (!healed_)
      mend();
  });
}

void Nemesis::Inflict(Fault fault) {
  ++counts_[static_cast<size_t>(fault)];
  world_->trace.Note(Name(fault), 0);
  switch (fault) {
    case Fault::kKill:
      return StopNode(AnyHost(), NodeHost::Crash::kKill);
    case Fault::kPowerCut:
      return StopNode(AnyHost(), NodeHost::Crash::kPowerCut);
    case Fault::kPowerCutAll:
      for (const auto& [id, host] : world_->hosts) StopNode(*host, NodeHost::Crash::kPowerCut);
      return;
    case Fault::kPause:
    case Fault::kFreeze:
      return PauseNode(AnyHost(), fault == Fault::kFreeze);
    case Fault::kIsolate:
    case Fault::kSplit:
    case Fault::kBridge:
    case Fault::kRing:
    case Fault::kOneWay:
      return PartitionBy(fault);
    case Fault::kSlowLink:
      return SlowLink();
    case Fault::kReset:
    case Fault::kResetAll:
      return ResetConnections(fault == Fault::kResetAll);
    case Fault::kSlowDisk: {
      NodeHost& host = AnyHost();
      host.SlowDisk(static_cast<int64_t>(random_.Between(10, 100)));
      return MendLater(2 * kSecond, [&host] { host.SlowDisk(1); });
    }
    case Fault::kSyncError: {
      NodeHost& host = AnyHost();
      host.FailNextSync();
      return RestartLater(host);
    }
    case Fault::kTransfer:
      return Transfer();
    case Fault::kClientCut:
      return CutClients();
    case Fault::kShutdown: {
      NodeHost& host = AnyHost();
      host.ShutDown();
      return RestartLater(host);
    }
    case Fault::kTornAppend: {
      NodeHost& host = AnyHost();
      host.TearNextAppend();
      return RestartLater(host);
    }
    case Fault::kOldDisk:
      return PutOldDisk();
    case Fault::kDamage:
      return DamageDisk();
    case Fault::kRot:
      return Rot();
    case Fault::kChurn:
      return;
  }
}

void Nemesis::StopNode(NodeHost& host, NodeHost::Crash how) {
  host.Stop(how);
  RestartLater(host);
}

void Nemesis::RestartLater(NodeHost& host) {
  MendLater(random_.Chance(70) ? 500 * kMillisecond : 4 * kSecond, [&host] {
    if (!host.running() && !host.retired())
      host.Start();
  });
}

bool Nemesis::MaySpoil(const NodeHost& host) const {
  // A change that is under way may be of those that the majority needs then.
  if (host.spoiled() || world_->members_change)
    return false;
  std::vector<NodeId> voters = world_->observer.voters();
  if (std::erase(voters, host.id()) == 0)
    return true;
  return world_->CountSpoiled(voters) < voters.size() / 2;
}

uint64_t Nemesis::GenSeenByAll(const NodeHost& host) const {
  uint64_t gen = UINT64_MAX;
  for (const auto& [id, other] : world_->hosts)
    if (other != &host && !other->spoiled() && !other->retired())
      gen = std::min(gen, other->GenKeptOf(host.id()));
  return gen;
}

void Nemesis::PutOldDisk() {
  if (copied_ == nullptr) {
    // A disk of the time when there was no other voter knows of nobody to ask.
    NodeHost& host = AnyHost();
    if (host.kept_membership().voters.size() < 2)
      return;
    copied_ = &host;
    copied_->CopyDisk();
    return;
  }
  NodeHost& host = *copied_;
  // A copy that nobody could tell from the disk as it was is no fault that anybody could catch.
  if (!MaySpoil(host) || host.gen_of_copy() >= GenSeenByAll(host))
    return;
  copied_ = nullptr;
  host.Stop(NodeHost::Crash::kPowerCut);
  host.PutOldDisk();
  RestartLater(host);
}

void Nemesis::DamageDisk() {
  NodeHost& host = AnyHost();
  if (!MaySpoil(host))
    return;
  host.Stop(NodeHost::Crash::kPowerCut);
  host.DamageDisk(GenSeenByAll(host));
  RestartLater(host);
}

void Nemesis::Rot() {
  NodeHost& host = AnyHost();
  if (!MaySpoil(host))
    return;
  host.Stop(NodeHost::Crash::kKill);
  host.Rot();
  RestartLater(host);
}

// All within the time of faults, so that at its end the new rules are in force.
void Nemesis::UpgradeLater(NodeHost& host) {
  const auto when = random_.Between(0, static_cast<uint64_t>(world_->swarm.safety) * 9 / 10);
  world_->scheduler.After(static_cast<Time>(when), [this, &host] {
    host.Upgrade();
    StopNode(host, NodeHost::Crash::kKill);
  });
}

void Nemesis::PauseNode(NodeHost& host, bool stop_clock) {
  host.Pause(stop_clock);
  MendLater(random_.Chance(60) ? 300 * kMillisecond : 4 * kSecond, [&host] { host.Resume(); });
}

void Nemesis::Partition(const std::function<bool(uint32_t, uint32_t)>& closed) {
  std::vector<std::pair<uint32_t, uint32_t>> directions;
  for (uint32_t a = 1; a <= nodes(); ++a)
    for (uint32_t b = 1; b <= nodes(); ++b)
      if (a != b && closed(a, b))
        directions.emplace_back(a, b);
  for (const auto& [a, b] : directions) {
    ++closed_[a][b];
    world_->network.Block(NodeId(a), NodeId(b));
  }
  MendLater(random_.Chance(50) ? kSecond : 5 * kSecond, [this, directions] {
    for (const auto& [a, b] : directions)
      if (--closed_[a][b] == 0)
        world_->network.Unblock(NodeId(a), NodeId(b));
  });
}

void Nemesis::PartitionBy(Fault fault) {
  const uint32_t one = AnyHost().id().value;
  const uint32_t other = AnyHost().id().value;
  const uint64_t sides = random_.Next();
  const auto side = [sides](uint32_t n) { return (sides >> n) & 1; };
  switch (fault) {
    case Fault::kIsolate:
      return Partition([=](uint32_t a, uint32_t b) { return a == one || b == one; });
    case Fault::kSplit:
      return Partition([=](uint32_t a, uint32_t b) { return side(a) != side(b); });
    case Fault::kBridge:
      return Partition(
          [=](uint32_t a, uint32_t b) { return side(a) != side(b) && a != one && b != one; });
    case Fault::kRing:
      return Partition([n = nodes()](uint32_t a, uint32_t b) {
        const uint32_t gap = (a + n - b) % n;
        return gap != 1 && gap != n - 1;
      });
    default:
      return Partition([=](uint32_t a, uint32_t b) { return a == one && b == other; });
  }
}

void Nemesis::SlowLink() {
  const NodeId a = AnyHost().id();
  const NodeId b = AnyHost().id();
  if (a == b)
    return;
  world_->network.SetExtraDelay(a, b, static_cast<Time>(random_.Between(5'000, 400'000)));
  MendLater(3 * kSecond, [this, a, b] { world_->network.SetExtraDelay(a, b, 0); });
}

void Nemesis::ResetConnections(bool all) {
  const uint32_t one = AnyHost().id().value;
  const uint32_t other = AnyHost().id().value;
  for (uint32_t a = 1; a <= nodes(); ++a)
    for (uint32_t b = a + 1; b <= nodes(); ++b)
      if (all || (a == one && b == other) || (a == other && b == one))
        world_->network.Reset(NodeId(a), NodeId(b));
}

void Nemesis::Transfer() {
  const NodeId target = AnyHost().id();
  NodeHost* asked = &AnyHost();
  if (asked->running() && !asked->paused())
    asked->Input([asked, target] { (void)asked->engine().AskToLead(target); });
}

void Nemesis::CutClients() {
  const NodeId node = AnyHost().id();
  port_->SetCut(node, true);
  MendLater(2 * kSecond, [this, node] { port_->SetCut(node, false); });
}

void Nemesis::HealAll() {
  healed_ = true;
  world_->network.Heal();
  for (const auto& [id, host] : world_->hosts) {
    port_->SetCut(host->id(), false);
    host->SlowDisk(1);
    host->Resume();
    if (!host->running() && !host->retired())
      host->Start();
  }
}

void Nemesis::OnProcessEnded(NodeHost& host) {
  // Of a fault from before: whoever supervises the processes starts it again.
  if (healed_)
    world_->scheduler.After(100 * kMillisecond, [&host] {
      if (!host.running() && !host.retired())
        host.Start();
    });
}

}  // namespace synod::sim
