// FenceTable: registers of the highest fencing token seen, for systems outside.
//
// Contract      A register only rises. The floor holds for all of them, also for those that do not
//               exist: no token below it is taken, so that what a cluster before this one gave out
//               is refused, whatever was registered or forgotten since.
// Invariants    (1) the digest is the sum over the records; (2) record_bytes() counts each of them.
// Thread        Core thread only.
// Errors        None; LoadRecord(): kInternal, what is wrong with the record.
// Not here      The locks that tokens come from (lock_table.h); where the floor comes from
//               (src/machine/restore.cc).
#ifndef SYNOD_LOCK_FENCE_TABLE_H_
#define SYNOD_LOCK_FENCE_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "session/lease_table.h"
#include "session/record_tally.h"
#include "src/base/error.h"
#include "src/base/types.h"

namespace synod::lock {

class FenceTable {
 public:
  // The highest token seen, or the floor above it; nullopt: there is no such register.
  std::optional<FenceToken> Find(std::string_view path) const;
  // What a token must reach to be taken: Find(), or the floor where there is no register.
  FenceToken Required(std::string_view path) const;
  // Makes the register if there is none. `token` is at least Required().
  void Raise(std::string_view path, FenceToken token);
  // There is such a register.
  void Forget(std::string_view path);

  FenceToken floor() const { return floor_; }
  void set_floor(FenceToken floor) { floor_ = floor; }

  size_t size() const { return registers_.size(); }
  // What they count for in quotas, and one more would.
  uint64_t record_bytes() const { return record_bytes_; }
  static uint64_t SizeOf(std::string_view path) { return 64 + path.size(); }

  const Digest& digest() const { return tally_.digest(); }
  session::RecordTally& tally() { return tally_; }
  const session::RecordTally& tally() const { return tally_; }
  void ForEachRecord(
      const std::function<void(std::string_view key, std::string_view value)>& each) const;
  Status LoadRecord(std::string_view key, std::string_view value);
  void CheckInvariants() const;

 private:
  struct Register {
    FenceToken highest;
    Hash128 hash;  // of its record
  };

  std::map<std::string, Register, session::PathLess> registers_;
  FenceToken floor_;
  uint64_t record_bytes_ = 0;
  session::RecordTally tally_;
};

}  // namespace synod::lock

#endif  // SYNOD_LOCK_FENCE_TABLE_H_
