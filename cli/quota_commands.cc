// quota list | set | remove
#include <array>
#include <boost/json/object.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

constexpr const char* kSettings = "/v1/settings";

struct Limit {
  const char* name;  // in the API
  const char* option;
  const char* help;
  bool in_bytes;  // else a number of nodes
};
constexpr std::array<Limit, 4> kLimits{{
    {"nodes_soft", "--nodes-soft", "warn above so many nodes; 0: no such limit", false},
    {"nodes_hard", "--nodes-hard", "refuse more nodes than this; 0: no such limit", false},
    {"bytes_soft", "--bytes-soft", "warn above so many bytes of paths and values (64K, 10M)", true},
    {"bytes_hard", "--bytes-hard", "refuse more bytes than this", true},
}};

struct Changes {
  std::string path;
  std::array<uint64_t, kLimits.size()> limits{};
  std::array<CLI::Option*, kLimits.size()> options{};
};

bool IsLimited(const json::object& quota, const std::string& limit) {
  return quota.contains(limit) && !quota.at(limit).is_null();
}

std::string LimitText(const json::object& quota, const std::string& limit) {
  return IsLimited(quota, limit) ? Text(quota, limit) : "-";
}

// What is to be said of one of the two that are limited: the worst is told.
std::string StateOf(const json::object& quota) {
  std::string state = "ok";
  for (const std::string kind : {"nodes", "bytes"}) {
    const int64_t used = Number(quota, kind + "_used");
    if (IsLimited(quota, kind + "_hard") && used >= Number(quota, kind + "_hard"))
      return "full";
    if (IsLimited(quota, kind + "_soft") && used > Number(quota, kind + "_soft"))
      state = "warning";
  }
  return state;
}

int Print(Session& session, const client::Answer& answer) {
  const json::object quotas = Json(answer).as_object().at("quotas").as_object();
  if (session.json()) {
    PrintJson(json::object{{"quotas", quotas}});
    return kOk;
  }
  Table table({"PATH", "NODES", "SOFT", "HARD", "BYTES", "SOFT", "HARD", "STATE"});
  for (const auto& item : quotas) {
    const json::object& quota = item.value().as_object();
    table.Add({Printable(item.key()), Text(quota, "nodes_used"), LimitText(quota, "nodes_soft"),
               LimitText(quota, "nodes_hard"), Text(quota, "bytes_used"),
               LimitText(quota, "bytes_soft"), LimitText(quota, "bytes_hard"), StateOf(quota)});
  }
  table.Print();
  return kOk;
}

int RunList(Session& session) {
  client::Answer answer;
  if (const int code = session.Get(kSettings, &answer); code != kOk)
    return code;
  return Print(session, answer);
}

int Patch(Session& session,
          const std::string& path,
          const json::value& quota,
          client::Answer* answer) {
  const json::object body{{"quotas", json::object{{path, quota}}}};
  return session.Change("PATCH", kSettings, body, answer);
}

int RunSet(Session& session, const Changes& changes) {
  json::object quota;
  for (size_t i = 0; i < kLimits.size(); ++i)
    if (changes.options[i]->count() > 0)
      quota[kLimits[i].name] = changes.limits[i];
  if (quota.empty()) {
    std::fprintf(stderr, "synod: name at least one limit\n");
    return kUsage;
  }
  client::Answer answer;
  const int code = Patch(session, changes.path, quota, &answer);
  return code == kOk ? Print(session, answer) : code;
}

// Whoever misspells the path hears of it, since the API takes away what is not there, too.
int RunRemove(Session& session, const std::string& path) {
  client::Answer answer;
  if (const int code = session.Get(kSettings, &answer); code != kOk)
    return code;
  if (!Json(answer).as_object().at("quotas").as_object().contains(path)) {
    std::fprintf(stderr, "synod: %s has no quota\n", Printable(path).c_str());
    return kNotFound;
  }
  return Patch(session, path, nullptr, &answer);
}

}  // namespace

void AddQuotaCommands(CLI::App* app, Run* run) {
  CLI::App* quota = app->add_subcommand("quota", "how far subtrees may grow");
  quota->require_subcommand(1);
  quota->add_subcommand("list", "each with what it allows and what is used")->callback([=] {
    *run = RunList;
  });

  CLI::App* set = quota->add_subcommand("set", "limit a subtree; limits that are not named stay");
  const auto changes = std::make_shared<Changes>();
  AddPath(set, &changes->path, "its root, which need not exist")->required();
  for (size_t i = 0; i < kLimits.size(); ++i) {
    changes->options[i] = set->add_option(kLimits[i].option, changes->limits[i], kLimits[i].help);
    if (kLimits[i].in_bytes)
      changes->options[i]->transform(CLI::AsSizeValue(false));
  }
  set->callback([=] { *run = [=](Session& session) { return RunSet(session, *changes); }; });

  CLI::App* remove = quota->add_subcommand("remove", "let a subtree grow again");
  const auto path = std::make_shared<std::string>();
  AddPath(remove, path.get(), "its root")->required();
  remove->callback([=] { *run = [=](Session& session) { return RunRemove(session, *path); }; });
}

}  // namespace synod::cli
