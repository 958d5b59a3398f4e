// JudgeWatch and others: was what watches delivered the history of the tree?
//
// Contract      The six guarantees that etcd's validator checks, of each watch over all nodes it
//               went through: ordered (revisions only rise), unique (each once), atomic (all that
//               one revision changed in one message), reliable (none is missing between two that
//               came), resumable (nor over a change of node), bookmarkable (nor up to a progress
//               mark, or where a stream said to go on). `history` is what one watch of everything
//               got from the first revision on; JudgeHistory() holds it against itself and against
//               what writers were told, JudgeLists() lists against it.
// Source        etcd, tests/robustness/validate/watch.go.
#ifndef SYNOD_TESTS_HISTORIES_WATCH_GUARANTEES_H_
#define SYNOD_TESTS_HISTORIES_WATCH_GUARANTEES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace synod::histories {

struct WatchedNode {
  std::string value;
  uint64_t version = 0;
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t lease = 0;
  bool operator==(const WatchedNode&) const = default;
};

struct WatchedEvent {
  std::string path;
  std::optional<WatchedNode> node;  // none: deleted
  std::optional<WatchedNode> prev = {};
  std::string cause = "client";
  bool operator==(const WatchedEvent&) const = default;
};

struct WatchedRevision {
  uint64_t revision = 0;
  std::vector<WatchedEvent> events;
};
using WatchedHistory = std::span<const WatchedRevision>;

struct WatchSpec {
  enum class Scope : uint8_t { kNode, kChildren, kSubtree };
  std::string path;
  Scope scope = Scope::kSubtree;
  bool puts = true;
  bool deletes = true;
  bool prev = false;
};

struct WatchMessage {
  uint64_t revision = 0;
  std::vector<WatchedEvent> events = {};  // none: a progress mark
  std::optional<uint64_t> id = {};        // of SSE
};

// One stream, from the request to its end.
struct WatchSession {
  uint64_t from = 0;          // asked for; 0: the next change
  bool anew = false;          // not a resume
  uint64_t acknowledged = 0;  // the highest revision that a writer had been told before it began
  std::optional<uint64_t> created = {};
  std::optional<uint64_t> created_id = {};
  std::vector<WatchMessage> messages = {};
  std::string end = {};           // the message that told `resume_from`
  uint64_t resume_from = 0;       // 0: nothing was told
  uint64_t compacted = 0;         // refused, or ended, with that compact_revision
  uint64_t compaction_asked = 0;  // the highest that anybody had asked for until then
};

struct WatchRecord {
  std::string name;
  WatchSpec spec;
  std::vector<WatchSession> sessions;
};

struct AcknowledgedChange {
  uint64_t revision = 0;
  std::string path;
  std::optional<std::string> value;  // none: deleted
};

struct WatchedWrites {
  std::vector<AcknowledgedChange> acknowledged;
  std::set<std::string> values;  // that may have been written, each by one call
};

struct WatchedList {
  std::string path;
  uint64_t revision = 0;
  std::map<std::string, WatchedNode> nodes;  // below `path`
};

// Everything up to here has been delivered to the session, as far as it was told.
uint64_t PositionOf(const WatchSession& session);

// What is wrong, a line each.
std::vector<std::string> JudgeWatch(WatchedHistory history, const WatchRecord& record);
std::vector<std::string> JudgeHistory(WatchedHistory history, const WatchedWrites& writes);
std::vector<std::string> JudgeLists(WatchedHistory history, std::vector<WatchedList> lists);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_WATCH_GUARANTEES_H_
