// ClusterTest: tests of one suite share one running cluster of the given size.
//
// Contract      The cluster is started before the first test of the suite and stopped after the
//               last. A failed test prints the end of every node's log.
#ifndef SYNOD_TESTS_INTEGRATION_CLUSTER_TEST_BASE_H_
#define SYNOD_TESTS_INTEGRATION_CLUSTER_TEST_BASE_H_

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "tests/integration/cluster.h"
#include "tests/integration/http_client.h"

namespace synod::integration {

// The end of every node's log, for the reader of a failure.
inline void PrintLogs(Cluster& cluster) {
  for (int id = 1; id <= cluster.size(); ++id) {
    const std::string log = cluster.node(id).Log();
    std::printf("--- end of the log of node %d ---\n%s\n", id,
                log.substr(log.size() - std::min<size_t>(log.size(), 2000)).c_str());
  }
}

// A metric without labels, or with exactly these, of the text of /metrics.
inline double MetricOf(const std::string& text, const std::string& name) {
  const size_t at = text.find("\n" + name + " ");
  EXPECT_NE(at, std::string::npos) << name;
  return at == std::string::npos ? -1 : std::strtod(text.c_str() + at + name.size() + 2, nullptr);
}
inline double Metric(uint16_t port, const std::string& name) {
  return MetricOf(Http(port, "GET", "/metrics").body, name);
}

template <int kSize>
class ClusterTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new Cluster(kSize);
    shared_->Start();
  }
  static void TearDownTestSuite() {
    delete shared_;
    shared_ = nullptr;
  }
  void TearDown() override {
    if (HasFailure())
      PrintLogs(cluster());
  }

  static Cluster& cluster() { return *shared_; }
  // A node for each number: requests of a test go through different ones.
  static uint16_t port(int n = 0) { return shared_->port(n % kSize + 1); }
  // Which has to succeed.
  static Answer Put(const std::string& path, const std::string& value, int n = 0) {
    const Answer answer = Http(port(n), "PUT", "/v1/kv" + path, {.body = value});
    EXPECT_EQ(answer.status / 100, 2) << answer.body;
    return answer;
  }

 private:
  static inline Cluster* shared_ = nullptr;
};

}  // namespace synod::integration

#endif  // SYNOD_TESTS_INTEGRATION_CLUSTER_TEST_BASE_H_
