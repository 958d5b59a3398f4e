// Watches: writes of all kinds below one node, its history compacted behind them, and watchers of
// all kinds that go from node to node.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <stdexcept>
#include <thread>

#include "tests/histories/watch_guarantees.h"
#include "tests/histories/watcher.h"
#include "tests/histories/workload.h"
#include "tests/integration/process.h"

namespace synod::histories {
namespace {

namespace json = boost::json;
using Format = WatchFormat;
using Pace = Watcher::Pace;
using Scope = WatchSpec::Scope;
using integration::Milliseconds;

constexpr uint64_t kLeaves = 6;
constexpr uint64_t kDirectories = 4;
constexpr size_t kLargeBytes = 32 << 10;
constexpr int64_t kNanosecondsPerMs = 1'000'000;
constexpr uint64_t kCompactMsMin = 700;
constexpr uint64_t kCompactMsMax = 3'000;
constexpr Milliseconds kToFinish(60'000);
// Written before a compaction, so seldom that progress marks come in between.
constexpr const char* kQuiet = "/w/q";
constexpr double kQuietPercent = 8;
// Reads at older revisions through every node, at the end.
constexpr int kOldReads = 5;

// The first one's record is the history.
const Watcher::Kind kKinds[] = {
    {"first", {.path = "/w", .prev = true}, Format::kNdjson, Pace::kSteady, true},
    {"sse", {.path = "/w", .prev = true}, Format::kSse, Pace::kSteady},
    {"websocket", {.path = "/w"}, Format::kWebSocket, Pace::kSteady},
    {"longpoll", {.path = "/w", .prev = true}, Format::kLongPoll, Pace::kSteady},
    {"children", {.path = "/w/d", .scope = Scope::kChildren}, Format::kNdjson, Pace::kSteady},
    {"leaf", {.path = "/w/0", .scope = Scope::kNode, .prev = true}, Format::kSse, Pace::kSteady},
    {"leaf-socket", {.path = "/w/1", .scope = Scope::kNode}, Format::kWebSocket, Pace::kSteady},
    {"deletes", {.path = "/w", .puts = false, .prev = true}, Format::kNdjson, Pace::kSteady},
    {"puts", {.path = "/w/d", .deletes = false}, Format::kSse, Pace::kSteady},
    {"quiet", {.path = "/w/q", .prev = true}, Format::kSse, Pace::kPatient},
    {"quiet-lines", {.path = "/w/q"}, Format::kNdjson, Pace::kPatient},
    {"quiet-socket", {.path = "/w/q"}, Format::kWebSocket, Pace::kPatient},
    {"lagging", {.path = "/w"}, Format::kNdjson, Pace::kLagging},
    {"lagging-leaf",
     {.path = "/w/2", .scope = Scope::kNode, .prev = true},
     Format::kSse,
     Pace::kLagging},
    {"sleeping", {.path = "/w", .prev = true}, Format::kNdjson, Pace::kSleeping},
    {"sleeping-leaf", {.path = "/w/3", .scope = Scope::kNode}, Format::kSse, Pace::kSleeping},
    {"sleeping-socket", {.path = "/w"}, Format::kWebSocket, Pace::kSleeping},
    {"sleeping-poll", {.path = "/w/d"}, Format::kLongPoll, Pace::kSleeping},
    {"stalling", {.path = "/w", .prev = true}, Format::kSse, Pace::kStalling},
    {"stalling-lines", {.path = "/w", .prev = true}, Format::kNdjson, Pace::kStalling},
    {"stalling-socket", {.path = "/w", .prev = true}, Format::kWebSocket, Pace::kStalling},
};

json::object PutOf(const std::string& path, const std::string& value) {
  return {{"put", json::object{{"path", path}, {"value", value}}}};
}

json::object DeleteOf(const std::string& path) {
  return {{"delete", json::object{{"path", path}, {"recursive", true}}}};
}

class Watches : public Workload {
 public:
  explicit Watches(Revisions* revisions) : Workload(revisions) {}
  ~Watches() override { Stop(); }
  std::string name() const override { return "watches"; }
  void Begin(const std::vector<uint16_t>& ports) override;
  void Step(Client& client) override;
  void Finish(Client& client) override;
  void ReadAll(Client& client, size_t node) override;
  Judgement Judge() override;

 private:
  static std::string Leaf(uint64_t n) { return kWatchedRoot + ("/" + std::to_string(n)); }
  static std::string Directory(uint64_t n) { return kWatchedRoot + ("/d/" + std::to_string(n)); }
  static std::string Value(Client& client);

  bool CompactionIsDue(Client& client);
  void Compact(Client& client);
  bool Put(Client& client, const std::string& path);
  void Delete(Client& client, const std::string& path);
  void Transact(Client& client);
  void PutLeased(Client& client);
  // Asks, and records what came of it; true if it was done.
  bool Ask(Client& client,
           const Request& request,
           const std::vector<AcknowledgedChange>& changes,
           std::initializer_list<int> refusals);
  bool TryWriteGoal(Client& client);
  // Ends what still runs.
  void Stop();
  std::string Statistics() const;

  WatchShared shared_;
  WatchedWrites writes_;
  int64_t compact_at_ = 0;
  std::vector<std::unique_ptr<Watcher>> watchers_;
  std::vector<WatchRecord> read_at_end_;
  std::vector<WatchedList> lists_;
  std::vector<std::jthread> threads_;  // the last: they use what is above
};

void Watches::Begin(const std::vector<uint16_t>& ports) {
  shared_.ports = ports;
  uint64_t seed = 0;
  for (const Watcher::Kind& kind : kKinds)
    watchers_.push_back(std::make_unique<Watcher>(kind, ++seed, &shared_));
  for (const auto& watcher : watchers_) threads_.emplace_back([w = watcher.get()] { w->Run(); });
}

void Watches::Step(Client& client) {
  Random& random = client.random();
  const uint64_t draw = random.Below(100);
  if (CompactionIsDue(client))
    Compact(client);
  else if (draw < 50)
    Put(client, Leaf(random.Below(kLeaves)));
  else if (draw < 60)
    Delete(client, Leaf(random.Below(kLeaves)));
  else if (draw < 75)
    Put(client, Directory(random.Below(kDirectories)) + "/" + std::to_string(random.Below(5)));
  else if (draw < 80)
    Delete(client, Directory(random.Below(kDirectories)));
  else if (draw < 95)
    Transact(client);
  else
    PutLeased(client);
}

std::string Watches::Value(Client& client) {
  const size_t dots = client.random().Chance(6) ? kLargeBytes : 0;
  return client.UniqueText() + std::string(dots, '.');
}

bool Watches::Ask(Client& client,
                  const Request& request,
                  const std::vector<AcknowledgedChange>& changes,
                  std::initializer_list<int> refusals) {
  const Reply reply = client.Change(request, client.random().Chance(40));
  counts_.Add(reply);
  if (reply.outcome == Reply::Outcome::kNotApplied)
    return false;
  const bool done = reply.Is(200) || reply.Is(201);
  if (reply.answered() && !done) {
    if (std::find(refusals.begin(), refusals.end(), reply.answer.status) == refusals.end())
      Unexpected(request.method + " " + request.target, reply);
    return false;
  }
  const std::lock_guard lock(mutex_);
  for (AcknowledgedChange change : changes) {
    if (change.value)
      writes_.values.insert(*change.value);
    if (!done)
      continue;
    change.revision = reply.answer.Revision();
    writes_.acknowledged.push_back(change);
  }
  if (!done)
    return false;
  revisions_->Add({reply.called, reply.returned, reply.answer.Revision(), true});
  WatchShared::Raise(&shared_.acknowledged, reply.answer.Revision());
  return true;
}

bool Watches::Put(Client& client, const std::string& path) {
  const std::string value = Value(client);
  return Ask(client, {.method = "PUT", .target = "/v1/kv" + path, .body = value},
             {{0, path, ShortValue(value)}}, {});
}

void Watches::Delete(Client& client, const std::string& path) {
  Ask(client, {.method = "DELETE", .target = "/v1/kv" + path + "?recursive=true"},
      {{0, path, std::nullopt}}, {404});
}

// Several leaves, and now and then a directory with all that is in it.
void Watches::Transact(Client& client) {
  std::vector<AcknowledgedChange> changes;
  json::array then;
  const uint64_t first = client.random().Below(kLeaves);
  for (uint64_t n = client.random().Between(2, 4); n > 0; --n) {
    const std::string path = Leaf((first + n) % kLeaves);
    const std::string value = Value(client);
    then.push_back(PutOf(path, value));
    changes.push_back({0, path, ShortValue(value)});
  }
  if (client.random().Chance(30)) {
    const std::string path = Directory(client.random().Below(kDirectories));
    then.push_back(DeleteOf(path));
  }
  Ask(client,
      {.method = "POST",
       .target = "/v1/txn",
       .body = json::serialize(json::object{{"then", std::move(then)}})},
      changes, {});
}

// A node that goes with its lease: when that expires, or sooner.
void Watches::PutLeased(Client& client) {
  const uint64_t ttl_ms = client.random().Between(500, 2'000);
  const Reply granted = client.Change({.method = "POST",
                                       .target = "/v1/leases",
                                       .body = "{\"ttl_ms\":" + std::to_string(ttl_ms) + "}"},
                                      true);
  counts_.Add(granted);
  if (!granted.answered())
    return;
  if (!granted.Is(201))
    return Unexpected("a grant", granted);
  const std::string id = std::to_string(granted.answer.Number("id"));
  const std::string path = kWatchedRoot + ("/e/" + std::to_string(client.random().Below(4)));
  const std::string value = Value(client);
  Ask(client, {.method = "PUT", .target = "/v1/kv" + path + "?lease=" + id, .body = value},
      {{0, path, ShortValue(value)}}, {404});
  if (client.random().Chance(50))
    Ask(client, {.method = "DELETE", .target = "/v1/leases/" + id}, {}, {404});
}

bool Watches::CompactionIsDue(Client& client) {
  const std::lock_guard lock(mutex_);
  const int64_t now = Now();
  if (now < compact_at_)
    return false;
  const auto rest_ms = static_cast<int64_t>(client.random().Between(kCompactMsMin, kCompactMsMax));
  const bool first = compact_at_ == 0;
  compact_at_ = now + rest_ms * kNanosecondsPerMs;
  return !first;
}

// Anything that the first watcher has had, often all of it.
void Watches::Compact(Client& client) {
  if (client.random().Chance(kQuietPercent))
    Put(client, kQuiet);
  const uint64_t low = shared_.compaction_asked;
  const uint64_t high = shared_.delivered;
  if (high <= low)
    return;
  const uint64_t revision =
      client.random().Chance(50) ? high : client.random().Between(low + 1, high);
  WatchShared::Raise(&shared_.compaction_asked, revision);
  const Reply reply = client.Change({.method = "POST",
                                     .target = "/v1/compact",
                                     .body = "{\"revision\":" + std::to_string(revision) + "}"},
                                    false);
  counts_.Add(reply);
  if (reply.answered() && !reply.Is(200))
    Unexpected("a compaction at " + std::to_string(revision), reply);
}

// One revision that every watcher gets something of, and the last of all.
bool Watches::TryWriteGoal(Client& client) {
  if (!Put(client, Directory(0)))  // for it to be deleted
    return false;
  json::array then;
  std::vector<AcknowledgedChange> changes;
  const auto put = [&](const std::string& path) {
    const std::string value = client.UniqueText();
    then.push_back(PutOf(path, value));
    changes.push_back({0, path, value});
  };
  for (uint64_t i = 0; i < kLeaves; ++i) put(Leaf(i));
  put(Directory(1));
  put(kQuiet);
  then.push_back(DeleteOf(Directory(0)));
  changes.push_back({0, Directory(0), std::nullopt});
  if (!Ask(client,
           {.method = "POST",
            .target = "/v1/txn",
            .body = json::serialize(json::object{{"then", std::move(then)}})},
           changes, {}))
    return false;
  shared_.goal = writes_.acknowledged.back().revision;
  return true;
}

void Watches::Finish(Client& client) {
  // What goes with its lease goes before the end.
  const bool ended = integration::Eventually(kToFinish, [&] {
    const Reply reply = client.Read(client.AnyNode(), "/v1/kv/w/e?list=children&keys_only=true");
    return reply.Is(404) || (reply.Is(200) && reply.answer.Json().at("nodes").as_array().empty());
  });
  if (!ended)
    throw std::runtime_error("nodes outlive their leases");
  if (!integration::Eventually(kToFinish, [&] { return TryWriteGoal(client); }))
    throw std::runtime_error("the last change of the watches is not acknowledged");
  integration::Eventually(kToFinish, [&] {
    return std::all_of(watchers_.begin(), watchers_.end(),
                       [](const auto& watcher) { return watcher->ended(); });
  });
  Stop();
}

void Watches::Stop() {
  shared_.abandoned = true;
  threads_.clear();
}

// The history that is left, and the tree as it was at some of its revisions.
void Watches::ReadAll(Client& client, size_t node) {
  const uint16_t port = shared_.ports[node];
  const uint64_t floor = std::max<uint64_t>(1, shared_.compaction_asked);
  const uint64_t goal = shared_.goal;
  WatchRecord record{.name = "all through node " + std::to_string(node + 1),
                     .spec = {.path = kWatchedRoot, .prev = true},
                     .sessions = {}};
  const auto watch_all = [&] {
    record.sessions = {{.from = floor + 1,
                        .anew = true,
                        .acknowledged = shared_.acknowledged,
                        .compaction_asked = floor}};
    WatchSession& session = record.sessions.back();
    WatchStream stream(port, record.spec, Format::kNdjson, 0, &session);
    const auto deadline = std::chrono::steady_clock::now() + kToFinish;
    while (PositionOf(session) < goal && session.compacted == 0 && stream.Next(deadline)) {
    }
    return PositionOf(session) >= goal || session.compacted != 0;
  };
  const auto list = [&](const std::string& options) {
    lists_.push_back(ReadWatchedList(port, options));
    return true;
  };
  std::string failure = "it ended early";
  const auto served = [&](const auto& read) {
    return integration::Eventually(kToFinish, [&] {
      try {
        return read();
      } catch (const std::runtime_error& e) {
        failure = e.what();
        return false;
      }
    });
  };
  bool done = served(watch_all) && served([&] { return list(""); });
  for (int i = 0; i < kOldReads && done; ++i) {
    const std::string at = std::to_string(client.random().Between(floor, goal));
    done = served([&] { return list("&at_revision=" + at); });
  }
  if (!done)
    throw std::runtime_error("watches: node " + std::to_string(node + 1) +
                             " does not show its history: " + failure);
  read_at_end_.push_back(std::move(record));
}

std::string Watches::Statistics() const {
  size_t streams = 0;
  size_t refused = 0;
  size_t compacted = 0;
  size_t marks = 0;
  std::map<std::string, size_t> ends;
  for (const auto& watcher : watchers_) {
    for (const WatchSession& session : watcher->record().sessions) {
      ++streams;
      refused += session.compacted != 0 && !session.created ? 1 : 0;
      compacted += session.compacted != 0 && session.created ? 1 : 0;
      for (const WatchMessage& message : session.messages)
        marks += message.events.empty() && watcher->record().spec.path == kQuiet ? 1 : 0;
      if (!session.end.empty())
        ++ends[session.end];
    }
  }
  std::string text = std::to_string(watchers_.size()) + " watchers, " + std::to_string(streams) +
                     " streams, compacted up to " + std::to_string(shared_.compaction_asked) +
                     " of " + std::to_string(shared_.goal) + ": " + std::to_string(refused) +
                     " refused and " + std::to_string(compacted) + " ended as compacted, " +
                     std::to_string(marks) + " progress marks";
  for (const auto& [end, n] : ends) text += ", " + std::to_string(n) + " " + end;
  return text;
}

Judgement Watches::Judge() {
  Stop();
  Judgement judgement;
  judgement.notes = Statistics();
  judgement.violations = unexpected_;
  judgement.changes = writes_.acknowledged.size();
  const auto add = [&](const std::vector<std::string>& wrong) {
    judgement.violations.insert(judgement.violations.end(), wrong.begin(), wrong.end());
  };
  std::vector<WatchedRevision> history;
  for (const WatchSession& session : watchers_.front()->record().sessions)
    for (const WatchMessage& message : session.messages)
      if (!message.events.empty() &&
          (history.empty() || message.revision > history.back().revision))
        history.push_back({message.revision, message.events});
  add(JudgeHistory(history, writes_));
  const auto judge_watch = [&](const WatchRecord& record) {
    ++judgement.histories;
    for (const WatchSession& session : record.sessions) judgement.reads += session.messages.size();
    add(JudgeWatch(history, record));
    const uint64_t last = record.sessions.empty() ? 0 : PositionOf(record.sessions.back());
    if (last < shared_.goal)
      add({record.name + ": got nothing after " + std::to_string(last)});
  };
  for (const auto& watcher : watchers_) {
    judge_watch(watcher->record());
    add(watcher->nonsense());
    lists_.insert(lists_.end(), watcher->lists().begin(), watcher->lists().end());
  }
  for (const WatchRecord& record : read_at_end_) judge_watch(record);
  judgement.reads += lists_.size();
  add(JudgeLists(history, std::move(lists_)));
  return judgement;
}

}  // namespace

std::unique_ptr<Workload> MakeWatches(Revisions* revisions) {
  return std::make_unique<Watches>(revisions);
}

}  // namespace synod::histories
