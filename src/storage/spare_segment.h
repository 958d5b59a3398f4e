// SpareSegment: keeps the next segment of the log written in advance, by zeroing or by recycling.
//
// Why           An append into blocks that were written before changes no metadata of the file
//               system, so its sync waits for the data alone.
// Contract      At most one spare exists: the file "spare" in the log's directory, durable under
//               that name and `segment_bytes` long or longer. Half-made ones are called "spare.tmp"
//               and thrown away at start.
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
  SpareSegment(FileSystem& fs, std::string dir, uint64_t segment_bytes, bool own_thread);
  ~SpareSegment();
  SpareSegment(const SpareSegment&) = delete;
  SpareSegment& operator=(const SpareSegment&) = delete;

  // Takes over what an earlier process left.
  Status Adopt();
  // The log has grown by `bytes` and will need a spare: makes a part of it, or wakes the thread.
  void Step(uint64_t bytes);
  // Returns when the spare is ready. It then belongs to the caller, who renames it and calls
  // Release(): no other may get its name before that.
  Status Take();
  void Release();
  // Makes a segment that is no longer needed the spare; false if there is one already.
  Result<bool> Offer(const std::string& path);

  std::string path() const { return dir_ + "/spare"; }
  bool ready() const;
  bool full() const;

 private:
  enum class State { kNone, kMaking, kReady, kTaken };

  Status MakePiece(uint64_t bytes);
  Status Begin();
  Status Finish();
  void Failed(const Status& why);
  void Run();

  FileSystem& fs_;
  const std::string dir_;
  const uint64_t segment_bytes_;

  // Only touched by whoever is making it (state kMaking).
  std::unique_ptr<File> file_;
  uint64_t made_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kNone;
  bool wanted_ = false;  // the thread is asked to make one
  bool full_ = false;    // the last try failed
  bool stopping_ = false;
  std::string why_full_;
  std::thread thread_;
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_SPARE_SEGMENT_H_
