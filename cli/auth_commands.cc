// auth role | user | token | enable | disable
#include <algorithm>
#include <boost/json/array.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "src/base/path.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct AuthOptions {
  std::string name;
  std::vector<std::string> allow;  // "read,write:/app"
  std::vector<std::string> roles;
  std::string token_name;
  std::string ttl;
};

std::string TargetOf(const std::string& kind, const std::string& name) {
  return "/v1/auth/" + kind + "/" + client::EncodePath(name);
}

std::string Joined(const json::value& list) {
  std::string all;
  for (const json::value& item : list.as_array())
    all += (all.empty() ? "" : ",") + std::string(item.as_string());
  return all;
}

std::string Permissions(const json::object& role) {
  std::string all;
  for (const json::value& item : role.at("permissions").as_array()) {
    const json::object& permission = item.as_object();
    all += (all.empty() ? "" : " ") + Joined(permission.at("verbs")) + ":" +
           Text(permission, "prefix");
  }
  return all.empty() ? "-" : all;
}

std::string Expiry(const json::object& token) {
  const std::string at = Text(token, "expires_at");
  return at.empty() || at == "null" ? "never" : at;
}

Table TableOf(const std::string& kind) {
  if (kind == "roles")
    return Table({"ROLE", "PERMISSIONS"});
  if (kind == "users")
    return Table({"USER", "ROLES"});
  return Table({"ID", "USER", "EXPIRES", "NAME"});
}

void AddRow(const std::string& kind, const json::object& item, Table* table) {
  if (kind == "roles")
    table->Add({Printable(Text(item, "name")), Permissions(item)});
  else if (kind == "users")
    table->Add({Printable(Text(item, "name")), Joined(item.at("roles"))});
  else
    table->Add({Text(item, "id"), Printable(Text(item, "user")), Expiry(item),
                Printable(Text(item, "name"))});
}

int PrintOne(Session& session, const std::string& kind, const client::Answer& answer) {
  const json::value one = Json(answer);
  if (session.json()) {
    PrintJson(one);
    return kOk;
  }
  Table table = TableOf(kind);
  AddRow(kind, one.as_object(), &table);
  table.Print();
  return kOk;
}

int List(Session& session, const std::string& kind) {
  client::Answer answer;
  if (const int code = session.Get("/v1/auth/" + kind, &answer); code != kOk)
    return code;
  const json::value all = Json(answer);
  if (session.json()) {
    PrintJson(all);
    return kOk;
  }
  Table table = TableOf(kind);
  for (const json::value& item : all.as_object().at(kind).as_array())
    AddRow(kind, item.as_object(), &table);
  table.Print();
  return kOk;
}

int Remove(Session& session, const std::string& kind, const std::string& name) {
  client::Answer answer;
  return session.Change("DELETE", TargetOf(kind, name), nullptr, &answer);
}

// "read,write:/app" as a permission; false: it is not of that form.
bool ReadAllowed(const std::string& text, json::array* permissions) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || !ValidatePath(text.substr(colon + 1)))
    return false;
  json::array verbs;
  for (size_t at = 0; at <= colon;) {
    const size_t end = std::min(text.find(',', at), colon);
    verbs.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  permissions->emplace_back(json::object{{"prefix", text.substr(colon + 1)}, {"verbs", verbs}});
  return true;
}

int SetRole(Session& session, const AuthOptions& o) {
  json::array permissions;
  for (const std::string& text : o.allow) {
    if (!ReadAllowed(text, &permissions)) {
      std::fprintf(stderr, "synod: '%s' is not VERB[,VERB...]:/PREFIX\n", Printable(text).c_str());
      return kUsage;
    }
  }
  const json::object body{{"permissions", permissions}};
  client::Answer answer;
  const int code = session.Change("PUT", TargetOf("roles", o.name), body, &answer);
  return code == kOk ? PrintOne(session, "roles", answer) : code;
}

int SetUser(Session& session, const AuthOptions& o) {
  json::array roles;
  for (const std::string& role : o.roles) roles.emplace_back(role);
  const json::object body{{"roles", roles}};
  client::Answer answer;
  const int code = session.Change("PUT", TargetOf("users", o.name), body, &answer);
  return code == kOk ? PrintOne(session, "users", answer) : code;
}

// The token alone on stdout, for a file or a variable; the rest on stderr.
int MakeToken(Session& session, const AuthOptions& o) {
  json::object body{{"user", o.name}};
  if (!o.token_name.empty())
    body["name"] = o.token_name;
  if (!o.ttl.empty()) {
    const int64_t ttl_ms = ParseDurationMs(o.ttl);
    if (ttl_ms <= 0) {
      std::fprintf(stderr, "synod: '%s' is no duration: 10m, 24h\n", Printable(o.ttl).c_str());
      return kUsage;
    }
    body["ttl_ms"] = ttl_ms;
  }
  client::Answer answer;
  if (const int code = session.Post("/v1/auth/tokens", body, &answer); code != kOk)
    return code;
  const json::object made = Json(answer).as_object();
  if (!made.contains("token")) {
    std::fprintf(stderr,
                 "synod: token %s was made, but its answer was lost and nobody keeps it: revoke it "
                 "and make another\n",
                 Text(made, "id").c_str());
    return kError;
  }
  if (session.json()) {
    PrintJson(made);
    return kOk;
  }
  std::fprintf(stderr, "token %s of %s, expires: %s; it is shown this once\n",
               Text(made, "id").c_str(), Printable(Text(made, "user")).c_str(),
               Expiry(made).c_str());
  std::printf("%s\n", Text(made, "token").c_str());
  return kOk;
}

int Switch(Session& session, bool on) {
  const json::object body{{"auth.enabled", on}};
  client::Answer answer;
  return session.Change("PATCH", "/v1/settings", body, &answer);
}

using Shared = std::shared_ptr<AuthOptions>;

// list, and rm of one.
void AddCommon(CLI::App* app, const std::string& kind, const Shared& o, Run* run) {
  app->require_subcommand(1);
  app->add_subcommand("list", "all " + kind)->callback([=] {
    *run = [=](Session& session) { return List(session, kind); };
  });
  CLI::App* rm = app->add_subcommand("rm", "remove one");
  rm->add_option("name", o->name, kind == "tokens" ? "its id" : "its name")->required();
  rm->callback([=] { *run = [=](Session& s) { return Remove(s, kind, o->name); }; });
}

}  // namespace

void AddAuthCommands(CLI::App* app, Run* run) {
  const auto o = std::make_shared<AuthOptions>();
  CLI::App* auth = app->add_subcommand("auth", "users, roles and tokens");
  auth->require_subcommand(1);

  CLI::App* role = auth->add_subcommand("role", "what may be done where");
  AddCommon(role, "roles", o, run);
  CLI::App* set_role = role->add_subcommand("set", "make a role, or change it");
  set_role->add_option("name", o->name, "its name")->required();
  set_role->add_option("--allow", o->allow,
                       "VERB[,VERB...]:/PREFIX, several times; verbs: read, write, lock, admin");
  set_role->callback([=] { *run = [=](Session& s) { return SetRole(s, *o); }; });

  CLI::App* user = auth->add_subcommand("user", "who may");
  AddCommon(user, "users", o, run);
  CLI::App* set_user = user->add_subcommand("set", "make a user, or change his roles");
  set_user->add_option("name", o->name, "the name")->required();
  set_user->add_option("--role", o->roles, "a role; several times");
  set_user->callback([=] { *run = [=](Session& s) { return SetUser(s, *o); }; });

  CLI::App* token = auth->add_subcommand("token", "how users prove who they are");
  AddCommon(token, "tokens", o, run);
  CLI::App* make = token->add_subcommand("make", "make a token; it is printed this once");
  make->add_option("user", o->name, "whose")->required();
  make->add_option("--name", o->token_name, "for people: what it is for");
  make->add_option("--ttl", o->ttl, "until it expires: 10m, 24h; default: never");
  make->callback([=] { *run = [=](Session& s) { return MakeToken(s, *o); }; });

  auth->add_subcommand("enable", "from now on only users get in, by token or certificate")
      ->callback([=] { *run = [](Session& session) { return Switch(session, true); }; });
  auth->add_subcommand("disable", "everybody may do everything")->callback([=] {
    *run = [](Session& session) { return Switch(session, false); };
  });
}

}  // namespace synod::cli
