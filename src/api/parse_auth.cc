// /v1/auth: users, roles and tokens.
#include <algorithm>

#include "src/api/encoding.h"
#include "src/api/request.h"
#include "src/base/path.h"

namespace synod::api {
namespace {

using Need = Fields::Need;

constexpr uint64_t kTokenTtlMsMax = uint64_t{10} * 365 * 86'400'000;

std::optional<auth::Verb> VerbNamed(std::string_view name) {
  for (const auth::Verb verb : auth::kVerbs)
    if (auth::Name(verb) == name)
      return verb;
  return std::nullopt;
}

// The strings of an array, each given to take(text).
template <typename Take>
Status ReadTexts(Fields& body, std::string_view name, Take take) {
  Result<std::vector<Json>*> items = body.Array(name);
  if (!items)
    return items.error();
  if (*items == nullptr)
    return body.Wrong(name, "is missing");
  for (Json& item : **items) {
    if (item.kind != Json::Kind::kString || !take(item.text))
      return body.Wrong(name, "has something that does not belong there");
  }
  return Done();
}

Result<auth::Permission> ReadPermission(Json* json, const std::string& where) {
  if (json->kind != Json::Kind::kObject)
    return Malformed(where + " must be an object");
  Fields fields(json, where + ".");
  auth::Permission permission;
  if (Status s = fields.Path("prefix", &permission.prefix); !s)
    return s.error();
  if (Status s = ReadTexts(fields, "verbs",
                           [&](const std::string& text) {
                             const std::optional<auth::Verb> verb = VerbNamed(text);
                             if (verb)
                               permission.verbs |= static_cast<uint8_t>(*verb);
                             return verb.has_value();
                           });
      !s)
    return s.error();
  if (Status s = fields.Finish(); !s)
    return s.error();
  return permission;
}

Status ReadPermissions(Request& request, Fields& body, auth::Role* role) {
  Result<std::vector<Json>*> items = body.Array("permissions");
  if (!items)
    return items.error();
  if (*items == nullptr)
    return body.Wrong("permissions", "is missing");
  if ((*items)->size() > auth::kPermissionsMax) {
    request.limit = auth::kPermissionsMax;
    return Error{Errc::kTooLarge, Outcome::kNotApplied, "a role has at most 100 permissions"};
  }
  for (size_t i = 0; i < (*items)->size(); ++i) {
    Result<auth::Permission> permission =
        ReadPermission(&(**items)[i], "permissions[" + std::to_string(i) + "]");
    if (!permission)
      return permission.error();
    role->permissions.push_back(std::move(*permission));
  }
  std::sort(role->permissions.begin(), role->permissions.end(),
            [](const auth::Permission& a, const auth::Permission& b) {
              return ComparePaths(a.prefix, b.prefix) < 0;
            });
  return Validate(*role);
}

Result<Call> ParseRoleChange(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    auth::Role role;
    role.name = request.resource;
    if (Status s = ReadPermissions(request, body, &role); !s)
      return s;
    call->command.operation = machine::SetRole{std::move(role)};
    return Done();
  });
}

Result<Call> ParseUserChange(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    auth::User user;
    user.name = request.resource;
    if (Status s = ReadTexts(body, "roles",
                             [&](const std::string& role) {
                               user.roles.push_back(role);
                               return true;
                             });
        !s)
      return s;
    std::sort(user.roles.begin(), user.roles.end());
    if (Status s = Validate(user); !s)
      return s;
    call->command.operation = machine::SetUser{std::move(user)};
    return Done();
  });
}

// The hash is the driver's to fill in: it makes the token.
Result<Call> ParseTokenMake(Request& request) {
  return ParseObjectOfChange(request, Body::kRequired, [&](Fields& body, ChangeCall* call) {
    machine::MakeToken make;
    if (Status s = body.Text("user", Need::kRequired, &make.user); !s)
      return s;
    if (Status s = auth::ValidateName(make.user); !s)
      return s;
    if (Status s = body.Text("name", Need::kOptional, &make.name); !s)
      return s;
    if (make.name.size() > auth::kNameBytesMax)
      return Status(body.Wrong("name", "must have at most 128 bytes"));
    uint64_t ttl_ms = 0;
    if (Status s = body.Integer("ttl_ms", 1, kTokenTtlMsMax, Need::kOptional, &ttl_ms); !s)
      return s;
    make.ttl_ms = static_cast<int64_t>(ttl_ms);
    call->command.operation = std::move(make);
    return Done();
  });
}

Result<auth::TokenId> TokenOf(const Request& request) {
  const auto id = ParseInteger(request.resource);
  if (!id || *id == 0)
    return Malformed("the id of a token must be an integer from 1 to 2^53 - 1");
  return auth::TokenId(*id);
}

}  // namespace

Result<Call> ParseRoles(Request& request) {
  return FinishCurrentRead(request, machine::GetRoles{});
}

Result<Call> ParseRole(Request& request) {
  if (request.IsGet())
    return FinishCurrentRead(request, machine::GetRoles{request.resource});
  if (request.http.method == "DELETE")
    return FinishBareChange(request, machine::DropRole{request.resource});
  return ParseRoleChange(request);
}

Result<Call> ParseUsers(Request& request) {
  return FinishCurrentRead(request, machine::GetUsers{});
}

Result<Call> ParseUser(Request& request) {
  if (request.IsGet())
    return FinishCurrentRead(request, machine::GetUsers{request.resource});
  if (request.http.method == "DELETE")
    return FinishBareChange(request, machine::DropUser{request.resource});
  return ParseUserChange(request);
}

Result<Call> ParseTokens(Request& request) {
  return request.IsGet() ? FinishCurrentRead(request, machine::GetTokens{})
                         : ParseTokenMake(request);
}

Result<Call> ParseToken(Request& request) {
  const Result<auth::TokenId> id = TokenOf(request);
  if (!id)
    return id.error();
  if (request.IsGet())
    return FinishCurrentRead(request, machine::GetTokens{*id});
  return FinishBareChange(request, machine::RevokeToken{*id});
}

}  // namespace synod::api
