// JudgeReadsAtRevision: does each read show the node as it was at the revision that it named?
//
// Contract      Every answer says which revision it reflects. With the revisions of the
//               acknowledged changes of a node that settles what a read of it may return: the
//               change before that revision, or one of those whose outcome nobody knows. A
//               sequential read reflects the revision it asked for at least.
// Not here      Real time and the order of revisions (linearizability.h, revisions.h).
#ifndef SYNOD_TESTS_HISTORIES_READS_AT_REVISION_H_
#define SYNOD_TESTS_HISTORIES_READS_AT_REVISION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/support/linearizability.h"

namespace synod::histories {

struct ReadAtRevision {
  uint64_t min_revision = 0;  // asked for
  uint64_t revision = 0;      // the answer's
  sim::RegisterState state = {};
};

// What is wrong with reads of the node whose changes are among `ops`, a line each. A delete's
// mod_revision is the revision that it took.
std::vector<std::string> JudgeReadsAtRevision(std::span<const sim::RegisterOp> ops,
                                              std::span<const ReadAtRevision> reads);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_READS_AT_REVISION_H_
