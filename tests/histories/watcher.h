// Watcher: a recording watch client that goes from node to node.
//
// Contract      Follows its part of the tree in streams at one node after another, each broken off
//               after a while and resumed at the next from where the last one was, in its own
//               pace; whose history is gone begins anew, from a list or at the next change. Ends
//               when everything up to the goal has been delivered.
// Thread        Run() has one of its own; the records are read when that has ended.
#ifndef SYNOD_TESTS_HISTORIES_WATCHER_H_
#define SYNOD_TESTS_HISTORIES_WATCHER_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "tests/histories/watch_guarantees.h"
#include "tests/histories/watch_stream.h"

namespace synod::histories {

// The part of the tree that is watched.
inline constexpr const char* kWatchedRoot = "/w";

// Its state, read at the node of that port; the errors are those of WatchStream.
WatchedList ReadWatchedList(uint16_t port, const std::string& options);

// What the watchers and the writers know of each other.
struct WatchShared {
  static void Raise(std::atomic<uint64_t>* number, uint64_t to) {
    uint64_t now = *number;
    while (now < to && !number->compare_exchange_weak(now, to)) {
    }
  }

  std::vector<uint16_t> ports = {};
  std::atomic<uint64_t> acknowledged = 0;      // highest revision of a change
  std::atomic<uint64_t> compaction_asked = 0;  // highest revision
  std::atomic<uint64_t> delivered = 0;         // to the first watcher: what may be compacted
  std::atomic<uint64_t> goal = 0;              // the last revision; 0: not yet known
  std::atomic<bool> abandoned = false;         // ends all at once
};

class Watcher {
 public:
  enum class Pace : uint8_t {
    kSteady,    // takes all that comes
    kLagging,   // less than is written, by and by
    kPatient,   // waits for a progress mark where little happens, and resumes from that
    kStalling,  // takes nothing for so long that it is cut off
    kSleeping,  // is away between its streams for longer than the history is kept
  };
  struct Kind {
    const char* name = "";
    WatchSpec spec = {};
    WatchFormat format = WatchFormat::kSse;
    Pace pace = Pace::kSteady;
    bool first = false;  // the one that tells what was delivered, and is never too late
  };

  Watcher(const Kind& kind, uint64_t seed, WatchShared* shared);

  void Run();
  bool ended() const { return ended_; }

  const WatchRecord& record() const { return record_; }
  const std::vector<WatchedList>& lists() const { return lists_; }
  // What the API does not allow, a line each.
  const std::vector<std::string>& nonsense() const { return nonsense_; }

 private:
  bool Reached(uint64_t position) const;
  uint16_t AnyPort() { return shared_->ports[random_.Below(shared_->ports.size())]; }
  // Waits, but no longer than there is something to wait for.
  void Rest(uint64_t ms) const;
  void Begin(WatchSession* session);
  void Read(WatchStream* stream, WatchSession* session);
  void End(WatchSession session);

  Kind kind_;
  Random random_;
  WatchShared* shared_;
  std::atomic<bool> ended_ = false;
  uint64_t position_ = 0;  // 0: has to begin anew
  WatchRecord record_;
  std::vector<WatchedList> lists_;
  std::vector<std::string> nonsense_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_WATCHER_H_
