// Directory: users, their roles and their tokens, and what they may do.
//
// Contract      Part of the replicated state. A role is a list of permissions, a permission a path
//               prefix with verbs: it covers the prefix and all that lies below it, component by
//               component. Permissions add up and none takes away, so a subtree is permitted
//               exactly if its root is. The verb admin includes the others below its prefix; on `/`
//               it is the right to administer the cluster.
// Invariants    (1) users name roles that exist, tokens name users that exist;  (2) no hash is that
//               of two tokens;  (3) names, roles of a user and prefixes of a role are ascending and
//               come once.
// Time          Cluster time. A token has expired from `expires` on, also before it is removed.
// Secrets       Only hashes are here. A token is looked up by its hash, so that comparing tells
//               nothing of the token itself.
// Thread        Core thread only.
// Errors        Arguments that break an invariant are bugs: the machine looks before
//               (src/machine/directory.cc). Load*: kInternal, what is wrong with the record.
#ifndef SYNOD_AUTH_DIRECTORY_H_
#define SYNOD_AUTH_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/auth/principal.h"
#include "src/base/codec.h"
#include "src/base/error.h"
#include "src/base/types.h"

namespace synod::auth {

using TokenId = Strong<struct TokenIdTag, uint64_t>;

enum class Verb : uint8_t { kRead = 1, kWrite = 2, kLock = 4, kAdmin = 8 };
inline constexpr uint8_t kAllVerbs = 15;
inline constexpr Verb kVerbs[] = {Verb::kRead, Verb::kWrite, Verb::kLock, Verb::kAdmin};
std::string_view Name(Verb verb);  // "read"

struct Permission {
  std::string prefix;
  uint8_t verbs = 0;  // of Verb, at least one

  bool Covers(Verb verb, std::string_view path) const;
  bool operator==(const Permission&) const = default;
};

struct Role {
  std::string name;
  std::vector<Permission> permissions;  // by prefix
  bool operator==(const Role&) const = default;
};
struct User {
  std::string name;
  std::vector<std::string> roles;
  bool operator==(const User&) const = default;
};
struct Token {
  TokenId id;  // the revision that made it
  std::string user;
  std::string name;     // for people; may be empty
  ClusterTime expires;  // 0: never
  Bytes hash;
  bool operator==(const Token&) const = default;
};

// One thing that must be permitted.
struct Need {
  Verb verb = Verb::kRead;
  std::string path;
  bool operator==(const Need&) const = default;
};
// What `verb` on this path of the tree takes. Below /.synod/locks lie the locks: whatever is asked
// of the nodes there is asked of the lock, and takes the verb lock on its path.
Need NeedOf(Verb verb, std::string_view path);

inline constexpr size_t kNameBytesMax = 128;
inline constexpr size_t kRolesMax = 1000;
inline constexpr size_t kUsersMax = 1000;
inline constexpr size_t kTokensMax = 10'000;
inline constexpr size_t kPermissionsMax = 100;  // of a role
inline constexpr size_t kUserRolesMax = 100;    // of a user
// Of a user or a role: as a component of a path, but no longer than kNameBytesMax.
Status ValidateName(std::string_view name);
// Well-formed: names, prefixes and order; kInvalidRequest with a detail.
Status Validate(const Role& role);
Status Validate(const User& user);

void Write(Writer& writer, const Role& role);
void Write(Writer& writer, const User& user);
void Write(Writer& writer, const Token& token);
// Fail the reader if what was read is not well-formed.
void Read(Reader& reader, Role* role);
void Read(Reader& reader, User* user);
void Read(Reader& reader, Token* token);

class Directory {
 public:
  void Set(Role role);
  // The users keep no trace of it. Gives those that had it.
  std::vector<std::string> DropRole(const std::string& name);
  void Set(User user);
  // Gives his tokens, which are gone, too.
  std::vector<TokenId> DropUser(const std::string& name);
  void Add(Token token);
  void Drop(TokenId id);

  const Role* FindRole(std::string_view name) const;
  const User* FindUser(std::string_view name) const;
  const Token* FindToken(TokenId id) const;
  const Token* FindToken(std::string_view hash) const;
  const std::map<std::string, Role, std::less<>>& roles() const { return roles_; }
  const std::map<std::string, User, std::less<>>& users() const { return users_; }
  const std::map<TokenId, Token>& tokens() const { return tokens_; }
  bool empty() const { return roles_.empty() && users_.empty(); }

  // The user that the principal stands for now. kUnauthenticated: nobody.
  Result<std::string> UserOf(const Principal& principal, ClusterTime now) const;
  bool Allows(std::string_view user, const Need& need) const;
  // Somebody may administer the cluster, by a token that does not expire.
  bool HasAdministrator() const;

  // The first token by (expiry, id) that has expired by now, or nullptr.
  const Token* FirstExpired(ClusterTime now) const;
  std::optional<ClusterTime> NextExpiry() const;

  void CheckInvariants() const;

 private:
  std::map<std::string, Role, std::less<>> roles_;
  std::map<std::string, User, std::less<>> users_;
  std::map<TokenId, Token> tokens_;
  std::map<Bytes, TokenId, std::less<>> by_hash_;
  std::set<std::pair<ClusterTime, TokenId>> expiries_;  // of those that expire
};

}  // namespace synod::auth

#endif  // SYNOD_AUTH_DIRECTORY_H_
