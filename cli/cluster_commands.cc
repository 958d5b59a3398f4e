// status, leader
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
  const json::object status = Json(answer).as_object();
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

int RunMoveLeader(Session& session, uint32_t id) {
  client::Answer answer;
  if (const int code = session.Post("/v1/cluster/leader", json::object{{"id", id}}, &answer);
      code != kOk)
    return code;
  const json::object moved = Json(answer).as_object();
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

  CLI::App* leader = app->add_subcommand("leader", "who leads the cluster");
  leader->require_subcommand(1);
  CLI::App* move = leader->add_subcommand("move", "hand leadership over to a member");
  const auto id = std::make_shared<uint32_t>();
  move->add_option("id", *id, "its id, as in 'member list'")
      ->required()
      ->check(CLI::Range(1u, ~0u));
  move->callback([=] { *run = [=](Session& session) { return RunMoveLeader(session, *id); }; });
}

}  // namespace synod::cli
