// SnapshotSource and SnapshotSink: how a snapshot gets from one node to another.
//
// Contract      The sink asks for one piece at a time and stores it before it asks for the next: so
//               the transfer is never faster than the slower disk, and a question that got no
//               answer is simply asked again. A snapshot is named by the hash of its content, and a
//               place in it by an offset: both ends may die and go on. What does not answer the
//               question that is open is declined. The source gives what it has if that is newer
//               than the asker's state and the log goes on from there; else it has one made, and
//               asks for patience meanwhile. It spends `bytes_per_second` on all askers together.
// Not here      Files: jobs are handed to the driver, which reports back (engine.h). What becomes
//               of a snapshot that was received: Engine::InstallSnapshot.
// Thread        Core thread only.   Errors: none; peers' messages are checked, never trusted.
#ifndef SYNOD_NODE_ENGINE_SNAPSHOTS_H_
#define SYNOD_NODE_ENGINE_SNAPSHOTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/replica.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/types.h"

namespace synod::node {

// -- what nodes say to each other (engine_frames.h)

struct SnapshotRequest {
  Hash128 id;  // zero: any whose slot is above `above`
  uint64_t offset = 0;
  Slot above;
};

struct SnapshotChunk {
  Hash128 id;
  uint64_t total = 0;  // bytes of the whole
  uint64_t offset = 0;
  uint32_t crc = 0;        // crc32c of `bytes`
  std::string_view bytes;  // points into the frame
};

struct SnapshotRefusal {
  enum class Reason : uint8_t {
    kGone = 0,      // that one is not kept: begin anew with another
    kPatience = 1,  // one is being made, or it is not this asker's turn: ask again soon
    kNothing = 2,   // this node has nothing newer
  };
  Hash128 id;  // as in the request
  Reason reason = Reason::kGone;
};

// -- what the driver does for them

struct SnapshotFile {
  Hash128 id;
  Slot slot;
  uint64_t bytes = 0;
};

struct SnapshotPart {
  Hash128 id;
  uint64_t total = 0;
  uint64_t received = 0;  // from the beginning, without a gap
};

struct MakeSnapshot {};  // of the last checkpoint; then Engine::SnapshotMade
struct ReadSnapshot {    // then Engine::SnapshotRead
  NodeId peer;
  Hash128 id;
  uint64_t offset = 0;
  size_t bytes = 0;
};
struct RemoveSnapshot {
  Hash128 id;
};
struct StoreSnapshotPart {  // then Engine::SnapshotStored
  Hash128 id;
  uint64_t total = 0;
  uint64_t offset = 0;  // 0: in place of any part that there is
  Bytes bytes;
};
struct DropSnapshotPart {};
// Check the part, build a state of it that keeps this witness table; then InstallSnapshot or
// SnapshotBad.
struct BuildSnapshot {
  Bytes witness;  // filled in by the engine
};
using SnapshotJob = std::variant<MakeSnapshot,
                                 ReadSnapshot,
                                 RemoveSnapshot,
                                 StoreSnapshotPart,
                                 DropSnapshotPart,
                                 BuildSnapshot>;

struct SnapshotLimits {
  uint64_t bytes_per_second = uint64_t{32} << 20;  // sent, to all askers together
  size_t chunk_bytes = size_t{256} << 10;
  int64_t unused_ms = 600'000;  // then a file is removed
};

struct SnapshotCounters {
  uint64_t made = 0;
  uint64_t installed = 0;
  uint64_t rejected = 0;  // whole, and not what it should be
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t declined = 0;  // chunks that answered no open question
};

// What one of the two wants done; the engine carries it out.
struct SnapshotActions {
  std::vector<std::pair<NodeId, Bytes>> send;  // frame items
  std::vector<SnapshotJob> jobs;
  std::vector<consensus::Event> events;
};

class SnapshotSource {
 public:
  SnapshotSource(const SnapshotLimits& limits, SnapshotCounters* counters)
      : limits_(limits), counters_(counters) {}

  void OnRequest(NodeId from, const SnapshotRequest& request);
  // Answers what waits. `applied` and `first_slot` are this node's.
  void Tick(int64_t now_ms, Slot applied, Slot first_slot, SnapshotActions* actions);
  void Made(const Result<SnapshotFile>& file, int64_t now_ms, SnapshotActions* actions);
  void Recovered(const std::vector<SnapshotFile>& files, int64_t now_ms);
  void ReadDone(const ReadSnapshot& job, Result<Bytes> bytes, SnapshotActions* actions);
  void RemoveAll(SnapshotActions* actions);

  // A file that is being sent is of use only while the log goes on from its slot: everything above
  // this one should be kept. nullopt: nothing is being sent.
  std::optional<Slot> KeepLogAbove() const;
  bool HasWork() const { return !waiting_.empty(); }

 private:
  struct File {
    SnapshotFile file;
    int64_t used_ms = 0;
    bool sent = false;  // by this process
  };
  void Answer(NodeId peer,
              const SnapshotRequest& request,
              Slot applied,
              Slot first_slot,
              SnapshotActions* actions);
  void RemoveUnused(SnapshotActions* actions);

  const SnapshotLimits limits_;
  SnapshotCounters* const counters_;
  std::map<Hash128, File> files_;
  std::map<NodeId, SnapshotRequest> waiting_;
  bool making_ = false;
  bool failed_ = false;  // the last one could not be made
  int64_t make_after_ms_ = 0;
  int64_t now_ms_ = 0;
  int64_t budget_ = 0;  // bytes that may be sent now; below zero: owed
};

class SnapshotSink {
 public:
  SnapshotSink(SnapshotCounters* counters) : counters_(counters) {}

  struct Candidate {
    NodeId peer;
    Slot applied;
  };
  // `needed`: the log no longer helps. `candidates` are connected; the preferred ones come first.
  void Tick(int64_t now_ms,
            bool needed,
            Slot applied,
            const std::vector<Candidate>& candidates,
            SnapshotActions* actions);
  // What an earlier process received. Until then nothing is asked for.
  void Recovered(const std::optional<SnapshotPart>& part) {
    recovered_ = true;
    part_ = part;
  }
  void OnChunk(NodeId from, const SnapshotChunk& chunk, SnapshotActions* actions);
  void OnRefusal(NodeId from, const SnapshotRefusal& refusal, SnapshotActions* actions);
  void Stored(const Status& stored, SnapshotActions* actions);
  // Forgets what was received.
  void Drop(SnapshotActions* actions);
  // The snapshot is the state now, or it was no use: `bad` if it was not what it should be.
  void Finished(bool bad, SnapshotActions* actions);

  // 0..100 of the one being received; nullopt: none.
  std::optional<uint64_t> Percent() const;

 private:
  enum class State { kIdle, kAsked, kStoring, kBuilding };
  void Ask(Slot applied, SnapshotActions* actions);
  void PauseFor(int64_t ms);

  SnapshotCounters* const counters_;
  State state_ = State::kIdle;
  bool recovered_ = false;
  std::optional<SnapshotPart> part_;
  NodeId source_;  // 0: none chosen
  size_t sources_tried_ = 0;
  int64_t now_ms_ = 0;
  int64_t asked_ms_ = 0;
  int64_t ask_after_ms_ = 0;
  int64_t needed_ms_ = 0;
  uint64_t storing_bytes_ = 0;
  uint64_t told_percent_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_SNAPSHOTS_H_
