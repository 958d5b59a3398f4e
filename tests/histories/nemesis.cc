#include "tests/histories/nemesis.h"

#include <algorithm>

namespace synod::histories {
namespace {

using integration::Milliseconds;

constexpr uint64_t kRestMsMin = 300;
constexpr uint64_t kRestMsMax = 2'500;

}  // namespace

const std::vector<std::string>& Nemesis::Names() {
  static const std::vector<std::string> kNames = {"kill", "killall", "pause", "transfer"};
  return kNames;
}

Nemesis::Nemesis(integration::Cluster* cluster, std::vector<std::string> faults, uint64_t seed)
    : cluster_(cluster), faults_(std::move(faults)), random_(seed) {}

void Nemesis::Run(Clock::time_point deadline) {
  Clock::time_point next = Clock::now();
  while (Clock::now() < deadline && crashes_.empty()) {
    EndDue(Clock::now());
    NoticeCrashes();
    if (Clock::now() >= next && !faults_.empty()) {
      BeginOne();
      next = Clock::now() + Milliseconds(random_.Between(kRestMsMin, kRestMsMax));
    }
    integration::Eventually(Milliseconds(20), [&] { return Clock::now() >= deadline; });
  }
}

void Nemesis::Mend() { EndDue(Clock::time_point::max()); }

void Nemesis::BeginOne() {
  const std::string& name = faults_[random_.Below(faults_.size())];
  const bool begun = name == "kill"      ? Kill()
                     : name == "killall" ? KillAll()
                     : name == "pause"   ? Pause()
                                         : Transfer();
  counts_[name] += begun ? 1 : 0;
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

std::vector<int> Nemesis::Free() const {
  std::vector<int> free;
  for (int id = 1; id <= cluster_->size(); ++id)
    if (!busy_.contains(id))
      free.push_back(id);
  return free;
}

void Nemesis::Hold(std::vector<int> nodes, uint64_t ms_max, std::function<void()> end) {
  busy_.insert(nodes.begin(), nodes.end());
  active_.push_back(
      {Clock::now() + Milliseconds(random_.Between(0, ms_max)), std::move(nodes), std::move(end)});
}

bool Nemesis::Kill() {
  const std::vector<int> free = Free();
  if (free.empty())
    return false;
  integration::Node& node = cluster_->node(free[random_.Below(free.size())]);
  node.Kill();
  Hold({node.id()}, 3'000, [&node] { node.StartAgain(); });
  return true;
}

bool Nemesis::KillAll() {
  const std::vector<int> all = Free();
  for (const int id : all) cluster_->node(id).Kill();
  Hold(all, 1'000, [this, all] {
    for (const int id : all) cluster_->node(id).StartAgain();
  });
  return true;
}

bool Nemesis::Pause() {
  const std::vector<int> free = Free();
  if (free.empty())
    return false;
  integration::Node& node = cluster_->node(free[random_.Below(free.size())]);
  node.Pause();
  Hold({node.id()}, 4'000, [&node] { node.Resume(); });
  return true;
}

// Asked of any node; it may well be refused.
bool Nemesis::Transfer() {
  const std::vector<int> free = Free();
  if (free.size() < 2)
    return false;
  const int asked = free[random_.Below(free.size())];
  const int to = free[random_.Below(free.size())];
  const auto answer = integration::TryHttp(
      cluster_->port(asked), "POST", "/v1/cluster/leader?timeout_ms=1000",
      {.body = "{\"id\":" + std::to_string(to) + "}", .timeout = Milliseconds(1'500)});
  return answer && answer->status == 200;
}

}  // namespace synod::histories
