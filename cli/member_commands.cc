// member list | add | promote | replace | update | remove
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

constexpr const char* kMembers = "/v1/cluster/members";

struct MemberOptions {
  std::string name;
  std::string peer_url;
  std::string client_url;
  uint32_t id = 0;
  uint32_t with = 0;
  std::vector<uint32_t> ids;
};

std::string MemberTarget(uint32_t id) { return std::string(kMembers) + "/" + std::to_string(id); }

std::string Ids(const json::object& answer, std::string_view role) {
  std::string ids;
  if (const json::value* list = answer.if_contains(role); list != nullptr && list->is_array())
    for (const json::value& id : list->get_array())
      ids += (ids.empty() ? "" : ",") + json::serialize(id);
  return ids.empty() ? "-" : ids;
}

// What a change answers: the membership from now on.
int PrintMembership(Session& session, const client::Answer& answer) {
  const json::object membership = Json(answer).as_object();
  if (session.json()) {
    PrintJson(membership);
    return kOk;
  }
  if (membership.contains("id"))
    std::printf("member %s\n", Text(membership, "id").c_str());
  Table table({"VERSION", "VOTERS", "LEARNERS"});
  table.Add({Text(membership, "version"), Ids(membership, "voters"), Ids(membership, "learners")});
  table.Print();
  return kOk;
}

int Change(Session& session,
           const std::string& method,
           const std::string& target,
           const json::value& body) {
  client::Answer answer;
  const int code = session.Change(method, target, body, &answer);
  return code == kOk ? PrintMembership(session, answer) : code;
}

json::object Description(const MemberOptions& o) {
  json::object body;
  if (!o.name.empty())
    body["name"] = o.name;
  if (!o.peer_url.empty())
    body["peer_url"] = o.peer_url;
  if (!o.client_url.empty())
    body["client_url"] = o.client_url;
  return body;
}

int RunList(Session& session) {
  client::Answer answer;
  if (const int code = session.Get("/v1/cluster", &answer); code != kOk)
    return code;
  const json::object cluster = Json(answer).as_object();
  if (session.json()) {
    PrintJson(cluster);
    return kOk;
  }
  Table table({"ID", "NAME", "PEER", "CLIENT", "VOTER", "HEALTHY", "LAG"});
  for (const json::value& item : cluster.at("members").as_array()) {
    const json::object& m = item.as_object();
    table.Add({Text(m, "id"), Text(m, "name"), Text(m, "peer_url"), Text(m, "client_url"),
               Text(m, "voter"), Text(m, "healthy"), Text(m, "lag")});
  }
  table.Print();
  return kOk;
}

int RunAdd(Session& session, const MemberOptions& o) {
  const json::object body = Description(o);
  return Change(session, "POST", kMembers, body);
}

int RunPromote(Session& session, const MemberOptions& o) {
  json::array ids;
  for (const uint32_t id : o.ids) ids.emplace_back(id);
  const json::object body{{"ids", std::move(ids)}};
  return Change(session, "POST", std::string(kMembers) + "/promote", body);
}

int RunReplace(Session& session, const MemberOptions& o) {
  const json::object body{{"with", o.with}};
  return Change(session, "POST", MemberTarget(o.id) + "/replace", body);
}

int RunUpdate(Session& session, const MemberOptions& o) {
  const json::object body = Description(o);
  return Change(session, "PATCH", MemberTarget(o.id), body);
}

int RunRemove(Session& session, const MemberOptions& o) {
  return Change(session, "DELETE", MemberTarget(o.id), nullptr);
}

void AddDescription(CLI::App* command, MemberOptions* o, bool required) {
  command->add_option("--name", o->name, "a name for people");
  command->add_option("--peer-url", o->peer_url, "HOST:PORT by which the other nodes reach it")
      ->required(required);
  command->add_option("--client-url", o->client_url, "URL by which clients reach it")
      ->required(required);
}

}  // namespace

void AddMemberCommands(CLI::App* app, Run* run) {
  const auto o = std::make_shared<MemberOptions>();
  const CLI::Range any_id(1U, UINT32_MAX);
  CLI::App* member = app->add_subcommand("member", "list, add, promote, replace, remove members");
  member->require_subcommand(1);
  member->footer(
      "A node started with --join adds itself; 'add' is for entering it before it runs.\n"
      "Example, a dead voter 3 replaced by the new node 4:\n"
      "  synodd --data-dir d4 --client 10.0.0.4:7301 --peer 10.0.0.4:7302 \\\n"
      "         --join http://10.0.0.1:7301     # on the new machine\n"
      "  synod member list                      # until its LAG is small\n"
      "  synod member replace 3 --with 4");
  CLI::App* c = member->add_subcommand("list", "the members as the node that is asked knows them");
  c->footer("Example:\n  synod member list -o json");
  c->callback([=] { *run = [](Session& s) { return RunList(s); }; });
  c = member->add_subcommand("add", "enter a learner, which gets everything and does not vote");
  AddDescription(c, o.get(), true);
  c->footer(
      "Example:\n  synod member add --name four --peer-url 10.0.0.4:7302 \\\n"
      "      --client-url http://10.0.0.4:7301");
  c->callback([=] { *run = [=](Session& s) { return RunAdd(s, *o); }; });
  c = member->add_subcommand("promote", "learners that have caught up become voters, in one step");
  c->add_option("ids", o->ids, "the learners")->required()->check(any_id);
  c->footer("Example, from one voter to three:\n  synod member promote 2 3");
  c->callback([=] { *run = [=](Session& s) { return RunPromote(s, *o); }; });
  c = member->add_subcommand("replace", "a learner takes a voter's place, in one step");
  c->add_option("id", o->id, "the voter that goes")->required()->check(any_id);
  c->add_option("--with", o->with, "the learner that comes")->required()->check(any_id);
  c->footer("Example:\n  synod member replace 3 --with 4");
  c->callback([=] { *run = [=](Session& s) { return RunReplace(s, *o); }; });
  c = member->add_subcommand("update", "change the name or the addresses of a member");
  c->add_option("id", o->id, "the member")->required()->check(any_id);
  AddDescription(c, o.get(), false);
  c->footer("Example:\n  synod member update 3 --peer-url 10.0.0.33:7302");
  c->callback([=] { *run = [=](Session& s) { return RunUpdate(s, *o); }; });
  c = member->add_subcommand("remove", "a member leaves; its number is never used again");
  c->add_option("id", o->id, "the member")->required()->check(any_id);
  c->footer("Example:\n  synod member remove 3");
  c->callback([=] { *run = [=](Session& s) { return RunRemove(s, *o); }; });
}

}  // namespace synod::cli
