// WatchStream: one recorded stream of a watch at one node, in any of the API's formats.
//
// Contract      Asks for what `session` names and writes into it what comes; long poll is a stream
//               of answers. Values are recorded short: a run of dots at the end as its length.
// Thread        One.
// Errors        std::runtime_error if the node cannot be reached, cannot serve, breaks off, or says
//               nothing until a deadline; WatchNonsense if what it says is none of the API.
#ifndef SYNOD_TESTS_HISTORIES_WATCH_STREAM_H_
#define SYNOD_TESTS_HISTORIES_WATCH_STREAM_H_

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/histories/watch_guarantees.h"

namespace synod::histories {

enum class WatchFormat : uint8_t { kSse, kNdjson, kWebSocket, kLongPoll };

class WatchNonsense : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

std::string ShortValue(std::string_view value);
WatchedNode ParseWatchedNode(const boost::json::value& node);

// What comes in, whatever it came in.
class WatchSource {
 public:
  struct Item {
    boost::json::object message;
    std::string id = {};  // of SSE
  };
  virtual ~WatchSource() = default;
  // Nothing once it has ended. {"type":"compacted",...} first if it was refused as such.
  virtual std::optional<Item> Next(std::chrono::milliseconds timeout) = 0;
};

class WatchStream {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  // `receive_buffer`: of the kernel, for those who take little; 0: as it comes.
  WatchStream(uint16_t port,
              const WatchSpec& spec,
              WatchFormat format,
              int receive_buffer,
              WatchSession* session);
  ~WatchStream();

  // Records the next message; false at the end.
  bool Next(Deadline deadline);

 private:
  WatchSession* session_;
  std::unique_ptr<WatchSource> source_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_WATCH_STREAM_H_
