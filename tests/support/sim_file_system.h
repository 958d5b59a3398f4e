// SimFileSystem: a file system in memory that loses, tears and refuses what a real one may.
//
// Contract      Every file has a cached image (what reads see) and a durable one (what survives a
//               power cut). File::Sync copies the former to the latter, SyncDirectory makes names
//               durable; directories themselves are durable at once (as MakeDirectory promises).
//               Crash() is the power cut: what was not synced survives by chance, 4 KiB page by
//               page, a page also by 512-byte sectors ("torn"); pending creates, renames and
//               removes of a directory survive as a random subset or a random prefix. Files opened
//               before a crash only fail afterwards, locks are free again.
// Faults        A failed sync leaves its pages readable but never durable by a later sync, nor do
//               they lengthen the file (what Linux does). Everything is off by default.
// Determinism   The same calls and the same Random give the same result. Thread: any (one mutex).
#ifndef SYNOD_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_
#define SYNOD_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/storage/file_system.h"

namespace synod::storage {

class SimFileSystem final : public FileSystem {
 public:
  static constexpr uint64_t kPageBytes = 4096;
  static constexpr uint64_t kSectorBytes = 512;

  enum class Op { kCreate, kRead, kWrite, kSync, kRename, kRemove, kSyncDirectory };
  enum class Unsynced { kRandom, kLoseAll, kKeepAll };
  // What an injected failure is: a write that wrote a half, one that wrote nothing (both errors of
  // the device), a full disk (which took a half).
  enum class Failure { kShortWrite, kNothing, kFull };
  static constexpr Failure kFailures[] = {Failure::kShortWrite, Failure::kNothing, Failure::kFull};

  SimFileSystem();
  ~SimFileSystem() override;

  Result<std::unique_ptr<File>> Open(const std::string& path, Mode mode) override;
  Result<std::vector<std::string>> List(const std::string& dir) override;
  bool Exists(const std::string& path) override;
  Status MakeDirectory(const std::string& dir) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status RemoveDirectory(const std::string& dir) override;
  Status SyncDirectory(const std::string& dir) override;
  Result<std::unique_ptr<File>> Lock(const std::string& path) override;
  Result<uint64_t> FreeBytes(const std::string& dir) override;
  Result<uint64_t> TotalBytes(const std::string& dir) override;

  // The power cut, and the power back: see above. kKeepAll is a killed process on a live machine.
  void Crash(Random& random, Unsynced unsynced = Unsynced::kRandom);

  // The n-th operation of this kind from now (1 is the next) fails once. A failed write writes a
  // part.
  void FailNth(Op op, uint64_t n);
  // Asked before each operation; true makes it fail. Runs under the file system's mutex.
  void SetFault(std::function<bool(Op, const std::string& path)> fault,
                Failure failure = Failure::kShortWrite);
  // After `n` more changing operations (all but reads) every operation fails until Crash().
  void CutPowerAfter(uint64_t n);
  // Writes that would let all files together grow beyond this many bytes fail with kStorageFull.
  void SetByteBudget(std::optional<uint64_t> bytes);
  // Damages the file on disk and in the cache.
  void FlipBit(const std::string& path, uint64_t offset, int bit);
  // Replaces a file, in cache and on disk, as an operator or a bad disk would.
  void SetContent(const std::string& path, std::string content);

  // What is on the disk now, name by name; and the way back to it, as when an old copy of a disk is
  // put in place of the machine's. Open files are dead then, locks free.
  using Image = std::map<std::string, std::string>;
  Image DurableImage() const;
  void SetImage(const Image& image);
  // The file is gone, from cache and disk.
  void Lose(const std::string& path);

  std::string Content(const std::string& path) const;  // the cached image; "" if there is none
  std::string DurableContent(const std::string& path) const;
  uint64_t operations() const;  // changing operations so far, for CutPowerAfter
  uint64_t Count(Op op) const;  // operations of one kind so far
  uint64_t bytes_written() const;

 private:
  struct Inode;
  struct NameChange;
  class SimFile;

  Status Begin(Op op, const std::string& path);
  Status WriteTo(Inode& inode, uint64_t offset, std::string_view data);
  Status SyncInode(Inode& inode);
  void CrashInode(Inode& inode, Random& random, Unsynced unsynced);
  void CrashNames(Random& random, Unsynced unsynced);
  uint64_t UsedBytes() const;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Inode>> names_;
  std::map<std::string, std::shared_ptr<Inode>> durable_names_;
  std::map<std::string, std::vector<NameChange>> pending_;  // by directory
  std::set<std::string> directories_;
  std::map<std::string, std::weak_ptr<int>> locks_;

  uint64_t boot_ = 0;  // files of an earlier boot are dead
  std::map<Op, uint64_t> counts_;
  std::map<Op, uint64_t> fail_at_;
  std::function<bool(Op, const std::string&)> fault_;
  Failure failure_ = Failure::kShortWrite;  // of fault_
  std::optional<uint64_t> power_left_;
  std::optional<uint64_t> budget_;
  uint64_t operations_ = 0;
  uint64_t bytes_written_ = 0;
};

}  // namespace synod::storage

#endif  // SYNOD_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_
