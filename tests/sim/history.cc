#include "tests/sim/history.h"

#include <algorithm>
#include <set>

namespace synod::sim {
namespace {

using Kind = RegisterOp::Kind;
using Condition = RegisterOp::Condition;
using Outcome = RegisterOp::Outcome;

// Some writers put the same bytes; those that matter begin with this and are unique.
constexpr char kUniqueMark = '#';
constexpr uint64_t kStepsMax = 300'000;

bool ConditionHolds(const RegisterOp& op, const store::NodeRef& node) {
  switch (op.condition) {
    case Condition::kNone:
      return true;
    case Condition::kModRevision:
      return node != nullptr && node->mod_revision.value == op.condition_number;
    case Condition::kExists:
      return node != nullptr;
    case Condition::kAbsent:
      return node == nullptr;
    case Condition::kVersion:
      return (node == nullptr ? 0 : node->version) == op.condition_number;
  }
  return false;
}

std::string Describe(const HistoryOp& op) {
  return op.path + " " + sim::Describe(op.op) + " at revision " + std::to_string(op.revision.value);
}

}  // namespace

void History::Told(Revision revision, Time now) {
  if (revision > floor())
    told_[now] = revision;
}

Revision History::FloorAt(Time time) const {
  const auto after = told_.upper_bound(time);
  return after == told_.begin() ? Revision() : std::prev(after)->second;
}

History::Versions History::Index(const std::vector<store::RevisionRef>& log) {
  Versions versions;
  Revision last;
  for (const store::RevisionRef& revision : log) {
    SIM_REQUIRE(revision->revision > last, "the log's revisions do not ascend");
    last = revision->revision;
    for (const store::Change& change : revision->changes) {
      std::vector<Version>& of_path = versions[change.path];
      const store::NodeRef before = of_path.empty() ? nullptr : of_path.back().node;
      const std::string where =
          change.path + " at revision " + std::to_string(revision->revision.value);
      SIM_REQUIRE(change.path == "/" || change.prev == nullptr || before != nullptr,
                  where + ": a previous node that is not in the log");
      if (change.type == store::Change::Type::kDelete) {
        SIM_REQUIRE(before != nullptr, where + ": a delete of an absent node");
        of_path.push_back({revision->revision, nullptr});
        continue;
      }
      SIM_REQUIRE(change.node != nullptr, where + ": a put without a node");
      // A transaction may write one path several times, in one change.
      const uint64_t base = before == nullptr ? 0 : before->version;
      SIM_REQUIRE(change.node->version > base || change.node->create_revision == revision->revision,
                  where + ": the version does not rise");
      of_path.push_back({revision->revision, change.node});
    }
  }
  return versions;
}

void History::CheckUnique(const std::vector<store::RevisionRef>& log) {
  std::set<std::string_view> seen;
  for (const store::RevisionRef& revision : log)
    for (const store::Change& change : revision->changes)
      if (change.node != nullptr && change.node->mod_revision == revision->revision &&
          !change.node->value.empty() && change.node->value.view().front() == kUniqueMark)
        SIM_REQUIRE(seen.insert(change.node->value.view()).second,
                    "the value " + std::string(change.node->value.view()) +
                        " is written twice, again at revision " +
                        std::to_string(revision->revision.value));
}

const History::Version* History::VersionAt(const Versions& versions,
                                           const std::string& path,
                                           Revision at) {
  const auto of_path = versions.find(path);
  if (of_path == versions.end())
    return nullptr;
  const auto after = std::upper_bound(of_path->second.begin(), of_path->second.end(), at,
                                      [](Revision r, const Version& v) { return r < v.revision; });
  return after == of_path->second.begin() ? nullptr : &*std::prev(after);
}

void History::CheckAgainstLog(const HistoryOp& op, const Versions& versions) {
  if (op.op.outcome == Outcome::kUnknown)
    return;
  const Version* version = VersionAt(versions, op.path, op.revision);
  const store::NodeRef node = version == nullptr ? nullptr : version->node;
  const bool changed_here = version != nullptr && version->revision == op.revision;
  if (op.op.kind != Kind::kGet && op.op.outcome == Outcome::kOk) {
    SIM_REQUIRE(changed_here, "acknowledged and not in the log: " + Describe(op));
    if (op.op.kind == Kind::kDelete) {
      SIM_REQUIRE(node == nullptr, "the log has another change there: " + Describe(op));
      return;
    }
    SIM_REQUIRE(node != nullptr && node->value.view() == op.op.value,
                "the log has another value there: " + Describe(op));
    SIM_REQUIRE(node->version == op.op.version && node->mod_revision.value == op.op.mod_revision,
                "the log has another version there: " + Describe(op));
    const Version* before = VersionAt(versions, op.path, op.revision - 1);
    SIM_REQUIRE(ConditionHolds(op.op, before == nullptr ? nullptr : before->node),
                "applied though its precondition did not hold: " + Describe(op));
    return;
  }
  if (op.op.kind == Kind::kGet && op.op.outcome == Outcome::kOk) {
    SIM_REQUIRE(node != nullptr && node->value.view() == op.op.value &&
                    node->mod_revision.value == op.op.mod_revision &&
                    node->version == op.op.version,
                "not what the log says at that revision: " + Describe(op));
    return;
  }
  if (op.op.outcome == Outcome::kNotFound)
    SIM_REQUIRE(node == nullptr, "not found, though it is there: " + Describe(op));
  else
    SIM_REQUIRE(!ConditionHolds(op.op, node), "refused without a reason: " + Describe(op));
}

History::Summary History::Check(const std::vector<store::RevisionRef>& log) const {
  const Versions versions = Index(log);
  CheckUnique(log);
  Summary summary;
  std::map<std::string, std::vector<RegisterOp>> by_path;
  for (const HistoryOp& op : ops_) {
    ++summary.operations;
    if (op.op.outcome == Outcome::kUnknown)
      ++summary.open;
    CheckAgainstLog(op, versions);
    if (op.linearizable)
      by_path[op.path].push_back(op.op);
  }
  for (const auto& [path, ops] : by_path) {
    const LinearizabilityResult result = CheckRegister(ops, {}, kStepsMax);
    summary.steps += result.steps;
    SIM_REQUIRE(result.verdict != Verdict::kViolation,
                path + " is not linearizable: " + result.detail);
    if (result.verdict == Verdict::kUndecided)
      ++summary.undecided;
  }
  return summary;
}

}  // namespace synod::sim
