// Lock, RwLock, Semaphore, MultiLock: first come, first served, with a fencing token.
//
// Contract      As Curator's InterProcessMutex, -ReadWriteLock, -SemaphoreV2 and -MultiLock, but
//               one atomic request each, decided by the cluster. Each acquisition is a hold of its
//               own: two of one process exclude each other, too. A reader does not overtake a
//               waiting writer. A MultiLock gets all of its locks in one step or waits for all, so
//               that processes that take the same locks in another order cannot block each other.
// Thread        Any.   Errors: hold.h.
#ifndef SYNOD_CLIENT_LOCK_H_
#define SYNOD_CLIENT_LOCK_H_

#include <string>
#include <vector>

#include "src/client/hold.h"

namespace synod::client {

enum class LockMode : uint8_t { kExclusive, kShared };

class Lock {
 public:
  Lock(Client& client, std::string path, HoldOptions options = {})
      : Lock(client, std::move(path), std::move(options), LockMode::kExclusive, 1) {}

  // Waits so long for it; 0: now or kLockUnavailable.
  Result<Hold> Acquire(Milliseconds wait);
  Waiting Acquire(Milliseconds wait, Callback<Hold> done);

 protected:
  Lock(Client& client, std::string path, HoldOptions options, LockMode mode, uint32_t limit)
      : client_(client),
        path_(std::move(path)),
        options_(std::move(options)),
        mode_(mode),
        limit_(limit) {}

 private:
  friend class RwLock;
  struct ClaimRequest Request(Milliseconds wait) const;

  Client& client_;
  std::string path_;
  HoldOptions options_;
  LockMode mode_;
  uint32_t limit_;
};

class RwLock {
 public:
  RwLock(Client& client, const std::string& path, const HoldOptions& options = {})
      : read_(client, path, options, LockMode::kShared, 1),
        write_(client, path, options, LockMode::kExclusive, 1) {}
  Lock& read() { return read_; }
  Lock& write() { return write_; }

 private:
  Lock read_;
  Lock write_;
};

// At most `limit` holds at once; all who use it say the same limit.
class Semaphore : public Lock {
 public:
  Semaphore(Client& client, std::string path, uint32_t limit, HoldOptions options = {})
      : Lock(client, std::move(path), std::move(options), LockMode::kExclusive, limit) {}
};

class MultiLock {
 public:
  struct Part {
    std::string path;
    LockMode mode = LockMode::kExclusive;
  };
  MultiLock(Client& client, std::vector<Part> parts, HoldOptions options = {})
      : client_(client), parts_(std::move(parts)), options_(std::move(options)) {}

  // The hold has one fence for each part, in the order of their paths.
  Result<Hold> Acquire(Milliseconds wait);
  Waiting Acquire(Milliseconds wait, Callback<Hold> done);

 private:
  struct ClaimRequest Request(Milliseconds wait) const;

  Client& client_;
  std::vector<Part> parts_;
  HoldOptions options_;
};

}  // namespace synod::client

#endif  // SYNOD_CLIENT_LOCK_H_
