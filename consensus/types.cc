#include "consensus/types.h"

#include <algorithm>

#include "src/base/codec.h"

namespace synod::consensus {
namespace {

bool Contains(const std::vector<NodeId>& ascending, NodeId n) {
  return std::binary_search(ascending.begin(), ascending.end(), n);
}

void WriteNodes(const std::vector<NodeId>& nodes, Writer* w) {
  w->Varint(nodes.size());
  for (const NodeId n : nodes) w->Number(n);
}

std::vector<NodeId> ReadNodes(Reader* r) {
  std::vector<NodeId> nodes(static_cast<size_t>(r->Count()));
  for (NodeId& n : nodes) n = r->Number<NodeId>();
  const bool strictly_ascending =
      std::adjacent_find(nodes.begin(), nodes.end(), std::greater_equal<>()) == nodes.end();
  if (!strictly_ascending || (!nodes.empty() && nodes.front().value == 0))
    r->Fail();
  return nodes;
}

}  // namespace

Hash128 Entry::Hash() const {
  std::string head;
  Writer w(&head);
  w.U8(static_cast<uint8_t>(kind));
  w.Write(origin);
  return HashOf(*payload, HashOf(head).lo);
}

bool Entry::SameValue(const Entry& other) const {
  return kind == other.kind && origin == other.origin &&
         (payload == other.payload || *payload == *other.payload);
}

bool Membership::IsVoter(NodeId n) const { return Contains(voters, n); }

bool Membership::IsMember(NodeId n) const { return IsVoter(n) || Contains(learners, n); }

Bytes Membership::Encode() const {
  Bytes out;
  Writer w(&out);
  w.Varint(version);
  WriteNodes(voters, &w);
  WriteNodes(learners, &w);
  return out;
}

Result<Membership> Membership::Decode(std::string_view bytes) {
  Reader r(bytes);
  Membership m;
  m.version = r.Varint();
  m.voters = ReadNodes(&r);
  m.learners = ReadNodes(&r);
  // Bytes after the lists belong to a newer version and do not matter here.
  if (!r.ok() || m.voters.empty())
    return Error{.code = Errc::kInvalidRequest, .detail = "malformed membership"};
  return m;
}

}  // namespace synod::consensus
