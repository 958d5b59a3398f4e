#include "src/auth/directory.h"

#include <algorithm>

#include "src/base/check.h"
#include "src/base/path.h"

namespace synod::auth {
namespace {

Error Invalid(std::string detail) {
  return {Errc::kInvalidRequest, Outcome::kNotApplied, std::move(detail)};
}

template <typename Map>
auto FindIn(const Map& map, std::string_view name) -> decltype(&map.begin()->second) {
  const auto it = map.find(name);
  return it == map.end() ? nullptr : &it->second;
}

// Ascending, and none twice.
template <typename Items, typename Less>
bool IsAscending(const Items& items, Less less) {
  return std::adjacent_find(items.begin(), items.end(), [&](const auto& a, const auto& b) {
           return !less(a, b);
         }) == items.end();
}

// Why is told to nobody: who shows nothing that is valid learns nothing of those that there are.
Error Nobody() {
  return {Errc::kUnauthenticated, Outcome::kNotApplied,
          "this needs a valid token, Authorization: Bearer <token>, or a user's certificate"};
}

}  // namespace

std::string_view Name(Verb verb) {
  switch (verb) {
    case Verb::kRead:
      return "read";
    case Verb::kWrite:
      return "write";
    case Verb::kLock:
      return "lock";
    case Verb::kAdmin:
      return "admin";
  }
  return "";
}

bool Permission::Covers(Verb verb, std::string_view path) const {
  const auto wanted =
      static_cast<uint8_t>(static_cast<uint8_t>(verb) | static_cast<uint8_t>(Verb::kAdmin));
  return (verbs & wanted) != 0 && IsWithin(path, prefix);
}

Need NeedOf(Verb verb, std::string_view path) {
  if (!IsReserved(path))
    return {verb, std::string(path)};
  const Verb on_locks = verb == Verb::kAdmin ? Verb::kAdmin : Verb::kLock;
  if (!IsWithin(path, kLocksRoot))
    return {Verb::kAdmin, "/"};
  path.remove_prefix(kLocksRoot.size());
  if (!path.empty() && NameOf(path).starts_with('@'))
    path = ParentOf(path);
  return {on_locks, path.empty() ? "/" : std::string(path)};
}

Status ValidateName(std::string_view name) {
  if (name.size() > kNameBytesMax)
    return Invalid("a name is longer than 128 bytes");
  if (ValidateComponent(name).has_error())
    return Invalid(
        "a name is 1 to 128 bytes of UTF-8 without '/' and control characters, and neither . nor "
        "..");
  return Done();
}

Status Validate(const Role& role) {
  if (Status s = ValidateName(role.name); !s)
    return s;
  if (role.permissions.size() > kPermissionsMax)
    return Invalid("a role has more than 100 permissions");
  for (const Permission& permission : role.permissions) {
    if (Status s = ValidatePath(permission.prefix); !s)
      return Invalid("prefix: " + s.error().detail);
    if (IsReserved(permission.prefix))
      return Invalid("prefix: what lies in /.synod is judged by the paths of locks");
    if (permission.verbs == 0 || permission.verbs > kAllVerbs)
      return Invalid("a permission has at least one of the verbs read, write, lock and admin");
  }
  if (!IsAscending(role.permissions, [](const Permission& a, const Permission& b) {
        return ComparePaths(a.prefix, b.prefix) < 0;
      }))
    return Invalid("a prefix comes twice");
  return Done();
}

Status Validate(const User& user) {
  if (Status s = ValidateName(user.name); !s)
    return s;
  if (user.roles.size() > kUserRolesMax)
    return Invalid("a user has more than 100 roles");
  for (const std::string& role : user.roles) {
    if (Status s = ValidateName(role); !s)
      return s;
  }
  if (!IsAscending(user.roles, std::less<>()))
    return Invalid("a role comes twice");
  return Done();
}

// --- codec ---

void Write(Writer& w, const Role& role) {
  w.String(role.name);
  w.Varint(role.permissions.size());
  for (const Permission& permission : role.permissions) {
    w.String(permission.prefix);
    w.U8(permission.verbs);
  }
}

void Write(Writer& w, const User& user) {
  w.String(user.name);
  w.Varint(user.roles.size());
  for (const std::string& role : user.roles) w.String(role);
}

void Write(Writer& w, const Token& token) {
  w.Number(token.id);
  w.String(token.user);
  w.String(token.name);
  w.Number(token.expires);
  w.String(token.hash);
}

void Read(Reader& r, Role* role) {
  role->name = r.String();
  const uint64_t n = r.Count(2);
  for (uint64_t i = 0; i < n && r.ok(); ++i) {
    Permission& permission = role->permissions.emplace_back();
    permission.prefix = r.String();
    permission.verbs = r.U8();
  }
  if (r.ok() && Validate(*role).has_error())
    r.Fail();
}

void Read(Reader& r, User* user) {
  user->name = r.String();
  const uint64_t n = r.Count(1);
  for (uint64_t i = 0; i < n && r.ok(); ++i) user->roles.emplace_back(r.String());
  if (r.ok() && Validate(*user).has_error())
    r.Fail();
}

void Read(Reader& r, Token* token) {
  token->id = r.Number<TokenId>();
  token->user = r.String();
  token->name = r.String();
  token->expires = r.Number<ClusterTime>();
  token->hash = r.String();
  if (ValidateName(token->user).has_error() || token->name.size() > kNameBytesMax ||
      token->expires.value < 0 || token->hash.size() != kTokenHashBytes)
    r.Fail();
}

// --- the directory ---

void Directory::Set(Role role) {
  SYNOD_CHECK(Validate(role).has_value());
  const std::string name = role.name;
  roles_[name] = std::move(role);
}

std::vector<std::string> Directory::DropRole(const std::string& name) {
  SYNOD_CHECK_EQ(roles_.erase(name), 1U);
  std::vector<std::string> had_it;
  for (auto& [user_name, user] : users_) {
    if (std::erase(user.roles, name) > 0)
      had_it.push_back(user_name);
  }
  return had_it;
}

void Directory::Set(User user) {
  SYNOD_CHECK(Validate(user).has_value());
  for (const std::string& role : user.roles) SYNOD_CHECK(FindRole(role) != nullptr);
  const std::string name = user.name;
  users_[name] = std::move(user);
}

std::vector<TokenId> Directory::DropUser(const std::string& name) {
  std::vector<TokenId> gone;
  for (const auto& [id, token] : tokens_) {
    if (token.user == name)
      gone.push_back(id);
  }
  for (const TokenId id : gone) Drop(id);
  SYNOD_CHECK_EQ(users_.erase(name), 1U);
  return gone;
}

void Directory::Add(Token token) {
  SYNOD_CHECK(FindUser(token.user) != nullptr);
  SYNOD_CHECK_EQ(token.hash.size(), kTokenHashBytes);
  const TokenId id = token.id;
  const bool fresh = by_hash_.emplace(token.hash, id).second;
  SYNOD_CHECK(fresh);
  if (token.expires.value != 0)
    expiries_.emplace(token.expires, id);
  const bool added = tokens_.emplace(id, std::move(token)).second;
  SYNOD_CHECK(added);
}

void Directory::Drop(TokenId id) {
  const auto it = tokens_.find(id);
  SYNOD_CHECK(it != tokens_.end());
  by_hash_.erase(it->second.hash);
  expiries_.erase({it->second.expires, id});
  tokens_.erase(it);
}

const Role* Directory::FindRole(std::string_view name) const { return FindIn(roles_, name); }
const User* Directory::FindUser(std::string_view name) const { return FindIn(users_, name); }

const Token* Directory::FindToken(TokenId id) const {
  const auto it = tokens_.find(id);
  return it == tokens_.end() ? nullptr : &it->second;
}

const Token* Directory::FindToken(std::string_view hash) const {
  const auto it = by_hash_.find(hash);
  return it == by_hash_.end() ? nullptr : FindToken(it->second);
}

Result<std::string> Directory::UserOf(const Principal& principal, ClusterTime now) const {
  if (!principal.user.empty()) {
    if (FindUser(principal.user) == nullptr)
      return Nobody();
    return principal.user;
  }
  const Token* token = FindToken(principal.token_hash);
  if (token == nullptr || (token->expires.value != 0 && token->expires <= now))
    return Nobody();
  return token->user;
}

bool Directory::Allows(std::string_view user, const Need& need) const {
  const User* known = FindUser(user);
  if (known == nullptr)
    return false;
  return std::any_of(known->roles.begin(), known->roles.end(), [&](const std::string& name) {
    const Role* role = FindRole(name);
    return role != nullptr &&
           std::any_of(role->permissions.begin(), role->permissions.end(),
                       [&](const Permission& p) { return p.Covers(need.verb, need.path); });
  });
}

bool Directory::HasAdministrator() const {
  return std::any_of(tokens_.begin(), tokens_.end(), [&](const auto& item) {
    return item.second.expires.value == 0 && Allows(item.second.user, {Verb::kAdmin, "/"});
  });
}

const Token* Directory::FirstExpired(ClusterTime now) const {
  if (expiries_.empty() || expiries_.begin()->first > now)
    return nullptr;
  return FindToken(expiries_.begin()->second);
}

std::optional<ClusterTime> Directory::NextExpiry() const {
  return expiries_.empty() ? std::nullopt : std::optional(expiries_.begin()->first);
}

void Directory::CheckInvariants() const {
  size_t expiring = 0;
  for (const auto& [name, role] : roles_) {
    SYNOD_CHECK_EQ(name, role.name);
    SYNOD_CHECK(Validate(role).has_value());
  }
  for (const auto& [name, user] : users_) {
    SYNOD_CHECK_EQ(name, user.name);
    SYNOD_CHECK(Validate(user).has_value());
    for (const std::string& role : user.roles) SYNOD_CHECK(FindRole(role) != nullptr);
  }
  for (const auto& [id, token] : tokens_) {
    SYNOD_CHECK_EQ(id, token.id);
    SYNOD_CHECK(FindUser(token.user) != nullptr);
    SYNOD_CHECK(FindToken(token.hash) == &token);
    expiring += token.expires.value != 0 ? 1 : 0;
  }
  SYNOD_CHECK_EQ(by_hash_.size(), tokens_.size());
  SYNOD_CHECK_EQ(expiries_.size(), expiring);
}

}  // namespace synod::auth
