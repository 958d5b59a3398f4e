// Streams: the watches of this node, over HTTP streams, WebSockets and long polls.
//
// Contract      A stream is a cursor of the watch hub and a sink. It writes while the client takes
//               what was written, stops when the sink is full, and goes on when that has drained. A
//               client that takes nothing for kStallMs while there is more gets `overflow` for all
//               streams of its sink and is let go: it can resume where it was. Idle streams get a
//               progress mark, and SSE a comment, every kHeartbeatMs.
// Bounds        kBytesMax of state: beyond it a new stream is kOverloaded.
// Thread        The loop's thread.
#ifndef SYNOD_NODE_STREAMS_H_
#define SYNOD_NODE_STREAMS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "src/api/call.h"
#include "src/api/render.h"
#include "src/machine/machine.h"
#include "src/net/http_server.h"
#include "src/node/due_wheel.h"
#include "src/node/sink.h"
#include "watch/hub.h"

namespace synod::node {

class Streams {
 public:
  static constexpr uint64_t kBytesMax = uint64_t{512} << 20;  // of memory, for all watches
  using ContextSource = std::function<api::Context()>;
  Streams(const machine::Machine* machine, ContextSource context);
  ~Streams();

  // The linearizable round of the watch is over: begin at the machine's present revision. Answers
  // the exchange (410 if the history does not reach back) or makes it a stream. Gives the status.
  // `who` was permitted to see it, and is asked for again whenever that may have changed.
  int Begin(std::shared_ptr<net::Exchange> exchange,
            const api::WatchCall& call,
            const auth::Principal& who,
            int64_t now_ms);
  int Begin(std::shared_ptr<net::Exchange> exchange,
            const api::ObserveCall& call,
            const auth::Principal& who,
            int64_t now_ms);
  // As one of many of `sink`, which knows it as `tag`. `*id` is set before anything is written.
  Status Begin(std::shared_ptr<Sink> sink,
               uint64_t tag,
               const api::WatchCall& call,
               const auth::Principal& who,
               int64_t now_ms,
               watch::WatchId* id);
  // Ends a stream without a word.
  void Forget(watch::WatchId id);

  // Ends what may not be seen any more, if permissions have changed. Nothing is shown before.
  void JudgeAgain();
  void Publish(const std::vector<store::RevisionRef>& revisions);
  // The machine holds a later state now (a snapshot): streams go on as far as its history reaches
  // back, the others end as `compacted`.
  void OnStateReplaced();
  void Tick(int64_t now_ms);
  // Ends all with `shutting_down` and where to go on. `refusal`: what this node has is not to be
  // shown any more, so that long polls get that error and not what they gathered.
  void EndAll(const std::optional<Error>& refusal);

  Revision compact_revision() const { return machine_->tree().floor(); }
  size_t size() const { return streams_.size(); }
  uint64_t bytes() const { return bytes_; }  // an estimate of what the streams take

  struct Counters {
    uint64_t started = 0;
    uint64_t messages = 0;
    uint64_t overflows = 0;
    uint64_t compacted = 0;
    uint64_t denied = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  // A long poll, instead of a sink.
  struct Poll {
    std::shared_ptr<net::Exchange> exchange;
    api::RenderOptions render;
    api::LongPoll gathered;
    std::multimap<int64_t, watch::WatchId>::iterator deadline;
  };
  // Who sees a stream, and what he must be permitted for it.
  struct Viewer {
    auth::Principal who;
    auth::Need need;
  };
  struct Stream {
    std::shared_ptr<Sink> sink;
    std::unique_ptr<const Viewer> viewer;  // null: somebody who showed nothing
    uint64_t tag = 0;
    Revision position;   // everything up to here is delivered or does not match
    Revision announced;  // the last id that the client has
    int64_t wrote_ms = 0;
    std::unique_ptr<Poll> poll;
    std::unique_ptr<const std::string> election;  // the path of an observed one
    uint16_t path_bytes = 0;
    bool base64 = false;
    bool waiting = false;  // in sink->waiting
  };

  Result<watch::WatchId> Add(const watch::Spec& spec, Revision from, Stream stream, int64_t now_ms);
  int Refuse(net::Exchange* exchange, const api::RenderOptions& render, const Error& error);
  int BeginPoll(std::shared_ptr<net::Exchange> exchange,
                const api::WatchCall& call,
                const auth::Principal& who,
                int64_t now_ms);
  static std::unique_ptr<const Viewer> ViewerOf(const auth::Principal& who, auth::Need need);
  bool MaySee(const Stream& stream, ClusterTime now) const;
  static uint64_t BytesOf(const Stream& stream);
  void PumpReady();
  void PumpOne(watch::WatchId id);
  // True if the sink is full: the stream is put among those that wait for it.
  bool WaitsForRoom(watch::WatchId id, Stream* stream);
  void Resume(Sink* sink);
  void CutOff(const std::shared_ptr<Sink>& sink);
  void TickSinks();
  void TickIdle();
  void Heartbeat(watch::WatchId id, Stream* stream);
  void WriteMessage(Stream* stream, const watch::Message& message);
  void WriteLeader(Stream* stream, Revision revision);
  void FinishPoll(watch::WatchId id, Revision next);
  void End(watch::WatchId id, std::string last, const Error& of_poll);
  void Write(Stream* stream, std::string text);
  std::optional<machine::Holder> LeaderAt(const std::string& election, Revision at) const;

  const machine::Machine* machine_;
  const ContextSource context_;
  watch::Hub hub_;
  std::unordered_map<watch::WatchId, Stream> streams_;
  uint64_t bytes_ = 0;
  std::multimap<int64_t, watch::WatchId> poll_deadlines_;
  DueWheel idle_;  // every stream that is no poll, once
  std::vector<std::weak_ptr<Sink>> blocked_;
  Counters counters_;
  int64_t now_ms_ = 0;
  std::optional<uint64_t> judged_;  // the machine's permission_changes() then
};

}  // namespace synod::node

#endif  // SYNOD_NODE_STREAMS_H_
