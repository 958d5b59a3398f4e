// Registers: put, compare-and-swap, create, delete and reads of single nodes.
#include <boost/json/value.hpp>
#include <utility>

#include "tests/histories/reads_at_revision.h"
#include "tests/histories/tree.h"
#include "tests/histories/workload.h"

namespace synod::histories {
namespace {

using sim::RegisterOp;
using sim::RegisterState;
using Kind = RegisterOp::Kind;
using Condition = RegisterOp::Condition;
using Outcome = RegisterOp::Outcome;

constexpr size_t kLive = 5;
constexpr size_t kCallsMax = 250;
constexpr size_t kUnknownMax = 10;
constexpr const char* kFolder = "/v1/kv/r";

struct Register {
  std::vector<RegisterOp> ops;
  std::vector<ReadAtRevision> reads;
  RegisterState last;  // as some client saw it
  size_t calls = 0;
  size_t unknown = 0;
};

// What an answer that describes the node says of it.
RegisterState StateIn(const boost::json::value& node) {
  RegisterState state;
  state.present = true;
  state.version = node.at("version").to_number<uint64_t>();
  state.mod_revision = node.at("mod_revision").to_number<uint64_t>();
  if (const auto* value = node.as_object().if_contains("value"))
    state.value = std::string(value->as_string());
  return state;
}

class Registers : public Workload {
 public:
  explicit Registers(Revisions* revisions) : Workload(revisions), live_(kLive) {
    for (size_t i = 0; i < kLive; ++i) live_[i] = Begin();
  }
  std::string name() const override { return "registers"; }
  void Step(Client& client) override;
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  size_t Begin() {
    registers_.emplace_back();
    return registers_.size() - 1;
  }
  // One of the live registers, by its number; and what is known of it.
  size_t Choose(Client& client, RegisterState* last);
  void Get(Client& client, size_t number, bool sequential);
  void Change(Client& client, size_t number, RegisterOp op);
  void Record(size_t number, const Reply& reply, RegisterOp op, const RegisterState& seen);
  std::string Target(size_t number) const {
    return std::string(kFolder) + "/" + std::to_string(number);
  }

  std::vector<Register> registers_;
  std::vector<size_t> live_;
};

size_t Registers::Choose(Client& client, RegisterState* last) {
  const std::lock_guard lock(mutex_);
  size_t& number = live_[client.random().Below(kLive)];
  if (registers_[number].calls >= kCallsMax || registers_[number].unknown >= kUnknownMax)
    number = Begin();
  ++registers_[number].calls;
  *last = registers_[number].last;
  return number;
}

void Registers::Step(Client& client) {
  RegisterState last;
  const size_t number = Choose(client, &last);
  const uint64_t choice = client.random().Below(100);
  const auto put = [&](Condition condition, uint64_t condition_number = 0) {
    Change(client, number,
           {.kind = Kind::kPut,
            .condition = condition,
            .condition_number = condition_number,
            .value = client.UniqueText()});
  };
  if (choice < 35)
    Get(client, number, false);
  else if (choice < 50)
    Get(client, number, true);
  else if (choice < 65)
    put(Condition::kNone);
  else if (choice < 85 && last.mod_revision != 0)
    put(Condition::kModRevision, last.mod_revision);
  else if (choice < 89)
    put(Condition::kAbsent);
  else if (choice < 92)
    put(Condition::kExists);
  else if (choice < 96)
    put(Condition::kVersion, last.version);
  else if (choice < 98 && last.mod_revision != 0)
    Change(client, number,
           {.kind = Kind::kDelete,
            .condition = Condition::kModRevision,
            .condition_number = last.mod_revision});
  else
    Change(client, number, {.kind = Kind::kDelete});
}

void Registers::Record(size_t number,
                       const Reply& reply,
                       RegisterOp op,
                       const RegisterState& seen) {
  op.called = reply.called;
  op.returned = reply.returned;
  op.version = seen.version;
  op.mod_revision = seen.mod_revision;
  const bool changed = op.kind != Kind::kGet && op.outcome == Outcome::kOk;
  if (op.outcome != Outcome::kUnknown)
    revisions_->Add({reply.called, reply.returned, reply.answer.Revision(), changed});
  const std::lock_guard lock(mutex_);
  Register& r = registers_[number];
  r.ops.push_back(op);
  if (op.outcome == Outcome::kUnknown)
    ++r.unknown;
  else if (seen.mod_revision > r.last.mod_revision)
    r.last = seen;
}

void Registers::Get(Client& client, size_t number, bool sequential) {
  const uint64_t min_revision = client.random().Chance(80) ? client.revision() : 0;
  std::string target = Target(number);
  if (sequential)
    target += "?consistency=sequential&min_revision=" + std::to_string(min_revision);
  const Reply reply = client.Read(client.AnyNode(), target);
  counts_.Add(reply);
  if (!reply.answered())
    return;
  if (reply.answer.status != 200 && reply.answer.status != 404)
    return Unexpected("a read of a node", reply);
  const RegisterState seen =
      reply.answer.status == 200 ? StateIn(reply.answer.Json()) : RegisterState();
  if (!sequential)
    Record(number, reply,
           {.kind = Kind::kGet,
            .value = seen.value,
            .outcome = seen.present ? Outcome::kOk : Outcome::kNotFound},
           seen);
  const std::lock_guard lock(mutex_);
  registers_[number].reads.push_back(
      {sequential ? min_revision : 0, reply.answer.Revision(), seen});
}

void Registers::Change(Client& client, size_t number, RegisterOp op) {
  Request request{.method = op.kind == Kind::kPut ? "PUT" : "DELETE",
                  .target = Target(number),
                  .body = op.value};
  const std::string condition_number = std::to_string(op.condition_number);
  if (op.condition == Condition::kModRevision)
    request.headers = {{"If-Match", '"' + condition_number + '"'}};
  else if (op.condition == Condition::kExists)
    request.headers = {{"If-Match", "*"}};
  else if (op.condition == Condition::kAbsent)
    request.headers = {{"If-None-Match", "*"}};
  else if (op.condition == Condition::kVersion)
    request.target += "?if_version=" + condition_number;
  const Reply reply = client.Change(request, client.random().Chance(40));
  counts_.Add(reply);
  if (reply.outcome == Reply::Outcome::kNotApplied)
    return;
  op.outcome = Outcome::kUnknown;
  if (!reply.answered())
    return Record(number, reply, op, {});
  const int status = reply.answer.status;
  RegisterState seen;
  if (status == 412) {
    op.outcome = Outcome::kRefused;
    const boost::json::value problem = reply.answer.Json();
    if (const auto* current = problem.as_object().if_contains("current"))
      seen = StateIn(*current);
  } else if (status == 404 && op.kind == Kind::kDelete) {
    op.outcome = Outcome::kNotFound;
  } else if (status == 200 || (status == 201 && op.kind == Kind::kPut)) {
    op.outcome = Outcome::kOk;
    if (op.kind == Kind::kPut)
      seen = StateIn(reply.answer.Json());
    else
      seen.mod_revision = reply.answer.Revision();
  } else {
    return Unexpected("a change of a node", reply);
  }
  Record(number, reply, op, seen);
}

void Registers::ReadAll(Client& client, size_t node) {
  const Listing listing = ListChildren(client, node, kFolder);
  for (size_t i = 0; i < registers_.size(); ++i) {
    RegisterOp op{.kind = Kind::kGet, .called = listing.called, .returned = listing.returned};
    op.outcome = Outcome::kNotFound;
    const auto it = listing.nodes.find("/r/" + std::to_string(i));
    if (it != listing.nodes.end()) {
      const RegisterState seen = StateIn(it->second);
      op.value = seen.value;
      op.version = seen.version;
      op.mod_revision = seen.mod_revision;
      op.outcome = Outcome::kOk;
    }
    registers_[i].ops.push_back(op);
  }
}

Judgement Registers::Judge() {
  Judgement judgement;
  judgement.violations = unexpected_;
  for (size_t i = 0; i < registers_.size(); ++i) {
    const Register& r = registers_[i];
    const std::string name = "/r/" + std::to_string(i);
    ++judgement.histories;
    const sim::LinearizabilityResult result = sim::CheckRegister(r.ops);
    judgement.undecided += result.verdict == sim::Verdict::kUndecided ? 1 : 0;
    if (result.verdict == sim::Verdict::kViolation)
      judgement.violations.push_back(name + " is not linearizable: " + result.detail);
    for (const std::string& wrong : JudgeReadsAtRevision(r.ops, r.reads))
      judgement.violations.push_back(name + ": " + wrong);
    for (const RegisterOp& op : r.ops)
      ++(op.kind == Kind::kGet ? judgement.reads : judgement.changes);
    judgement.reads += r.reads.size();
  }
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeRegisters(Revisions* revisions) {
  return std::make_unique<Registers>(revisions);
}

}  // namespace synod::histories
