#include "src/base/membership.h"

#include <algorithm>
#include <functional>

#include "src/base/codec.h"

namespace synod {
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

bool FitsTogether(const Membership& m) {
  if (m.voters.empty())
    return false;
  for (const NodeId learner : m.learners) {
    if (m.IsVoter(learner))
      return false;
  }
  const NodeId last =
      m.learners.empty() ? m.voters.back() : std::max(m.voters.back(), m.learners.back());
  return (m.version == 0 && m.next_member.value == 0) || m.next_member > last;
}

}  // namespace

bool Membership::IsVoter(NodeId n) const { return Contains(voters, n); }

bool Membership::IsLearner(NodeId n) const { return Contains(learners, n); }

Bytes Membership::Encode() const {
  Bytes out;
  Writer w(&out);
  w.Varint(version);
  WriteNodes(voters, &w);
  WriteNodes(learners, &w);
  w.Number(next_member);
  return out;
}

Result<Membership> Membership::Decode(std::string_view bytes) {
  Reader r(bytes);
  Membership m;
  m.version = r.Varint();
  m.voters = ReadNodes(&r);
  m.learners = ReadNodes(&r);
  m.next_member = r.Number<NodeId>();
  if (!r.ok() || !FitsTogether(m))
    return Error{.code = Errc::kInvalidRequest, .detail = "malformed membership"};
  return m;
}

Result<Membership> Membership::OfEntry(std::string_view payload) {
  Reader r(payload);
  const std::string_view bytes = r.String();
  if (!r.ok())
    return Error{.code = Errc::kInvalidRequest, .detail = "malformed membership entry"};
  return Decode(bytes);
}

}  // namespace synod
