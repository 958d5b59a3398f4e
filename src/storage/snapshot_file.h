// Snapshot: the replicated state of one slot as a stream of bytes: a file that is sent to a member
// which is too far behind for the log, and a backup.
//
// Contract      SnapshotEncoder turns a header and records into bytes, SnapshotDecoder gives them
//               back from pieces of any size; neither knows of files. What the decoder hands out
//               before Finish() succeeded is not to be trusted: every frame is checked before its
//               records are, but only the trailer says that none is missing. The records are those
//               of a checkpoint (src/base/record.h), in the order they were given in.
// Format        docs/formats.md, "Snapshots". Equal headers and records give equal bytes, so the
//               id, the hash over all of it, names the content and not the file.
// Files         SnapshotWriter's file has its final name only once it is whole and durable.
// Errors        kInternal with a detail: cut short, damaged (where), of a newer version, more
//               behind the end. A decoder that failed gives that error again.
// Thread        One at a time.
#ifndef SYNOD_STORAGE_SNAPSHOT_FILE_H_
#define SYNOD_STORAGE_SNAPSHOT_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/types.h"
#include "src/storage/file_system.h"
#include "src/storage/state_store.h"

namespace synod::storage {

struct SnapshotHeader {
  uint64_t machine_version = 1;  // of the records' meaning
  Hash128 cluster_id;
  Slot slot;  // the state reflects every entry up to this one
  Revision revision;
  ClusterTime time;
  Digest digest;  // of the whole state, for whoever loads it
  bool operator==(const SnapshotHeader&) const = default;
};

struct SnapshotInfo {
  SnapshotHeader header;
  uint64_t records = 0;
  uint64_t record_bytes = 0;  // keys and values
  uint64_t stream_bytes = 0;  // the whole of it, with header and trailer
  Hash128 id;                 // hash over all of it
};

inline constexpr size_t kSnapshotChunkBytes = size_t{1} << 20;  // a single record may be longer

// The hash over all frames, carried on from one to the next.
class SnapshotChain {
 public:
  void Add(std::string_view frame);
  const Hash128& hash() const { return hash_; }

 private:
  Hash128 hash_;
};

class SnapshotEncoder {
 public:
  // Appends to *out, which the caller may empty between any two calls.
  SnapshotEncoder(const SnapshotHeader& header, std::string* out);
  void Add(std::string_view key, std::string_view value);
  // The end; nothing may follow.
  SnapshotInfo Finish();

 private:
  void EmitChunk();
  void Emit(uint8_t type, std::string_view body);

  std::string* out_;
  SnapshotInfo info_;
  SnapshotChain chain_;
  std::string chunk_;
  uint64_t sequence_ = 0;
};

class SnapshotDecoder {
 public:
  // `each` gets every record of a chunk once that chunk is checked; what it fails with, Push does.
  explicit SnapshotDecoder(RecordVisitor each) : each_(std::move(each)) {}

  Status Push(std::string_view bytes);
  // After the last byte: fails unless the stream was whole.
  Result<SnapshotInfo> Finish() const;

  // How much of the stream was whole frames: where to go on after a break.
  uint64_t checked_bytes() const { return position_; }
  // As soon as it was read.
  const std::optional<SnapshotHeader>& header() const { return header_; }

 private:
  Result<bool> TakeFrame();  // false: more bytes are needed
  Status OnFrame(uint8_t type, std::string_view body);
  Status OnHeader(std::string_view body);
  Status OnChunk(std::string_view body);
  Status OnTrailer(std::string_view body);
  Error Damaged(const std::string& what) const;

  RecordVisitor each_;
  std::string buffer_;  // what is not yet parsed begins at `parsed_`
  size_t parsed_ = 0;
  uint64_t position_ = 0;  // of the frame being read, in the stream
  uint64_t sequence_ = 0;
  bool magic_seen_ = false;
  bool ended_ = false;
  std::optional<SnapshotHeader> header_;
  SnapshotChain chain_;
  SnapshotInfo info_;
  std::optional<Error> failed_;
};

class SnapshotWriter {
 public:
  ~SnapshotWriter();  // leaves nothing of what was not finished
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;
  // Writes to `path` + ".tmp", in place of what is there, until Finish() renames it.
  static Result<std::unique_ptr<SnapshotWriter>> Create(FileSystem& fs,
                                                        const std::string& path,
                                                        const SnapshotHeader& header);
  Status Add(std::string_view key, std::string_view value);
  // Synced, renamed, the directory synced.
  Result<SnapshotInfo> Finish();

 private:
  SnapshotWriter(FileSystem& fs,
                 std::string path,
                 std::unique_ptr<File> file,
                 const SnapshotHeader& header)
      : fs_(fs), path_(std::move(path)), file_(std::move(file)), encoder_(header, &pending_) {}
  Status Flush();

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> file_;  // null once it has its name
  std::string pending_;
  SnapshotEncoder encoder_;
  uint64_t offset_ = 0;
};

class SnapshotReader {
 public:
  // Streams every record, and checks everything on the way: see SnapshotDecoder.
  static Result<SnapshotInfo> Visit(FileSystem& fs,
                                    const std::string& path,
                                    const RecordVisitor& each);
  // The header alone.
  static Result<SnapshotHeader> ReadHeader(FileSystem& fs, const std::string& path);
};

}  // namespace synod::storage

#endif  // SYNOD_STORAGE_SNAPSHOT_FILE_H_
