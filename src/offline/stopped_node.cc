#include "src/offline/stopped_node.h"

#include <utility>

#include "src/storage/log_recovery.h"
#include "src/storage/segment_reader.h"

namespace synod::offline {
namespace {

Error Refused(std::string why) {
  return Error{Errc::kInternal, Outcome::kNotApplied, std::move(why)};
}

constexpr machine::LogEntry::Kind KindOf(consensus::EntryKind kind) {
  return static_cast<machine::LogEntry::Kind>(kind);
}
static_assert(KindOf(consensus::EntryKind::kNoop) == machine::LogEntry::Kind::kNoop);
static_assert(KindOf(consensus::EntryKind::kLeaderStart) == machine::LogEntry::Kind::kLeaderStart);
static_assert(KindOf(consensus::EntryKind::kCommand) == machine::LogEntry::Kind::kCommand);

}  // namespace

Result<std::unique_ptr<StoppedNode>> StoppedNode::Open(const std::string& data_dir,
                                                       storage::FileSystem& fs) {
  std::unique_ptr<StoppedNode> node(new StoppedNode(fs, data_dir));
  if (Status opened = node->Open(); !opened)
    return opened.error();
  return node;
}

Status StoppedNode::Open() {
  // Without this the directory would be made, and the lock file in it.
  if (!fs_.Exists(path_ + "/identity"))
    return Error{Errc::kInvalidRequest, Outcome::kNotApplied,
                 path_ + " is no data directory of a node: it has no identity file"};
  Result<std::unique_ptr<storage::File>> lock = fs_.Lock(path_ + "/lock");
  if (!lock)
    return lock.error().code == Errc::kNotReady
               ? Error{Errc::kNotReady, Outcome::kNotApplied,
                       "a node is running on " + path_ + ": stop it first"}
               : lock.error();
  lock_ = std::move(*lock);
  Result<std::unique_ptr<storage::DataDir>> dir =
      storage::DataDir::Open(overlay_, path_, Hash128{0, 1});
  if (!dir)
    return dir.error();
  dir_ = std::move(*dir);
  Result<std::unique_ptr<storage::StateStore>> state =
      storage::StateStore::Open(overlay_, dir_->states().current());
  if (!state)
    return state.error();
  state_ = std::move(*state);
  return Done();
}

Result<machine::Machine> StoppedNode::LoadState() {
  machine::Machine machine{auth::Settings()};
  if (state_->slot() == Slot())
    return machine;
  const Status loaded = state_->Load(
      [&](std::string_view key, std::string_view value) { return machine.LoadRecord(key, value); });
  if (!loaded)
    return loaded.error();
  if (Status whole = machine.FinishLoad(); !whole)
    return whole.error();
  if (machine.digest() != state_->digest() || machine.applied() != state_->slot())
    return Refused("the state in " + dir_->states().current() +
                   " is damaged: its digest is not the one it was written with");
  return machine;
}

Result<LogSummary> StoppedNode::VisitLog(const std::function<Status(const LoggedTurn&)>& each) {
  const std::string log_dir = dir_->log_dir();
  Result<std::vector<std::string>> names = fs_.List(log_dir);
  if (!names)
    return names.error();
  LogSummary summary;
  std::optional<uint64_t> chain;
  for (const std::string& name : *names) {
    if (!storage::SegmentNumber(name))
      continue;
    const std::string path = log_dir + "/" + name;
    Result<std::unique_ptr<storage::File>> file = fs_.Open(path, storage::FileSystem::Mode::kRead);
    if (!file)
      return file.error();
    Result<uint64_t> size = (*file)->Size();
    Result<std::string> page = (*file)->Read(0, storage::kLogPageBytes);
    if (!size || !page)
      return size ? page.error() : size.error();
    storage::SegmentHead::Bad bad{};
    const std::optional<storage::SegmentHead> head = storage::SegmentHead::Decode(*page, &bad);
    if (!head)
      return Refused(path + ": its head cannot be read");
    if (summary.torn ||
        (chain && (*chain != head->chain || head->first_gen != summary.last_gen + 1)))
      return Refused(path + ": it does not continue the segment before it: records are missing");
    ++summary.segments;
    if (summary.records == 0)
      summary.hard_state = head->hard_state;
    summary.last_gen = head->first_gen - 1;
    storage::SegmentReader reader(**file, *head, *size);
    for (;;) {
      Result<std::optional<storage::FoundRecord>> found = reader.Next();
      if (!found)
        return found.error();
      if (!*found)
        break;
      ++summary.records;
      summary.last_gen = (*found)->header.gen;
      summary.hard_state = (*found)->body.hard_state;
      if (Status ok = each({name, (*found)->header.gen, std::move((*found)->body)}); !ok)
        return ok.error();
    }
    chain = reader.chain();
    std::string why;
    Result<storage::SegmentReader::Ending> ending = reader.Classify(&why);
    if (!ending)
      return ending.error();
    if (*ending == storage::SegmentReader::Ending::kDamaged)
      return Refused(path + ": damaged: " + why);
    summary.torn = *ending == storage::SegmentReader::Ending::kTorn;
  }
  if (summary.segments == 0)
    return Refused("there is no log in " + log_dir);
  return summary;
}

Result<consensus::Recovered> StoppedNode::RecoverLog(Slot above) {
  storage::AcceptorLogOptions options;
  if (above == state_->slot())
    options.gen_at_least = state_->log_gen();
  Result<storage::RecoveredLog> log =
      storage::RecoverLog(overlay_, dir_->log_dir(), options, above);
  if (!log)
    return log.error();
  return std::move(log->recovered);
}

Result<uint64_t> ApplyLog(const consensus::Recovered& log, Slot to, machine::Machine* machine) {
  uint64_t entries = 0;
  auto next = log.entries.begin();
  while (machine->applied() < to) {
    const Slot slot = machine->applied() + 1;
    while (next != log.entries.end() && next->slot < slot) ++next;
    machine::LogEntry entry;
    entry.slot = slot;
    if (next != log.entries.end() && next->slot == slot) {
      entry.origin = next->entry.origin;
      entry.payload = *next->entry.payload;
      entry.kind = KindOf(next->entry.kind);
      ++entries;
    } else if (slot <= log.hard_state.learned) {
      return Refused("the log knows that slot " + std::to_string(slot.value) +
                     " is chosen and does not hold it");
    }
    machine::Applied applied;
    machine->Apply(entry, {}, &applied);
  }
  return entries;
}

}  // namespace synod::offline
