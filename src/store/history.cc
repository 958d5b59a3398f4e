#include "src/store/history.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "src/base/check.h"

namespace synod::store {
namespace {

// Logical bytes: about what a revision, a change and a parent's earlier state take in memory. They
// decide the floor, so they may change with a machine version only.
constexpr uint64_t kRevisionBytes = 128;
constexpr uint64_t kChangeBytes = 256;
constexpr uint64_t kChildrenOnlyBytes = 160;

constexpr size_t kChunkBytes = size_t{4} << 20;

}  // namespace

uint64_t History::BytesOf(const RevisionChanges& changes, const std::vector<Version>& versions) {
  uint64_t bytes = kRevisionBytes;
  for (const Change& change : changes.changes) {
    // The new value is the live node's, or counted by the change that replaces it.
    bytes += kChangeBytes + change.path.size() + (change.prev ? change.prev->value.size() : 0);
  }
  for (const Version& version : versions) bytes += version.children_only ? kChildrenOnlyBytes : 0;
  return bytes;
}

void History::Append(RevisionRef changes, std::vector<Version> versions) {
  SYNOD_CHECK_GT(changes->revision, bounds_.last);
  bounds_.last = changes->revision;
  Span span;
  span.revision = changes->revision;
  span.end_bytes = end_bytes() + BytesOf(*changes, versions);
  span.changes = std::move(changes);
  span.versions = std::move(versions);
  end_bytes_ = span.end_bytes;
  spans_.push_back(std::move(span));
}

History::Spans::const_iterator History::Seek(Revision from) const {
  const auto begin = std::next(spans_.begin(), static_cast<std::ptrdiff_t>(garbage_));
  return std::lower_bound(begin, spans_.end(), from,
                          [](const Span& span, Revision wanted) { return span.revision < wanted; });
}

RevisionRef History::At(Revision from) const {
  // The newest revision is what most callers are after.
  if (spans_.size() == garbage_ || spans_.back().revision < from)
    return nullptr;
  const auto it = Seek(from);
  return it->changes;
}

void History::Compact(Revision upto) {
  upto = std::min(upto, bounds_.last);
  if (upto <= bounds_.floor)
    return;
  const auto first_kept = Seek(upto + 1);
  if (first_kept != spans_.begin())
    floor_bytes_ = std::prev(first_kept)->end_bytes;
  garbage_ = static_cast<size_t>(std::distance(spans_.cbegin(), first_kept));
  bounds_.floor = upto;
}

void History::Retain(ClusterTime now, int64_t keep_ms, uint64_t keep_bytes) {
  const auto begin = std::next(spans_.cbegin(), static_cast<std::ptrdiff_t>(garbage_));
  const auto is_old = [&](const Span& s) { return now.value - s.changes->time.value > keep_ms; };
  const uint64_t bytes_at_end = end_bytes();
  const auto is_surplus = [&](const Span& s) {
    // The newest one stays whatever its size: watches are about to be told of it.
    if (s.revision == spans_.back().revision)
      return false;
    const uint64_t before = s.end_bytes - BytesOf(*s.changes, s.versions);
    return bytes_at_end - before > keep_bytes;
  };
  const auto goes = [&](const Span& s) { return is_old(s) || is_surplus(s); };
  if (begin == spans_.cend() || !goes(*begin))
    return;
  // Times and bytes both grow, so what goes is a prefix.
  const auto first_kept = std::partition_point(begin, spans_.cend(), goes);
  Compact(std::prev(first_kept)->revision);
}

void History::Collect(size_t budget) {
  for (; garbage_ > 0 && budget > 0; --budget) {
    Span& span = spans_.front();
    if (collected_ < span.versions.size()) {
      nodes_->Forget(&span.versions[collected_++]);
      continue;
    }
    spans_.pop_front();
    --garbage_;
    collected_ = 0;
  }
}

void History::Restart(Revision revision) {
  SYNOD_CHECK_GE(revision, bounds_.last);
  Compact(bounds_.last);
  bounds_ = {revision, revision};
}

Record History::EncodeChunk(Spans::const_iterator* at,
                            Revision last,
                            size_t bytes_max,
                            Revision* end) const {
  Record record;
  record.key = ChunkKey((*at)->revision);
  ChunkWriter writer;
  while (*at != spans_.cend() && (*at)->revision <= last && writer.bytes() < bytes_max) {
    const Span& span = **at;
    const auto& changes = span.changes->changes;
    size_t steps = changes.size();
    for (const Version& version : span.versions) steps += version.children_only ? 1 : 0;
    writer.BeginRevision(span.revision, span.changes->time, steps);
    for (const Change& change : changes) {
      const auto kind = change.type == Change::Type::kDelete ? Step::Kind::kDelete
                        : change.prev                        ? Step::Kind::kReplace
                                                             : Step::Kind::kCreate;
      writer.Add(kind, change.cause, change.path, change.prev.get());
    }
    for (const Version& version : span.versions) {
      if (version.children_only)
        writer.Add(Step::Kind::kChildren, Cause::kClient, version.entry->path(),
                   version.before.get());
    }
    *end = span.revision;
    ++*at;
  }
  record.value = writer.Finish();
  return record;
}

void History::TakeDirty(Records* out) {
  while (!chunks_.empty() && chunks_.front().last <= bounds_.floor) {
    out->push_back({ChunkKey(chunks_.front().first), std::nullopt});
    chunks_.pop_front();
  }
  auto at = Seek(std::max(saved_, bounds_.floor) + 1);
  while (at != spans_.cend()) {
    Chunk chunk;
    chunk.first = at->revision;
    out->push_back(EncodeChunk(&at, bounds_.last, kChunkBytes, &chunk.last));
    chunks_.push_back(chunk);
  }
  saved_ = bounds_.last;
  saved_bytes_ = end_bytes();
  if (!bounds_saved_ || saved_bounds_ != bounds_) {
    out->push_back({BoundsKey(), EncodeBounds(bounds_)});
    saved_bounds_ = bounds_;
    bounds_saved_ = true;
  }
}

void History::ForEachRecord(
    const std::function<void(std::string_view key, std::string_view value)>& each) const {
  each(BoundsKey(), EncodeBounds(bounds_));
  auto at = Seek(bounds_.floor + 1);
  Revision end;
  for (const Chunk& chunk : chunks_) {
    // The same borders as on our disk, and what of it is above the floor.
    if (chunk.last <= bounds_.floor)
      continue;
    const Record record = EncodeChunk(&at, chunk.last, ~size_t{0}, &end);
    each(ChunkKey(chunk.first), *record.value);
  }
  while (at != spans_.cend()) {
    const Record record = EncodeChunk(&at, bounds_.last, kChunkBytes, &end);
    each(record.key, *record.value);
  }
}

void History::SetBounds(const HistoryBounds& bounds) { bounds_ = bounds; }

void History::PrependChunk(Revision first, Revision last, std::vector<Span> spans) {
  chunks_.push_front({first, last});
  for (auto it = spans.rbegin(); it != spans.rend(); ++it) spans_.push_front(std::move(*it));
}

void History::FinishLoad() {
  end_bytes_ = 0;
  for (Span& span : spans_) {
    end_bytes_ += BytesOf(*span.changes, span.versions);
    span.end_bytes = end_bytes_;
  }
  floor_bytes_ = 0;
  saved_ = bounds_.last;
  saved_bytes_ = end_bytes_;
  saved_bounds_ = bounds_;
  bounds_saved_ = true;
}

void History::CheckInvariants() const {
  SYNOD_CHECK_LE(bounds_.floor, bounds_.last);
  Revision last = bounds_.floor;
  uint64_t bytes = 0;
  for (size_t i = 0; i < spans_.size(); ++i) {
    const Span& span = spans_[i];
    if (i < garbage_) {
      SYNOD_CHECK_LE(span.revision, bounds_.floor);
      continue;
    }
    SYNOD_CHECK_GT(span.revision, last);
    last = span.revision;
    bytes += BytesOf(*span.changes, span.versions);
    for (const Version& version : span.versions) {
      SYNOD_CHECK(*version.link == &version);
      SYNOD_CHECK(version.before != nullptr);
      SYNOD_CHECK_EQ(version.until, span.revision);
      SYNOD_CHECK_LT(Since(*version.before), version.until);
    }
  }
  SYNOD_CHECK_LE(last, bounds_.last);
  SYNOD_CHECK_EQ(bytes, this->bytes());
}

}  // namespace synod::store
