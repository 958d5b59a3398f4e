// MemberChanges: members of a running cluster exchanged for a spare node, one after the other.
//
// Contract      The spare enters as a learner; then either it is promoted and the victim removed,
//               or the victim is killed and replaced by it. The victim loses its disk and is the
//               spare of the next change. Each step is repeated until the cluster says that it is
//               done, whatever happened to the nodes meanwhile.
// Thread        The main one.
#ifndef SYNOD_TESTS_HISTORIES_MEMBER_CHANGES_H_
#define SYNOD_TESTS_HISTORIES_MEMBER_CHANGES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/integration/cluster.h"

namespace synod::histories {

class MemberChanges {
 public:
  // The nodes 1 to `size` are the members; a further one, if there is any, is the spare.
  MemberChanges(integration::Cluster* cluster, int size);

  bool idle() const { return state_ == State::kIdle; }
  uint64_t done() const { return done_; }
  // The nodes that run, or should: those of the cluster, and one that enters it.
  const std::set<int>& members() const { return members_; }
  // Nothing for one that has not entered yet.
  std::optional<int64_t> MemberId(int node) const {
    const auto it = ids_.find(node);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }

  // Begins to exchange `victim`; the spare enters through `asked`, which is another.
  void Begin(int victim, int asked, bool dead);
  // Asks node `asked` for the next step. Nodes in `busy` are left alone for now.
  void Step(int asked, const std::set<int>& busy);

 private:
  enum class State : uint8_t { kIdle, kEntering, kPromoting, kReplacing, kRemoving, kLeaving };
  bool HasEntered();
  // True once it is done. Asked under one key until the cluster refuses it, so that an answer that
  // was lost is not taken for a refusal, nor an old list of members for a new one.
  bool Ask(int asked,
           const std::string& method,
           const std::string& target,
           const std::string& body = "");
  void Discard();

  integration::Cluster* cluster_;
  State state_ = State::kIdle;
  std::set<int> members_;
  std::map<int, int64_t> ids_;  // of members, by node
  int spare_;
  int joiner_ = 0;
  int victim_ = 0;
  bool dead_ = false;
  uint64_t done_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_MEMBER_CHANGES_H_
