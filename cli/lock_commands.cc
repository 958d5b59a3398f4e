// lock acquire | release | get | list | run, elect campaign | proclaim | resign | get | run
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/hold.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct LockOptions {
  bool election = false;
  std::string path;
  std::string ttl = "10s";
  std::string wait = "0";
  uint64_t lease = 0;  // 0: one of its own
  std::string value;
  uint64_t token = 0;
  bool shared = false;
  std::vector<std::string> command;
};

std::string Base(const LockOptions& o) {
  return (o.election ? "/v1/elections" : "/v1/locks") + client::EncodePath(o.path);
}

int BadDuration(const std::string& text) {
  std::fprintf(stderr, "synod: '%s' is no duration: 10s, 500ms, 2m, 1h\n", text.c_str());
  return kUsage;
}

int Print(Session& session, const json::object& hold) {
  if (session.json()) {
    PrintJson(hold);
    return kOk;
  }
  Table table({"FIELD", "VALUE"});
  for (const auto& field : hold) table.Add({std::string(field.key()), Text(hold, field.key())});
  table.Print();
  return kOk;
}

int RunAcquire(Session& session, const LockOptions& o) {
  const int64_t ttl = ParseDurationMs(o.ttl);
  const int64_t wait = ParseDurationMs(o.wait);
  if (ttl < 0 || wait < 0)
    return BadDuration(ttl < 0 ? o.ttl : o.wait);
  json::object body{{"wait_ms", wait}};
  if (o.lease == 0)
    body["ttl_ms"] = ttl;
  else
    body["lease"] = o.lease;
  if (!o.value.empty())
    body["value"] = o.value;
  if (o.shared)
    body["mode"] = "shared";
  client::Call call;
  call.method = "POST";
  call.target = Base(o) + (o.election ? "/campaign" : "/acquire");
  call.headers = {{"Content-Type", "application/json"}};
  call.body = json::serialize(body);
  client::Answer answer;
  const int code = session.Send(std::move(call), &answer, std::chrono::milliseconds(wait));
  return code == kOk ? Print(session, Json(answer).as_object()) : code;
}

int RunRelease(Session& session, const LockOptions& o) {
  client::Answer answer;
  return session.Post(Base(o) + (o.election ? "/resign" : "/release"),
                      json::object{{"token", o.token}}, &answer);
}

int RunProclaim(Session& session, const LockOptions& o) {
  client::Answer answer;
  return session.Post(Base(o) + "/proclaim", json::object{{"token", o.token}, {"value", o.value}},
                      &answer);
}

int RunGet(Session& session, const LockOptions& o) {
  client::Answer answer;
  if (const int code = session.Get(Base(o), &answer); code != kOk)
    return code;
  const json::object lock = Json(answer).as_object();
  if (session.json()) {
    PrintJson(lock);
    return kOk;
  }
  const auto value_of = [](const json::object& contender) {
    std::string value;
    ValueOf(contender, &value);
    return Printable(value);
  };
  if (o.election) {
    Table table({"ROLE", "TOKEN", "LEASE", "VALUE", "SINCE_REVISION", "WAITING_MS"});
    const auto add = [&](const char* role, const json::object& c) {
      table.Add({role, Text(c, "token"), Text(c, "lease"), value_of(c), Text(c, "since_revision"),
                 Text(c, "waiting_ms")});
    };
    if (const json::value& leader = lock.at("leader"); leader.is_object())
      add("leader", leader.as_object());
    for (const json::value& c : lock.at("candidates").as_array()) add("candidate", c.as_object());
    table.Print();
    return kOk;
  }
  Table table({"ROLE", "TOKEN", "LEASE", "VALUE", "SINCE_MS"});
  const auto add = [&](const char* role, const json::object& c, const char* since) {
    table.Add({role, Text(c, "token"), Text(c, "lease"), value_of(c), Text(c, since)});
  };
  for (const json::value& c : lock.at("holders").as_array())
    add("holder", c.as_object(), "held_ms");
  for (const json::value& c : lock.at("waiters").as_array())
    add("waiter", c.as_object(), "waiting_ms");
  table.Print();
  return kOk;
}

int RunList(Session& session, const LockOptions& o) {
  json::array all;
  std::string after;
  while (true) {
    client::Answer answer;
    const std::string target =
        "/v1/locks?prefix=" + client::EncodeQuery(o.path.empty() ? "/" : o.path) +
        (after.empty() ? "" : "&after=" + client::EncodeQuery(after));
    if (const int code = session.Get(target, &answer); code != kOk)
      return code;
    const json::object page = Json(answer).as_object();
    for (const json::value& lock : page.at("locks").as_array()) all.push_back(lock);
    if (!page.at("more").as_bool())
      break;
    after = Text(page, "next");
  }
  if (session.json()) {
    PrintJson(all);
    return kOk;
  }
  Table table({"LOCK", "HOLDERS", "WAITERS"});
  for (const json::value& item : all) {
    const json::object& lock = item.as_object();
    const auto count = [&](const char* name) {
      const json::value* list = lock.if_contains(name);
      return list != nullptr && list->is_array() ? std::to_string(list->get_array().size()) : "";
    };
    table.Add({Text(lock, "lock"), count("holders"), count("waiters")});
  }
  table.Print();
  return kOk;
}

int RunCommand(Session& session, const LockOptions& o) {
  HoldRequest request;
  request.election = o.election;
  request.path = o.path;
  request.ttl_ms = ParseDurationMs(o.ttl);
  request.wait_ms = ParseDurationMs(o.wait);
  if (request.ttl_ms < 0 || request.wait_ms < 0)
    return BadDuration(request.ttl_ms < 0 ? o.ttl : o.wait);
  request.value = o.value;
  request.command = o.command;
  return RunWhileHeld(session, request);
}

using Options = std::shared_ptr<LockOptions>;

CLI::App* Add(CLI::App* group,
              Run* run,
              const Options& o,
              const char* name,
              const char* help,
              int (*body)(Session&, const LockOptions&)) {
  CLI::App* c = group->add_subcommand(name, help);
  c->callback([=] { *run = [=](Session& session) { return body(session, *o); }; });
  return c;
}

void AddLockPath(CLI::App* c, const Options& o) {
  AddPath(c, &o->path, "the lock's path, like /jobs/backup")->required();
}

void AddAcquire(CLI::App* group, Run* run, const Options& o, const char* name, const char* help) {
  CLI::App* c = Add(group, run, o, name, help, RunAcquire);
  AddLockPath(c, o);
  c->add_option("--ttl", o->ttl, "the hold ends so long after the last renewal; default 10s");
  AddNumber(c, "--lease", &o->lease, "hold it on this lease instead");
  c->add_option("--wait", o->wait, "how long to wait for it; default 0");
  c->add_option("--value", o->value, "who holds it, for others to see");
  if (!o->election)
    c->add_flag("--shared", o->shared, "together with other shared holders");
}

void AddRun(CLI::App* group, Run* run, const Options& o, const char* help, const char* example) {
  CLI::App* c = Add(group, run, o, "run", help, RunCommand);
  AddLockPath(c, o);
  c->add_option("--ttl", o->ttl,
                "how long after the last renewal others may take over; default 10s");
  c->add_option("--wait", o->wait, "how long to wait for it; default 0");
  c->add_option("--value", o->value, "who holds it, for others to see");
  c->add_option("command", o->command, "the command and its arguments, after --")->required();
  c->footer(
      std::string("The command finds SYNOD_TOKEN, SYNOD_LEASE, SYNOD_PATH and SYNOD_FENCE in its "
                  "environment.\nIf the hold is lost it gets SIGTERM, then SIGKILL, before "
                  "somebody else can hold it; exit code 9.\nExample:\n  ") +
      example);
}

}  // namespace

void AddLockCommands(CLI::App* app, Run* run) {
  const auto lock_options = std::make_shared<LockOptions>();
  CLI::App* lock = app->add_subcommand("lock", "locks with fencing tokens");
  lock->require_subcommand(1);
  AddAcquire(lock, run, lock_options, "acquire", "take a lock and print its token");
  CLI::App* c = Add(lock, run, lock_options, "release", "give a lock back", RunRelease);
  AddLockPath(c, lock_options);
  AddNumber(c, "token", &lock_options->token, "the token of the hold")->required();
  AddLockPath(Add(lock, run, lock_options, "get", "who holds it and who waits", RunGet),
              lock_options);
  AddPath(Add(lock, run, lock_options, "list", "the locks below a path", RunList),
          &lock_options->path, "default /");
  AddRun(lock, run, lock_options, "run a command only while holding a lock",
         "synod lock run /jobs/backup --wait 1m -- ./backup.sh");

  const auto elect_options = std::make_shared<LockOptions>();
  elect_options->election = true;
  CLI::App* elect = app->add_subcommand("elect", "elections");
  elect->require_subcommand(1);
  AddAcquire(elect, run, elect_options, "campaign", "stand for election; returns when elected");
  c = Add(elect, run, elect_options, "resign", "give leadership up", RunRelease);
  AddLockPath(c, elect_options);
  AddNumber(c, "token", &elect_options->token, "the leader's token")->required();
  c = Add(elect, run, elect_options, "proclaim", "announce a new value as the leader", RunProclaim);
  AddLockPath(c, elect_options);
  AddNumber(c, "token", &elect_options->token, "the leader's token")->required();
  c->add_option("value", elect_options->value, "what others see")->required();
  AddLockPath(Add(elect, run, elect_options, "get", "who leads and who stands", RunGet),
              elect_options);
  AddRun(elect, run, elect_options, "run a command only while leading",
         "synod elect run /services/scheduler --value $(hostname) --wait 24h -- ./scheduler");
}

}  // namespace synod::cli
