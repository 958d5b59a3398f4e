// Writes of nodes and transactions.
#include <algorithm>
#include <memory>
#include <utility>

#include "src/base/check.h"
#include "src/base/path.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

// All that a transaction's reads may give back: the values are shared, but the answer is not.
constexpr uint64_t kTxnAnswerBytesMax = uint64_t{16} << 20;
constexpr store::Precondition kAny;

uint64_t SizeOf(std::string_view path, const store::NodeRef& node) {
  return node == nullptr ? 0 : path.size() + node->value.size();
}

template <typename T>
bool Compare(Comparison::Op op, const T& a, const T& b) {
  switch (op) {
    case Comparison::Op::kEqual:
      return a == b;
    case Comparison::Op::kNotEqual:
      return a != b;
    case Comparison::Op::kLess:
      return a < b;
    case Comparison::Op::kGreater:
      return a > b;
  }
  return false;
}

}  // namespace

// The tree's refusal with what the API shows beside it.
Refusal Machine::Core::FromTree(const Error& error,
                                const store::Edit& edit,
                                const store::NodeRef& current,
                                std::string_view path) const {
  Refusal refusal = Refuse(error);
  if (error.code == Errc::kPreconditionFailed && current != nullptr)
    refusal.current = store::NodeView{std::string(path), current};
  if (error.code == Errc::kTooLarge)
    refusal.limit = edit.exceeded();
  return refusal;
}

std::optional<Refusal> Machine::Core::CheckLeaseOf(const Call& call,
                                                   std::optional<LeaseId> id) const {
  if (!id.has_value() || id->value == 0)
    return std::nullopt;
  const session::Lease* lease = leases.FindLive(*id, time);
  if (lease == nullptr)
    return Refuse(Errc::kLeaseNotFound);
  if (!MayUse(*lease, call))
    return Refuse(Errc::kPermissionDenied, "the lease belongs to another user");
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::CheckWrite(std::string_view path, size_t value_bytes) const {
  if (IsReserved(path))
    return Refuse(Errc::kManagedNode);
  if (value_bytes > settings.value_bytes_max)
    return TooLarge(settings.value_bytes_max, "the value is too large");
  return std::nullopt;
}

uint64_t Machine::Core::UsedBytes() const {
  return tree.logical_bytes() + leases.record_bytes() + locks.record_bytes() +
         fences.record_bytes();
}

void Machine::Core::Move::Count(std::string_view path, const store::NodeRef& node, int64_t by) {
  if (node == nullptr)
    return;
  const int64_t bytes = by * static_cast<int64_t>(SizeOf(path, node));
  growth += bytes;
  if (node->lease.value == 0)
    return;
  Ties& tied = ties[node->lease];
  tied.nodes += by;
  tied.bytes += bytes;
}

void Machine::Core::Move::CountPut(std::string_view path, const store::PutResult& put) {
  Count(path, put.prev, -1);
  Count(path, put.node, 1);
}

std::optional<Refusal> Machine::Core::CheckTies(const Move& move) const {
  for (const auto& [id, ties] : move.ties) {
    const session::Lease* lease = leases.Find(id);
    if (lease == nullptr)
      continue;
    if (static_cast<int64_t>(lease->paths().size()) + ties.nodes >
        static_cast<int64_t>(session::kLeaseNodesMax))
      return TooLarge(session::kLeaseNodesMax, "too many nodes on one lease");
    if (static_cast<int64_t>(lease->tied_bytes()) + ties.bytes >
        static_cast<int64_t>(session::kLeaseBytesMax))
      return TooLarge(session::kLeaseBytesMax, "too many bytes on one lease");
  }
  return std::nullopt;
}

// What a change comes to in the end counts, so that a transaction may make room for itself, in
// whatever order.
std::optional<Refusal> Machine::Core::CheckGrowth(const Call& call, const Move& move) const {
  if (move.growth > 0 &&
      move.used_before + static_cast<uint64_t>(move.growth) > settings.quota_bytes)
    return Refuse(Errc::kStorageFull, "the storage quota is used up");
  if (std::optional<Refusal> refused = CheckTies(move))
    return refused;
  return CheckQuotas(call, move);
}

AnswerBody Machine::Core::Run(Call* call, Put* op) {
  if (std::optional<Refusal> refused = CheckWrite(op->path, op->value.size()))
    return std::move(*refused);
  if (std::optional<Refusal> refused = CheckLeaseOf(*call, op->lease))
    return std::move(*refused);
  Move move(this);
  if (std::optional<Refusal> refused = CheckParents(*call, move.edit, op->path))
    return std::move(*refused);
  const Result<store::PutResult> put =
      move.edit.Put(op->path, store::Value(op->value), op->lease, op->precondition);
  if (put.has_error())
    return FromTree(put.error(), move.edit, move.edit.Find(op->path), op->path);
  move.CountPut(op->path, *put);
  if (std::optional<Refusal> refused = CheckGrowth(*call, move))
    return std::move(*refused);
  if (!call->wanted()) {
    Finish(&move);
    return NodeAnswer{};
  }
  PutAnswer answer;
  answer.node = {op->path, put->node};
  answer.created = put->prev == nullptr;
  answer.with_prev = op->want_prev;
  if (op->want_prev && put->prev != nullptr)
    answer.prev = store::NodeView{std::move(op->path), put->prev};
  return Commit(call, &move, std::move(answer));
}

AnswerBody Machine::Core::Run(Call* call, CreateSequential* op) {
  if (std::optional<Refusal> refused = CheckWrite(op->prefix, op->value.size()))
    return std::move(*refused);
  if (std::optional<Refusal> refused = CheckLeaseOf(*call, op->lease))
    return std::move(*refused);
  Move move(this);
  if (std::optional<Refusal> refused = CheckParents(*call, move.edit, ParentOf(op->prefix)))
    return std::move(*refused);
  Result<std::string> path =
      move.edit.CreateSequential(op->prefix, store::Value(op->value), op->lease);
  if (path.has_error())
    return FromTree(path.error(), move.edit, nullptr, op->prefix);
  const store::PutResult put{move.edit.Find(*path), nullptr};
  move.CountPut(*path, put);
  if (std::optional<Refusal> refused = CheckGrowth(*call, move))
    return std::move(*refused);
  PutAnswer answer;
  answer.node = {std::move(*path), put.node};
  answer.created = true;
  return Commit(call, &move, std::move(answer));
}

AnswerBody Machine::Core::Run(Call* call, Delete* op) {
  if (op->force)
    return BreakContender(call, *op);
  if (IsReserved(op->path))
    return Refuse(Errc::kManagedNode);
  Move move(this);
  const bool want_prev = op->want_prev && call->wanted();
  Result<store::DeleteResult> deleted =
      move.edit.Delete(op->path, op->recursive, op->precondition, want_prev);
  if (deleted.has_error())
    return FromTree(deleted.error(), move.edit, move.edit.Find(op->path), op->path);
  DeleteAnswer answer{deleted->deleted, op->want_prev, std::move(deleted->prev)};
  // Emptying an empty tree changes nothing.
  if (deleted->deleted == 0)
    return answer;
  return Commit(call, &move, std::move(answer));
}

// Takes a lock's key away by force: ends the hold or the wait it stands for.
AnswerBody Machine::Core::BreakContender(Call* call, const Delete& op) {
  const std::optional<lock::Place> place = lock::PlaceOf(op.path);
  if (!place.has_value())
    return Refuse(Errc::kManagedNode, "force is for the keys of contenders");
  Move move(this);
  Result<store::DeleteResult> deleted =
      move.edit.Delete(op.path, false, op.precondition, op.want_prev);
  if (deleted.has_error())
    return FromTree(deleted.error(), move.edit, move.edit.Find(op.path), op.path);
  DeleteAnswer answer{deleted->deleted, op.want_prev, std::move(deleted->prev)};
  if (call->keyed() &&
      Encode(machine::Answer{move.revision, time, false, answer}).size() > kRecordedAnswerMax)
    return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
  if (std::optional<Refusal> refused = CheckEndWith(*call, *place))
    return std::move(*refused);
  const std::vector<std::string> paths = PathsOf(*place);
  const lock::Contender broken = RemoveContender(&move, *place, store::Cause::kClient);
  if (!broken.holds() && Wanted(broken)) {
    const auto find = [&](std::string_view path) { return move.edit.Find(path); };
    CompleteWait(broken, move.revision, Unavailable(paths, find, "the wait was broken"));
  }
  return Commit(call, &move, std::move(answer));
}

// --- transactions ---

bool Machine::Core::Holds(const Comparison& c) const {
  using Target = Comparison::Target;
  if (c.target == Target::kFence)
    return Compare(c.op, IsCurrentHolder(c.path, FenceToken(c.number)), true);
  const store::NodeRef node = tree.Find(c.path);
  if (c.target == Target::kValue)
    return node != nullptr && Compare<std::string_view>(c.op, node->value.view(), c.value);
  uint64_t number = 0;
  if (node != nullptr) {
    switch (c.target) {
      case Target::kExists:
        number = 1;
        break;
      case Target::kVersion:
        number = node->version;
        break;
      case Target::kModRevision:
        number = node->mod_revision.value;
        break;
      case Target::kCreateRevision:
        number = node->create_revision.value;
        break;
      case Target::kNumChildren:
        number = node->num_children;
        break;
      case Target::kLease:
        number = node->lease.value;
        break;
      case Target::kValue:
      case Target::kFence:
        break;
    }
  }
  return Compare(c.op, number, c.number);
}

AnswerBody Machine::Core::Run(Call* call, Txn* op) {
  TxnAnswer answer;
  answer.succeeded =
      std::ranges::all_of(op->conditions, [this](const Comparison& c) { return Holds(c); });
  Move move(this);
  bool wrote = false;
  uint32_t index = 0;
  for (TxnOp& step : answer.succeeded ? op->then_ops : op->else_ops) {
    if (std::optional<Refusal> refused = RunOp(call, &move, &step, &answer, &wrote)) {
      refused->index = index;
      return std::move(*refused);
    }
    ++index;
  }
  if (!wrote)
    return answer;
  if (std::optional<Refusal> refused = CheckGrowth(*call, move))
    return std::move(*refused);
  return Commit(call, &move, std::move(answer));
}

std::optional<Refusal> Machine::Core::RunOp(
    Call* call, Move* move, TxnOp* op, TxnAnswer* answer, bool* wrote) {
  if (auto* put = std::get_if<TxnPut>(op)) {
    *wrote = true;
    return RunTxnPut(call, move, put, answer);
  }
  if (auto* create = std::get_if<TxnCreate>(op)) {
    *wrote = true;
    return RunTxnCreate(call, move, create, answer);
  }
  if (const auto* erase = std::get_if<TxnDelete>(op))
    return RunTxnDelete(move, *erase, answer, wrote);
  if (const auto* list = std::get_if<TxnList>(op))
    return RunTxnList(move, *list, answer);
  const auto& get = std::get<TxnGet>(*op);
  TxnGetAnswer found;
  if (store::NodeRef node = move->edit.Find(get.path))
    found.node = store::NodeView{get.path, std::move(node)};
  move->answer_bytes += found.node.has_value() ? SizeOf(get.path, found.node->node) : 0;
  if (move->answer_bytes > kTxnAnswerBytesMax)
    return TooLarge(kTxnAnswerBytesMax, "the transaction reads too much");
  answer->results.emplace_back(std::move(found));
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::RunTxnPut(Call* call,
                                                Move* move,
                                                TxnPut* op,
                                                TxnAnswer* answer) {
  if (std::optional<Refusal> refused = CheckWrite(op->path, op->value.size()))
    return refused;
  if (std::optional<Refusal> refused = CheckLeaseOf(*call, op->lease))
    return refused;
  if (std::optional<Refusal> refused = CheckParents(*call, move->edit, op->path))
    return refused;
  const Result<store::PutResult> put =
      move->edit.Put(op->path, store::Value(op->value), op->lease, kAny);
  if (put.has_error())
    return FromTree(put.error(), move->edit, nullptr, op->path);
  move->CountPut(op->path, *put);
  answer->results.emplace_back(TxnPutAnswer{{std::move(op->path), put->node}});
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::RunTxnCreate(Call* call,
                                                   Move* move,
                                                   TxnCreate* op,
                                                   TxnAnswer* answer) {
  if (std::optional<Refusal> refused = CheckWrite(op->path, op->value.size()))
    return refused;
  if (std::optional<Refusal> refused = CheckLeaseOf(*call, op->lease))
    return refused;
  const LeaseId lease = op->lease.value_or(LeaseId());
  std::string path = std::move(op->path);
  const std::string_view made = op->sequential ? ParentOf(path) : std::string_view(path);
  if (std::optional<Refusal> refused = CheckParents(*call, move->edit, made))
    return refused;
  if (op->sequential) {
    Result<std::string> created = move->edit.CreateSequential(path, store::Value(op->value), lease);
    if (created.has_error())
      return FromTree(created.error(), move->edit, nullptr, path);
    path = std::move(*created);
  } else {
    constexpr store::Precondition kAbsent{store::Precondition::Kind::kAbsent, 0};
    const Result<store::PutResult> put =
        move->edit.Put(path, store::Value(op->value), lease, kAbsent);
    if (put.has_error())
      return FromTree(put.error(), move->edit, move->edit.Find(path), path);
  }
  const store::PutResult put{move->edit.Find(path), nullptr};
  move->CountPut(path, put);
  answer->results.emplace_back(TxnCreateAnswer{{std::move(path), put.node}});
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::RunTxnDelete(Move* move,
                                                   const TxnDelete& op,
                                                   TxnAnswer* answer,
                                                   bool* wrote) {
  if (IsReserved(op.path))
    return Refuse(Errc::kManagedNode);
  uint64_t deleted = 0;
  if (move->edit.Find(op.path) != nullptr) {
    const Result<store::DeleteResult> result = move->edit.Delete(op.path, op.recursive, kAny, true);
    if (result.has_error())
      return FromTree(result.error(), move->edit, nullptr, op.path);
    for (const store::NodeView& gone : result->prev) move->Count(gone.path, gone.node, -1);
    deleted = result->deleted;
  }
  *wrote = *wrote || deleted != 0;
  answer->results.emplace_back(TxnDeleteAnswer{deleted});
  return std::nullopt;
}

std::optional<Refusal> Machine::Core::RunTxnList(Move* move, const TxnList& op, TxnAnswer* answer) {
  TxnListAnswer found;
  found.keys_only = op.keys_only;
  // As for a delete or a get, what is absent has nothing below it.
  if (move->edit.Find(op.path) != nullptr) {
    Result<store::ListResult> listed = move->edit.List(op.path, op.scope, op.limit, {});
    if (listed.has_error())
      return FromTree(listed.error(), move->edit, nullptr, op.path);
    found.nodes = std::move(listed->nodes);
    found.more = listed->more;
  }
  for (const store::NodeView& view : found.nodes)
    move->answer_bytes += SizeOf(view.path, view.node);
  if (move->answer_bytes > kTxnAnswerBytesMax)
    return TooLarge(kTxnAnswerBytesMax, "the transaction reads too much");
  answer->results.emplace_back(std::move(found));
  return std::nullopt;
}

}  // namespace synod::machine
