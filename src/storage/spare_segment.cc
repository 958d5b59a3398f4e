#include "src/storage/spare_segment.h"

#include <algorithm>

#include "src/base/check.h"

namespace synod::storage {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
constexpr uint64_t kStepBytesMin = uint64_t{64} << 10;

}  // namespace

SpareSegment::SpareSegment(FileSystem& fs, std::string dir, bool own_thread)
    : fs_(fs), dir_(std::move(dir)) {
  if (own_thread)
    thread_ = std::thread([this] { Run(); });
}

SpareSegment::~SpareSegment() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

uint64_t SpareSegment::ready_bytes() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return state_ == State::kReady ? ready_bytes_ : 0;
}

bool SpareSegment::full() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return full_;
}

Status SpareSegment::Adopt() {
  if (fs_.Exists(half_made()))
    if (Status ok = fs_.Remove(half_made()); !ok)
      return ok;
  if (!fs_.Exists(finished()))
    return Done();
  Result<std::unique_ptr<File>> file = fs_.Open(finished(), FileSystem::Mode::kRead);
  if (!file)
    return file.error();
  Result<uint64_t> size = file.value()->Size();
  if (!size)
    return size.error();
  // The name may be in the cache only, if the process that made it died.
  if (Status ok = fs_.SyncDirectory(dir_); !ok)
    return ok;
  Ready(size.value());
  return Done();
}

Status SpareSegment::CheckRoom(uint64_t bytes) const {
  Result<uint64_t> free = fs_.FreeBytes(dir_);
  if (!free)
    return free.error();
  if (free.value() < bytes)
    return Error{Errc::kStorageFull, Outcome::kNotApplied,
                 std::to_string(free.value()) + " bytes are free in " + dir_ +
                     ", the next segment takes " + std::to_string(bytes)};
  return Done();
}

Status SpareSegment::Begin() {
  const std::string tmp = half_made();
  made_ = 0;
  if (fs_.Exists(tmp))
    if (Status ok = fs_.Remove(tmp); !ok)
      return ok;
  // Asked first, so that a full disk is not filled to the last byte at every try.
  if (Status ok = CheckRoom(size_); !ok)
    return ok;
  Result<std::unique_ptr<File>> file = fs_.Open(tmp, FileSystem::Mode::kCreate);
  if (!file)
    return file.error();
  file_ = std::move(file.value());
  return Done();
}

Status SpareSegment::MakePiece(uint64_t bytes) {
  if (!file_)
    if (Status ok = Begin(); !ok)
      return ok;
  const uint64_t n = std::min(bytes, size_ - made_);
  // Real zeros, not a hole or an allocation: blocks that were never written would be converted at
  // their first append, which is the metadata change that the spare is there to avoid.
  if (Status ok = file_->Write(made_, std::string(n, '\0')); !ok)
    return ok;
  made_ += n;
  return Done();
}

Status SpareSegment::Finish() {
  if (Status ok = file_->Sync(); !ok)
    return ok;
  file_.reset();
  made_ = 0;
  if (Status ok = fs_.Rename(half_made(), finished()); !ok)
    return ok;
  return fs_.SyncDirectory(dir_);
}

void SpareSegment::Ready(uint64_t bytes) {
  const std::lock_guard<std::mutex> hold(mutex_);
  state_ = State::kReady;
  ready_bytes_ = bytes;
  wanted_ = allowed_ = 0;
  full_ = false;
  changed_.notify_all();
}

// Begin() saw room for all of it, and the first piece is written.
void SpareSegment::FoundRoom() {
  const std::lock_guard<std::mutex> hold(mutex_);
  full_ = false;
}

void SpareSegment::Failed(const Status& why) {
  file_.reset();
  made_ = 0;
  // What was written of it only makes the disk fuller. If even that fails, the next try does it.
  if (fs_.Exists(half_made()))
    (void)fs_.Remove(half_made());
  const std::lock_guard<std::mutex> hold(mutex_);
  state_ = State::kNone;
  wanted_ = allowed_ = 0;
  full_ = true;
  why_full_ = why.error().detail;
  changed_.notify_all();
}

void SpareSegment::Step(uint64_t bytes, uint64_t size) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (state_ == State::kReady || state_ == State::kTaken)
      return;
    if (thread_.joinable()) {
      const uint64_t before = allowed_;
      wanted_ = size;
      allowed_ += bytes;
      if (allowed_ / kPieceBytes != before / kPieceBytes || allowed_ >= size)
        changed_.notify_all();
      return;
    }
    state_ = State::kMaking;
  }
  size_ = size;
  if (Status ok = MakePiece(std::max(bytes, kStepBytesMin)); !ok)
    return Failed(ok);
  if (made_ < size_)
    return FoundRoom();
  if (Status ok = Finish(); !ok)
    return Failed(ok);
  Ready(size_);
}

Result<uint64_t> SpareSegment::Take(uint64_t size) {
  std::unique_lock<std::mutex> hold(mutex_);
  full_ = false;  // a try that failed before may succeed now
  if (!thread_.joinable()) {
    while (state_ != State::kReady && !full_) {
      hold.unlock();
      Step(kPieceBytes, size);
      hold.lock();
    }
  } else if (state_ != State::kReady) {
    wanted_ = allowed_ = size;
    changed_.notify_all();
    changed_.wait(hold, [this] { return state_ == State::kReady || full_; });
  }
  if (state_ != State::kReady)
    return Error{Errc::kStorageFull, Outcome::kNotApplied,
                 "no room for a further segment of the acceptor's log: " + why_full_};
  state_ = State::kTaken;
  return ready_bytes_;
}

// Durable before the segment has its name: else a power cut could leave it with both.
Status SpareSegment::BeginGrowth() {
  if (!growing_)
    if (Status ok = fs_.Rename(finished(), half_made()); !ok)
      return ok;
  growing_ = true;
  return fs_.SyncDirectory(dir_);
}

void SpareSegment::Release() {
  growing_ = false;
  const std::lock_guard<std::mutex> hold(mutex_);
  SYNOD_CHECK(state_ == State::kTaken);
  state_ = State::kNone;
  changed_.notify_all();
}

void SpareSegment::Return() {
  const std::lock_guard<std::mutex> hold(mutex_);
  SYNOD_CHECK(state_ == State::kTaken);
  state_ = State::kReady;
  full_ = true;
}

Result<bool> SpareSegment::Offer(const std::string& old, uint64_t bytes) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (state_ != State::kNone)
      return false;
    state_ = State::kMaking;
  }
  // Durable before anyone writes into the file: else a power cut could bring the old name back with
  // the new content.
  Status renamed = fs_.Rename(old, finished());
  if (renamed)
    renamed = fs_.SyncDirectory(dir_);
  if (renamed) {
    Ready(bytes);
    return true;
  }
  const std::lock_guard<std::mutex> hold(mutex_);
  state_ = State::kNone;
  changed_.notify_all();
  return renamed.error();
}

// Returns when the next piece may be made, or a piece of the next one; false: the thread ends.
bool SpareSegment::AwaitPermission() {
  std::unique_lock<std::mutex> hold(mutex_);
  const uint64_t made = file_ ? made_ : 0;
  changed_.wait(hold, [&] {
    return stopping_ || (wanted_ != 0 && (file_ || state_ == State::kNone) &&
                         allowed_ >= std::min(made + kPieceBytes, wanted_));
  });
  if (stopping_)
    return false;
  if (!file_) {
    size_ = wanted_;
    state_ = State::kMaking;
  }
  return true;
}

void SpareSegment::Run() {
  while (AwaitPermission()) {
    // Synced piece by piece: one sync of it all would stand in the way of the appends' own.
    Status made = MakePiece(kPieceBytes);
    if (made)
      made = file_->Sync();
    const bool whole = made && made_ == size_;
    if (whole)
      made = Finish();
    if (!made)
      Failed(made);
    else if (whole)
      Ready(size_);
    else
      FoundRoom();
  }
}

}  // namespace synod::storage
