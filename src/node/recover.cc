#include "src/node/recover.h"

#include <cstdio>
#include <memory>
#include <string>

#include "src/node/process.h"
#include "src/offline/new_cluster.h"

namespace synod::node {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr const char* kWarning =
    "synodd recover --force-new-cluster makes a NEW cluster of one node from what this node has.\n"
    "  - Writes that were acknowledged by others and never reached this node are lost.\n"
    "  - The other members must never run again: clients that still reach them see another "
    "cluster.\n"
    "  - All leases end, with their nodes, locks and leaderships; watches cannot resume (410).\n"
    "  - If a majority can still be brought back, do that instead: nothing is lost then.\n";

struct Options {
  std::string data_dir;
  std::string new_data_dir;
  bool force = false;
};

int Fail(int code, const std::string& why) {
  std::fprintf(stderr, "synodd: %s\n", why.c_str());
  return code;
}

unsigned long long Wide(uint64_t n) { return n; }

int RunRecover(const Options& o) {
  std::fputs(kWarning, stderr);
  if (!o.force)
    return Fail(kUsage, "nothing was done: say --force-new-cluster if that is what you want");
  offline::RecoverOptions options;
  options.data_dir = o.data_dir;
  options.new_data_dir = o.new_data_dir;
  options.cluster_id = {Entropy64() | 1, Entropy64()};
  options.entropy = {Entropy64() | 1, Entropy64()};
  const Result<offline::Recovered> recovered = offline::RecoverAlone(options, [](uint64_t) {});
  if (!recovered)
    return Fail(recovered.error().code == Errc::kInvalidRequest ? kUsage : kFailed,
                recovered.error().detail);
  const offline::Recovered& r = *recovered;
  std::string ended;
  for (const NodeId id : r.ended) ended += (ended.empty() ? "" : ", ") + std::to_string(id.value);
  std::printf(
      "state of slot %llu, then %llu entries of the log: known to be chosen up to slot %llu, voted "
      "for up to %llu\n"
      "new cluster   %s\n"
      "member        %u, the only one; was member %u. Members %s of the old cluster are none here\n"
      "revision      %llu\n"
      "cluster time  %lld\n"
      "digest        %s\n"
      "%s is as it was. Start the node with --data-dir %s, then add members with empty data "
      "directories.\n",
      Wide(r.state_slot.value), Wide(r.entries), Wide(r.learned.value), Wide(r.last.value),
      r.node.cluster_id.Hex().c_str(), r.node.member.value, r.survivor.value, ended.c_str(),
      Wide(r.node.revision.value), static_cast<long long>(r.node.time.value),
      r.node.digest.sum.Hex().c_str(), o.data_dir.c_str(), o.new_data_dir.c_str());
  return kDone;
}

}  // namespace

void AddRecoverCommand(CLI::App* app, std::optional<int>* code) {
  auto o = std::make_shared<Options>();
  auto* recover = app->add_subcommand(
      "recover",
      "a cluster of one from what one stopped node has, when the quorum is gone for good");
  recover->footer(
      "Example:\n"
      "  synodd recover --force-new-cluster --data-dir /var/lib/synod --new-data-dir "
      "/var/lib/synod-new\n"
      "Of several survivors take the one with the highest slot (synod debug verify DIR).");
  recover->add_option("--data-dir", o->data_dir, "data directory of the survivor; stays as it is")
      ->required();
  recover
      ->add_option("--new-data-dir", o->new_data_dir, "directory to make; must be empty or absent")
      ->required();
  recover->add_flag("--force-new-cluster", o->force, "yes: give the old cluster up");
  recover->callback([=] { *code = RunRecover(*o); });
}

}  // namespace synod::node
