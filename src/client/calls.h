// Calls: requests to a cluster, repeated until there is an answer, in ways that cannot do harm.
//
// Contract      An attempt goes to the endpoint that worked last; when it fails, the next goes to
//               the next endpoint after a pause that doubles, with jitter. What repeats, and what
//               is known afterwards, is Judge() alone; who asks again after a call's end goes by
//               MayPass(), as it does. A call ends at its timeout with what is known then. A stream
//               repeats until its first byte.
// Time          Learns the cluster's time from Synod-Time. A change gets Not-After = that time + 15
//               s, so that no network can hold it longer; asks for the time first when what it
//               knows is older than a minute.
// Thread        The loop's.   Errors: kDeadlineExceeded or kInternal when nobody answered.
#ifndef SYNOD_CLIENT_CALLS_H_
#define SYNOD_CLIENT_CALLS_H_

#include <map>
#include <memory>
#include <optional>

#include "src/client/call.h"
#include "src/client/runtime.h"

namespace synod::client {

// What the end of one attempt means for its call.
struct Verdict {
  bool repeat = false;
  bool anew = false;           // under another key and Not-After
  bool maybe_applied = false;  // this or an earlier attempt may have been, or may yet be
};

struct AttemptEnd {
  int status = 0;  // 0: no answer
  std::string code;
  Outcome outcome = Outcome::kNotApplied;  // as the answer says; of no answer: was anything sent
  bool replayed = false;                   // the answer is the record's
};

// May the same fare better if it is asked again? Of a status and its code: nobody answered (0), a
// node is overloaded, there is no leader. Of an Error: what is left of these when a call gives up.
bool MayPass(int status, std::string_view code);
bool MayPass(Errc code);
// How long to wait before that, at least: Retry-After of a 429 is heeded.
Milliseconds PauseMin(const HttpReply& reply);
// And after that many failures on end: doubles from 20 ms to 1 s. Half of it is chance, so that
// clients who failed together do not come back together.
Milliseconds BackOff(Runtime& runtime, int failures, Milliseconds at_least);

Verdict Judge(const AttemptEnd& end, bool change, bool own_key, bool maybe_applied_before);

class Calls {
 public:
  using Id = uint64_t;
  using OnData = std::function<void(std::string_view)>;

  Calls(Runtime& runtime, size_t endpoints);

  // `done` is called once, never from within Start. With `on_data` the body of a 200 goes there.
  Id Start(Call call, Callback<Answer> done, OnData on_data = nullptr);
  // `done` is not called any more; what was sent may be applied.
  void Cancel(Id id);

 private:
  struct Pending {
    Call call;
    Callback<Answer> done;
    std::shared_ptr<OnData> on_data;  // shared: it may cancel its call
    Clock::time_point deadline;
    Clock::time_point first_sent_at;
    Clock::time_point sent_at;
    std::string key;         // ours
    uint64_t not_after = 0;  // fixed for the key's life: another would be another request
    std::string trouble;     // the last that said more than that it took too long
    bool change = false;
    bool own_key = false;  // the caller's
    bool maybe_applied = false;
    bool data_seen = false;
    int attempts = 0;
    size_t asked = 0;  // the endpoint of this attempt
    std::optional<Runtime::ExchangeId> exchange;
    std::optional<Runtime::TimerId> timer;
  };

  void Attempt(Id id);
  void AskTime(Id id, Pending& p);
  void Send(Id id, Pending& p);
  void OnEnd(Id id, Result<HttpReply> result);
  void Repeat(Id id, Pending& p, Milliseconds pause_min);
  void Finish(Id id, Result<Answer> result);
  void Leave(size_t endpoint);
  void Learn(const HttpReply& reply);
  bool KnowsTime() const;
  Clock::time_point AttemptDeadline(const Pending& p) const;

  Runtime& runtime_;
  const size_t endpoints_;
  size_t endpoint_ = 0;
  Id last_id_ = 0;
  std::map<Id, Pending> pending_;
  std::optional<uint64_t> cluster_time_;  // the highest seen, and when
  Clock::time_point time_seen_at_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_CALLS_H_
