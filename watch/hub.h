// Hub: this node's watches: cursors over the committed history.
//
// Contract      A watch is a position in the history, not a queue: memory is bounded by the number
//               of watches, and a slow listener costs nobody anything. Next() gives the changes
//               that match, revision by revision, each exactly once, in order, none missing; when
//               the history no longer reaches back to the cursor, it says so (kCompacted) and the
//               watch is over. A watch that has caught up cannot be overtaken by compaction.
// Reserved      What happens in /.synod is seen only by watches whose path lies within it.
// Sharing       Watches with the same path, scope, filter and prev flag share a stream, and a
//               message of that stream is one object for all: whoever renders it may keep the text
//               in it. Recent messages are kept for that, bounded by bytes.
// Source        docs/api.md, "Watches"; the guarantees are etcd's list (ordered, unique, atomic,
//               reliable, resumable, bookmarkable).
// Thread        Core thread only.
#ifndef SYNOD_WATCH_HUB_H_
#define SYNOD_WATCH_HUB_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/base/error.h"
#include "src/store/node.h"
#include "src/store/tree.h"

namespace synod::watch {

enum class Scope : uint8_t { kNode = 0, kChildren = 1, kSubtree = 2 };

struct Spec {
  std::string path;
  Scope scope = Scope::kNode;
  bool puts = true;
  bool deletes = true;
  bool prev = false;
};

using WatchId = uint64_t;

// What one revision changed within a stream's scope.
struct Message {
  store::RevisionRef revision;                // keeps the changes alive
  std::vector<const store::Change*> changes;  // never empty, path order
  bool prev = false;
  mutable std::array<SharedBytes, 3> rendered;  // a slot per format, for whoever renders it
};
using MessageRef = std::shared_ptr<const Message>;

class Hub {
 public:
  // `tree` outlives the hub, or the next Rebase().
  explicit Hub(const store::Tree* tree);
  ~Hub();

  // `from`: the first revision of interest; 0 means the next one after now. kCompacted if history
  // does not reach back to it. A future revision is fine: nothing below it is ever delivered.
  Result<WatchId> Add(const Spec& spec, Revision from);
  void Remove(WatchId id);

  // A revision was applied: marks the watches that it concerns. Call for each that changed a node,
  // in order, before the next call of Next(). Costs the depth of the changed paths and the matches.
  void Publish(const store::RevisionRef& revision);
  // Watches that Next() may have something for, each once. Those that are added with a past `from`
  // are among them, and so are those that have not yet searched all the history behind them: ask
  // again while HasReady().
  std::vector<WatchId> TakeReady();
  bool HasReady() const;

  // The state was replaced by a later one (a snapshot of another node): `tree` is that of the new
  // state. Every watch goes on where it was, as far as the new history reaches back.
  void Rebase(const store::Tree* tree);

  struct Step {
    enum class Kind : uint8_t { kMessage, kCaughtUp, kCompacted };
    Kind kind = Kind::kCaughtUp;
    MessageRef message;  // kMessage
    Revision position;   // everything up to here has been delivered (a safe resume is +1)
  };
  // Moves the cursor on by one message. After kCaughtUp the watch becomes ready again by itself,
  // at once if it searched much without a match and has not reached the end (`position` moved on).
  Step Next(WatchId id);

  size_t size() const;
  void CheckInvariants() const;

 private:
  class Core;
  std::unique_ptr<Core> core_;
};

}  // namespace synod::watch

#endif  // SYNOD_WATCH_HUB_H_
