// Sets: elements are added under one node each, and the node's children read as a whole.
#include <boost/json/value.hpp>
#include <charconv>

#include "tests/histories/sets.h"
#include "tests/histories/tree.h"
#include "tests/histories/workload.h"

namespace synod::histories {
namespace {

constexpr uint64_t kElementsMax = 150;

struct Set {
  uint64_t next = 0;
  std::vector<SetAdd> adds;
  std::vector<SetRead> reads;
};

uint64_t ElementOf(std::string_view path) {
  uint64_t element = 0;
  path.remove_prefix(path.rfind('/') + 1);
  std::from_chars(path.data(), path.data() + path.size(), element);
  return element;
}

class Sets : public Workload {
 public:
  explicit Sets(Revisions* revisions) : Workload(revisions), sets_(1) {}
  std::string name() const override { return "sets"; }
  void Step(Client& client) override {
    if (client.random().Chance(70))
      Add(client);
    else
      Read(client, client.random().Chance(40));
  }
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  static std::string Target(size_t number) { return "/v1/kv/s/" + std::to_string(number); }
  void Add(Client& client);
  void Read(Client& client, bool sequential);

  std::vector<Set> sets_;  // the last one is in use
};

void Sets::Add(Client& client) {
  size_t number = 0;
  SetAdd add;
  {
    const std::lock_guard lock(mutex_);
    if (sets_.back().next == kElementsMax)
      sets_.emplace_back();
    number = sets_.size() - 1;
    add.element = ++sets_.back().next;
  }
  const Reply reply =
      client.Change({.method = "PUT", .target = Target(number) + "/" + std::to_string(add.element)},
                    client.random().Chance(40));
  counts_.Add(reply);
  if (reply.outcome == Reply::Outcome::kNotApplied)
    return;
  add.called = reply.called;
  if (reply.answered()) {
    if (reply.answer.status != 201)
      return Unexpected("adding an element", reply);
    add.returned = reply.returned;
    add.revision = reply.answer.Revision();
    revisions_->Add({reply.called, reply.returned, add.revision, true});
  }
  const std::lock_guard lock(mutex_);
  sets_[number].adds.push_back(add);
}

void Sets::Read(Client& client, bool sequential) {
  size_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = sets_.size() - 1;
  }
  SetRead read{.sequential = sequential};
  std::string target = Target(number) + "?list=children&keys_only=true&limit=1000";
  if (sequential) {
    read.min_revision = client.revision();
    target += "&consistency=sequential&min_revision=" + std::to_string(read.min_revision);
  }
  const Reply reply = client.Read(client.AnyNode(), target);
  counts_.Add(reply);
  if (!reply.answered())
    return;
  if (reply.answer.status != 200 && reply.answer.status != 404)
    return Unexpected("a list", reply);
  read.called = reply.called;
  read.returned = reply.returned;
  read.revision = reply.answer.Revision();
  if (reply.answer.status == 200) {
    const boost::json::value body = reply.answer.Json();
    for (const boost::json::value& node : body.at("nodes").as_array())
      read.elements.insert(ElementOf(node.at("path").as_string()));
  }
  if (!sequential)
    revisions_->Add({reply.called, reply.returned, read.revision, false});
  const std::lock_guard lock(mutex_);
  sets_[number].reads.push_back(std::move(read));
}

void Sets::ReadAll(Client& client, size_t node) {
  for (size_t i = 0; i < sets_.size(); ++i) {
    const Listing listing = ListChildren(client, node, Target(i));
    SetRead read{.called = listing.called, .returned = listing.returned};
    for (const auto& [path, unused] : listing.nodes) read.elements.insert(ElementOf(path));
    sets_[i].reads.push_back(std::move(read));
  }
}

Judgement Sets::Judge() {
  Judgement judgement;
  judgement.violations = unexpected_;
  for (size_t i = 0; i < sets_.size(); ++i) {
    ++judgement.histories;
    judgement.reads += sets_[i].reads.size();
    for (const SetAdd& add : sets_[i].adds)
      judgement.changes += add.returned != SetAdd::kNever ? 1 : 0;
    for (const std::string& wrong : JudgeSet(sets_[i].adds, sets_[i].reads))
      judgement.violations.push_back("/s/" + std::to_string(i) + ": " + wrong);
  }
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeSets(Revisions* revisions) {
  return std::make_unique<Sets>(revisions);
}

}  // namespace synod::histories
