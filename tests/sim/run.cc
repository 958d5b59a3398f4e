#include "tests/sim/run.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/sim/claim_clients.h"
#include "tests/sim/election_client.h"
#include "tests/sim/fence_client.h"
#include "tests/sim/guest_client.h"
#include "tests/sim/leaving_client.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/operator.h"
#include "tests/sim/quota_client.h"
#include "tests/sim/watcher.h"

namespace synod::sim {
namespace {

// With everything mended. Generous: what is checked is that it happens at all, and soon.
constexpr Time kLeaderWithin = 10 * kSecond;
constexpr Time kCallsEndWithin = 20 * kSecond;
// A snapshot may go in hundreds of pieces, each waited for at both ends.
constexpr Time kCatchUpWithin = 60 * kSecond;
constexpr Time kConvergeWithin = 10 * kSecond;
constexpr Time kFoundWithin = 10 * kSecond;
constexpr Time kToldWithin = 10 * kSecond;
constexpr Time kUpgradedWithin = 10 * kSecond;
constexpr Time kLeasesEndWithin = 12 * kSecond;
// The 5 s that a place is kept, on slow clocks, and what it takes to be told, once more if the
// first time was before a process was adopted.
constexpr Time kWithdrawnWithin = 9 * kSecond;
// Less than a place is kept: by whoever stays, from the one who has left.
constexpr Time kTakenBackWithin = 3 * kSecond;
// Of a hold that nobody releases, on slow clocks.
constexpr Time kLeftHoldEndsWithin = LeavingClient::kTtlMsMax * kMillisecond * 6 / 5;

class Run {
 public:
  Run(uint64_t seed, bool print);
  void Execute();
  void Report(RunReport* report) const;

 private:
  NodeHost& AddHost(NodeId id, Random random, const Membership& membership);
  void Join(NodeId id, const Membership& membership);
  void MakeClients(Random* random);
  void MakeWatchers(Random* random);
  void MakeLeavingClients(Random* random);
  void Safety();
  void Liveness();
  void CheckHistory();
  // It is a member, or was, and is not expected to be of use any more.
  bool IsOut(const NodeHost& host) const {
    return host.retired() || !world_.observer.IsMember(host.id());
  }
  bool HasLeader();
  bool HaveApplied(Slot slot);
  bool NobodyWaits() const { return world_.observer.machine().counts().waiters == 0; }
  bool LeasesAreOver() const;
  bool Converged();
  void FinalWrite(NodeId node, size_t* open, bool* failed);
  void FinalWrites();
  void RetireLost();
  void FindRotten();
  bool HasUpgraded() const;
  // Runs until `done` or the limit; throws Violation with `what` in the latter case.
  void RunUntil(Time limit, const std::string& what, const std::function<bool()>& done);

  World world_;
  Random joiners_;
  std::vector<std::unique_ptr<NodeHost>> hosts_;
  std::unique_ptr<ClientPort> port_;
  std::unique_ptr<Nemesis> nemesis_;
  Claims claims_;
  FenceRegisters fences_;
  QuotaJudge quotas_;
  Places places_;
  History history_;
  LoadStats load_;
  GuestRole guest_role_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  History::Summary summary_;
};

Run::Run(uint64_t seed, bool print)
    : world_(DrawSwarm(seed), print, Random(seed ^ 0xA5A5A5A5)),
      joiners_(seed ^ 0x5A5A5A5A),
      claims_(&world_),
      fences_(&world_),
      quotas_(&world_),
      places_(&world_) {
  Random random(seed * 31 + 7);
  Membership founders;
  for (uint32_t n = 1; n <= world_.swarm.nodes; ++n) founders.voters.push_back(NodeId(n));
  for (const NodeId id : founders.voters) AddHost(id, random.Fork(), founders);
  port_ = std::make_unique<ClientPort>(&world_, random.Fork());
  nemesis_ = std::make_unique<Nemesis>(&world_, port_.get(), random.Fork());
  MakeClients(&random);
  MakeWatchers(&random);
  MakeLeavingClients(&random);
  world_.observer.SetAppliedHook([this](Slot slot, const machine::Applied& applied) {
    claims_.OnSlot(slot, applied);
    fences_.OnSlot(slot);
    quotas_.OnSlot(slot);
    places_.OnSlot();
  });
}

NodeHost& Run::AddHost(NodeId id, Random random, const Membership& membership) {
  hosts_.push_back(std::make_unique<NodeHost>(&world_, id, random, membership));
  NodeHost* host = hosts_.back().get();
  world_.hosts[id] = host;
  host->SetHubListener([this, host] {
    for (const watch::WatchId watch : host->hub().TakeReady())
      for (const auto& watcher : watchers_) watcher->OnReady(host->id(), watch);
  });
  host->SetEndListener([this, host] {
    port_->OnProcessEnded(host->id());
    for (const auto& watcher : watchers_) watcher->OnProcessEnded(host->id());
    nemesis_->OnProcessEnded(*host);
  });
  return *host;
}

void Run::Join(NodeId id, const Membership& membership) {
  ++world_.stats.joined;
  NodeHost& host = AddHost(id, joiners_.Fork(), membership);
  if (world_.swarm.upgrade)
    host.Upgrade();
  world_.scheduler.After(static_cast<Time>(joiners_.Below(500'000)), [&host] {
    if (!host.running() && !host.retired())
      host.Start();
  });
}

void Run::MakeClients(Random* random) {
  const Client::Shared shared{&world_, port_.get(), &history_, &load_};
  uint32_t number = 0;
  for (uint32_t i = 0; i < world_.swarm.register_clients; ++i)
    clients_.push_back(std::make_unique<RegisterClient>(shared, ++number, random->Fork()));
  for (uint32_t i = 0; i < world_.swarm.lock_clients; ++i)
    clients_.push_back(std::make_unique<LockClient>(shared, ++number, random->Fork(), &claims_));
  for (uint32_t i = 0; i < world_.swarm.lease_clients; ++i)
    clients_.push_back(std::make_unique<LeaseClient>(shared, ++number, random->Fork(), &claims_));
  for (uint32_t i = 0; i < world_.swarm.election_clients; ++i)
    clients_.push_back(
        std::make_unique<ElectionClient>(shared, ++number, random->Fork(), &claims_));
  for (uint32_t i = 0; i < world_.swarm.fence_clients; ++i)
    clients_.push_back(std::make_unique<FenceClient>(shared, ++number, random->Fork(), &fences_));
  if (world_.swarm.IsOn(Fault::kChurn))
    clients_.push_back(std::make_unique<Operator>(
        shared, ++number, random->Fork(),
        [this](NodeId id, const Membership& membership) { Join(id, membership); }));
  if (world_.swarm.auth) {
    clients_.push_back(
        std::make_unique<Administrator>(shared, ++number, random->Fork(), &guest_role_));
    clients_.push_back(std::make_unique<Guest>(shared, ++number, random->Fork(), &guest_role_));
  }
  if (world_.swarm.quotas)
    clients_.push_back(std::make_unique<QuotaClient>(shared, ++number, random->Fork()));
  for (uint32_t i = 0; i < world_.swarm.locks; ++i)
    claims_.WatchLock("/l" + std::to_string(i), machine::LockKind::kLock);
  claims_.WatchLock("/e0", machine::LockKind::kElection);
  if (world_.swarm.fence_clients > 0)
    for (const char* path : {"/f0", "/f1"}) fences_.Watch(path);
}

void Run::MakeWatchers(Random* random) {
  for (uint32_t i = 0; i < world_.swarm.watchers; ++i)
    watchers_.push_back(std::make_unique<Watcher>(&world_, i + 1, random->Fork()));
}

// Last, so that the others draw what they draw without them.
void Run::MakeLeavingClients(Random* random) {
  const Client::Shared shared{&world_, port_.get(), &history_, &load_};
  const auto before = static_cast<uint32_t>(clients_.size());
  for (uint32_t i = 1; i <= world_.swarm.leaving_clients; ++i)
    clients_.push_back(
        std::make_unique<LeavingClient>(shared, before + i, random->Fork(), &places_));
  if (world_.swarm.leaving_clients > 0)
    claims_.WatchLock(LeavingClient::kLock, machine::LockKind::kLock);
}

void Run::RunUntil(Time limit, const std::string& what, const std::function<bool()>& done) {
  const Time end = world_.scheduler.now() + limit;
  for (uint64_t i = 0; i % 16 != 0 || !done(); ++i) SIM_REQUIRE(world_.scheduler.Step(end), what);
}

void Run::Safety() {
  for (const auto& host : hosts_) host->Start();
  for (const auto& client : clients_) client->Start();
  for (const auto& watcher : watchers_) watcher->Start();
  nemesis_->Start();
  while (world_.scheduler.Step(world_.swarm.safety)) {
  }
}

bool Run::HasLeader() {
  return std::all_of(hosts_.begin(), hosts_.end(), [this](const auto& host) {
    return host->forgot() || IsOut(*host) || host->rotten() ||
           (host->running() && host->engine().Ready().has_value());
  });
}

bool Run::HaveApplied(Slot slot) {
  return std::all_of(hosts_.begin(), hosts_.end(), [slot](const auto& host) {
    if (host->forgot() || host->retired())
      return true;
    return host->running() && host->engine().machine().applied() >= slot;
  });
}

bool Run::LeasesAreOver() const {
  const machine::Machine::Counts counts = world_.observer.machine().counts();
  return counts.leases == 0 && counts.holders == 0 && counts.waiters == 0;
}

bool Run::Converged() {
  const Slot slot = world_.observer.chosen();
  const Digest digest = world_.observer.DigestAt(slot);
  for (const auto& host : hosts_) {
    if (host->retired())
      continue;
    if (!host->running())
      return false;
    if (host->rotten())
      continue;
    const machine::Machine& machine = host->engine().machine();
    if (machine.applied() != slot || machine.digest() != digest)
      return false;
  }
  return std::all_of(watchers_.begin(), watchers_.end(), [this](const auto& watcher) {
    const auto& log = world_.observer.revisions();
    return log.empty() || watcher->HasReached(log.back()->revision);
  });
}

// Ends with one reply less in *open.
void Run::FinalWrite(NodeId node, size_t* open, bool* failed) {
  machine::Command command;
  machine::Put put;
  put.path = "/final/" + std::to_string(node.value);
  put.value = "done";
  command.operation = put;
  if (world_.swarm.auth)
    command.principal.token_hash = kAdministratorHash;
  port_->Change(node, command, 5'000, [this, node, open, failed](const Reply& reply) {
    // A single change that its client gave up can fill a small bound until its deadline.
    if (reply.kind == Reply::Kind::kError && reply.error.code == Errc::kOverloaded) {
      world_.scheduler.After(100 * kMillisecond,
                             [this, node, open, failed] { FinalWrite(node, open, failed); });
      return;
    }
    --*open;
    *failed |= reply.kind != Reply::Kind::kAnswer || !reply.answer.ok();
  });
}

// One write through every node, and one read of it through every other: nobody is left out.
void Run::FinalWrites() {
  size_t open = hosts_.size();
  bool failed = false;
  for (const auto& host : hosts_) {
    if (host->running() && !host->rotten())
      FinalWrite(host->id(), &open, &failed);
    else
      --open;
  }
  RunUntil(10 * kSecond, "a write on a mended cluster does not end", [&] { return open == 0; });
  SIM_REQUIRE(!failed, "a write on a mended cluster fails");
}

// Who forgot something must be found out; then the operator does what the node asks for. Its place
// is taken by nobody here.
void Run::RetireLost() {
  const auto caught = [](const auto& host) {
    return !host->forgot() || host->retired() || host->quarantined();
  };
  RunUntil(kLeaderWithin, "a node that forgot something is not found out",
           [&] { return std::all_of(hosts_.begin(), hosts_.end(), caught); });
  for (const auto& host : hosts_)
    if (host->quarantined())
      host->Retire();
}

// The members are compared at the next multiple, which takes some entries.
void Run::FindRotten() {
  const auto found = [](const auto& host) {
    return !host->rotten() || host->retired() || (host->running() && host->engine().IsDiverged());
  };
  const auto all_found = [&] { return std::all_of(hosts_.begin(), hosts_.end(), found); };
  const Slot enough(world_.observer.chosen().value + 2 * world_.swarm.digest_every);
  while (!all_found() && world_.observer.chosen() < enough) FinalWrites();
  RunUntil(kFoundWithin, "a node whose state is wrong is not found out", all_found);
}

// With every member on the new build the new rules are in force.
bool Run::HasUpgraded() const {
  const auto lags = [](const auto& host) {
    return host->running() && host->engine().machine().version() != kNextVersion;
  };
  const Membership& members = world_.observer.machine().membership();
  const auto counts = [&](NodeId id) {
    return world_.Find(id) != nullptr && !world_.Find(id)->retired();
  };
  const bool whole = std::all_of(members.voters.begin(), members.voters.end(), counts) &&
                     std::all_of(members.learners.begin(), members.learners.end(), counts);
  return !world_.swarm.upgrade || !whole || std::none_of(hosts_.begin(), hosts_.end(), lags);
}

void Run::Liveness() {
  world_.trace.Print("everything is mended");
  nemesis_->HealAll();
  world_.swarm.cancels = false;  // clients wait for their answers now
  world_.swarm.crash_at_install_percent = 0;
  for (const auto& client : clients_) client->Stop();
  for (const auto& watcher : watchers_) watcher->StopMoving();
  RunUntil(kLeaderWithin, "no leader, or not known to all", [this] { return HasLeader(); });
  world_.scheduler.After(kTakenBackWithin, [this] { places_.Settle(); });
  RetireLost();
  // Who stays waits for those before it.
  const Time left_holds = world_.swarm.leaving_clients * kLeftHoldEndsWithin;
  RunUntil(kCallsEndWithin + left_holds, "a client's call does not end", [this] {
    return std::all_of(clients_.begin(), clients_.end(), [](const auto& c) { return c->idle(); });
  });
  RunUntil(kWithdrawnWithin, "somebody waits for a client that has left",
           [this] { return NobodyWaits(); });
  RunUntil(kToldWithin, "a node that was removed is not told of it", [this] {
    return std::all_of(hosts_.begin(), hosts_.end(), [this](const auto& host) {
      return host->retired() || world_.observer.IsMember(host->id());
    });
  });
  // A node that a snapshot overtakes cannot tell what became of the changes it had handed on.
  RunUntil(kCatchUpWithin, "a node does not catch up",
           [this, slot = world_.observer.chosen()] { return HaveApplied(slot); });
  FinalWrites();
  FindRotten();
  RunUntil(kUpgradedWithin, "the new machine version does not come into force",
           [this] { return HasUpgraded(); });
  world_.stats.upgraded = world_.observer.machine().version() == kNextVersion ? 1 : 0;
  RunUntil(kLeasesEndWithin + left_holds, "a lease, hold or wait does not end",
           [this] { return LeasesAreOver(); });
  RunUntil(kConvergeWithin, "the replicas do not converge", [this] { return Converged(); });
  // Those that clients gave up end at their deadline; nodes have a few of their own.
  RunUntil(kCallsEndWithin, "calls are left at a node", [this] {
    return std::all_of(hosts_.begin(), hosts_.end(), [](const auto& host) {
      return !host->running() || host->engine().pending_calls() <= 8;
    });
  });
}

void Run::CheckHistory() {
  const std::vector<store::RevisionRef>& log = world_.observer.revisions();
  world_.observer.CheckRequests();
  summary_ = history_.Check(log);
  claims_.Check(log);
  for (const auto& watcher : watchers_) watcher->Check(log);
  for (const auto& host : hosts_) {
    if (!host->running())
      continue;
    host->engine().machine().CheckInvariants();
    host->engine().replica().CheckInvariants();
    host->hub().CheckInvariants();
  }
}

void Run::Execute() {
  world_.trace.Print(Describe(world_.swarm));
  Safety();
  Liveness();
  CheckHistory();
}

void Run::Report(RunReport* r) const {
  r->seed = world_.swarm.seed;
  r->trace_hash = world_.trace.hash();
  r->virtual_time = world_.scheduler.now();
  r->steps = world_.scheduler.steps();
  r->faults = nemesis_->counts();
  r->stats = world_.stats;
  r->memberships = world_.observer.machine().membership().version;
  r->load = load_;
  r->network = world_.network.stats();
  r->history = summary_;
  r->slots = world_.observer.chosen().value;
  r->commands = world_.observer.commands();
  r->ignored_entries = world_.observer.ignored_entries();
  r->revisions = world_.observer.machine().revision().value;
  r->leases_ended = claims_.ended();
  for (const auto& watcher : watchers_) {
    r->watch_messages += watcher->delivered();
    r->watch_moves += watcher->moves();
  }
}

}  // namespace

RunReport RunSeed(uint64_t seed, bool print_trace) {
  RunReport report;
  Run run(seed, print_trace);
  try {
    run.Execute();
  } catch (const Violation& violation) {
    report.failure = violation.what();
  }
  run.Report(&report);
  return report;
}

}  // namespace synod::sim
