#include "src/offline/overlay_file_system.h"

#include <algorithm>
#include <utility>

namespace synod::offline {
namespace {

Error Missing(const std::string& path) {
  return Error{Errc::kInternal, Outcome::kNotApplied, path + ": no such file"};
}

}  // namespace

class OverlayFileSystem::LayeredFile final : public storage::File {
 public:
  LayeredFile(std::mutex* mutex, std::shared_ptr<Content> content)
      : mutex_(*mutex), content_(std::move(content)) {}

  Result<std::string> Read(uint64_t offset, size_t n) override {
    const std::lock_guard lock(mutex_);
    if (!content_->memory)
      return content_->below->Read(offset, n);
    const std::string& bytes = *content_->memory;
    return offset >= bytes.size() ? std::string() : bytes.substr(offset, n);
  }

  Status Write(uint64_t offset, std::string_view data) override {
    const std::lock_guard lock(mutex_);
    if (Status copied = CopyUp(); !copied)
      return copied;
    std::string& bytes = *content_->memory;
    if (bytes.size() < offset + data.size())
      bytes.resize(offset + data.size());
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    return Done();
  }

  Status Sync() override { return Done(); }

  Result<uint64_t> Size() override {
    const std::lock_guard lock(mutex_);
    if (!content_->memory)
      return content_->below->Size();
    return uint64_t{content_->memory->size()};
  }

 private:
  Status CopyUp() {
    if (content_->memory)
      return Done();
    Result<uint64_t> size = content_->below->Size();
    if (!size)
      return size.error();
    Result<std::string> bytes = content_->below->Read(0, *size);
    if (!bytes)
      return bytes.error();
    content_->memory = std::move(*bytes);
    content_->below.reset();
    return Done();
  }

  std::mutex& mutex_;
  std::shared_ptr<Content> content_;
};

Result<std::shared_ptr<OverlayFileSystem::Content>> OverlayFileSystem::Find(
    const std::string& path) {
  if (const auto known = files_.find(path); known != files_.end())
    return known->second;
  if (gone_.contains(path))
    return Missing(path);
  Result<std::unique_ptr<storage::File>> below = below_.Open(path, Mode::kRead);
  if (!below)
    return below.error();
  auto content = std::make_shared<Content>();
  content->below = std::move(*below);
  files_[path] = content;
  return content;
}

Result<std::unique_ptr<storage::File>> OverlayFileSystem::Open(const std::string& path, Mode mode) {
  const std::lock_guard lock(mutex_);
  if (mode == Mode::kCreate) {
    if (files_.contains(path) || (!gone_.contains(path) && below_.Exists(path)))
      return Error{Errc::kInternal, Outcome::kNotApplied, path + ": exists already"};
    auto made = std::make_shared<Content>();
    made->memory.emplace();
    files_[path] = made;
    return std::unique_ptr<storage::File>(new LayeredFile(&mutex_, std::move(made)));
  }
  Result<std::shared_ptr<Content>> content = Find(path);
  if (!content)
    return content.error();
  return std::unique_ptr<storage::File>(new LayeredFile(&mutex_, *std::move(content)));
}

Result<std::vector<std::string>> OverlayFileSystem::List(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  std::set<std::string> names;
  if (below_.Exists(dir)) {
    Result<std::vector<std::string>> below = below_.List(dir);
    if (!below)
      return below.error();
    for (std::string& name : *below)
      if (!gone_.contains(dir + "/" + name))
        names.insert(std::move(name));
  }
  const std::string prefix = dir + "/";
  for (const auto& [path, content] : files_)
    if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos)
      names.insert(path.substr(prefix.size()));
  return std::vector<std::string>(names.begin(), names.end());
}

bool OverlayFileSystem::Exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return files_.contains(path) || (!gone_.contains(path) && below_.Exists(path));
}

Status OverlayFileSystem::MakeDirectory(const std::string&) { return Done(); }

Status OverlayFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  Result<std::shared_ptr<Content>> content = Find(from);
  if (!content)
    return content.error();
  files_[to] = *std::move(content);
  gone_.erase(to);
  files_.erase(from);
  gone_.insert(from);
  return Done();
}

Status OverlayFileSystem::Remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const bool was_here = files_.erase(path) > 0;
  if (!was_here && (gone_.contains(path) || !below_.Exists(path)))
    return Missing(path);
  gone_.insert(path);
  return Done();
}

Status OverlayFileSystem::RemoveDirectory(const std::string& dir) {
  const std::lock_guard lock(mutex_);
  gone_.insert(dir);
  return Done();
}

Status OverlayFileSystem::SyncDirectory(const std::string&) { return Done(); }

Result<std::unique_ptr<storage::File>> OverlayFileSystem::Lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  auto content = std::make_shared<Content>();
  content->memory.emplace();
  files_[path] = content;
  return std::unique_ptr<storage::File>(new LayeredFile(&mutex_, std::move(content)));
}

Result<uint64_t> OverlayFileSystem::FreeBytes(const std::string& dir) {
  return below_.FreeBytes(dir);
}

Result<uint64_t> OverlayFileSystem::TotalBytes(const std::string& dir) {
  return below_.TotalBytes(dir);
}

}  // namespace synod::offline
