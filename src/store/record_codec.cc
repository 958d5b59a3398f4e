#include "src/store/record_codec.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/base/path.h"
#include "src/base/record.h"

namespace synod::store {
namespace {

constexpr uint8_t kNodeFormat = 1;
constexpr uint8_t kChunkFormat = 1;
constexpr uint8_t kBoundsFormat = 1;

// The least that a revision and a step take, for Reader::Count.
constexpr size_t kRevisionBytesMin = 3;
constexpr size_t kStepBytesMin = 3;
// What a node's record mostly takes beside the value.
constexpr size_t kStateBytes = 48;

Error Damaged(std::string detail) {
  return Error{Errc::kInternal, Outcome::kNotApplied, std::move(detail)};
}

void WriteState(const NodeState& s, Writer* w) {
  w->Varint(s.version);
  w->Number(s.create_revision);
  w->Number(s.mod_revision);
  w->Number(s.children_revision);
  w->Varint(s.num_children);
  w->Number(s.lease);
  w->Varint(s.last_sequence);
  w->String(s.value.view());
}

NodeState ReadState(Reader* r) {
  NodeState s;
  s.version = r->Varint();
  s.create_revision = r->Number<Revision>();
  s.mod_revision = r->Number<Revision>();
  s.children_revision = r->Number<Revision>();
  s.num_children = r->Varint();
  s.lease = r->Number<LeaseId>();
  s.last_sequence = r->Varint();
  s.value = Value(r->String());
  return s;
}

// What holds of any state by itself.
bool IsSound(std::string_view path, const NodeState& s) {
  if (s.lease.value != 0 && (s.num_children != 0 || path == "/"))
    return false;
  if (path == "/")
    return s.create_revision.value == 0 && (s.version == 0) == (s.mod_revision.value == 0);
  return s.version > 0 && s.create_revision.value > 0 && s.create_revision <= s.mod_revision;
}

bool IsOrdered(const Step& a, const Step& b) {
  const bool a_children = a.kind == Step::Kind::kChildren;
  const bool b_children = b.kind == Step::Kind::kChildren;
  if (a_children != b_children)
    return b_children;
  return ComparePaths(a.path, b.path) < 0;
}

Step ReadStep(Reader* r) {
  Step step;
  const uint8_t what = r->U8();
  const uint8_t kind = what & 0x0F;
  const uint8_t cause = what >> 4;
  step.path = r->String();
  if (!r->ok() || kind > static_cast<uint8_t>(Step::Kind::kChildren) ||
      cause > static_cast<uint8_t>(Cause::kReleased) || !ValidatePath(step.path)) {
    r->Fail();
    return step;
  }
  step.kind = static_cast<Step::Kind>(kind);
  step.cause = static_cast<Cause>(cause);
  if (step.kind == Step::Kind::kChildren) {
    step.before.emplace();
    step.before->children_revision = r->Number<Revision>();
    step.before->num_children = r->Varint();
    step.before->last_sequence = r->Varint();
  } else if (step.kind != Step::Kind::kCreate) {
    step.before = ReadState(r);
    if (!IsSound(step.path, *step.before))
      r->Fail();
  }
  return step;
}

}  // namespace

std::string NodeKey(std::string_view path) {
  return static_cast<char>(RecordTag::kNode) + PathOrderKey(path);
}

void EncodeNode(std::string_view path,
                const NodeState& state,
                std::string* key,
                std::string* value) {
  key->clear();
  key->push_back(static_cast<char>(RecordTag::kNode));
  if (path != "/") {
    key->append(path);
    std::replace(key->begin() + 1, key->end(), '/', '\0');
  }
  value->clear();
  value->reserve(kStateBytes + state.value.size());
  Writer w(value);
  w.U8(kNodeFormat);
  WriteState(state, &w);
}

Result<EntryOwner> DecodeNode(std::string_view key, std::string_view value) {
  if (key.empty() || key[0] != static_cast<char>(RecordTag::kNode))
    return Damaged("not a node record");
  std::string path(key.size() == 1 ? std::string_view("/") : key.substr(1));
  // One key a path: neither a slash as it is, nor the root by another name.
  const bool slash = key.find('/') != std::string_view::npos;
  std::replace(path.begin(), path.end(), '\0', '/');
  if (slash || (key.size() == 2 && path == "/") || !ValidatePath(path))
    return Damaged("a node record has an invalid path");
  Reader r(value);
  if (r.U8() != kNodeFormat)
    return Damaged("the record of node " + path + " has an unknown format");
  NodeState state = ReadState(&r);
  if (!r.Complete() || !IsSound(path, state))
    return Damaged("the record of node " + path + " is malformed");
  EntryOwner entry(Entry::Make(path));
  entry->current = Publish(std::move(state));
  entry->record_hash = HashOfRecord(key, value);
  return entry;
}

std::string ChunkKey(Revision first) {
  std::string key(1, static_cast<char>(RecordTag::kHistory));
  for (int shift = 56; shift >= 0; shift -= 8)
    key.push_back(static_cast<char>(first.value >> shift));
  return key;
}

Result<Revision> FirstOfChunk(std::string_view key) {
  if (key.size() != 9 || key[0] != static_cast<char>(RecordTag::kHistory))
    return Damaged("a history record has a malformed key");
  Revision first;
  for (const char c : key.substr(1)) first.value = first.value << 8 | static_cast<uint8_t>(c);
  return first;
}

void ChunkWriter::BeginRevision(Revision revision, ClusterTime time, size_t steps) {
  ++revisions_;
  Writer w(&body_);
  w.Number(revision);
  w.Number(time);
  w.Varint(steps);
}

void ChunkWriter::Add(Step::Kind kind,
                      Cause cause,
                      std::string_view path,
                      const NodeState* before) {
  SYNOD_CHECK_EQ(before == nullptr, kind == Step::Kind::kCreate);
  Writer w(&body_);
  w.U8(static_cast<uint8_t>(static_cast<unsigned>(kind) | static_cast<unsigned>(cause) << 4));
  w.String(path);
  if (kind == Step::Kind::kChildren) {
    w.Number(before->children_revision);
    w.Varint(before->num_children);
    w.Varint(before->last_sequence);
  } else if (before != nullptr) {
    WriteState(*before, &w);
  }
}

std::string ChunkWriter::Finish() {
  std::string out;
  Writer w(&out);
  w.U8(kChunkFormat);
  w.Varint(revisions_);
  w.Append(body_);
  revisions_ = 0;
  body_.clear();
  return out;
}

Result<std::vector<StoredRevision>> DecodeChunk(std::string_view value) {
  Reader r(value);
  if (r.U8() != kChunkFormat)
    return Damaged("a history chunk has an unknown format");
  std::vector<StoredRevision> revisions(r.Count(kRevisionBytesMin));
  Revision last;
  for (StoredRevision& stored : revisions) {
    stored.revision = r.Number<Revision>();
    stored.time = r.Number<ClusterTime>();
    const uint64_t steps = r.Count(kStepBytesMin);
    // Grows as it reads, so that a small record cannot claim a large amount of memory.
    for (uint64_t i = 0; i < steps && r.ok(); ++i) {
      stored.steps.push_back(ReadStep(&r));
      if (i > 0 && !IsOrdered(stored.steps[i - 1], stored.steps[i]))
        r.Fail();
    }
    if (!r.ok() || stored.revision <= last || stored.steps.empty())
      return Damaged("a history chunk is malformed");
    last = stored.revision;
  }
  if (!r.Complete() || revisions.empty())
    return Damaged("a history chunk is malformed");
  return revisions;
}

std::string BoundsKey() { return std::string(1, static_cast<char>(RecordTag::kHistory)); }

std::string EncodeBounds(const HistoryBounds& bounds) {
  std::string out;
  Writer w(&out);
  w.U8(kBoundsFormat);
  w.Number(bounds.floor);
  w.Number(bounds.last);
  return out;
}

Result<HistoryBounds> DecodeBounds(std::string_view value) {
  Reader r(value);
  HistoryBounds bounds;
  const uint8_t format = r.U8();
  bounds.floor = r.Number<Revision>();
  bounds.last = r.Number<Revision>();
  if (!r.Complete() || format != kBoundsFormat || bounds.floor > bounds.last)
    return Damaged("the record of the history's bounds is malformed");
  return bounds;
}

}  // namespace synod::store
