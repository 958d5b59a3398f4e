// Stream and StreamTable: what watches want, and which of it a change concerns.
//
// Contract      Watches of equal Spec share one Stream. ForEachMatch() finds the streams that a
//               change concerns by looking up its path and its ancestors: its cost does not depend
//               on how many others there are.
// Thread        Core thread only.
#ifndef SYNOD_WATCH_STREAM_TABLE_H_
#define SYNOD_WATCH_STREAM_TABLE_H_

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/hash.h"
#include "src/base/path.h"
#include "watch/hub.h"

namespace synod::watch {

struct Watch;

struct Stream {
  uint64_t id = 0;  // never reused
  Spec spec;
  uint64_t watches = 0;
  std::vector<Watch*> idle;           // caught up: to be told of the next match
  std::shared_ptr<Message> building;  // while a revision is being published
  std::unique_ptr<Stream> next;       // of the same path
};

// How `path` lies to a watched path: itself 0, its child 1, deeper 2.
bool MatchesScope(const Spec& spec, int depth);
bool MatchesType(const Spec& spec, store::Change::Type type);
// The rule in one place, for one change.
bool Matches(const Spec& spec, const store::Change& change);

class StreamTable {
 public:
  StreamTable() : seed_(reinterpret_cast<uintptr_t>(this)), streams_(0, PathHash{seed_}) {}
  StreamTable(const StreamTable&) = delete;
  StreamTable& operator=(const StreamTable&) = delete;

  // The stream of `spec`, made if need be; counts one more watch.
  Stream* Join(const Spec& spec);
  // Counts one less; the stream goes with the last.
  void Leave(Stream* stream);

  template <typename Visit>
  void ForEachMatch(const store::Change& change, const Visit& visit) const {
    std::string_view at = change.path;
    const bool reserved = IsReserved(at);
    for (int depth = 0;; ++depth) {
      const auto it = streams_.find(at);
      if (it != streams_.end()) {
        for (Stream* stream = it->second.get(); stream != nullptr; stream = stream->next.get()) {
          if (MatchesScope(stream->spec, depth) && MatchesType(stream->spec, change.type))
            visit(stream);
        }
      }
      if (at == "/" || (reserved && at == kReservedRoot))
        return;
      at = ParentOf(at);
    }
  }

 private:
  // The seed differs between processes, so that nobody can prepare paths that collide. The table is
  // never iterated.
  struct PathHash {
    using is_transparent = void;
    using is_avalanching = void;
    uint64_t seed;
    size_t operator()(std::string_view path) const { return HashOf(path, seed).lo; }
  };
  struct PathEqual {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };

  const uint64_t seed_;
  // By path; the key is the path of the first stream.
  boost::unordered_flat_map<std::string_view, std::unique_ptr<Stream>, PathHash, PathEqual>
      streams_;
  uint64_t last_id_ = 0;
};

}  // namespace synod::watch

#endif  // SYNOD_WATCH_STREAM_TABLE_H_
