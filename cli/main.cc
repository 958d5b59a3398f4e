// synod: the command line of a Synod cluster.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace {

using synod::cli::Format;

constexpr const char* kDefaultEndpoint = "http://127.0.0.1:7301";

int BadUsage(const std::string& why) {
  std::fprintf(stderr, "synod: %s\n", why.c_str());
  return synod::cli::kUsage;
}

void AddCredentials(CLI::App* app, synod::client::Credentials* credentials) {
  const auto add = [&](const char* name, const char* variable, std::string* value,
                       const std::string& help) {
    if (const char* set = std::getenv(variable))
      *value = set;
    app->add_option(name, *value, help + "; default $" + variable);
  };
  add("--token", "SYNOD_AUTH_TOKEN", &credentials->token,
      "who you are; as an argument other users of this machine can see it");
  add("--cacert", "SYNOD_CACERT", &credentials->ca_file,
      "for https: PEM file of the authorities that sign the nodes' certificates, else the "
      "system's");
  add("--cert", "SYNOD_CERT", &credentials->cert_file,
      "for https: PEM file of your own certificate, if nodes ask for one; without a token it says "
      "who you are");
  add("--key", "SYNOD_KEY", &credentials->key_file, "for https: PEM file of its key");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"synod: browse and change a Synod cluster."};
  app.require_subcommand(1);
  app.set_version_flag("--version", "0.1.0");
  app.footer(
      "Exit codes: 0 done, 1 error, 2 bad usage or refused as malformed, 3 not found, 4 a "
      "precondition "
      "or the tree speaks against it, 5 lock or leadership not acquired, 6 nobody answered or no "
      "leader, "
      "7 the change may or may not have been applied, 9 a hold was lost while its command ran; "
      "'lock run' and 'elect run' pass their command's code.\n"
      "Examples:\n"
      "  synod put /app/config '{\"debug\":false}'\n"
      "  synod --endpoints http://127.0.0.1:7301,http://127.0.0.1:7311 watch -r /app\n"
      "  synod lock run /jobs/backup --wait 1m -- ./backup.sh");
  const char* from_environment = std::getenv("SYNOD_ENDPOINTS");
  std::string endpoints = from_environment != nullptr ? from_environment : kDefaultEndpoint;
  std::string format = "table";
  std::string timeout = "10s";
  app.add_option(
      "--endpoints", endpoints,
      std::string("nodes to talk to, separated by commas; default $SYNOD_ENDPOINTS or ") +
          kDefaultEndpoint);
  synod::client::Credentials credentials;
  AddCredentials(&app, &credentials);
  app.add_option("-o,--output", format, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--timeout", timeout, "how long to try; default 10s");
  app.fallthrough();

  synod::cli::Run run;
  synod::cli::AddTreeCommands(&app, &run);
  synod::cli::AddFileCommands(&app, &run);
  synod::cli::AddWatchCommand(&app, &run);
  synod::cli::AddLeaseCommands(&app, &run);
  synod::cli::AddLockCommands(&app, &run);
  synod::cli::AddMemberCommands(&app, &run);
  synod::cli::AddClusterCommands(&app, &run);
  synod::cli::AddQuotaCommands(&app, &run);
  synod::cli::AddTopCommand(&app, &run);
  synod::cli::AddAuthCommands(&app, &run);
  synod::cli::AddSnapshotCommands(&app, &run);
  synod::cli::AddDebugCommands(&app, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? static_cast<int>(synod::cli::kOk)
                            : static_cast<int>(synod::cli::kUsage);
  }
  synod::Result<std::vector<synod::client::Endpoint>> parsed =
      synod::client::ParseEndpoints(endpoints);
  if (!parsed)
    return BadUsage("--endpoints: " + parsed.error().detail);
  const int64_t timeout_ms = synod::cli::ParseDurationMs(timeout);
  if (timeout_ms <= 0)
    return BadUsage("'" + timeout + "' is no duration: 10s, 500ms, 2m, 1h");
  const std::string& token = credentials.token;
  if (!std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; }))
    return BadUsage("--token: not the form of a token");
  if (parsed->front().tls)
    if (const synod::Status usable = synod::client::CheckCredentials(credentials); !usable)
      return BadUsage(usable.error().detail);
  synod::cli::Session session(*std::move(parsed), credentials,
                              format == "json" ? Format::kJson : Format::kTable,
                              std::chrono::milliseconds(timeout_ms));
  return run(session);
}
