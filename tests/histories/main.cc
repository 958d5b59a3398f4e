// histories: recorded clients against a cluster of real processes under real faults, and what came
// of it: a verdict with its counts.
//
//   histories --nodes 3 --minutes 20 --faults kill,pause --workload registers,sets --seed 1
//
// Exit status 0 if everything is linearizable and all nodes agree at the end; 1 if not; 3 if a
// search gave up.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/histories/run.h"

int main(int argc, char** argv) {
  synod::histories::Options options;
  CLI::App app("clients, faults and a verdict");
  app.add_option("--nodes", options.nodes, "voters, 1 to 7")->check(CLI::Range(1, 7));
  app.add_option("--minutes", options.minutes, "of faults; a fraction will do")
      ->check(CLI::PositiveNumber);
  app.add_option("--faults", options.faults, "by commas; default kill,pause")
      ->delimiter(',')
      ->check(CLI::IsMember(synod::histories::FaultNames()));
  app.add_option("--workload", options.workloads, "by commas; default all but paused-locks")
      ->delimiter(',')
      ->check(CLI::IsMember(synod::histories::WorkloadNames()));
  app.add_option("--seed", options.seed, "of faults and clients");
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // for those who watch a long run through a file
  return synod::histories::Run(options);
}
