// Quotas of subtrees: their changes, what they forbid and whom they warn, and their records.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

Error Damaged(const char* what) { return {Errc::kInternal, Outcome::kNotApplied, what}; }

Bytes KeyOf(std::string_view path) { return session::RecordKey(RecordTag::kQuota, path); }

Bytes Encoded(const auth::Quota& quota) {
  Bytes out;
  Writer writer(&out);
  auth::Write(writer, quota);
  return out;
}

// One of the two things that are limited.
struct Kind {
  std::string_view name;
  uint64_t store::Usage::*used;
  uint64_t auth::Quota::*soft;
  uint64_t auth::Quota::*hard;

  bool Warns(const auth::Quota& quota, const store::Usage& usage) const {
    return quota.*soft != 0 && usage.*used > quota.*soft;
  }
};
constexpr Kind kKinds[] = {
    {"nodes", &store::Usage::nodes, &auth::Quota::nodes_soft, &auth::Quota::nodes_hard},
    {"bytes", &store::Usage::bytes, &auth::Quota::bytes_soft, &auth::Quota::bytes_hard}};

std::string Exceeded(std::string_view path, const Kind& kind, uint64_t hard, uint64_t used) {
  const std::string name(kind.name);
  return "the quota of " + std::string(path) + " is " + std::to_string(hard) + " " + name + ": " +
         std::to_string(used) + " are used, and this needs more";
}

}  // namespace

// --- changes ---

AnswerBody Machine::Core::Run(Call* call, ChangeQuotas* op) {
  const Result<auth::Settings> changed = auth::Changed(settings, op->settings);
  if (!changed)
    return Refuse(changed.error());
  QuotasAnswer answer{auth::AllOf(*changed), {}};
  std::vector<QuotaView> others;
  if (std::optional<Refusal> refused = PlanQuotas(op->quotas, &answer.quotas, &others))
    return std::move(*refused);
  if (*changed == settings && others.empty())
    return answer;
  if (std::optional<Refusal> refused = CheckSettings(*changed))
    return std::move(*refused);
  if (call->keyed() &&
      Encode(machine::Answer{revision + 1, time, false, answer}).size() > kRecordedAnswerMax)
    return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
  for (const QuotaView& view : others) SaveQuota(view);
  return CommitSettings(call, *changed, std::move(answer));
}

std::optional<Refusal> Machine::Core::PlanQuotas(const std::vector<auth::QuotaChange>& changes,
                                                 std::vector<QuotaView>* named,
                                                 std::vector<QuotaView>* changed) const {
  size_t count = quotas.size();
  for (const auth::QuotaChange& change : changes) {
    const auth::Quota before = QuotaOf(change.path);
    const auth::Quota after = auth::Changed(before, change);
    if (Status valid = auth::Validate(change.path, after); !valid)
      return Refuse(valid.error());
    count += before.none() ? 1 : 0;
    count -= after.none() ? 1 : 0;
  }
  if (count > auth::kQuotasMax)
    return TooLarge(auth::kQuotasMax, "there are too many quotas");
  for (const auth::QuotaChange& change : changes) {
    const auth::Quota before = QuotaOf(change.path);
    const auth::Quota after = auth::Changed(before, change);
    if (before.none() && after.none())
      continue;  // nothing of it is worth a walk over the subtree
    const QuotaView view{change.path, after, tree.UsageOf(change.path)};
    if (!after.none())
      named->push_back(view);
    if (after != before)
      changed->push_back(view);
  }
  return std::nullopt;
}

auth::Quota Machine::Core::QuotaOf(std::string_view path) const {
  const auto it = quotas.find(path);
  return it == quotas.end() ? auth::Quota() : it->second.quota;
}

void Machine::Core::SaveQuota(const QuotaView& view) {
  KeptQuota& kept = quotas[view.path];
  const bool is_new = kept.quota.none();
  NoteCrossings(view.path, kept.quota, view.usage, view.quota, view.usage);
  if (view.quota.none()) {
    quota_tally_.Remove(KeyOf(view.path), kept.hash);
    tree.StopCounting(view.path);
    quotas.erase(view.path);
    return;
  }
  kept.quota = view.quota;
  quota_tally_.Set(KeyOf(view.path), Encoded(view.quota), &kept.hash);
  if (is_new)
    tree.StartCounting(view.path, view.usage);
}

// --- judging ---

// What grows neither nodes nor bytes passes, however far above its quota a subtree is. Of several
// the innermost is named: it is the one that its user is most likely to know.
std::optional<Refusal> Machine::Core::CheckQuotas(const Call& call, const Move& move) const {
  if (quotas.empty())
    return std::nullopt;
  const std::vector<store::UsageChange> changes = move.edit.UsageChanges();
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    const auth::Quota quota = QuotaOf(change->root);
    for (const Kind& kind : kKinds) {
      const uint64_t hard = quota.*kind.hard;
      const uint64_t before = change->before.*kind.used;
      const uint64_t after = change->after.*kind.used;
      if (hard == 0 || after <= hard || after <= before)
        continue;
      // Who may not look there learns neither the place nor the numbers.
      if (!Allows(call, auth::NeedOf(auth::Verb::kRead, std::string(change->root))))
        return Refuse(Errc::kQuotaExceeded, "the quota of a subtree above does not allow it");
      return Refuse(Errc::kQuotaExceeded, Exceeded(change->root, kind, hard, before));
    }
  }
  return std::nullopt;
}

void Machine::Core::NoteCrossings(std::string_view path,
                                  const auth::Quota& quota_before,
                                  const store::Usage& before,
                                  const auth::Quota& quota_after,
                                  const store::Usage& after) {
  for (const Kind& kind : kKinds) {
    const bool over = kind.Warns(quota_after, after);
    if (over != kind.Warns(quota_before, before))
      out_->crossings.push_back(
          {std::string(path), kind.name, over, quota_after.*kind.soft, after.*kind.used});
  }
}

void Machine::Core::NoteUsage(const Move& move) {
  if (quotas.empty())
    return;
  for (const store::UsageChange& change : move.edit.UsageChanges()) {
    const auth::Quota quota = QuotaOf(change.root);
    NoteCrossings(change.root, quota, change.before, quota, change.after);
  }
}

// --- reads ---

std::vector<QuotaView> Machine::Core::QuotaViews() const {
  std::vector<QuotaView> views;
  for (const auto& [path, kept] : quotas) views.push_back({path, kept.quota, tree.UsageOf(path)});
  return views;
}

// An administrator is shown all, another one those of what he may read.
void Machine::Core::HideQuotas(std::string_view user, std::vector<QuotaView>* views) const {
  if (directory.Allows(user, {auth::Verb::kAdmin, "/"}))
    return;
  std::erase_if(*views, [&](const QuotaView& view) {
    return !directory.Allows(user, {auth::Verb::kRead, view.path});
  });
}

void Machine::Core::CountQuotas(Counts* counts) const {
  counts->quotas = quotas.size();
  for (const auto& item : quotas) {
    const store::Usage usage = tree.UsageOf(item.first);
    const auth::Quota& quota = item.second.quota;
    counts->quotas_warning +=
        std::ranges::any_of(kKinds, [&](const Kind& kind) { return kind.Warns(quota, usage); });
    counts->quotas_full += std::ranges::any_of(kKinds, [&](const Kind& kind) {
      const uint64_t hard = quota.*kind.hard;
      return hard != 0 && usage.*kind.used >= hard;
    });
  }
}

// --- records ---

Status Machine::Core::LoadQuota(std::string_view key, std::string_view value) {
  const std::string_view path = key.substr(1);
  Reader reader(value);
  auth::Quota quota;
  auth::Read(reader, &quota);
  if (!reader.Complete() || quota.none() || auth::ValidateQuotaPath(path).has_error() ||
      auth::Validate(path, quota).has_error())
    return Damaged("quota record: malformed");
  const auto [it, added] = quotas.try_emplace(std::string(path));
  if (!added)
    return Damaged("quota record: twice");
  it->second.quota = quota;
  quota_tally_.Loaded(key, value, &it->second.hash);
  return Done();
}

// Once all nodes are there.
void Machine::Core::CountLoadedQuotas() {
  for (const auto& [path, kept] : quotas) tree.StartCounting(path, tree.UsageOf(path));
}

void Machine::Core::ForEachQuotaRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  for (const auto& [path, kept] : quotas) each(KeyOf(path), Encoded(kept.quota));
}

}  // namespace synod::machine
