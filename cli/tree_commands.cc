// get, put, cas, create, rm, ls, tree, stat, txn
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "src/base/path.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

struct TreeOptions {
  std::string path = "/";
  std::string value;
  std::string file;
  std::string etag;
  std::string lease;
  std::vector<std::string> fences;
  std::string scope = "children";
  std::string at;
  bool sequential_read = false;
  bool sequential_name = false;
  bool prev = false;
  bool recursive = false;
  bool absent = false;
  bool long_form = false;
};

std::string NodeTarget(const std::string& path) { return "/v1/kv" + client::EncodePath(path); }

void AddParameter(const std::string& name, const std::string& value, std::string* target) {
  *target += (target->find('?') == std::string::npos ? '?' : '&') + name + "=" +
             client::EncodeQuery(value);
}

// The value: an argument, a file, or standard input ("-").
int ReadValue(const TreeOptions& o, std::string* value) {
  if (!o.file.empty()) {
    std::ifstream in(o.file, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "synod: cannot read %s\n", o.file.c_str());
      return kUsage;
    }
    value->assign(std::istreambuf_iterator<char>(in), {});
    return kOk;
  }
  if (o.value == "-")
    value->assign(std::istreambuf_iterator<char>(std::cin), {});
  else
    *value = o.value;
  return kOk;
}

void SendFences(const TreeOptions& o, client::Call* call) {
  for (const std::string& fence : o.fences)
    call->headers.emplace_back("Synod-Fence", ReadFence(fence)->Header());
}

int PrintNode(Session& session, const client::Answer& answer) {
  if (session.json()) {
    PrintJson(Json(answer));
    return kOk;
  }
  const json::object node = Json(answer).as_object();
  std::printf("%s  mod_revision=%s version=%s\n", Text(node, "path").c_str(),
              Text(node, "mod_revision").c_str(), Text(node, "version").c_str());
  return kOk;
}

int RunGet(Session& session, const TreeOptions& o) {
  std::string target = NodeTarget(o.path);
  if (!session.json())
    AddParameter("raw", "true", &target);
  if (o.sequential_read)
    AddParameter("consistency", "sequential", &target);
  if (!o.at.empty())
    AddParameter("at_revision", o.at, &target);
  client::Answer answer;
  if (const int code = session.Get(target, &answer); code != kOk)
    return code;
  if (session.json()) {
    PrintJson(Json(answer));
    return kOk;
  }
  // The bytes as they are; a newline only for people.
  std::fwrite(answer.reply.body.data(), 1, answer.reply.body.size(), stdout);
  if (isatty(STDOUT_FILENO) != 0)
    std::printf("\n");
  return kOk;
}

int RunPut(Session& session, const TreeOptions& o) {
  client::Call call;
  call.method = "PUT";
  call.target = NodeTarget(o.path);
  if (!o.lease.empty())
    AddParameter("lease", o.lease, &call.target);
  if (o.prev)
    AddParameter("prev", "true", &call.target);
  if (!o.etag.empty())
    call.headers.emplace_back("If-Match", o.etag == "*" ? o.etag : "\"" + o.etag + "\"");
  if (o.absent)
    call.headers.emplace_back("If-None-Match", "*");
  SendFences(o, &call);
  if (const int code = ReadValue(o, &call.body); code != kOk)
    return code;
  client::Answer answer;
  const int code = session.Send(std::move(call), &answer);
  return code == kOk ? PrintNode(session, answer) : code;
}

int RunCreate(Session& session, const TreeOptions& o) {
  if (!o.sequential_name) {
    TreeOptions absent = o;
    absent.absent = true;
    return RunPut(session, absent);
  }
  client::Call call;
  call.method = "POST";
  call.target = NodeTarget(o.path);
  if (!o.lease.empty())
    AddParameter("lease", o.lease, &call.target);
  SendFences(o, &call);
  if (const int code = ReadValue(o, &call.body); code != kOk)
    return code;
  client::Answer answer;
  const int code = session.Send(std::move(call), &answer);
  return code == kOk ? PrintNode(session, answer) : code;
}

// A recursive delete that is too large for one revision goes child by child, deepest part last.
int RemovePiecewise(Session& session, const std::string& path, int64_t* deleted) {
  client::Call call;
  call.method = "DELETE";
  call.target = NodeTarget(path) + "?recursive=true";
  call.timeout = session.timeout();
  Result<client::Answer> answer = session.client().Send(call);
  if (!answer)
    return session.Explain(answer.error());
  if (answer->ok()) {
    *deleted += Number(Json(*answer).as_object(), "deleted");
    return kOk;
  }
  if (answer->reply.status != 413)
    return answer->reply.status == 404 ? static_cast<int>(kOk) : session.Explain(*answer);
  std::vector<std::string> children;
  const int listed = ForEachNode(session, path, "children", true, [&](const json::object& node) {
    children.emplace_back(node.at("path").as_string());
    return static_cast<int>(kOk);
  });
  if (listed != kOk)
    return listed;
  for (const std::string& child : children)
    if (const int code = RemovePiecewise(session, child, deleted); code != kOk)
      return code;
  return RemovePiecewise(session, path, deleted);
}

int RunRemove(Session& session, const TreeOptions& o) {
  int64_t deleted = 0;
  if (o.recursive && o.etag.empty() && o.fences.empty()) {
    // A first look, so that removing what is not there is an error here, too.
    client::Answer found;
    if (const int code = session.Get(NodeTarget(o.path), &found); code != kOk)
      return code;
    if (const int code = RemovePiecewise(session, o.path, &deleted); code != kOk)
      return code;
  } else {
    client::Call call;
    call.method = "DELETE";
    call.target = NodeTarget(o.path) + (o.recursive ? "?recursive=true" : "");
    if (!o.etag.empty())
      call.headers.emplace_back("If-Match", "\"" + o.etag + "\"");
    SendFences(o, &call);
    client::Answer answer;
    if (const int code = session.Send(std::move(call), &answer); code != kOk)
      return code;
    deleted = Number(Json(answer).as_object(), "deleted");
  }
  if (session.json())
    PrintJson(json::object{{"deleted", deleted}});
  else
    std::printf("deleted %lld\n", static_cast<long long>(deleted));
  return kOk;
}

int RunList(Session& session, const TreeOptions& o) {
  json::array all;
  Table table({"PATH", "BYTES", "VERSION", "MOD_REVISION", "CHILDREN", "LEASE"});
  const bool values = o.long_form || session.json();
  const int code = ForEachNode(session, o.path, o.scope, !values, [&](const json::object& node) {
    if (session.json()) {
      all.push_back(node);
    } else if (o.long_form) {
      std::string value;
      ValueOf(node, &value);
      table.Add({Text(node, "path"), std::to_string(value.size()), Text(node, "version"),
                 Text(node, "mod_revision"), Text(node, "num_children"), Text(node, "lease")});
    } else {
      std::printf("%s\n", Text(node, "path").c_str());
    }
    return static_cast<int>(kOk);
  });
  if (code != kOk)
    return code;
  if (session.json())
    PrintJson(all);
  else if (o.long_form)
    table.Print();
  return kOk;
}

int RunTree(Session& session, const TreeOptions& o) {
  std::printf("%s\n", Printable(o.path).c_str());
  return ForEachNode(session, o.path, "subtree", true, [&](const json::object& node) {
    const std::string path(node.at("path").as_string());
    const std::string below = RelativePath(o.path, path).value_or(path);
    const auto depth = static_cast<size_t>(std::count(below.begin(), below.end(), '/'));
    std::printf("%s%s\n", std::string(2 * (depth + 1), ' ').c_str(),
                Printable(below.substr(below.rfind('/') + 1)).c_str());
    return static_cast<int>(kOk);
  });
}

int RunStat(Session& session, const TreeOptions& o) {
  client::Answer answer;
  if (const int code = session.Get(NodeTarget(o.path), &answer); code != kOk)
    return code;
  json::object node = Json(answer).as_object();
  std::string value;
  ValueOf(node, &value);
  node.erase("value");
  node.erase("value_base64");
  node["bytes"] = value.size();
  if (session.json()) {
    PrintJson(node);
    return kOk;
  }
  Table table({"FIELD", "VALUE"});
  for (const auto& field : node) table.Add({std::string(field.key()), Text(node, field.key())});
  table.Print();
  return kOk;
}

int RunTxn(Session& session, const TreeOptions& o) {
  client::Call call;
  call.method = "POST";
  call.target = "/v1/txn";
  call.headers = {{"Content-Type", "application/json"}};
  // As it is: a parser between would let pass what the node refuses, as a second "if".
  if (const int code = ReadValue(o, &call.body); code != kOk)
    return code;
  client::Answer answer;
  const int code = session.Send(std::move(call), &answer);
  if (code == kOk)
    PrintJson(Json(answer));
  return code;
}

using Options = std::shared_ptr<TreeOptions>;

CLI::App* AddCommand(CLI::App* app,
                     Run* run,
                     const Options& o,
                     const char* name,
                     const char* help,
                     const char* example,
                     int (*body)(Session&, const TreeOptions&)) {
  CLI::App* command = app->add_subcommand(name, help);
  command->footer(std::string("Example:\n  ") + example);
  command->callback([=] { *run = [=](Session& session) { return body(session, *o); }; });
  return command;
}

void AddValue(CLI::App* command, const Options& o) {
  CLI::Option* value =
      command->add_option("value", o->value, "the value; '-' reads standard input");
  command->add_option("-f,--file", o->file, "read the value from this file instead")
      ->excludes(value);
}

void AddWriteOptions(CLI::App* command, const Options& o) {
  command->add_option("--lease", o->lease, "tie the node to this lease; 0 detaches it");
  AddFences(command, &o->fences);
}

}  // namespace

int ForEachNode(Session& session,
                const std::string& path,
                const std::string& scope,
                bool keys_only,
                const std::function<int(const json::object&)>& each) {
  std::string after;
  std::string revision;
  while (true) {
    std::string target = NodeTarget(path) + "?list=" + scope;
    if (keys_only)
      AddParameter("keys_only", "true", &target);
    if (!after.empty())
      AddParameter("after", after, &target);
    if (!revision.empty())
      AddParameter("at_revision", revision, &target);
    client::Answer answer;
    if (const int code = session.Get(target, &answer); code != kOk)
      return code;
    const json::object page = Json(answer).as_object();
    for (const json::value& node : page.at("nodes").as_array())
      if (const int code = each(node.as_object()); code != kOk)
        return code;
    if (!page.at("more").as_bool())
      return kOk;
    after = std::string(page.at("next").as_string());
    revision = std::to_string(Number(page, "revision"));
  }
}

std::optional<std::string> RelativePath(const std::string& root, const std::string& path) {
  if (!ValidatePath(path) || !IsWithin(path, root) || path == root)
    return std::nullopt;
  return path.substr(root == "/" ? 1 : root.size() + 1);
}

void AddTreeCommands(CLI::App* app, Run* run) {
  const auto o = std::make_shared<TreeOptions>();
  CLI::App* c =
      AddCommand(app, run, o, "get", "print a node's value", "synod get /app/config", RunGet);
  AddPath(c, &o->path, "the node")->required();
  c->add_option("--at-revision", o->at, "as it was at this revision");
  c->add_flag("--sequential", o->sequential_read, "from the asked node's own replica, maybe stale");

  c = AddCommand(app, run, o, "put", "write a node's value", "synod put /app/config -f config.yaml",
                 RunPut);
  AddPath(c, &o->path, "the node")->required();
  AddValue(c, o);
  AddWriteOptions(c, o);
  c->add_flag("--prev", o->prev, "with -o json: also print what was there");

  c = AddCommand(app, run, o, "cas", "write a node's value if nobody has written since",
                 "synod cas /app/leader 17 bob", RunPut);
  AddPath(c, &o->path, "the node")->required();
  c->add_option("revision", o->etag, "the mod_revision it must have; '*': it must exist")
      ->required();
  AddValue(c, o);
  AddWriteOptions(c, o);

  c = AddCommand(app, run, o, "create", "create a node that must not exist",
                 "synod create --sequential /queue/job- payload", RunCreate);
  AddPath(c, &o->path, "the node, or with --sequential the beginning of its name")->required();
  c->add_flag("--sequential", o->sequential_name, "append a number that only grows");
  AddValue(c, o);
  AddWriteOptions(c, o);

  c = AddCommand(app, run, o, "rm", "delete a node", "synod rm -r /app/old", RunRemove);
  AddPath(c, &o->path, "the node")->required();
  c->add_flag("-r,--recursive", o->recursive, "with everything below it");
  c->add_option("--if-revision", o->etag, "only if this is its mod_revision");
  AddFences(c, &o->fences);

  c = AddCommand(app, run, o, "ls", "list a node's children", "synod ls -l /app", RunList);
  AddPath(c, &o->path, "the node; default /");
  c->add_flag("-l,--long", o->long_form, "with sizes, versions, revisions and leases");
  c->add_flag_callback(
      "-r,--recursive", [o] { o->scope = "subtree"; }, "everything below");

  c = AddCommand(app, run, o, "tree", "draw everything below a node", "synod tree /app", RunTree);
  AddPath(c, &o->path, "the node; default /");

  c = AddCommand(app, run, o, "stat", "print a node's metadata", "synod stat /app/config", RunStat);
  AddPath(c, &o->path, "the node")->required();

  c = AddCommand(app, run, o, "txn", "run a transaction given as JSON",
                 "echo '{\"then\":[{\"put\":{\"path\":\"/a\",\"value\":\"1\"}}]}' | synod txn -",
                 RunTxn);
  AddValue(c, o);
}

}  // namespace synod::cli
