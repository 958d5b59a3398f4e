// SpareSegment: keeps the next segment of the log written in advance, by zeroing or by recycling.
//
// Why           An append into blocks that were written before changes no metadata of the file
//               system, so its sync waits for the data alone.
// Contract      At most one spare exists: the file "spare" in the log's directory, durable under
//               that name. Half-made ones are called "spare.tmp" and thrown away at start. One is
//               made no faster than its user asks, unless he waits for it: zeros at the speed of
//               the disk would hold up the appends that they are for.
// Thread        With a thread of its own, the zeros are written there; without one, in Step() and
//               Take(). Step, Take: the appending thread. Offer: any one thread.
// Errors        A spare that cannot be made is not fatal: Take() answers kStorageFull and may be
//               tried again, full() tells it before that.
#ifndef SYNOD_STORAGE_SPARE_SEGMENT_H_
#define SYNOD_STORAGE_SPARE_SEGMENT_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "src/storage/file_system.h"

namespace synod::storage {

class SpareSegment {
 public:
  SpareSegment(FileSystem& fs, std::string dir, bool own_thread);
  ~SpareSegment();
  SpareSegment(const SpareSegment&) = delete;
  SpareSegment& operator=(const SpareSegment&) = delete;

  // Takes over what an earlier process left.
  Status Adopt();
  // A spare of `size` bytes will be needed: so many more bytes of it may be made now.
  void Step(uint64_t bytes, uint64_t size);
  // Returns when a spare is ready, and its bytes; if there is none, one of `size` bytes is made at
  // once. It then belongs to the caller, who renames it and calls Release(): no other may get its
  // name before that. If he lacks the room to make it his he calls Return(): it stays the spare.
  Result<uint64_t> Take(uint64_t size);
  // The taken one is to be made longer: from now on it counts as half-made at the next start, since
  // only this process knows how much of it is on the disk.
  Status BeginGrowth();
  void Release();
  void Return();
  Status CheckRoom(uint64_t bytes) const;  // kStorageFull: fewer are free where it lies
  // Makes a segment of `bytes` that is no longer needed the spare; false if there is one already.
  Result<bool> Offer(const std::string& path, uint64_t bytes);

  // Of the one that is ready or taken; the appending thread's.
  std::string path() const { return growing_ ? half_made() : finished(); }
  uint64_t ready_bytes() const;  // 0: there is none
  // The last try failed, or the spare came back, and the next try has found no room yet.
  bool full() const;

 private:
  std::string finished() const { return dir_ + "/spare"; }
  std::string half_made() const { return dir_ + "/spare.tmp"; }

  enum class State { kNone, kMaking, kReady, kTaken };

  Status MakePiece(uint64_t bytes);
  Status Begin();
  Status Finish();
  void Ready(uint64_t bytes);
  void FoundRoom();
  void Failed(const Status& why);
  void Run();
  bool AwaitPermission();

  FileSystem& fs_;
  const std::string dir_;
  bool growing_ = false;

  // Only touched by whoever is making it (state kMaking).
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;
  uint64_t made_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kNone;
  uint64_t ready_bytes_ = 0;  // of the one that is ready or taken
  uint64_t wanted_ = 0;       // the thread is asked to make one of that size
  uint64_t allowed_ = 0;      // as much of it as may be made
  bool full_ = false;         // see full()
  bool stopping_ = false;
  std::string why_full_;
  std::thread thread_;
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_SPARE_SEGMENT_H_
