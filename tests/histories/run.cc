#include "tests/histories/run.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "tests/histories/client.h"
#include "tests/histories/nemesis.h"
#include "tests/histories/workload.h"
#include "tests/integration/cluster.h"

namespace synod::histories {
namespace {

using integration::Milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kClients = 6;
constexpr Milliseconds kToMend(90'000);
constexpr uint64_t kProgress = 20;  // answers to each workload once all is mended
constexpr size_t kShownMax = 10;

struct Kind {
  const char* name;
  std::unique_ptr<Workload> (*make)(Revisions*);
  bool by_default = true;
};

constexpr Kind kKinds[] = {
    {"appends", MakeAppends},
    {"counters", MakeCounters},
    {"elections", MakeElections},
    {"locks", MakeLocks},
    {"registers", MakeRegisters},
    {"sets", MakeSets},
    {"watches", MakeWatches},
    // Stops its own processes instead of nodes, and reads slowly.
    {"paused-locks", MakePausedLocks, false},
};

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text.empty() ? "none" : text;
}

class Histories {
 public:
  explicit Histories(const Options& options)
      : options_(options),
        cluster_(options.nodes),
        nemesis_(&cluster_, options.faults, options.seed) {
    for (const Kind& kind : kKinds)
      if (options.workloads.empty() ? kind.by_default : Has(options.workloads, kind.name))
        workloads_.push_back(kind.make(&revisions_));
  }

  int Run();

 private:
  void RunClients();
  void Work(int number);
  void AwaitProgress();
  void AwaitAgreement();
  void ReadAll(Client& client);
  void Judge();
  void PrintFaults();
  void Fail(const std::string& what);
  std::vector<uint16_t> Ports() const;
  int Verdict() const;

  Options options_;
  integration::Cluster cluster_;
  Nemesis nemesis_;
  Revisions revisions_;
  std::vector<std::unique_ptr<Workload>> workloads_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::vector<std::string> violations_;
  size_t broken_ = 0;  // of them those that a judge found in a history
  uint64_t undecided_ = 0;
};

std::vector<uint16_t> Histories::Ports() const {
  std::vector<uint16_t> ports;
  for (int id = 1; id <= cluster_.size(); ++id) ports.push_back(cluster_.port(id));
  return ports;
}

void Histories::Fail(const std::string& what) {
  const std::lock_guard lock(mutex_);
  violations_.push_back(what);
}

void Histories::Work(int number) {
  try {
    Client client(number, Ports(), options_.seed * 1'000 + static_cast<uint64_t>(number));
    while (!stop_) workloads_[client.random().Below(workloads_.size())]->Step(client);
  } catch (const std::exception& e) {
    Fail("client " + std::to_string(number) + " got what it cannot read: " + e.what());
  }
}

void Histories::RunClients() {
  for (const auto& workload : workloads_) workload->Begin(Ports());
  std::vector<std::thread> clients;
  for (int i = 1; i <= kClients; ++i) clients.emplace_back([this, i] { Work(i); });
  try {
    const auto length = std::chrono::duration<double>(options_.minutes * 60);
    nemesis_.Run(Clock::now() + std::chrono::duration_cast<Clock::duration>(length));
    nemesis_.Mend();
    AwaitProgress();
  } catch (const std::exception& e) {
    Fail(std::string("the nemesis: ") + e.what());
  }
  stop_ = true;
  for (std::thread& client : clients) client.join();
}

// What is mended serves again, whatever it was through; and no history is empty.
void Histories::AwaitProgress() {
  for (const auto& workload : workloads_) {
    const uint64_t before = workload->counts().answered;
    if (!integration::Eventually(kToMend,
                                 [&] { return workload->counts().answered >= before + kProgress; }))
      Fail(workload->name() + ": no progress after the faults");
  }
}

// Every node serves, and has applied the same with the same result.
void Histories::AwaitAgreement() {
  for (const int id : nemesis_.members()) cluster_.node(id).AwaitReady(kToMend);
  std::set<std::string> states;
  const bool agreed = integration::Eventually(kToMend, [&] {
    states.clear();
    for (const int id : nemesis_.members()) {
      const auto status = cluster_.node(id).Status();
      states.insert(status ? "revision " + boost::json::serialize(status->at("revision")) +
                                 ", slot " + boost::json::serialize(status->at("applied_slot")) +
                                 ", digest " + boost::json::serialize(status->at("digest"))
                           : "node " + std::to_string(id) + " silent");
    }
    return states.size() == 1;
  });
  if (agreed)
    std::printf("state     %s on all %zu nodes\n", states.begin()->c_str(),
                nemesis_.members().size());
  else
    Fail("the nodes differ at the end: " +
         Join(std::vector<std::string>(states.begin(), states.end())));
}

void Histories::ReadAll(Client& client) {
  for (const auto& workload : workloads_)
    for (const int id : nemesis_.members()) workload->ReadAll(client, static_cast<size_t>(id - 1));
}

void Histories::Judge() {
  for (const auto& workload : workloads_) {
    const Counts& counts = workload->counts();
    std::printf("calls     %-9s %llu answered, %llu not applied, %llu unknown\n",
                workload->name().c_str(), static_cast<unsigned long long>(counts.answered),
                static_cast<unsigned long long>(counts.not_applied),
                static_cast<unsigned long long>(counts.unknown));
    const Judgement judgement = workload->Judge();
    undecided_ += judgement.undecided;
    broken_ += judgement.violations.size();
    std::printf(
        "judged    %-9s %llu histories, %llu reads, %llu changes: %zu "
        "wrong, %llu undecided\n",
        workload->name().c_str(), static_cast<unsigned long long>(judgement.histories),
        static_cast<unsigned long long>(judgement.reads),
        static_cast<unsigned long long>(judgement.changes), judgement.violations.size(),
        static_cast<unsigned long long>(judgement.undecided));
    if (!judgement.notes.empty())
      std::printf("          %-9s %s\n", workload->name().c_str(), judgement.notes.c_str());
    for (const std::string& wrong : judgement.violations) Fail(workload->name() + ": " + wrong);
    if (judgement.changes == 0)
      Fail(workload->name() + ": no change was acknowledged");
  }
  const std::vector<std::string> wrong = revisions_.Judge();
  std::printf("judged    revisions %zu answers: %zu wrong\n", revisions_.size(), wrong.size());
  for (const std::string& w : wrong) Fail("revisions: " + w);
  broken_ += wrong.size();
}

void Histories::PrintFaults() {
  std::string counts;
  for (const auto& [name, n] : nemesis_.counts()) counts += " " + name + " " + std::to_string(n);
  size_t installed = 0;
  const std::string text = "snapshot installed";
  for (int id = 1; id <= cluster_.size(); ++id) {
    const std::string log = cluster_.node(id).Log();
    for (size_t at = log.find(text); at != std::string::npos; at = log.find(text, at + 1))
      ++installed;
  }
  std::printf("faults   %s; %llu members exchanged, %zu snapshots installed\n", counts.c_str(),
              static_cast<unsigned long long>(nemesis_.exchanged()), installed);
}

int Histories::Verdict() const {
  for (size_t i = 0; i < std::min(violations_.size(), kShownMax); ++i)
    std::printf("wrong     %s\n", violations_[i].c_str());
  if (broken_ > 0)
    std::printf("verdict   NOT linearizable: %zu violations\n", broken_);
  else if (!violations_.empty())
    std::printf("verdict   linearizable, but %zu things went wrong\n", violations_.size());
  else if (undecided_ > 0)
    std::printf("verdict   undecided: %llu searches gave up\n",
                static_cast<unsigned long long>(undecided_));
  else
    std::printf("verdict   linearizable, nothing lost, all nodes agree\n");
  return !violations_.empty() ? 1 : undecided_ > 0 ? 3 : 0;
}

int Histories::Run() {
  std::printf("histories %d nodes, %.2f minutes, seed %llu, faults %s\n", options_.nodes,
              options_.minutes, static_cast<unsigned long long>(options_.seed),
              Join(options_.faults).c_str());
  try {
    cluster_.Start();
    nemesis_.AddSpare();
    RunClients();
    PrintFaults();
    for (const std::string& crash : nemesis_.crashes()) Fail(crash);
    Client client(0, Ports(), options_.seed);
    for (const auto& workload : workloads_) workload->Finish(client);
    AwaitAgreement();
    ReadAll(client);
  } catch (const std::exception& e) {
    Fail(e.what());
  }
  Judge();
  const int verdict = Verdict();
  if (verdict == 1)  // which keeps the nodes' files, and names them
    ADD_FAILURE() << "see above";
  return verdict;
}

}  // namespace

std::vector<std::string> FaultNames() { return Nemesis::Names(); }

std::vector<std::string> WorkloadNames() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.emplace_back(kind.name);
  return names;
}

int Run(const Options& options) {
  const auto has = [&](const char* fault) { return Has(options.faults, fault); };
  const auto set = [](const std::string& name, uint64_t value) {
    setenv(("SYNOD_" + name).c_str(), std::to_string(value).c_str(), 1);
  };
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  if (has("away") || has("disk"))
    set("ACCEPTOR_LOG_SEGMENT_BYTES", kMiB / 4);
  // Whoever was away for a while and finds the others restarted needs a snapshot.
  if (has("away"))
    set("ACCEPTOR_LOG_KEEP_BYTES", 0);
  if (has("disk")) {
    set("DISK_SOFT_LIMIT_BYTES", 100 * kMiB);
    set("DISK_HARD_LIMIT_BYTES", 50 * kMiB);
    set("DISK_RESERVE_BYTES", 16 * kMiB);
  }
  return Histories(options).Run();
}

}  // namespace synod::histories
