#include "src/node/engine_snapshots.h"

#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/base/crc32c.h"
#include "src/node/engine_frames.h"

namespace synod::node {
namespace {

constexpr int64_t kAnswerMs = 2'000;  // without an answer the question is asked again, elsewhere
constexpr int64_t kPatienceMs = 200;
constexpr int64_t kElsewhereMs = 500;
constexpr int64_t kTroubleMs = 5'000;  // after a disk without room, or a snapshot that was bad
constexpr int64_t kMakeAgainMs = 1'000;
constexpr int64_t kForgetPartMs = 60'000;  // of a part that is not needed any more
constexpr uint64_t kToldEveryPercent = 10;

using Reason = SnapshotRefusal::Reason;

template <typename Item>
void Send(NodeId to, const Item& item, SnapshotActions* actions) {
  Bytes bytes;
  AppendItem(item, &bytes);
  actions->send.emplace_back(to, std::move(bytes));
}

}  // namespace

// -- source

void SnapshotSource::OnRequest(NodeId from, const SnapshotRequest& request) {
  waiting_[from] = request;  // an older question of this asker is void
}

void SnapshotSource::Recovered(const std::vector<SnapshotFile>& files, int64_t now_ms) {
  for (const SnapshotFile& file : files) files_[file.id] = File{file, now_ms, false};
}

void SnapshotSource::Made(const Result<SnapshotFile>& file,
                          int64_t now_ms,
                          SnapshotActions* actions) {
  making_ = false;
  failed_ = !file && file.error().code != Errc::kNotReady;
  make_after_ms_ = now_ms + (failed_ ? kTroubleMs : kMakeAgainMs);
  if (!file) {
    actions->events.push_back({"snapshot_not_made", static_cast<uint64_t>(file.error().code)});
    return;
  }
  ++counters_->made;
  files_[file->id] = File{*file, now_ms, false};
  actions->events.push_back({"snapshot_made", file->slot.value});
}

void SnapshotSource::Tick(int64_t now_ms, Slot applied, Slot first_slot, SnapshotActions* actions) {
  const auto rate = static_cast<int64_t>(limits_.bytes_per_second);
  // A pause is not made up for: at most a tenth of a second's bytes at once.
  const int64_t earned = std::min<int64_t>(now_ms - now_ms_, 1000) * rate / 1000;
  budget_ =
      std::min(budget_ + earned, std::max(rate / 10, static_cast<int64_t>(limits_.chunk_bytes)));
  now_ms_ = now_ms;
  const std::map<NodeId, SnapshotRequest> waiting = std::exchange(waiting_, {});
  for (const auto& [peer, request] : waiting) {
    if (budget_ > 0)
      Answer(peer, request, applied, first_slot, actions);
    else
      waiting_.emplace(peer, request);
  }
  RemoveUnused(actions);
}

void SnapshotSource::Answer(NodeId peer,
                            const SnapshotRequest& request,
                            Slot applied,
                            Slot first_slot,
                            SnapshotActions* actions) {
  const auto refuse = [&](Reason reason) {
    Send(peer, SnapshotRefusal{request.id, reason}, actions);
  };
  auto chosen = files_.end();
  if (request.id != Hash128{}) {
    chosen = files_.find(request.id);
    if (chosen == files_.end() || request.offset >= chosen->second.file.bytes)
      return refuse(Reason::kGone);
  } else {
    for (auto it = files_.begin(); it != files_.end(); ++it) {
      const SnapshotFile& file = it->second.file;
      // The asker goes on with the log from there.
      const bool fits = file.slot > request.above && file.slot + 1 >= first_slot;
      if (fits && (chosen == files_.end() || file.slot > chosen->second.file.slot))
        chosen = it;
    }
  }
  if (chosen == files_.end()) {
    if (applied <= request.above || (failed_ && now_ms_ < make_after_ms_))
      return refuse(Reason::kNothing);
    if (!making_ && now_ms_ >= make_after_ms_) {
      making_ = true;
      actions->jobs.emplace_back(MakeSnapshot{});
    }
    return refuse(Reason::kPatience);
  }
  File& file = chosen->second;
  if (!std::exchange(file.sent, true))
    actions->events.push_back({"snapshot_sending", file.file.slot.value});
  file.used_ms = now_ms_;
  const uint64_t left = file.file.bytes - request.offset;
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(left, limits_.chunk_bytes));
  budget_ -= static_cast<int64_t>(bytes);
  actions->jobs.emplace_back(ReadSnapshot{peer, chosen->first, request.offset, bytes});
}

void SnapshotSource::ReadDone(const ReadSnapshot& job,
                              Result<Bytes> bytes,
                              SnapshotActions* actions) {
  const auto it = files_.find(job.id);
  if (!bytes || bytes->empty() || it == files_.end()) {
    files_.erase(job.id);
    Send(job.peer, SnapshotRefusal{job.id, Reason::kGone}, actions);
    return;
  }
  counters_->bytes_sent += bytes->size();
  const uint64_t total = it->second.file.bytes;
  Send(job.peer, SnapshotChunk{job.id, total, job.offset, Crc32c(*bytes), *bytes}, actions);
}

void SnapshotSource::RemoveAll(SnapshotActions* actions) {
  for (const auto& [id, file] : files_) actions->jobs.emplace_back(RemoveSnapshot{id});
  files_.clear();
}

void SnapshotSource::RemoveUnused(SnapshotActions* actions) {
  for (auto it = files_.begin(); it != files_.end();) {
    if (now_ms_ - it->second.used_ms < limits_.unused_ms) {
      ++it;
      continue;
    }
    actions->jobs.emplace_back(RemoveSnapshot{it->first});
    it = files_.erase(it);
  }
}

std::optional<Slot> SnapshotSource::KeepLogAbove() const {
  std::optional<Slot> above;
  for (const auto& [id, file] : files_)
    if (file.sent && (!above || file.file.slot < *above))
      above = file.file.slot;
  return above;
}

// -- sink

std::optional<uint64_t> SnapshotSink::Percent() const {
  if (!part_)
    return std::nullopt;
  return part_->received * 100 / part_->total;
}

void SnapshotSink::PauseFor(int64_t ms) {
  state_ = State::kIdle;
  ask_after_ms_ = now_ms_ + ms;
}

void SnapshotSink::Drop(SnapshotActions* actions) {
  if (!part_)
    return;
  part_.reset();
  told_percent_ = 0;
  actions->jobs.emplace_back(DropSnapshotPart{});
}

void SnapshotSink::Tick(int64_t now_ms,
                        bool needed,
                        Slot applied,
                        const std::vector<Candidate>& candidates,
                        SnapshotActions* actions) {
  now_ms_ = now_ms;
  if (!recovered_ || state_ == State::kStoring || state_ == State::kBuilding)
    return;
  if (needed || needed_ms_ == 0)
    needed_ms_ = now_ms;
  if (!needed) {
    state_ = State::kIdle;
    if (now_ms - needed_ms_ >= kForgetPartMs)
      Drop(actions);
    return;
  }
  const auto connected = [&](NodeId peer) {
    return std::any_of(candidates.begin(), candidates.end(),
                       [&](const Candidate& c) { return c.peer == peer; });
  };
  if (state_ == State::kAsked) {
    if (now_ms - asked_ms_ < kAnswerMs && connected(source_))
      return;
    PauseFor(0);
    source_ = NodeId();
    ++sources_tried_;
  }
  if (now_ms < ask_after_ms_)
    return;
  if (!connected(source_)) {
    // The first is preferred, all get their turn.
    if (candidates.empty())
      return;
    source_ = candidates[sources_tried_ % candidates.size()].peer;
  }
  if (part_ && part_->received == part_->total) {
    // Whole already when this process started.
    state_ = State::kBuilding;
    actions->jobs.emplace_back(BuildSnapshot());
    return;
  }
  Ask(applied, actions);
}

void SnapshotSink::Ask(Slot applied, SnapshotActions* actions) {
  SnapshotRequest request;
  request.above = applied;
  if (part_) {
    request.id = part_->id;
    request.offset = part_->received;
  }
  state_ = State::kAsked;
  asked_ms_ = now_ms_;
  Send(source_, request, actions);
}

void SnapshotSink::OnChunk(NodeId from, const SnapshotChunk& chunk, SnapshotActions* actions) {
  const bool asked = state_ == State::kAsked && from == source_;
  const bool fits = part_ ? chunk.id == part_->id && chunk.total == part_->total &&
                                chunk.offset == part_->received
                          : chunk.id != Hash128{} && chunk.offset == 0;
  const bool sound = !chunk.bytes.empty() && chunk.bytes.size() <= chunk.total &&
                     chunk.offset <= chunk.total - chunk.bytes.size() &&
                     Crc32c(chunk.bytes) == chunk.crc;
  if (!asked || !fits || !sound) {
    ++counters_->declined;
    return;
  }
  if (!part_) {
    part_ = SnapshotPart{chunk.id, chunk.total, 0};
    actions->events.push_back({"snapshot_receiving", from.value});
  }
  sources_tried_ = 0;
  state_ = State::kStoring;
  storing_bytes_ = chunk.bytes.size();
  actions->jobs.emplace_back(
      StoreSnapshotPart{chunk.id, chunk.total, chunk.offset, Bytes(chunk.bytes)});
}

void SnapshotSink::Stored(const Status& stored, SnapshotActions* actions) {
  SYNOD_CHECK(state_ == State::kStoring);
  if (!stored) {
    actions->events.push_back({"snapshot_not_stored", static_cast<uint64_t>(stored.error().code)});
    Drop(actions);
    PauseFor(kTroubleMs);
    return;
  }
  part_->received += storing_bytes_;
  counters_->bytes_received += storing_bytes_;
  const uint64_t percent = *Percent();
  if (percent >= told_percent_ + kToldEveryPercent) {
    told_percent_ = percent - percent % kToldEveryPercent;
    actions->events.push_back({"snapshot_received_percent", told_percent_});
  }
  if (part_->received < part_->total) {
    PauseFor(0);
    return;
  }
  state_ = State::kBuilding;
  actions->jobs.emplace_back(BuildSnapshot());
}

void SnapshotSink::OnRefusal(NodeId from,
                             const SnapshotRefusal& refusal,
                             SnapshotActions* actions) {
  const Hash128 asked_for = part_ ? part_->id : Hash128{};
  if (state_ != State::kAsked || from != source_ || refusal.id != asked_for)
    return;
  switch (refusal.reason) {
    case Reason::kGone:
      Drop(actions);
      PauseFor(0);
      return;
    case Reason::kPatience:
      PauseFor(kPatienceMs);
      return;
    case Reason::kNothing:
      source_ = NodeId();
      ++sources_tried_;
      PauseFor(kElsewhereMs);
      return;
  }
}

void SnapshotSink::Finished(bool bad, SnapshotActions* actions) {
  SYNOD_CHECK(state_ == State::kBuilding);
  Drop(actions);
  PauseFor(bad ? kTroubleMs : 0);
  if (!bad)
    return;
  ++counters_->rejected;
  actions->events.push_back({"snapshot_rejected", source_.value});
  source_ = NodeId();
  ++sources_tried_;
}

}  // namespace synod::node
