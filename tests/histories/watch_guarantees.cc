#include "tests/histories/watch_guarantees.h"

#include <algorithm>

#include "src/base/path.h"

namespace synod::histories {
namespace {

using Wrong = std::vector<std::string>;
using State = std::map<std::string, WatchedNode>;

std::string Text(uint64_t number) { return std::to_string(number); }

std::string Text(const std::optional<WatchedNode>& node) {
  if (!node)
    return "none";
  return "'" + node->value + "' (version " + Text(node->version) + ", created " +
         Text(node->create_revision) + ", changed " + Text(node->mod_revision) + ", lease " +
         Text(node->lease) + ")";
}

std::string Text(const WatchedEvent& event) {
  return event.path + " " + Text(event.node) + " prev " + Text(event.prev) + " by " + event.cause;
}

std::string Text(const std::vector<WatchedEvent>& events) {
  std::string text;
  for (const WatchedEvent& event : events) text += (text.empty() ? "" : ", ") + Text(event);
  return text;
}

bool Matches(const WatchSpec& spec, const WatchedEvent& event) {
  if (event.node ? !spec.puts : !spec.deletes)
    return false;
  switch (spec.scope) {
    case WatchSpec::Scope::kNode:
      return event.path == spec.path;
    case WatchSpec::Scope::kChildren:
      return event.path != spec.path && ParentOf(event.path) == spec.path;
    case WatchSpec::Scope::kSubtree:
      return IsWithin(event.path, spec.path);
  }
  return false;
}

// What a watch has to deliver of one revision.
std::vector<WatchedEvent> Expected(const WatchSpec& spec, const WatchedRevision& revision) {
  std::vector<WatchedEvent> expected;
  for (const WatchedEvent& event : revision.events) {
    if (!Matches(spec, event))
      continue;
    expected.push_back(event);
    if (!spec.prev)
      expected.back().prev.reset();
  }
  return expected;
}

uint64_t StartOf(const WatchSession& session) {
  return session.from != 0 ? session.from - 1 : session.created.value_or(0);
}

// One session of a watch against the history, message by message.
class SessionJudge {
 public:
  SessionJudge(WatchedHistory history,
               const WatchSpec& spec,
               const WatchSession& session,
               Wrong* wrong)
      : spec_(spec), session_(session), wrong_(wrong), position_(StartOf(session)) {
    next_ = std::upper_bound(
        history.begin(), history.end(), position_,
        [](uint64_t position, const WatchedRevision& r) { return position < r.revision; });
    end_ = history.end();
  }

  void Judge() {
    JudgeBeginning();
    for (const WatchMessage& message : session_.messages) {
      if (message.events.empty())
        JudgeProgress(message.revision);
      else
        JudgeChange(message);
      if (message.id && *message.id != message.revision)
        Complain("has the id " + Text(*message.id) + " at revision " + Text(message.revision));
    }
    JudgeEnd();
  }

 private:
  void Complain(const std::string& what) {
    wrong_->push_back("the stream from " + Text(session_.from) + " " + what);
  }

  void JudgeBeginning() {
    if (session_.created && *session_.created < session_.acknowledged)
      Complain("was created at " + Text(*session_.created) + ", and " +
               Text(session_.acknowledged) + " was acknowledged before");
    if (session_.created_id && *session_.created_id != position_)
      Complain("says that a resume after " + Text(*session_.created_id) + " loses nothing");
  }

  // All that matches up to `revision`, but not at it, should have come.
  void Missing(uint64_t revision, const std::string& where) {
    for (; next_ != end_ && next_->revision < revision; ++next_)
      if (!Expected(spec_, *next_).empty())
        Complain("misses revision " + Text(next_->revision) + where);
  }

  void JudgeProgress(uint64_t revision) {
    if (revision < position_)
      return Complain("has a progress mark " + Text(revision) + " after revision " +
                      Text(position_));
    Missing(revision + 1, " before its progress mark " + Text(revision));
    position_ = revision;
  }

  void JudgeChange(const WatchMessage& message) {
    const uint64_t revision = message.revision;
    if (revision <= position_)
      return Complain(delivered_.contains(revision)
                          ? "has revision " + Text(revision) + " twice"
                          : "has revision " + Text(revision) + " after " + Text(position_));
    Missing(revision, " before " + Text(revision));
    position_ = revision;
    delivered_.insert(revision);
    const bool known = next_ != end_ && next_->revision == revision;
    const std::vector<WatchedEvent> expected =
        known ? Expected(spec_, *next_++) : std::vector<WatchedEvent>();
    if (expected.empty())
      return Complain("has revision " + Text(revision) +
                      ", which changed nothing of it: " + Text(message.events));
    JudgeEvents(message, expected);
  }

  void JudgeEvents(const WatchMessage& message, const std::vector<WatchedEvent>& expected) {
    const auto same_path = [](const WatchedEvent& a, const WatchedEvent& b) {
      return a.path == b.path;
    };
    const bool whole = std::equal(message.events.begin(), message.events.end(), expected.begin(),
                                  expected.end(), same_path);
    if (!whole)
      return Complain("has revision " + Text(message.revision) + " torn: " + Text(message.events) +
                      " instead of " + Text(expected));
    for (size_t i = 0; i < expected.size(); ++i)
      if (message.events[i] != expected[i])
        Complain("has at revision " + Text(message.revision) + " " + Text(message.events[i]) +
                 " instead of " + Text(expected[i]));
  }

  void JudgeEnd() {
    if (session_.resume_from != 0) {
      if (session_.resume_from <= position_)
        Complain("is told to go on from " + Text(session_.resume_from) + " and has had " +
                 Text(position_));
      Missing(session_.resume_from, " and is told to go on from " + Text(session_.resume_from));
    }
    if (session_.compacted == 0)
      return;
    if (session_.compacted <= position_)
      Complain("has had " + Text(position_) + " and ended as compacted up to " +
               Text(session_.compacted));
    if (session_.compacted > session_.compaction_asked)
      Complain("ended as compacted up to " + Text(session_.compacted) + ", and only " +
               Text(session_.compaction_asked) + " was asked for");
  }

  const WatchSpec& spec_;
  const WatchSession& session_;
  Wrong* wrong_;
  uint64_t position_;  // all up to here has been judged
  WatchedHistory::iterator next_;
  WatchedHistory::iterator end_;
  std::set<uint64_t> delivered_;
};

// The state of the tree, revision by revision, and what does not fit it.
class Replay {
 public:
  explicit Replay(Wrong* wrong) : wrong_(wrong) {}

  void Apply(const WatchedRevision& revision) {
    const std::string* last = nullptr;
    for (const WatchedEvent& event : revision.events) {
      if (last != nullptr && ComparePaths(*last, event.path) >= 0)
        Complain(revision, event, "is not in path order");
      last = &event.path;
      JudgeEvent(revision, event);
      if (event.node)
        state_[event.path] = *event.node;
      else
        state_.erase(event.path);
    }
  }
  const State& state() const { return state_; }

 private:
  void Complain(const WatchedRevision& revision, const WatchedEvent& event, const char* what) {
    wrong_->push_back("revision " + Text(revision.revision) + ": " + Text(event) + " " + what);
  }

  void JudgeEvent(const WatchedRevision& revision, const WatchedEvent& event) {
    const auto it = state_.find(event.path);
    const std::optional<WatchedNode> before =
        it == state_.end() ? std::nullopt : std::optional(it->second);
    if (event.prev != before)
      wrong_->push_back("revision " + Text(revision.revision) + ": " + Text(event) +
                        " and it was " + Text(before));
    if (!event.node) {
      if (!before)
        Complain(revision, event, "deletes what is not there");
      return;
    }
    if (event.node->mod_revision != revision.revision)
      Complain(revision, event, "was changed at another revision");
    if (event.node->create_revision != (before ? before->create_revision : revision.revision))
      Complain(revision, event, "was created at another revision");
    if (event.node->version != (before ? before->version + 1 : 1))
      Complain(revision, event, "has another version than the next");
  }

  Wrong* wrong_;
  State state_;
};

void JudgeAcknowledged(WatchedHistory history,
                       const std::vector<AcknowledgedChange>& acknowledged,
                       Wrong* wrong) {
  for (const AcknowledgedChange& change : acknowledged) {
    const auto at = std::lower_bound(
        history.begin(), history.end(), change.revision,
        [](const WatchedRevision& r, uint64_t revision) { return r.revision < revision; });
    const bool there = at != history.end() && at->revision == change.revision &&
                       std::any_of(at->events.begin(), at->events.end(), [&](const auto& event) {
                         return event.path == change.path &&
                                event.node.has_value() == change.value.has_value() &&
                                (!event.node || event.node->value == *change.value);
                       });
    if (!there)
      wrong->push_back("the change of " + change.path + " that was acknowledged at revision " +
                       Text(change.revision) + " is missing");
  }
}

}  // namespace

uint64_t PositionOf(const WatchSession& session) {
  if (session.resume_from != 0)
    return session.resume_from - 1;
  return session.messages.empty() ? StartOf(session) : session.messages.back().revision;
}

Wrong JudgeWatch(WatchedHistory history, const WatchRecord& record) {
  Wrong wrong;
  uint64_t position = 0;
  for (const WatchSession& session : record.sessions) {
    if (!session.anew && session.from != position + 1)
      wrong.push_back("went on at " + Text(session.from) + " after " + Text(position));
    SessionJudge(history, record.spec, session, &wrong).Judge();
    position = PositionOf(session);
  }
  for (std::string& line : wrong) line.insert(0, record.name + ": ");
  return wrong;
}

Wrong JudgeHistory(WatchedHistory history, const WatchedWrites& writes) {
  Wrong wrong;
  Replay replay(&wrong);
  std::set<std::pair<std::string, std::string>> seen;
  for (const WatchedRevision& revision : history) {
    replay.Apply(revision);
    for (const WatchedEvent& event : revision.events) {
      if (!event.node || event.node->value.empty())  // empty: a parent made on the way
        continue;
      const std::string& value = event.node->value;
      if (!writes.values.contains(value))
        wrong.push_back("revision " + Text(revision.revision) + ": " + Text(event) +
                        " has a value that nobody wrote");
      if (!seen.emplace(event.path, value).second)
        wrong.push_back("revision " + Text(revision.revision) + ": " + Text(event) +
                        " was written before");
    }
  }
  JudgeAcknowledged(history, writes.acknowledged, &wrong);
  return wrong;
}

Wrong JudgeLists(WatchedHistory history, std::vector<WatchedList> lists) {
  std::sort(lists.begin(), lists.end(),
            [](const WatchedList& a, const WatchedList& b) { return a.revision < b.revision; });
  Wrong wrong;
  Wrong of_history;  // JudgeHistory() tells
  Replay replay(&of_history);
  auto next = history.begin();
  for (const WatchedList& list : lists) {
    for (; next != history.end() && next->revision <= list.revision; ++next) replay.Apply(*next);
    State expected;
    for (const auto& [path, node] : replay.state())
      if (path != list.path && IsWithin(path, list.path))
        expected.emplace(path, node);
    if (expected == list.nodes)
      continue;
    std::string text = "the list of " + list.path + " at revision " + Text(list.revision) + " has";
    for (const auto& [path, node] : list.nodes)
      if (const auto it = expected.find(path); it == expected.end() || it->second != node)
        text += " " + path + " " + Text(std::optional(node));
    text += " and not";
    for (const auto& [path, node] : expected)
      if (const auto it = list.nodes.find(path); it == list.nodes.end() || it->second != node)
        text += " " + path + " " + Text(std::optional(node));
    wrong.push_back(std::move(text));
  }
  return wrong;
}

}  // namespace synod::histories
