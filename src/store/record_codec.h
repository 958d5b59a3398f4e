// The store's records: node records, history chunks and the bounds of the history.
//
// Contract      Encoding is a function of the state alone: equal states give equal bytes. Decoding
//               takes hostile input and gives kInternal with a detail.
// Format        docs/formats.md, "State records".
#ifndef SYNOD_STORE_RECORD_CODEC_H_
#define SYNOD_STORE_RECORD_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/error.h"
#include "src/store/entry.h"
#include "src/store/node.h"

namespace synod::store {

std::string NodeKey(std::string_view path);
// Replaces what *key and *value hold.
void EncodeNode(std::string_view path,
                const NodeState& state,
                std::string* key,
                std::string* value);
// With path, state and hash of the record.
Result<EntryOwner> DecodeNode(std::string_view key, std::string_view value);

// One undone step of history: with the state after it, `before` gives the state before it. That is
// why a chunk holds no new states: those are in the node records, or in the chunks after it.
struct Step {
  enum class Kind : uint8_t { kCreate = 0, kReplace = 1, kDelete = 2, kChildren = 3 };
  Kind kind = Kind::kCreate;
  Cause cause = Cause::kClient;
  std::string path;
  // kReplace, kDelete: the whole state. kChildren: only children_revision, num_children and
  // last_sequence are set.
  std::optional<NodeState> before;
};

struct StoredRevision {
  Revision revision;
  ClusterTime time;
  std::vector<Step> steps;  // changes in path order, then kChildren in path order
};

std::string ChunkKey(Revision first);
Result<Revision> FirstOfChunk(std::string_view key);

class ChunkWriter {
 public:
  void BeginRevision(Revision revision, ClusterTime time, size_t steps);
  void Add(Step::Kind kind, Cause cause, std::string_view path, const NodeState* before);
  size_t bytes() const { return body_.size(); }
  // The record's value; the writer is empty again.
  std::string Finish();

 private:
  uint64_t revisions_ = 0;
  std::string body_;
};

// Revisions ascend; in each, steps are in the order StoredRevision says.
Result<std::vector<StoredRevision>> DecodeChunk(std::string_view value);

// The record that says which revisions there are: its key is the tag alone.
struct HistoryBounds {
  Revision floor;
  Revision last;
  bool operator==(const HistoryBounds&) const = default;
};
std::string BoundsKey();
std::string EncodeBounds(const HistoryBounds& bounds);
Result<HistoryBounds> DecodeBounds(std::string_view value);

}  // namespace synod::store

#endif  // SYNOD_STORE_RECORD_CODEC_H_
