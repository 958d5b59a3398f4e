// lease grant | list | get | keepalive | revoke
#include <boost/json/array.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct LeaseOptions {
  std::string ttl = "10s";
  std::string name;
  std::vector<std::string> ids;
};

int PrintLeases(Session& session, const json::array& leases) {
  if (session.json()) {
    PrintJson(leases);
    return kOk;
  }
  Table table({"LEASE", "TTL_MS", "REMAINING_MS", "NAME"});
  for (const json::value& item : leases) {
    const json::object& lease = item.as_object();
    table.Add({Text(lease, "id"), Text(lease, "ttl_ms"), Text(lease, "remaining_ms"),
               Text(lease, "name")});
  }
  table.Print();
  return kOk;
}

int RunGrant(Session& session, const LeaseOptions& o) {
  const int64_t ttl = ParseDurationMs(o.ttl);
  if (ttl < 0) {
    std::fprintf(stderr, "synod: '%s' is no duration: 10s, 500ms, 2m, 1h\n", o.ttl.c_str());
    return kUsage;
  }
  json::object body{{"ttl_ms", ttl}};
  if (!o.name.empty())
    body["name"] = o.name;
  client::Answer answer;
  const int code = session.Post("/v1/leases", body, &answer);
  return code == kOk ? PrintLeases(session, {Json(answer)}) : code;
}

int RunList(Session& session, const LeaseOptions&) {
  json::array all;
  std::string target = "/v1/leases";
  while (true) {
    client::Answer answer;
    if (const int code = session.Get(target, &answer); code != kOk)
      return code;
    const json::object page = Json(answer).as_object();
    for (const json::value& lease : page.at("leases").as_array()) all.push_back(lease);
    const json::value* more = page.if_contains("more");
    if (more == nullptr || !more->as_bool())
      return PrintLeases(session, all);
    target = "/v1/leases?after=" + Text(page, "next");
  }
}

int RunGet(Session& session, const LeaseOptions& o) {
  client::Answer answer;
  if (const int code = session.Get("/v1/leases/" + client::EncodePath(o.ids.front()), &answer);
      code != kOk)
    return code;
  const json::value json = Json(answer);
  if (session.json()) {
    PrintJson(json);
    return kOk;
  }
  PrintLeases(session, {json});
  if (const json::value* paths = json.as_object().if_contains("paths"))
    for (const json::value& path : paths->as_array())
      std::printf("  %s\n", Printable(path.as_string()).c_str());
  return kOk;
}

int RunKeepAlive(Session& session, const LeaseOptions& o) {
  json::array leases;
  for (const std::string& id : o.ids) {
    client::Answer answer;
    if (const int code = session.Post("/v1/leases/" + client::EncodePath(id) + "/keepalive",
                                      json::object(), &answer);
        code != kOk)
      return code;
    leases.push_back(Json(answer));
  }
  return PrintLeases(session, leases);
}

int RunRevoke(Session& session, const LeaseOptions& o) {
  for (const std::string& id : o.ids) {
    client::Call call;
    call.method = "DELETE";
    call.target = "/v1/leases/" + client::EncodePath(id);
    client::Answer answer;
    if (const int code = session.Send(std::move(call), &answer); code != kOk)
      return code;
  }
  return kOk;
}

}  // namespace

void AddLeaseCommands(CLI::App* app, Run* run) {
  const auto o = std::make_shared<LeaseOptions>();
  CLI::App* lease = app->add_subcommand("lease", "grant, list, renew and revoke leases");
  lease->require_subcommand(1);
  CLI::App* c = lease->add_subcommand("grant", "a new lease");
  c->add_option("--ttl", o->ttl, "how long it lives without renewal; default 10s");
  c->add_option("--name", o->name, "a name for people");
  c->footer("Example:\n  synod lease grant --ttl 30s --name worker-7");
  c->callback([=] { *run = [=](Session& s) { return RunGrant(s, *o); }; });
  c = lease->add_subcommand("list", "all leases");
  c->callback([=] { *run = [=](Session& s) { return RunList(s, *o); }; });
  c = lease->add_subcommand("get", "one lease and the nodes tied to it");
  c->add_option("id", o->ids, "the lease")->required()->expected(1);
  c->callback([=] { *run = [=](Session& s) { return RunGet(s, *o); }; });
  c = lease->add_subcommand("keepalive", "renew leases once");
  c->add_option("ids", o->ids, "the leases")->required();
  c->callback([=] { *run = [=](Session& s) { return RunKeepAlive(s, *o); }; });
  c = lease->add_subcommand("revoke", "end leases: their nodes, locks and candidacies go");
  c->add_option("ids", o->ids, "the leases")->required();
  c->callback([=] { *run = [=](Session& s) { return RunRevoke(s, *o); }; });
}

}  // namespace synod::cli
