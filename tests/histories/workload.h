// Workload: operations on one kind of object, what was recorded of them, and its judgement.
//
// Contract      Step() does one operation and records it. Objects are given up after a few hundred
//               operations and new ones begun, so that each history stays short enough to be
//               searched; the given-up ones are read again at the end, and count.
// Thread        Step() in any; the others in the main one, when no client runs.
#ifndef SYNOD_TESTS_HISTORIES_WORKLOAD_H_
#define SYNOD_TESTS_HISTORIES_WORKLOAD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/histories/client.h"
#include "tests/histories/revisions.h"

namespace synod::histories {

struct Judgement {
  std::string notes = {};  // for the reader
  uint64_t histories = 0;
  uint64_t undecided = 0;
  uint64_t reads = 0;    // that were judged, sequential ones included
  uint64_t changes = 0;  // acknowledged ones
  std::vector<std::string> violations;
};

// What came of the calls of one workload.
struct Counts {
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> not_applied{0};
  std::atomic<uint64_t> unknown{0};

  void Add(const Reply& reply) {
    ++(reply.outcome == Reply::Outcome::kAnswered     ? answered
       : reply.outcome == Reply::Outcome::kNotApplied ? not_applied
                                                      : unknown);
  }
};

class Workload {
 public:
  explicit Workload(Revisions* revisions) : revisions_(revisions) {}
  virtual ~Workload() = default;
  virtual std::string name() const = 0;
  // What it does besides, in threads and processes of its own: before the first Step(), and after
  // the last, when every fault is mended.
  virtual void Begin(const std::vector<uint16_t>&) {}
  virtual void Finish(Client&) {}
  virtual void Step(Client& client) = 0;
  // Reads all there is through `node`, once every fault is mended.
  virtual void ReadAll(Client& client, size_t node) = 0;
  virtual Judgement Judge() = 0;
  const Counts& counts() const { return counts_; }

 protected:
  // An answer that no rule of the API allows here.
  void Unexpected(const std::string& what, const Reply& reply);

  Revisions* revisions_;
  Counts counts_;
  std::mutex mutex_;
  std::vector<std::string> unexpected_;
};

std::unique_ptr<Workload> MakePausedLocks(Revisions* revisions);
std::unique_ptr<Workload> MakeRegisters(Revisions* revisions);
std::unique_ptr<Workload> MakeAppends(Revisions* revisions);
std::unique_ptr<Workload> MakeCounters(Revisions* revisions);
std::unique_ptr<Workload> MakeElections(Revisions* revisions);
std::unique_ptr<Workload> MakeLocks(Revisions* revisions);
std::unique_ptr<Workload> MakeSets(Revisions* revisions);
std::unique_ptr<Workload> MakeWatches(Revisions* revisions);

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_WORKLOAD_H_
