// Client: what all simulated clients have in common: choosing nodes, retrying, keeping unique
// values.
//
// Contract      A client has one thing under way at a time. Change() repeats a change with an
//               idempotency key through other nodes until it knows the outcome or gives up; without
//               a key it tries once. After Stop() it begins nothing new; idle() tells when the last
//               thing has ended.
// Thread        One.
#ifndef SYNOD_TESTS_SIM_CLIENT_H_
#define SYNOD_TESTS_SIM_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "src/base/random.h"
#include "tests/sim/client_port.h"
#include "tests/sim/history.h"

namespace synod::sim {

// The token of the one who may do everything, in runs with authentication.
extern const Bytes kAdministratorHash;

struct LoadStats {
  uint64_t changes = 0, reads = 0, applied = 0, refused = 0, not_applied = 0, unknown = 0;
  uint64_t retries = 0, replays = 0, holds = 0, fenced = 0, leases = 0, leads = 0, aged = 0;
  uint64_t raised = 0, over_quota = 0, waits_left = 0, waits_joined = 0, places_kept = 0;
};

// What a change came to, over all its attempts.
struct ChangeOutcome {
  enum class Kind : uint8_t { kAnswer, kNotApplied, kUnknown };
  Kind kind = Kind::kUnknown;
  machine::Answer answer;
  Time sent = 0;       // of the first attempt
  Time sent_last = 0;  // of the attempt that was answered
  Revision floor;      // what the answer must be above, or at
};

class Client {
 public:
  struct Shared {
    World* world;
    ClientPort* port;
    History* history;
    LoadStats* stats;
  };

  Client(const Shared& shared, uint32_t number, Random random)
      : shared_(shared), number_(number), random_(random) {}
  virtual ~Client() = default;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Start() { Later(0); }
  void Stop() { stopped_ = true; }
  bool idle() const { return stopped_ && !busy_; }

 protected:
  // Begins the next thing; ends with Later().
  virtual void Next() = 0;
  virtual void OnStopped() {}
  // Not before those are known who have tokens: a repeat would be another user's.
  virtual bool MayBegin() const {
    return !shared_.world->swarm.auth ||
           shared_.world->observer.machine().settings().auth_enabled != 0;
  }
  // Whose token its requests show.
  virtual auth::Principal Who() const;

  // Next() after a time to think, or the end.
  void Later(Time delay);
  void Pause() {
    Later(static_cast<Time>(random_.Below(static_cast<uint64_t>(world().swarm.think_max))));
  }

  using ChangeDone = std::function<void(const ChangeOutcome&)>;
  void Change(machine::Operation operation, int64_t timeout_ms, bool keyed, ChangeDone done) {
    ChangeFenced(std::move(operation), {}, timeout_ms, keyed, std::move(done));
  }
  void ChangeFenced(machine::Operation operation,
                    std::vector<machine::Fence> fences,
                    int64_t timeout_ms,
                    bool keyed,
                    ChangeDone done);

  // Of those that were not removed, as far as clients hear of it.
  NodeId AnyNode();
  // Unique over the run; `tag` is for the reader.
  std::string UniqueValue(const std::string& tag);
  World& world() { return *shared_.world; }
  Time now() { return shared_.world->scheduler.now(); }

  Shared shared_;
  uint32_t number_;
  Random random_;
  ClusterTime cluster_time_;  // latest seen
  bool stopped_ = false;

 private:
  struct Try {
    machine::Command command;
    int64_t timeout_ms = 0;
    uint32_t attempts_left = 0;
    bool maybe_applied = false;  // by an earlier attempt
    ChangeOutcome outcome;
    ChangeDone done;
  };
  void Attempt(const std::shared_ptr<Try>& t);
  void OnReply(const std::shared_ptr<Try>& t, const Reply& reply);

  bool busy_ = true;
  uint64_t next_value_ = 0;
  uint64_t next_key_ = 0;
};

// Writes, compares and swaps, reads and deletes a few paths.
class RegisterClient final : public Client {
 public:
  using Client::Client;

 private:
  struct Known {
    bool present = false;
    uint64_t version = 0;
    uint64_t mod_revision = 0;
  };
  void Next() override;
  void DoPut();
  void DoDelete();
  void DoTxn();
  void DoRead(bool linearizable);
  void OnRead(const std::string& path,
              const node::ReadRequest& request,
              Revision floor,
              Time sent,
              const Reply& reply);
  void DoCompact();
  std::string PathOf(uint64_t n) const { return "/r/" + std::to_string(n); }
  // Draws a precondition, often one that may hold.
  store::Precondition DrawPrecondition(const std::string& path, RegisterOp* op);
  // Fills in what the answer says, and records the operation.
  void Record(const std::string& path, RegisterOp op, const ChangeOutcome& outcome);
  void RecordTxn(const std::vector<std::string>& paths,
                 const std::vector<RegisterOp>& ops,
                 const ChangeOutcome& outcome);
  void Learn(const std::string& path, const store::NodeState* node);

  std::map<std::string, Known> known_;
  Revision seen_;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_CLIENT_H_
