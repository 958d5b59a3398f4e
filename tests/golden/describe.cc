#include "tests/golden/describe.h"

#include <variant>

namespace synod::golden {
namespace {

using namespace consensus;  // NOLINT(google-build-using-namespace): every line here is about it

std::string Number(const char* name, uint64_t value) {
  return value == 0 ? "" : std::string(" ") + name + "=" + std::to_string(value);
}

std::string Flag(const char* name, bool value) {
  return value ? std::string(" ") + name : std::string();
}

template <typename Items, typename Each>
std::string List(const Items& items, Each each) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? " [" : ", ") + each(item);
  return text.empty() ? text : text + "]";
}

std::string At(Slot slot, const Entry& entry) {
  return std::to_string(slot.value) + ":" + Describe(entry);
}

std::string DescribeVote(const AcceptedEntry& e) {
  return At(e.slot, e.entry) + (e.chosen ? " chosen" : " in " + Describe(e.ballot));
}

std::string Text(const PreVote& m) {
  return Describe(m.ballot) + Number("learned", m.learned.value);
}
std::string Text(const PreVoteReply& m) {
  return Describe(m.ballot) + (m.granted ? " yes" : " no") + " promised=" + Describe(m.promised) +
         Number("learned", m.learned.value) + Number("leader", m.leader.value);
}
std::string Text(const Prepare& m) {
  return Describe(m.ballot) + Number("from", m.from.value) + Flag("transfer", m.transfer);
}
std::string Text(const Promise& m) {
  return Describe(m.ballot) + Number("learned", m.learned.value) + Number("from", m.from.value) +
         Number("until", m.until.value) + Number("commit", m.commit_hint.value) +
         List(m.entries, DescribeVote);
}
std::string Text(const Accept& m) {
  return Describe(m.ballot) + Number("commit", m.commit.value) + Number("round", m.read_seq) +
         List(m.entries, [](const Proposal& p) { return At(p.slot, p.entry); });
}
std::string Text(const Accepted& m) {
  return Describe(m.ballot) + Number("round", m.read_seq) + Number("learned", m.learned.value) +
         List(m.ranges, [](const SlotRange& r) {
           const std::string first = std::to_string(r.first.value);
           return r.first == r.last ? first : first + "-" + std::to_string(r.last.value);
         });
}
std::string Text(const Nack& m) {
  static constexpr const char* kReasons[] = {"stale", "sticky", "config_stale", "too_far_ahead"};
  return Describe(m.ballot) + " " + kReasons[static_cast<size_t>(m.reason)] +
         " promised=" + Describe(m.promised);
}
std::string Text(const LearnReq& m) { return "from=" + std::to_string(m.from.value); }
std::string Text(const LearnResp& m) {
  return "from=" + std::to_string(m.from.value) + Number("commit", m.commit.value) +
         List(m.entries, [](const Chosen& c) { return At(c.slot, c.entry); });
}
std::string Text(const ReadIndexReq& m) { return "id=" + std::to_string(m.id); }
std::string Text(const ReadIndexResp& m) {
  return "id=" + std::to_string(m.id) +
         (m.granted ? " index=" + std::to_string(m.index.value) : " refused");
}
std::string Text(const TimeoutNow& m) {
  return Describe(m.ballot) + Number("commit", m.commit.value);
}

}  // namespace

std::string Describe(const Ballot& ballot) {
  return std::to_string(ballot.round) + "." + std::to_string(ballot.node.value);
}

std::string Describe(const Entry& entry) {
  switch (entry.kind) {
    case EntryKind::kNoop:
      return "noop";
    case EntryKind::kLeaderStart:
      return "start(" + Describe(entry.origin) + ")";
    case EntryKind::kCommand:
      return *entry.payload + "(" + Describe(entry.origin) + ")";
    case EntryKind::kConfig:
      return "config(" + Describe(entry.origin) + ")";
  }
  return "?";
}

std::string Describe(const Message& message) {
  return std::string(Name(message)) + " " +
         std::visit([](const auto& m) { return Text(m); }, message);
}

std::string Describe(const PersistRequest& request) {
  return std::to_string(request.id.value) + " promised=" + Describe(request.hard_state.promised) +
         Number("learned", request.hard_state.learned.value) + List(request.entries, DescribeVote);
}

}  // namespace synod::golden
