// LeaderObserver: a recording observer of one election that goes from node to node.
//
// Contract      Follows /observe in streams at one node after another, as SSE or NDJSON, each
//               broken off after a while and resumed at the next behind the last message or mark;
//               when that history is compacted, or nothing was seen yet, it begins anew. Ends when
//               it has seen the goal's revision.
// Thread        Run() has one of its own; the records are read when that has ended.
#ifndef SYNOD_TESTS_HISTORIES_LEADER_OBSERVER_H_
#define SYNOD_TESTS_HISTORIES_LEADER_OBSERVER_H_

#include <atomic>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "tests/histories/leaders.h"

namespace synod::histories {

class LeaderObserver {
 public:
  // `target`: of the election, without "/observe".
  LeaderObserver(std::string target, std::vector<uint16_t> ports, uint64_t seed)
      : target_(std::move(target)), ports_(std::move(ports)), random_(seed) {}

  void Run();
  // Nobody changes the election after this revision, which changes it.
  void Goal(uint64_t revision) { goal_ = revision; }
  void Abandon() { abandoned_ = true; }

  bool reached() const {
    return goal_ != 0 && !runs_.empty() && runs_.back().messages.back().revision >= goal_;
  }
  const std::vector<ObservedRun>& runs() const { return runs_; }
  // What the API does not allow, a line each.
  const std::vector<std::string>& nonsense() const { return nonsense_; }

 private:
  void Follow();
  void Take(bool is_mark, const boost::json::value& message);

  const std::string target_;
  const std::vector<uint16_t> ports_;
  Random random_;
  std::atomic<uint64_t> goal_ = 0;
  std::atomic<bool> abandoned_ = false;
  bool anew_ = true;
  std::vector<ObservedRun> runs_;
  std::vector<std::string> nonsense_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_LEADER_OBSERVER_H_
