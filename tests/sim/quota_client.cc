#include "tests/sim/quota_client.h"

#include <utility>

namespace synod::sim {
namespace {

constexpr const char* kOwn = "/q";

store::Usage Walk(const store::Tree& tree, const std::string& root) {
  store::Usage usage;
  const auto count = [&](const std::string& path, const store::NodeState& node) {
    ++usage.nodes;
    usage.bytes += path.size() + node.value.size();
  };
  const store::NodeRef node = tree.Find(root);
  if (node == nullptr)
    return usage;
  count(root, *node);
  std::string after;
  for (bool more = true; more;) {
    const auto page = tree.List(root, store::ListScope::kSubtree, 1'000, after, Revision());
    for (const store::NodeView& view : page->nodes) count(view.path, *view.node);
    more = page->more;
    after = more ? page->nodes.back().path : "";
  }
  return usage;
}

}  // namespace

void QuotaJudge::OnSlot(Slot slot) {
  std::map<std::string, Known> now;
  const machine::Machine& machine = world_->observer.machine();
  const auto grew = [](uint64_t hard, uint64_t before, uint64_t after) {
    return hard != 0 && after > hard && after > before;
  };
  for (const machine::QuotaView& view : machine.quotas()) {
    const std::string where = view.path + " at slot " + std::to_string(slot.value);
    SIM_REQUIRE(view.usage == Walk(machine.tree(), view.path), where + " is counted wrong");
    const auto before = known_.find(view.path);
    if (before != known_.end() && before->second.quota == view.quota) {
      const store::Usage& was = before->second.usage;
      SIM_REQUIRE(!grew(view.quota.nodes_hard, was.nodes, view.usage.nodes),
                  where + " has more nodes than it may");
      SIM_REQUIRE(!grew(view.quota.bytes_hard, was.bytes, view.usage.bytes),
                  where + " has more bytes than it may");
    }
    now[view.path] = {view.quota, view.usage};
  }
  known_ = std::move(now);
}

machine::Operation QuotaClient::DrawQuota() {
  const std::string paths[] = {kOwn, "/r", "/r/0"};
  auth::QuotaChange change{paths[random_.Below(3)], {}};
  if (random_.Chance(70)) {
    change.limits[1] = random_.Chance(70) ? random_.Between(2, 6) : 0;
    change.limits[2] = random_.Below(60);
    change.limits[3] = random_.Chance(50) ? random_.Between(60, 300) : 0;
  }
  return machine::ChangeQuotas{{std::move(change)}};
}

void QuotaClient::Next() {
  machine::Operation operation =
      machine::CreateSequential{std::string(kOwn) + "/n-", UniqueValue("quota"), LeaseId()};
  const uint64_t dice = random_.Below(100);
  if (dice < 25)
    operation = DrawQuota();
  else if (dice < 35)
    operation = machine::Delete{kOwn, true, {}, false, false};
  Change(std::move(operation), 1'500, random_.Chance(50), [this](const ChangeOutcome& outcome) {
    Pause();
    if (outcome.kind != ChangeOutcome::Kind::kAnswer)
      return;
    const auto* refusal = std::get_if<machine::Refusal>(&outcome.answer.body);
    const Errc code = refusal == nullptr ? Errc::kOk : refusal->error.code;
    if (code == Errc::kQuotaExceeded)
      ++shared_.stats->over_quota;
    SIM_REQUIRE(code == Errc::kOk || code == Errc::kQuotaExceeded || code == Errc::kNotFound ||
                    code == Errc::kRequestExpired || code == Errc::kOverloaded,
                "an unexpected refusal where quotas are: " + std::string(Name(code)));
  });
}

}  // namespace synod::sim
