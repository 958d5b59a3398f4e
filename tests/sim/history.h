// History: what the clients asked and were told, and whether it can have happened.
//
// Contract      Online: an answer reflects every revision that somebody had been told of before the
//               request was sent. At the end: (1) every acknowledged change stands in the log at
//               the revision that it named, with that value and version; (2) every read and every
//               refusal agrees with the log at its revision; (3) a value is written at most once;
//               (4) path by path the history is linearizable, revisions not trusted
//               (tests/support/linearizability.h); (5) the log itself counts versions without a
//               gap.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_HISTORY_H_
#define SYNOD_TESTS_SIM_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "src/store/node.h"
#include "tests/sim/trace.h"
#include "tests/support/linearizability.h"

namespace synod::sim {

struct HistoryOp {
  std::string path;
  RegisterOp op;
  Revision revision;         // of the answer; 0: the outcome is not known
  bool linearizable = true;  // false: a sequential read, checked by its revision alone
};

class History {
 public:
  // Somebody was told of this revision now.
  void Told(Revision revision, Time now);
  // What a request that is sent now must reflect.
  Revision floor() const { return told_.empty() ? Revision() : told_.rbegin()->second; }
  // What a read that may be so old must reflect.
  Revision FloorAt(Time time) const;

  void Add(HistoryOp op) { ops_.push_back(std::move(op)); }

  struct Summary {
    uint64_t operations = 0, open = 0, undecided = 0, steps = 0;
  };
  // Throws Violation. `log` is every revision that changed a node, ascending.
  Summary Check(const std::vector<store::RevisionRef>& log) const;

 private:
  struct Version {
    Revision revision;
    store::NodeRef node;  // null: deleted
  };
  using Versions = std::map<std::string, std::vector<Version>>;

  static Versions Index(const std::vector<store::RevisionRef>& log);
  static void CheckUnique(const std::vector<store::RevisionRef>& log);
  static const Version* VersionAt(const Versions& versions, const std::string& path, Revision at);
  static void CheckAgainstLog(const HistoryOp& op, const Versions& versions);

  std::vector<HistoryOp> ops_;
  std::map<Time, Revision> told_;  // ascending both ways
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_HISTORY_H_
