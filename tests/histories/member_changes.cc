#include "tests/histories/member_changes.h"

namespace synod::histories {
namespace {

using integration::Milliseconds;
using integration::TryHttp;

const std::string kMembers = "/v1/cluster/members";
constexpr Milliseconds kPatience(2'000);

}  // namespace

MemberChanges::MemberChanges(integration::Cluster* cluster, int size)
    : cluster_(cluster), spare_(size + 1) {
  for (int id = 1; id <= size; ++id) {
    members_.insert(id);
    ids_[id] = id;
  }
}

void MemberChanges::Begin(int victim, int asked, bool dead) {
  victim_ = victim;
  dead_ = dead;
  joiner_ = spare_;
  cluster_->node(joiner_).Start(
      {"--name", "n" + std::to_string(joiner_), "--join", cluster_->node(asked).url()});
  members_.insert(joiner_);
  state_ = State::kEntering;
}

bool MemberChanges::HasEntered() {
  const auto status = cluster_->node(joiner_).Status();
  if (!status || !cluster_->node(joiner_).Ready())
    return false;
  ids_[joiner_] = status->at("node").at("id").to_number<int64_t>();
  return true;
}

bool MemberChanges::Ask(int asked,
                        const std::string& method,
                        const std::string& target,
                        const std::string& body) {
  const std::string key = "change-" + std::to_string(done_) + "-" +
                          std::to_string(static_cast<int>(state_)) + "-" + std::to_string(refused_);
  const auto answer =
      TryHttp(cluster_->port(asked), method, kMembers + target + "?timeout_ms=1500",
              {.body = body, .headers = {{"Idempotency-Key", key}}, .timeout = kPatience});
  if (answer && answer->status >= 400 && answer->status < 500)
    ++refused_;
  return answer && answer->status < 300;
}

// The victim is no member any more: its machine is the spare now.
void MemberChanges::Discard() {
  integration::Node& node = cluster_->node(victim_);
  node.Kill();
  node.Wipe();
  members_.erase(victim_);
  ids_.erase(victim_);
  spare_ = victim_;
  state_ = State::kIdle;
  ++done_;
}

void MemberChanges::Step(int asked, const std::set<int>& busy) {
  const auto id = [this](int node) { return std::to_string(ids_.at(node)); };
  switch (state_) {
    case State::kIdle:
      return;
    case State::kEntering:
      if (!HasEntered())
        return;
      if (!dead_) {
        state_ = State::kPromoting;
      } else if (!busy.contains(victim_)) {
        cluster_->node(victim_).Kill();
        members_.erase(victim_);
        state_ = State::kReplacing;
      }
      return;
    case State::kPromoting:
      if (Ask(asked, "POST", "/" + id(joiner_) + "/promote"))
        state_ = State::kRemoving;
      return;
    case State::kReplacing:
      if (Ask(asked, "POST", "/" + id(victim_) + "/replace", "{\"with\":" + id(joiner_) + "}"))
        Discard();
      return;
    case State::kRemoving:
      if (Ask(asked, "DELETE", "/" + id(victim_)))
        state_ = State::kLeaving;
      return;
    case State::kLeaving:
      if (!busy.contains(victim_))
        Discard();
      return;
  }
}

}  // namespace synod::histories
