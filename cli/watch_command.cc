// watch: changes as they happen, across the death of nodes
#include <cstdio>
#include <future>
#include <memory>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "src/client/watch.h"

namespace synod::cli {
namespace {

struct WatchOptions {
  std::string path;
  client::Scope scope = client::Scope::kNode;
  std::string filter;
  uint64_t from = 0;   // 0: the next change
  uint64_t count = 0;  // 0: no end
  bool prev = false;
};

void Print(Session& session, const client::Change& change) {
  if (session.json()) {
    std::printf("%s\n", std::string(change.text).c_str());
  } else {
    for (const client::Event& event : change.events)
      std::printf("%llu %s %s%s%s\n", static_cast<unsigned long long>(change.revision),
                  event.type == client::Event::Type::kPut ? "put" : "delete",
                  Printable(event.path).c_str(), event.node.value.empty() ? "" : " ",
                  Printable(event.node.value).c_str());
  }
  std::fflush(stdout);
}

// Prints until `count` revisions were printed or the watch cannot go on.
int RunWatch(Session& session, const WatchOptions& o) {
  client::WatchOptions options;
  options.scope = o.scope;
  options.from_revision = o.from;
  options.filter = o.filter;
  options.prev = o.prev;
  // A watch waits for its cluster for ever; a command tells at once that there is none.
  client::Answer answer;
  if (const int code = session.Get("/v1/status", &answer); code != kOk)
    return code;
  std::promise<int> ended;
  uint64_t left = o.count;
  bool over = false;
  const client::Watch watch(
      session.client(), o.path, options,
      [&](const client::Change& change) {
        if (over)
          return;  // more came with the last one
        Print(session, change);
        over = o.count > 0 && --left == 0;
        if (over)
          ended.set_value(kOk);
      },
      [&](const Error& error) {
        if (!over)
          ended.set_value(session.Explain(error));
      });
  return ended.get_future().get();
}

}  // namespace

void AddWatchCommand(CLI::App* app, Run* run) {
  const auto o = std::make_shared<WatchOptions>();
  CLI::App* c = app->add_subcommand("watch", "print changes as they happen");
  AddPath(c, &o->path, "the node; it need not exist")->required();
  c->add_flag_callback(
      "-r,--recursive", [o] { o->scope = client::Scope::kSubtree; }, "and everything below");
  c->add_flag_callback(
      "--children", [o] { o->scope = client::Scope::kChildren; }, "its direct children");
  AddNumber(c, "--from", &o->from, "first revision, from 1; default: the next change");
  c->add_option("--filter", o->filter, "put or delete; default both");
  AddNumber(c, "-n,--count", &o->count, "end after so many revisions");
  c->add_flag("--prev", o->prev, "with -o json: also what was there before");
  c->footer(
      "Resumes by itself, on another node if need be; no change is lost or shown twice.\n"
      "Example:\n  synod watch -r /app");
  c->callback([=] { *run = [=](Session& session) { return RunWatch(session, *o); }; });
}

}  // namespace synod::cli
