// Frames between engines: what one node tells another in one turn.
//
// Contract      A frame is a sequence of items, each one byte of type and a length-delimited body;
//               items of unknown type are skipped (a newer node may send them). Parsing never
//               trusts lengths.
// Format        docs/formats.md, "Peer frames".
#ifndef SYNOD_NODE_ENGINE_FRAMES_H_
#define SYNOD_NODE_ENGINE_FRAMES_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/message.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/node/engine_snapshots.h"
#include "src/node/engine_witness.h"

namespace synod::node {

// Commands handed to the leader of `ballot`, and to no other. `number` rises by one with each
// command that a process hands on in one ballot: the leader drops what it has seen already.
struct Forward {
  struct Item {
    uint64_t number = 0;
    std::string_view command;  // points into the frame
  };
  Ballot ballot;
  uint64_t boot = 0;
  uint64_t base = 1;
  std::vector<Item> items;
};

// The receiver of a Forward did not take these commands (numbers as there).
struct Reject {
  enum class Reason : uint8_t { kNotLeader = 0, kOverloaded = 1 };
  Ballot ballot;
  uint64_t boot = 0;
  Reason reason = Reason::kNotLeader;
  std::vector<uint64_t> numbers;
};

struct SlotDigest {
  Slot slot;
  Digest digest;  // of the state when it was applied
};

// How far the sender is, for /v1/cluster on every node, and what it computed on the way.
struct Report {
  Slot applied;
  std::vector<SlotDigest> digests;
  Slot durable;  // learned, and on the sender's disk
};

// Asks the leader to hand over to this voter.
struct MoveLeader {
  NodeId to;
};

// What the sender is good for.
struct Standing {
  uint8_t disk_level = 0;  // DiskLevel
  bool takes_part = true;
};

using FrameItem = std::variant<consensus::Message,
                               Forward,
                               Reject,
                               Report,
                               MoveLeader,
                               Witness::Statement,
                               SnapshotRequest,
                               SnapshotChunk,
                               SnapshotRefusal,
                               Standing>;

void AppendItem(const consensus::Message& message, Bytes* frame);
void AppendItem(const Forward& forward, Bytes* frame);
void AppendItem(const Reject& reject, Bytes* frame);
void AppendItem(const Report& report, Bytes* frame);
void AppendItem(const MoveLeader& move, Bytes* frame);
void AppendItem(const Witness::Statement& statement, Bytes* frame);
void AppendItem(const SnapshotRequest& request, Bytes* frame);
void AppendItem(const SnapshotChunk& chunk, Bytes* frame);
void AppendItem(const SnapshotRefusal& refusal, Bytes* frame);
void AppendItem(const Standing& standing, Bytes* frame);

// kInvalidRequest if anything is malformed: the sender is broken, drop the connection.
Result<std::vector<FrameItem>> ParseFrame(std::string_view frame);

}  // namespace synod::node

#endif  // SYNOD_NODE_ENGINE_FRAMES_H_
