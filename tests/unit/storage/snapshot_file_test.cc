#include "src/storage/snapshot_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "src/base/codec.h"
#include "src/base/crc32c.h"
#include "tests/support/sim_file_system.h"

namespace synod::storage {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using testing::HasSubstr;

SnapshotHeader Header() {
  SnapshotHeader header;
  header.cluster_id = {3, 4};
  header.slot = Slot(1000);
  header.revision = Revision(777);
  header.time = ClusterTime(123456);
  header.digest.sum = {5, 6};
  return header;
}

// Several chunks, and a record longer than one.
Pairs ManyRecords() {
  Pairs records;
  for (int i = 0; i < 30; ++i)
    records.emplace_back("n" + std::to_string(i), std::string(100'000, static_cast<char>('a' + i)));
  records.emplace_back("h", std::string(kSnapshotChunkBytes + 5, 'h'));
  records.emplace_back("m", "");
  return records;
}

std::string Encode(const Pairs& records, SnapshotInfo* info = nullptr) {
  std::string bytes;
  SnapshotEncoder encoder(Header(), &bytes);
  for (const auto& [key, value] : records) encoder.Add(key, value);
  const SnapshotInfo finished = encoder.Finish();
  if (info != nullptr)
    *info = finished;
  return bytes;
}

Result<SnapshotInfo> Decode(std::string_view bytes, size_t piece, Pairs* records = nullptr) {
  SnapshotDecoder decoder([&](std::string_view key, std::string_view value) {
    if (records != nullptr)
      records->emplace_back(key, value);
    return Done();
  });
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    if (Status ok = decoder.Push(bytes.substr(0, piece)); !ok)
      return ok.error();
  return decoder.Finish();
}

// The frame that begins at `at`, with its checksum made to fit what is in it.
void FixCrc(std::string* bytes, size_t at) {
  Reader r(std::string_view(*bytes).substr(at + 1));
  const size_t covered = 13 + r.Fixed32();
  std::string crc;
  Writer(&crc).Fixed32(Crc32c(std::string_view(*bytes).substr(at, covered)));
  bytes->replace(at + covered, 4, crc);
}

TEST(SnapshotFileTest, GivesBackWhatWasWrittenFromPiecesOfAnySize) {
  const Pairs records = ManyRecords();
  SnapshotInfo written;
  const std::string bytes = Encode(records, &written);
  EXPECT_EQ(written.stream_bytes, bytes.size());
  for (const size_t piece : {size_t{7'777}, size_t{256} << 10, bytes.size()}) {
    Pairs read;
    const Result<SnapshotInfo> info = Decode(bytes, piece, &read);
    ASSERT_TRUE(info) << info.error().detail;
    EXPECT_EQ(info->header, Header());
    EXPECT_EQ(info->records, records.size());
    EXPECT_EQ(info->record_bytes, written.record_bytes);
    EXPECT_EQ(info->stream_bytes, bytes.size());
    EXPECT_EQ(info->id, written.id);
    EXPECT_EQ(read, records);
  }
}

TEST(SnapshotFileTest, EncodingMayBeDrainedAtAnyTime) {
  std::string all;
  std::string out;
  SnapshotEncoder encoder(Header(), &out);
  for (const auto& [key, value] : ManyRecords()) {
    encoder.Add(key, value);
    all += std::exchange(out, "");
  }
  encoder.Finish();
  EXPECT_EQ(all + out, Encode(ManyRecords()));
}

TEST(SnapshotFileTest, AnEmptyStateIsASnapshotToo) {
  const Result<SnapshotInfo> info = Decode(Encode({}), 5);
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(info->records, 0u);
}

TEST(SnapshotFileTest, EveryFlippedByteIsFound) {
  const std::string bytes = Encode({{"na", "1"}, {"nb", "22"}});
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 0x20);
    EXPECT_TRUE(Decode(bad, bad.size()).has_error()) << "byte " << i;
  }
}

TEST(SnapshotFileTest, EveryShorterStreamIsCutShort) {
  const std::string bytes = Encode({{"na", "1"}, {"nb", "22"}});
  for (size_t n = 0; n < bytes.size(); ++n) {
    const Result<SnapshotInfo> info = Decode(std::string_view(bytes).substr(0, n), 16);
    ASSERT_TRUE(info.has_error()) << n;
    EXPECT_THAT(info.error().detail, HasSubstr("cut short after " + std::to_string(n)));
  }
}

TEST(SnapshotFileTest, SaysWhatIsWrong) {
  const std::string bytes = Encode(ManyRecords());
  EXPECT_THAT(Decode(bytes + "x", 1 << 20).error().detail, HasSubstr("more behind its end"));
  EXPECT_THAT(Decode("synod-identity 1", 100).error().detail, HasSubstr("does not begin as one"));

  std::string newer = bytes;
  newer[8 + 13] = 2;  // the format, first in the header's body
  FixCrc(&newer, 8);
  EXPECT_THAT(Decode(newer, newer.size()).error().detail, HasSubstr("newer version"));

  std::string damaged = bytes;
  damaged[bytes.size() / 2] ^= 1;
  EXPECT_THAT(Decode(damaged, 1 << 20).error().detail, HasSubstr("checksum"));
}

TEST(SnapshotFileTest, AMissingChunkIsFoundThoughAllOthersAreGood) {
  const std::string bytes = Encode(ManyRecords());
  const size_t header_at = 8;
  Reader head(std::string_view(bytes).substr(header_at + 1));
  const size_t first = header_at + 17 + head.Fixed32();
  Reader chunk(std::string_view(bytes).substr(first + 1));
  const size_t chunk_bytes = 17 + chunk.Fixed32();
  std::string without = bytes;
  without.erase(first, chunk_bytes);
  EXPECT_THAT(Decode(without, 1 << 20).error().detail, HasSubstr("missing or out of its place"));

  // A whole chunk of another content, with a good checksum: the hash over all tells.
  std::string forged = bytes;
  forged[first + 13 + 100] ^= 1;
  FixCrc(&forged, first);
  EXPECT_THAT(Decode(forged, 1 << 20).error().detail, HasSubstr("not those that were written"));
}

TEST(SnapshotFileTest, AVisitorsErrorEndsIt) {
  SnapshotDecoder decoder([](std::string_view, std::string_view) -> Status {
    return Error{Errc::kStorageFull, Outcome::kNotApplied, "full"};
  });
  EXPECT_EQ(decoder.Push(Encode({{"na", "1"}})).error().code, Errc::kStorageFull);
  EXPECT_EQ(decoder.Push("").error().code, Errc::kStorageFull);
}

TEST(SnapshotFileTest, AFileHasItsNameOnlyWhenItIsWholeAndDurable) {
  SimFileSystem fs;
  Random random(1);
  ASSERT_TRUE(fs.MakeDirectory("/data/snapshots"));
  const std::string path = "/data/snapshots/a.snapshot";
  for (int round = 0; round < 2; ++round) {  // the second one finds a rest of the first
    auto writer = SnapshotWriter::Create(fs, path, Header());
    ASSERT_TRUE(writer);
    for (const auto& [key, value] : ManyRecords()) ASSERT_TRUE((*writer)->Add(key, value));
    EXPECT_FALSE(fs.Exists(path));
    if (round == 1) {
      const Result<SnapshotInfo> info = (*writer)->Finish();
      ASSERT_TRUE(info);
      EXPECT_EQ(info->stream_bytes, fs.Content(path).size());
    }
  }
  fs.Crash(random, SimFileSystem::Unsynced::kLoseAll);
  Pairs read;
  const Result<SnapshotInfo> info =
      SnapshotReader::Visit(fs, path, [&](std::string_view key, std::string_view value) {
        read.emplace_back(key, value);
        return Done();
      });
  ASSERT_TRUE(info) << info.error().detail;
  EXPECT_EQ(read, ManyRecords());
  const Result<SnapshotHeader> header = SnapshotReader::ReadHeader(fs, path);
  ASSERT_TRUE(header);
  EXPECT_EQ(*header, Header());
}

TEST(SnapshotFileTest, EveryFailedStepOfAFileIsReported) {
  using Op = SimFileSystem::Op;
  for (const Op op : {Op::kCreate, Op::kWrite, Op::kSync, Op::kRename, Op::kSyncDirectory}) {
    SimFileSystem fs;
    ASSERT_TRUE(fs.MakeDirectory("/d"));
    fs.FailNth(op, 1);
    auto writer = SnapshotWriter::Create(fs, "/d/s", Header());
    bool failed = writer.has_error();
    for (const auto& [key, value] : ManyRecords())
      failed = failed || (*writer)->Add(key, value).has_error();
    failed = failed || (*writer)->Finish().has_error();
    EXPECT_TRUE(failed) << static_cast<int>(op);
  }
}

// The bytes of docs/formats.md.
TEST(SnapshotFileTest, TheExampleOfTheDocument) {
  std::string hex;
  for (const char c : Encode({{"m", "x"}})) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    hex += digits;
  }
  EXPECT_EQ(hex,
            "53594e4f44534e50012a000000000000000000000001280103000000000000000400000000000000"
            "e807890680890f050000000000000006000000000000002c0f8fe902040000000100000000000000"
            "016d0178ed2e18820320000000020000000000000001000000000000000200000000000000d1e504"
            "6b09181055eb741653921484d89f3f97e3");
}

}  // namespace
}  // namespace synod::storage
