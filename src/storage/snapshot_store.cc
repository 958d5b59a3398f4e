#include "src/storage/snapshot_store.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "src/base/check.h"

namespace synod::storage {
namespace {

constexpr size_t kKeptMax = 2;
constexpr size_t kReadBytes = size_t{256} << 10;
constexpr std::string_view kSuffix = ".snapshot";
constexpr std::string_view kPartPrefix = "part-";
constexpr size_t kIdDigits = 32;

// "part-ID-TOTAL".
std::optional<PartialSnapshot> ParsePartName(std::string_view name) {
  if (!name.starts_with(kPartPrefix) || name.size() < kPartPrefix.size() + kIdDigits + 2)
    return std::nullopt;
  name.remove_prefix(kPartPrefix.size());
  const std::optional<Hash128> id = Hash128::FromHex(name.substr(0, kIdDigits));
  const std::string_view digits = name.substr(kIdDigits + 1);
  PartialSnapshot part;
  const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), part.total);
  if (!id || ec != std::errc() || end != digits.data() + digits.size())
    return std::nullopt;
  part.id = *id;
  return part;
}

Status IgnoreRecord(std::string_view, std::string_view) { return Done(); }

}  // namespace

std::string SnapshotStore::PathOf(Slot slot) const {
  char name[32];
  std::snprintf(name, sizeof name, "/%016llx", static_cast<unsigned long long>(slot.value));
  return dir_ + name + std::string(kSuffix);
}

std::string SnapshotStore::PartPath(const PartialSnapshot& part) const {
  return dir_ + "/" + std::string(kPartPrefix) + part.id.Hex() + "-" + std::to_string(part.total);
}

Result<std::unique_ptr<SnapshotStore>> SnapshotStore::Open(FileSystem& fs, const std::string& dir) {
  if (Status ok = fs.MakeDirectory(dir); !ok)
    return ok.error();
  return std::unique_ptr<SnapshotStore>(new SnapshotStore(fs, dir));
}

Status SnapshotStore::Recover() {
  Result<std::vector<std::string>> names = fs_.List(dir_);
  if (!names)
    return names.error();
  for (const std::string& name : names.value()) {
    const std::string path = dir_ + "/" + name;
    if (name.starts_with(kPartPrefix)) {
      if (Status ok = RecoverPart(name); !ok)
        return ok;
      continue;
    }
    std::optional<KeptSnapshot> good;
    if (name.ends_with(kSuffix))
      if (const Result<SnapshotInfo> info = SnapshotReader::Visit(fs_, path, IgnoreRecord))
        good = KeptSnapshot{info->id, info->header.slot, info->stream_bytes};
    const bool usable = good && PathOf(good->slot) == path;
    if (Status ok = usable ? Keep(*good) : fs_.Remove(path); !ok)
      return ok;
  }
  return Done();
}

// What was received is as good as its last whole frame.
Status SnapshotStore::RecoverPart(const std::string& name) {
  const std::string path = dir_ + "/" + name;
  std::optional<PartialSnapshot> part = ParsePartName(name);
  if (!part || part_)
    return fs_.Remove(path);
  Result<std::unique_ptr<File>> file = fs_.Open(path, FileSystem::Mode::kReadWrite);
  if (!file)
    return file.error();
  SnapshotDecoder decoder(IgnoreRecord);
  for (uint64_t offset = 0;;) {
    Result<std::string> bytes = file.value()->Read(offset, kReadBytes);
    if (!bytes)
      return bytes.error();
    offset += bytes->size();
    if (bytes->empty() || !decoder.Push(*bytes))
      break;
  }
  part->received = decoder.checked_bytes();
  if (part->received == 0 || part->received > part->total)
    return fs_.Remove(path);
  part_ = part;
  part_file_ = std::move(file.value());
  return Done();
}

Status SnapshotStore::Keep(const KeptSnapshot& snapshot) {
  std::erase_if(kept_, [&](const KeptSnapshot& k) { return k.slot == snapshot.slot; });
  kept_.push_back(snapshot);
  std::sort(kept_.begin(), kept_.end(),
            [](const KeptSnapshot& a, const KeptSnapshot& b) { return a.slot < b.slot; });
  while (kept_.size() > kKeptMax)
    if (Status ok = Remove(Hash128(kept_.front().id)); !ok)
      return ok;
  return Done();
}

Result<KeptSnapshot> SnapshotStore::Make(StateSnapshot& state,
                                         const Hash128& cluster_id,
                                         uint64_t room) {
  if (state.slot() == Slot(0))
    return Error{Errc::kNotReady, Outcome::kNotApplied, "there is no checkpoint yet"};
  const Result<uint64_t> free = fs_.FreeBytes(dir_);
  if (!free)
    return free.error();
  if (*free < room)
    return Error{
        Errc::kStorageFull, Outcome::kNotApplied,
        std::to_string(*free) + " bytes are free, and a snapshot needs " + std::to_string(room)};
  SnapshotHeader header;
  header.cluster_id = cluster_id;
  header.slot = state.slot();
  header.revision = state.revision();
  header.time = state.time();
  header.digest = state.digest();
  Result<std::unique_ptr<SnapshotWriter>> writer =
      SnapshotWriter::Create(fs_, PathOf(header.slot), header);
  if (!writer)
    return writer.error();
  if (Status ok = state.ForEach([&](std::string_view key, std::string_view value) {
        return writer.value()->Add(key, value);
      });
      !ok)
    return ok.error();
  const Result<SnapshotInfo> info = writer.value()->Finish();
  if (!info)
    return info.error();
  const KeptSnapshot made{info->id, header.slot, info->stream_bytes};
  if (Status ok = Keep(made); !ok)
    return ok.error();
  return made;
}

Result<std::string> SnapshotStore::Read(const Hash128& id, uint64_t offset, size_t n) {
  for (const KeptSnapshot& kept : kept_) {
    if (kept.id != id)
      continue;
    Result<std::unique_ptr<File>> file = fs_.Open(PathOf(kept.slot), FileSystem::Mode::kRead);
    if (!file)
      return file.error();
    return file.value()->Read(offset, n);
  }
  return Error{Errc::kNotFound, Outcome::kNotApplied, "no such snapshot is kept"};
}

Status SnapshotStore::Remove(const Hash128& id) {
  for (const KeptSnapshot& kept : kept_) {
    if (kept.id != id)
      continue;
    const std::string path = PathOf(kept.slot);
    std::erase_if(kept_, [&](const KeptSnapshot& k) { return k.id == id; });
    return fs_.Remove(path);
  }
  return Done();
}

Status SnapshotStore::StorePart(const Hash128& id,
                                uint64_t total,
                                uint64_t offset,
                                std::string_view bytes) {
  if (offset == 0) {
    if (Status ok = DropPart(); !ok)
      return ok;
    const PartialSnapshot begun{id, total, 0};
    Result<std::unique_ptr<File>> file = fs_.Open(PartPath(begun), FileSystem::Mode::kCreate);
    if (!file)
      return file.error();
    part_ = begun;
    part_file_ = std::move(file.value());
  }
  SYNOD_CHECK(part_ && part_->id == id && part_->total == total && part_->received == offset);
  if (Status ok = part_file_->Write(offset, bytes); !ok)
    return ok;
  part_->received += bytes.size();
  return Done();
}

Result<SnapshotHeader> SnapshotStore::PartHeader() {
  SYNOD_CHECK(part_.has_value());
  return SnapshotReader::ReadHeader(fs_, PartPath(*part_));
}

Result<SnapshotInfo> SnapshotStore::VisitPart(const RecordVisitor& each) {
  SYNOD_CHECK(part_.has_value());
  Result<SnapshotInfo> info = SnapshotReader::Visit(fs_, PartPath(*part_), each);
  if (info && info->id != part_->id)
    return Error{Errc::kInternal, Outcome::kNotApplied, "it is not the snapshot that was sent"};
  return info;
}

Status SnapshotStore::DropPart() {
  if (!part_)
    return Done();
  const std::string path = PartPath(*part_);
  part_file_.reset();
  part_.reset();
  return fs_.Remove(path);
}

}  // namespace synod::storage
