#include "src/node/engine_witness.h"

#include <algorithm>
#include <utility>

namespace synod::node {

Witness::Witness(NodeId self, uint64_t gen, std::string lost)
    : self_(self), gen_at_start_(gen), gen_(gen), lost_(std::move(lost)) {}

void Witness::Saw(NodeId member, uint64_t gen) {
  if (member == self_)
    return;
  uint64_t& seen = seen_[member];
  seen = std::max(seen, gen);
}

uint64_t Witness::GenOf(NodeId member) const {
  const auto it = seen_.find(member);
  return it == seen_.end() ? 0 : it->second;
}

std::vector<consensus::MemberGen> Witness::Table() const {
  std::vector<consensus::MemberGen> table;
  table.reserve(seen_.size() + 1);
  table.push_back({self_, gen_});
  for (const auto& [member, gen] : seen_) table.push_back({member, gen});
  return table;
}

Bytes Witness::Encode(std::string_view cluster) const {
  Bytes bytes;
  Writer w(&bytes);
  w.String(cluster);
  w.Varint(seen_.size());
  for (const auto& [member, gen] : seen_) {
    w.Number(member);
    w.Varint(gen);
  }
  return bytes;
}

void Witness::Remember(std::string_view cluster, std::string_view bytes) {
  Reader r(bytes);
  // Numbers of members are unique within a cluster only.
  if (r.String() != cluster)
    return;
  for (uint64_t n = r.Count(2); n > 0 && r.ok(); --n) {
    const auto member = r.Number<NodeId>();
    const uint64_t gen = r.Varint();
    if (r.ok())
      Saw(member, gen);
  }
}

void Witness::Appended(uint64_t gen) { gen_ = std::max(gen_, gen); }

void Witness::SawMe(NodeId member, uint64_t gen) {
  // Nothing of this process says more than its log has, so whoever saw more saw an earlier one.
  // Until it is trusted nothing of it leaves at all: what it has written since counts for nothing.
  const uint64_t has = trusted_ ? gen_ : gen_at_start_;
  if (gen > has && lost_.empty())
    lost_ = "member " + std::to_string(member.value) + " saw " + std::to_string(gen) +
            " records of this node's acceptor log, which has " + std::to_string(has);
}

void Witness::Told(NodeId member, const Statement& statement) {
  SawMe(member, statement.gen);
  answered_.insert(member);
  if (statement.config_version > told_version_) {
    told_version_ = statement.config_version;
    told_voters_ = statement.voters;
  }
}

void Witness::Judge(uint64_t version, const std::vector<NodeId>& voters) {
  if (trusted_)
    return;
  // Its own membership may be older than its absence: then the voters of today decide.
  const std::vector<NodeId>& deciding = told_version_ > version ? told_voters_ : voters;
  size_t count = 0;
  for (const NodeId voter : deciding) count += voter == self_ || answered_.contains(voter) ? 1 : 0;
  trusted_ = !deciding.empty() && count >= deciding.size() / 2 + 1;
}

}  // namespace synod::node
