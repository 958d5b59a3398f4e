// Answers N requests of a kind in one process: run under callgrind with two values of N, whose
// difference is what N requests cost (tests/bench/budget_test.py).
//
//   request_cost put|get|local|list|txn|lock N
//
// Prints nothing and exits with 0; with 1 if an answer is not of success.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/bench/load.h"
#include "tests/bench/one_node.h"

namespace synod::bench {
namespace {

constexpr uint64_t kNodes = 100;

bool Succeeded(std::string_view answer) { return answer.substr(0, 10).ends_with('2'); }

class Requests {
 public:
  bool Prepare(const std::string& kind) {
    kind_ = kind;
    for (uint64_t i = 0; i < kNodes; ++i)
      if (!Succeeded(node_.Ask(PutRequest(i))))
        return false;
    const std::string_view lease =
        node_.Ask(RequestWithBody("POST", "/v1/leases", R"({"ttl_ms":60000})"));
    lease_ = std::to_string(NumberAfter(lease, "\"id\":"));
    return Succeeded(lease);
  }

  bool Do(uint64_t i) {
    const uint64_t n = i % kNodes;
    if (kind_ == "put")
      return Succeeded(node_.Ask(PutRequest(n)));
    if (kind_ == "get")
      return Succeeded(node_.Ask(GetRequest(n)));
    if (kind_ == "local")
      return Succeeded(
          node_.Ask(RequestWithBody("GET", "/v1/kv/bench/10001?consistency=sequential", "")));
    if (kind_ == "list")
      return Succeeded(node_.Ask(RequestWithBody("GET", "/v1/kv/bench?list=children", "")));
    if (kind_ == "txn")
      return Succeeded(node_.Ask(RequestWithBody(
          "POST", "/v1/txn",
          R"({"if":[{"path":"/bench/10001","target":"exists","op":"==","value":true}],)"
          R"("then":[{"put":{"path":"/bench/10002","value":"x"}},)"
          R"({"get":{"path":"/bench/10003"}}]})")));
    if (kind_ == "lock") {
      const std::string_view held =
          node_.Ask(RequestWithBody("POST", "/v1/locks/l/acquire", "{\"lease\":" + lease_ + "}"));
      return Succeeded(node_.Ask(
          RequestWithBody("POST", "/v1/locks/l/release",
                          "{\"token\":" + std::to_string(NumberAfter(held, "\"token\":")) + "}")));
    }
    return false;
  }

 private:
  std::string kind_;
  std::string lease_;
  OneNode node_;
};

}  // namespace
}  // namespace synod::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "request_cost put|get|local|list|txn|lock N\n");
    return 2;
  }
  synod::bench::Requests requests;
  if (!requests.Prepare(argv[1]))
    return 1;
  const uint64_t count = std::strtoull(argv[2], nullptr, 10);
  for (uint64_t i = 0; i < count; ++i)
    if (!requests.Do(i))
      return 1;
  return 0;
}
