#include "tests/histories/nemesis.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "tests/histories/partitions.h"

namespace synod::histories {
namespace {

using integration::Milliseconds;

constexpr uint64_t kRestMsMin = 300;
constexpr uint64_t kRestMsMax = 2'500;
constexpr Milliseconds kToFinish(60'000);

// The rates of slow clocks.
constexpr uint64_t kSlowestPermille = 250;
constexpr uint64_t kSlowPermille = 990;

// Below all limits, below the hard one, below the soft one (run.cc).
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kLeft[] = {0, 30 * kMiB, 80 * kMiB};

}  // namespace

const std::map<std::string, Nemesis::Fault>& Nemesis::Faults() {
  static const std::map<std::string, Fault> kFaults = {
      {"away", &Nemesis::Away},          {"clocks", &Nemesis::SlowClock},
      {"kill", &Nemesis::Kill},          {"disk", &Nemesis::FillDisk},
      {"killall", &Nemesis::KillAll},    {"members", &Nemesis::ChangeMembers},
      {"partition", &Nemesis::Separate}, {"pause", &Nemesis::Pause},
      {"transfer", &Nemesis::Transfer},
  };
  return kFaults;
}

std::vector<std::string> Nemesis::Names() {
  std::vector<std::string> names;
  for (const auto& [name, fault] : Faults()) names.push_back(name);
  return names;
}

Nemesis::Nemesis(integration::Cluster* cluster, std::vector<std::string> faults, uint64_t seed)
    : cluster_(cluster),
      faults_(std::move(faults)),
      random_(seed),
      members_(cluster, cluster->size()) {
  if (Has("partition"))
    proxies_ = std::make_unique<PeerProxies>();
  for (int id = 1; id <= cluster_->size(); ++id) Prepare(id);
}

bool Nemesis::Has(const std::string& fault) const {
  return std::find(faults_.begin(), faults_.end(), fault) != faults_.end();
}

void Nemesis::Prepare(int id) {
  integration::Node& node = cluster_->node(id);
  if (proxies_)
    node.AdvertisePeer(proxies_->Add(id, node.peer_port()));
  if (Has("disk"))
    disks_.Mount(node.data_dir());
}

void Nemesis::AddSpare() {
  if (Has("members"))
    Prepare(cluster_->Add().id());
}

void Nemesis::Run(Clock::time_point deadline) {
  Clock::time_point next = Clock::now();
  while (Clock::now() < deadline && crashes_.empty()) {
    EndDue(Clock::now());
    NoticeCrashes();
    StepMembers();
    if (Clock::now() >= next && !faults_.empty()) {
      BeginOne();
      next = Clock::now() + Milliseconds(random_.Between(kRestMsMin, kRestMsMax));
    }
    integration::Eventually(Milliseconds(20), [&] { return Clock::now() >= deadline; });
  }
}

void Nemesis::Mend() {
  EndDue(Clock::time_point::max());
  const bool finished = integration::Eventually(kToFinish, [&] {
    StepMembers();
    return members_.idle();
  });
  if (!finished)
    crashes_.push_back("a membership change does not come to its end");
  NoticeCrashes();
}

void Nemesis::BeginOne() {
  const std::string& name = faults_[random_.Below(faults_.size())];
  if ((this->*Faults().at(name))())
    ++counts_[name];
}

void Nemesis::EndDue(Clock::time_point now) {
  for (size_t i = 0; i < active_.size();) {
    if (active_[i].until > now) {
      ++i;
      continue;
    }
    const Active ended = std::move(active_[i]);
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i));
    ended.end();
    for (const int id : ended.nodes) busy_.erase(id);
  }
}

void Nemesis::NoticeCrashes() {
  for (const int id : Free())
    if (!cluster_->node(id).Running())
      crashes_.push_back("node " + std::to_string(id) + " ended by itself");
}

void Nemesis::StepMembers() {
  if (members_.idle())
    return;
  if (const integration::Node* asked = AnyFree())
    members_.Step(asked->id(), busy_);
}

std::vector<int> Nemesis::Free() const {
  std::vector<int> free;
  for (const int id : members_.members())
    if (!busy_.contains(id))
      free.push_back(id);
  return free;
}

integration::Node* Nemesis::AnyFree() {
  const std::vector<int> free = Free();
  return free.empty() ? nullptr : &cluster_->node(free[random_.Below(free.size())]);
}

void Nemesis::Hold(std::vector<int> nodes,
                   uint64_t ms_min,
                   uint64_t ms_max,
                   std::function<void()> end) {
  busy_.insert(nodes.begin(), nodes.end());
  active_.push_back({Clock::now() + Milliseconds(random_.Between(ms_min, ms_max)), std::move(nodes),
                     std::move(end)});
}

bool Nemesis::KillFor(uint64_t ms_min, uint64_t ms_max) {
  integration::Node* node = AnyFree();
  if (node == nullptr)
    return false;
  node->Kill();
  Hold({node->id()}, ms_min, ms_max, [node] { node->StartAgain(); });
  return true;
}

bool Nemesis::KillAll() {
  const std::vector<int> all = Free();
  for (const int id : all) cluster_->node(id).Kill();
  Hold(all, 0, 1'000, [this, all] {
    for (const int id : all) cluster_->node(id).StartAgain();
  });
  return true;
}

bool Nemesis::Pause() {
  integration::Node* node = AnyFree();
  if (node == nullptr)
    return false;
  node->Pause();
  Hold({node->id()}, 0, 4'000, [node] { node->Resume(); });
  return true;
}

// Slow, never fast: holders rely on clocks that are not (docs/api.md, Leases).
bool Nemesis::SlowClock() {
  integration::Node* node = AnyFree();
  if (node == nullptr)
    return false;
  const auto start_at = [node](int permille) {
    node->Kill();
    node->SlowClock(permille);
    node->StartAgain();
  };
  start_at(static_cast<int>(random_.Between(kSlowestPermille, kSlowPermille)));
  Hold({node->id()}, 3'000, 12'000, [start_at] { start_at(1000); });
  return true;
}

// Asked of any node; it may well be refused.
bool Nemesis::Transfer() {
  const integration::Node* asked = AnyFree();
  const std::optional<int64_t> to =
      asked == nullptr ? std::nullopt : members_.MemberId(AnyFree()->id());
  if (!to)
    return false;
  const auto answer = integration::TryHttp(
      asked->port(), "POST", "/v1/cluster/leader?timeout_ms=1000",
      {.body = "{\"id\":" + std::to_string(*to) + "}", .timeout = Milliseconds(1'500)});
  return answer && answer->status == 200;
}

bool Nemesis::Separate() {
  const std::set<int>& members = members_.members();
  if (separated_ || members.size() < 2)
    return false;
  const Partition partition =
      DrawPartition(std::vector<int>(members.begin(), members.end()), &random_);
  const bool cut = random_.Chance(50);
  for (const auto& [from, to] : partition.lost) {
    proxies_->Hold(from, to);
    if (cut)
      proxies_->Cut(from, to);
  }
  separated_ = true;
  ++counts_["partition:" + partition.name];
  Hold({}, 500, 6'000, [this] {
    proxies_->ReleaseAll();
    separated_ = false;
  });
  return true;
}

// A node whose disk is full may end itself, and starts again when there is room.
bool Nemesis::FillDisk() {
  integration::Node* node = AnyFree();
  if (node == nullptr)
    return false;
  FullDisks::Fill(node->data_dir(), kLeft[random_.Below(std::size(kLeft))]);
  Hold({node->id()}, 500, 6'000, [this, node] {
    FullDisks::Empty(node->data_dir());
    if (node->Running())
      return;
    node->StartAgain();
    ++counts_["disk:ended"];
  });
  return true;
}

bool Nemesis::ChangeMembers() {
  const std::vector<int> free = Free();
  if (!members_.idle() || free.size() < 2)
    return false;
  const size_t victim = random_.Below(free.size());
  const size_t asked = (victim + 1 + random_.Below(free.size() - 1)) % free.size();
  members_.Begin(free[victim], free[asked], random_.Chance(40));
  return true;
}

}  // namespace synod::histories
