// Query: reads that the replica's own state answers, once the read may be served.
//
// Contract      Plain values. A query names what to read, its result shares the immutable nodes of
//               the store; when it may be served is the engine's business (src/node/engine.h).
#ifndef SYNOD_MACHINE_QUERY_H_
#define SYNOD_MACHINE_QUERY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "src/machine/answer.h"
#include "src/store/tree.h"

namespace synod::machine {

struct GetNode {
  std::string path;
  Revision at;  // 0: now
};
struct ListNodes {
  std::string path;
  store::ListScope scope = store::ListScope::kChildren;
  size_t limit = 1000;
  std::string after;  // a path, empty: from the start
  Revision at;
};
struct GetLease {
  LeaseId id;
};
struct ListLeases {
  size_t limit = 1000;
  LeaseId after;
};
struct GetLock {  // of either kind
  LockKind kind = LockKind::kLock;
  std::string path;
};
struct ListLocks {
  std::string prefix;  // a path; "/" for all
  size_t limit = 1000;
  std::string after;  // a lock's path
};

struct GetSettings {};
struct GetFence {
  std::string path;
};

// Of one, or of all there are.
struct GetRoles {
  std::string name;  // empty: all
};
struct GetUsers {
  std::string name;  // empty: all
};
struct GetTokens {
  auth::TokenId id;  // 0: all
};

using Query = std::variant<GetNode,
                           ListNodes,
                           GetLease,
                           ListLeases,
                           GetLock,
                           ListLocks,
                           GetSettings,
                           GetFence,
                           GetRoles,
                           GetUsers,
                           GetTokens>;

struct NodeResult {
  store::NodeView node;
};
struct ListNodesResult {
  std::vector<store::NodeView> nodes;
  bool more = false;
};
struct LeaseResult {
  LeaseView lease;
  std::vector<std::string> paths;  // tied to it, path order
};
struct ListLeasesResult {
  std::vector<LeaseView> leases;
  bool more = false;
};
struct Waiter {
  LeaseId lease;
  LockMode mode = LockMode::kExclusive;
  Bytes value;
  int64_t waiting_ms = 0;
};
struct LockResult {
  LockKind kind = LockKind::kLock;
  std::string path;
  uint32_t limit = 1;
  std::vector<Holder> holders;
  std::vector<Waiter> waiters;
  std::optional<int64_t> delay_remaining_ms;
};
struct ListLocksResult {
  std::vector<LockResult> locks;
  bool more = false;
};
struct SettingsResult {
  auth::Settings settings;
  std::vector<QuotaView> quotas;  // that the reader may know of, in path order
};
struct FenceResult {
  FenceToken token;
};

struct RolesResult {
  std::vector<auth::Role> roles;
  bool one = false;  // one was asked for
};
struct UsersResult {
  std::vector<auth::User> users;
  bool one = false;
};
struct TokensResult {
  std::vector<TokenView> tokens;
  bool one = false;
};

using QueryResult = std::variant<NodeResult,
                                 ListNodesResult,
                                 LeaseResult,
                                 ListLeasesResult,
                                 LockResult,
                                 ListLocksResult,
                                 SettingsResult,
                                 FenceResult,
                                 RolesResult,
                                 UsersResult,
                                 TokensResult>;

}  // namespace synod::machine

#endif  // SYNOD_MACHINE_QUERY_H_
