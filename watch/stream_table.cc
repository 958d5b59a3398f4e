#include "watch/stream_table.h"

#include <algorithm>

#include "src/base/check.h"

namespace synod::watch {
namespace {

bool SameStream(const Spec& a, const Spec& b) {
  return a.scope == b.scope && a.puts == b.puts && a.deletes == b.deletes && a.prev == b.prev;
}

}  // namespace

bool MatchesScope(const Spec& spec, int depth) {
  switch (spec.scope) {
    case Scope::kNode:
      return depth == 0;
    case Scope::kChildren:
      return depth == 1;
    case Scope::kSubtree:
      return true;
  }
  return false;
}

bool MatchesType(const Spec& spec, store::Change::Type type) {
  return type == store::Change::Type::kPut ? spec.puts : spec.deletes;
}

bool Matches(const Spec& spec, const store::Change& change) {
  if (!MatchesType(spec, change.type) || !IsWithin(change.path, spec.path))
    return false;
  if (IsReserved(change.path) && !IsReserved(spec.path))
    return false;
  const int depth = change.path == spec.path ? 0 : ParentOf(change.path) == spec.path ? 1 : 2;
  return MatchesScope(spec, depth);
}

Stream* StreamTable::Join(const Spec& spec) {
  const auto it = streams_.find(std::string_view(spec.path));
  std::unique_ptr<Stream>* place = it == streams_.end() ? nullptr : &it->second;
  while (place != nullptr && *place != nullptr && !SameStream((*place)->spec, spec))
    place = &(*place)->next;
  Stream* stream = place != nullptr ? place->get() : nullptr;
  if (stream == nullptr) {
    auto made = std::make_unique<Stream>();
    stream = made.get();
    stream->id = ++last_id_;
    stream->spec = spec;
    if (place != nullptr)
      *place = std::move(made);
    else
      streams_.emplace(std::string_view(stream->spec.path), std::move(made));
  }
  ++stream->watches;
  return stream;
}

void StreamTable::Leave(Stream* stream) {
  SYNOD_CHECK_GT(stream->watches, 0u);
  if (--stream->watches > 0)
    return;
  SYNOD_CHECK(stream->idle.empty());
  const auto it = streams_.find(std::string_view(stream->spec.path));
  SYNOD_CHECK(it != streams_.end());
  if (it->second.get() != stream) {
    std::unique_ptr<Stream>* place = &it->second->next;
    while (place->get() != stream) place = &(*place)->next;
    const std::unique_ptr<Stream> gone = std::move(*place);
    *place = std::move(gone->next);
    return;
  }
  // With the first one its key goes, too.
  const std::unique_ptr<Stream> gone = std::move(it->second);
  streams_.erase(it);
  if (gone->next != nullptr) {
    const std::string_view path = gone->next->spec.path;
    streams_.emplace(path, std::move(gone->next));
  }
}

}  // namespace synod::watch
