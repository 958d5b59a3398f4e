// Revisions: the store's logical clock as all clients together saw it.
//
// Contract      Whatever was answered before a linearizable call began is covered by that call's
//               revision, and a change that took effect has a higher one. A sequential read
//               reflects the revision that it asked for.
// Thread        Add() in any; Judge() when no client runs.
#ifndef SYNOD_TESTS_HISTORIES_REVISIONS_H_
#define SYNOD_TESTS_HISTORIES_REVISIONS_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace synod::histories {

struct SeenRevision {
  int64_t called = 0;
  int64_t returned = 0;
  uint64_t revision = 0;
  bool changed = false;  // its own: a change that took effect
};

// What is wrong with them, a line each.
std::vector<std::string> JudgeRevisions(std::vector<SeenRevision> seen);

class Revisions {
 public:
  void Add(const SeenRevision& seen);
  size_t size() const { return seen_.size(); }
  std::vector<std::string> Judge() const { return JudgeRevisions(seen_); }

 private:
  std::mutex mutex_;
  std::vector<SeenRevision> seen_;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_REVISIONS_H_
