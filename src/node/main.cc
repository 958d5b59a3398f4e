// synodd: one node of a Synod cluster.
#include <CLI/CLI.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "src/node/config.h"
#include "src/node/log.h"
#include "src/node/process.h"
#include "src/node/recover.h"
#include "src/node/server.h"

namespace {

using synod::node::NodeConfig;

constexpr int kUsage = 2;
constexpr int kCannotStart = 1;
constexpr int kMustNotRun = 3;
constexpr int kDiskError = 70;

struct Flag {
  const char* flag;
  const char* setting;
  const char* help;
};

constexpr Flag kFlags[] = {
    {"--data-dir", "data_dir", "directory that keeps this node's data (created if missing)"},
    {"--id", "id", "member number of this node; default 1"},
    {"--name", "name", "a name for people; default node-<member number>"},
    {"--client", "client", "HOST:PORT for clients; default 127.0.0.1:7301"},
    {"--peer", "peer", "HOST:PORT for the other nodes; default 127.0.0.1:7302"},
    {"--advertise-client", "advertise_client", "URL by which clients reach this node"},
    {"--advertise-peer", "advertise_peer", "HOST:PORT by which the other nodes reach this one"},
    {"--initial-cluster", "initial_cluster",
     "1=HOST:PEERPORT,2=HOST:PEERPORT,...: the members of a new cluster, the same on all of them"},
    {"--join", "join",
     "URL,URL,...: an empty node enters the cluster that these members belong to, as a learner; "
     "it gets its member number there. With --initial-cluster, those in that list found instead"},
    {"--join-as", "join_as",
     "learner or voter: whether a node that has joined and caught up asks to be promoted"},
    {"--cluster-token", "cluster_token", "tells clusters with equal addresses apart"},
};

int Fail(int code, const std::string& why) {
  std::fprintf(stderr, "synodd: %s\n", why.c_str());
  return code;
}

// File, then environment, then flags.
synod::Status ReadConfig(const std::string& file,
                         const std::map<std::string, std::string>& flags,
                         NodeConfig* config) {
  if (!file.empty())
    if (synod::Status s = synod::node::LoadConfigFile(file, config); !s)
      return s;
  if (synod::Status s = synod::node::LoadEnvironment(synod::node::Environment(), config); !s)
    return s;
  for (const Flag& flag : kFlags) {
    const auto it = flags.find(flag.setting);
    if (it == flags.end())
      continue;
    if (synod::Status s = synod::node::SetOption(config, flag.setting, it->second); !s)
      return synod::Error{synod::Errc::kInvalidRequest, synod::Outcome::kNotApplied,
                          std::string(flag.flag) + ": " + s.error().detail};
  }
  return synod::node::FinishConfig(config);
}

int Run(const NodeConfig& config) {
  // A joiner has no number yet.
  synod::node::SetLog(config.log_level, config.log_format, config.join.empty() ? config.id : 0);
  synod::net::asio::io_context io(1);
  int code = 0;
  synod::node::Server server(io, config, [&](synod::node::Ending ending, const std::string& why) {
    synod::node::LogError(why);
    code = ending == synod::node::Ending::kDiskError ? kDiskError : kMustNotRun;
    io.stop();
  });
  if (const synod::Status s = server.Start(); !s)
    return Fail(kCannotStart, s.error().detail);
  // It listens. Whether it may serve is for others to say, who may start after it.
  synod::node::NotifyServiceManager("READY=1");
  synod::net::asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](const boost::system::error_code& error, int) {
    if (error)
      return;
    synod::node::LogInfo("stopping");
    synod::node::NotifyServiceManager("STOPPING=1");
    server.Stop([&io] { io.stop(); });
    // A second signal does not wait for order.
    signals.async_wait([&io](const boost::system::error_code& e, int) {
      if (!e)
        io.stop();
    });
  });
  io.run();
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "synodd: one node of a Synod cluster.\n\n"
      "Settings come from the file, then SYNOD_... in the environment, then flags; later wins."};
  app.set_version_flag("--version", std::string(synod::node::kVersion));
  app.footer(
      "Examples:\n"
      "  synodd --data-dir /var/lib/synod\n"
      "  synodd --data-dir d2 --id 2 --client 127.0.0.1:7311 --peer 127.0.0.1:7312 \\\n"
      "         --initial-cluster 1=127.0.0.1:7302,2=127.0.0.1:7312,3=127.0.0.1:7322\n"
      "  synodd --data-dir d4 --name four --client 127.0.0.1:7331 --peer 127.0.0.1:7332 \\\n"
      "         --join http://127.0.0.1:7301,http://127.0.0.1:7311\n"
      "Exit codes: 0 stopped in order, 1 cannot start, 2 bad usage, 3 must not run (lost "
      "identity, or a newer version's entries), "
      "70 disk error.");
  std::map<std::string, std::string> values;
  std::map<std::string, std::string> flags;
  for (const Flag& flag : kFlags)
    app.add_option_function<std::string>(
        flag.flag, [&flags, flag](const std::string& v) { flags[flag.setting] = v; }, flag.help);
  std::string file;
  app.add_option("--config", file, "YAML file with settings");
  NodeConfig config;
  app.add_flag("--accept-data-loss", config.accept_data_loss,
               "a cluster of one starts although its log is damaged, without what was lost");
  app.add_flag("--discard-state", config.discard_state,
               "for one start: takes the state of another member in the place of this node's own, "
               "which is damaged or not that of the majority; promises and votes stay");
  bool check = false;
  app.add_flag("--check-config", check, "check the settings and end");
  std::optional<int> recovered;
  synod::node::AddRecoverCommand(&app, &recovered);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  }
  if (recovered)
    return *recovered;
  if (const synod::Status s = ReadConfig(file, flags, &config); !s)
    return Fail(kUsage, s.error().detail);
#ifdef SYNOD_MACHINE_VERSION  // tests build this program as if it were another version
  config.machine_version = SYNOD_MACHINE_VERSION;
#endif
  if (check) {
    std::printf("the configuration is valid\n");
    return 0;
  }
  synod::node::SlowClock(config.debug_clock_permille);
  if (const synod::Status s = synod::node::ReadTokenFiles(&config); !s)
    return Fail(kUsage, s.error().detail);
  return Run(config);
}
