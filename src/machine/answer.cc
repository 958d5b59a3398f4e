#include "src/machine/answer.h"

#include <memory>
#include <utility>

namespace synod::machine {
namespace {

enum class WithValue : bool { kNo, kYes };

// Which of the last parts of a refusal follow.
constexpr uint8_t kHasIndex = 1;
constexpr uint8_t kHasHighest = 2;

Error Malformed() { return {Errc::kInternal, Outcome::kNotApplied, "malformed answer"}; }

// --- writing ---

// Where an answer shows a node without its value, the value is not recorded either.
void Write(Writer& w, const store::NodeView& view, WithValue with_value) {
  const store::NodeState& node = *view.node;
  w.String(view.path);
  if (with_value == WithValue::kYes)
    w.String(node.value.view());
  w.Varint(node.version);
  w.Number(node.create_revision);
  w.Number(node.mod_revision);
  w.Number(node.children_revision);
  w.Varint(node.num_children);
  w.Number(node.lease);
}

void Write(Writer& w, const std::optional<store::NodeView>& view, WithValue with_value) {
  w.Bool(view.has_value());
  if (view.has_value())
    Write(w, *view, with_value);
}

void Write(Writer& w, const std::vector<store::NodeView>& views, WithValue with_value) {
  w.Varint(views.size());
  for (const store::NodeView& view : views) Write(w, view, with_value);
}

void Write(Writer& w, const LeaseView& lease) {
  w.Number(lease.id);
  w.Signed(lease.ttl_ms);
  w.Number(lease.deadline);
  w.String(lease.name);
}

void Write(Writer& w, const Holder& holder) {
  w.String(holder.lock);
  w.Number(holder.token);
  w.Number(holder.lease);
  w.U8(static_cast<uint8_t>(holder.mode));
  w.String(holder.value);
  w.Number(holder.since_revision);
  w.Signed(holder.held_ms);
  w.Signed(holder.lease_remaining_ms);
}

void Write(Writer& w, const Refusal& a) {
  w.U8(static_cast<uint8_t>(a.error.code));
  w.U8(static_cast<uint8_t>(a.error.outcome));
  w.String(a.error.detail);
  Write(w, a.current, WithValue::kNo);
  w.Varint(a.holders.size());
  for (const Holder& holder : a.holders) Write(w, holder);
  w.Bool(a.compact_revision.has_value());
  if (a.compact_revision.has_value())
    w.Number(*a.compact_revision);
  w.Bool(a.limit.has_value());
  if (a.limit.has_value())
    w.Varint(*a.limit);
  w.U8(static_cast<uint8_t>((a.index.has_value() ? kHasIndex : 0) |
                            (a.highest.has_value() ? kHasHighest : 0)));
  if (a.index.has_value())
    w.Varint(*a.index);
  if (a.highest.has_value())
    w.Number(*a.highest);
}

void Write(Writer& w, const PutAnswer& a) {
  Write(w, a.node, WithValue::kNo);
  w.Bool(a.created);
  w.Bool(a.with_prev);
  Write(w, a.prev, WithValue::kYes);
}

void Write(Writer& w, const DeleteAnswer& a) {
  w.Varint(a.deleted);
  w.Bool(a.with_prev);
  Write(w, a.prev, WithValue::kYes);
}

void Write(Writer& w, const TxnPutAnswer& a) { Write(w, a.node, WithValue::kNo); }
void Write(Writer& w, const TxnDeleteAnswer& a) { w.Varint(a.deleted); }
void Write(Writer& w, const TxnGetAnswer& a) { Write(w, a.node, WithValue::kYes); }
void Write(Writer& w, const TxnListAnswer& a) {
  w.Bool(a.keys_only);
  Write(w, a.nodes, a.keys_only ? WithValue::kNo : WithValue::kYes);
  w.Bool(a.more);
}
void Write(Writer& w, const TxnCreateAnswer& a) { Write(w, a.node, WithValue::kNo); }

void Write(Writer& w, const TxnAnswer& a) {
  w.Bool(a.succeeded);
  w.Varint(a.results.size());
  for (const TxnOpAnswer& result : a.results) {
    w.U8(static_cast<uint8_t>(result.index()));
    std::visit([&](const auto& r) { Write(w, r); }, result);
  }
}

void Write(Writer& w, const LeaseAnswer& a) {
  Write(w, a.lease);
  w.Bool(a.granted);
}

void Write(Writer& w, const KeepAliveAnswer& a) {
  w.Varint(a.leases.size());
  for (const LeaseView& lease : a.leases) Write(w, lease);
  w.Varint(a.not_found.size());
  for (LeaseId id : a.not_found) w.Number(id);
}

void Write(Writer& w, const HoldAnswer& a) {
  w.U8(static_cast<uint8_t>(a.kind));
  w.String(a.path);
  w.Number(a.token);
  w.Number(a.lease);
  w.U8(static_cast<uint8_t>(a.mode));
  w.String(a.key);
  w.String(a.value);
  w.Number(a.lease_deadline);
}

void Write(Writer& w, const HoldsAnswer& a) {
  w.Varint(a.holds.size());
  for (const HoldsAnswer::Hold& hold : a.holds) {
    w.String(hold.path);
    w.Number(hold.token);
    w.U8(static_cast<uint8_t>(hold.mode));
    w.String(hold.key);
  }
  w.Number(a.lease);
  w.Number(a.lease_deadline);
}

void Write(Writer& w, const MembersAnswer& a) {
  w.Varint(a.ids.size());
  for (const NodeId id : a.ids) w.Number(id);
  w.String(a.membership.Encode());
}

void Write(Writer& w, const SettingsAnswer& a) { auth::Write(w, a.settings); }
void Write(Writer& w, const QuotasAnswer& a) {
  auth::Write(w, a.settings);
  w.Varint(a.quotas.size());
  for (const QuotaView& view : a.quotas) {
    w.String(view.path);
    auth::Write(w, view.quota);
    w.Varint(view.usage.nodes);
    w.Varint(view.usage.bytes);
  }
}
void Write(Writer& w, const FenceAnswer& a) { w.Number(a.token); }
void Write(Writer&, const ForgetFenceAnswer&) {}
void Write(Writer& w, const RoleAnswer& a) {
  auth::Write(w, a.role);
  w.Bool(a.created);
}
void Write(Writer& w, const UserAnswer& a) {
  auth::Write(w, a.user);
  w.Bool(a.created);
}
void Write(Writer& w, const TokenAnswer& a) {
  w.Number(a.token.id);
  w.String(a.token.user);
  w.String(a.token.name);
  w.Number(a.token.expires);
}
void Write(Writer&, const GoneAnswer&) {}
void Write(Writer&, const RevokeAnswer&) {}
void Write(Writer&, const ReleaseAnswer&) {}
void Write(Writer&, const CompactAnswer&) {}
void Write(Writer&, const NodeAnswer&) {}

// --- reading ---

template <typename Enum>
void ReadEnum(Reader& r, Enum last, Enum* out) {
  const uint8_t v = r.U8();
  if (v > static_cast<uint8_t>(last))
    r.Fail();
  else
    *out = static_cast<Enum>(v);
}

void Read(Reader& r, store::NodeView* view, WithValue with_value) {
  view->path = r.String();
  store::NodeState node;
  const std::string_view value = with_value == WithValue::kYes ? r.String() : std::string_view();
  node.value = store::Value(value);
  node.version = r.Varint();
  node.create_revision = r.Number<Revision>();
  node.mod_revision = r.Number<Revision>();
  node.children_revision = r.Number<Revision>();
  node.num_children = r.Varint();
  node.lease = r.Number<LeaseId>();
  view->node = store::Publish(std::move(node));
}

void Read(Reader& r, std::optional<store::NodeView>* view, WithValue with_value) {
  if (r.Bool())
    Read(r, &view->emplace(), with_value);
}

void Read(Reader& r, std::vector<store::NodeView>* views, WithValue with_value) {
  const uint64_t n = r.Count(7);
  for (uint64_t i = 0; i < n && r.ok(); ++i) Read(r, &views->emplace_back(), with_value);
}

void Read(Reader& r, LeaseView* lease) {
  lease->id = r.Number<LeaseId>();
  lease->ttl_ms = r.Signed();
  lease->deadline = r.Number<ClusterTime>();
  lease->name = r.String();
}

void Read(Reader& r, Holder* holder) {
  holder->lock = r.String();
  holder->token = r.Number<FenceToken>();
  holder->lease = r.Number<LeaseId>();
  ReadEnum(r, LockMode::kShared, &holder->mode);
  holder->value = r.String();
  holder->since_revision = r.Number<Revision>();
  holder->held_ms = r.Signed();
  holder->lease_remaining_ms = r.Signed();
}

void Read(Reader& r, Refusal* a) {
  ReadEnum(r, static_cast<Errc>(kErrcCount - 1), &a->error.code);
  ReadEnum(r, Outcome::kUnknown, &a->error.outcome);
  a->error.detail = r.String();
  Read(r, &a->current, WithValue::kNo);
  const uint64_t n = r.Count(8);
  for (uint64_t i = 0; i < n && r.ok(); ++i) Read(r, &a->holders.emplace_back());
  if (r.Bool())
    a->compact_revision = r.Number<Revision>();
  if (r.Bool())
    a->limit = r.Varint();
  const uint8_t last = r.U8();
  if (last > (kHasIndex | kHasHighest))
    r.Fail();
  if ((last & kHasIndex) != 0) {
    const uint64_t index = r.Varint();
    if (index > UINT32_MAX)
      r.Fail();
    a->index = static_cast<uint32_t>(index);
  }
  if ((last & kHasHighest) != 0)
    a->highest = r.Number<FenceToken>();
}

void Read(Reader& r, PutAnswer* a) {
  Read(r, &a->node, WithValue::kNo);
  a->created = r.Bool();
  a->with_prev = r.Bool();
  Read(r, &a->prev, WithValue::kYes);
}

void Read(Reader& r, DeleteAnswer* a) {
  a->deleted = r.Varint();
  a->with_prev = r.Bool();
  Read(r, &a->prev, WithValue::kYes);
}

void Read(Reader& r, TxnPutAnswer* a) { Read(r, &a->node, WithValue::kNo); }
void Read(Reader& r, TxnDeleteAnswer* a) { a->deleted = r.Varint(); }
void Read(Reader& r, TxnGetAnswer* a) { Read(r, &a->node, WithValue::kYes); }
void Read(Reader& r, TxnListAnswer* a) {
  a->keys_only = r.Bool();
  Read(r, &a->nodes, a->keys_only ? WithValue::kNo : WithValue::kYes);
  a->more = r.Bool();
}
void Read(Reader& r, TxnCreateAnswer* a) { Read(r, &a->node, WithValue::kNo); }

void Read(Reader& r, LeaseAnswer* a) {
  Read(r, &a->lease);
  a->granted = r.Bool();
}

void Read(Reader& r, KeepAliveAnswer* a) {
  const uint64_t leases = r.Count(4);
  for (uint64_t i = 0; i < leases && r.ok(); ++i) Read(r, &a->leases.emplace_back());
  const uint64_t absent = r.Count(1);
  for (uint64_t i = 0; i < absent && r.ok(); ++i) a->not_found.push_back(r.Number<LeaseId>());
}

void Read(Reader& r, HoldAnswer* a) {
  ReadEnum(r, LockKind::kElection, &a->kind);
  a->path = r.String();
  a->token = r.Number<FenceToken>();
  a->lease = r.Number<LeaseId>();
  ReadEnum(r, LockMode::kShared, &a->mode);
  a->key = r.String();
  a->value = r.String();
  a->lease_deadline = r.Number<ClusterTime>();
}

void Read(Reader& r, HoldsAnswer* a) {
  const uint64_t n = r.Count(4);
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    HoldsAnswer::Hold& hold = a->holds.emplace_back();
    hold.path = r.String();
    hold.token = r.Number<FenceToken>();
    ReadEnum(r, LockMode::kShared, &hold.mode);
    hold.key = r.String();
  }
  a->lease = r.Number<LeaseId>();
  a->lease_deadline = r.Number<ClusterTime>();
}

void Read(Reader& r, MembersAnswer* a) {
  const uint64_t n = r.Count(1);
  for (uint64_t i = 0; i < n && r.ok(); ++i) a->ids.push_back(r.Number<NodeId>());
  const std::string_view bytes = r.String();
  Result<Membership> membership = Membership::Decode(bytes);
  // One spelling: what a newer writer added is not an answer of ours.
  if (!membership || membership->Encode() != bytes)
    r.Fail();
  else
    a->membership = std::move(*membership);
}

void Read(Reader& r, SettingsAnswer* a) { a->settings = auth::ReadValues(r); }
void Read(Reader& r, QuotasAnswer* a) {
  a->settings = auth::ReadValues(r);
  const uint64_t n = r.Count(7);
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    QuotaView& view = a->quotas.emplace_back();
    view.path = r.String();
    auth::Read(r, &view.quota);
    view.usage.nodes = r.Varint();
    view.usage.bytes = r.Varint();
  }
}
void Read(Reader& r, FenceAnswer* a) { a->token = r.Number<FenceToken>(); }
void Read(Reader&, ForgetFenceAnswer*) {}
void Read(Reader& r, RoleAnswer* a) {
  auth::Read(r, &a->role);
  a->created = r.Bool();
}
void Read(Reader& r, UserAnswer* a) {
  auth::Read(r, &a->user);
  a->created = r.Bool();
}
void Read(Reader& r, TokenAnswer* a) {
  a->token.id = r.Number<auth::TokenId>();
  a->token.user = r.String();
  a->token.name = r.String();
  a->token.expires = r.Number<ClusterTime>();
}
void Read(Reader&, GoneAnswer*) {}

void Read(Reader&, RevokeAnswer*) {}
void Read(Reader&, ReleaseAnswer*) {}
void Read(Reader&, CompactAnswer*) {}
void Read(Reader&, NodeAnswer*) {}
void Read(Reader& r, TxnAnswer* a);

template <typename Variant, size_t I = 0>
void ReadAlternative(Reader& r, size_t index, Variant* out) {
  if constexpr (I == std::variant_size_v<Variant>) {
    r.Fail();
  } else if (index == I) {
    Read(r, &out->template emplace<I>());
  } else {
    ReadAlternative<Variant, I + 1>(r, index, out);
  }
}

void Read(Reader& r, TxnAnswer* a) {
  a->succeeded = r.Bool();
  const uint64_t n = r.Count(2);
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    const uint8_t index = r.U8();
    ReadAlternative(r, index, &a->results.emplace_back());
  }
}

}  // namespace

Bytes Encode(const Answer& answer) {
  Bytes out;
  Writer w(&out);
  w.Number(answer.revision);
  w.Number(answer.time);
  w.U8(static_cast<uint8_t>(answer.body.index()));
  std::visit([&](const auto& body) { Write(w, body); }, answer.body);
  return out;
}

Result<Answer> DecodeAnswer(std::string_view bytes) {
  Reader r(bytes);
  Answer answer;
  answer.revision = r.Number<Revision>();
  answer.time = r.Number<ClusterTime>();
  const uint8_t index = r.U8();
  if (r.ok())
    ReadAlternative(r, index, &answer.body);
  if (!r.Complete())
    return Malformed();
  return answer;
}

}  // namespace synod::machine
