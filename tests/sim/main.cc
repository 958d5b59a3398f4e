// sim: runs seeds of the simulator.
//
//   sim --seeds N [--start S] [--jobs J]    N seeds from S on, on J processes
//   sim --seed S [--trace]                  one seed, with its events
//
// Exit status 1 and, as the last line, the command that repeats the first failing seed, if a
// promise is broken or the code under test aborts.
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "src/base/check.h"
#include "tests/sim/totals.h"

namespace synod::sim {
namespace {

struct Options {
  uint64_t start = 1;
  uint64_t seeds = 100;
  uint64_t jobs = 1;
  std::optional<uint64_t> seed;
  bool trace = false;
};

bool ParseNumber(std::string_view text, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--trace") {
      options->trace = true;
      continue;
    }
    uint64_t number = 0;
    if (i + 1 == argc || !ParseNumber(argv[++i], &number))
      return false;
    if (flag == "--seed")
      options->seed = number;
    else if (flag == "--seeds")
      options->seeds = number;
    else if (flag == "--start")
      options->start = number;
    else if (flag == "--jobs")
      options->jobs = std::clamp<uint64_t>(number, 1, 64);
    else
      return false;
  }
  return true;
}

// What a worker process leaves for its parent, also when it aborts.
struct Slot {
  uint64_t seed;  // under way; 0: none
  uint64_t failed;
  Totals totals;
};

// False at the first failing seed.
bool RunOne(uint64_t seed, bool trace, Slot* slot) {
  slot->seed = seed;
  const RunReport report = RunSeed(seed, trace);
  slot->totals.Add(report);
  if (report.failure.empty())
    return true;
  slot->failed = seed;
  std::printf("seed %llu: %s\n  %s\n", static_cast<unsigned long long>(seed),
              report.failure.c_str(), Describe(DrawSwarm(seed)).c_str());
  std::fflush(stdout);
  return false;
}

void Work(const Options& options, uint64_t worker, Slot* slot) {
  for (uint64_t i = worker; i < options.seeds; i += options.jobs)
    if (!RunOne(options.start + i, false, slot))
      return;
  slot->seed = 0;
}

double CpuSeconds() {
  rusage children{};
  getrusage(RUSAGE_CHILDREN, &children);
  return static_cast<double>(children.ru_utime.tv_sec + children.ru_stime.tv_sec) +
         static_cast<double>(children.ru_utime.tv_usec + children.ru_stime.tv_usec) / 1e6;
}

int RunMany(const Options& options) {
  void* memory = mmap(nullptr, sizeof(Slot) * options.jobs, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SYNOD_CHECK(memory != MAP_FAILED);
  auto* slots = static_cast<Slot*>(memory);
  std::vector<pid_t> workers;
  for (uint64_t w = 0; w < options.jobs; ++w) {
    new (&slots[w]) Slot{};
    const pid_t pid = fork();
    SYNOD_CHECK(pid >= 0);
    if (pid == 0) {
      Work(options, w, &slots[w]);
      std::fflush(stdout);
      _exit(0);
    }
    workers.push_back(pid);
  }
  uint64_t failed = 0;
  Totals totals;
  for (uint64_t w = 0; w < options.jobs; ++w) {
    int status = 0;
    waitpid(workers[w], &status, 0);
    const bool aborted = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    const uint64_t bad = aborted ? slots[w].seed : slots[w].failed;
    if (bad != 0)
      failed = failed == 0 ? bad : std::min(failed, bad);
    totals.Add(slots[w].totals);
  }
  totals.Print(CpuSeconds());
  if (failed == 0)
    return 0;
  std::printf("./dev sim --seed %llu\n", static_cast<unsigned long long>(failed));
  return 1;
}

int Main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, &options)) {
    std::fprintf(stderr, "usage: sim --seeds N [--start S] [--jobs J] | --seed S [--trace]\n");
    return 2;
  }
  if (!options.seed)
    return RunMany(options);
  std::printf("%s\n", Describe(DrawSwarm(*options.seed)).c_str());
  Slot slot{};
  const bool good = RunOne(*options.seed, options.trace, &slot);
  slot.totals.Print(0);
  std::printf("seed %llu, trace %016llx\n", static_cast<unsigned long long>(*options.seed),
              static_cast<unsigned long long>(slot.totals.last_trace));
  if (!good)
    std::printf("./dev sim --seed %llu\n", static_cast<unsigned long long>(*options.seed));
  return good ? 0 : 1;
}

}  // namespace
}  // namespace synod::sim

int main(int argc, char** argv) { return synod::sim::Main(argc, argv); }
