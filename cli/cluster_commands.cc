// status, members
#include <boost/json/array.hpp>
#include <cstdio>

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

}  // namespace

void AddClusterCommands(CLI::App* app, Run* run) {
  app->add_subcommand("status", "what one node knows of itself and its leader")->callback([=] {
    *run = RunStatus;
  });
  app->add_subcommand("members", "the members of the cluster")->callback([=] {
    *run = RunMembers;
  });
}

}  // namespace synod::cli
