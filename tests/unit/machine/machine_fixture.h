// MachineTest: one machine fed entry by entry, with verbs for what clients do.
//
// Contract      Time moves only by Pass(). Every Do() is one entry with one command of the
//               observer; its answer is the completion of that entry, or nullopt while it waits.
//               Completions of earlier waits are kept in `completed` by request number.
#ifndef SYNOD_TESTS_UNIT_MACHINE_MACHINE_FIXTURE_H_
#define SYNOD_TESTS_UNIT_MACHINE_MACHINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/machine/machine.h"

namespace synod::machine {

// A log of entries that owns its payloads, and a machine that applies them.
class Replayed {
 public:
  explicit Replayed(const auth::Settings& settings = {}, uint32_t supports = kMachineVersion)
      : machine(settings, supports) {}

  Applied Apply(LogEntry::Kind kind, Ballot origin, Bytes payload = {}) {
    Applied applied;
    machine.Apply({machine.applied() + 1, kind, origin, payload}, observer, &applied);
    // A pass over the whole state: too slow after every entry of a large one.
    const Machine::Counts counts = machine.counts();
    if (counts.nodes + counts.leases < 500 && counts.logical_bytes < 100'000)
      machine.CheckInvariants();
    return applied;
  }

  Machine machine;
  Observer observer{NodeId(1), 77};
};

// What a restart makes of the records of `kept`.
inline Machine Loaded(const Machine& kept) {
  Machine loaded(auth::Settings(), kept.supports());
  kept.ForEachRecord([&](std::string_view key, std::string_view value) {
    EXPECT_TRUE(loaded.LoadRecord(key, value)) << key;
  });
  EXPECT_TRUE(loaded.FinishLoad());
  loaded.CheckInvariants();
  EXPECT_EQ(loaded.digest(), kept.digest());
  return loaded;
}

class MachineTest : public testing::Test {
 protected:
  explicit MachineTest(const auth::Settings& settings = {}) : log_(settings) {
    log_.Apply(LogEntry::Kind::kLeaderStart, ballot_);
  }

  Machine& machine() { return log_.machine; }
  ClusterTime now() const { return now_; }
  Revision revision() { return machine().revision(); }

  // Lets cluster time pass, with one tick at its end.
  Applied Pass(int64_t ms) {
    now_ = now_ + ms;
    return Entry({});
  }

  Applied Entry(const std::vector<Command>& commands) {
    std::vector<Bytes> encoded;
    for (const Command& command : commands) encoded.push_back(Encode(command));
    Applied applied = log_.Apply(LogEntry::Kind::kCommand, ballot_, EncodeBatch(now_, encoded));
    for (Completion& completion : applied.completions)
      completed[completion.seq] = completion.answer;
    last_applied = applied;
    return applied;
  }

  // A command of the observer with the next request number.
  Command Make(Operation operation) {
    Command command;
    command.id = {NodeId(1), 77, ++last_seq};
    command.principal.user = user;
    command.operation = std::move(operation);
    return command;
  }
  Command MakeKeyed(const std::string& key, Operation operation, uint64_t fingerprint = 1) {
    Command command = Make(std::move(operation));
    command.idempotency_key = key;
    command.fingerprint = {fingerprint, fingerprint};
    return command;
  }

  std::optional<Answer> Run(const Command& command) {
    completed.erase(command.id.seq);
    Entry({command});
    return AnswerTo(command.id.seq);
  }
  std::optional<Answer> Do(Operation operation) { return Run(Make(std::move(operation))); }
  std::optional<Answer> AnswerTo(uint64_t seq) const {
    const auto it = completed.find(seq);
    return it == completed.end() ? std::nullopt : std::optional(it->second);
  }

  // The code of a refusal; kOk for anything else.
  static Errc CodeOf(const std::optional<Answer>& answer) {
    if (!answer.has_value())
      return Errc::kInternal;
    const Refusal* refusal = std::get_if<Refusal>(&answer->body);
    return refusal == nullptr ? Errc::kOk : refusal->error.code;
  }

  LeaseId Lease(int64_t ttl_ms) {
    const auto answer = Do(LeaseGrant{ttl_ms, "worker"});
    return std::get<LeaseAnswer>(answer->body).lease.id;
  }
  std::optional<Answer> PutNode(const std::string& path,
                                const std::string& value,
                                std::optional<LeaseId> lease = std::nullopt) {
    return Do(Put{path, value, lease, {}, false});
  }
  static Acquire AcquireOf(const std::string& path, LeaseId lease, int64_t wait_ms) {
    Acquire acquire;
    acquire.path = path;
    acquire.lease = lease;
    acquire.ttl_ms = lease.value == 0 ? 10'000 : 0;
    acquire.wait_ms = wait_ms;
    acquire.value = "who";
    return acquire;
  }
  static Acquire SharedOf(const std::string& path, LeaseId lease, int64_t wait_ms) {
    Acquire acquire = AcquireOf(path, lease, wait_ms);
    acquire.mode = LockMode::kShared;
    return acquire;
  }
  static Acquire CampaignOf(const std::string& path, LeaseId lease, int64_t wait_ms) {
    Acquire acquire = AcquireOf(path, lease, wait_ms);
    acquire.kind = LockKind::kElection;
    return acquire;
  }
  static FenceToken TokenOf(const std::optional<Answer>& answer) {
    if (!answer.has_value() || !std::holds_alternative<HoldAnswer>(answer->body))
      return FenceToken();
    return std::get<HoldAnswer>(answer->body).token;
  }

  bool Exists(const std::string& path) { return machine().tree().Find(path) != nullptr; }

  template <typename T>
  T ReadAs(const Query& query) {
    const Result<QueryResult> result = machine().Read(query, now_);
    EXPECT_TRUE(result.has_value());
    return result.has_value() ? std::get<T>(*result) : T();
  }

  std::map<uint64_t, Answer> completed;
  Applied last_applied;
  uint64_t last_seq = 0;
  std::string user;
  Ballot ballot_{1, NodeId(1)};
  Replayed log_;
  ClusterTime now_{1000};
};

}  // namespace synod::machine

#endif  // SYNOD_TESTS_UNIT_MACHINE_MACHINE_FIXTURE_H_
