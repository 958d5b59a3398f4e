#include "src/store/node_table.h"

#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/store/record_codec.h"

namespace synod::store {
namespace {

// What a record costs on disk besides path and value; only dirty_bytes() uses it.
constexpr uint64_t kRecordOverheadBytes = 32;

}  // namespace

NodeTable::NodeTable() : seed_(reinterpret_cast<uintptr_t>(this)) {
  Entry* root = FindOrAdd("/");
  Show(root);
  Replace(root, Publish(NodeState()), nullptr);
}

NodeTable::~NodeTable() {
  // Order does not matter here: nothing is observed but the memory given back.
  boost::unordered::erase_if(index_, [](const Key& key) {
    Entry::Free(key.entry);
    return true;
  });
}

Entry* NodeTable::Find(std::string_view path) const {
  const auto it = index_.find(Wanted{HashPath(path), path});
  return it == index_.end() ? nullptr : it->entry;
}

Entry* NodeTable::FindOrAdd(std::string_view path) {
  const uint64_t hash = HashPath(path);
  const auto it = index_.find(Wanted{hash, path});
  if (it != index_.end())
    return it->entry;
  Entry* entry = Entry::Make(path);
  index_.insert(Key{hash, entry});
  return entry;
}

void NodeTable::Hide(Entry* entry) {
  live_.Erase(entry);
  FreeIfUnused(entry);
}

void NodeTable::FreeIfUnused(Entry* entry) {
  if (entry->current || entry->older != nullptr || entry->dirty)
    return;
  index_.erase(Key{HashPath(entry->path()), entry});
  Entry::Free(entry);
}

void NodeTable::Count(const Entry& entry, const NodeRef& before, const NodeRef& now) {
  const uint64_t path_bytes = entry.path_size;
  if (before)
    --node_count_;
  if (now)
    ++node_count_;
  if (IsReserved(entry.path()))
    return;
  if (before)
    logical_bytes_ -= path_bytes + before->value.size();
  if (now)
    logical_bytes_ += path_bytes + now->value.size();
}

void NodeTable::Replace(Entry* entry, NodeRef now, Version* version) {
  Count(*entry, entry->current, now);
  if (entry->current)
    digest_.Remove(entry->record_hash);
  if (now) {
    EncodeNode(entry->path(), *now, &scratch_key_, &scratch_value_);
    entry->record_hash = HashOfRecord(scratch_key_, scratch_value_);
    digest_.Add(entry->record_hash);
  }

  const uint64_t now_bytes = now ? now->value.size() : 0;
  if (entry->dirty) {
    dirty_bytes_ += now_bytes;
    dirty_bytes_ -= entry->current ? entry->current->value.size() : 0;
  } else {
    entry->dirty = true;
    dirty_.push_back(entry);
    dirty_bytes_ += kRecordOverheadBytes + entry->path_size + now_bytes;
  }

  if (now && !entry->current && entry->older != nullptr)
    dead_.Erase(entry);
  if (version != nullptr) {
    version->older = entry->older;
    version->link = &entry->older;
    if (version->older != nullptr)
      version->older->link = &version->older;
    entry->older = version;
  }
  if (!now && entry->current) {
    live_.Erase(entry);
    dead_.Insert(entry);
  }
  entry->current = std::move(now);
}

void NodeTable::Forget(Version* version) {
  SYNOD_CHECK(version->older == nullptr);
  *version->link = nullptr;
  Entry* entry = version->entry;
  if (!entry->current && entry->older == nullptr) {
    dead_.Erase(entry);
    FreeIfUnused(entry);
  }
}

Entry* NodeTable::Load(EntryOwner* node) {
  const std::string_view path = (*node)->path();
  if (path == "/")
    return LoadRoot(**node);
  if (!live_.IsLast(path))
    return nullptr;
  Entry* entry = node->release();
  index_.insert(Key{HashPath(path), entry});
  live_.Insert(entry);
  digest_.Add(entry->record_hash);
  Count(*entry, nullptr, entry->current);
  return entry;
}

// Takes the place of the one that a new tree has, and would write.
Entry* NodeTable::LoadRoot(const Entry& loaded) {
  if (live_.size() > 1 || std::exchange(root_loaded_, true))
    return nullptr;
  Entry* root = *live_.begin();
  digest_.Remove(root->record_hash);
  digest_.Add(loaded.record_hash);
  Count(*root, root->current, loaded.current);
  root->current = loaded.current;
  root->record_hash = loaded.record_hash;
  root->dirty = false;
  dirty_.clear();
  dirty_bytes_ = 0;
  return root;
}

void NodeTable::TakeDirty(Records* out) {
  out->reserve(out->size() + dirty_.size());
  for (Entry* entry : dirty_) {
    Record record;
    if (entry->current) {
      record.value.emplace();
      EncodeNode(entry->path(), *entry->current, &record.key, &*record.value);
    } else {
      record.key = NodeKey(entry->path());
    }
    out->push_back(std::move(record));
    entry->dirty = false;
    FreeIfUnused(entry);
  }
  dirty_.clear();
  dirty_bytes_ = 0;
}

void NodeTable::CheckNode(const Entry& entry) const {
  SYNOD_CHECK(entry.current != nullptr);
  SYNOD_CHECK_EQ(entry.staged, 0u);
  const NodeState& state = *entry.current;
  SYNOD_CHECK(Find(entry.path()) == &entry);
  if (state.lease.value != 0)
    SYNOD_CHECK_EQ(state.num_children, 0u);
  if (entry.path() != "/") {
    const Entry* parent = Find(ParentOf(entry.path()));
    SYNOD_CHECK(parent != nullptr && parent->current != nullptr);
  }
}

void NodeTable::CheckInvariants() const {
  live_.CheckInvariants();
  dead_.CheckInvariants();
  uint64_t bytes = 0;
  uint64_t children = 0;
  Digest digest;
  std::string key, value;
  for (const Entry* entry : live_) {
    CheckNode(*entry);
    if (!IsReserved(entry->path()))
      bytes += entry->path_size + entry->current->value.size();
    children += entry->current->num_children;
    EncodeNode(entry->path(), *entry->current, &key, &value);
    digest.Add(HashOfRecord(key, value));
    Revision last{~uint64_t{0}};
    for (const Version* v = entry->older; v != nullptr; v = v->older) {
      SYNOD_CHECK_LT(v->until, last);
      last = v->until;
    }
  }
  for (const Entry* entry : dead_) {
    SYNOD_CHECK(entry->current == nullptr);
    SYNOD_CHECK(entry->older != nullptr);
  }
  SYNOD_CHECK_EQ(live_.size(), node_count_);
  // Every node but the root is one parent's child, so the sum of the counts is known.
  SYNOD_CHECK_EQ(children + 1, node_count_);
  SYNOD_CHECK_EQ(bytes, logical_bytes_);
  SYNOD_CHECK(digest == digest_);
  SYNOD_CHECK(live_.size() + dead_.size() <= index_.size());
}

}  // namespace synod::store
