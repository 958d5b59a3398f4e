// Elections: campaigns, proclamations of who leads and of who has ceased to, reads; some leaders
// resign, some go away. Two observers of each are told of all that.
#include <algorithm>
#include <boost/json/value.hpp>
#include <deque>
#include <thread>

#include "tests/histories/holds.h"
#include "tests/histories/leader_observer.h"
#include "tests/histories/leaders.h"
#include "tests/histories/workload.h"
#include "tests/integration/process.h"

namespace synod::histories {
namespace {

constexpr size_t kElections = 2;
constexpr size_t kObservers = 2;  // of each
constexpr integration::Milliseconds kToFinish(60'000);
constexpr int64_t kTtlMs = 3'000;
constexpr int64_t kNanosecondsPerMs = 1'000'000;
// Cluster time has milliseconds.
constexpr int64_t kRoundingMs = 2;

class Elections : public Workload {
 public:
  explicit Elections(Revisions* revisions) : Workload(revisions), elections_(kElections) {}
  ~Elections() override { Join(); }
  std::string name() const override { return "elections"; }
  void Begin(const std::vector<uint16_t>& ports) override;
  void Finish(Client& client) override;
  void Step(Client& client) override;
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  struct Election {
    std::vector<Hold> terms;
    std::vector<Proclamation> proclamations;
    std::vector<LeaderRead> reads;
    uint64_t last_token = 0;  // of whoever was elected last: it may lead no more
    std::deque<LeaderObserver> observers = {};
  };
  static std::string Target(size_t number) { return "/v1/elections/n/" + std::to_string(number); }
  void Campaign(Client& client, size_t number);
  void Proclaim(Client& client, size_t number, uint64_t token);
  void Read(Client& client, size_t number, size_t node);

  void Join();
  // The revision of a change of this election, the last of all, made when everything is mended.
  uint64_t LastWord(Client& client, size_t number);

  std::vector<Election> elections_;
  std::vector<std::thread> threads_;
  std::atomic<size_t> running_ = 0;
};

void Elections::Begin(const std::vector<uint16_t>& ports) {
  for (size_t i = 0; i < kElections; ++i)
    for (size_t j = 0; j < kObservers; ++j) {
      LeaderObserver& observer =
          elections_[i].observers.emplace_back(Target(i), ports, 100 * i + j + 1);
      ++running_;
      threads_.emplace_back([this, &observer] {
        observer.Run();
        --running_;
      });
    }
}

uint64_t Elections::LastWord(Client& client, size_t number) {
  Reply reply;
  integration::Eventually(kToFinish, [&] {
    reply = client.Change(
        {.method = "POST",
         .target = Target(number) + "/campaign",
         .body = R"({"ttl_ms":60000,"wait_ms":5000,"value":")" + client.UniqueText() + R"("})"},
        true);
    return reply.Is(200);
  });
  if (!reply.Is(200)) {
    Unexpected("the last campaign", reply);
    return 0;
  }
  const auto token = static_cast<uint64_t>(reply.answer.Number("token"));
  elections_[number].proclamations.push_back(
      {.token = token, .value = std::string(reply.answer.Json().at("value").as_string())});
  return reply.answer.Revision();
}

void Elections::Finish(Client& client) {
  for (size_t i = 0; i < kElections; ++i) {
    const uint64_t goal = LastWord(client, i);
    for (LeaderObserver& observer : elections_[i].observers) observer.Goal(goal);
  }
  integration::Eventually(kToFinish, [&] { return running_ == 0; });
  Join();
}

void Elections::Join() {
  for (Election& election : elections_)
    for (LeaderObserver& observer : election.observers) observer.Abandon();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Elections::Step(Client& client) {
  const size_t number = client.random().Below(kElections);
  const uint64_t draw = client.random().Below(100);
  if (draw < 35)
    return Campaign(client, number);
  if (draw < 75)
    return Read(client, number, client.AnyNode());
  uint64_t token = 0;
  {
    const std::lock_guard lock(mutex_);
    token = elections_[number].last_token;
  }
  if (token != 0)
    Proclaim(client, number, token);
}

void Elections::Proclaim(Client& client, size_t number, uint64_t token) {
  const std::string value = client.UniqueText();
  const Reply reply = client.Change(
      {.method = "POST",
       .target = Target(number) + "/proclaim",
       .body = R"({"token":)" + std::to_string(token) + R"(,"value":")" + value + R"("})"},
      client.random().Chance(40));
  counts_.Add(reply);
  if (reply.outcome == Reply::Outcome::kNotApplied || reply.Is(412))
    return;
  Proclamation proclamation{.token = token, .value = value, .open = !reply.answered()};
  if (reply.answered()) {
    if (!reply.Is(200))
      return Unexpected("a proclamation", reply);
    proclamation.revision = reply.answer.Revision();
    revisions_->Add({reply.called, reply.returned, proclamation.revision, true});
  }
  const std::lock_guard lock(mutex_);
  elections_[number].proclamations.push_back(std::move(proclamation));
}

void Elections::Campaign(Client& client, size_t number) {
  const std::string value = client.UniqueText();
  const Reply reply = client.Change(
      {.method = "POST",
       .target = Target(number) + "/campaign",
       .body = "{\"ttl_ms\":" + std::to_string(kTtlMs) + ",\"value\":\"" + value +
               "\",\"wait_ms\":" + std::to_string(client.random().Below(2) * 300) + "}"},
      client.random().Chance(40));
  counts_.Add(reply);
  if (!reply.answered() || reply.Is(423))
    return;
  if (!reply.Is(200))
    return Unexpected("a campaign", reply);
  Hold term{.called = reply.called, .returned = reply.returned};
  term.token = static_cast<uint64_t>(reply.answer.Number("token"));
  term.certain_until = reply.called + (kTtlMs - kRoundingMs) * kNanosecondsPerMs;
  {
    const std::lock_guard lock(mutex_);
    Election& election = elections_[number];
    election.proclamations.push_back({.token = term.token, .value = value});
    election.last_token = std::max(election.last_token, term.token);
  }
  for (uint64_t n = client.random().Below(4); n > 0; --n) Proclaim(client, number, term.token);
  if (client.random().Chance(85)) {
    term.certain_until = std::min(term.certain_until, Now());
    counts_.Add(client.Change({.method = "POST",
                               .target = Target(number) + "/resign",
                               .body = "{\"token\":" + std::to_string(term.token) + "}"},
                              true));
  }
  const std::lock_guard lock(mutex_);
  elections_[number].terms.push_back(term);
}

void Elections::Read(Client& client, size_t number, size_t node) {
  const Reply reply = client.Read(node, Target(number));
  counts_.Add(reply);
  if (!reply.answered())
    return;
  if (!reply.Is(200))
    return Unexpected("a read of a leader", reply);
  LeaderRead read{.revision = reply.answer.Revision()};
  const boost::json::value body = reply.answer.Json();
  if (const boost::json::value& leader = body.at("leader"); !leader.is_null()) {
    read.token = leader.at("token").to_number<uint64_t>();
    read.value = leader.at("value").as_string();
  }
  revisions_->Add({reply.called, reply.returned, read.revision, false});
  const std::lock_guard lock(mutex_);
  elections_[number].reads.push_back(std::move(read));
}

void Elections::ReadAll(Client& client, size_t node) {
  for (size_t i = 0; i < kElections; ++i) Read(client, i, node);
}

Judgement Elections::Judge() {
  Join();
  Judgement judgement;
  judgement.violations = unexpected_;
  for (size_t i = 0; i < elections_.size(); ++i) {
    const Election& election = elections_[i];
    ++judgement.histories;
    judgement.reads += election.reads.size();
    std::vector<FencedWrite> proclaimed;
    for (const Proclamation& p : election.proclamations)
      if (p.revision != 0)
        proclaimed.push_back({p.token, p.revision});
    judgement.changes += election.terms.size() + proclaimed.size();
    std::vector<std::string> wrong = JudgeHolds(election.terms, proclaimed);
    const std::vector<std::string> of_reads = JudgeLeaders(election.proclamations, election.reads);
    wrong.insert(wrong.end(), of_reads.begin(), of_reads.end());
    for (const LeaderObserver& observer : election.observers) {
      const std::vector<std::string> seen =
          JudgeObserved(observer.runs(), election.proclamations, election.reads);
      wrong.insert(wrong.end(), seen.begin(), seen.end());
      wrong.insert(wrong.end(), observer.nonsense().begin(), observer.nonsense().end());
      if (!observer.reached())
        wrong.push_back("an observer was not told of the last election");
      for (const ObservedRun& run : observer.runs()) judgement.reads += run.messages.size();
    }
    for (const std::string& line : wrong) judgement.violations.push_back(Target(i) + ": " + line);
  }
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeElections(Revisions* revisions) {
  return std::make_unique<Elections>(revisions);
}

}  // namespace synod::histories
