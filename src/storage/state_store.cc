// The state store on LevelDB. One checkpoint is one synced WriteBatch, hence one record of
// LevelDB's own log: it is there as a whole or not at all. GetSnapshot is never used (1.23 may show
// deleted data after a compaction with one held); an iterator is a consistent view by itself.
#include "src/storage/state_store.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <utility>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/storage/leveldb_env.h"

namespace synod::storage {
namespace {

constexpr uint64_t kStateFormat = 1;
constexpr size_t kWriteBufferBytes = size_t{16} << 20;  // four full checkpoints to a table
constexpr size_t kBlockCacheBytes = size_t{1} << 20;    // reads are whole scans: it is never hit
// Before all keys of records, which begin with a letter.
const std::string kMetaKey("\0meta", 5);
const std::string kFirstRecordKey("\x01", 1);

struct Meta {
  Slot slot;
  Digest digest;
  uint64_t log_gen = 0;
  std::string witness;
};

std::string EncodeMeta(const Checkpoint& checkpoint) {
  std::string bytes;
  Writer w(&bytes);
  w.Varint(kStateFormat);
  w.Nested([&](Writer& body) {
    body.Number(checkpoint.slot);
    body.Fixed64(checkpoint.digest.sum.hi);
    body.Fixed64(checkpoint.digest.sum.lo);
    body.Varint(checkpoint.log_gen);
    body.String(checkpoint.witness);
  });
  return bytes;
}

Error StateError(Errc code, const std::string& dir, const std::string& what) {
  return Error{code, Outcome::kNotApplied, "the state in " + dir + ": " + what};
}

Result<Meta> DecodeMeta(const std::string& dir, std::string_view bytes) {
  Reader r(bytes);
  const uint64_t format = r.Varint();
  if (r.ok() && format > kStateFormat)
    return StateError(Errc::kInternal, dir,
                      "it was written by a newer version of synod, whose format this one does not "
                      "know. Start the version that wrote it, or a later one.");
  Reader body(r.String());
  Meta meta;
  meta.slot = body.Number<Slot>();
  meta.digest.sum.hi = body.Fixed64();
  meta.digest.sum.lo = body.Fixed64();
  meta.log_gen = body.Varint();
  if (!body.AtEnd())
    meta.witness = body.String();
  if (!r.Complete() || !body.ok())
    return StateError(Errc::kInternal, dir, "its description of the checkpoint is damaged");
  return meta;
}

class LevelDbStateStore final : public StateStore {
 public:
  LevelDbStateStore(FileSystem& fs, std::string dir)
      : dir_(std::move(dir)), env_(fs), cache_(leveldb::NewLRUCache(kBlockCacheBytes)) {
    // Any logger of ours: LevelDB would write and rename a LOG file otherwise.
    leveldb::Logger* logger = nullptr;
    (void)env_.NewLogger("", &logger);
    logger_.reset(logger);
  }

  Status Open();

  Slot slot() const override { return meta_.slot; }
  Digest digest() const override { return meta_.digest; }
  uint64_t log_gen() const override { return meta_.log_gen; }
  const std::string& witness() const override { return meta_.witness; }
  Status Load(const RecordVisitor& each) override;
  Status Write(const Checkpoint& checkpoint) override;
  uint64_t ApproximateBytes() const override;

 private:
  leveldb::Status OpenDb(bool paranoid);
  Error Failed(const leveldb::Status& s) const;

  // In this order: the database is closed before its environment goes.
  const std::string dir_;
  LevelDbEnv env_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::Logger> logger_;
  std::unique_ptr<leveldb::DB> db_;
  Meta meta_;
  bool dead_ = false;
};

Error LevelDbStateStore::Failed(const leveldb::Status& s) const {
  // What the file system said is more to the point than what LevelDB made of it.
  if (const std::optional<Error> cause = env_.error())
    return StateError(cause->code, dir_, cause->detail);
  return StateError(Errc::kInternal, dir_, s.ToString());
}

leveldb::Status LevelDbStateStore::OpenDb(bool paranoid) {
  db_.reset();
  leveldb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = paranoid;
  options.env = &env_;
  options.info_log = logger_.get();
  options.write_buffer_size = kWriteBufferBytes;
  options.block_cache = cache_.get();
  leveldb::DB* db = nullptr;
  leveldb::Status s = leveldb::DB::Open(options, dir_, &db);
  db_.reset(db);
  return s;
}

Status LevelDbStateStore::Open() {
  leveldb::Status s = OpenDb(true);
  // The strict mode also refuses what a power cut may leave behind the last record. The lenient one
  // writes what it could read into a table of its own; what it dropped shows in the digest, which
  // the caller computes from the records. Then the strict mode must be content.
  if (s.IsCorruption()) {
    s = OpenDb(false);
    if (s.ok())
      s = OpenDb(true);
  }
  if (!s.ok())
    return Failed(s);
  leveldb::ReadOptions read;
  read.verify_checksums = true;
  std::string bytes;
  s = db_->Get(read, kMetaKey, &bytes);
  if (s.IsNotFound())
    return Done();
  if (!s.ok())
    return Failed(s);
  Result<Meta> meta = DecodeMeta(dir_, bytes);
  if (!meta)
    return meta.error();
  meta_ = meta.value();
  return Done();
}

Status LevelDbStateStore::Load(const RecordVisitor& each) {
  leveldb::ReadOptions read;
  read.verify_checksums = true;
  read.fill_cache = false;
  const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(read));
  for (it->Seek(kFirstRecordKey); it->Valid(); it->Next()) {
    const leveldb::Slice key = it->key();
    const leveldb::Slice value = it->value();
    if (Status ok = each({key.data(), key.size()}, {value.data(), value.size()}); !ok)
      return ok;
  }
  if (!it->status().ok())
    return Failed(it->status());
  return Done();
}

Status LevelDbStateStore::Write(const Checkpoint& checkpoint) {
  if (dead_)
    return StateError(Errc::kInternal, dir_, "a checkpoint failed before; restart the node");
  SYNOD_CHECK_GE(checkpoint.slot, meta_.slot);
  leveldb::WriteBatch batch;
  for (const Record& record : checkpoint.records) {
    SYNOD_CHECK(!record.key.empty() && record.key[0] != '\0');
    if (record.value)
      batch.Put(record.key, *record.value);
    else
      batch.Delete(record.key);
  }
  batch.Put(kMetaKey, EncodeMeta(checkpoint));
  leveldb::WriteOptions write;
  write.sync = true;
  const leveldb::Status s = db_->Write(write, &batch);
  // A failure of a compaction in the background counts as well: LevelDB may not tell of it here.
  if (!s.ok() || env_.error()) {
    dead_ = true;
    Error failed = Failed(s);
    failed.outcome = Outcome::kUnknown;
    return failed;
  }
  meta_ = Meta{checkpoint.slot, checkpoint.digest, checkpoint.log_gen, checkpoint.witness};
  return Done();
}

uint64_t LevelDbStateStore::ApproximateBytes() const {
  const std::string end(1, '\xFF');
  const leveldb::Range all(kMetaKey, end);
  uint64_t bytes = 0;
  db_->GetApproximateSizes(&all, 1, &bytes);
  return bytes;
}

}  // namespace

Result<std::unique_ptr<StateStore>> StateStore::Open(FileSystem& fs, const std::string& dir) {
  if (Status ok = fs.MakeDirectory(dir); !ok)
    return ok.error();
  auto store = std::make_unique<LevelDbStateStore>(fs, dir);
  if (Status ok = store->Open(); !ok)
    return ok.error();
  return std::unique_ptr<StateStore>(std::move(store));
}

}  // namespace synod::storage
