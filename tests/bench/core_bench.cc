// What the parts of a request cost, one by one: HTTP parsing, JSON and calls, the commands'
// encoding, the machine, watches.
#include <benchmark/benchmark.h>

#include <string>

#include "src/api/call.h"
#include "src/machine/command.h"
#include "src/machine/machine.h"
#include "src/net/request_parser.h"
#include "tests/bench/one_node.h"
#include "watch/hub.h"

namespace synod::bench {
namespace {

constexpr size_t kValueBytes = 256;
constexpr size_t kPaths = 1000;

net::HttpRequest Parsed(std::string_view bytes) {
  net::RequestParser parser({size_t{2} << 20, 16 << 10, 8 << 10});
  parser.Feed(bytes);
  return parser.Take();
}

void HttpParse(benchmark::State& state) {
  const std::string request = PutRequest(1);
  net::RequestParser parser({size_t{2} << 20, 16 << 10, 8 << 10});
  for (auto _ : state) {
    parser.Feed(request);
    benchmark::DoNotOptimize(parser.Take());
  }
}
BENCHMARK(HttpParse);

void ParseCallOf(benchmark::State& state, const std::string& bytes) {
  const net::HttpRequest request = Parsed(bytes);
  const api::HttpPolicy policy;
  const api::Context context;
  for (auto _ : state)
    benchmark::DoNotOptimize(api::ParseCall(request, api::Limits(), policy, context));
}
BENCHMARK_CAPTURE(ParseCallOf, Get, GetRequest(1));
BENCHMARK_CAPTURE(ParseCallOf, Put, PutRequest(1));
BENCHMARK_CAPTURE(
    ParseCallOf,
    Txn,
    RequestWithBody("POST",
                    "/v1/txn",
                    R"({"if":[{"path":"/a","target":"version","op":"==","value":3}],)"
                    R"("then":[{"put":{"path":"/a","value":"x"}},{"get":{"path":"/b"}}]})"));

machine::Command PutCommand(uint64_t number) {
  machine::Put put;
  put.path = "/bench/" + std::to_string(10'000 + number % kPaths);
  put.value = std::string(kValueBytes, 'v');
  machine::Command command;
  command.operation = std::move(put);
  return command;
}

void EncodeCommand(benchmark::State& state) {
  const machine::Command command = PutCommand(1);
  for (auto _ : state) benchmark::DoNotOptimize(machine::Encode(command));
}
BENCHMARK(EncodeCommand);

void DecodeCommand(benchmark::State& state) {
  const Bytes bytes = machine::Encode(PutCommand(1));
  for (auto _ : state) benchmark::DoNotOptimize(machine::DecodeCommand(bytes));
}
BENCHMARK(DecodeCommand);

// A revision is told to watches of which each follows one path, or all the same.
void Publish(benchmark::State& state) {
  store::Tree tree;
  watch::Hub hub(&tree);
  const auto watches = static_cast<uint64_t>(state.range(0));
  const bool same = state.range(1) != 0;
  for (uint64_t i = 0; i < watches; ++i) {
    watch::Spec spec;
    spec.path = "/w/" + std::to_string(same ? 0 : i);
    benchmark::DoNotOptimize(hub.Add(spec, Revision()));
  }
  for (auto _ : state) {
    store::Edit edit = tree.Begin(tree.last_revision() + 1);
    benchmark::DoNotOptimize(
        edit.Put("/w/0", store::Value(std::string(kValueBytes, 'v')), std::nullopt, {}));
    hub.Publish(edit.Commit(ClusterTime(0)));
    for (const watch::WatchId id : hub.TakeReady())
      while (hub.Next(id).kind == watch::Hub::Step::Kind::kMessage) {
      }
    tree.Retain(ClusterTime(0), 1'000'000, uint64_t{1} << 20);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(same ? watches : 1));
}
BENCHMARK(Publish)->Args({1000, 0})->Args({1000, 1});

// From the request's bytes to the answer's, of a cluster of one without sockets and disk.
void Whole(benchmark::State& state, std::string (*request)(uint64_t)) {
  OneNode node;
  for (uint64_t i = 0; i < kPaths; ++i) node.Ask(PutRequest(i));
  uint64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(node.Ask(request(i++ % kPaths)));
}
BENCHMARK_CAPTURE(Whole, Put, PutRequest);
BENCHMARK_CAPTURE(Whole, Get, GetRequest);

}  // namespace
}  // namespace synod::bench

BENCHMARK_MAIN();
