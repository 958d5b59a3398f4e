#include "watch/hub.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "src/base/check.h"
#include "watch/message_cache.h"
#include "watch/stream_table.h"

namespace synod::watch {
namespace {

// Changes that one Next() looks at before it lets others have their turn.
constexpr size_t kSearchBudget = 4096;

}  // namespace

// A place that one watch after the other has. Small, since there are tens of thousands.
struct Watch {
  Stream* stream = nullptr;  // null: the place is free
  Revision next;             // the first revision not yet looked at
  uint32_t index = 0;        // of the place
  uint32_t generation = 1;   // watches that had it before, and this one
  uint32_t idle_index = 0;
  bool idle = false;   // caught up, and in stream->idle at `idle_index`
  bool ready = false;  // in the ready list
  bool over = false;   // compacted

  WatchId id() const { return WatchId{generation} << 32 | index; }
};

class Hub::Core {
 public:
  explicit Core(const store::Tree* tree) : tree_(tree), published_(tree->last_revision()) {}

  Result<WatchId> Add(const Spec& spec, Revision from);
  void Remove(WatchId id);
  void Publish(const store::RevisionRef& revision);
  void Rebase(const store::Tree* tree);
  std::vector<WatchId> TakeReady();
  bool HasReady() const { return !ready_.empty(); }
  Step Next(WatchId id);
  size_t size() const { return watches_.size() - free_.size(); }
  void CheckInvariants() const;

 private:
  // Null if it is gone.
  Watch* Find(WatchId id);
  void SetIdle(Watch* watch);
  void ClearIdle(Watch* watch);
  void SetReady(Watch* watch);
  // The message of `stream` at that revision, or null if nothing in it matches.
  MessageRef MessageAt(const Stream& stream, const store::RevisionRef& revision);

  const store::Tree* tree_;
  Revision published_;  // idle watches have seen everything up to here
  StreamTable streams_;
  std::deque<Watch> watches_;   // stay where they are
  std::vector<uint32_t> free_;  // places among them
  std::vector<WatchId> ready_;
  MessageCache cache_;
  std::vector<Stream*> concerned_;  // by the revision being published
};

Result<WatchId> Hub::Core::Add(const Spec& spec, Revision from) {
  const Revision last = tree_->last_revision();
  if (from.value == 0)
    from = last + 1;
  if (from <= tree_->floor()) {
    return Error{Errc::kCompacted, Outcome::kNotApplied,
                 "history is kept from revision " + std::to_string(tree_->floor().value + 1)};
  }
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(watches_.size()));
    watches_.emplace_back().index = free_.back();
  }
  Watch* watch = &watches_[free_.back()];
  free_.pop_back();
  watch->stream = streams_.Join(spec);
  watch->next = from;
  if (from > last) {
    SetIdle(watch);
  } else {
    SetReady(watch);
  }
  return watch->id();
}

Watch* Hub::Core::Find(WatchId id) {
  const auto index = static_cast<uint32_t>(id);
  if (index >= watches_.size())
    return nullptr;
  Watch* watch = &watches_[index];
  return watch->stream != nullptr && watch->id() == id ? watch : nullptr;
}

void Hub::Core::Remove(WatchId id) {
  Watch* watch = Find(id);
  SYNOD_CHECK(watch != nullptr);
  ClearIdle(watch);
  streams_.Leave(watch->stream);
  // TakeReady() skips an id that is gone.
  const uint32_t index = watch->index;
  const uint32_t generation = watch->generation + 1;
  *watch = Watch{};
  watch->index = index;
  watch->generation = generation;
  free_.push_back(index);
}

void Hub::Core::SetIdle(Watch* watch) {
  SYNOD_CHECK(!watch->idle);
  watch->idle = true;
  watch->idle_index = static_cast<uint32_t>(watch->stream->idle.size());
  watch->stream->idle.push_back(watch);
}

void Hub::Core::ClearIdle(Watch* watch) {
  if (!watch->idle)
    return;
  auto& idle = watch->stream->idle;
  idle[watch->idle_index] = idle.back();
  idle[watch->idle_index]->idle_index = watch->idle_index;
  idle.pop_back();
  watch->idle = false;
}

void Hub::Core::SetReady(Watch* watch) {
  if (watch->ready)
    return;
  watch->ready = true;
  ready_.push_back(watch->id());
}

void Hub::Core::Publish(const store::RevisionRef& revision) {
  published_ = std::max(published_, revision->revision);
  for (const store::Change& change : revision->changes) {
    streams_.ForEachMatch(change, [&](Stream* stream) {
      // Whoever is behind finds the revision in the history.
      if (stream->idle.empty())
        return;
      if (!stream->building) {
        stream->building = std::make_shared<Message>();
        stream->building->revision = revision;
        stream->building->prev = stream->spec.prev;
        concerned_.push_back(stream);
      }
      stream->building->changes.push_back(&change);
    });
  }
  for (Stream* stream : concerned_) {
    // From the back: ClearIdle() fills the gap with the last one.
    bool wanted = false;
    for (size_t i = stream->idle.size(); i-- > 0;) {
      Watch* watch = stream->idle[i];
      if (watch->next > revision->revision)
        continue;  // it asked for the future, or has seen this one
      // An idle watch has missed nothing, so it need not search what lies between.
      watch->next = revision->revision;
      ClearIdle(watch);
      SetReady(watch);
      wanted = true;
    }
    if (wanted)
      cache_.Insert(stream->id, std::move(stream->building));
    stream->building = nullptr;
  }
  concerned_.clear();
}

void Hub::Core::Rebase(const store::Tree* tree) {
  tree_ = tree;
  for (Watch& watch : watches_) {
    if (!watch.idle)
      continue;
    // What lies between was published and did not concern it; now it has to look for itself.
    watch.next = std::max(watch.next, published_ + 1);
    ClearIdle(&watch);
    SetReady(&watch);
  }
  published_ = std::max(published_, tree->last_revision());
}

std::vector<WatchId> Hub::Core::TakeReady() {
  std::vector<WatchId> ready;
  ready.swap(ready_);
  std::erase_if(ready, [&](WatchId id) {
    Watch* watch = Find(id);
    if (watch != nullptr)
      watch->ready = false;
    return watch == nullptr;
  });
  return ready;
}

MessageRef Hub::Core::MessageAt(const Stream& stream, const store::RevisionRef& revision) {
  if (MessageRef cached = cache_.Find(stream.id, revision->revision))
    return cached;
  auto message = std::make_shared<Message>();
  for (const store::Change& change : revision->changes) {
    if (Matches(stream.spec, change))
      message->changes.push_back(&change);
  }
  if (message->changes.empty())
    return nullptr;
  message->revision = revision;
  message->prev = stream.spec.prev;
  // Alone in its stream, nobody else will ask.
  if (stream.watches > 1)
    cache_.Insert(stream.id, message);
  return message;
}

Hub::Step Hub::Core::Next(WatchId id) {
  Watch* watch = Find(id);
  SYNOD_CHECK(watch != nullptr);
  const Revision last = tree_->last_revision();
  Step step;
  if (watch->idle) {
    step.position = std::max(last, watch->next - 1);
    return step;
  }
  for (size_t searched = 0; searched < kSearchBudget;) {
    if (watch->over || watch->next <= tree_->floor()) {
      watch->over = true;
      step.kind = Step::Kind::kCompacted;
      step.position = watch->next - 1;
      return step;
    }
    const store::RevisionRef revision = tree_->HistoryAt(watch->next);
    if (!revision) {
      watch->next = std::max(watch->next, last + 1);
      SetIdle(watch);
      step.position = watch->next - 1;
      return step;
    }
    watch->next = revision->revision + 1;
    if (MessageRef message = MessageAt(*watch->stream, revision)) {
      step.kind = Step::Kind::kMessage;
      step.message = std::move(message);
      step.position = revision->revision;
      return step;
    }
    searched += 1 + revision->changes.size();
  }
  SetReady(watch);
  step.position = watch->next - 1;
  return step;
}

void Hub::Core::CheckInvariants() const {
  size_t free = 0;
  for (size_t i = 0; i < watches_.size(); ++i) {
    const Watch& watch = watches_[i];
    SYNOD_CHECK_EQ(i, size_t{watch.index});
    if (watch.stream == nullptr) {
      ++free;
      SYNOD_CHECK(!watch.idle && !watch.ready);
      continue;
    }
    SYNOD_CHECK(!(watch.idle && watch.over));
    SYNOD_CHECK_GT(watch.stream->watches, 0u);
    SYNOD_CHECK(watch.stream->building == nullptr);
    if (watch.idle)
      SYNOD_CHECK(watch.stream->idle.at(watch.idle_index) == &watch);
    if (watch.ready)
      SYNOD_CHECK(std::find(ready_.begin(), ready_.end(), watch.id()) != ready_.end());
  }
  SYNOD_CHECK_EQ(free, free_.size());
}

Hub::Hub(const store::Tree* tree) : core_(std::make_unique<Core>(tree)) {}
Hub::~Hub() = default;
Result<WatchId> Hub::Add(const Spec& spec, Revision from) { return core_->Add(spec, from); }
void Hub::Remove(WatchId id) { core_->Remove(id); }
void Hub::Publish(const store::RevisionRef& revision) { core_->Publish(revision); }
void Hub::Rebase(const store::Tree* tree) { core_->Rebase(tree); }
std::vector<WatchId> Hub::TakeReady() { return core_->TakeReady(); }
bool Hub::HasReady() const { return core_->HasReady(); }
Hub::Step Hub::Next(WatchId id) { return core_->Next(id); }
size_t Hub::size() const { return core_->size(); }
void Hub::CheckInvariants() const { core_->CheckInvariants(); }

}  // namespace synod::watch
