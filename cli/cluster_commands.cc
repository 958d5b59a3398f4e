// status, members, leader
#include <boost/json/array.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>

#include "cli/commands.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

int RunStatus(Session& session) {
  client::Answer answer;
  if (const int code = session.Get("/v1/status", &answer); code != kOk)
    return code;
  const json::object status = answer.Json().as_object();
  if (session.json()) {
    PrintJson(status);
    return kOk;
  }
  Table table({"FIELD", "VALUE"});
  for (const auto& field : status) {
    if (!field.value().is_object()) {
      table.Add({std::string(field.key()), Text(status, field.key())});
      continue;
    }
    for (const auto& inner : field.value().get_object())
      table.Add({std::string(field.key()) + "." + std::string(inner.key()),
                 Text(field.value().get_object(), inner.key())});
  }
  table.Print();
  return kOk;
}

int RunMembers(Session& session) {
  client::Answer answer;
  if (const int code = session.Get("/v1/cluster", &answer); code != kOk)
    return code;
  const json::object cluster = answer.Json().as_object();
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

int RunMoveLeader(Session& session, uint32_t id) {
  client::Answer answer;
  if (const int code = session.Post("/v1/cluster/leader", json::object{{"id", id}}, &answer);
      code != kOk)
    return code;
  const json::object moved = answer.Json().as_object();
  if (session.json()) {
    PrintJson(moved);
    return kOk;
  }
  const json::object& leader = moved.at("leader").as_object();
  std::printf("member %s (%s) leads\n", Text(leader, "id").c_str(), Text(leader, "name").c_str());
  return kOk;
}

}  // namespace

void AddClusterCommands(CLI::App* app, Run* run) {
  app->add_subcommand("status", "what one node knows of itself and its leader")->callback([=] {
    *run = RunStatus;
  });
  app->add_subcommand("members", "the members of the cluster")->callback([=] {
    *run = RunMembers;
  });

  CLI::App* leader = app->add_subcommand("leader", "who leads the cluster");
  leader->require_subcommand(1);
  CLI::App* move = leader->add_subcommand("move", "hand leadership over to a member");
  const auto id = std::make_shared<uint32_t>();
  move->add_option("id", *id, "its id, as in 'members'")->required()->check(CLI::Range(1u, ~0u));
  move->callback([=] { *run = [=](Session& session) { return RunMoveLeader(session, *id); }; });
}

}  // namespace synod::cli
