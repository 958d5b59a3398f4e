#include "tests/bench/one_node.h"

#include "src/base/check.h"
#include "src/net/http_writer.h"
#include "src/net/request_parser.h"
#include "src/node/engine.h"
#include "src/node/process.h"
#include "src/node/service.h"
#include "tests/support/quiet_exchange.h"

namespace synod::bench {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kValueBytes = 256;
constexpr int64_t kSlowMs = 1000;

class MemoryExchange final : public net::QuietExchange {
 public:
  MemoryExchange(net::HttpRequest request, std::string* out)
      : QuietExchange(std::move(request)), out_(out) {}

  void Reply(net::HttpResponse response) override {
    net::AppendHead(response, net::Framing::kLength, net::AfterAnswer::kKeep,
                    "Sat, 21 Nov 2026 01:02:03 GMT", out_);
    out_->append(response.body);
  }

 private:
  std::string* out_;
};

node::EngineConfig ConfigOfOne() {
  node::EngineConfig config;
  config.self.id = NodeId(1);
  config.self.uuid = "uuid-1";
  config.self.name = "node-1";
  config.boot = 1;
  config.consensus.self = config.self.id;
  config.consensus.membership.voters = {config.self.id};
  config.consensus.boot_id = config.boot;
  return config;
}

}  // namespace

class OneNode::Core {
 public:
  Core()
      : engine_(ConfigOfOne(), machine::Machine(auth::Settings()), consensus::Recovered(), now_ms_),
        service_(
            io_, api::HttpPolicy(), node::AccessRules(), kSlowMs, node::Service::Bounds(), Hooks()),
        parser_({2 * kMiB, 16 << 10, 8 << 10}) {
    engine_.SnapshotsRecovered({}, std::nullopt);
    service_.SetEngine(&engine_);
    while (!engine_.Ready() || engine_.machine().membership().version == 0) {
      now_ms_ += 10;
      engine_.Advance(now_ms_);
      Turn();
    }
  }

  std::string_view Ask(std::string_view request) {
    answer_.clear();
    SYNOD_CHECK_EQ(parser_.Feed(request), request.size());
    SYNOD_CHECK(parser_.state() == net::RequestParser::State::kDone);
    service_.OnRequest(std::make_shared<MemoryExchange>(parser_.Take(), &answer_));
    while (engine_.HasOutput()) Turn();
    // Of lists: they are made in an event of their own.
    if (answer_.empty()) {
      io_.restart();
      io_.poll();
    }
    return answer_;
  }

 private:
  static node::Service::Hooks Hooks() {
    node::Service::Hooks hooks;
    hooks.touch = [] {};
    hooks.info = [] {
      node::NodeInfo info;
      info.id = NodeId(1);
      info.name = "node-1";
      info.cluster_id = "c";
      return info;
    };
    hooks.metrics = [] { return std::string(); };
    hooks.storage_status = [](api::StatusView*) {};
    hooks.peer_address = [](NodeId) { return std::string(); };
    hooks.load = [] { return net::HttpCounters(); };
    hooks.take_state = [](Slot, const node::StateTaker&) {};
    return hooks;
  }
  void Turn() {
    node::EngineOutput out = engine_.Take();
    if (!out.persist.empty())
      engine_.Persisted(out.persist.back().id, ++gen_);
    service_.OnRevisions(out.revisions);
    const int64_t now_us = node::MonotonicUs();
    const node::TurnTimes turn{now_us, now_us};
    service_.OnChangesDone(std::move(out.changes), turn);
    service_.OnReadsReady(std::move(out.reads), turn);
    if (out.checkpoint)
      engine_.Checkpointed(out.checkpoint->slot, Slot(1));
  }

  int64_t now_ms_ = 1000;
  uint64_t gen_ = 0;
  std::string answer_;
  net::asio::io_context io_;
  node::Engine engine_;
  node::Service service_;
  net::RequestParser parser_;
};

OneNode::OneNode() : core_(std::make_unique<Core>()) {}
OneNode::~OneNode() = default;
std::string_view OneNode::Ask(std::string_view request) { return core_->Ask(request); }

std::string RequestWithBody(std::string_view method,
                            std::string_view target,
                            std::string_view body) {
  std::string request(method);
  request.append(" ").append(target).append(" HTTP/1.1\r\nHost: 127.0.0.1:7301\r\n");
  if (!body.empty())
    request.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  return request.append("\r\n").append(body);
}

std::string PutRequest(uint64_t number) {
  return RequestWithBody("PUT", "/v1/kv/bench/" + std::to_string(10'000 + number),
                         std::string(kValueBytes, static_cast<char>('a' + number % 26)));
}

std::string GetRequest(uint64_t number) {
  return RequestWithBody("GET", "/v1/kv/bench/" + std::to_string(10'000 + number), "");
}

}  // namespace synod::bench
