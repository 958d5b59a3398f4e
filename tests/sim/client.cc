#include "tests/sim/client.h"

#include <utility>

namespace synod::sim {

const Bytes kAdministratorHash(auth::kTokenHashBytes, 'a');

auth::Principal Client::Who() const {
  return shared_.world->swarm.auth ? auth::Principal{{}, kAdministratorHash, false}
                                   : auth::Principal();
}

void Client::Later(Time delay) {
  busy_ = true;
  shared_.world->scheduler.After(delay, [this] {
    if (!stopped_ && MayBegin()) {
      Next();
      return;
    }
    if (!stopped_) {
      Later(20 * kMillisecond);
      return;
    }
    busy_ = false;
    OnStopped();
  });
}

NodeId Client::AnyNode() {
  const NodeHost* host = nullptr;
  do {
    host = world().AnyHost(&random_);
  } while (host->removed());
  return host->id();
}

std::string Client::UniqueValue(const std::string& tag) {
  std::string value =
      "#" + tag + "-" + std::to_string(number_) + "-" + std::to_string(++next_value_);
  const uint64_t size = random_.Below(world().swarm.value_bytes_max + 1);
  if (value.size() < size)
    value.resize(size, '.');
  return value;
}

void Client::ChangeFenced(machine::Operation operation,
                          std::vector<machine::Fence> fences,
                          int64_t timeout_ms,
                          bool keyed,
                          ChangeDone done) {
  ++shared_.stats->changes;
  auto t = std::make_shared<Try>();
  t->command.operation = std::move(operation);
  t->command.principal = Who();
  t->command.fences = std::move(fences);
  t->timeout_ms = timeout_ms;
  t->attempts_left = 1;
  t->done = std::move(done);
  if (keyed) {
    t->command.idempotency_key = std::to_string(number_) + "/" + std::to_string(++next_key_);
    t->command.fingerprint = HashOf(machine::Encode(t->command));
    t->attempts_left = static_cast<uint32_t>(random_.Between(2, 6));
  }
  if (random_.Chance(30) && cluster_time_.value > 0)
    t->command.not_after = cluster_time_ + static_cast<int64_t>(random_.Between(100, 15'000));
  t->outcome.sent = now();
  t->outcome.floor = shared_.history->floor();
  Attempt(t);
}

void Client::Attempt(const std::shared_ptr<Try>& t) {
  --t->attempts_left;
  t->outcome.sent_last = now();
  shared_.port->Change(AnyNode(), t->command, t->timeout_ms,
                       [this, t](const Reply& reply) { OnReply(t, reply); });
}

void Client::OnReply(const std::shared_ptr<Try>& t, const Reply& reply) {
  if (reply.kind == Reply::Kind::kAnswer) {
    const machine::Answer& answer = reply.answer;
    shared_.history->Told(reply.revision, now());
    cluster_time_ = std::max(cluster_time_, reply.time);
    if (answer.replayed)
      ++shared_.stats->replays;
    const auto* refusal = std::get_if<machine::Refusal>(&answer.body);
    // A full table of answers, or voters that disagree, say nothing of earlier attempts.
    const bool settles = refusal == nullptr || (refusal->error.outcome == Outcome::kNotApplied &&
                                                refusal->error.code != Errc::kOverloaded &&
                                                refusal->error.code != Errc::kNotReady);
    if (settles) {
      t->outcome.kind = ChangeOutcome::Kind::kAnswer;
      t->outcome.answer = answer;
      ++(refusal == nullptr ? shared_.stats->applied : shared_.stats->refused);
      t->done(t->outcome);
      return;
    }
    t->maybe_applied |= refusal->error.outcome == Outcome::kUnknown;
  }
  if (reply.kind == Reply::Kind::kError && reply.error.outcome == Outcome::kUnknown)
    t->maybe_applied = true;
  if (reply.kind == Reply::Kind::kLost)
    t->maybe_applied = true;
  if (t->attempts_left > 0) {
    ++shared_.stats->retries;
    world().scheduler.After(static_cast<Time>(random_.Below(100'000)), [this, t] { Attempt(t); });
    return;
  }
  t->outcome.kind =
      t->maybe_applied ? ChangeOutcome::Kind::kUnknown : ChangeOutcome::Kind::kNotApplied;
  ++(t->maybe_applied ? shared_.stats->unknown : shared_.stats->not_applied);
  t->done(t->outcome);
}

// --- registers
// ------------------------------------------------------------------------------------

void RegisterClient::Next() {
  const uint64_t dice = random_.Below(100);
  if (dice < 42)
    DoPut();
  else if (dice < 51)
    DoDelete();
  else if (dice < 60)
    DoTxn();
  else if (dice < 84)
    DoRead(true);
  else if (dice < 99 || !world().swarm.compacts)
    DoRead(false);
  else
    DoCompact();
}

store::Precondition RegisterClient::DrawPrecondition(const std::string& path, RegisterOp* op) {
  using Kind = store::Precondition::Kind;
  const Known& known = known_[path];
  store::Precondition p;
  switch (random_.Below(9)) {
    case 0:
    case 1:
    case 2:
      if (!known.present)
        break;
      p = {Kind::kModRevision, known.mod_revision};
      op->condition = RegisterOp::Condition::kModRevision;
      break;
    case 3:
      p = {Kind::kVersion, known.present ? known.version : 0};
      op->condition = RegisterOp::Condition::kVersion;
      break;
    case 4:
      p = {Kind::kExists, 0};
      op->condition = RegisterOp::Condition::kExists;
      break;
    case 5:
      p = {Kind::kAbsent, 0};
      op->condition = RegisterOp::Condition::kAbsent;
      break;
    default:
      break;
  }
  op->condition_number = p.number;
  return p;
}

void RegisterClient::Learn(const std::string& path, const store::NodeState* node) {
  Known& known = known_[path];
  known.present = node != nullptr;
  if (node == nullptr)
    return;
  known.version = node->version;
  known.mod_revision = node->mod_revision.value;
}

void RegisterClient::Record(const std::string& path, RegisterOp op, const ChangeOutcome& outcome) {
  if (outcome.kind == ChangeOutcome::Kind::kNotApplied)
    return;
  op.called = outcome.sent;
  op.returned = now();
  HistoryOp record{path, op, Revision()};
  if (outcome.kind == ChangeOutcome::Kind::kUnknown) {
    shared_.history->Add(std::move(record));
    return;
  }
  const machine::Answer& answer = outcome.answer;
  record.revision = answer.revision;
  const auto* refusal = std::get_if<machine::Refusal>(&answer.body);
  const bool above =
      refusal == nullptr ? answer.revision > outcome.floor : answer.revision >= outcome.floor;
  SIM_REQUIRE(above || answer.replayed,
              path + ": an answer of revision " + std::to_string(answer.revision.value) +
                  " to a change sent when revision " + std::to_string(outcome.floor.value) +
                  " had been told of");
  if (refusal == nullptr) {
    record.op.outcome = RegisterOp::Outcome::kOk;
    if (const auto* put = std::get_if<machine::PutAnswer>(&answer.body)) {
      record.op.version = put->node.node->version;
      record.op.mod_revision = put->node.node->mod_revision.value;
      Learn(path, put->node.node.get());
    } else {
      Learn(path, nullptr);
    }
  } else if (refusal->error.code == Errc::kPreconditionFailed) {
    record.op.outcome = RegisterOp::Outcome::kRefused;
    if (refusal->current) {
      record.op.version = refusal->current->node->version;
      record.op.mod_revision = refusal->current->node->mod_revision.value;
      Learn(path, refusal->current->node.get());
    }
  } else if (refusal->error.code == Errc::kNotFound) {
    record.op.outcome = RegisterOp::Outcome::kNotFound;
    Learn(path, nullptr);
  } else {
    const Errc code = refusal->error.code;
    SIM_REQUIRE(code == Errc::kRequestExpired || code == Errc::kOverloaded ||
                    (code == Errc::kQuotaExceeded && world().swarm.quotas),
                path + ": an unexpected refusal: " + std::string(Name(code)));
    return;
  }
  shared_.history->Add(std::move(record));
}

void RegisterClient::DoPut() {
  const std::string path = PathOf(random_.Below(world().swarm.paths));
  RegisterOp op;
  op.kind = RegisterOp::Kind::kPut;
  op.value = UniqueValue("r");
  machine::Put put;
  put.path = path;
  put.value = op.value;
  put.precondition = DrawPrecondition(path, &op);
  put.want_prev = random_.Chance(10);
  Change(std::move(put), static_cast<int64_t>(random_.Between(300, 4'000)), random_.Chance(40),
         [this, path, op](const ChangeOutcome& outcome) {
           Record(path, op, outcome);
           Pause();
         });
}

void RegisterClient::DoDelete() {
  const std::string path = PathOf(random_.Below(world().swarm.paths));
  RegisterOp op;
  op.kind = RegisterOp::Kind::kDelete;
  machine::Delete del;
  del.path = path;
  del.precondition = DrawPrecondition(path, &op);
  const bool wants_absence =
      op.condition == RegisterOp::Condition::kAbsent ||
      (op.condition == RegisterOp::Condition::kVersion && op.condition_number == 0);
  if (wants_absence) {  // a delete of what must not be there is refused either way
    del.precondition = {};
    op.condition = RegisterOp::Condition::kNone;
  }
  Change(std::move(del), static_cast<int64_t>(random_.Between(300, 4'000)), random_.Chance(40),
         [this, path, op](const ChangeOutcome& outcome) {
           Record(path, op, outcome);
           Pause();
         });
}

// If the first path has the revision that is known, put it and another one, and read a third.
void RegisterClient::DoTxn() {
  const uint64_t first = random_.Below(world().swarm.paths);
  std::vector<std::string> paths;
  for (uint64_t i = 0; i < std::min<uint64_t>(3, world().swarm.paths); ++i)
    paths.push_back(PathOf((first + i) % world().swarm.paths));
  const Known& known = known_[paths[0]];
  machine::Txn txn;
  machine::Comparison comparison;
  comparison.path = paths[0];
  comparison.target = machine::Comparison::Target::kModRevision;
  comparison.number = known.present ? known.mod_revision : 0;
  txn.conditions.push_back(comparison);
  std::vector<RegisterOp> ops(paths.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    if (i == 2) {
      txn.then_ops.push_back(machine::TxnGet{paths[i]});
      continue;
    }
    ops[i].kind = RegisterOp::Kind::kPut;
    ops[i].value = UniqueValue("t");
    txn.then_ops.push_back(machine::TxnPut{paths[i], ops[i].value, std::nullopt});
  }
  ops[0].condition =
      comparison.number == 0 ? RegisterOp::Condition::kAbsent : RegisterOp::Condition::kModRevision;
  ops[0].condition_number = comparison.number;
  txn.else_ops.push_back(machine::TxnGet{paths[0]});
  Change(std::move(txn), static_cast<int64_t>(random_.Between(300, 4'000)), random_.Chance(40),
         [this, paths, ops](const ChangeOutcome& outcome) {
           RecordTxn(paths, ops, outcome);
           Pause();
         });
}

void RegisterClient::RecordTxn(const std::vector<std::string>& paths,
                               const std::vector<RegisterOp>& ops,
                               const ChangeOutcome& outcome) {
  const auto* txn = std::get_if<machine::TxnAnswer>(&outcome.answer.body);
  if (outcome.kind != ChangeOutcome::Kind::kAnswer || txn == nullptr) {
    if (outcome.kind == ChangeOutcome::Kind::kAnswer) {
      const Errc code = std::get<machine::Refusal>(outcome.answer.body).error.code;
      SIM_REQUIRE(code == Errc::kRequestExpired || code == Errc::kOverloaded ||
                      (code == Errc::kQuotaExceeded && world().swarm.quotas),
                  "a transaction with an unexpected refusal: " + std::string(Name(code)));
      return;
    }
    for (size_t i = 0; i < std::min<size_t>(2, paths.size()); ++i)
      Record(paths[i], ops[i], outcome);
    return;
  }
  for (size_t i = 0; i < txn->results.size(); ++i) {
    HistoryOp record{paths[i], ops[i], outcome.answer.revision};
    record.op.called = outcome.sent;
    record.op.returned = now();
    record.op.outcome = RegisterOp::Outcome::kOk;
    store::NodeRef node;
    if (const auto* put = std::get_if<machine::TxnPutAnswer>(&txn->results[i])) {
      node = put->node.node;
    } else if (const auto* get = std::get_if<machine::TxnGetAnswer>(&txn->results[i])) {
      if (get->node)
        node = get->node->node;
      if (!txn->succeeded) {
        record.op.outcome = RegisterOp::Outcome::kRefused;
      } else {
        record.op.kind = RegisterOp::Kind::kGet;
        record.op.outcome =
            node == nullptr ? RegisterOp::Outcome::kNotFound : RegisterOp::Outcome::kOk;
        record.op.value = node == nullptr ? "" : node->value.view();
      }
    }
    record.op.version = node == nullptr ? 0 : node->version;
    record.op.mod_revision = node == nullptr ? 0 : node->mod_revision.value;
    Learn(paths[i], node.get());
    shared_.history->Add(std::move(record));
  }
}

void RegisterClient::DoRead(bool linearizable) {
  ++shared_.stats->reads;
  const std::string path = PathOf(random_.Below(world().swarm.paths));
  node::ReadRequest request;
  request.timeout_ms = static_cast<int64_t>(random_.Between(300, 4'000));
  if (!linearizable) {
    request.consistency = node::Consistency::kSequential;
    request.min_revision = random_.Chance(80) ? seen_ : Revision();
    if (random_.Chance(30))
      request.max_age_ms = static_cast<int64_t>(random_.Between(5, 2'000));
  }
  const Revision floor = linearizable ? shared_.history->floor() : request.min_revision;
  shared_.port->Read(AnyNode(), request, machine::GetNode{path, Revision()},
                     [this, path, request, floor, sent = now()](const Reply& reply) {
                       if (reply.kind == Reply::Kind::kAnswer)
                         OnRead(path, request, floor, sent, reply);
                       Pause();
                     });
}

void RegisterClient::OnRead(const std::string& path,
                            const node::ReadRequest& request,
                            Revision floor,
                            Time sent,
                            const Reply& reply) {
  SIM_REQUIRE(reply.revision >= floor,
              path + ": a read of revision " + std::to_string(reply.revision.value) +
                  " that had to reflect revision " + std::to_string(floor.value));
  if (request.max_age_ms && !world().swarm.IsOn(Fault::kPause) &&
      !world().swarm.IsOn(Fault::kFreeze)) {
    // By the clock of a process that runs, which may be slow, and to within a tick and a turn.
    const int64_t slowest_ppm = 1'000'000 - world().swarm.clock_spread_ppm;
    const Time age = *request.max_age_ms * kMillisecond * 1'000'000 / slowest_ppm;
    const Revision known = shared_.history->FloorAt(reply.served_at - age - 20 * kMillisecond);
    SIM_REQUIRE(reply.revision >= known,
                path + ": a read of revision " + std::to_string(reply.revision.value) +
                    ", at most " + std::to_string(*request.max_age_ms) +
                    " ms old, where revision " + std::to_string(known.value) + " is older");
    ++shared_.stats->aged;
  }
  shared_.history->Told(reply.revision, now());
  seen_ = std::max(seen_, reply.revision);
  cluster_time_ = std::max(cluster_time_, reply.time);
  const bool linearizable = request.consistency == node::Consistency::kLinearizable;
  HistoryOp record{path, {}, reply.revision, linearizable};
  record.op.called = sent;
  record.op.returned = now();
  store::NodeRef node;
  if (reply.read) {
    node = std::get<machine::NodeResult>(*reply.read).node.node;
    record.op.outcome = RegisterOp::Outcome::kOk;
    record.op.value = node->value.view();
    record.op.version = node->version;
    record.op.mod_revision = node->mod_revision.value;
  } else {
    SIM_REQUIRE(reply.read.error().code == Errc::kNotFound, path + ": an unexpected read error");
    record.op.outcome = RegisterOp::Outcome::kNotFound;
  }
  Learn(path, node.get());
  shared_.history->Add(std::move(record));
}

void RegisterClient::DoCompact() {
  if (seen_.value < 10) {
    Pause();
    return;
  }
  const Revision upto(seen_.value - random_.Below(10));
  Change(machine::Compact{upto}, 1'000, false, [this](const ChangeOutcome&) { Pause(); });
}

}  // namespace synod::sim
