// Sink: where the messages of streams go: one client, for one stream or for many.
//
// Contract      Takes the text of each message and gives it the form that the client asked for.
//               Says how much the client has not taken yet; who writes stops above a bound and goes
//               on when it is told (OnDrained).
// Thread        The loop's thread.
#ifndef SYNOD_NODE_SINK_H_
#define SYNOD_NODE_SINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "src/api/render.h"
#include "src/net/http_server.h"
#include "watch/hub.h"

namespace synod::node {

class Sink {
 public:
  explicit Sink(api::StreamFormat form) : format(form) {}
  virtual ~Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // Of the stream that the sink knows as `tag`: it has begun; a message; it has ended.
  virtual void Created(uint64_t tag, Revision revision, Revision position) = 0;
  virtual void Write(uint64_t tag, SharedBytes message) = 0;
  virtual void End(uint64_t tag) = 0;
  // All of its streams were ended because the client takes nothing.
  virtual void CutOff() = 0;
  virtual std::vector<watch::WatchId> streams() const = 0;

  virtual size_t QueuedBytes() const = 0;
  virtual void OnDrained(std::function<void()> callback) = 0;

  const api::StreamFormat format;

  // Kept by Streams.
  int64_t blocked_since_ms = 0;             // 0: not blocked
  std::deque<watch::WatchId> waiting = {};  // streams that have more to write
  bool listed = false;                      // among the blocked ones
};

// One stream, which is the answer to one request.
class HttpSink final : public Sink {
 public:
  HttpSink(std::shared_ptr<net::Exchange> exchange, api::StreamFormat form)
      : Sink(form), exchange_(std::move(exchange)) {}

  void Begin(net::HttpResponse head, watch::WatchId stream) {
    stream_ = stream;
    exchange_->StartStream(std::move(head));
  }
  void Created(uint64_t, Revision revision, Revision position) override {
    exchange_->Write(
        std::make_shared<const std::string>(api::RenderCreated(format, revision, position)));
  }
  void Write(uint64_t, SharedBytes message) override { exchange_->Write(std::move(message)); }
  void End(uint64_t) override { exchange_->EndStream(); }
  void CutOff() override {}
  std::vector<watch::WatchId> streams() const override { return {stream_}; }
  size_t QueuedBytes() const override { return exchange_->QueuedBytes(); }
  void OnDrained(std::function<void()> callback) override {
    exchange_->OnDrained(std::move(callback));
  }

 private:
  std::shared_ptr<net::Exchange> exchange_;
  watch::WatchId stream_ = 0;
};

}  // namespace synod::node

#endif  // SYNOD_NODE_SINK_H_
