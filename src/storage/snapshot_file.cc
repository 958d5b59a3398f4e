#include "src/storage/snapshot_file.h"

#include <utility>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/base/crc32c.h"

namespace synod::storage {
namespace {

constexpr std::string_view kMagic = "SYNODSNP";
constexpr uint64_t kFormat = 1;
constexpr uint8_t kHeaderFrame = 1;
constexpr uint8_t kChunkFrame = 2;
constexpr uint8_t kTrailerFrame = 3;
constexpr size_t kFrameHeadBytes = 1 + 4 + 8;
constexpr size_t kCrcBytes = 4;
// Bounds what a damaged length can make a reader hold; no record comes near it.
constexpr size_t kFrameBodyBytesMax = size_t{64} << 20;
constexpr size_t kFileReadBytes = size_t{256} << 10;
const std::string kTmpSuffix = ".tmp";

void WriteHash(Writer& w, const Hash128& h) {
  w.Fixed64(h.hi);
  w.Fixed64(h.lo);
}

Hash128 ReadHash(Reader& r) {
  Hash128 h;
  h.hi = r.Fixed64();
  h.lo = r.Fixed64();
  return h;
}

std::string EncodeHeader(const SnapshotHeader& header) {
  std::string bytes;
  Writer w(&bytes);
  w.Varint(kFormat);
  w.Nested([&](Writer& fields) {
    fields.Varint(header.machine_version);
    WriteHash(fields, header.cluster_id);
    fields.Number(header.slot);
    fields.Number(header.revision);
    fields.Number(header.time);
    WriteHash(fields, header.digest.sum);
  });
  return bytes;
}

Error Refused(std::string what) {
  return Error{Errc::kInternal, Outcome::kNotApplied, "the snapshot " + std::move(what)};
}

std::string Directory(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

void SnapshotChain::Add(std::string_view frame) {
  const Hash128 of_frame = HashOf(frame);
  std::string both;
  Writer w(&both);
  WriteHash(w, hash_);
  WriteHash(w, of_frame);
  hash_ = HashOf(both);
}

SnapshotEncoder::SnapshotEncoder(const SnapshotHeader& header, std::string* out) : out_(out) {
  info_.header = header;
  out_->append(kMagic);
  info_.stream_bytes = kMagic.size();
  Emit(kHeaderFrame, EncodeHeader(header));
}

void SnapshotEncoder::Emit(uint8_t type, std::string_view body) {
  SYNOD_CHECK_LE(body.size(), kFrameBodyBytesMax);
  const size_t begin = out_->size();
  Writer w(out_);
  w.U8(type);
  w.Fixed32(static_cast<uint32_t>(body.size()));
  w.Fixed64(sequence_++);
  w.Append(body);
  w.Fixed32(Crc32c(std::string_view(*out_).substr(begin)));
  const std::string_view frame = std::string_view(*out_).substr(begin);
  info_.stream_bytes += frame.size();
  chain_.Add(frame);
}

void SnapshotEncoder::EmitChunk() {
  if (chunk_.empty())
    return;
  Emit(kChunkFrame, chunk_);
  chunk_.clear();
}

void SnapshotEncoder::Add(std::string_view key, std::string_view value) {
  constexpr size_t kLengthsMax = 10;
  if (chunk_.size() + key.size() + value.size() + kLengthsMax > kSnapshotChunkBytes)
    EmitChunk();
  Writer w(&chunk_);
  w.String(key);
  w.String(value);
  ++info_.records;
  info_.record_bytes += key.size() + value.size();
}

SnapshotInfo SnapshotEncoder::Finish() {
  EmitChunk();
  std::string body;
  Writer w(&body);
  w.Fixed64(info_.records);
  w.Fixed64(info_.record_bytes);
  WriteHash(w, chain_.hash());
  info_.id = chain_.hash();
  Emit(kTrailerFrame, body);
  return info_;
}

Error SnapshotDecoder::Damaged(const std::string& what) const {
  return Refused("is damaged: " + what + ", at byte " + std::to_string(position_));
}

Status SnapshotDecoder::Push(std::string_view bytes) {
  if (failed_)
    return *failed_;
  buffer_.append(bytes);
  for (;;) {
    Result<bool> took = TakeFrame();
    if (!took) {
      failed_ = took.error();
      return *failed_;
    }
    if (!*took)
      break;
  }
  buffer_.erase(0, parsed_);
  parsed_ = 0;
  return Done();
}

Result<bool> SnapshotDecoder::TakeFrame() {
  std::string_view rest = std::string_view(buffer_).substr(parsed_);
  if (!magic_seen_) {
    const size_t n = std::min(rest.size(), kMagic.size());
    if (rest.substr(0, n) != kMagic.substr(0, n))
      return Refused("is none: it does not begin as one");
    if (n < kMagic.size())
      return false;
    magic_seen_ = true;
    parsed_ += n;
    position_ += n;
    rest.remove_prefix(n);
  }
  if (ended_ && !rest.empty())
    return Refused("has more behind its end");
  if (rest.size() < kFrameHeadBytes)
    return false;
  Reader r(rest);
  const uint8_t type = r.U8();
  const uint32_t length = r.Fixed32();
  const uint64_t sequence = r.Fixed64();
  if (length > kFrameBodyBytesMax)
    return Damaged("a length that cannot be");
  const size_t frame_bytes = kFrameHeadBytes + length + kCrcBytes;
  if (rest.size() < frame_bytes)
    return false;
  const std::string_view frame = rest.substr(0, frame_bytes);
  const std::string_view body = frame.substr(kFrameHeadBytes, length);
  Reader tail(frame.substr(frame_bytes - kCrcBytes));
  if (tail.Fixed32() != Crc32c(frame.substr(0, frame_bytes - kCrcBytes)))
    return Damaged("a checksum that does not fit");
  if (sequence != sequence_)
    return Damaged("a part is missing or out of its place");
  if (Status ok = OnFrame(type, body); !ok)
    return ok.error();
  chain_.Add(frame);
  ++sequence_;
  parsed_ += frame_bytes;
  position_ += frame_bytes;
  return true;
}

Status SnapshotDecoder::OnFrame(uint8_t type, std::string_view body) {
  if (type == kHeaderFrame && sequence_ == 0)
    return OnHeader(body);
  if (sequence_ == 0)
    return Damaged("no header");
  if (type == kChunkFrame)
    return OnChunk(body);
  if (type == kTrailerFrame)
    return OnTrailer(body);
  return Damaged("a part of an unknown kind");
}

Status SnapshotDecoder::OnHeader(std::string_view body) {
  Reader r(body);
  const uint64_t format = r.Varint();
  if (r.ok() && format > kFormat)
    return Refused("was written by a newer version of synod, in format " + std::to_string(format) +
                   "; this one knows up to " + std::to_string(kFormat) +
                   ". Use that version, or a later one");
  Reader fields(r.String());
  SnapshotHeader header;
  header.machine_version = fields.Varint();
  header.cluster_id = ReadHash(fields);
  header.slot = fields.Number<Slot>();
  header.revision = fields.Number<Revision>();
  header.time = fields.Number<ClusterTime>();
  header.digest.sum = ReadHash(fields);
  if (!r.Complete() || !fields.ok())
    return Damaged("a malformed header");
  header_ = header;
  info_.header = header;
  return Done();
}

Status SnapshotDecoder::OnChunk(std::string_view body) {
  Reader r(body);
  while (r.ok() && !r.AtEnd()) {
    const std::string_view key = r.String();
    const std::string_view value = r.String();
    if (!r.ok() || key.empty() || key[0] == '\0')
      return Damaged("a malformed record");
    ++info_.records;
    info_.record_bytes += key.size() + value.size();
    if (Status ok = each_(key, value); !ok)
      return ok;
  }
  return Done();
}

Status SnapshotDecoder::OnTrailer(std::string_view body) {
  Reader r(body);
  const uint64_t records = r.Fixed64();
  const uint64_t record_bytes = r.Fixed64();
  const Hash128 hash = ReadHash(r);
  if (!r.Complete())
    return Damaged("a malformed end");
  if (records != info_.records || record_bytes != info_.record_bytes || hash != chain_.hash())
    return Damaged("its parts are not those that were written");
  info_.id = hash;
  ended_ = true;
  return Done();
}

Result<SnapshotInfo> SnapshotDecoder::Finish() const {
  if (failed_)
    return *failed_;
  if (!ended_)
    return Refused("is cut short after " + std::to_string(position_ + buffer_.size()) + " bytes");
  SnapshotInfo info = info_;
  info.stream_bytes = position_;
  return info;
}

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Create(FileSystem& fs,
                                                               const std::string& path,
                                                               const SnapshotHeader& header) {
  const std::string tmp = path + kTmpSuffix;
  if (fs.Exists(tmp))
    if (Status ok = fs.Remove(tmp); !ok)
      return ok.error();
  Result<std::unique_ptr<File>> file = fs.Open(tmp, FileSystem::Mode::kCreate);
  if (!file)
    return file.error();
  return std::unique_ptr<SnapshotWriter>(
      new SnapshotWriter(fs, path, std::move(file.value()), header));
}

// If even that fails, who writes the next one, or the next start, does it.
SnapshotWriter::~SnapshotWriter() {
  if (file_)
    (void)fs_.Remove(path_ + kTmpSuffix);
}

Status SnapshotWriter::Flush() {
  if (Status ok = file_->Write(offset_, pending_); !ok)
    return ok;
  offset_ += pending_.size();
  pending_.clear();
  return Done();
}

Status SnapshotWriter::Add(std::string_view key, std::string_view value) {
  encoder_.Add(key, value);
  return pending_.empty() ? Done() : Flush();
}

Result<SnapshotInfo> SnapshotWriter::Finish() {
  SnapshotInfo info = encoder_.Finish();
  if (Status ok = Flush(); !ok)
    return ok.error();
  if (Status ok = file_->Sync(); !ok)
    return ok.error();
  if (Status ok = fs_.Rename(path_ + kTmpSuffix, path_); !ok)
    return ok.error();
  file_.reset();
  if (Status ok = fs_.SyncDirectory(Directory(path_)); !ok)
    return ok.error();
  return info;
}

Result<SnapshotInfo> SnapshotReader::Visit(FileSystem& fs,
                                           const std::string& path,
                                           const RecordVisitor& each) {
  Result<std::unique_ptr<File>> file = fs.Open(path, FileSystem::Mode::kRead);
  if (!file)
    return file.error();
  SnapshotDecoder decoder(each);
  for (uint64_t offset = 0;;) {
    Result<std::string> bytes = file.value()->Read(offset, kFileReadBytes);
    if (!bytes)
      return bytes.error();
    if (bytes->empty())
      return decoder.Finish();
    offset += bytes->size();
    if (Status ok = decoder.Push(*bytes); !ok)
      return ok.error();
  }
}

Result<SnapshotHeader> SnapshotReader::ReadHeader(FileSystem& fs, const std::string& path) {
  constexpr size_t kHeaderBytesMax = 4096;
  Result<std::unique_ptr<File>> file = fs.Open(path, FileSystem::Mode::kRead);
  if (!file)
    return file.error();
  Result<std::string> bytes = file.value()->Read(0, kHeaderBytesMax);
  if (!bytes)
    return bytes.error();
  SnapshotDecoder decoder([](std::string_view, std::string_view) { return Done(); });
  const Status pushed = decoder.Push(*bytes);
  if (decoder.header())
    return *decoder.header();
  return pushed ? decoder.Finish().error() : pushed.error();
}

}  // namespace synod::storage
