// StateStore: the replicated state as of its last checkpoint, kept in LevelDB.
//
// Contract      Write() stores one checkpoint atomically and durably: records, the slot they
//               reflect and the digest of the whole state. Record keys are not empty and begin with
//               a RecordTag, never with a zero byte (that is where the store keeps its own). Load()
//               streams every record of the last one. The caller recomputes the digest and refuses
//               the state if it differs.
// Errors        After a failed Write the store is dead and the process must end (LevelDB writes
//               after an ENOSPC can vanish: docs/decisions).
// Thread        One thread at a time, LoadRange() apart.
#ifndef SYNOD_STORAGE_STATE_STORE_H_
#define SYNOD_STORAGE_STATE_STORE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/record.h"
#include "src/base/types.h"
#include "src/storage/file_system.h"

namespace synod::storage {

struct Checkpoint {
  Slot slot;        // the state reflects every entry up to this one
  Digest digest;    // of the whole state at that slot
  Records records;  // what changed since the previous checkpoint
  // AcceptorLog::Stats::gen at that time: the state bears witness for the log (see
  // AcceptorLogOptions::gen_at_least). 0: no statement.
  uint64_t log_gen = 0;
  // What this node saw of the other members' logs (node::Witness); opaque here.
  std::string witness = {};
  Revision revision = {};  // of that state, and its cluster time: for snapshots of it
  ClusterTime time = {};
  uint32_t machine_version = 1;  // whose rules the records follow
};

// From `from` on and below `to`; empty: without a bound.
struct KeyRange {
  std::string from = {};
  std::string to = {};
};

using RecordVisitor = std::function<Status(std::string_view key, std::string_view value)>;

// The state as of one checkpoint, while later ones are written.
//
// Contract      Keeps the store's files alive (space, not correctness), also when the store goes.
// Thread        One thread, not necessarily the store's.
class StateSnapshot {
 public:
  virtual ~StateSnapshot() = default;
  virtual Slot slot() const = 0;
  virtual Digest digest() const = 0;
  virtual Revision revision() const = 0;  // zero if a version wrote it that did not keep these
  virtual ClusterTime time() const = 0;
  virtual Status ForEach(const RecordVisitor& each) = 0;  // in the order of the keys
};

class StateStore {
 public:
  static Result<std::unique_ptr<StateStore>> Open(FileSystem& fs, const std::string& dir);
  virtual ~StateStore() = default;

  // Slot and digest of the last checkpoint; slot 0 for a new store.
  virtual Slot slot() const = 0;
  virtual Digest digest() const = 0;
  virtual uint64_t log_gen() const = 0;
  virtual const std::string& witness() const = 0;
  virtual uint32_t machine_version() const = 0;
  // In the order of the keys. Several threads may do this at once, each with a range of its own,
  // and nothing else meanwhile.
  virtual Status LoadRange(const KeyRange& range, const RecordVisitor& each) = 0;
  Status Load(const RecordVisitor& each) { return LoadRange({}, each); }
  // A key that parts the records in two halves of about as many bytes; empty if there are few.
  virtual std::string Middle() = 0;
  virtual Status Write(const Checkpoint& checkpoint) = 0;
  virtual uint64_t ApproximateBytes() const = 0;
  // Of the last checkpoint. Cheap: nothing is copied.
  virtual std::unique_ptr<StateSnapshot> TakeSnapshot() = 0;
};

// A state store filled with the records of a snapshot instead of checkpoints.
//
// Contract      Writes into a directory of its own, which it empties first. Until Finish() what is
//               there is no state at all (slot 0); on return from it everything is durable.
// Errors        The directory is worth nothing then; remove it.
// Thread        One at a time.
class StateImport {
 public:
  static Result<std::unique_ptr<StateImport>> Create(FileSystem& fs, const std::string& dir);
  virtual ~StateImport() = default;
  virtual Status Add(std::string_view key, std::string_view value) = 0;
  // `whole` names slot, digest, revision, time and log_gen; its records are added, too.
  virtual Result<std::unique_ptr<StateStore>> Finish(const Checkpoint& whole) = 0;
};

// An error that says what was found and what to do.
Error StateDamage(const std::string& dir, const std::string& what);

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_STATE_STORE_H_
