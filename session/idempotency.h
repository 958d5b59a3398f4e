// IdempotencyTable: the answers already given, by user and Idempotency-Key, as replicated state.
//
// Contract      A record is pending while its request waits (an acquire), then holds the answer of
//               the first execution until `expires`. It is alive while now <= expires; a request
//               carrying that instant as its Not-After is refused from the next one on, so between
//               the two no second execution fits.
// Invariants    (1) bytes() is the sum over records of key, answer and a flat cost; (2) a pending
//               record has no expiry and names the contender it waits for; (3) the digest is the
//               sum over the records.
// Source        docs/api.md, section "Exactly once".
// Thread        Core thread only.   Errors: none.
// Not here      Which answers are recorded, and what an answer looks like (src/machine).
#ifndef SYNOD_SESSION_IDEMPOTENCY_H_
#define SYNOD_SESSION_IDEMPOTENCY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "session/record_tally.h"
#include "src/base/error.h"
#include "src/base/types.h"

namespace synod::session {

// The name of a record: user and key with the border between them.
Bytes RequestKey(std::string_view user, std::string_view idempotency_key);

struct IdempotencyRecord {
  Hash128 fingerprint;    // of the request; another one under the same key is a mistake
  ClusterTime not_after;  // 0: none
  bool pending = false;
  std::string contender;  // pending: the node of the contender that waits
  ClusterTime expires;    // not pending
  Bytes answer;           // not pending; encoded
  Hash128 hash;
};

class IdempotencyTable {
 public:
  // Null if there is none or it ran out.
  const IdempotencyRecord* Find(std::string_view request_key, ClusterTime now) const;

  void Wait(std::string_view request_key,
            const Hash128& fingerprint,
            ClusterTime not_after,
            std::string_view contender);
  // New, or the end of a pending one; replaces a record that ran out.
  void Keep(std::string_view request_key,
            const Hash128& fingerprint,
            ClusterTime not_after,
            ClusterTime expires,
            Bytes answer);
  // A pending record whose wait was withdrawn: a repeat starts anew.
  void Forget(std::string_view request_key);
  // Drops those that ran out.
  void Expire(ClusterTime now);
  // From this time on a record may be dropped.
  std::optional<ClusterTime> NextDeadline() const;

  size_t size() const { return records_.size(); }
  uint64_t bytes() const { return bytes_; }
  const Digest& digest() const { return tally_.digest(); }
  RecordTally& tally() { return tally_; }
  const RecordTally& tally() const { return tally_; }
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  Status LoadRecord(std::string_view key, std::string_view value);
  void CheckInvariants() const;

 private:
  struct KeyHash {
    size_t operator()(const Bytes& key) const { return static_cast<size_t>(HashOf(key).lo); }
  };
  void Insert(std::string_view request_key, IdempotencyRecord record);
  void Erase(const Bytes& request_key);

  // Looked up by key; walked only through `order_`, whose order is the same on every node.
  std::unordered_map<Bytes, IdempotencyRecord, KeyHash> records_;
  std::set<std::pair<ClusterTime, Bytes>> order_;  // by expiry; pending ones under kNever
  uint64_t bytes_ = 0;
  RecordTally tally_;
};

}  // namespace synod::session

#endif  // SYNOD_SESSION_IDEMPOTENCY_H_
