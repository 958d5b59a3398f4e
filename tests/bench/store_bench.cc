// What the tree costs: time a call and memory a node, at a hundred thousand and a million nodes of
// 256 bytes.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include <cstdio>
#include <string>
#include <vector>

#include "src/base/random.h"
#include "src/store/tree.h"

namespace synod::store {
namespace {

constexpr size_t kValueBytes = 256;
constexpr uint64_t kNodesPerDirectory = 1000;

std::string PathOf(uint64_t i) {
  char path[64];
  const int n = std::snprintf(path, sizeof path, "/bench/%05llu/key-%08llu",
                              static_cast<unsigned long long>(i / kNodesPerDirectory),
                              static_cast<unsigned long long>(i));
  return std::string(path, static_cast<size_t>(n));
}

Value NewValue() { return Value(std::string(kValueBytes, 'v')); }

void Put(Tree* tree, const std::string& path) {
  Edit edit = tree->Begin(tree->last_revision() + 1);
  benchmark::DoNotOptimize(edit.Put(path, NewValue(), std::nullopt, Precondition()));
  edit.Commit(ClusterTime(0));
}

// Keeps the history short, as a machine does.
void Forget(Tree* tree) { tree->Retain(ClusterTime(0), 1'000'000, uint64_t{1} << 20); }

Tree Filled(uint64_t nodes) {
  Tree tree;
  for (uint64_t i = 0; i < nodes; ++i) {
    Put(&tree, PathOf(i));
    if (i % 64 == 0)
      Forget(&tree);
  }
  return tree;
}

// One tree for all benchmarks of a size: filling takes longer than measuring.
Tree& Shared(uint64_t nodes) {
  static uint64_t size = 0;
  static std::unique_ptr<Tree> tree;
  if (size != nodes) {
    tree.reset();
    tree = std::make_unique<Tree>(Filled(nodes));
    size = nodes;
  }
  return *tree;
}

std::vector<std::string> RandomPaths(uint64_t nodes) {
  Random random(1);
  std::vector<std::string> paths;
  for (int i = 0; i < 1 << 16; ++i) paths.push_back(PathOf(random.Below(nodes)));
  return paths;
}

uint64_t Count(const benchmark::State& state) { return static_cast<uint64_t>(state.range(0)); }

void Get(benchmark::State& state) {
  const Tree& tree = Shared(Count(state));
  const auto paths = RandomPaths(Count(state));
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(tree.Find(paths[i++ % paths.size()]));
}

void Replace(benchmark::State& state) {
  Tree& tree = Shared(Count(state));
  const auto paths = RandomPaths(Count(state));
  size_t i = 0;
  for (auto _ : state) {
    Put(&tree, paths[i++ % paths.size()]);
    if (i % 64 == 0)
      Forget(&tree);
  }
}

void CreateAndDelete(benchmark::State& state) {
  Tree& tree = Shared(Count(state));
  const auto paths = RandomPaths(Count(state));
  size_t i = 0;
  for (auto _ : state) {
    const std::string path = paths[i++ % paths.size()] + "-x";
    Put(&tree, path);
    Edit edit = tree.Begin(tree.last_revision() + 1);
    benchmark::DoNotOptimize(edit.Delete(path, false, Precondition(), false));
    edit.Commit(ClusterTime(0));
    if (i % 64 == 0)
      Forget(&tree);
  }
}

void CreateInOrder(benchmark::State& state) {
  Tree tree;
  uint64_t i = 0;
  for (auto _ : state) {
    Put(&tree, PathOf(i++));
    if (i % 64 == 0)
      Forget(&tree);
  }
}

void ListEntry(benchmark::State& state) {
  const Tree& tree = Shared(Count(state));
  int64_t entries = 0;
  uint64_t directory = 0;
  for (auto _ : state) {
    char path[32];
    std::snprintf(path, sizeof path, "/bench/%05llu",
                  static_cast<unsigned long long>(directory++ % (Count(state) / 1000)));
    const auto list = tree.List(path, ListScope::kChildren, 10'000, "", {});
    entries += static_cast<int64_t>(list->nodes.size());
  }
  state.SetItemsProcessed(entries);
}

void Checkpoint(benchmark::State& state) {
  Tree& tree = Shared(Count(state));
  const auto paths = RandomPaths(Count(state));
  int64_t records = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (size_t i = 0; i < 1000; ++i) Put(&tree, paths[i]);
    state.ResumeTiming();
    Records out;
    tree.TakeDirty(&out);
    records += static_cast<int64_t>(out.size());
  }
  state.SetItemsProcessed(records);
}

void BytesPerNode(benchmark::State& state) {
  for (auto _ : state) {
    const struct mallinfo2 before = mallinfo2();
    const Tree tree = Filled(Count(state));
    const struct mallinfo2 after = mallinfo2();
    const auto used = [](const struct mallinfo2& m) { return m.uordblks + m.hblkhd; };
    state.counters["bytes_per_node"] =
        static_cast<double>(used(after) - used(before)) / static_cast<double>(Count(state));
  }
}

void LoadNode(benchmark::State& state) {
  const Tree& tree = Shared(Count(state));
  std::vector<std::pair<std::string, std::string>> records;
  tree.ForEachRecord([&](std::string_view k, std::string_view v) { records.emplace_back(k, v); });
  for (auto _ : state) {
    Tree loaded;
    for (const auto& [key, value] : records)
      benchmark::DoNotOptimize(loaded.LoadRecord(key, value));
    benchmark::DoNotOptimize(loaded.FinishLoad());
  }
  state.SetItemsProcessed(static_cast<int64_t>(records.size() * state.iterations()));
}

BENCHMARK(BytesPerNode)->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(CreateInOrder);
#define SYNOD_STORE_BENCH(name) BENCHMARK(name)->Arg(100'000)
SYNOD_STORE_BENCH(Get);
SYNOD_STORE_BENCH(Replace);
SYNOD_STORE_BENCH(CreateAndDelete);
SYNOD_STORE_BENCH(ListEntry);
SYNOD_STORE_BENCH(Checkpoint)->Iterations(100);
SYNOD_STORE_BENCH(LoadNode)->Unit(benchmark::kMillisecond);
#undef SYNOD_STORE_BENCH
#define SYNOD_STORE_BENCH(name) BENCHMARK(name)->Arg(1'000'000)
SYNOD_STORE_BENCH(Get);
SYNOD_STORE_BENCH(Replace);
SYNOD_STORE_BENCH(CreateAndDelete);
SYNOD_STORE_BENCH(ListEntry);
SYNOD_STORE_BENCH(Checkpoint)->Iterations(100);
SYNOD_STORE_BENCH(LoadNode)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace synod::store

BENCHMARK_MAIN();
