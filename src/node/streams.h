// Streams: the watches of this node as HTTP streams and long polls.
//
// Contract      A stream is a cursor of the watch hub and an exchange. It writes while the client
//               takes what was written, stops when the kernel's queue is full, and goes on when it
//               has drained. A client that takes nothing for kStallMs while there is more gets
//               `overflow` and is let go: it can resume where it was. Idle streams get a comment
//               and a progress mark every kHeartbeatMs.
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
#include "watch/hub.h"

namespace synod::node {

class Streams {
 public:
  using ContextSource = std::function<api::Context()>;
  Streams(const machine::Machine* machine, ContextSource context);
  ~Streams();

  // The linearizable round of the watch is over: begin at the machine's present revision. Answers
  // the exchange (410 if the history does not reach back) or makes it a stream. Gives the status.
  int Begin(std::shared_ptr<net::Exchange> exchange, const api::WatchCall& call, int64_t now_ms);
  int Begin(std::shared_ptr<net::Exchange> exchange, const api::ObserveCall& call, int64_t now_ms);

  void Publish(const std::vector<store::RevisionRef>& revisions);
  // The machine holds a later state now (a snapshot): streams go on as far as its history reaches
  // back, the others end as `compacted`.
  void OnStateReplaced();
  void Tick(int64_t now_ms);
  // Ends all with `shutting_down` and where to go on. `refusal`: what this node has is not to be
  // shown any more, so that long polls get that error and not what they gathered.
  void EndAll(const std::optional<Error>& refusal);
  size_t size() const { return streams_.size(); }

  struct Counters {
    uint64_t started = 0;
    uint64_t messages = 0;
    uint64_t overflows = 0;
    uint64_t compacted = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  struct Stream {
    std::shared_ptr<net::Exchange> exchange;
    api::StreamFormat format = api::StreamFormat::kSse;
    api::RenderOptions render;
    Revision position;   // everything up to here is delivered or does not match
    Revision announced;  // the last id that the client has
    int64_t wrote_ms = 0;
    int64_t blocked_since_ms = 0;           // 0: not blocked
    std::optional<std::string> election;    // observe: its path
    std::optional<machine::Holder> leader;  // observe: as last told
    std::unique_ptr<api::LongPoll> poll;    // long poll: what was gathered
    int64_t poll_deadline_ms = 0;
  };

  int Open(std::shared_ptr<net::Exchange> exchange,
           const watch::Spec& spec,
           Revision from,
           Stream stream,
           int64_t now_ms);
  void PumpOne(watch::WatchId id);
  void Heartbeat(watch::WatchId id);
  void WriteMessage(Stream* stream, const watch::Message& message);
  void WriteLeader(Stream* stream, Revision revision);
  void FinishPoll(watch::WatchId id, Revision next);
  void End(watch::WatchId id, std::string last, const Error& of_poll);
  void Write(Stream* stream, std::string text);
  void Forget(watch::WatchId id);
  std::optional<machine::Holder> LeaderAt(const std::string& election, Revision at) const;

  const machine::Machine* machine_;
  const ContextSource context_;
  watch::Hub hub_;
  std::unordered_map<watch::WatchId, Stream> streams_;
  Counters counters_;
  int64_t now_ms_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_STREAMS_H_
