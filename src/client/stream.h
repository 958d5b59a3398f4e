// Stream: the messages of a watch or an observation, over as many connections as it takes.
//
// Contract      Each message once and in order, as a JSON object. When the connection, the node or
//               the leader goes, or the stream ends with `overflow` or `shutting_down`, it resumes
//               behind the last revision seen, at the next node, after a pause that doubles while
//               nothing comes. Ends by itself only by `on_end`, once: the history is gone
//               (kCompacted), or the request is refused.
// Thread        The loop's.
#ifndef SYNOD_CLIENT_STREAM_H_
#define SYNOD_CLIENT_STREAM_H_

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "src/client/calls.h"

namespace synod::client {

class Stream : public std::enable_shared_from_this<Stream> {
 public:
  struct Handlers {
    // A `change`, and the line that it came as.
    std::function<void(const boost::json::object&, std::string_view line)> on_change;
    std::function<void(const Error&)> on_end;
  };
  // `from`: the first revision wanted; 0: the next change.
  Stream(Runtime& runtime, Calls& calls, std::string target, uint64_t from, Handlers handlers);

  void Open();
  // Nothing is called afterwards.
  void Close();

 private:
  void OnData(std::string_view bytes);
  void OnLine(std::string_view line);
  void OnClosed(const Result<Answer>& answer);
  void Reopen(Milliseconds pause_min);
  void End(const Error& error);

  Runtime& runtime_;
  Calls& calls_;
  const std::string target_;
  uint64_t next_;                       // the revision to go on with
  std::shared_ptr<Handlers> handlers_;  // shared: a call in progress outlives a Close in it
  std::string buffer_;
  std::optional<Calls::Id> call_;
  std::optional<Runtime::TimerId> timer_;
  std::optional<Error> ended_;
  int silent_ = 0;  // connections without a message
  bool closed_ = false;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_STREAM_H_
