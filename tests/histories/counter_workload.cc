// Counters: a node's version counts its writes, so a write that is repeated under its key and
// applied twice is seen.
#include <boost/json/value.hpp>

#include "tests/histories/counters.h"
#include "tests/histories/tree.h"
#include "tests/histories/workload.h"

namespace synod::histories {
namespace {

constexpr size_t kCallsMax = 400;

class Counters : public Workload {
 public:
  explicit Counters(Revisions* revisions) : Workload(revisions), counters_(1) {}
  std::string name() const override { return "counters"; }
  void Step(Client& client) override;
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  struct Counter {
    size_t calls = 0;
    std::vector<CounterOp> ops;
  };
  static uint64_t VersionIn(const boost::json::value& node) {
    return node.at("version").to_number<uint64_t>();
  }

  std::vector<Counter> counters_;  // the last one is in use
};

void Counters::Step(Client& client) {
  size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (counters_.back().calls >= kCallsMax)
      counters_.emplace_back();
    ++counters_.back().calls;
    number = counters_.size() - 1;
  }
  const std::string target = "/v1/kv/c/" + std::to_string(number);
  CounterOp op{.increment = client.random().Chance(70)};
  const Reply reply =
      op.increment ? client.Change({.method = "PUT", .target = target, .body = client.UniqueText()},
                                   client.random().Chance(80))
                   : client.Read(client.AnyNode(), target);
  counts_.Add(reply);
  if (!reply.answered() && (!op.increment || reply.outcome == Reply::Outcome::kNotApplied))
    return;
  op.called = reply.called;
  if (reply.answered()) {
    const int status = reply.answer.status;
    if (status != 200 && status != (op.increment ? 201 : 404))
      return Unexpected("a counter's call", reply);
    op.returned = reply.returned;
    op.value = status == 404 ? 0 : VersionIn(reply.answer.Json());
    revisions_->Add({reply.called, reply.returned, reply.answer.Revision(), op.increment});
  }
  const std::lock_guard lock(mutex_);
  counters_[number].ops.push_back(op);
}

void Counters::ReadAll(Client& client, size_t node) {
  const Listing listing = ListChildren(client, node, "/v1/kv/c");
  for (size_t i = 0; i < counters_.size(); ++i) {
    const auto it = listing.nodes.find("/c/" + std::to_string(i));
    counters_[i].ops.push_back({.called = listing.called,
                                .returned = listing.returned,
                                .value = it == listing.nodes.end() ? 0 : VersionIn(it->second)});
  }
}

Judgement Counters::Judge() {
  Judgement judgement;
  judgement.violations = unexpected_;
  for (size_t i = 0; i < counters_.size(); ++i) {
    ++judgement.histories;
    for (const CounterOp& op : counters_[i].ops) {
      judgement.reads += op.increment ? 0 : 1;
      judgement.changes += op.increment && op.returned != CounterOp::kNever ? 1 : 0;
    }
    for (const std::string& wrong : JudgeCounter(counters_[i].ops))
      judgement.violations.push_back("/c/" + std::to_string(i) + ": " + wrong);
  }
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeCounters(Revisions* revisions) {
  return std::make_unique<Counters>(revisions);
}

}  // namespace synod::histories
