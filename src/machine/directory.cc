// Users, roles and tokens: what the state machine decides about them, and their records.
#include <algorithm>
#include <utility>

#include "src/base/check.h"
#include "src/machine/core.h"

namespace synod::machine {
namespace {

constexpr char kRoot[] = "root";

Error Damaged(const char* what) { return {Errc::kInternal, Outcome::kNotApplied, what}; }

Refusal Absent(const char* what) {
  return Refuse(Errc::kNotFound, std::string("there is no such ") + what);
}
Refusal TooMany(size_t limit, const char* of_what) {
  return TooLarge(limit, std::string("there are too many ") + of_what);
}

TokenView ViewOf(const auth::Token& token) {
  return {token.id, token.user, token.name, token.expires};
}

template <typename T>
Bytes Encoded(const T& item) {
  Bytes out;
  Writer writer(&out);
  auth::Write(writer, item);
  return out;
}

template <typename T>
Status Decode(std::string_view value, T* item) {
  Reader reader(value);
  auth::Read(reader, item);
  return reader.Complete() ? Done() : Status(Damaged("directory record: malformed"));
}

Bytes KeyOf(const auth::Role& role) { return session::RecordKey(RecordTag::kRole, role.name); }
Bytes KeyOf(const auth::User& user) { return session::RecordKey(RecordTag::kUser, user.name); }
Bytes KeyOf(const auth::Token& token) {
  return session::RecordKey(RecordTag::kToken, session::BigEndian(token.id.value));
}

using EachRecord = std::function<void(std::string_view key, std::string_view value)>;

void ForEachRecordOf(const auth::Directory& directory, const EachRecord& each) {
  for (const auto& [name, role] : directory.roles()) each(KeyOf(role), Encoded(role));
  for (const auto& [name, user] : directory.users()) each(KeyOf(user), Encoded(user));
  for (const auto& [id, token] : directory.tokens()) each(KeyOf(token), Encoded(token));
}

}  // namespace

// --- changes ---

std::optional<Refusal> Machine::Core::CheckAdministrator(const auth::Directory& after) const {
  if (after.HasAdministrator())
    return std::nullopt;
  return Refuse(Errc::kInvalidRequest,
                "while authentication is on, somebody with the verb admin on / must have a token "
                "that does not expire");
}

AnswerBody Machine::Core::CommitDirectory(Call* call, auth::Directory after, AnswerBody answer) {
  if (settings.auth_enabled != 0)
    if (std::optional<Refusal> refused = CheckAdministrator(after))
      return std::move(*refused);
  if (call->keyed() &&
      Encode(machine::Answer{revision + 1, time, false, answer}).size() > kRecordedAnswerMax)
    return TooLarge(kRecordedAnswerMax, "the answer is too large to be recorded");
  // Authentication needs an administrator: where nobody was known it begins here, if it is on.
  const bool switched_on = directory.empty();
  Move move(this);
  SaveDirectory(std::move(after));
  EndForbiddenWaits(&move, switched_on);
  return Commit(call, &move, std::move(answer));
}

AnswerBody Machine::Core::Run(Call* call, SetRole* op) {
  const auth::Role* old = directory.FindRole(op->role.name);
  RoleAnswer answer{op->role, old == nullptr};
  if (old != nullptr && *old == op->role)
    return answer;
  if (old == nullptr && directory.roles().size() >= auth::kRolesMax)
    return TooMany(auth::kRolesMax, "roles");
  auth::Directory after = directory;
  after.Set(std::move(op->role));
  return CommitDirectory(call, std::move(after), std::move(answer));
}

AnswerBody Machine::Core::Run(Call* call, DropRole* op) {
  if (directory.FindRole(op->name) == nullptr)
    return Absent("role");
  auth::Directory after = directory;
  after.DropRole(op->name);
  return CommitDirectory(call, std::move(after), GoneAnswer{});
}

AnswerBody Machine::Core::Run(Call* call, SetUser* op) {
  for (const std::string& role : op->user.roles) {
    if (directory.FindRole(role) == nullptr)
      return Refuse(Errc::kInvalidRequest, "there is no role " + role);
  }
  const auth::User* old = directory.FindUser(op->user.name);
  UserAnswer answer{op->user, old == nullptr};
  if (old != nullptr && *old == op->user)
    return answer;
  if (old == nullptr && directory.users().size() >= auth::kUsersMax)
    return TooMany(auth::kUsersMax, "users");
  auth::Directory after = directory;
  after.Set(std::move(op->user));
  return CommitDirectory(call, std::move(after), std::move(answer));
}

AnswerBody Machine::Core::Run(Call* call, DropUser* op) {
  if (directory.FindUser(op->name) == nullptr)
    return Absent("user");
  auth::Directory after = directory;
  after.DropUser(op->name);
  return CommitDirectory(call, std::move(after), GoneAnswer{});
}

AnswerBody Machine::Core::Run(Call* call, MakeToken* op) {
  if (directory.FindUser(op->user) == nullptr)
    return Absent("user");
  if (directory.FindToken(std::string_view(op->hash)) != nullptr)
    return Refuse(Errc::kInvalidRequest, "there is such a token");
  if (directory.tokens().size() >= auth::kTokensMax)
    return TooMany(auth::kTokensMax, "tokens");
  const ClusterTime expires = op->ttl_ms == 0 ? ClusterTime() : time + op->ttl_ms;
  const auth::Token token{auth::TokenId((revision + 1).value), op->user, op->name, expires,
                          op->hash};
  auth::Directory after = directory;
  after.Add(token);
  return CommitDirectory(call, std::move(after), TokenAnswer{ViewOf(token)});
}

AnswerBody Machine::Core::Run(Call* call, RevokeToken* op) {
  if (directory.FindToken(op->id) == nullptr)
    return Absent("token");
  auth::Directory after = directory;
  after.Drop(op->id);
  return CommitDirectory(call, std::move(after), GoneAnswer{});
}

AnswerBody Machine::Core::Run(Call* call, SetUpAuth* op) {
  if (!directory.empty() || settings.auth_enabled != 0)
    return NodeAnswer{};
  auth::Directory after;
  after.Set(auth::Role{kRoot, {{"/", auth::kAllVerbs}}});
  after.Set(auth::User{kRoot, {kRoot}});
  after.Add({auth::TokenId((revision + 1).value), kRoot, "bootstrap", ClusterTime(), op->hash});
  settings.auth_enabled = 1;
  settings_dirty_ = true;
  return CommitDirectory(call, std::move(after), NodeAnswer{});
}

// It takes no revision, as the end of a recorded answer takes none.
void Machine::Core::DropExpiredTokens() {
  if (directory.FirstExpired(time) == nullptr)
    return;
  auth::Directory after = directory;
  while (const auth::Token* token = after.FirstExpired(time)) after.Drop(token->id);
  SaveDirectory(std::move(after));
}

// Who waits for a lock that is not his any more is told so, and never gets it. A lease of nobody is
// everybody's: who waited on it without a name goes when authentication begins, and who waits on it
// from then on was permitted to.
void Machine::Core::EndForbiddenWaits(Move* move, bool switched_on) {
  if (settings.auth_enabled == 0)
    return;
  std::vector<lock::Place> forbidden;
  for (const auto& [path, lock] : locks.locks()) {
    for (const auto& [number, waiter] : lock.waiters) {
      const session::Lease* lease = leases.Find(waiter.lease);
      SYNOD_CHECK(lease != nullptr);
      const bool is_forbidden = lease->user.empty()
                                    ? switched_on
                                    : !directory.Allows(lease->user, {auth::Verb::kLock, path});
      if (is_forbidden)
        forbidden.push_back({path, number});
    }
  }
  for (const lock::Place& place : forbidden) {
    // With the others of its group it may be gone already.
    if (locks.Find(place) == nullptr)
      continue;
    const lock::Contender waiter = RemoveContender(move, place, store::Cause::kReleased);
    if (!waiter.request_key.empty())
      idempotency.Forget(waiter.request_key);
    if (IsObserver(waiter.owner))
      out_->completions.push_back(
          {waiter.owner.seq,
           {move->revision, time, false,
            Refuse(Errc::kPermissionDenied, "the permission for the lock was withdrawn")}});
  }
}

// --- reads ---

namespace {

// One of the map's, or all.
template <typename Item, typename Map, typename Key, typename View>
Result<std::vector<Item>> Shown(const Map& map, bool one, const Key& key, View view) {
  std::vector<Item> items;
  if (!one) {
    for (const auto& [name, item] : map) items.push_back(view(item));
    return items;
  }
  const auto it = map.find(key);
  if (it == map.end())
    return Error{Errc::kNotFound};
  items.push_back(view(it->second));
  return items;
}

constexpr auto kAsIs = [](const auto& item) { return item; };

}  // namespace

Result<QueryResult> Machine::Core::ReadOne(const GetRoles& query, ClusterTime) const {
  const bool one = !query.name.empty();
  Result<std::vector<auth::Role>> roles =
      Shown<auth::Role>(directory.roles(), one, query.name, kAsIs);
  if (!roles)
    return roles.error();
  return QueryResult(RolesResult{std::move(*roles), one});
}

Result<QueryResult> Machine::Core::ReadOne(const GetUsers& query, ClusterTime) const {
  const bool one = !query.name.empty();
  Result<std::vector<auth::User>> users =
      Shown<auth::User>(directory.users(), one, query.name, kAsIs);
  if (!users)
    return users.error();
  return QueryResult(UsersResult{std::move(*users), one});
}

Result<QueryResult> Machine::Core::ReadOne(const GetTokens& query, ClusterTime) const {
  const bool one = query.id.value != 0;
  Result<std::vector<TokenView>> tokens = Shown<TokenView>(
      directory.tokens(), one, query.id, [](const auth::Token& token) { return ViewOf(token); });
  if (!tokens)
    return tokens.error();
  return QueryResult(TokensResult{std::move(*tokens), one});
}

// --- records ---

// Changes are rare: all records are compared.
void Machine::Core::SaveDirectory(auth::Directory after) {
  std::map<Bytes, Bytes> records;
  ForEachRecordOf(
      after, [&](std::string_view key, std::string_view value) { records.emplace(key, value); });
  for (auto it = directory_hashes_.begin(); it != directory_hashes_.end();) {
    if (records.contains(it->first)) {
      ++it;
      continue;
    }
    directory_tally_.Remove(it->first, it->second);
    it = directory_hashes_.erase(it);
  }
  for (const auto& [key, value] : records) {
    Hash128& hash = directory_hashes_[key];
    if (hash != HashOfRecord(key, value))
      directory_tally_.Set(key, value, &hash);
  }
  directory = std::move(after);
  ++permission_changes;
}

void Machine::Core::ForEachDirectoryRecord(const EachRecord& each) const {
  ForEachRecordOf(directory, each);
}

Status Machine::Core::LoadDirectoryRecord(std::string_view key, std::string_view value) {
  if (directory_hashes_.contains(key))
    return Damaged("directory record: twice");
  const auto keep = [&](const auto& item) -> Status {
    if (KeyOf(item) != key)
      return Damaged("directory record: bad key");
    directory_tally_.Loaded(key, value, &directory_hashes_[Bytes(key)]);
    return Done();
  };
  if (key[0] == static_cast<char>(RecordTag::kRole)) {
    auth::Role role;
    if (Status s = Decode(value, &role); !s)
      return s;
    loaded_roles_.push_back(role);
    return keep(role);
  }
  if (key[0] == static_cast<char>(RecordTag::kUser)) {
    auth::User user;
    if (Status s = Decode(value, &user); !s)
      return s;
    loaded_users_.push_back(user);
    return keep(user);
  }
  auth::Token token;
  if (Status s = Decode(value, &token); !s)
    return s;
  loaded_tokens_.push_back(token);
  return keep(token);
}

// Records come in any order, so that what they name is looked for at the end.
Status Machine::Core::FinishDirectory() {
  for (auth::Role& role : std::exchange(loaded_roles_, {})) directory.Set(std::move(role));
  for (auth::User& user : std::exchange(loaded_users_, {})) {
    for (const std::string& role : user.roles)
      if (directory.FindRole(role) == nullptr)
        return Damaged("a user with a role that there is not");
    directory.Set(std::move(user));
  }
  for (auth::Token& token : std::exchange(loaded_tokens_, {})) {
    if (directory.FindUser(token.user) == nullptr ||
        directory.FindToken(std::string_view(token.hash)) != nullptr)
      return Damaged("a token of nobody, or one twice");
    directory.Add(std::move(token));
  }
  return Done();
}

}  // namespace synod::machine
