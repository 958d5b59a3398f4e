// Paused locks: processes that add to lists under a lock, and are stopped for longer than its TTL.
#include <algorithm>
#include <csignal>
#include <map>
#include <stdexcept>
#include <thread>

#include "tests/histories/shared_lists.h"
#include "tests/histories/workload.h"
#include "tests/integration/cluster.h"
#include "tests/integration/process.h"

namespace synod::histories {
namespace {

using integration::Milliseconds;

constexpr int kUpdaters = 4;
constexpr const char* kTtlMs = "2000";
constexpr const char* kPath = "/paused";
constexpr uint64_t kRestMsMax = 1'500;
constexpr uint64_t kPauseMsMin = 2'300;
constexpr uint64_t kPauseMsMax = 4'500;
constexpr Milliseconds kToFindHolder(1'000);
constexpr Milliseconds kBetweenReads(20);
constexpr Milliseconds kToFinish(60'000);
constexpr size_t kProgress = 3;

class PausedLocks : public Workload {
 public:
  explicit PausedLocks(Revisions* revisions) : Workload(revisions) {}
  std::string name() const override { return "paused"; }
  void Begin(const std::vector<uint16_t>& ports) override;
  void Step(Client& client) override;
  void Finish(Client& client) override;
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  struct Updater {
    std::string output_file;
    std::unique_ptr<integration::Process> process;
  };
  static std::string Target() { return std::string("/v1/kv") + kPath; }
  std::string ListFile() const { return dir_.path() + "/list"; }
  // It has read and not yet written.
  static bool IsBetween(const Updater& updater) {
    const std::vector<std::string> lines = ElementsOf(integration::ReadFile(updater.output_file));
    return !lines.empty() && lines.back().starts_with("read ");
  }
  void PauseSome(const std::stop_token& stop);
  // What the processes say came of each element.
  std::map<std::string, std::set<std::string>> Outcomes() const;
  void SeeList(const std::string& text);

  integration::TempDir dir_;
  std::vector<Updater> updaters_;
  uint64_t pauses_ = 0;
  std::string longest_;  // list that was read
  std::vector<std::string> wrong_;
  std::jthread pauser_;
};

void PausedLocks::Begin(const std::vector<uint16_t>& ports) {
  std::string endpoints;
  for (const uint16_t port : ports)
    endpoints += (endpoints.empty() ? "" : ",") + ("http://127.0.0.1:" + std::to_string(port));
  for (int i = 0; i < kUpdaters; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    const std::string output_file = dir_.path() + "/" + name;
    updaters_.push_back(
        {output_file, std::make_unique<integration::Process>(
                          integration::Arguments{integration::Program("list_updater"), endpoints,
                                                 kPath, name, ListFile(), kTtlMs, ""},
                          integration::ProcessOptions{.output_file = output_file})});
  }
  pauser_ = std::jthread([this](const std::stop_token& stop) { PauseSome(stop); });
}

// Holders that have read and not yet written, mostly.
void PausedLocks::PauseSome(const std::stop_token& stop) {
  Random random(1);
  const auto rest = [&](uint64_t ms) {
    integration::Eventually(Milliseconds(ms), [&] { return stop.stop_requested(); });
  };
  while (!stop.stop_requested()) {
    rest(random.Below(kRestMsMax));
    Updater* victim = &updaters_[random.Below(updaters_.size())];
    integration::Eventually(kToFindHolder, [&] {
      const auto holder = std::find_if(updaters_.begin(), updaters_.end(), IsBetween);
      if (holder != updaters_.end())
        victim = &*holder;
      return holder != updaters_.end() || stop.stop_requested();
    });
    victim->process->Signal(SIGSTOP);
    rest(random.Between(kPauseMsMin, kPauseMsMax));
    victim->process->Signal(SIGCONT);
    ++pauses_;
  }
}

std::map<std::string, std::set<std::string>> PausedLocks::Outcomes() const {
  std::map<std::string, std::set<std::string>> outcomes;
  for (const Updater& updater : updaters_) {
    for (const std::string& line : ElementsOf(integration::ReadFile(updater.output_file))) {
      const size_t space = line.find(' ');
      if (space != std::string::npos)
        outcomes[line.substr(0, space)].insert(line.substr(space + 1));
    }
  }
  return outcomes;
}

// Every list that anybody reads is a part of a later one from its beginning.
void PausedLocks::SeeList(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (text.starts_with(longest_))
    longest_ = text;
  else if (!longest_.starts_with(text))
    wrong_.push_back("a list of " + std::to_string(text.size()) +
                     " bytes is not the beginning of the one of " +
                     std::to_string(longest_.size()));
}

void PausedLocks::Step(Client& client) {
  const Reply reply = client.Read(client.AnyNode(), Target());
  counts_.Add(reply);
  if (reply.Is(200) || reply.Is(404)) {
    revisions_->Add({reply.called, reply.returned, reply.answer.Revision(), false});
    if (reply.Is(200))
      SeeList(reply.answer.Text("value"));
  } else if (reply.answered()) {
    Unexpected("a read of the list", reply);
  }
  integration::Eventually(kBetweenReads, [] { return false; });
}

// Those that were stopped go on, and all add some more.
void PausedLocks::Finish(Client&) {
  pauser_ = {};  // ends it
  const size_t before = Outcomes()["cluster"].size();
  const bool goes_on = integration::Eventually(
      kToFinish, [&] { return Outcomes()["cluster"].size() >= before + kProgress; });
  for (const Updater& updater : updaters_) {
    if (!updater.process->Running())
      wrong_.push_back("an updater ended: " + integration::ReadFile(updater.output_file));
    updater.process->Kill();
  }
  if (!goes_on)
    wrong_.push_back("no element was added after the faults");
}

// The whole list, through `node`.
void PausedLocks::ReadAll(Client& client, size_t node) {
  Reply reply;
  const bool read = integration::Eventually(kToFinish, [&] {
    reply = client.Read(node, Target());
    return reply.Is(200);
  });
  if (!read)
    throw std::runtime_error("the list under the paused lock is not served");
  SeeList(reply.answer.Text("value"));
}

Judgement PausedLocks::Judge() {
  pauser_ = {};
  std::map<std::string, std::set<std::string>> outcomes = Outcomes();
  const std::vector<std::string> list = ElementsOf(longest_);
  const size_t lost =
      LostOf(outcomes["file"], ElementsOf(integration::ReadFile(ListFile()))).size();
  Judgement judgement;
  judgement.histories = 1;
  judgement.reads = counts_.answered;
  judgement.changes = outcomes["cluster"].size();
  judgement.violations = unexpected_;
  judgement.violations.insert(judgement.violations.end(), wrong_.begin(), wrong_.end());
  std::set<std::string> refused = outcomes["fenced"];
  refused.insert(outcomes["refused"].begin(), outcomes["refused"].end());
  for (const std::string& wrong :
       JudgeSharedList({outcomes["read"], outcomes["cluster"], refused}, list))
    judgement.violations.push_back(wrong);
  judgement.notes = std::to_string(pauses_) + " pauses; in a file " +
                    std::to_string(outcomes["file"].size()) + " updates, " + std::to_string(lost) +
                    " lost; under Synod-Fence " + std::to_string(outcomes["cluster"].size()) +
                    ", " + std::to_string(LostOf(outcomes["cluster"], list).size()) + " lost, " +
                    std::to_string(outcomes["fenced"].size()) + " fenced";
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakePausedLocks(Revisions* revisions) {
  return std::make_unique<PausedLocks>(revisions);
}

}  // namespace synod::histories
