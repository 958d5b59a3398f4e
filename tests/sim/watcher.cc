#include "tests/sim/watcher.h"

#include <algorithm>
#include <array>
#include <utility>

#include "src/base/path.h"

namespace synod::sim {
namespace {

std::string Text(const store::Change& c) {
  return (c.type == store::Change::Type::kPut ? "put " : "delete ") + c.path +
         (c.node == nullptr ? "" : " version " + std::to_string(c.node->version));
}

bool SameChange(const store::Change& a, const store::Change& b) {
  if (a.type != b.type || a.path != b.path || a.cause != b.cause)
    return false;
  if ((a.node == nullptr) != (b.node == nullptr))
    return false;
  if (a.node != nullptr &&
      (a.node->version != b.node->version || a.node->mod_revision != b.node->mod_revision ||
       a.node->lease != b.node->lease || a.node->value.view() != b.node->value.view()))
    return false;
  // The previous node may be gone with the history, nothing else.
  return a.prev == nullptr || b.prev == nullptr || a.prev->value.view() == b.prev->value.view();
}

}  // namespace

Watcher::Watcher(World* world, uint32_t number, Random random)
    : world_(world), number_(number), random_(random) {
  struct Row {
    const char* path;
    watch::Scope scope;
  };
  constexpr std::array<Row, 6> kRows = {{{"/", watch::Scope::kSubtree},
                                         {"/r", watch::Scope::kChildren},
                                         {"/r/0", watch::Scope::kNode},
                                         {"/leased", watch::Scope::kSubtree},
                                         {"/guard", watch::Scope::kChildren},
                                         {"/.synod/locks", watch::Scope::kSubtree}}};
  const Row row = kRows[random_.Below(kRows.size())];
  spec_.path = row.path;
  spec_.scope = row.scope;
  spec_.prev = random_.Chance(30);
  if (random_.Chance(20))
    (random_.Chance(50) ? spec_.puts : spec_.deletes) = false;
}

void Watcher::AttachSoon() {
  if (std::exchange(attaching_, true))
    return;
  world_->scheduler.After(static_cast<Time>(random_.Below(100'000)), [this] {
    attaching_ = false;
    Attach();
  });
}

void Watcher::Attach() {
  NodeHost& host = *world_->AnyHost(&random_);
  if (!host.running() || host.paused() || host.rotten()) {
    AttachSoon();
    return;
  }
  if (stretches_.empty())
    stretches_.push_back({host.engine().machine().revision() + 1, {}, {}});
  Stretch& stretch = stretches_.back();
  const Revision from = std::max(stretch.from, stretch.position + 1);
  const Result<watch::WatchId> id = host.hub().Add(spec_, from);
  if (!id) {
    SIM_REQUIRE(id.error().code == Errc::kCompacted, "a watch refused with another error");
    SIM_REQUIRE(from <= host.engine().machine().tree().floor(),
                "a watch from revision " + std::to_string(from.value) +
                    " is refused as compacted, and the history begins at " +
                    std::to_string(host.engine().machine().tree().floor().value));
    stretches_.push_back({host.engine().machine().revision() + 1, {}, {}});
    AttachSoon();
    return;
  }
  node_ = host.id();
  boot_ = host.boot();
  watch_ = *id;
  const uint64_t generation = ++generation_;
  ++moves_;
  Drain();
  world_->scheduler.After(static_cast<Time>(random_.Between(200'000, 3'000'000)),
                          [this, generation] {
                            if (generation != generation_ || !moving_)
                              return;
                            Detach();
                            AttachSoon();
                          });
}

void Watcher::Detach() {
  if (!node_)
    return;
  NodeHost& host = HostOf(*node_);
  if (host.running() && host.boot() == boot_)
    host.hub().Remove(watch_);
  node_.reset();
  ++generation_;
}

void Watcher::OnProcessEnded(NodeId node) {
  if (node_ != node)
    return;
  node_.reset();
  ++generation_;
  AttachSoon();
}

void Watcher::OnReady(NodeId node, watch::WatchId id) {
  if (node_ != node || watch_ != id)
    return;
  const bool slow = random_.Chance(20);
  if (!slow) {
    Drain();
    return;
  }
  world_->scheduler.After(static_cast<Time>(random_.Below(300'000)),
                          [this, generation = generation_] {
                            if (generation == generation_)
                              Drain();
                          });
}

void Watcher::Drain() {
  if (!node_)
    return;
  while (true) {
    watch::Hub::Step step = HostOf(*node_).hub().Next(watch_);
    Stretch& stretch = stretches_.back();
    if (step.kind == watch::Hub::Step::Kind::kCompacted) {
      const Revision floor = HostOf(*node_).engine().machine().tree().floor();
      SIM_REQUIRE(std::max(stretch.from, stretch.position + 1) <= floor,
                  "a watch ended as compacted within the history");
      const Revision next = HostOf(*node_).engine().machine().revision() + 1;
      stretches_.push_back({next, {}, {}});
      Detach();
      AttachSoon();
      return;
    }
    SIM_REQUIRE(step.position >= stretch.position || step.position + 1 == stretch.from ||
                    step.position < stretch.from,
                "the position of a watch fell");
    if (step.kind == watch::Hub::Step::Kind::kCaughtUp) {
      stretch.position = std::max(stretch.position, step.position);
      return;
    }
    const Revision revision = step.message->revision->revision;
    SIM_REQUIRE(revision > stretch.position && revision >= stretch.from,
                "watcher " + std::to_string(number_) + ": revision " +
                    std::to_string(revision.value) + " after " +
                    std::to_string(stretch.position.value));
    SIM_REQUIRE(!step.message->changes.empty(), "a watch message without changes");
    stretch.position = revision;
    Seen seen{revision, {}};
    for (const store::Change* change : step.message->changes) seen.changes.push_back(*change);
    stretch.seen.push_back(std::move(seen));
    ++delivered_;
  }
}

bool Watcher::Matches(const store::Change& change) const {
  if (change.type == store::Change::Type::kPut ? !spec_.puts : !spec_.deletes)
    return false;
  // The service's own subtree is seen only by who watches within it.
  if (IsReserved(change.path) && !IsReserved(spec_.path))
    return false;
  switch (spec_.scope) {
    case watch::Scope::kNode:
      return change.path == spec_.path;
    case watch::Scope::kChildren:
      return change.path != spec_.path && ParentOf(change.path) == spec_.path;
    case watch::Scope::kSubtree:
      return IsWithin(change.path, spec_.path);
  }
  return false;
}

bool Watcher::HasReached(Revision revision) {
  Drain();
  return stretches_.empty() || stretches_.back().position >= revision ||
         stretches_.back().from > revision;
}

void Watcher::Check(const std::vector<store::RevisionRef>& log) const {
  const std::string who = "watcher " + std::to_string(number_) + " of " + spec_.path + ": ";
  for (const Stretch& stretch : stretches_) {
    auto seen = stretch.seen.begin();
    for (const store::RevisionRef& revision : log) {
      if (revision->revision < stretch.from || revision->revision > stretch.position)
        continue;
      std::vector<const store::Change*> expected;
      for (const store::Change& change : revision->changes)
        if (Matches(change))
          expected.push_back(&change);
      if (expected.empty())
        continue;
      const std::string where = who + "revision " + std::to_string(revision->revision.value);
      SIM_REQUIRE(seen != stretch.seen.end() && seen->revision == revision->revision,
                  where + " (" + Text(*expected.front()) + ") is missing");
      SIM_REQUIRE(seen->changes.size() == expected.size(), where + " has other changes");
      for (size_t i = 0; i < expected.size(); ++i)
        SIM_REQUIRE(SameChange(seen->changes[i], *expected[i]),
                    where + ": " + Text(seen->changes[i]) + " instead of " + Text(*expected[i]));
      ++seen;
    }
    SIM_REQUIRE(seen == stretch.seen.end(),
                who + "revision " + std::to_string(seen->revision.value) + " is not in the log");
  }
}

}  // namespace synod::sim
