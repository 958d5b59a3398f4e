#include "src/node/engine_digests.h"

#include <algorithm>
#include <utility>

#include "src/node/engine_core.h"

namespace synod::node {
namespace {

constexpr size_t kNotedMax = 64;
constexpr size_t kToldMax = 8;
constexpr int64_t kWaitForAllMs = 2'000;
// While something is wrong, and if an entry was lost; sooner while all changes are refused.
constexpr int64_t kLogAgainMs = 5'000;
constexpr int64_t kLogAgainSoonMs = 1'000;

bool HasMajority(const std::vector<std::pair<NodeId, Digest>>& reports, size_t majority) {
  return std::any_of(reports.begin(), reports.end(), [&](const auto& one) {
    const auto equal = std::count_if(reports.begin(), reports.end(),
                                     [&](const auto& other) { return other.second == one.second; });
    return static_cast<size_t>(equal) >= majority;
  });
}

}  // namespace

void DigestWatch::Note(Slot slot, const Digest& digest, bool asked, int64_t now_ms) {
  Noted& noted = noted_[slot];
  noted.digest = digest;
  noted.asked = asked;
  noted.at_ms = now_ms;
  if (noted_.size() > kNotedMax)
    noted_.erase(noted_.begin());
}

std::optional<Digest> DigestWatch::NotedAt(Slot slot) const {
  const auto it = noted_.find(slot);
  return it == noted_.end() ? std::nullopt : std::optional(it->second.digest);
}

std::vector<SlotDigest> DigestWatch::Unchecked(Slot checked) const {
  std::vector<SlotDigest> told;
  for (auto it = noted_.rbegin(); it != noted_.rend() && told.size() < kToldMax; ++it)
    if (it->first > checked)
      told.push_back({it->first, it->second.digest});
  return told;
}

void DigestWatch::Heard(NodeId from, const std::vector<SlotDigest>& digests) {
  // Of a slot that this node has not come to yet it hears again: reports repeat.
  for (const SlotDigest& told : digests)
    if (const auto it = noted_.find(told.slot); it != noted_.end())
      it->second.heard[from] = told.digest;
}

std::vector<std::pair<NodeId, Digest>> DigestWatch::ReportsOf(
    const Noted& noted, const std::vector<NodeId>& voters) const {
  std::vector<std::pair<NodeId, Digest>> reports;
  for (const NodeId voter : voters) {
    if (voter == self_)
      reports.emplace_back(voter, noted.digest);
    else if (const auto heard = noted.heard.find(voter); heard != noted.heard.end())
      reports.emplace_back(voter, heard->second);
  }
  return reports;
}

std::optional<machine::CheckDigests> DigestWatch::Next(const machine::DigestCheck& last,
                                                       const std::vector<NodeId>& voters,
                                                       int64_t since_ms,
                                                       int64_t now_ms) {
  const bool wrong = !last.agreed || !last.diverged.empty();
  const size_t majority = voters.size() / 2 + 1;
  const bool pause = now_ms - logged_ms_ < (last.agreed ? kLogAgainMs : kLogAgainSoonMs);
  if (wrong && pause)
    return std::nullopt;
  bool ask = wrong;
  bool asking = false;
  for (auto it = noted_.rbegin(); it != noted_.rend() && it->first > last.slot; ++it) {
    const Noted& noted = it->second;
    if ((!wrong && !noted.asked && !IsNoted(it->first)) || (it->first <= logged_ && pause))
      continue;
    auto reports = ReportsOf(noted, voters);
    const bool all = reports.size() == voters.size();
    // It is what this leader asked for.
    const bool fresh = noted.asked && asked_ms_ >= since_ms && noted.at_ms >= asked_ms_;
    // Who has begun to lead just now has not heard everybody yet.
    const int64_t waits_since = std::max(noted.at_ms, since_ms);
    if (!all && (reports.size() < majority || now_ms - waits_since < kWaitForAllMs)) {
      asking = asking || fresh;
      continue;
    }
    if (!all && !HasMajority(reports, majority)) {
      // Who has started since does not know that slot any more: everybody is asked before the
      // cluster is found not to agree. Once it was, wait for those who are missing.
      ask = ask || !fresh;
      if (!last.agreed || !fresh)
        continue;
    }
    logged_ = it->first;
    logged_ms_ = now_ms;
    return machine::CheckDigests{it->first, static_cast<uint32_t>(majority), std::move(reports)};
  }
  if (!ask || (!wrong && (asking || pause)))
    return std::nullopt;
  // Nothing to compare, as after a restart: have everybody compute it at the next entry.
  asked_ms_ = now_ms;
  logged_ms_ = now_ms;
  return machine::CheckDigests{};
}

// --- the engine's part ---

void Engine::Core::NoteDigest(const machine::Applied& applied) {
  const Slot slot = machine.applied();
  if (applied.checked_digests)
    JudgeOwnState();
  if (applied.checked_digests || digests.IsNoted(slot))
    digests.Note(slot, machine.digest(), applied.asked_digests, now_ms);
}

bool Engine::Core::FoundWrong() const {
  const machine::DigestCheck& check = machine.digest_check();
  const std::optional<Digest> own = digests.NotedAt(check.slot);
  return check.agreed && own.has_value() && *own != check.digest;
}

// The record tells of the voters that were heard; what this node computed itself tells of it, also
// when it was late or does not vote.
void Engine::Core::JudgeOwnState() {
  const machine::DigestCheck& check = machine.digest_check();
  const std::optional<Digest> own = digests.NotedAt(check.slot);
  // The others' majority, since this node did not tell its own.
  if (unproven && check.agreed && own == check.digest) {
    unproven = false;
    out.events.push_back({"state_confirmed", check.slot.value});
  }
  const bool wrong = unproven || check.diverged.contains(config.self.id) || FoundWrong();
  if (check.agreed != digests_agreed_) {
    digests_agreed_ = check.agreed;
    out.events.push_back(
        {check.agreed ? "digests_agree" : "digests_without_majority", check.slot.value});
  }
  // Whoever is not told of in this check keeps what is known of it.
  const bool told = check.diverged.contains(config.self.id) || (check.agreed && own.has_value());
  if (!told || wrong == diverged)
    return;
  diverged = wrong;
  replica.SetMayLead(!wrong);
  out.events.push_back({wrong ? "state_diverged" : "state_agrees", check.slot.value});
  if (!wrong)
    return;
  SendAway(Diverged());
}

void Engine::Core::TakeOverDigests() {
  digests = DigestWatch(config.self.id, config.digest_every);
  digests_agreed_ = machine.digest_check().agreed;
  diverged = unproven || machine.digest_check().diverged.contains(config.self.id);
  replica.SetMayLead(!diverged);
  ask_comparison_ = machine.applied() > Slot();
}

Error Engine::Core::Diverged() const {
  std::string why;
  if (replica.AwaitsState())
    why =
        "the state of this node was discarded (--discard-state): it serves nothing until it has "
        "one from a member whose state is that of the majority";
  else if (unproven && !FoundWrong())
    why =
        "the state that this node took in the place of its own is not confirmed yet: it serves "
        "nothing until a majority of the voters, without it, has the same";
  else
    why = "the state of this node is not that of the majority (checked at slot " +
          std::to_string(machine.digest_check().slot.value) +
          "): it serves nothing. Stop it and start it once with --discard-state: it then takes a "
          "fresh state from another member, and keeps its votes";
  return {Errc::kNotReady, Outcome::kNotApplied, std::move(why)};
}

// What was on a disk, this node's or another's, may have been spoiled there, or before. Asked once,
// and again while this node waits for the answer.
void Engine::Core::AskComparison() {
  const bool again = unproven && now_ms - comparison_asked_ms_ >= kLogAgainMs;
  if ((!ask_comparison_ && !again) || replica.AwaitsState() || !LeaderKnown() ||
      machine.leader_start() != replica.ballot())
    return;
  ask_comparison_ = false;
  comparison_asked_ms_ = now_ms;
  Submit(machine::CheckDigests{});
}

void Engine::Core::CompareDigests() {
  if (diverged)
    (void)HandOver();  // again if it fails: nobody may be there to take over
  std::optional<machine::CheckDigests> check =
      digests.Next(machine.digest_check(), replica.membership().voters, followed_ms_, now_ms);
  if (check)
    Submit(*std::move(check));
}

}  // namespace synod::node
