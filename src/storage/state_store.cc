// The state store on LevelDB. One checkpoint is one synced WriteBatch, hence one record of
// LevelDB's own log: it is there as a whole or not at all. GetSnapshot is never used (1.23 may show
// deleted data after a compaction with one held); an iterator is a consistent view by itself.
#include "src/storage/state_store.h"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "src/base/check.h"
#include "src/base/codec.h"
#include "src/storage/leveldb_env.h"

namespace synod::storage {
namespace {

constexpr uint64_t kStateFormat = 1;
constexpr size_t kWriteBufferBytes = size_t{16} << 20;  // some checkpoints to a table
constexpr size_t kBlockCacheBytes = size_t{1} << 20;    // reads are whole scans: it is never hit
constexpr size_t kBlockBytes = size_t{64} << 10;        // for the same reason
constexpr uint64_t kHalfBytesMin = uint64_t{1} << 20;
constexpr size_t kMiddleBytes = 24;
constexpr size_t kImportBatchBytes = size_t{4} << 20;
// Before all keys of records, which begin with a letter.
const std::string kMetaKey("\0meta", 5);
const std::string kFirstRecordKey("\x01", 1);

// What the store says of its last checkpoint.
struct Meta {
  Slot slot;
  Digest digest;
  uint64_t log_gen = 0;
  std::string witness;
  Revision revision;
  ClusterTime time;
  uint32_t machine_version = 1;
};

Meta MetaOf(const Checkpoint& c) {
  return {c.slot, c.digest, c.log_gen, c.witness, c.revision, c.time, c.machine_version};
}

std::string EncodeMeta(const Meta& meta) {
  std::string bytes;
  Writer w(&bytes);
  w.Varint(kStateFormat);
  w.Nested([&](Writer& body) {
    body.Number(meta.slot);
    body.Fixed64(meta.digest.sum.hi);
    body.Fixed64(meta.digest.sum.lo);
    body.Varint(meta.log_gen);
    body.String(meta.witness);
    body.Number(meta.revision);
    body.Number(meta.time);
    body.Varint(meta.machine_version);
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
  if (!body.AtEnd()) {
    meta.revision = body.Number<Revision>();
    meta.time = body.Number<ClusterTime>();
  }
  if (body.ok() && !body.AtEnd())
    meta.machine_version = static_cast<uint32_t>(body.Varint());
  if (!r.Complete() || !body.ok())
    return StateDamage(dir, "its description of the checkpoint cannot be read");
  return meta;
}

// An open LevelDB: shared by a store and the snapshots taken of it.
class Database {
 public:
  Database(FileSystem& fs, std::string dir)
      : dir_(std::move(dir)), env_(fs), cache_(leveldb::NewLRUCache(kBlockCacheBytes)) {
    // Any logger of ours: LevelDB would write and rename a LOG file otherwise.
    leveldb::Logger* logger = nullptr;
    (void)env_.NewLogger("", &logger);
    logger_.reset(logger);
  }

  leveldb::Status Open(bool paranoid);
  Error Failed(const leveldb::Status& s) const;
  // A synced write. A failure of a compaction in the background counts as well: LevelDB may not
  // tell of it here.
  Status Write(leveldb::WriteBatch* batch);
  std::unique_ptr<leveldb::Iterator> Iterate();
  Status ForEach(leveldb::Iterator* it, const KeyRange& range, const RecordVisitor& each) const;
  // Of the records below `key`, as far as they are in tables.
  uint64_t BytesBelow(const std::string& key);
  leveldb::DB& db() { return *db_; }
  const std::string& dir() const { return dir_; }

 private:
  // In this order: the database is closed before its environment goes.
  const std::string dir_;
  LevelDbEnv env_;
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<leveldb::Logger> logger_;
  std::unique_ptr<leveldb::DB> db_;
};

Error Database::Failed(const leveldb::Status& s) const {
  // What the file system said is more to the point than what LevelDB made of it.
  if (const std::optional<Error> cause = env_.error())
    return StateError(cause->code, dir_, cause->detail);
  if (const std::optional<Error> cause = env_.read_error(); cause && !s.IsCorruption())
    return StateError(cause->code, dir_, cause->detail);
  return StateDamage(dir_, "what its files hold is not what was written to them");
}

leveldb::Status Database::Open(bool paranoid) {
  db_.reset();
  leveldb::Options options;
  options.create_if_missing = true;
  options.paranoid_checks = paranoid;
  options.env = &env_;
  options.info_log = logger_.get();
  options.block_size = kBlockBytes;
  options.write_buffer_size = kWriteBufferBytes;
  options.block_cache = cache_.get();
  // It took a tenth of what a checkpoint costs, and the values of coordination are short.
  options.compression = leveldb::kNoCompression;
  leveldb::DB* db = nullptr;
  // The lenient mode takes what cannot be read for the end of the log, and then removes it.
  env_.set_reads_must_succeed(true);
  leveldb::Status s = leveldb::DB::Open(options, dir_, &db);
  env_.set_reads_must_succeed(false);
  db_.reset(db);
  return s;
}

Status Database::Write(leveldb::WriteBatch* batch) {
  leveldb::WriteOptions write;
  write.sync = true;
  const leveldb::Status s = db_->Write(write, batch);
  if (s.ok() && !env_.error())
    return Done();
  Error failed = Failed(s);
  failed.outcome = Outcome::kUnknown;
  return failed;
}

std::unique_ptr<leveldb::Iterator> Database::Iterate() {
  leveldb::ReadOptions read;
  read.verify_checksums = true;
  read.fill_cache = false;
  return std::unique_ptr<leveldb::Iterator>(db_->NewIterator(read));
}

Status Database::ForEach(leveldb::Iterator* it,
                         const KeyRange& range,
                         const RecordVisitor& each) const {
  for (it->Seek(std::max(kFirstRecordKey, range.from)); it->Valid(); it->Next()) {
    const leveldb::Slice key = it->key();
    const leveldb::Slice value = it->value();
    if (!range.to.empty() && key.compare(range.to) >= 0)
      break;
    if (Status ok = each({key.data(), key.size()}, {value.data(), value.size()}); !ok)
      return ok;
  }
  if (!it->status().ok())
    return Failed(it->status());
  return Done();
}

uint64_t Database::BytesBelow(const std::string& key) {
  const leveldb::Range range(kFirstRecordKey, key);
  uint64_t bytes = 0;
  db_->GetApproximateSizes(&range, 1, &bytes);
  return bytes;
}

class LevelDbStateSnapshot final : public StateSnapshot {
 public:
  LevelDbStateSnapshot(std::shared_ptr<Database> database, const Meta& meta)
      : database_(std::move(database)), meta_(meta), iterator_(database_->Iterate()) {}

  Slot slot() const override { return meta_.slot; }
  Digest digest() const override { return meta_.digest; }
  Revision revision() const override { return meta_.revision; }
  ClusterTime time() const override { return meta_.time; }
  Status ForEach(const RecordVisitor& each) override {
    return database_->ForEach(iterator_.get(), {}, each);
  }

 private:
  const std::shared_ptr<Database> database_;
  const Meta meta_;
  const std::unique_ptr<leveldb::Iterator> iterator_;  // goes before the database
};

class LevelDbStateStore final : public StateStore {
 public:
  explicit LevelDbStateStore(std::shared_ptr<Database> database) : database_(std::move(database)) {}

  Status Open();

  Slot slot() const override { return meta_.slot; }
  Digest digest() const override { return meta_.digest; }
  uint64_t log_gen() const override { return meta_.log_gen; }
  const std::string& witness() const override { return meta_.witness; }
  uint32_t machine_version() const override { return meta_.machine_version; }
  Status LoadRange(const KeyRange& range, const RecordVisitor& each) override {
    return database_->ForEach(database_->Iterate().get(), range, each);
  }
  std::string Middle() override;
  Status Write(const Checkpoint& checkpoint) override;
  uint64_t ApproximateBytes() const override;
  std::unique_ptr<StateSnapshot> TakeSnapshot() override {
    return std::make_unique<LevelDbStateSnapshot>(database_, meta_);
  }

 private:
  const std::shared_ptr<Database> database_;
  Meta meta_;
  bool dead_ = false;
};

// The greatest key of so many bytes that has no more than half of the data below it, found byte by
// byte.
std::string LevelDbStateStore::Middle() {
  const uint64_t half = database_->BytesBelow("\xff") / 2;
  std::string key;
  while (half >= kHalfBytesMin && key.size() < kMiddleBytes) {
    key.push_back('\0');
    for (int bit = 0x80; bit != 0; bit >>= 1) {
      std::string above = key;
      above.back() = static_cast<char>(above.back() | bit);
      if (database_->BytesBelow(above) <= half)
        key = std::move(above);
    }
  }
  return key;
}

// LevelDB begins anew where CURRENT is missing, and removes what it finds there.
bool LacksCurrent(const std::vector<std::string>& names) {
  return std::find(names.begin(), names.end(), "CURRENT") == names.end() &&
         std::any_of(names.begin(), names.end(), [](const std::string& name) {
           return name.ends_with(".ldb") || name.ends_with(".log");
         });
}

Status LevelDbStateStore::Open() {
  leveldb::Status s = database_->Open(true);
  // The strict mode also refuses what a power cut may leave behind the last record. The lenient one
  // writes what it could read into a table of its own; what it dropped shows in the digest, which
  // the caller computes from the records. Then the strict mode must be content.
  if (s.IsCorruption()) {
    s = database_->Open(false);
    if (s.ok())
      s = database_->Open(true);
  }
  if (!s.ok())
    return database_->Failed(s);
  leveldb::ReadOptions read;
  read.verify_checksums = true;
  std::string bytes;
  s = database_->db().Get(read, kMetaKey, &bytes);
  if (s.IsNotFound())
    return Done();
  if (!s.ok())
    return database_->Failed(s);
  Result<Meta> meta = DecodeMeta(database_->dir(), bytes);
  if (!meta)
    return meta.error();
  meta_ = meta.value();
  return Done();
}

void AddRecord(const Record& record, leveldb::WriteBatch* batch) {
  SYNOD_CHECK(!record.key.empty() && record.key[0] != '\0');
  if (record.value)
    batch->Put(record.key, *record.value);
  else
    batch->Delete(record.key);
}

Status LevelDbStateStore::Write(const Checkpoint& checkpoint) {
  if (dead_)
    return StateError(Errc::kInternal, database_->dir(),
                      "a checkpoint failed before; restart the node");
  SYNOD_CHECK_GE(checkpoint.slot, meta_.slot);
  // In the order of their keys each finds its place in the memtable near the one before it.
  std::vector<const Record*> sorted;
  sorted.reserve(checkpoint.records.size());
  for (const Record& record : checkpoint.records) sorted.push_back(&record);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Record* a, const Record* b) { return a->key < b->key; });
  leveldb::WriteBatch batch;
  for (const Record* record : sorted) AddRecord(*record, &batch);
  batch.Put(kMetaKey, EncodeMeta(MetaOf(checkpoint)));
  if (Status ok = database_->Write(&batch); !ok) {
    dead_ = true;
    return ok;
  }
  meta_ = MetaOf(checkpoint);
  return Done();
}

uint64_t LevelDbStateStore::ApproximateBytes() const {
  const std::string end(1, '\xFF');
  const leveldb::Range all(kMetaKey, end);
  uint64_t bytes = 0;
  database_->db().GetApproximateSizes(&all, 1, &bytes);
  return bytes;
}

class LevelDbStateImport final : public StateImport {
 public:
  explicit LevelDbStateImport(std::shared_ptr<Database> database)
      : database_(std::move(database)) {}

  Status Add(std::string_view key, std::string_view value) override {
    SYNOD_CHECK(!key.empty() && key[0] != '\0');
    batch_.Put({key.data(), key.size()}, {value.data(), value.size()});
    if (batch_.ApproximateSize() < kImportBatchBytes)
      return Done();
    Status ok = database_->Write(&batch_);
    batch_.Clear();
    return ok;
  }
  Result<std::unique_ptr<StateStore>> Finish(const Checkpoint& whole) override {
    if (Status ok = database_->Write(&batch_); !ok)
      return ok.error();
    auto store = std::make_unique<LevelDbStateStore>(database_);
    if (Status ok = store->Write(whole); !ok)
      return ok.error();
    return std::unique_ptr<StateStore>(std::move(store));
  }

 private:
  const std::shared_ptr<Database> database_;
  leveldb::WriteBatch batch_;
};

}  // namespace

Error StateDamage(const std::string& dir, const std::string& what) {
  return Error{Errc::kInternal, Outcome::kNotApplied,
               "the state in " + dir + " is damaged: " + what +
                   ". Do not delete the log. Start this node once with --discard-state: it then "
                   "takes a state from another member. A cluster of one needs its last backup"};
}

Result<std::unique_ptr<StateStore>> StateStore::Open(FileSystem& fs, const std::string& dir) {
  if (Status ok = fs.MakeDirectory(dir); !ok)
    return ok.error();
  const Result<std::vector<std::string>> names = fs.List(dir);
  if (!names)
    return names.error();
  if (LacksCurrent(*names))
    return StateDamage(dir, "its file CURRENT is missing");
  auto store = std::make_unique<LevelDbStateStore>(std::make_shared<Database>(fs, dir));
  if (Status ok = store->Open(); !ok)
    return ok.error();
  return std::unique_ptr<StateStore>(std::move(store));
}

Result<std::unique_ptr<StateImport>> StateImport::Create(FileSystem& fs, const std::string& dir) {
  if (Status ok = RemoveTree(fs, dir); !ok)
    return ok.error();
  if (Status ok = fs.MakeDirectory(dir); !ok)
    return ok.error();
  auto database = std::make_shared<Database>(fs, dir);
  if (const leveldb::Status s = database->Open(true); !s.ok())
    return database->Failed(s);
  return std::unique_ptr<StateImport>(std::make_unique<LevelDbStateImport>(std::move(database)));
}

}  // namespace synod::storage
