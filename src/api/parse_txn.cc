// /v1/txn and /v1/compact.
#include <algorithm>

#include "src/api/encoding.h"
#include "src/api/request.h"

namespace synod::api {
namespace {

using machine::Comparison;
using Need = Fields::Need;

Error TooMany(Request& request, uint64_t limit, std::string_view what) {
  request.limit = limit;
  return Error{Errc::kTooLarge, Outcome::kNotApplied,
               "a transaction has at most " + std::to_string(limit) + " " + std::string(what)};
}

std::string At(std::string_view list, size_t i) {
  return std::string(list) + "[" + std::to_string(i) + "]";
}

std::optional<Comparison::Target> TargetOf(std::string_view name) {
  static constexpr std::string_view kNames[] = {"exists",          "version",      "mod_revision",
                                                "create_revision", "num_children", "lease",
                                                "value",           "fence"};
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name)
      return static_cast<Comparison::Target>(i);
  return std::nullopt;
}

std::optional<Comparison::Op> OpOf(std::string_view name) {
  static constexpr std::string_view kNames[] = {"==", "!=", "<", ">"};
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (kNames[i] == name)
      return static_cast<Comparison::Op>(i);
  return std::nullopt;
}

Status ParseOperand(Request& request, Fields& fields, Comparison* comparison) {
  if (comparison->target == Comparison::Target::kValue)
    return fields.Value(Need::kRequired, request.limits.value_bytes, &comparison->value,
                        &request.limit);
  if (comparison->target != Comparison::Target::kExists)
    return fields.Integer("value", 0, kIntegerMax, Need::kRequired, &comparison->number);
  if (!fields.Has("value"))
    return fields.Wrong("value", "is missing");
  bool exists = false;
  if (Status s = fields.Bool("value", &exists); !s)
    return s;
  comparison->number = exists ? 1 : 0;
  return Done();
}

Result<Comparison> ParseComparison(Request& request, Json* json, const std::string& where) {
  if (json->kind != Json::Kind::kObject)
    return Malformed(where + " must be an object");
  Fields fields(json, where + ".");
  Comparison comparison;
  if (Status s = fields.Path("path", &comparison.path); !s)
    return s.error();
  std::string target;
  if (Status s = fields.Text("target", Need::kRequired, &target); !s)
    return s.error();
  const auto known_target = TargetOf(target);
  if (!known_target)
    return fields.Wrong("target",
                        "must be one of exists, version, mod_revision, create_revision, "
                        "num_children, lease, value, fence");
  comparison.target = *known_target;
  std::string op;
  if (Status s = fields.Text("op", Need::kRequired, &op); !s)
    return s.error();
  const auto known_op = OpOf(op);
  if (!known_op)
    return fields.Wrong("op", "must be one of ==, !=, <, >");
  comparison.op = *known_op;
  const bool equality =
      comparison.op == Comparison::Op::kEqual || comparison.op == Comparison::Op::kNotEqual;
  const bool fence = comparison.target == Comparison::Target::kFence;
  if (!equality && (fence || comparison.target == Comparison::Target::kExists))
    return fields.Wrong("op", "must be == or != for exists and fence");
  if (fence)
    if (Status s = ValidateLockPath(comparison.path); !s)
      return Error{Errc::kInvalidPath, Outcome::kNotApplied, where + ".path: " + s.error().detail};
  if (Status s = ParseOperand(request, fields, &comparison); !s)
    return s.error();
  if (Status s = fields.Finish(); !s)
    return s.error();
  return comparison;
}

Status ParseLease(Fields& fields, std::optional<LeaseId>* lease) {
  if (!fields.Has("lease"))
    return Done();
  uint64_t id = 0;
  if (Status s = fields.Integer("lease", 0, kIntegerMax, Need::kRequired, &id); !s)
    return s;
  *lease = LeaseId(id);
  return Done();
}

Result<machine::TxnOp> ParsePut(Request& request, Fields& fields) {
  machine::TxnPut put;
  if (Status s = fields.Path("path", &put.path); !s)
    return s.error();
  if (Status s =
          fields.Value(Need::kOptional, request.limits.value_bytes, &put.value, &request.limit);
      !s)
    return s.error();
  if (Status s = ParseLease(fields, &put.lease); !s)
    return s.error();
  return machine::TxnOp(std::move(put));
}

Result<machine::TxnOp> ParseCreate(Request& request, Fields& fields) {
  machine::TxnCreate create;
  if (Status s = fields.Path("path", &create.path); !s)
    return s.error();
  if (Status s =
          fields.Value(Need::kOptional, request.limits.value_bytes, &create.value, &request.limit);
      !s)
    return s.error();
  if (Status s = ParseLease(fields, &create.lease); !s)
    return s.error();
  if (Status s = fields.Bool("sequential", &create.sequential); !s)
    return s.error();
  if (create.sequential && !LeavesRoomForSequence(create.path))
    return Error{Errc::kInvalidPath, Outcome::kNotApplied,
                 fields.where() + "path leaves no room for the ten digits of the sequence"};
  return machine::TxnOp(std::move(create));
}

Result<machine::TxnOp> ParseDelete(Request&, Fields& fields) {
  machine::TxnDelete remove;
  if (Status s = fields.Path("path", &remove.path); !s)
    return s.error();
  if (Status s = fields.Bool("recursive", &remove.recursive); !s)
    return s.error();
  return machine::TxnOp(std::move(remove));
}

Result<machine::TxnOp> ParseGet(Request&, Fields& fields) {
  machine::TxnGet get;
  if (Status s = fields.Path("path", &get.path); !s)
    return s.error();
  return machine::TxnOp(std::move(get));
}

Result<machine::TxnOp> ParseList(Request& request, Fields& fields) {
  machine::TxnList list;
  if (Status s = fields.Path("path", &list.path); !s)
    return s.error();
  std::string scope = "children";
  if (Status s = fields.Text("scope", Need::kOptional, &scope); !s)
    return s.error();
  if (scope == "subtree")
    list.scope = store::ListScope::kSubtree;
  else if (scope != "children")
    return fields.Wrong("scope", "must be children or subtree");
  uint64_t limit = std::min<uint64_t>(list.limit, request.limits.list_nodes);
  if (Status s = fields.Integer("limit", 1, request.limits.list_nodes, Need::kOptional, &limit); !s)
    return s.error();
  list.limit = static_cast<uint32_t>(limit);
  if (Status s = fields.Bool("keys_only", &list.keys_only); !s)
    return s.error();
  return machine::TxnOp(std::move(list));
}

Result<machine::TxnOp> ParseOp(Request& request, Json* json, const std::string& where) {
  using Parser = Result<machine::TxnOp> (*)(Request&, Fields&);
  static constexpr std::pair<std::string_view, Parser> kParsers[] = {{"put", ParsePut},
                                                                     {"delete", ParseDelete},
                                                                     {"get", ParseGet},
                                                                     {"list", ParseList},
                                                                     {"create", ParseCreate}};
  if (json->kind != Json::Kind::kObject || json->members.size() != 1)
    return Malformed(where + " must be an object with one of put, delete, get, list, create");
  Json::Member& member = json->members[0];
  for (const auto& [name, parse] : kParsers) {
    if (member.key != name)
      continue;
    if (member.value.kind != Json::Kind::kObject)
      return Malformed(where + "." + member.key + " must be an object");
    Fields fields(&member.value, where + "." + member.key + ".");
    Result<machine::TxnOp> op = parse(request, fields);
    if (!op)
      return op;
    if (Status s = fields.Finish(); !s)
      return s.error();
    return op;
  }
  return Malformed(where + "." + member.key + " is not an operation");
}

Status ParseOps(Request& request,
                Fields& body,
                std::string_view name,
                std::vector<machine::TxnOp>* out) {
  Result<std::vector<Json>*> items = body.Array(name);
  if (!items)
    return items.error();
  if (*items == nullptr)
    return Done();
  if ((*items)->size() > request.limits.txn_operations)
    return TooMany(request, request.limits.txn_operations, "operations");
  for (size_t i = 0; i < (*items)->size(); ++i) {
    Result<machine::TxnOp> op = ParseOp(request, &(**items)[i], At(name, i));
    if (!op)
      return op.error();
    out->push_back(std::move(*op));
  }
  return Done();
}

Status ParseConditions(Request& request, Fields& body, std::vector<Comparison>* out) {
  Result<std::vector<Json>*> items = body.Array("if");
  if (!items)
    return items.error();
  if (*items == nullptr)
    return Done();
  if ((*items)->size() > request.limits.txn_comparisons)
    return TooMany(request, request.limits.txn_comparisons, "comparisons");
  for (size_t i = 0; i < (*items)->size(); ++i) {
    Result<Comparison> comparison = ParseComparison(request, &(**items)[i], At("if", i));
    if (!comparison)
      return comparison.error();
    out->push_back(std::move(*comparison));
  }
  return Done();
}

}  // namespace

Result<Call> ParseTxn(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    machine::Txn txn;
    if (Status s = ParseConditions(request, body, &txn.conditions); !s)
      return s;
    if (Status s = ParseOps(request, body, "then", &txn.then_ops); !s)
      return s;
    if (Status s = ParseOps(request, body, "else", &txn.else_ops); !s)
      return s;
    call->command.operation = std::move(txn);
    return Done();
  });
}

Result<Call> ParseCompact(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [](Fields& body, ChangeCall* call) {
    uint64_t revision = 0;
    if (Status s = body.Integer("revision", 1, kIntegerMax, Need::kRequired, &revision); !s)
      return s;
    call->command.operation = machine::Compact{Revision(revision)};
    return Done();
  });
}

}  // namespace synod::api
