// Appends: transactions that append to several lists and read several, each list a node whose
// children have sequential names.
#include <boost/json/value.hpp>
#include <charconv>

#include "tests/histories/appends.h"
#include "tests/histories/tree.h"
#include "tests/histories/workload.h"

namespace synod::histories {
namespace {

constexpr uint64_t kLists = 4;  // that belong together
constexpr size_t kTransactionsMax = 120;

uint64_t NumberIn(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class Appends : public Workload {
 public:
  explicit Appends(Revisions* revisions) : Workload(revisions), groups_(1) {}
  std::string name() const override { return "appends"; }
  void Step(Client& client) override;
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  struct Group {
    size_t begun = 0;
    std::vector<AppendTransaction> transactions;
  };
  static std::string Path(size_t group, uint64_t list) {
    return "/l/" + std::to_string(group) + "/" + std::to_string(list);
  }
  Reply Send(Client& client, const std::string& operations) {
    return client.Change(
        {.method = "POST", .target = "/v1/txn", .body = R"({"then":[)" + operations + "]}"},
        client.random().Chance(40));
  }
  void MakeLists(Client& client, size_t group);
  // What the transaction asks for, and what its answer says.
  static std::string Operations(size_t group, const AppendTransaction& transaction);
  static void TakeResults(const boost::json::value& answer, AppendTransaction* transaction);

  std::vector<Group> groups_;  // the last one is in use
  uint64_t elements_ = 0;
};

void Appends::MakeLists(Client& client, size_t group) {
  std::string operations;
  for (uint64_t list = 0; list < kLists; ++list)
    operations +=
        std::string(list == 0 ? "" : ",") + R"({"put":{"path":")" + Path(group, list) + R"("}})";
  Send(client, operations);
}

std::string Appends::Operations(size_t group, const AppendTransaction& transaction) {
  std::string operations;
  const auto add = [&](const std::string& operation) {
    operations += (operations.empty() ? "" : ",") + operation;
  };
  for (const ListAppend& append : transaction.appends)
    add(R"({"create":{"path":")" + Path(group, append.list) +
        R"(/e-","sequential":true,"value":")" + std::to_string(append.element) + R"("}})");
  for (const ListRead& read : transaction.reads)
    add(R"({"list":{"path":")" + Path(group, read.list) + R"(","limit":1000}})");
  return operations;
}

void Appends::TakeResults(const boost::json::value& answer, AppendTransaction* transaction) {
  size_t next = transaction->appends.size();
  for (ListRead& read : transaction->reads) {
    const boost::json::value& list = answer.at("results").at(next++).at("list");
    for (const boost::json::value& node : list.at("nodes").as_array())
      read.elements.push_back(NumberIn(node.at("value").as_string()));
  }
}

void Appends::Step(Client& client) {
  AppendTransaction transaction;
  size_t group = 0;
  {
    const std::lock_guard lock(mutex_);
    if (groups_.back().begun >= kTransactionsMax)
      groups_.emplace_back();
    ++groups_.back().begun;
    group = groups_.size() - 1;
    for (uint64_t n = client.random().Below(4); n > 0; --n)
      transaction.appends.push_back({client.random().Below(kLists), ++elements_});
  }
  for (uint64_t list = 0; list < kLists; ++list)
    if (client.random().Chance(40) || (list + 1 == kLists && transaction.reads.empty()))
      transaction.reads.push_back({list, {}});
  const Reply reply = Send(client, Operations(group, transaction));
  counts_.Add(reply);
  if (reply.outcome == Reply::Outcome::kNotApplied)
    return;
  transaction.called = reply.called;
  if (reply.Is(404))
    return MakeLists(client, group);
  if (reply.answered()) {
    if (reply.answer.status != 200)
      return Unexpected("a transaction", reply);
    transaction.returned = reply.returned;
    TakeResults(reply.answer.Json(), &transaction);
    revisions_->Add(
        {reply.called, reply.returned, reply.answer.Revision(), !transaction.appends.empty()});
  } else {
    transaction.reads.clear();
  }
  const std::lock_guard lock(mutex_);
  groups_[group].transactions.push_back(std::move(transaction));
}

void Appends::ReadAll(Client& client, size_t node) {
  for (size_t group = 0; group < groups_.size(); ++group) {
    for (uint64_t list = 0; list < kLists; ++list) {
      const Listing listing = ListChildren(client, node, "/v1/kv" + Path(group, list));
      AppendTransaction read{.called = listing.called, .returned = listing.returned};
      ListRead& all = read.reads.emplace_back(ListRead{list, {}});
      for (const auto& [path, child] : listing.nodes)
        all.elements.push_back(NumberIn(child.at("value").as_string()));
      groups_[group].transactions.push_back(std::move(read));
    }
  }
}

Judgement Appends::Judge() {
  Judgement judgement;
  judgement.violations = unexpected_;
  for (size_t i = 0; i < groups_.size(); ++i) {
    ++judgement.histories;
    for (const AppendTransaction& t : groups_[i].transactions) {
      judgement.reads += t.reads.size();
      judgement.changes += t.returned != AppendTransaction::kNever && !t.appends.empty() ? 1 : 0;
    }
    for (const std::string& wrong : JudgeAppends(groups_[i].transactions))
      judgement.violations.push_back("/l/" + std::to_string(i) + ": " + wrong);
  }
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeAppends(Revisions* revisions) {
  return std::make_unique<Appends>(revisions);
}

}  // namespace synod::histories
