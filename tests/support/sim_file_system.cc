#include "tests/support/sim_file_system.h"

#include <algorithm>

#include "src/base/check.h"

namespace synod::storage {
namespace {

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
}

Error Failed(Errc code, std::string detail) {
  return Error{code, Outcome::kNotApplied, std::move(detail)};
}

}  // namespace

struct SimFileSystem::Inode {
  std::string path;  // the last name, for faults and messages
  std::string cached;
  std::string durable;
  std::set<uint64_t> dirty;     // pages that the next sync makes durable
  std::set<uint64_t> stranded;  // pages of a failed sync: readable, and no later sync writes them
};

// One change of a directory that is not durable yet. `to_name` empty: a remove of `name`;
// `name` empty: a create of `to_name`; both: an atomic rename.
struct SimFileSystem::NameChange {
  std::string name;
  std::string to_name;
  std::shared_ptr<Inode> inode;
};

class SimFileSystem::SimFile final : public File {
 public:
  SimFile(SimFileSystem* fs, std::shared_ptr<Inode> inode, std::shared_ptr<int> lock, bool writable)
      : fs_(fs),
        inode_(std::move(inode)),
        lock_(std::move(lock)),
        boot_(fs->boot_),
        writable_(writable) {}

  Result<std::string> Read(uint64_t offset, size_t n) override {
    const std::lock_guard<std::mutex> hold(fs_->mutex_);
    if (Status ok = Alive(Op::kRead); !ok)
      return ok.error();
    const std::string& data = inode_->cached;
    if (offset >= data.size())
      return std::string();
    return data.substr(offset, n);
  }

  Status Write(uint64_t offset, std::string_view data) override {
    const std::lock_guard<std::mutex> hold(fs_->mutex_);
    SYNOD_CHECK(writable_);
    if (Status ok = Alive(Op::kWrite); !ok) {
      // A failed write may have written some of it, unless the machine is off.
      if (boot_ == fs_->boot_ && !(fs_->power_left_ == 0) && fs_->failure_ != Failure::kNothing)
        (void)fs_->WriteTo(*inode_, offset, data.substr(0, data.size() / 2));
      return ok;
    }
    return fs_->WriteTo(*inode_, offset, data);
  }

  Status Sync() override {
    const std::lock_guard<std::mutex> hold(fs_->mutex_);
    if (Status ok = Alive(Op::kSync); !ok) {
      inode_->stranded.merge(inode_->dirty);
      inode_->dirty.clear();
      return ok;
    }
    return fs_->SyncInode(*inode_);
  }

  Result<uint64_t> Size() override {
    const std::lock_guard<std::mutex> hold(fs_->mutex_);
    return static_cast<uint64_t>(inode_->cached.size());
  }

 private:
  Status Alive(Op op) {
    if (boot_ != fs_->boot_)
      return Failed(Errc::kInternal, "file of before the crash: " + inode_->path);
    return fs_->Begin(op, inode_->path);
  }

  SimFileSystem* fs_;
  std::shared_ptr<Inode> inode_;
  std::shared_ptr<int> lock_;
  uint64_t boot_;
  bool writable_;
};

SimFileSystem::SimFileSystem() = default;
SimFileSystem::~SimFileSystem() = default;

Status SimFileSystem::Begin(Op op, const std::string& path) {
  if (power_left_ == 0)
    return Failed(Errc::kInternal, "the power is off");
  if (op != Op::kRead) {
    ++operations_;
    if (power_left_)
      --*power_left_;
  }
  const uint64_t count = ++counts_[op];
  if (auto it = fail_at_.find(op); it != fail_at_.end() && it->second == count) {
    fail_at_.erase(it);
    return Failed(Errc::kInternal, "injected failure: " + path);
  }
  if (fault_ && fault_(op, path))
    return Failed(failure_ == Failure::kFull ? Errc::kStorageFull : Errc::kInternal,
                  "injected failure: " + path);
  return Done();
}

Result<std::unique_ptr<File>> SimFileSystem::Open(const std::string& path, Mode mode) {
  const std::lock_guard<std::mutex> hold(mutex_);
  auto it = names_.find(path);
  if (mode == Mode::kCreate) {
    if (Status ok = Begin(Op::kCreate, path); !ok)
      return ok.error();
    if (it != names_.end())
      return Failed(Errc::kInternal, "cannot create " + path + ": it exists");
    if (!directories_.contains(DirectoryOf(path)))
      return Failed(Errc::kNotFound, "cannot create " + path + ": no such directory");
    auto inode = std::make_shared<Inode>();
    inode->path = path;
    pending_[DirectoryOf(path)].push_back({"", path, inode});
    it = names_.emplace(path, std::move(inode)).first;
  } else if (it == names_.end()) {
    return Failed(Errc::kNotFound, "cannot open " + path + ": no such file");
  } else if (power_left_ == 0) {
    return Failed(Errc::kInternal, "the power is off");
  }
  return std::unique_ptr<File>(
      std::make_unique<SimFile>(this, it->second, nullptr, mode != Mode::kRead));
}

Result<std::vector<std::string>> SimFileSystem::List(const std::string& dir) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!directories_.contains(dir))
    return Failed(Errc::kNotFound, "cannot list " + dir + ": no such directory");
  std::set<std::string> names;
  for (const auto& [path, inode] : names_)
    if (DirectoryOf(path) == dir)
      names.insert(path.substr(dir.size() + 1));
  for (const std::string& path : directories_)
    if (path != dir && DirectoryOf(path) == dir)
      names.insert(path.substr(dir.size() + 1));
  return std::vector<std::string>(names.begin(), names.end());
}

bool SimFileSystem::Exists(const std::string& path) {
  const std::lock_guard<std::mutex> hold(mutex_);
  return names_.contains(path) || directories_.contains(path);
}

Status SimFileSystem::MakeDirectory(const std::string& dir) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (power_left_ == 0)
    return Failed(Errc::kInternal, "the power is off");
  for (std::string d = dir; !d.empty() && d != "."; d = DirectoryOf(d)) directories_.insert(d);
  return Done();
}

Status SimFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (Status ok = Begin(Op::kRename, from); !ok)
    return ok;
  const auto it = names_.find(from);
  if (it == names_.end())
    return Failed(Errc::kNotFound, "cannot rename " + from + ": no such file");
  SYNOD_CHECK_EQ(DirectoryOf(from), DirectoryOf(to));
  std::shared_ptr<Inode> inode = it->second;
  inode->path = to;
  names_.erase(it);
  names_[to] = inode;
  pending_[DirectoryOf(to)].push_back({from, to, std::move(inode)});
  return Done();
}

Status SimFileSystem::Remove(const std::string& path) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (Status ok = Begin(Op::kRemove, path); !ok)
    return ok;
  if (names_.erase(path) == 0)
    return Failed(Errc::kNotFound, "cannot remove " + path + ": no such file");
  pending_[DirectoryOf(path)].push_back({path, "", nullptr});
  return Done();
}

Status SimFileSystem::RemoveDirectory(const std::string& dir) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (Status ok = Begin(Op::kRemove, dir); !ok)
    return ok;
  const auto inside = [&](const auto& item) { return DirectoryOf(item.first) == dir; };
  if (std::any_of(names_.begin(), names_.end(), inside) || directories_.erase(dir) == 0)
    return Failed(Errc::kInternal, "cannot remove directory " + dir + ": not empty, or none");
  // Durable at once, as the making of one is: what was removed in it before is gone with it.
  std::erase_if(durable_names_, inside);
  pending_.erase(dir);
  return Done();
}

Status SimFileSystem::SyncDirectory(const std::string& dir) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (Status ok = Begin(Op::kSyncDirectory, dir); !ok)
    return ok;
  for (const NameChange& change : pending_[dir]) {
    if (!change.name.empty())
      durable_names_.erase(change.name);
    if (!change.to_name.empty())
      durable_names_[change.to_name] = change.inode;
  }
  pending_.erase(dir);
  return Done();
}

Result<std::unique_ptr<File>> SimFileSystem::Lock(const std::string& path) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (power_left_ == 0)
    return Failed(Errc::kInternal, "the power is off");
  if (auto held = locks_.find(path); held != locks_.end() && !held->second.expired())
    return Failed(Errc::kNotReady, path + " is locked by another process");
  auto it = names_.find(path);
  if (it == names_.end()) {
    auto inode = std::make_shared<Inode>();
    inode->path = path;
    pending_[DirectoryOf(path)].push_back({"", path, inode});
    it = names_.emplace(path, std::move(inode)).first;
  }
  auto lock = std::make_shared<int>(0);
  locks_[path] = lock;
  return std::unique_ptr<File>(std::make_unique<SimFile>(this, it->second, std::move(lock), true));
}

Result<uint64_t> SimFileSystem::FreeBytes(const std::string&) {
  const std::lock_guard<std::mutex> hold(mutex_);
  if (!budget_)
    return uint64_t{1} << 40;
  const uint64_t used = UsedBytes();
  return used >= *budget_ ? 0 : *budget_ - used;
}

Result<uint64_t> SimFileSystem::TotalBytes(const std::string&) {
  const std::lock_guard<std::mutex> hold(mutex_);
  return budget_.value_or(uint64_t{1} << 40);
}

uint64_t SimFileSystem::UsedBytes() const {
  uint64_t used = 0;
  for (const auto& [path, inode] : names_) used += inode->cached.size();
  return used;
}

Status SimFileSystem::WriteTo(Inode& inode, uint64_t offset, std::string_view data) {
  Status result = Done();
  const uint64_t size = inode.cached.size();
  if (budget_ && offset + data.size() > size) {
    const uint64_t used = UsedBytes();
    const uint64_t free = used >= *budget_ ? 0 : *budget_ - used;
    if (offset + data.size() - size > free) {
      // A full disk takes what fits: callers must not believe that a failed write wrote nothing.
      const uint64_t end = size + free;
      data = data.substr(0, end > offset ? end - offset : 0);
      result = Failed(Errc::kStorageFull, "no space left on device: " + inode.path);
    }
  }
  if (data.empty())
    return result;
  if (inode.cached.size() < offset + data.size())
    inode.cached.resize(offset + data.size());
  inode.cached.replace(offset, data.size(), data);
  bytes_written_ += data.size();
  for (uint64_t p = offset / kPageBytes; p <= (offset + data.size() - 1) / kPageBytes; ++p) {
    inode.dirty.insert(p);
    inode.stranded.erase(p);
  }
  return result;
}

Status SimFileSystem::SyncInode(Inode& inode) {
  // As long as its durable pages make it: those of a failed sync do not lengthen it later.
  for (const uint64_t p : inode.dirty) {
    const uint64_t at = p * kPageBytes;
    const uint64_t n = std::min(kPageBytes, inode.cached.size() - at);
    if (inode.durable.size() < at + n)
      inode.durable.resize(at + n);
    inode.durable.replace(at, n, inode.cached, at, n);
  }
  inode.dirty.clear();
  return Done();
}

void SimFileSystem::CrashInode(Inode& inode, Random& random, Unsynced unsynced) {
  if (unsynced == Unsynced::kKeepAll)
    return;
  std::set<uint64_t> pages = inode.dirty;
  pages.merge(inode.stranded);
  const int style = unsynced == Unsynced::kLoseAll ? 0 : static_cast<int>(random.Below(4));
  // The file grows to hold the pages that survive; lost pages of a grown file read as zeros.
  std::string image = inode.durable;
  for (const uint64_t p : pages) {
    const uint64_t at = p * kPageBytes;
    const uint64_t end = std::min<uint64_t>(at + kPageBytes, inode.cached.size());
    for (uint64_t s = at; s < end; s += kSectorBytes) {
      // Styles: nothing survives, everything, whole pages by chance, sectors by chance.
      if (style == 0 || (style == 2 && s == at && random.Chance(50)))
        break;
      if (style == 3 && random.Chance(50))
        continue;
      const uint64_t n = std::min(kSectorBytes, end - s);
      if (image.size() < s + n)
        image.resize(s + n);
      image.replace(s, n, inode.cached, s, n);
    }
  }
  inode.durable = image;
  inode.cached = std::move(image);
  inode.dirty.clear();
  inode.stranded.clear();
}

void SimFileSystem::CrashNames(Random& random, Unsynced unsynced) {
  for (const auto& [dir, changes] : pending_) {
    const bool prefix = random.Chance(50);
    const uint64_t keep = random.Between(0, changes.size());
    for (size_t i = 0; i < changes.size(); ++i) {
      if (unsynced == Unsynced::kLoseAll)
        break;
      if (unsynced == Unsynced::kRandom && (prefix ? i >= keep : random.Chance(50)))
        continue;
      if (!changes[i].name.empty())
        durable_names_.erase(changes[i].name);
      if (!changes[i].to_name.empty())
        durable_names_[changes[i].to_name] = changes[i].inode;
    }
  }
  pending_.clear();
  names_ = durable_names_;
  for (auto& [path, inode] : names_) inode->path = path;
}

void SimFileSystem::Crash(Random& random, Unsynced unsynced) {
  const std::lock_guard<std::mutex> hold(mutex_);
  CrashNames(random, unsynced);
  std::set<Inode*> seen;
  for (const auto& [path, inode] : names_)
    if (seen.insert(inode.get()).second)
      CrashInode(*inode, random, unsynced);
  locks_.clear();
  ++boot_;
  power_left_.reset();
  fail_at_.clear();
  fault_ = nullptr;
  failure_ = Failure::kShortWrite;
}

void SimFileSystem::FailNth(Op op, uint64_t n) {
  const std::lock_guard<std::mutex> hold(mutex_);
  fail_at_[op] = counts_[op] + n;
}

void SimFileSystem::SetFault(std::function<bool(Op, const std::string&)> fault, Failure failure) {
  const std::lock_guard<std::mutex> hold(mutex_);
  fault_ = std::move(fault);
  failure_ = failure;
}

void SimFileSystem::CutPowerAfter(uint64_t n) {
  const std::lock_guard<std::mutex> hold(mutex_);
  power_left_ = n;
}

void SimFileSystem::SetByteBudget(std::optional<uint64_t> bytes) {
  const std::lock_guard<std::mutex> hold(mutex_);
  budget_ = bytes;
}

void SimFileSystem::FlipBit(const std::string& path, uint64_t offset, int bit) {
  const std::lock_guard<std::mutex> hold(mutex_);
  Inode& inode = *names_.at(path);
  for (std::string* image : {&inode.cached, &inode.durable})
    if (offset < image->size())
      (*image)[offset] = static_cast<char>((*image)[offset] ^ (1 << bit));
}

void SimFileSystem::SetContent(const std::string& path, std::string content) {
  const std::lock_guard<std::mutex> hold(mutex_);
  auto inode = std::make_shared<Inode>();
  inode->path = path;
  inode->cached = content;
  inode->durable = std::move(content);
  names_[path] = inode;
  durable_names_[path] = std::move(inode);
}

SimFileSystem::Image SimFileSystem::DurableImage() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  Image image;
  for (const auto& [path, inode] : durable_names_) image[path] = inode->durable;
  return image;
}

void SimFileSystem::SetImage(const Image& image) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    names_.clear();
    durable_names_.clear();
    pending_.clear();
    locks_.clear();
    ++boot_;
  }
  for (const auto& [path, content] : image) SetContent(path, content);
}

void SimFileSystem::Lose(const std::string& path) {
  const std::lock_guard<std::mutex> hold(mutex_);
  names_.erase(path);
  durable_names_.erase(path);
}

std::string SimFileSystem::Content(const std::string& path) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto it = names_.find(path);
  return it == names_.end() ? std::string() : it->second->cached;
}

std::string SimFileSystem::DurableContent(const std::string& path) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto it = durable_names_.find(path);
  return it == durable_names_.end() ? std::string() : it->second->durable;
}

uint64_t SimFileSystem::operations() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return operations_;
}

uint64_t SimFileSystem::Count(Op op) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto it = counts_.find(op);
  return it == counts_.end() ? 0 : it->second;
}

uint64_t SimFileSystem::bytes_written() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return bytes_written_;
}

}  // namespace synod::storage
