// Locks: acquired for a while, with fenced writes to the node they protect; some holders go away.
#include <algorithm>

#include "tests/histories/holds.h"
#include "tests/histories/workload.h"

namespace synod::histories {
namespace {

constexpr size_t kLocks = 2;
constexpr int64_t kTtlMs = 3'000;
constexpr int64_t kNanosecondsPerMs = 1'000'000;
// Cluster time has milliseconds.
constexpr int64_t kRoundingMs = 2;

class Locks : public Workload {
 public:
  explicit Locks(Revisions* revisions) : Workload(revisions), locks_(kLocks) {}
  std::string name() const override { return "locks"; }
  void Step(Client& client) override;
  // All of it is in the answers.
  void ReadAll(Client&, size_t) override {}
  Judgement Judge() override;

 private:
  struct Lock {
    std::vector<Hold> holds;
    std::vector<FencedWrite> writes;
  };
  static std::string Path(size_t number) { return "/h/" + std::to_string(number); }
  void Write(Client& client, size_t number, uint64_t token);

  std::vector<Lock> locks_;
};

void Locks::Write(Client& client, size_t number, uint64_t token) {
  const std::string text = std::to_string(token);
  const Reply reply = client.Change({.method = "PUT",
                                     .target = "/v1/kv" + Path(number),
                                     .body = text,
                                     .headers = {{"Synod-Fence", Path(number) + "=" + text}}},
                                    client.random().Chance(40));
  counts_.Add(reply);
  if (!reply.answered() || reply.answer.status == 412)
    return;
  if (reply.answer.status != 200 && reply.answer.status != 201)
    return Unexpected("a fenced write", reply);
  revisions_->Add({reply.called, reply.returned, reply.answer.Revision(), true});
  const std::lock_guard lock(mutex_);
  locks_[number].writes.push_back({token, reply.answer.Revision()});
}

void Locks::Step(Client& client) {
  const size_t number = client.random().Below(kLocks);
  const std::string target = "/v1/locks" + Path(number);
  const Reply reply = client.Change(
      {.method = "POST",
       .target = target + "/acquire",
       .body = "{\"ttl_ms\":" + std::to_string(kTtlMs) +
               ",\"wait_ms\":" + std::to_string(client.random().Below(2) * 300) + "}"},
      client.random().Chance(40));
  counts_.Add(reply);
  if (!reply.answered() || reply.answer.status == 423)
    return;
  if (reply.answer.status != 200)
    return Unexpected("an acquire", reply);
  Hold hold{.called = reply.called, .returned = reply.returned};
  hold.token = static_cast<uint64_t>(reply.answer.Number("token"));
  hold.certain_until = reply.called + (kTtlMs - kRoundingMs) * kNanosecondsPerMs;
  for (uint64_t n = client.random().Below(4); n > 0; --n) Write(client, number, hold.token);
  if (client.random().Chance(85)) {
    hold.certain_until = std::min(hold.certain_until, Now());
    counts_.Add(client.Change({.method = "POST",
                               .target = target + "/release",
                               .body = "{\"token\":" + std::to_string(hold.token) + "}"},
                              true));
  }
  const std::lock_guard lock(mutex_);
  locks_[number].holds.push_back(hold);
}

Judgement Locks::Judge() {
  Judgement judgement;
  judgement.violations = unexpected_;
  for (size_t i = 0; i < locks_.size(); ++i) {
    ++judgement.histories;
    judgement.changes += locks_[i].holds.size() + locks_[i].writes.size();
    for (const std::string& wrong : JudgeHolds(locks_[i].holds, locks_[i].writes))
      judgement.violations.push_back(Path(i) + ": " + wrong);
  }
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeLocks(Revisions* revisions) {
  return std::make_unique<Locks>(revisions);
}

}  // namespace synod::histories
