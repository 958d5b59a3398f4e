// What becomes of requests that wait in the service while the node around it changes.
#include "src/node/service.h"

#include <gtest/gtest.h>

#include "tests/support/quiet_exchange.h"
#include "tests/unit/node/engine_cluster.h"

namespace synod::node {
namespace {

class KeptExchange final : public net::QuietExchange {
 public:
  using QuietExchange::QuietExchange;
  void Reply(net::HttpResponse given) override { response = std::move(given); }
  std::optional<net::HttpResponse> response;
};

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    EXPECT_EQ(cluster_.Elect(), 1u);
    Service::Hooks hooks;
    hooks.touch = [] {};
    hooks.info = [] {
      NodeInfo info;
      info.id = NodeId(1);
      return info;
    };
    hooks.load = [] { return net::HttpCounters(); };
    hooks.take_state = [this](Slot, StateTaker taker) { taker_ = std::move(taker); };
    service_ = std::make_unique<Service>(io_, api::HttpPolicy(), AccessRules(), 0,
                                         Service::Bounds(), hooks);
    service_->SetEngine(&cluster_.node(1));
  }
  std::shared_ptr<KeptExchange> Get(const std::string& target) {
    net::HttpRequest request;
    request.method = "GET";
    request.target = target;
    request.headers = {{"host", "localhost"}};
    auto exchange = std::make_shared<KeptExchange>(std::move(request));
    service_->OnRequest(exchange);
    return exchange;
  }
  // Until the quorum rounds that were asked for are over, and what follows them has begun.
  void FinishRounds() {
    cluster_.Settle();
    std::vector<ReadReady> ready;
    for (CallId call = 1; call < 100; ++call)
      if (const auto time = cluster_.ReadAnswer(1, call))
        ready.push_back({call, *time});
    service_->OnReadsReady(std::move(ready), {});
    io_.restart();
    io_.poll();
  }

  net::asio::io_context io_{1};
  EngineCluster cluster_{1};
  StateTaker taker_;
  std::unique_ptr<Service> service_;
};

TEST_F(ServiceTest, ABackupThatWaitsForItsCheckpointIsAnsweredWhenTheNodeStops) {
  const auto backup = Get("/v1/snapshot");
  FinishRounds();
  ASSERT_TRUE(taker_);
  EXPECT_FALSE(backup->response);
  service_->EndStreams();
  ASSERT_TRUE(backup->response);
  EXPECT_EQ(backup->response->status, 503);
  // The disk's thread may have it on the way still.
  service_.reset();
  taker_(nullptr);
}

}  // namespace
}  // namespace synod::node
