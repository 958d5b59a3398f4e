// A job runner of which one leads: it alone takes jobs from the queue, and when it goes the next
// goes on. Start as many as you like; each ends after the number of jobs that is its argument.
#include <synod/client/counter.h>
#include <synod/client/election.h>
#include <synod/client/queue.h>

#include <cstdio>
#include <cstdlib>

using namespace synod::client;

namespace {

// Runs jobs while leading; how many are left to run.
int Lead(Client& client, const Hold& leadership, int jobs) {
  Queue queue(client, "/examples/jobs");
  Counter done(client, "/examples/jobs-done");
  while (jobs > 0 && leadership.Held()) {
    auto job = queue.Take(std::chrono::seconds(2));
    if (!job)
      continue;  // none in time, or the cluster is away: ask whether we still lead
    // The result counts only if we lead at the moment at which it is applied.
    auto count = done.Add(1, {leadership.fence()});
    if (!count)
      break;
    std::printf("job %s is done: %ld in all\n", job->c_str(), long(*count));
    std::fflush(stdout);
    --jobs;
  }
  return jobs;
}

}  // namespace

int main(int argc, char** argv) {
  Client client(ParseEndpoints(std::getenv("SYNOD_ENDPOINTS")).value());
  HoldOptions options;
  options.ttl = std::chrono::seconds(3);
  options.value = argc > 2 ? argv[2] : "runner";
  options.on_lost = [] { std::puts("not the leader any more"); };
  Election election(client, "/examples/runner", options);

  int jobs = argc > 1 ? std::atoi(argv[1]) : 1;
  while (jobs > 0) {
    auto leadership = election.Campaign(std::chrono::hours(1));
    if (!leadership) {
      std::fprintf(stderr, "stood in vain: %s\n", leadership.error().detail.c_str());
      continue;
    }
    std::printf("%s leads\n", options.value.c_str());
    std::fflush(stdout);
    jobs = Lead(client, *leadership, jobs);
  }
  return 0;
}
