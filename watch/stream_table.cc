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
  auto& at_path = streams_[spec.path];
  auto it = std::find_if(at_path.begin(), at_path.end(),
                         [&](const auto& s) { return SameStream(s->spec, spec); });
  if (it == at_path.end()) {
    auto stream = std::make_unique<Stream>();
    stream->id = ++last_id_;
    stream->spec = spec;
    at_path.push_back(std::move(stream));
    it = std::prev(at_path.end());
  }
  ++(*it)->watches;
  return it->get();
}

void StreamTable::Leave(Stream* stream) {
  SYNOD_CHECK_GT(stream->watches, 0u);
  if (--stream->watches > 0)
    return;
  SYNOD_CHECK(stream->idle.empty());
  const auto it = streams_.find(std::string_view(stream->spec.path));
  SYNOD_CHECK(it != streams_.end());
  std::erase_if(it->second, [&](const auto& s) { return s.get() == stream; });
  if (it->second.empty())
    streams_.erase(it);
}

}  // namespace synod::watch
