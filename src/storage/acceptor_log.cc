#include "src/storage/acceptor_log.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "src/base/check.h"
#include "src/base/random.h"
#include "src/storage/log_format.h"
#include "src/storage/log_recovery.h"
#include "src/storage/segment_reader.h"
#include "src/storage/spare_segment.h"

namespace synod::storage {
namespace {

using consensus::AcceptedEntry;
using consensus::Chosen;
using consensus::HardState;
using consensus::PersistRequest;
using consensus::Recovered;

// The first segment of a data directory is small, so that a new node does not start with a wait for
// 64 MiB of zeros.
constexpr uint64_t kFirstSegmentBytes = uint64_t{4} << 20;
constexpr uint64_t kSegmentGrowth = 4;

// The id of a segment must differ from every id that any file of this log ever had. `salt` makes it
// so even for a driver that gives the same seed twice.
Hash128 NewSegmentId(uint64_t seed, uint64_t number, uint64_t salt) {
  Random random(seed);
  const std::string salted = std::to_string(number) + "/" + std::to_string(salt);
  const Hash128 hash = HashOf(salted, random.Next());
  return Hash128{hash.hi ^ random.Next(), hash.lo ^ random.Next()};
}

class SegmentedLog final : public AcceptorLog {
 public:
  SegmentedLog(FileSystem& fs, std::string dir, const AcceptorLogOptions& options)
      : fs_(fs), dir_(std::move(dir)), options_(options), spare_(fs, dir_, options.spare_thread) {}

  Status Start(RecoveredLog log);

  Status Append(std::span<const PersistRequest> batch) override;
  Result<Slot> Recycle(Slot checkpoint, std::optional<Slot> keep_above) override;
  Result<std::vector<Chosen>> ReadChosen(Slot from, size_t bytes_max) override;
  std::vector<SegmentDamage> Verify(Slot checkpoint, const ReadPause& pause) override;
  Stats stats() const override;

 private:
  using SegmentPtr = std::shared_ptr<Segment>;

  Status Die(const Status& why);
  Status Dead() const;
  Status Roll(uint64_t pages);
  Status Extend(File& spare, uint64_t from, uint64_t to);
  Result<SegmentPtr> WriteSegment(uint64_t spare_bytes, uint64_t pages);
  SlotRange Encode(std::span<const PersistRequest> batch, RecordHeader* header);
  void Advance(const RecordHeader& header, const SlotRange& slots, const HardState& hs);
  void CheckMonotonic(std::span<const PersistRequest> batch) const;
  uint64_t SpareNeededAt() const;
  uint64_t SpareBytes() const;
  uint64_t SpareShare(uint64_t appended) const;
  Slot FirstReadable() const;
  Status Discard(const Segment& segment);
  bool Collect(const std::vector<SegmentPtr>& segments,
               Slot from,
               Slot learned,
               size_t bytes_max,
               std::map<Slot, consensus::Entry>* entries);

  FileSystem& fs_;
  const std::string dir_;
  const AcceptorLogOptions options_;
  SpareSegment spare_;

  // Of the appending thread alone.
  SegmentPtr current_;          // the last segment; its records are shared
  std::unique_ptr<File> file_;  // likewise
  uint64_t page_ = 1;           // where the next record goes
  uint64_t chain_ = 0;
  std::string body_;  // reused, so that an append allocates nothing
  std::string pages_;

  // Shared with Recycle and ReadChosen. The records of a segment are only appended to while it is
  // the last one, and filled in by ReadChosen while it is not indexed.
  mutable std::mutex mutex_;
  std::vector<SegmentPtr> segments_;  // ascending, never empty once started
  HardState hard_state_;              // durable
  Slot slot_max_;                     // highest slot with a vote
  Stats stats_;
  bool dead_ = false;
  std::string why_dead_;
};

Status SegmentedLog::Dead() const {
  return Error{Errc::kInternal, Outcome::kUnknown, "the acceptor log failed before: " + why_dead_};
}

Status SegmentedLog::Die(const Status& why) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!dead_) {
    dead_ = true;
    why_dead_ = why.error().detail;
  }
  return Error{Errc::kInternal, Outcome::kUnknown, why.error().detail};
}

Status SegmentedLog::Start(RecoveredLog log) {
  segments_ = std::move(log.segments);
  hard_state_ = log.hard_state;
  slot_max_ = log.slot_max;
  stats_.gen = log.recovered.gen;
  chain_ = log.chain;
  page_ = log.page;
  if (Status ok = spare_.Adopt(); !ok)
    return ok;
  if (segments_.empty()) {
    if (Status ok = Roll(0); !ok)
      return ok;
  } else {
    current_ = segments_.back();
    Result<std::unique_ptr<File>> file = fs_.Open(current_->path, FileSystem::Mode::kReadWrite);
    if (!file)
      return file.error();
    file_ = std::move(file.value());
  }
  if (log.recovered.hard_state == hard_state_)
    return Done();
  PersistRequest adjusted;
  adjusted.hard_state = log.recovered.hard_state;
  return Append({&adjusted, 1});
}

// What an earlier try wrote behind `from` takes no further room, but its sync may have failed: all
// of it is written again. Asked first, so that a full disk is not filled to the last byte.
Status SegmentedLog::Extend(File& spare, uint64_t from, uint64_t to) {
  Result<uint64_t> size = spare.Size();
  if (!size)
    return size.error();
  if (Status ok = spare_.CheckRoom(to - std::min(to, size.value())); !ok)
    return ok;
  if (Status ok = spare_.BeginGrowth(); !ok)
    return ok;
  return spare.Write(from, std::string(to - from, '\0'));
}

// Turns the spare into the next segment. Its head is on the disk before it has its name, and its
// name before it has a record: a file that is called a segment and has a bad head was damaged.
Result<SegmentedLog::SegmentPtr> SegmentedLog::WriteSegment(uint64_t spare_bytes, uint64_t pages) {
  Result<std::unique_ptr<File>> file = fs_.Open(spare_.path(), FileSystem::Mode::kReadWrite);
  if (!file)
    return file.error();
  auto segment = std::make_shared<Segment>();
  SegmentHead& head = segment->head;
  head.number = current_ ? current_->head.number + 1 : 1;
  head.id = NewSegmentId(options_.seed, head.number, chain_);
  head.first_gen = stats_.gen + 1;
  head.chain = chain_;
  head.slot_max = slot_max_;
  head.hard_state = hard_state_;
  // A record larger than a segment gets a segment as large as it needs.
  segment->bytes = std::max(spare_bytes, (pages + 1) * kLogPageBytes);
  head.capacity = segment->bytes;
  segment->path = dir_ + "/" + SegmentName(head.number);
  segment->indexed = true;
  if (segment->bytes > spare_bytes)
    if (Status ok = Extend(*file.value(), spare_bytes, segment->bytes); !ok)
      return ok.error();
  if (Status ok = file.value()->Write(0, head.Encode()); !ok)
    return ok.error();
  if (Status ok = file.value()->Sync(); !ok)
    return ok.error();
  if (Status ok = fs_.Rename(spare_.path(), segment->path); !ok)
    return ok.error();
  if (Status ok = fs_.SyncDirectory(dir_); !ok)
    return ok.error();
  file_ = std::move(file.value());
  return segment;
}

Status SegmentedLog::Roll(uint64_t pages) {
  Result<uint64_t> spare = spare_.Take(SpareBytes());
  if (!spare)
    return spare.error();
  Result<SegmentPtr> next = WriteSegment(spare.value(), pages);
  // One that did not become a segment stays the spare: there may be no room for another.
  if (!next && fs_.Exists(spare_.path()))
    spare_.Return();
  else
    spare_.Release();
  if (!next)
    return next.error();
  current_ = std::move(next.value());
  page_ = 1;
  const std::lock_guard<std::mutex> hold(mutex_);
  segments_.push_back(current_);
  return Done();
}

void SegmentedLog::CheckMonotonic(std::span<const PersistRequest> batch) const {
  const HardState* before = &hard_state_;
  for (const PersistRequest& request : batch) {
    // A promise that falls on disk is forgotten at the next start.
    SYNOD_CHECK(request.hard_state.promised >= before->promised);
    SYNOD_CHECK_GE(request.hard_state.learned, before->learned);
    SYNOD_CHECK_GE(request.hard_state.first_slot, before->first_slot);
    before = &request.hard_state;
  }
}

SlotRange SegmentedLog::Encode(std::span<const PersistRequest> batch, RecordHeader* header) {
  const SlotRange slots = EncodeBody(batch, &body_);
  SYNOD_CHECK_LE(body_.size(), kRecordBodyBytesMax);
  header->gen = stats_.gen + 1;
  header->chain = chain_;
  header->body_bytes = static_cast<uint32_t>(body_.size());
  return slots;
}

Status SegmentedLog::Append(std::span<const PersistRequest> batch) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (dead_)
      return Dead();
  }
  if (batch.empty())
    return Done();
  CheckMonotonic(batch);
  RecordHeader header;
  const SlotRange slots = Encode(batch, &header);
  if ((page_ + header.Pages()) * kLogPageBytes > current_->bytes) {
    if (Status ok = Roll(header.Pages()); !ok)
      return ok.error().code == Errc::kStorageFull ? ok : Die(ok);
  }
  const Segment& segment = *current_;
  header.body_crc = BodyCrc(segment.head.id, body_);
  BuildPages(header, segment.head.id, body_, &pages_);
  if (Status ok = file_->Write(page_ * kLogPageBytes, pages_); !ok)
    return Die(ok);
  if (Status ok = file_->Sync(); !ok)
    return Die(ok);
  Advance(header, slots, batch.back().hard_state);
  if (page_ * kLogPageBytes > SpareNeededAt())
    spare_.Step(SpareShare(pages_.size()), SpareBytes());
  return Done();
}

void SegmentedLog::Advance(const RecordHeader& header,
                           const SlotRange& slots,
                           const HardState& hs) {
  RecordRef ref;
  ref.page = static_cast<uint32_t>(page_);
  ref.pages = static_cast<uint32_t>(header.Pages());
  ref.slots = slots;
  page_ += header.Pages();
  chain_ = header.NextChain();
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!slots.empty()) {
    current_->records.push_back(ref);
    slot_max_ = std::max(slot_max_, slots.max);
  }
  hard_state_ = hs;
  stats_.gen = header.gen;
  stats_.appended_bytes += pages_.size();
  ++stats_.syncs;
}

// Not before the segment is half full: until then a segment may be recycled, which costs nothing. A
// small one is full too soon to wait for that.
uint64_t SegmentedLog::SpareNeededAt() const {
  return current_->bytes < options_.segment_bytes ? 0 : current_->bytes / 2;
}

// A new directory's first segments grow.
uint64_t SegmentedLog::SpareBytes() const {
  return current_ ? std::min(kSegmentGrowth * current_->bytes, options_.segment_bytes)
                  : options_.segment_bytes;
}

// Of the spare, for that many appended bytes: so that it is ready halfway to the segment's end, or
// if the disk was full until then, before the end.
uint64_t SegmentedLog::SpareShare(uint64_t appended) const {
  const uint64_t half = (current_->bytes - SpareNeededAt()) / 2;
  const uint64_t left = current_->bytes - page_ * kLogPageBytes;
  const uint64_t way = std::max(std::min(half, left), kLogPageBytes);
  return (appended * SpareBytes() + way - 1) / way;
}

// Every vote of the slots from here on is in the segments that are kept, and none of them was given
// up by the replica.
Slot SegmentedLog::FirstReadable() const {
  return std::max(segments_.front()->head.slot_max + 1, hard_state_.first_slot);
}

Status SegmentedLog::Discard(const Segment& segment) {
  Result<bool> reused = spare_.Offer(segment.path, segment.bytes);
  if (!reused)
    return reused.error();
  if (reused.value())
    return Done();
  if (Status ok = fs_.Remove(segment.path); !ok)
    return ok;
  // One by one, oldest first: after a power cut there must be no hole in the numbers.
  return fs_.SyncDirectory(dir_);
}

Result<Slot> SegmentedLog::Recycle(Slot checkpoint, std::optional<Slot> keep_above) {
  while (true) {
    SegmentPtr oldest;
    {
      const std::lock_guard<std::mutex> hold(mutex_);
      if (dead_)
        return Dead().error();
      // slot_max of a head covers all segments before it; the last segment is never given away, so
      // a later head with the full hard state is always on the disk.
      const Slot limit = std::min(checkpoint, hard_state_.learned);
      uint64_t held = 0;
      for (size_t i = 0; i + 1 < segments_.size(); ++i)
        if (segments_[i + 1]->head.slot_max <= limit)
          held += segments_[i]->bytes;
      const bool covered = segments_.size() > 1 && segments_[1]->head.slot_max <= limit;
      if (held <= options_.keep_bytes || !covered)
        return FirstReadable();
      if (keep_above && segments_[1]->head.slot_max > *keep_above &&
          held <= options_.keep_sending_bytes)
        return FirstReadable();
      oldest = segments_.front();
      segments_.erase(segments_.begin());
    }
    if (Status ok = Discard(*oldest); !ok)
      return Die(ok).error();
  }
}

AcceptorLog::Stats SegmentedLog::stats() const {
  Stats stats;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    stats = stats_;
    for (const SegmentPtr& segment : segments_) stats.bytes_on_disk += segment->bytes;
  }
  stats.storage_full = spare_.full();
  stats.bytes_on_disk += spare_.ready_bytes();
  return stats;
}

Result<std::vector<Chosen>> SegmentedLog::ReadChosen(Slot from, size_t bytes_max) {
  std::vector<SegmentPtr> segments;
  Slot learned;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (dead_)
      return Dead().error();
    learned = hard_state_.learned;
    if (from < FirstReadable() || from > learned)
      return std::vector<Chosen>();
    size_t first = 0;
    for (size_t i = 1; i < segments_.size(); ++i)
      if (segments_[i]->head.slot_max < from)
        first = i;
    segments.assign(segments_.begin() + static_cast<std::ptrdiff_t>(first), segments_.end());
    // The last one still grows: read a copy of its index.
    segments.back() = std::make_shared<Segment>(*segments.back());
  }
  std::map<Slot, consensus::Entry> entries;
  if (!Collect(segments, from, learned, bytes_max, &entries))
    return std::vector<Chosen>();
  std::vector<Chosen> chosen;
  size_t bytes = 0;
  for (auto& [slot, entry] : entries) {
    if (slot != from + chosen.size() || (bytes >= bytes_max && !chosen.empty()))
      break;
    bytes += entry.ByteSize();
    chosen.push_back({slot, std::move(entry)});
  }
  return chosen;
}

std::vector<SegmentDamage> SegmentedLog::Verify(Slot checkpoint, const ReadPause& pause) {
  struct Part {
    Segment segment;
    uint64_t last_gen;
    bool needed;
  };
  std::vector<Part> parts;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    for (size_t i = 0; i < segments_.size(); ++i) {
      const bool last = i + 1 == segments_.size();
      Part part{{}, 0, last || segments_[i + 1]->head.slot_max > checkpoint};
      part.segment.head = segments_[i]->head;
      part.segment.path = segments_[i]->path;
      part.segment.bytes = segments_[i]->bytes;
      part.last_gen = last ? stats_.gen : segments_[i + 1]->head.first_gen - 1;
      parts.push_back(std::move(part));
    }
  }
  std::vector<SegmentDamage> damage;
  for (const Part& part : parts) {
    bool stopped = false;
    const std::string what = CheckSegment(fs_, part.segment, part.last_gen, [&](uint64_t bytes) {
      stopped = !pause(bytes);
      return !stopped;
    });
    if (stopped)
      break;
    const std::lock_guard<std::mutex> hold(mutex_);
    const bool kept = std::any_of(segments_.begin(), segments_.end(), [&](const SegmentPtr& s) {
      return s->head.number == part.segment.head.number;
    });
    if (!what.empty() && kept)
      damage.push_back({what, part.needed});
  }
  return damage;
}

// Gathers the last vote of each slot from `from` on, as far as bytes_max needs. Later records are
// read only while they can hold a newer vote for one of these slots that differs: not once a
// segment began when they were all known chosen. False: a part is not there (recycled meanwhile) or
// not readable (any more), which must not end a node that has no need of it.
bool SegmentedLog::Collect(const std::vector<SegmentPtr>& segments,
                           Slot from,
                           Slot learned,
                           size_t bytes_max,
                           std::map<Slot, consensus::Entry>* entries) {
  Slot to = learned;
  Slot next = from;  // the first one not yet found
  size_t bytes = 0;
  bool enough = false;
  for (size_t i = 0; i < segments.size(); ++i) {
    Segment& segment = *segments[i];
    if ((enough || next > learned) && segment.head.hard_state.learned >= to)
      break;
    if (!segment.indexed && !IndexSegment(fs_, segment, segments[i + 1]->head.first_gen - 1))
      return false;
    if (!segment.readable)
      return false;
    std::unique_ptr<File> file;
    for (const RecordRef& ref : segment.records) {
      if (ref.slots.max < from || ref.slots.min > to)
        continue;
      if (!file) {
        Result<std::unique_ptr<File>> opened = fs_.Open(segment.path, FileSystem::Mode::kRead);
        if (!opened)
          return false;
        file = std::move(opened.value());
      }
      Result<std::optional<FoundRecord>> found =
          ReadRecordAt(*file, segment.head.id, ref.page, ref.pages);
      segment.readable = found && found.value();  // a disk may need seconds for each try
      if (!segment.readable)
        return false;
      for (AcceptedEntry& e : found.value()->body.entries)
        if (e.slot >= from && e.slot <= to)
          (*entries)[e.slot] = std::move(e.entry);
      for (auto it = entries->find(next); !enough && it != entries->end() && it->first == next;
           ++it) {
        bytes += it->second.ByteSize();
        ++next;
        if (bytes >= bytes_max) {
          enough = true;
          to = next - 1;
        }
      }
    }
  }
  entries->erase(entries->upper_bound(to), entries->end());
  return true;
}

}  // namespace

Result<std::unique_ptr<AcceptorLog>> AcceptorLog::Open(FileSystem& fs,
                                                       const std::string& dir,
                                                       const AcceptorLogOptions& options,
                                                       Slot state_slot,
                                                       Recovered* recovered) {
  if (Status ok = fs.MakeDirectory(dir); !ok)
    return ok.error();
  Result<RecoveredLog> log = RecoverLog(fs, dir, options, state_slot);
  if (!log)
    return log.error();
  *recovered = log.value().recovered;
  auto opened = std::make_unique<SegmentedLog>(fs, dir, options);
  if (Status ok = opened->Start(std::move(log.value())); !ok)
    return ok.error();
  recovered->gen = opened->stats().gen;
  return std::unique_ptr<AcceptorLog>(std::move(opened));
}

Status FormatAcceptorLog(FileSystem& fs,
                         const std::string& dir,
                         const AcceptorLogOptions& options) {
  SYNOD_CHECK(!AcceptorLogExists(fs, dir));
  if (Status ok = fs.MakeDirectory(dir); !ok)
    return ok;
  AcceptorLogOptions plain = options;
  plain.spare_thread = false;
  plain.gen_at_least = 0;
  plain.segment_bytes = std::min(plain.segment_bytes, kFirstSegmentBytes);
  Recovered recovered;
  Result<std::unique_ptr<AcceptorLog>> log = AcceptorLog::Open(fs, dir, plain, Slot(0), &recovered);
  if (!log)
    return log.error();
  return Done();
}

bool AcceptorLogExists(FileSystem& fs, const std::string& dir) {
  Result<std::vector<std::string>> names = fs.List(dir);
  return names && std::any_of(names.value().begin(), names.value().end(),
                              [](const std::string& n) { return SegmentNumber(n).has_value(); });
}

}  // namespace synod::storage
