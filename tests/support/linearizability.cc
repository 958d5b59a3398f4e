#include "tests/support/linearizability.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "src/base/check.h"
#include "src/base/hash.h"

namespace synod::sim {
namespace {

using Kind = RegisterOp::Kind;
using Condition = RegisterOp::Condition;
using Outcome = RegisterOp::Outcome;

// The value of an open put that no get returned.
constexpr const char* kNeverRead = "(never read)";

enum class Holds : uint8_t { kNo, kYes, kMaybe };

// kMaybe only where the model does not know the node's mod_revision.
Holds Judge(const RegisterState& state, const RegisterOp& op) {
  const auto as_holds = [](bool b) { return b ? Holds::kYes : Holds::kNo; };
  switch (op.condition) {
    case Condition::kNone:
      return Holds::kYes;
    case Condition::kExists:
      return as_holds(state.present);
    case Condition::kAbsent:
      return as_holds(!state.present);
    case Condition::kVersion:
      return as_holds((state.present ? state.version : 0) == op.condition_number);
    case Condition::kModRevision:
      if (state.present && state.mod_revision == 0)
        return Holds::kMaybe;
      return as_holds(state.present && state.mod_revision == op.condition_number);
  }
  return Holds::kNo;
}

// What the answer says of an unchanged node must fit; a mod_revision that was open is settled by
// it.
bool Observe(RegisterState* state, const RegisterOp& op) {
  if (op.version != 0 && (!state->present || state->version != op.version))
    return false;
  if (op.mod_revision != 0) {
    if (!state->present)
      return false;
    if (state->mod_revision != 0 && state->mod_revision != op.mod_revision)
      return false;
    state->mod_revision = op.mod_revision;
  }
  return true;
}

std::optional<RegisterState> StepGet(RegisterState state, const RegisterOp& op) {
  if (op.outcome == Outcome::kNotFound)
    return state.present ? std::nullopt : std::optional(state);
  if (!state.present || state.value != op.value || !Observe(&state, op))
    return std::nullopt;
  return state;
}

std::optional<RegisterState> StepRefused(RegisterState state, const RegisterOp& op, Holds holds) {
  if (holds == Holds::kYes || !Observe(&state, op))
    return std::nullopt;
  // Not the revision that was asked for, then.
  if (op.condition == Condition::kModRevision && state.mod_revision == op.condition_number &&
      state.present)
    return std::nullopt;
  return state;
}

std::optional<RegisterState> StepApplied(const RegisterState& state,
                                         const RegisterOp& op,
                                         Holds holds) {
  if (holds == Holds::kNo)
    return std::nullopt;
  RegisterState next;
  if (op.kind == Kind::kDelete)
    return state.present ? std::optional(next) : std::nullopt;
  next.present = true;
  next.value = op.value;
  next.version = state.present ? state.version + 1 : 1;
  if (op.outcome == Outcome::kUnknown)
    return next;
  if (op.version != 0 && op.version != next.version)
    return std::nullopt;
  next.mod_revision = op.mod_revision;
  return next;
}

// The calls and returns of a history in time order, as a list from which operations can be lifted
// and put back in O(1).
struct Event {
  size_t op = 0;
  bool is_call = false;
  size_t prev = 0, next = 0, match = 0;
};

class Search {
 public:
  Search(std::span<const RegisterOp> history, const RegisterState& initial, uint64_t steps_max)
      : history_(history.begin(), history.end()),
        state_(initial),
        steps_max_(steps_max),
        done_((history.size() + 7) / 8, 0) {
    GroupOpen();
    BuildEvents();
  }

  LinearizabilityResult Run();

 private:
  struct Frame {
    size_t call;
    RegisterState before;
  };
  void GroupOpen();
  void BuildEvents();
  void Lift(size_t call);
  void PutBack(size_t call);
  bool FirstTime(const RegisterState& state);
  bool Undo(size_t* at);
  std::string Explain() const;
  bool IsOpen(size_t op) const { return history_[op].outcome == Outcome::kUnknown; }
  bool IsDone(size_t op) const { return ((done_[op / 8] >> (op % 8)) & 1) != 0; }

  std::vector<RegisterOp> history_;
  std::vector<std::optional<size_t>> twin_;  // the open operation that goes first, if any
  RegisterState state_;
  uint64_t steps_max_;
  std::string done_;  // bit set of the operations in the order so far
  std::vector<Event> events_;
  std::vector<Frame> order_;
  size_t closed_left_ = 0;  // known outcomes not yet in the order
  std::set<Hash128> seen_;
  // For the explanation: the longest order found and what blocked it.
  size_t best_ = 0;
  RegisterState best_state_;
  std::vector<size_t> best_tail_;
  size_t blocked_by_ = 0;
};

// Open operations that nobody can tell apart (the same but for a value that no get returned) take
// effect in the order of their calls: any other order with as many of them is the same one with
// names exchanged, since they have no return. Without this each subset of them is searched.
void Search::GroupOpen() {
  std::set<std::string> read;
  for (const RegisterOp& op : history_) {
    if (op.kind == Kind::kGet)
      read.insert(op.value);
  }
  std::vector<size_t> open;
  for (size_t i = 0; i < history_.size(); ++i) {
    if (!IsOpen(i))
      continue;
    open.push_back(i);
    if (!read.contains(history_[i].value))
      history_[i].value = kNeverRead;
  }
  std::stable_sort(open.begin(), open.end(),
                   [this](size_t a, size_t b) { return history_[a].called < history_[b].called; });
  std::map<std::tuple<Kind, Condition, uint64_t, std::string>, size_t> last;
  twin_.resize(history_.size());
  for (const size_t i : open) {
    const RegisterOp& op = history_[i];
    const auto [it, first] =
        last.try_emplace({op.kind, op.condition, op.condition_number, op.value}, i);
    if (!first)
      twin_[i] = std::exchange(it->second, i);
  }
}

void Search::BuildEvents() {
  struct Point {
    int64_t time;
    bool is_call;
    size_t op;
  };
  std::vector<Point> points;
  for (size_t i = 0; i < history_.size(); ++i) {
    points.push_back({history_[i].called, true, i});
    if (IsOpen(i))
      continue;
    SYNOD_CHECK_LE(history_[i].called, history_[i].returned);
    points.push_back({history_[i].returned, false, i});
    ++closed_left_;
  }
  // At equal times calls come first: such operations count as concurrent.
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    if (a.time != b.time)
      return a.time < b.time;
    if (a.is_call != b.is_call)
      return a.is_call;
    return a.op < b.op;
  });
  events_.resize(points.size() + 2);  // [0] is the head, the last one the tail
  std::vector<size_t> call_of(history_.size());
  for (size_t i = 0; i < points.size(); ++i) {
    Event& e = events_[i + 1];
    e.op = points[i].op;
    e.is_call = points[i].is_call;
    if (e.is_call) {
      call_of[e.op] = i + 1;
    } else {
      e.match = call_of[e.op];
      events_[e.match].match = i + 1;
    }
  }
  for (size_t i = 0; i < events_.size(); ++i) {
    events_[i].prev = i == 0 ? 0 : i - 1;
    events_[i].next = i + 1 == events_.size() ? i : i + 1;
  }
}

void Search::Lift(size_t call) {
  const auto unlink = [this](size_t i) {
    events_[events_[i].prev].next = events_[i].next;
    events_[events_[i].next].prev = events_[i].prev;
  };
  unlink(call);
  if (events_[call].match != 0)
    unlink(events_[call].match);
  const size_t op = events_[call].op;
  done_[op / 8] = static_cast<char>(done_[op / 8] | (1 << (op % 8)));
  if (!IsOpen(op))
    --closed_left_;
}

void Search::PutBack(size_t call) {
  const auto relink = [this](size_t i) {
    events_[events_[i].prev].next = i;
    events_[events_[i].next].prev = i;
  };
  if (events_[call].match != 0)
    relink(events_[call].match);
  relink(call);
  const size_t op = events_[call].op;
  done_[op / 8] = static_cast<char>(done_[op / 8] & ~(1 << (op % 8)));
  if (!IsOpen(op))
    ++closed_left_;
}

// True if this set of operations has not led to this state before.
bool Search::FirstTime(const RegisterState& state) {
  std::string key = done_;
  key.push_back(state.present ? 1 : 0);
  key += std::to_string(state.version) + "/" + std::to_string(state.mod_revision) + "/";
  key += state.value;
  return seen_.insert(HashOf(key)).second;
}

// Takes back the last operation of the order; false if there is none.
bool Search::Undo(size_t* at) {
  if (order_.size() > best_ || best_tail_.empty()) {
    best_ = order_.size();
    best_state_ = state_;
    best_tail_.clear();
    for (size_t i = order_.size() > 6 ? order_.size() - 6 : 0; i < order_.size(); ++i)
      best_tail_.push_back(events_[order_[i].call].op);
    blocked_by_ = *at;
  }
  if (order_.empty())
    return false;
  const Frame last = std::move(order_.back());
  order_.pop_back();
  state_ = last.before;
  PutBack(last.call);
  *at = events_[last.call].next;
  return true;
}

std::string Search::Explain() const {
  std::string text =
      "an order exists for " + std::to_string(best_) + " operations, the last of them";
  for (const size_t op : best_tail_) text += "\n    " + Describe(history_[op]);
  text += "\n  which leaves " +
          (best_state_.present
               ? "value " + best_state_.value + " version " + std::to_string(best_state_.version) +
                     " mod_revision " + std::to_string(best_state_.mod_revision)
               : std::string("no node"));
  return text + ";\n  before anything else may follow, this must fit and cannot:\n    " +
         Describe(history_[events_[blocked_by_].op]);
}

LinearizabilityResult Search::Run() {
  LinearizabilityResult result;
  size_t at = events_[0].next;
  while (closed_left_ > 0) {
    if (++result.steps > steps_max_) {
      result.verdict = Verdict::kUndecided;
      return result;
    }
    const Event& e = events_[at];
    if (!e.is_call) {  // its return has come, and it found no place
      if (!Undo(&at)) {
        result.verdict = Verdict::kViolation;
        result.detail = Explain();
        return result;
      }
      continue;
    }
    if (twin_[e.op] && !IsDone(*twin_[e.op])) {
      at = e.next;
      continue;
    }
    const std::optional<RegisterState> next = StepRegister(state_, history_[e.op]);
    if (next) {
      Lift(at);
      if (FirstTime(*next)) {
        order_.push_back({at, state_});
        state_ = *next;
        at = events_[0].next;
        continue;
      }
      PutBack(at);
    }
    at = e.next;
  }
  return result;
}

}  // namespace

std::optional<RegisterState> StepRegister(const RegisterState& state, const RegisterOp& op) {
  if (op.kind == Kind::kGet)
    return StepGet(state, op);
  const Holds holds = Judge(state, op);
  switch (op.outcome) {
    case Outcome::kRefused:
      return StepRefused(state, op, holds);
    case Outcome::kNotFound:
      return state.present ? std::nullopt : std::optional(state);
    case Outcome::kOk:
    case Outcome::kUnknown:
      return StepApplied(state, op, holds);
  }
  return std::nullopt;
}

std::string Describe(const RegisterOp& op) {
  static constexpr const char* kKinds[] = {"get", "put", "delete"};
  static constexpr const char* kConditions[] = {"", " if-match ", " if-exists", " if-absent",
                                                " if-version "};
  static constexpr const char* kOutcomes[] = {"ok", "not found", "refused", "unknown"};
  std::string text = "[" + std::to_string(op.called) + ", " +
                     (op.outcome == Outcome::kUnknown ? "open" : std::to_string(op.returned)) +
                     "] " + kKinds[static_cast<size_t>(op.kind)];
  text += kConditions[static_cast<size_t>(op.condition)];
  if (op.condition == Condition::kModRevision || op.condition == Condition::kVersion)
    text += std::to_string(op.condition_number);
  text += " " + op.value + " -> " + kOutcomes[static_cast<size_t>(op.outcome)];
  if (op.version != 0)
    text += " version " + std::to_string(op.version);
  if (op.mod_revision != 0)
    text += " mod_revision " + std::to_string(op.mod_revision);
  return text;
}

LinearizabilityResult CheckRegister(std::span<const RegisterOp> history,
                                    const RegisterState& initial,
                                    uint64_t steps_max) {
  return Search(history, initial, steps_max).Run();
}

}  // namespace synod::sim
