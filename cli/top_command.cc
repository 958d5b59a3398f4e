// top: the cluster as it is, again and again
#include <array>
#include <chrono>
#include <cstdio>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <thread>

#include "cli/commands.h"
#include "cli/screen.h"
#include "cli/top.h"

namespace synod::cli {
namespace {

namespace json = boost::json;

// A node that is down costs no more than this, and all are asked at once.
constexpr std::chrono::milliseconds kNodeTimeout{800};

struct TopOptions {
  bool once = false;
  std::string interval = "1s";
};

using Reply = std::future<Result<client::Answer>>;

Reply Ask(client::Client& client, const std::string& target, int attempts = 1) {
  client::Call call;
  call.target = target;
  call.timeout = kNodeTimeout;
  call.attempt_timeout = kNodeTimeout / attempts;
  const auto promise = std::make_shared<std::promise<Result<client::Answer>>>();
  client.Send(std::move(call),
              [promise](Result<client::Answer> answer) { promise->set_value(std::move(answer)); });
  return promise->get_future();
}

// The answer's body, or in `*why` what is there instead of it.
std::optional<std::string> BodyOf(Reply reply, std::string* why) {
  Result<client::Answer> answer = reply.get();
  if (answer && answer->ok())
    return std::move(answer->reply.body);
  *why = answer ? answer->ProblemCode() + ": " + answer->ProblemDetail() : answer.error().detail;
  return std::nullopt;
}

// The nodes of a cluster, each asked by itself.
class Nodes {
 public:
  explicit Nodes(Session& session) : session_(session) {}

  ClusterSample Sample() {
    std::string ignored;
    if (const auto body = BodyOf(Ask(session_.client(), "/v1/cluster", 2), &ignored))
      TakeMembers(client::JsonObject(*body));
    else if (members_.empty())
      TakeEndpoints();
    struct Asked {
      Reply status;
      Reply metrics;
    };
    ClusterSample sample;
    sample.nodes = members_;
    std::vector<Asked> asked(members_.size());
    for (size_t i = 0; i < asked.size(); ++i)
      if (client::Client* client = ClientOf(&sample.nodes[i]))
        asked[i] = {Ask(*client, "/v1/status"), Ask(*client, "/metrics")};
    for (size_t i = 0; i < asked.size(); ++i) {
      NodeSample& node = sample.nodes[i];
      if (!asked[i].status.valid())
        continue;
      if (const auto status = BodyOf(std::move(asked[i].status), &node.error))
        node.status = client::JsonObject(*status);
      if (const auto metrics = BodyOf(std::move(asked[i].metrics), &node.metrics_error))
        node.metrics = MetricsText(*metrics);
      if (node.id == 0)
        Name(&node);
    }
    sample.at_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    return sample;
  }

 private:
  void TakeMembers(const json::object& cluster) {
    const json::value* members = cluster.if_contains("members");
    if (members == nullptr || !members->is_array())
      return;
    members_.clear();
    for (const json::value& item : members->get_array()) {
      const json::object& m = item.as_object();
      NodeSample& node = members_.emplace_back();
      node.id = Number(m, "id");
      node.name = client::TextOf(m, "name");
      node.url = client::TextOf(m, "client_url");
      node.voter = Text(m, "voter") != "false";
    }
  }

  // Nobody tells who belongs to the cluster: those that were named are there, or not.
  void TakeEndpoints() {
    for (const client::Endpoint& endpoint : session_.endpoints()) {
      NodeSample& node = members_.emplace_back();
      node.url = node.name = endpoint.ToString();
    }
  }

  static void Name(NodeSample* node) {
    const json::value* told = node->status.if_contains("node");
    if (told == nullptr || !told->is_object())
      return;
    node->id = Number(told->get_object(), "id");
    node->name = client::TextOf(told->get_object(), "name");
  }

  // Null, and why, for a member that cannot be asked. What is said by https to some is not said
  // openly to others.
  client::Client* ClientOf(NodeSample* node) {
    std::unique_ptr<client::Client>& made = clients_[node->url];
    if (made != nullptr)
      return made.get();
    const Result<client::Endpoint> endpoint = client::ParseEndpoint(node->url);
    if (!endpoint)
      node->error = endpoint.error().detail;
    else if (session_.endpoints().front().tls && !endpoint->tls)
      node->error = node->url + " is not https";
    else
      made = std::make_unique<client::Client>(std::vector{*endpoint}, session_.credentials());
    return made.get();
  }

  Session& session_;
  std::vector<NodeSample> members_;
  std::map<std::string, std::unique_ptr<client::Client>> clients_;
};

int ExitOf(const TopView& view) { return view.up == 0 ? kUnavailable : kOk; }

void Show(Session& session, Screen* screen, const TopView& view) {
  if (session.json()) {
    PrintJson(ToJson(view));
    std::fflush(stdout);
  } else if (screen != nullptr) {
    screen->Draw(RenderTop(view, screen->columns(), screen->lines()));
  } else {
    for (const TopLine& line : RenderTop(view, 0, 0)) std::printf("%s\n", line.text.c_str());
  }
}

// Until that time is over; what is shown follows the size of the screen meanwhile.
bool Stay(Session& session, Screen& screen, const TopView& view, std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    switch (screen.Wait(left)) {
      case Screen::Event::kQuit:
        return false;
      case Screen::Event::kTime:
        return true;
      case Screen::Event::kRedraw:
        if (!session.json())
          Show(session, &screen, view);
    }
  }
}

int RunTop(Session& session, const TopOptions& o) {
  const std::chrono::milliseconds interval(ParseDurationMs(o.interval));
  if (interval.count() < 100) {
    std::fprintf(stderr, "synod: --interval: '%s' is no duration of at least 100ms\n",
                 o.interval.c_str());
    return kUsage;
  }
  Nodes nodes(session);
  ClusterSample before = nodes.Sample();
  if (o.once) {
    std::this_thread::sleep_for(interval);
    const TopView view = ViewOf(before, nodes.Sample());
    Show(session, nullptr, view);
    return ExitOf(view);
  }
  Screen screen(!session.json());
  TopView view = ViewOf(before, before);
  while (true) {
    Show(session, &screen, view);
    if (!Stay(session, screen, view, interval))
      return kOk;
    ClusterSample now = nodes.Sample();
    view = ViewOf(before, now);
    before = std::move(now);
  }
}

}  // namespace

void AddTopCommand(CLI::App* app, Run* run) {
  const auto o = std::make_shared<TopOptions>();
  CLI::App* top = app->add_subcommand("top", "the cluster as it is, once a second; q quits");
  top->add_flag("--once", o->once, "one picture, over one interval, and no screen");
  top->add_option("--interval", o->interval, "how often; default 1s");
  top->footer(
      "Asks every member at the address that it tells clients, for its status and its metrics.\n"
      "P50, P99: milliseconds of an answer, and SYNC of a sync of the log, in the last interval;\n"
      "LAG: slots behind the furthest. Exit code 6 (--once): no node answered.\n"
      "Examples:\n  synod top\n  synod top --once -o json | jq .warnings");
  top->callback([=] { *run = [=](Session& session) { return RunTop(session, *o); }; });
}

}  // namespace synod::cli
