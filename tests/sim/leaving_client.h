// LeavingClient: waits for a lock for as long as it takes, and often leaves before.
// Places: the queue that it waits in.
//
// Contract      Waits for hours; closes its connection at any moment, comes back with the same key,
//               within the time that its place is kept or after, or never. Or it stays, and must be
//               answered: with the lock, or that its place is gone. In some runs it has a second
//               sender, whose repeat joins the wait through any node, and one of both may leave.
//               What it leaves in the queue is for Run to judge: its leases live so long that only
//               a withdrawal ends a wait.
//               Places watches the observer's machine after every slot. Throws Violation: (1) two
//               holds for one request; (2) a place or a hold of a request of which every sender was
//               promised that it was not applied; (3) who stays is told that the place is gone
//               while it is there, or was granted, or was lost after Settle().
// Thread        One.
#ifndef SYNOD_TESTS_SIM_LEAVING_CLIENT_H_
#define SYNOD_TESTS_SIM_LEAVING_CLIENT_H_

#include <map>
#include <optional>
#include <string>

#include "tests/sim/client.h"

namespace synod::sim {

// By the value of the request, which no other has.
class Places {
 public:
  explicit Places(World* world) : world_(world) {}

  void OnSlot();
  // Everything is mended, and for so long that no place is lost of which one sender stays.
  void Settle() { settled_ = world_->scheduler.now(); }
  // The lease of its place; 0: it has none now.
  LeaseId Find(const std::string& value) const;
  // All its senders know that it was not applied.
  void Deny(const std::string& value);
  // A sender that stayed was told that the place which it had is gone.
  void ToldGone(const std::string& value, LeaseId had) const;

 private:
  struct Place {
    LeaseId lease;
    FenceToken token;  // of its hold
    bool there = false;
    bool denied = false;
    Time last_there = 0;
  };
  void See(const std::string& value, LeaseId lease, FenceToken token);

  World* world_;
  Revision last_revision_;
  std::optional<Time> settled_;
  std::map<std::string, Place> places_;
};

class LeavingClient final : public Client {
 public:
  static constexpr const char* kLock = "/left";
  static constexpr int64_t kTtlMsMin = 12'000;
  static constexpr int64_t kTtlMsMax = 18'000;

  LeavingClient(const Shared& shared, uint32_t number, Random random, Places* places)
      : Client(shared, number, random), places_(places) {}

 private:
  void Next() override;
  void Wait();
  void WaitWithTwo();
  void Join(uint64_t attempt, Time patience);
  void Send(Time patience);
  void OnReply(const Reply& reply);
  void OnAnswer(const machine::Answer& answer);
  void OnError(const Reply& reply);
  void Hold();
  void ComeBackOrPause();
  Time LeavesWithin(Time limit) {
    return static_cast<Time>(random_.Below(static_cast<uint64_t>(limit)));
  }

  Places* places_;
  machine::Command command_;
  std::string value_;
  uint64_t waits_ = 0;
  bool maybe_applied_ = false;  // by any sender since the first
  // The present attempt.
  uint64_t attempt_ = 0;
  uint32_t open_ = 0;  // senders that have no reply yet
  LeaseId place_;      // when it was joined
  bool one_left_ = false;
  bool refused_ = false;
  bool told_new_ = false;  // of the hold, not as replayed
  FenceToken token_;
};

}  // namespace synod::sim

#endif  // SYNOD_TESTS_SIM_LEAVING_CLIENT_H_
