#include "src/storage/log_recovery.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "src/base/check.h"
#include "src/storage/segment_reader.h"

namespace synod::storage {
namespace {

constexpr uint64_t kErasePages = 256;

Error NewerFormat(const std::string& path) {
  return Error{Errc::kInternal, Outcome::kNotApplied,
               path +
                   " was written by a newer version of synod, whose format this one does not know. "
                   "Start the version that wrote it, or a later one; nothing was changed."};
}

// One pass over the log. The chain's position (gen, chain, hard state) moves along with it.
class Recovery {
 public:
  Recovery(FileSystem& fs,
           const std::string& dir,
           const AcceptorLogOptions& options,
           Slot state_slot)
      : fs_(fs), dir_(dir), options_(options), state_slot_(state_slot) {}

  Result<RecoveredLog> Run();

 private:
  Status ReadHeads();
  Result<std::shared_ptr<Segment>> ReadHead(uint64_t number,
                                            const std::string& path,
                                            std::string* damage);
  Status ReadRecords();
  Status ReadSegment(size_t i);
  Status EndOfLog();
  Status Harden();
  Status CheckAgainstState();
  Status GiveUpFrom(size_t i, const std::string& what);
  Status Erase(uint64_t from, uint64_t end);
  void Take(FoundRecord& found, Segment& segment);
  size_t FirstNeeded() const;

  FileSystem& fs_;
  const std::string& dir_;
  const AcceptorLogOptions& options_;
  Slot state_slot_;

  RecoveredLog log_;
  std::map<Slot, consensus::AcceptedEntry> votes_;
  std::unique_ptr<File> file_;           // of the segment that was walked last
  std::optional<SegmentReader> reader_;  // likewise
  uint64_t last_pages_ = 0;              // of its last good record; 0: it has none
};

// Fills *damage instead of giving a segment if its head is not what was written there.
Result<std::shared_ptr<Segment>> Recovery::ReadHead(uint64_t number,
                                                    const std::string& path,
                                                    std::string* damage) {
  Result<std::unique_ptr<File>> file = fs_.Open(path, FileSystem::Mode::kRead);
  if (!file)
    return file.error();
  Result<std::string> page = file.value()->Read(0, kLogPageBytes);
  if (!page)
    return page.error();
  Result<uint64_t> size = file.value()->Size();
  if (!size)
    return size.error();
  SegmentHead::Bad bad{};
  const std::optional<SegmentHead> head = SegmentHead::Decode(page.value(), &bad);
  if (!head && bad == SegmentHead::Bad::kNewerFormat)
    return NewerFormat(path);
  // A head is written and synced before the file gets its name, so it is never torn.
  if (!head)
    *damage = "the head of segment " + path + " is damaged";
  else if (head->number != number)
    *damage = "segment " + path + " says that it is number " + std::to_string(head->number);
  else if (head->capacity > size.value())
    *damage = "segment " + path + " is " + std::to_string(size.value()) + " bytes long and was " +
              std::to_string(head->capacity);
  auto segment = std::make_shared<Segment>();
  segment->path = path;
  segment->bytes = size.value();
  if (head)
    segment->head = *head;
  return segment;
}

Status Recovery::ReadHeads() {
  Result<std::vector<std::string>> names = fs_.List(dir_);
  if (!names)
    return names.error();
  for (const std::string& name : names.value()) {
    const std::optional<uint64_t> number = SegmentNumber(name);
    if (!number)
      continue;
    const uint64_t expected =
        log_.segments.empty() ? *number : log_.segments.back()->head.number + 1;
    std::string damage;
    Result<std::shared_ptr<Segment>> segment = ReadHead(*number, dir_ + "/" + name, &damage);
    if (!segment)
      return segment.error();
    if (*number != expected)
      damage = "segment " + dir_ + "/" + SegmentName(expected) + " is missing";
    if (!damage.empty())
      return GiveUpFrom(log_.segments.size(), damage);
    log_.segments.push_back(std::move(segment.value()));
  }
  if (options_.state_discarded && !log_.segments.empty())
    state_slot_ = log_.segments.back()->head.hard_state.learned;
  return Done();
}

// Votes in the segments before it are all covered by the state's checkpoint, so they are not read:
// a start takes as long as the log is ahead of the state, not as long as the log that is kept.
size_t Recovery::FirstNeeded() const {
  size_t first = 0;
  for (size_t i = 1; i < log_.segments.size(); ++i)
    if (log_.segments[i]->head.slot_max <= state_slot_)
      first = i;
  return first;
}

void Recovery::Take(FoundRecord& found, Segment& segment) {
  RecordRef ref;
  ref.page = static_cast<uint32_t>(found.page);
  ref.pages = static_cast<uint32_t>(found.header.Pages());
  for (consensus::AcceptedEntry& e : found.body.entries) {
    ref.slots.Add(e.slot);
    log_.slot_max = std::max(log_.slot_max, e.slot);
    if (e.slot > state_slot_)
      votes_[e.slot] = std::move(e);
  }
  if (!ref.slots.empty())
    segment.records.push_back(ref);
  log_.recovered.hard_state = found.body.hard_state;
  log_.recovered.gen = found.header.gen;
  log_.chain = found.header.NextChain();
  log_.page = found.page + found.header.Pages();
  last_pages_ = found.header.Pages();
}

Status Recovery::ReadRecords() {
  if (log_.segments.empty())
    return Done();
  const size_t first = FirstNeeded();
  const SegmentHead& head = log_.segments[first]->head;
  log_.recovered.hard_state = head.hard_state;
  log_.recovered.gen = head.first_gen - 1;
  log_.chain = head.chain;
  log_.slot_max = head.slot_max;
  for (size_t i = first; i < log_.segments.size(); ++i)
    if (Status ok = ReadSegment(i); !ok)
      return ok;
  if (Status ok = EndOfLog(); !ok)
    return ok;
  for (auto& [slot, vote] : votes_)
    if (slot >= log_.recovered.hard_state.first_slot)
      log_.recovered.entries.push_back(std::move(vote));
  return Done();
}

Status Recovery::ReadSegment(size_t i) {
  Segment& segment = *log_.segments[i];
  const SegmentHead& head = segment.head;
  if (head.first_gen != log_.recovered.gen + 1 || head.chain != log_.chain ||
      head.hard_state != log_.recovered.hard_state)
    return GiveUpFrom(i, "segment " + segment.path + " begins with record " +
                             std::to_string(head.first_gen) +
                             ", but the chain before it can only be " + "read up to record " +
                             std::to_string(log_.recovered.gen));
  Result<std::unique_ptr<File>> file = fs_.Open(segment.path, FileSystem::Mode::kReadWrite);
  if (!file)
    return file.error();
  file_ = std::move(file.value());
  reader_.emplace(*file_, head, segment.bytes);
  log_.page = 1;
  last_pages_ = 0;
  while (true) {
    Result<std::optional<FoundRecord>> found = reader_->Next();
    if (!found)
      return found.error();
    if (!found.value())
      break;
    Take(*found.value(), segment);
  }
  segment.indexed = true;
  return Done();
}

// What is behind the last good record of the last segment.
Status Recovery::EndOfLog() {
  std::string why;
  Result<SegmentReader::Ending> ending = reader_->Classify(&why);
  if (!ending)
    return ending.error();
  const Segment& segment = *log_.segments.back();
  switch (ending.value()) {
    case SegmentReader::Ending::kClean:
      break;
    case SegmentReader::Ending::kTorn:
      // The next record carries the same number, hence the same stamps: what is left of this one
      // would make a later tear look like damage.
      return Erase(reader_->page(), reader_->torn_end());
    case SegmentReader::Ending::kDamaged:
      if (Status ok = GiveUpFrom(log_.segments.size(), segment.path + ": " + why); !ok)
        return ok;
      return Erase(reader_->page(), segment.bytes / kLogPageBytes);
  }
  return Done();
}

Status Recovery::Erase(uint64_t from, uint64_t end) {
  for (uint64_t page = from; page < end; page += kErasePages) {
    const uint64_t n = std::min(kErasePages, end - page);
    if (Status ok = file_->Write(page * kLogPageBytes, std::string(n * kLogPageBytes, '\0')); !ok)
      return ok;
  }
  return file_->Sync();
}

// Data loss: refused, or accepted by setting aside every segment from `i` on, the newest first, so
// that a crash in between leaves the damage visible.
Status Recovery::GiveUpFrom(size_t i, const std::string& what) {
  if (!options_.accept_data_loss)
    return LogDamage(dir_, what);
  if (log_.lost.empty())
    log_.lost = what;
  const uint64_t keep_below = i == 0 ? 0 : log_.segments[i - 1]->head.number + 1;
  Result<std::vector<std::string>> names = fs_.List(dir_);
  if (!names)
    return names.error();
  for (auto name = names.value().rbegin(); name != names.value().rend(); ++name) {
    const std::optional<uint64_t> number = SegmentNumber(*name);
    if (!number || *number < keep_below)
      continue;
    if (Status ok = fs_.Rename(dir_ + "/" + *name, dir_ + "/damaged-" + *name); !ok)
      return ok;
    if (Status ok = fs_.SyncDirectory(dir_); !ok)
      return ok;
  }
  log_.segments.resize(i);
  return Done();
}

// Makes what the page cache showed durable. Only the last record and the newest head and name can
// be in doubt: each was synced before anything was written behind it.
Status Recovery::Harden() {
  if (log_.segments.empty())
    return Done();
  for (const auto& [page, count] :
       {std::pair<uint64_t, uint64_t>(0, 1),
        std::pair<uint64_t, uint64_t>(log_.page - last_pages_, last_pages_)}) {
    if (count == 0)
      continue;
    Result<std::string> bytes = file_->Read(page * kLogPageBytes, count * kLogPageBytes);
    if (!bytes)
      return bytes.error();
    if (Status ok = file_->Write(page * kLogPageBytes, bytes.value()); !ok)
      return ok;
  }
  if (Status ok = file_->Sync(); !ok)
    return ok;
  return fs_.SyncDirectory(dir_);
}

// The state's checkpoint is a witness: it was made of what this log once held.
Status Recovery::CheckAgainstState() {
  consensus::HardState& hs = log_.recovered.hard_state;
  log_.hard_state = hs;
  const uint64_t gen = log_.recovered.gen;
  std::string what;
  if (gen < options_.gen_at_least)
    what = "the state's checkpoint was written when the log had " +
           std::to_string(options_.gen_at_least) + " records, and it has " + std::to_string(gen);
  else if (options_.gen_at_least == 0 && hs.learned < state_slot_)
    what = "the state reflects slot " + std::to_string(state_slot_.value) +
           ", and the log knows slots only up to " + std::to_string(hs.learned.value);
  if (!what.empty() && log_.segments.empty())
    what = "the acceptor log is missing: " + what;
  if (!what.empty())
    if (Status ok = GiveUpFrom(log_.segments.size(), what); !ok)
      return ok;
  const Slot reaches = log_.segments.empty()
                           ? hs.first_slot
                           : std::max(hs.first_slot, log_.segments.front()->head.slot_max + 1);
  if (!options_.state_discarded && state_slot_ + 1 < reaches)
    return Error{Errc::kInternal, Outcome::kNotApplied,
                 "the state reflects slot " + std::to_string(state_slot_.value) +
                     ", but the acceptor log in " + dir_ + " only reaches back to slot " +
                     std::to_string(reaches.value) +
                     ": the state was removed, or an old one was put in its place. Put it "
                     "back, or start this node once with --discard-state: it then takes a state "
                     "from another member."};
  // Still possible: a crash after a snapshot became the state and before the log heard of it, or a
  // loss that was accepted. The state holds these slots then, and the log need not.
  if (hs.learned < state_slot_) {
    hs.learned = state_slot_;
    hs.commit_hint = std::max(hs.commit_hint, state_slot_);
    hs.first_slot = std::max(hs.first_slot, state_slot_ + 1);
  }
  return Done();
}

Result<RecoveredLog> Recovery::Run() {
  for (Status (Recovery::*step)() : {&Recovery::ReadHeads, &Recovery::ReadRecords,
                                     &Recovery::CheckAgainstState, &Recovery::Harden})
    if (Status ok = (this->*step)(); !ok)
      return ok.error();
  return std::move(log_);
}

}  // namespace

Error LogDamage(const std::string& dir, const std::string& what) {
  return Error{Errc::kInternal, Outcome::kNotApplied,
               "the acceptor log in " + dir + " is damaged: " + what +
                   ". This node may have forgotten a promise or a vote, so it must not vote again "
                   "under this identity: replace it by a new member with an empty data directory. "
                   "Only a cluster of one may go on from what is left, with --accept-data-loss."};
}

Result<RecoveredLog> RecoverLog(FileSystem& fs,
                                const std::string& dir,
                                const AcceptorLogOptions& options,
                                Slot state_slot) {
  return Recovery(fs, dir, options, state_slot).Run();
}

Status IndexSegment(FileSystem& fs, Segment& segment, uint64_t last_gen) {
  Result<std::unique_ptr<File>> file = fs.Open(segment.path, FileSystem::Mode::kRead);
  if (!file)
    return file.error();
  SegmentReader reader(*file.value(), segment.head, segment.bytes);
  segment.records.clear();
  while (reader.gen() < last_gen) {
    Result<std::optional<FoundRecord>> found = reader.Next();
    if (!found || !found.value()) {
      segment.readable = false;
      break;
    }
    RecordRef ref;
    ref.page = static_cast<uint32_t>(found.value()->page);
    ref.pages = static_cast<uint32_t>(found.value()->header.Pages());
    for (const consensus::AcceptedEntry& e : found.value()->body.entries) ref.slots.Add(e.slot);
    if (!ref.slots.empty())
      segment.records.push_back(ref);
  }
  segment.indexed = true;
  return Done();
}

std::string CheckSegment(FileSystem& fs,
                         const Segment& segment,
                         uint64_t last_gen,
                         const ReadPause& pause) {
  Result<std::unique_ptr<File>> file = fs.Open(segment.path, FileSystem::Mode::kRead);
  if (!file)
    return file.error().detail;
  Result<std::string> head = file.value()->Read(0, kLogPageBytes);
  if (!head)
    return head.error().detail;
  SegmentHead::Bad bad{};
  const std::optional<SegmentHead> decoded = SegmentHead::Decode(head.value(), &bad);
  if (!decoded || decoded->id != segment.head.id || decoded->first_gen != segment.head.first_gen)
    return "the head of segment " + segment.path + " is damaged";
  SegmentReader reader(*file.value(), segment.head, segment.bytes);
  while (reader.gen() < last_gen) {
    const uint64_t before = reader.page();
    Result<std::optional<FoundRecord>> found = reader.Next();
    if (!found)
      return found.error().detail;
    if (!found.value())
      return segment.path + ": record " + std::to_string(reader.gen() + 1) + " at byte " +
             std::to_string(reader.page() * kLogPageBytes) + " is damaged";
    if (!pause((reader.page() - before) * kLogPageBytes))
      break;
  }
  return "";
}

}  // namespace synod::storage
